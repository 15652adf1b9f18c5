#include "connectors/x/registration.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "connectors/x/answer.h"
#include "connectors/x/api.h"
#include "connectors/x/ids.h"

namespace x {
namespace {

using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::size_t kMaxAnswers = 8;
constexpr std::size_t kMaxPages = 2;
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;

// Kinds of events of the X Activity API a conversation needs, the important ones first
// (https://docs.x.com/x-api/activity/introduction, read 2026-11-20).
struct Kind {
  std::string_view name;
  bool is_public;  // only with `mentions`
  bool is_of_app;  // no user in its filter, and the app's own credentials
};
constexpr std::array<Kind, 9> kKinds{{{"dm.received", false, false},
                                      {"dm.sent", false, false},
                                      {"chat.received", false, false},
                                      {"post.mention.create", true, false},
                                      {"post.reply.create", true, false},
                                      {"dm.read", false, false},
                                      {"dm.indicate_typing", false, false},
                                      {"chat.sent", false, false},
                                      {"oauth.revoke", false, true}}};
constexpr std::string_view kIndispensable = "dm.received";

// https://docs.x.com/x-api/webhooks/create-replay-job-for-webhook (read 2026-11-20).
constexpr std::int64_t kOldestReplayMs = 24 * kHourMs - 2 * kMinuteMs;
constexpr std::int64_t kYoungestFromMs = 31 * kMinuteMs;
constexpr std::int64_t kYoungestToMs = 10 * kMinuteMs;
constexpr std::int64_t kLongestReplayMs = 2 * kHourMs;

std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string all;
  for (const std::string& part : parts) {
    if (!all.empty()) all += between;
    all += part;
  }
  return all;
}

bool contains(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

struct Subscription {
  std::string id;
  std::string kind;
  std::string user;
  std::string webhook;
};

Subscription subscription_of(Value value) {
  return {.id = id_of(value["subscription_id"]),
          .kind = std::string(value["event_type"].text_or("")),
          .user = id_of(value["filter"]["user_id"]),
          .webhook = id_of(value["webhook_id"])};
}

// The documents show the answer to a creation in three forms.
std::string created_subscription(Value data) {
  for (const Value form : {data["subscription"], data.at(0), data}) {
    std::string id = id_of(form["subscription_id"]);
    if (!id.empty()) return id;
  }
  return {};
}

// One run of an operation: answers are taken in the order they were asked for.
class Run {
 public:
  Run(const Channel& channel, Operation operation, std::span<const Response> so_far)
      : account_(channel), operation_(operation), so_far_(so_far) {}

  const Account& account() const { return account_; }
  const Channel& channel() const { return account_.channel(); }
  std::string_view kept(std::string_view name) const { return channel().kept(name); }

  // The answer to the next call, or null: then the call is to be asked for.
  const Response* answer() { return next_ < so_far_.size() ? &so_far_[next_++] : nullptr; }
  // No further call may be asked for.
  bool is_full() const { return so_far_.size() >= kMaxAnswers; }
  Api api() const { return {account_, operation_, "", next_}; }

  Fail fail(const Answer& answer) const {
    return fail_of(account_, answer, About::app, Repeat::safe);
  }
  static Fail config(std::string why) { return {.code = Failure::config, .why = std::move(why)}; }

  void keep(std::string_view name, std::string value) {
    done.state.emplace_back(name, std::move(value));
  }
  void result(std::string_view name, std::string value) {
    done.results.emplace_back(name, std::move(value));
  }

  Done done;

 private:
  const Account account_;
  const Operation operation_;
  const std::span<const Response> so_far_;
  std::size_t next_ = 0;
};

using Interim = std::optional<Step>;  // absent: go on

// ---- credentials

// Asks whose access token it is.
Interim confirm_user(Run& run, std::string& user) {
  const Response* response = run.answer();
  if (response == nullptr) {
    return run.api().as_user("GET", "/2/users/me?user.fields=username,name");
  }
  const Answer answer(*response);
  user = id_of(answer.data()["id"]);
  if (!answer.ok() || user.empty()) return run.fail(answer);
  const std::string_view configured = run.channel().setting("user_id");
  if (is_id(configured) && configured != user) {
    return Run::config("the access token belongs to the account " + user + ", user_id says " +
                       std::string(configured));
  }
  return std::nullopt;
}

Interim app_token(Run& run, std::string& token) {
  token = run.account().app_token();
  if (!token.empty()) return std::nullopt;
  const Response* response = run.answer();
  if (response == nullptr) return run.api().ask_app_token();
  token = app_token_in(*response);
  if (token.empty()) return run.fail(Answer(*response));
  return std::nullopt;
}

// ---- the webhook

// Of which app and for which URL a kept webhook is.
std::string webhook_identity(const Account& account, std::string_view url) {
  return sdk::hex(sdk::sha256(account.app_fingerprint() + "\n" + std::string(url))).substr(0, 32);
}

struct Webhook {
  std::string id;
  bool is_shared = false;  // made by somebody else: another channel of the app, or a human
};

Value webhook_by(Value list, std::string_view id, std::string_view url) {
  const std::vector<Value> all = list.elements();
  const auto found = std::find_if(all.begin(), all.end(), [&](Value one) {
    return (!id.empty() && id_of(one["id"]) == id) || one["url"].text_or("") == url;
  });
  return found == all.end() ? Value() : *found;
}

// Another channel of this gateway: the same address but for the last segment. An app may be allowed
// one webhook only; every account's events come by it, told apart by their user.
Value sibling_webhook(Value list, std::string_view url) {
  const std::string_view route = url.substr(0, url.rfind('/') + 1);
  const std::vector<Value> all = list.elements();
  const auto found = std::find_if(all.begin(), all.end(), [&](Value one) {
    const std::string_view other = one["url"].text_or("");
    return other.starts_with(route) &&
           other.find_first_of("/?", route.size()) == std::string_view::npos;
  });
  return found == all.end() ? Value() : *found;
}

std::string url_body(std::string_view url) {
  Writer body;
  return body.object().member("url", url).end().take();
}

std::string challenge_advice(const Run& run) {
  return "X's challenge to " + run.channel().webhook_url +
         " was not answered as it wants: the address must be reachable for X without a redirect, "
         "and api_secret must be the app's";
}

// A refusal to make or to validate a webhook, in words that help.
Fail webhook_refusal(const Run& run, const Answer& answer) {
  Fail fail = run.fail(answer);
  if (!answer.is_refusal()) return fail;
  if (answer.says("crcvalidationfailed") || answer.says("crc")) {
    fail.code = Failure::config;
    fail.why = challenge_advice(run) + " (" + fail.why + ")";
  } else if (answer.says("urlvalidationfailed") || answer.says("webhooklimitexceeded")) {
    fail.code = Failure::config;
  }
  return fail;
}

Interim list_webhooks(Run& run, const std::string& token, std::optional<Answer>& list) {
  const Response* response = run.answer();
  if (response == nullptr) return run.api().as_app("GET", "/2/webhooks", token);
  list.emplace(*response);
  if (!list->ok()) return run.fail(*list);
  return std::nullopt;
}

// Has X challenge the webhook anew, which revives an invalid one.
Interim validate(Run& run, const std::string& token, const std::string& id) {
  const Response* response = run.answer();
  if (response == nullptr) return run.api().as_app("PUT", "/2/webhooks/" + id, token);
  const Answer answer(*response);
  if (!answer.ok()) return webhook_refusal(run, answer);
  if (answer.data()["valid"].boolean() == false) return run.config(challenge_advice(run));
  return std::nullopt;
}

// An address the gateway had before: X counts webhooks, so the old one goes first.
Interim remove_moved(Run& run, const std::string& token) {
  const std::string old(run.kept("webhook_id"));
  if (!is_id(old) || run.kept("webhook_shared") == "1") return std::nullopt;
  const Response* response = run.answer();
  if (response == nullptr) return run.api().as_app("DELETE", "/2/webhooks/" + old, token);
  const Answer answer(*response);
  if (!answer.ok() && !answer.is_refusal()) return run.fail(answer);
  return std::nullopt;
}

Interim create_webhook(Run& run, const std::string& token, Webhook& webhook) {
  const std::string& url = run.channel().webhook_url;
  const Response* response = run.answer();
  if (response == nullptr) {
    return run.api().as_app("POST", "/2/webhooks", token, url_body(url));
  }
  const Answer answer(*response);
  webhook.id = id_of(answer.data()["id"]);
  if (answer.ok() && !webhook.id.empty()) return std::nullopt;
  const bool is_taken = answer.is_refusal() && answer.says("duplicateurlfailed");
  const bool is_over = answer.is_refusal() && answer.says("webhooklimitexceeded");
  if (!is_taken && !is_over) return webhook_refusal(run, answer);

  std::optional<Answer> list;
  if (auto step = list_webhooks(run, token, list)) return step;
  const Value found =
      is_taken ? webhook_by(list->data(), "", url) : sibling_webhook(list->data(), url);
  webhook.id = id_of(found["id"]);
  webhook.is_shared = is_over;
  if (webhook.id.empty()) return webhook_refusal(run, answer);
  return is_taken ? validate(run, token, webhook.id) : std::nullopt;
}

Interim ensure_webhook(Run& run, const std::string& token, Webhook& webhook) {
  const Account& account = run.account();
  if (!account.configured_webhook().empty()) {
    webhook = {account.configured_webhook(), true};
    return std::nullopt;
  }
  const std::string& url = run.channel().webhook_url;
  const bool is_known =
      is_id(run.kept("webhook_id")) && run.kept("webhook_for") == webhook_identity(account, url);
  if (is_known) {
    webhook = {std::string(run.kept("webhook_id")), run.kept("webhook_shared") == "1"};
    // Also where a registration goes on: an unregistration may have removed it in between.
    std::optional<Answer> list;
    if (auto step = list_webhooks(run, token, list)) return step;
    const Value found = webhook_by(list->data(), webhook.id, url);
    if (const std::string id = id_of(found["id"]); !id.empty()) {
      webhook.id = id;
      if (found["valid"].boolean().value_or(false)) return std::nullopt;
      return validate(run, token, id);
    }
  } else if (auto step = remove_moved(run, token)) {
    return step;
  }
  webhook = {};
  return create_webhook(run, token, webhook);
}

// ---- subscriptions

bool is_wanted(const Account& account, const Kind& kind) {
  return !kind.is_public || account.mentions();
}

// All that X lists, page by page; `is_whole` false: there are more pages than were asked for.
Interim list_subscriptions(Run& run, const std::string& token, std::size_t max_pages,
                           std::vector<Subscription>& all, bool& is_whole) {
  std::string next;
  is_whole = false;
  for (std::size_t page = 0; page < max_pages; ++page) {
    const Response* response = run.answer();
    if (response == nullptr) {
      if (run.is_full()) return std::nullopt;
      std::string path = "/2/activity/subscriptions?max_results=100";
      if (!next.empty()) path += "&pagination_token=" + sdk::url_encode(next);
      return run.api().as_app("GET", path, token);
    }
    const Answer answer(*response);
    if (!answer.ok()) return run.fail(answer);
    for (const Value one : answer.data().elements()) all.push_back(subscription_of(one));
    next = answer.root()["meta"]["next_token"].text_or("");
    if (next.empty()) {
      is_whole = true;
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// Makes what is missing, one kind per call.
class Subscriber {
 public:
  Subscriber(Run& run, const std::string& token, std::string user, std::string webhook)
      : run_(run), token_(token), user_(std::move(user)), webhook_(std::move(webhook)) {
    if (run.kept("account_for") == run.account().user_fingerprint()) {
      refused_ = split(run.kept("refused"));
    }
    for (const std::string& one : split(run.kept("subscriptions"))) {
      const auto colon = one.find(':');
      if (colon != std::string::npos) known_.emplace(one.substr(0, colon), one.substr(colon + 1));
    }
  }

  Interim run() {
    std::vector<Subscription> all;
    bool is_whole = false;
    if (auto step = list_subscriptions(run_, token_, kMaxPages, all, is_whole)) return step;
    for (const Kind& kind : kKinds) {
      if (!is_wanted(run_.account(), kind) || contains(refused_, kind.name)) continue;
      if (auto step = subscribe(kind, all, is_whole)) return step;
      if (is_stopped_) break;
    }
    report();
    return std::nullopt;
  }

 private:
  Interim subscribe(const Kind& kind, const std::vector<Subscription>& all, bool is_whole) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Subscription& one) {
      return one.kind == kind.name && (kind.is_of_app || one.user == user_);
    });
    if (found != all.end() && (found->webhook == webhook_ || kind.is_of_app)) {
      made_.emplace_back(kind.name, found->id);
      return std::nullopt;
    }
    const auto known = known_.find(std::string(kind.name));
    if (found == all.end() && !is_whole && known != known_.end()) {
      made_.emplace_back(kind.name, known->second);
      return std::nullopt;
    }
    const Response* response = run_.answer();
    if (response == nullptr) {
      if (!run_.is_full()) return found == all.end() ? create(kind) : redirect(found->id);
      is_stopped_ = true;
      return std::nullopt;
    }
    return take(kind, Answer(*response), found == all.end() ? "" : found->id);
  }

  Step create(const Kind& kind) const {
    Writer body;
    body.object().member("event_type", kind.name).key("filter").object();
    if (!kind.is_of_app) body.member("user_id", user_);
    body.end().member("webhook_id", webhook_).end();
    constexpr std::string_view kPath = "/2/activity/subscriptions";
    return kind.is_of_app ? run_.api().as_app("POST", kPath, token_, body.take())
                          : run_.api().as_user("POST", kPath, body.take());
  }

  // A subscription that somebody else's webhook gets: an earlier installation's.
  Step redirect(const std::string& id) const {
    Writer body;
    body.object().member("webhook_id", webhook_).end();
    return run_.api().as_app("PUT", "/2/activity/subscriptions/" + id, token_, body.take());
  }

  Interim take(const Kind& kind, const Answer& answer, const std::string& redirected) {
    const bool exists = answer.says("duplicate") || answer.says("already exists");
    if (answer.ok() || (answer.is_refusal() && exists)) {
      std::string id = redirected.empty() ? created_subscription(answer.data()) : redirected;
      made_.emplace_back(kind.name, std::move(id));
      return std::nullopt;
    }
    // One kind that the app or the token may not have must not cost the others.
    if (!answer.is_refusal() || kind.name == kIndispensable) return run_.fail(answer);
    refused_.emplace_back(kind.name);
    // Newer than parts of X's own API description; nothing is lost without it.
    if (!kind.is_of_app) reasons_.push_back(std::string(kind.name) + " (" + words(answer) + ")");
    return std::nullopt;
  }

  std::string words(const Answer& answer) const {
    const std::string said = run_.account().cleaned(answer.words());
    return said.empty() ? "HTTP " + std::to_string(answer.response().status) : said;
  }

  void report() {
    std::vector<std::string> made;
    for (const auto& [kind, id] : made_) made.push_back(kind + ":" + id);
    run_.keep("subscriptions", joined(made, ","));
    run_.keep("refused", joined(refused_, ","));
    run_.keep("registering", is_stopped_ ? "1" : "");
    if (!reasons_.empty()) {
      run_.result("warning", "X does not subscribe this account to " + joined(reasons_, ", "));
    }
    if (is_stopped_) {
      run_.result("warning",
                  "the account's subscriptions are not complete yet; they are being "
                  "completed");
      run_.result("more", "1");
    }
  }

  Run& run_;
  const std::string& token_;
  const std::string user_;
  const std::string webhook_;
  std::map<std::string, std::string> known_;
  std::vector<std::pair<std::string, std::string>> made_;
  std::vector<std::string> refused_;
  std::vector<std::string> reasons_;
  bool is_stopped_ = false;
};

std::string activity_path(const std::string& webhook) {
  return "/2/account_activity/webhooks/" + webhook + "/subscriptions/";
}

Interim subscribe_to_account_activity(Run& run, const std::string& webhook) {
  const Response* response = run.answer();
  if (response == nullptr) {
    return run.api().as_user("POST", activity_path(webhook) + "all", "{}");
  }
  const Answer answer(*response);
  const bool exists = answer.response().status == 409 || answer.has_code(355) ||
                      answer.says("duplicatesubscriptionfailed");
  if (!answer.ok() && !(answer.is_refusal() && exists)) return run.fail(answer);
  return std::nullopt;
}

// ---- the operations

Step manual(const Channel& channel, const connector::Pairs& missing) {
  Done done;
  done.results = {{"registration", "manual"}};
  for (const auto& [name, sentence] : missing) {
    done.results.emplace_back("instruction." + name, sentence);
  }
  done.results.emplace_back("instruction.webhook_url", channel.webhook_url);
  return done;
}

// ---- looking after

struct Health {
  std::string problem;
  bool is_repairable = false;
  std::vector<std::string> webhooks;  // of the app, ours among them
};

void replay_body(Writer& body, const std::string& webhook, std::int64_t from_ms,
                 std::int64_t to_ms) {
  body.object().member("webhook_id", webhook).member("from_date", minute_of(from_ms));
  body.member("to_date", minute_of(to_ms)).end();
}

// Asks X to deliver once more what it held back, one window per check; X runs one job at a time.
// The ends are told in whole minutes, and the documents disagree whether the last one counts: one
// minute more is asked for, and what comes twice is recognized.
Interim replay(Run& run, const std::string& token, const std::string& webhook, std::int64_t from_ms,
               std::int64_t until_ms, std::string& said) {
  const std::int64_t now_ms = run.channel().now_ms;
  const std::int64_t start_ms = std::max(from_ms, now_ms - kOldestReplayMs);
  const std::int64_t end_ms =
      std::min({start_ms + kLongestReplayMs, until_ms + kMinuteMs, now_ms - kYoungestToMs});
  const bool is_due = start_ms <= now_ms - kYoungestFromMs && end_ms > start_ms;
  if (!is_due || run.is_full()) {
    run.keep("replay_from_ms", std::to_string(start_ms));
    run.keep("replay_until_ms", std::to_string(until_ms));
    return std::nullopt;
  }
  const Response* response = run.answer();
  if (response == nullptr) {
    Writer body;
    replay_body(body, webhook, start_ms, end_ms);
    return run.api().as_app("POST", "/2/webhooks/replay", token, body.take());
  }
  const Answer answer(*response);
  const bool is_busy = answer.is_refusal() && answer.says("replayconflict");
  if (!answer.ok() && !answer.is_refusal()) return run.fail(answer);
  if (!answer.ok() && !is_busy) {
    // What cannot be replayed is looked up by the next poll.
    said = "X does not deliver it again: " + run.account().cleaned(answer.words());
    run.keep("replay_from_ms", "");
    run.keep("replay_until_ms", "");
    return std::nullopt;
  }
  const std::int64_t rest_ms = is_busy ? start_ms : end_ms;
  const bool is_over = !is_busy && end_ms >= until_ms;
  run.keep("replay_from_ms", is_over ? "" : std::to_string(rest_ms));
  run.keep("replay_until_ms", is_over ? "" : std::to_string(until_ms));
  said = is_busy
             ? "X is still busy with an earlier replay"
             : "X delivers again what happened from " + iso_of(start_ms) + " to " + iso_of(end_ms);
  return std::nullopt;
}

// Since when an invalid webhook may have got nothing.
std::int64_t gap_start_ms(const Run& run) {
  const std::int64_t healthy_ms = number(run.kept("valid_ms"));
  const std::int64_t since_ms = number(run.kept("since_ms"));
  const std::int64_t last_ms = healthy_ms > 0 ? healthy_ms : since_ms;
  return last_ms > 0 ? last_ms - kMinuteMs : run.channel().now_ms - kLongestReplayMs;
}

Interim check_webhook(Run& run, const std::string& token, Webhook& webhook, Health& health) {
  const Account& account = run.account();
  const std::string& url = run.channel().webhook_url;
  webhook.id = account.configured_webhook();
  if (webhook.id.empty() && run.kept("webhook_for") == webhook_identity(account, url)) {
    webhook.id = run.kept("webhook_id");
  }
  std::optional<Answer> list;
  if (auto step = list_webhooks(run, token, list)) return step;
  for (const Value one : list->data().elements()) health.webhooks.push_back(id_of(one["id"]));
  const Value found = webhook_by(list->data(), webhook.id, url);
  webhook.id = id_of(found["id"]);
  if (webhook.id.empty()) {
    health.problem = "X has no webhook for this channel";
    health.is_repairable = account.configured_webhook().empty();
    run.keep("webhook_id", "");
    return std::nullopt;
  }
  const std::int64_t now_ms = run.channel().now_ms;
  std::string replayed;
  if (found["valid"].boolean().value_or(true)) {
    run.keep("valid_ms", std::to_string(now_ms));
    const std::int64_t from_ms = number(run.kept("replay_from_ms"));
    const std::int64_t until_ms = number(run.kept("replay_until_ms"));
    if (from_ms <= 0 || until_ms <= from_ms) return std::nullopt;
    return replay(run, token, webhook.id, from_ms, until_ms, replayed);
  }
  if (auto step = validate(run, token, webhook.id)) {
    const auto* refused = std::get_if<Fail>(&*step);
    if (refused == nullptr || refused->code != Failure::config) return step;
    health.problem = "X has declared the webhook invalid and delivers nothing: " + refused->why;
    return std::nullopt;
  }
  const std::int64_t pending_ms = number(run.kept("replay_from_ms"));
  const std::int64_t gap_ms = gap_start_ms(run);
  const std::int64_t from_ms = pending_ms > 0 ? std::min(pending_ms, gap_ms) : gap_ms;
  health.problem = "X had declared the webhook invalid and delivered nothing since about " +
                   iso_of(gap_ms) + "; it is validated again";
  if (auto step = replay(run, token, webhook.id, from_ms, now_ms, replayed)) return step;
  if (!replayed.empty()) health.problem += ". " + replayed;
  return std::nullopt;
}

// What the account is not subscribed to, and what another webhook gets.
struct Gaps {
  std::vector<std::string> missing;
  std::vector<std::string> taken;
};

Interim check_subscriptions(Run& run, const std::string& token, const std::string& webhook,
                            const Health& health, Gaps& gaps) {
  std::vector<Subscription> all;
  bool is_whole = false;
  if (auto step = list_subscriptions(run, token, kMaxAnswers, all, is_whole)) return step;
  const std::string user = run.account().user_id();
  const std::vector<std::string> refused = split(run.kept("refused"));
  const std::vector<std::string> made = split(run.kept("subscriptions"));
  for (const Kind& kind : kKinds) {
    if (!is_wanted(run.account(), kind) || contains(refused, kind.name)) continue;
    const auto found = std::find_if(all.begin(), all.end(), [&](const Subscription& one) {
      return one.kind == kind.name && (kind.is_of_app || one.user == user);
    });
    if (found == all.end()) {
      const bool was_made = std::any_of(made.begin(), made.end(), [&](std::string_view one) {
        return one.substr(0, one.find(':')) == kind.name;
      });
      if (is_whole || !was_made) gaps.missing.emplace_back(kind.name);
    } else if (!kind.is_of_app && found->webhook != webhook) {
      // A webhook that lives is somebody's; taking back unasked what it gets would start a fight.
      const bool is_alive =
          contains(health.webhooks, found->webhook) && run.kept("registering") != "1";
      (is_alive ? gaps.taken : gaps.missing).emplace_back(kind.name);
    }
  }
  return std::nullopt;
}

Interim check_account_activity(Run& run, const std::string& webhook, Gaps& gaps) {
  const Response* response = run.answer();
  if (response == nullptr) return run.api().as_user("GET", activity_path(webhook) + "all");
  const Answer answer(*response);
  if (!answer.ok() && !answer.is_refusal()) return run.fail(answer);
  const bool is_subscribed =
      answer.ok() && answer.data()["subscribed"].boolean().value_or(response->status == 204);
  if (!is_subscribed) gaps.missing.emplace_back("the account's activity");
  return std::nullopt;
}

// ---- removal

// Found by what is kept, or, where a run was cut off before it was, by the URL.
Interim own_webhook(Run& run, const std::string& token, Webhook& webhook) {
  const Account& account = run.account();
  if (!account.configured_webhook().empty()) {
    webhook = {account.configured_webhook(), true};
    return std::nullopt;
  }
  if (is_id(run.kept("webhook_id"))) {
    webhook = {std::string(run.kept("webhook_id")), run.kept("webhook_shared") == "1"};
    return std::nullopt;
  }
  std::optional<Answer> list;
  if (auto step = list_webhooks(run, token, list)) return step;
  webhook.id = id_of(webhook_by(list->data(), "", run.channel().webhook_url)["id"]);
  return std::nullopt;
}

// What is gone already is as it should be.
Interim remove(Run& run, const std::string& token, const std::string& path) {
  const Response* response = run.answer();
  if (response == nullptr) return run.api().as_app("DELETE", path, token);
  const Answer answer(*response);
  const bool is_gone = answer.is_refusal() && answer.response().status != 403;
  if (!answer.ok() && !is_gone) return run.fail(answer);
  return std::nullopt;
}

Interim unsubscribe(Run& run, const std::string& token, const Webhook& webhook) {
  const std::string user = run.account().user_id();
  if (run.account().ingest() == Ingest::aaa) {
    if (user.empty()) return std::nullopt;
    return remove(run, token, activity_path(webhook.id) + user + "/all");
  }
  std::vector<Subscription> all;
  bool is_whole = false;
  if (auto step = list_subscriptions(run, token, kMaxPages + 1, all, is_whole)) return step;
  std::vector<std::string> ids;
  for (const Subscription& one : all) {
    const bool is_ours =
        one.webhook == webhook.id && (one.user.empty() ? !webhook.is_shared : one.user == user);
    if (is_ours && !one.id.empty() && ids.size() < 100) ids.push_back(one.id);
  }
  if (ids.empty()) return std::nullopt;
  return remove(run, token, "/2/activity/subscriptions?ids=" + joined(ids, ","));
}

}  // namespace

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  Run run(channel, Operation::register_webhook, so_far);
  const Account& account = run.account();
  if (const auto missing = account.missing(); !missing.empty()) return manual(channel, missing);

