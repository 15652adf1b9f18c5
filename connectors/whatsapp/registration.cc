#include "connectors/whatsapp/registration.h"

#include <string>

#include "connectors/sdk/json.h"
#include "connectors/sdk/meta.h"
#include "connectors/sdk/text.h"
#include "connectors/whatsapp/graph.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/verify.h"

namespace whatsapp {
namespace {

using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;
using sdk::json::Writer;

// Of an alternate callback URL.
constexpr std::size_t kMaxUrlCharacters = 200;

// Meta called the URL and did not like the answer.
constexpr std::int64_t kCallbackFailed = 2200;

// What `state` remembers: "override" = "number" or "waba", and at which URL; "wanted" where Meta
// could not reach it yet.
constexpr std::string_view kOverride = "override";
constexpr std::string_view kOverrideUrl = "override_url";

std::string number_path(const Channel& channel, std::string_view query) {
  return sdk::url_encode(channel.setting("phone_number_id")) + std::string(query);
}

std::string apps_path(std::string_view waba) { return sdk::url_encode(waba) + "/subscribed_apps"; }

Fail failed(const Channel& channel, const Answer& answer) {
  return fail_of(channel, answer, Purpose::channel, Repeat::safe);
}

std::string_view path_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto slash = scheme == std::string_view::npos ? scheme : url.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view() : url.substr(slash);
}

// The host only: a path may hold somebody's secret.
std::string origin_of(const Channel& channel, std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return "another address";
  return sdk::sanitize(cleaned(channel, url.substr(0, url.find_first_of("/?#", scheme + 3))), 200);
}

// The addresses that lead to this channel: its own, and with a signature to tell the deliveries by
// also the one all channels share, and those of the other channels.
bool leads_here(const Channel& channel, std::string_view url) {
  if (url == callback_url(channel)) return true;
  const std::string_view own = channel.webhook_url;
  const std::string_view shared = own.substr(0, own.rfind('/'));
  if (channel.setting("app_secret").empty() || shared.empty() || !url.starts_with(shared)) {
    return false;
  }
  const std::string_view rest = url.substr(shared.size());
  return rest.empty() || rest.front() == '/' || rest.front() == '?';
}

std::string override_json(const Channel& channel, bool of_number) {
  Writer body;
  body.object();
  if (of_number) body.key("webhook_configuration").object();
  body.member("override_callback_uri", callback_url(channel));
  body.member("verify_token", channel.setting("verify_token")).end();
  if (of_number) body.end();
  return body.take();
}

// ---- registering

struct Registration {
  const Channel& channel;
  Talk talk;
  Done done;
  std::string waba;
  bool callback_failed = false;

  void keep(std::string_view name, std::string_view value) { done.state.emplace_back(name, value); }
  void confirm(std::string account) { done.results.emplace_back("account", std::move(account)); }
  void warn(std::string sentence) { done.results.emplace_back("warning", std::move(sentence)); }

  Step finish(std::string_view override) {
    keep(kOverride, override.empty() && callback_failed ? "wanted" : override);
    keep(kOverrideUrl, override.empty() ? std::string() : callback_url(channel));
    for (auto& pair : talk.learned()) done.state.push_back(std::move(pair));
    return std::move(done);
  }