  std::string user;
  const bool is_confirmed = run.kept("registering") == "1" && is_id(run.kept("account")) &&
                            run.kept("account_for") == account.user_fingerprint();
  if (is_confirmed) {
    user = run.kept("account");
  } else {
    if (auto step = confirm_user(run, user)) return *std::move(step);
    run.keep("account", user);
    run.keep("account_for", account.user_fingerprint());
    run.result("account", user);
  }
  if (number(run.kept("since_ms")) <= 0) run.keep("since_ms", std::to_string(channel.now_ms));
  if (account.ingest() == Ingest::poll) return std::move(run.done);

  std::string token;
  if (auto step = app_token(run, token)) return *std::move(step);
  Webhook webhook;
  if (auto step = ensure_webhook(run, token, webhook)) return *std::move(step);
  run.keep("webhook_id", webhook.id);
  run.keep("webhook_for", webhook_identity(account, channel.webhook_url));
  run.keep("webhook_shared", webhook.is_shared ? "1" : "");
  run.keep("valid_ms", std::to_string(channel.now_ms));
  auto step = account.ingest() == Ingest::aaa ? subscribe_to_account_activity(run, webhook.id)
                                              : Subscriber(run, token, user, webhook.id).run();
  if (step) return *std::move(step);
  return std::move(run.done);
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  Run run(channel, Operation::check, so_far);
  const Account& account = run.account();
  if (!account.missing().empty()) return Done{};
  if (account.ingest() == Ingest::poll) {
    std::string user;
    if (auto step = confirm_user(run, user)) return *std::move(step);
    return std::move(run.done);
  }
  std::string token;
  if (auto step = app_token(run, token)) return *std::move(step);
  Webhook webhook;
  Health health;
  if (auto step = check_webhook(run, token, webhook, health)) return *std::move(step);
  Gaps gaps;
  if (!webhook.id.empty()) {
    auto step = account.ingest() == Ingest::aaa
                    ? check_account_activity(run, webhook.id, gaps)
                    : check_subscriptions(run, token, webhook.id, health, gaps);
    if (step) return *std::move(step);
  }
  if (!health.problem.empty()) run.result("problem", health.problem);
  if (!gaps.taken.empty()) {
    run.result("problem", "another webhook of this app gets " + joined(gaps.taken, ", "));
  }
  if (!gaps.missing.empty()) {
    run.result("problem", "X is not asked to deliver " + joined(gaps.missing, ", "));
    health.is_repairable = true;
  }
  if (health.is_repairable) run.result("repair", "register");
  return std::move(run.done);
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  Run run(channel, Operation::unregister_webhook, so_far);
  const Account& account = run.account();
  if (account.ingest() == Ingest::poll || !account.acts_for_app()) return Done{};
  std::string token;
  if (auto step = app_token(run, token)) return *std::move(step);
  Webhook webhook;
  if (auto step = own_webhook(run, token, webhook)) return *std::move(step);
  if (!webhook.id.empty()) {
    if (auto step = unsubscribe(run, token, webhook)) return *std::move(step);
    if (!webhook.is_shared) {
      if (auto step = remove(run, token, "/2/webhooks/" + webhook.id)) return *std::move(step);
    }
  }
  for (const std::string_view name :
       {"webhook_id", "webhook_for", "webhook_shared", "subscriptions", "refused", "registering",
        "valid_ms", "replay_from_ms", "replay_until_ms"}) {
    run.keep(name, "");
  }
  return std::move(run.done);
}

}  // namespace x