  // A human enters the callback URL and the verify token at the app.
  Step finish_by_hand(const std::string& why) {
    done.results.emplace_back("registration", "manual");
    done.results.emplace_back("instruction.callback_url", callback_url(channel));
    done.results.emplace_back("instruction.verify_token", channel.setting("verify_token"));
    if (!why.empty()) warn("WhatsApp does not let the gateway set the callback URL: " + why);
    return finish("");
  }
};

// Why an override was refused.
std::string reason_of(Registration& registration, const Answer& answer) {
  registration.callback_failed |= answer.code() == kCallbackFailed;
  return failed(registration.channel, answer).why;
}

// The account the number belongs to. Absent: the call that asks for it, or what went wrong with it.
std::optional<Step> find_waba(Registration& registration) {
  const Channel& channel = registration.channel;
  registration.waba = channel.setting("waba_id");
  if (!registration.waba.empty()) return std::nullopt;
  // Not every version knows this field.
  const Response* response = registration.talk.ask(
      get(channel, number_path(channel, "?fields=whatsapp_business_account")));
  if (response == nullptr) return registration.talk.next_call();
  const Answer answer(*response);
  if (!answer.ok() && !answer.refused_for_good()) return failed(channel, answer);
  const std::string_view found =
      answer.root()["whatsapp_business_account"]["id"].digits().value_or("");
  if (is_opaque_id(found)) registration.waba = found;
  return std::nullopt;
}

// An override has no effect while the app is not subscribed to the account. Posting without a body
// where it is subscribed would take away the account's own override, so the list is asked first.
std::optional<Step> subscribe(Registration& registration) {
  const Channel& channel = registration.channel;
  const Response* listed = registration.talk.ask(get(channel, apps_path(registration.waba)));
  if (listed == nullptr) return registration.talk.next_call();
  const Answer list(*listed);
  if (!list.ok() && !list.refused_for_good()) return failed(channel, list);
  if (!list.ok()) return std::nullopt;
  registration.keep("waba_id", registration.waba);
  registration.confirm(account_of_waba(registration.waba));
  if (list.root()["data"].size() > 0) return std::nullopt;
  const Response* posted = registration.talk.ask(post(channel, apps_path(registration.waba), "{}"));
  if (posted == nullptr) return registration.talk.next_call();
  const Answer answer(*posted);
  if (answer.succeeded()) return std::nullopt;
  if (!answer.refused_for_good()) return failed(channel, answer);
  registration.warn("the app is not subscribed to the WhatsApp Business account: " +
                    reason_of(registration, answer));
  return std::nullopt;
}

std::string override_of(Value apps) {
  for (const Value app : apps.elements()) {
    const std::string_view url = app["override_callback_uri"].text_or("");
    if (!url.empty()) return std::string(url);
  }
  return {};
}

// The override of a whole account, where the number may have none of its own. It moves the messages
// of all its numbers, so one that is there already is left alone.
Step override_account(Registration& registration, const std::string& why) {
  const Channel& channel = registration.channel;
  Talk& talk = registration.talk;
  if (auto step = find_waba(registration)) return *std::move(step);
  if (registration.waba.empty()) return registration.finish_by_hand(why);
  const Response* listed = talk.ask(get(channel, apps_path(registration.waba)));
  if (listed == nullptr) return talk.next_call();
  const Answer list(*listed);
  if (!list.ok() && !list.refused_for_good()) return failed(channel, list);
  if (!list.ok()) return registration.finish_by_hand(why);
  registration.keep("waba_id", registration.waba);
  registration.confirm(account_of_waba(registration.waba));
  if (const std::string url = override_of(list.root()["data"]);
      !url.empty() && url != callback_url(channel)) {
    if (leads_here(channel, url)) return registration.finish("");
    return registration.finish_by_hand("the account's messages go to " + origin_of(channel, url));
  }
  const Response* posted =
      talk.ask(post(channel, apps_path(registration.waba), override_json(channel, false)));
  if (posted == nullptr) return talk.next_call();
  const Answer answer(*posted);
  if (answer.succeeded()) return registration.finish("waba");
  if (!answer.refused_for_good()) return failed(channel, answer);
  return registration.finish_by_hand(reason_of(registration, answer));
}

// ---- what is registered

struct Callbacks {
  std::string number;
  std::string waba;
  std::string app;

  // The first that is set counts.
  const std::string& effective() const {
    return !number.empty() ? number : !waba.empty() ? waba : app;
  }
};

Callbacks callbacks_of(const Answer& answer) {
  const Value configuration = answer.root()["webhook_configuration"];
  return {.number = std::string(configuration["phone_number"].text_or("")),
          .waba = std::string(configuration["whatsapp_business_account"].text_or("")),
          .app = std::string(configuration["application"].text_or(""))};
}

struct Diagnosis {
  std::string problem;
  bool repairable = false;
};

Diagnosis diagnose(const Channel& channel, const Callbacks& callbacks) {
  const std::string& url = callbacks.effective();
  if (leads_here(channel, url)) return {};
  if (url.empty()) {
    return {.problem = "WhatsApp has no callback URL for this number", .repairable = true};
  }
  const std::string origin = origin_of(channel, url);
  // The same channel at an address the gateway had before. Anything else belongs to somebody, and
  // taking it back unasked would start a fight.
  if (path_of(url) == path_of(callback_url(channel))) {
    return {.problem = "WhatsApp delivers to an earlier address of this channel, " + origin,
            .repairable = true};
  }
  if (!callbacks.number.empty() || !callbacks.waba.empty()) {
    return {.problem = "another program has taken this number over: its messages go to " + origin};
  }
  const bool is_lost = !channel.kept(kOverride).empty();
  return {.problem = "WhatsApp delivers this number's messages to the app's callback URL at " +
                     origin + ", not to this channel",
          .repairable = is_lost};
}

}  // namespace

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  Registration registration{channel, Talk(channel, so_far), {}, {}, false};
  Talk& talk = registration.talk;
  const Response* looked =
      talk.ask(get(channel, number_path(channel, "?fields=id,display_phone_number,verified_name")));
  if (looked == nullptr) return talk.next_call();
  const Answer number(*looked);
  if (!number.ok()) return failed(channel, number);
  if (number.root()["id"].digits() != channel.setting("phone_number_id")) {
    // A success that speaks of nothing, or of something else.
    Fail fail = connector::fail_from(*looked, Repeat::safe, channel.now_ms);
    if (number.root()["id"].exists()) {
      fail.code = Failure::config;
      fail.why = "the phone number id is not one of a WhatsApp number";
    }
    return fail;
  }
  registration.keep("display_phone_number",
                    digits_in(number.root()["display_phone_number"].text_or("")));
  registration.keep("verified_name", number.root()["verified_name"].text_or(""));
  registration.confirm(std::string(channel.setting("phone_number_id")));
  registration.confirm(connector::meta::handshake_account(channel.setting("verify_token")));

  if (callback_url(channel).size() > kMaxUrlCharacters) {
    return registration.finish_by_hand("it is longer than 200 characters");
  }
  const Response* posted =
      talk.ask(post(channel, number_path(channel, ""), override_json(channel, true)));
  if (posted == nullptr) return talk.next_call();
  const Answer answer(*posted);
  if (!answer.succeeded()) {
    if (!answer.refused_for_good()) return failed(channel, answer);
    return override_account(registration, reason_of(registration, answer));
  }
  if (auto step = find_waba(registration)) return *std::move(step);
  if (registration.waba.empty()) {
    registration.warn(
        "WhatsApp does not tell the number's Business account, so it could not be seen whether the "
        "app is subscribed to it; where no messages come, enter the account's id (waba_id)");
  } else if (auto step = subscribe(registration)) {
    return *std::move(step);
  }
  return registration.finish("number");
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  const std::string_view kind = channel.kept(kOverride);
  const std::string_view ours = channel.kept(kOverrideUrl);
  const std::string_view waba =
      channel.kept("waba_id").empty() ? channel.setting("waba_id") : channel.kept("waba_id");
  const bool of_waba = kind == "waba" && !waba.empty();
  Done done{.state = {{std::string(kOverride), ""}, {std::string(kOverrideUrl), ""}},
            .results = {},
            .events = {}};
  if (ours.empty() || (kind != "number" && !of_waba)) return done;
  Talk talk(channel, so_far);
  const Response* looked = talk.ask(get(
      channel, of_waba ? apps_path(waba) : number_path(channel, "?fields=webhook_configuration")));
  if (looked == nullptr) return talk.next_call();
  const Answer present(*looked);
  if (!present.ok()) {
    // The number or the right to it is gone, and with it what there was to take back.
    if (present.refused_for_good()) return done;
    return failed(channel, present);
  }
  // Whoever has taken the number over since keeps it.
  const std::string there =
      of_waba ? override_of(present.root()["data"]) : callbacks_of(present).number;
  if (there != ours) return done;
  Writer body;
  body.object();
  if (!of_waba) {
    body.key("webhook_configuration").object().member("override_callback_uri", "").end();
  }
  body.end();
  const Response* posted =
      talk.ask(post(channel, of_waba ? apps_path(waba) : number_path(channel, ""), body.take()));
  if (posted == nullptr) return talk.next_call();
  const Answer cleared(*posted);
  if (!cleared.succeeded()) return failed(channel, cleared);
  return done;
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  Talk talk(channel, so_far);
  Done done;
  const Response* looked =
      talk.ask(get(channel, number_path(channel, "?fields=id,webhook_configuration")));
  if (looked == nullptr) return talk.next_call();
  const Answer number(*looked);
  if (!number.ok() && !number.refused_for_good()) return failed(channel, number);
  if (!number.ok()) {
    // Not allowed to see the configuration, or not the number itself: only the latter is a problem.
    const Response* again = talk.ask(get(channel, number_path(channel, "?fields=id")));
    if (again == nullptr) return talk.next_call();
    const Answer bare(*again);
    if (!bare.ok()) return failed(channel, bare);
    return done;
  }
  if (!number.root()["id"].exists()) {
    return connector::fail_from(*looked, Repeat::safe, channel.now_ms);
  }
  Diagnosis diagnosis;
  if (number.root()["webhook_configuration"].is_object()) {
    diagnosis = diagnose(channel, callbacks_of(number));
  }
  const std::string_view waba = channel.kept("waba_id");
  if (diagnosis.problem.empty() && !waba.empty()) {
    const Response* listed = talk.ask(get(channel, apps_path(waba)));
    if (listed == nullptr) return talk.next_call();
    const Answer list(*listed);
    if (!list.ok() && !list.refused_for_good()) return failed(channel, list);
    if (list.ok() && list.root()["data"].is_array() && list.root()["data"].size() == 0) {
      diagnosis = {.problem =
                       "no app is subscribed to the WhatsApp Business account, so that "
                       "nothing is delivered",
                   .repairable = true};
    }
  }
  if (!diagnosis.problem.empty()) done.results.emplace_back("problem", diagnosis.problem);
  if (diagnosis.repairable) done.results.emplace_back("repair", "register");
  return done;
}

}  // namespace whatsapp
