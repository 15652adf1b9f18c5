// plan(register), plan(unregister), plan(check): what each provider has to know of us.
#include <algorithm>
#include <array>

#include "connectors/email/address.h"
#include "connectors/email/api.h"
#include "connectors/email/identity.h"
#include "connectors/email/plan.h"
#include "connectors/email/verify.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Document;
using sdk::json::Value;
using sdk::json::Writer;

std::string_view path_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto slash = scheme == std::string_view::npos ? scheme : url.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view() : url.substr(slash);
}

// The channel's callback, at whatever public address it was registered.
bool is_ours(const Channel& channel, std::string_view url) {
  const std::string_view path = path_of(channel.webhook_url);
  return !path.empty() && url.find(path) != std::string_view::npos;
}

void add_form(Call& call, const sdk::Form& form) {
  call.headers.emplace_back("content-type", "application/x-www-form-urlencoded");
  call.body = sdk::encode_form(form);
}

// An address may be claimed where the platform confirmed its whole domain for these credentials.
void claim(Done& done, const Channel& channel, std::string_view confirmed_domain) {
  const std::string own = without_plus(own_address(channel));
  if (!confirmed_domain.empty() &&
      sdk::equals_ignoring_case(domain_of(own), sdk::trim(confirmed_domain))) {
    done.results.emplace_back("account", own);
  }
}

void manual(Done& done, std::initializer_list<connector::Pair> instructions) {
  done.results.emplace_back("registration", "manual");
  for (const auto& [name, value] : instructions) {
    done.results.emplace_back("instruction." + name, value);
  }
}

// Answers are looked at in order; `take` gives the next one, or says that its call has to be made.
class Answers {
 public:
  explicit Answers(std::span<const Response> so_far) : so_far_(so_far) {}
  const Response* next() { return at_ < so_far_.size() ? &so_far_[at_++] : nullptr; }

 private:
  std::span<const Response> so_far_;
  std::size_t at_ = 0;
};

// ---- Mailgun
// https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/routes and /webhooks
// (read 2026-11-20)

// Mailgun posts the raw mail to a URL that ends in "mime".
std::string mailgun_route_url(const Channel& channel) {
  return channel.webhook_url + "?format=mime";
}

constexpr std::array<std::string_view, 4> kMailgunEvents{"permanent_fail", "temporary_fail",
                                                         "delivered", "complained"};

std::string mailgun_domain(const Channel& channel) {
  return sdk::url_encode(channel.setting("mailgun.domain"));
}

std::string regex_quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view(".+*?()[]{}|^$\\").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

sdk::Form mailgun_route(const Channel& channel) {
  const std::string own = without_plus(own_address(channel));
  const auto at = own.rfind('@');
  return {{"priority", "0"},
          {"description", "Backchannel " + own},
          {"expression", "match_recipient(\"^" + regex_quoted(own.substr(0, at)) + "(\\+.*)?" +
                             regex_quoted(own.substr(at)) + "$\")"},
          {"action", "forward(\"" + mailgun_route_url(channel) + "\")"},
          {"action", "stop()"}};
}

std::string our_route(const Channel& channel, Value routes) {
  for (const Value route : routes["items"].elements()) {
    for (const Value action : route["actions"].elements()) {
      if (is_ours(channel, action.text_or(""))) return std::string(route["id"].text_or(""));
    }
  }
  return {};
}

// URLs an event goes to; the older form of the answer has one.
std::vector<std::string> webhook_urls(Value webhook) {
  std::vector<std::string> urls;
  for (const Value url : webhook["urls"].elements()) urls.emplace_back(url.text_or(""));
  if (urls.empty() && webhook["url"].is_string()) urls.emplace_back(webhook["url"].text_or(""));
  return urls;
}

// The calls that make the event webhooks as they should be, one per event.
std::vector<Call> mailgun_webhook_calls(const Channel& channel, Value webhooks) {
  std::vector<Call> calls;
  const std::string base = "/v3/domains/" + mailgun_domain(channel) + "/webhooks";
  for (const std::string_view event : kMailgunEvents) {
    std::vector<std::string> urls = webhook_urls(webhooks[event]);
    if (std::find(urls.begin(), urls.end(), channel.webhook_url) != urls.end()) continue;
    const bool exists = !urls.empty();
    std::erase_if(urls, [&](const std::string& url) { return is_ours(channel, url); });
    // Mailgun takes three URLs per event; other people's stay.
    if (urls.size() > 2) urls.resize(2);
    urls.push_back(channel.webhook_url);
    sdk::Form form;
    if (!exists) form.emplace_back("id", event);
    for (std::string& url : urls) form.emplace_back("url", std::move(url));
    Call call = mailgun_call(channel, exists ? "PUT" : "POST",
                             exists ? base + "/" + std::string(event) : base);
    add_form(call, form);
    calls.push_back(std::move(call));
  }
  return calls;
}

Step register_mailgun(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* domain = answers.next();
  if (domain == nullptr) {
    return mailgun_call(channel, "GET", "/v3/domains/" + mailgun_domain(channel));
  }
  if (!connector::is_success(*domain)) {
    Fail fail = fail_of(channel, *domain, Repeat::safe);
    if (domain->status == 404) fail.code = Failure::config;
    return fail;
  }
  Done done;
  if (channel.setting("inbound") == "mailgun") {
    const Response* listed = answers.next();
    if (listed == nullptr) return mailgun_call(channel, "GET", "/v3/routes?limit=1000");
    if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
    const std::string route = our_route(channel, json_of(*listed).root());
    const Response* made = answers.next();
    if (made == nullptr) {
      Call call =
          mailgun_call(channel, route.empty() ? "POST" : "PUT",
                       route.empty() ? "/v3/routes" : "/v3/routes/" + sdk::url_encode(route));
      add_form(call, mailgun_route(channel));
      return call;
    }
    if (!connector::is_success(*made)) return fail_of(channel, *made, Repeat::safe);
    const Document answer = json_of(*made);
    const std::string_view id =
        answer.root()["route"]["id"].text_or(answer.root()["id"].text_or(route));
    done.state.emplace_back("mailgun_route", id);
    claim(done, channel, channel.setting("mailgun.domain"));
  }
  if (outbound_of(channel) == "mailgun") {
    const Response* listed = answers.next();
    if (listed == nullptr) {
      return mailgun_call(channel, "GET", "/v3/domains/" + mailgun_domain(channel) + "/webhooks");
    }
    if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
    const Document webhooks = json_of(*listed);
    for (Call& call : mailgun_webhook_calls(channel, webhooks.root()["webhooks"])) {
      const Response* set = answers.next();
      if (set == nullptr) return std::move(call);
      if (!connector::is_success(*set)) return fail_of(channel, *set, Repeat::safe);
    }
  }
  return done;
}

Step unregister_mailgun(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  if (channel.setting("inbound") == "mailgun") {
    const Response* listed = answers.next();
    if (listed == nullptr) return mailgun_call(channel, "GET", "/v3/routes?limit=1000");
    if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
    const std::string route = our_route(channel, json_of(*listed).root());
    if (!route.empty()) {
      const Response* removed = answers.next();
      if (removed == nullptr) {
        return mailgun_call(channel, "DELETE", "/v3/routes/" + sdk::url_encode(route));
      }
      if (!connector::is_success(*removed) && removed->status != 404) {
        return fail_of(channel, *removed, Repeat::safe);
      }
    }
  }
  if (outbound_of(channel) != "mailgun") return Done{};
  const std::string base = "/v3/domains/" + mailgun_domain(channel) + "/webhooks";
  const Response* listed = answers.next();
  if (listed == nullptr) return mailgun_call(channel, "GET", base);
  if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
  const Document document = json_of(*listed);
  for (const std::string_view event : kMailgunEvents) {
    std::vector<std::string> urls = webhook_urls(document.root()["webhooks"][event]);
    const std::size_t before = urls.size();
    std::erase_if(urls, [&](const std::string& url) { return is_ours(channel, url); });
    if (urls.size() == before) continue;
    const Response* removed = answers.next();
    if (removed == nullptr) {
      Call call =
          mailgun_call(channel, urls.empty() ? "DELETE" : "PUT", base + "/" + std::string(event));
      sdk::Form form;
      for (std::string& url : urls) form.emplace_back("url", std::move(url));
      if (!form.empty()) add_form(call, form);
      return call;
    }
    if (!connector::is_success(*removed) && removed->status != 404) {
      return fail_of(channel, *removed, Repeat::safe);
    }
  }
  return Done{};
}

Step check_mailgun(const Channel& channel, std::span<const Response> so_far) {
  if (channel.setting("inbound") != "mailgun") return Done{};
  if (so_far.empty()) return mailgun_call(channel, "GET", "/v3/routes?limit=1000");
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  Done done;
  if (our_route(channel, json_of(so_far[0]).root()).empty()) {
    done.results = {{"problem", "Mailgun has no route to this channel"}, {"repair", "register"}};
  }
  return done;
}

// ---- Postmark
// https://postmarkapp.com/developer/api/server-api and webhooks-api (read 2026-11-20)

// The callback with the credentials Postmark is to send.
std::string postmark_hook_url(const Channel& channel) {
  const auto [user, password] = hook_credentials(channel);
  const auto scheme = channel.webhook_url.find("://");
  if (scheme == std::string::npos) return channel.webhook_url;
  return channel.webhook_url.substr(0, scheme + 3) + sdk::url_encode(user) + ":" +
         sdk::url_encode(password) + "@" + channel.webhook_url.substr(scheme + 3);
}

std::string postmark_server(const Channel& channel) {
  Writer json;
  json.object().member("InboundHookUrl", postmark_hook_url(channel));
  json.member("RawEmailEnabled", true).end();
  return json.take();
}

std::string postmark_webhook(const Channel& channel) {
  const auto [user, password] = hook_credentials(channel);
  Writer json;
  json.object().member("Url", channel.webhook_url).member("MessageStream", "outbound");
  json.key("HttpAuth").object().member("Username", user).member("Password", password).end();
  json.key("Triggers").object();
  for (const std::string_view name : {"Delivery", "SpamComplaint"}) {
    json.key(name).object().member("Enabled", true);
    if (name == "SpamComplaint") json.member("IncludeContent", false);
    json.end();
  }
  json.key("Bounce").object().member("Enabled", true).member("IncludeContent", false).end();
  json.key("SubscriptionChange").object().member("Enabled", true).end();
  json.end().end();
  return json.take();
}

std::string our_postmark_webhook(const Channel& channel, Value answer) {
  for (const Value one : answer["Webhooks"].elements()) {
    if (is_ours(channel, one["Url"].text_or("")))
      return std::string(one["ID"].digits().value_or(""));
  }
  return {};
}

Step register_postmark(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* server = answers.next();
  if (server == nullptr) return postmark_call(channel, "GET", "/server", {});
  if (!connector::is_success(*server)) return fail_of(channel, *server, Repeat::safe);
  Done done;
  if (channel.setting("inbound") == "postmark") {
    const Response* set = answers.next();
    if (set == nullptr) {
      return postmark_call(channel, "PUT", "/server", postmark_server(channel));
    }
    if (!connector::is_success(*set)) {
      Fail fail = fail_of(channel, *set, Repeat::safe);
      if (set->status == 422) fail.code = Failure::config;  // it does not like our address
      return fail;
    }
    const Document document = json_of(*set);
    const Value answer = document.root();
    const auto inbound = parse_addresses(answer["InboundAddress"].text_or(""), 1);
    if (!inbound.empty()) {
      done.state.emplace_back("postmark_inbound", inbound[0].address);
      done.results.emplace_back("account", without_plus(inbound[0].address));
    }
    claim(done, channel, answer["InboundDomain"].text_or(""));
  }
  if (outbound_of(channel) == "postmark") {
    const Response* listed = answers.next();
    if (listed == nullptr) {
      return postmark_call(channel, "GET", "/webhooks?MessageStream=outbound", {});
    }
    if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
    const std::string id = our_postmark_webhook(channel, json_of(*listed).root());
    const Response* set = answers.next();
    if (set == nullptr) {
      return postmark_call(channel, id.empty() ? "POST" : "PUT",
                           id.empty() ? "/webhooks" : "/webhooks/" + id, postmark_webhook(channel));
    }
    if (!connector::is_success(*set)) return fail_of(channel, *set, Repeat::safe);
  }
  return done;
}

Step unregister_postmark(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  if (channel.setting("inbound") == "postmark") {
    const Response* server = answers.next();
    if (server == nullptr) return postmark_call(channel, "GET", "/server", {});
    if (!connector::is_success(*server)) return fail_of(channel, *server, Repeat::safe);
    if (is_ours(channel, json_of(*server).root()["InboundHookUrl"].text_or(""))) {
      const Response* removed = answers.next();
      if (removed == nullptr) {
        Writer json;
        json.object().member("InboundHookUrl", "").end();
        return postmark_call(channel, "PUT", "/server", json.take());
      }
      if (!connector::is_success(*removed)) return fail_of(channel, *removed, Repeat::safe);
    }
  }
  if (outbound_of(channel) != "postmark") return Done{};
  const Response* listed = answers.next();
  if (listed == nullptr) {
    return postmark_call(channel, "GET", "/webhooks?MessageStream=outbound", {});
  }
  if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
  const std::string id = our_postmark_webhook(channel, json_of(*listed).root());
  if (id.empty()) return Done{};
  const Response* removed = answers.next();
  if (removed == nullptr) return postmark_call(channel, "DELETE", "/webhooks/" + id, {});
  if (!connector::is_success(*removed) && removed->status != 404) {
    return fail_of(channel, *removed, Repeat::safe);
  }
  return Done{};
}

Step check_postmark(const Channel& channel, std::span<const Response> so_far) {
  if (channel.setting("inbound") != "postmark") return Done{};
  if (so_far.empty()) return postmark_call(channel, "GET", "/server", {});
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  const Document document = json_of(so_far[0]);
  const std::string_view url = document.root()["InboundHookUrl"].text_or("");
  Done done;
  if (url.empty() || is_ours(channel, url)) {
    if (url == postmark_hook_url(channel)) return done;
    done.results = {{"problem", url.empty() ? "Postmark has no inbound webhook"
                                            : "Postmark's inbound webhook has an earlier address"},
                    {"repair", "register"}};
  } else {
    done.results = {{"problem", "another program has taken over Postmark's inbound webhook"}};
  }
  return done;
}

// ---- SendGrid
// https://www.twilio.com/docs/sendgrid/api-reference/settings-inbound-parse (read 2026-11-20)

constexpr std::string_view kParseSettings = "/v3/user/webhooks/parse/settings";

std::string sendgrid_hook_url(const Channel& channel) {
  return channel.setting("sendgrid.public_key").empty() ? connector::keyed_webhook_url(channel)
                                                        : channel.webhook_url;
}

// https://www.twilio.com/docs/sendgrid/api-reference/webhooks (read 2026-11-21). The address has
// the key in it, whatever signs the parsed mails: the two have keys of their own.
constexpr std::string_view kEventSettings = "/v3/user/webhooks/event/settings";

std::string sendgrid_event_json(const Channel& channel) {
  Writer json;
  json.object().member("enabled", true).member("url", connector::keyed_webhook_url(channel));
  json.member("friendly_name", "Backchannel " + own_address(channel));
  for (const std::string_view wanted :
       {"bounce", "deferred", "delivered", "dropped", "group_resubscribe", "group_unsubscribe",
        "spam_report", "unsubscribe"}) {
    json.member(wanted, true);
  }
  for (const std::string_view unwanted : {"click", "open", "processed"}) {
    json.member(unwanted, false);
  }
  json.end();
  return json.take();
}

Value our_event_webhook(const Channel& channel, Value listed) {
  for (const Value webhook : listed["webhooks"].elements()) {
    if (is_ours(channel, webhook["url"].text_or(""))) return webhook;
  }
  return {};
}

// A key may be restricted, and an account may have no webhook to spare; sending works all the same.
bool is_out_of_reach(const Response& response) {
  return response.status == 400 || response.status == 403 || response.status == 404;
}

void warn_of_no_events(Done& done) {
  done.results.emplace_back(
      "warning",
      "SendGrid will not tell what becomes of messages: the API key needs the scopes of the event "
      "webhook, and the account a webhook to spare");
}

Step register_sendgrid_events(const Channel& channel, Answers& answers, Done done) {
  const Response* listed = answers.next();
  if (listed == nullptr) {
    return sendgrid_call(channel, "GET", std::string(kEventSettings) + "/all", {});
  }
  if (is_out_of_reach(*listed)) {
    warn_of_no_events(done);
    return done;
  }
  if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
  const Document webhooks = json_of(*listed);
  const std::string id(our_event_webhook(channel, webhooks.root())["id"].text_or(""));
  const Response* set = answers.next();
  if (set == nullptr) {
    return sendgrid_call(
        channel, id.empty() ? "POST" : "PATCH",
        std::string(kEventSettings) + (id.empty() ? "" : "/" + sdk::url_encode(id)),
        sendgrid_event_json(channel));
  }
  if (is_out_of_reach(*set)) {
    warn_of_no_events(done);
  } else if (!connector::is_success(*set)) {
    return fail_of(channel, *set, Repeat::safe);
  }
  return done;
}

Step register_sendgrid(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  Done done;
  if (channel.setting("inbound") == "sendgrid") {
    const std::string_view host = channel.setting("sendgrid.hostname");
    const std::string path = std::string(kParseSettings) + "/" + sdk::url_encode(host);
    const Response* found = answers.next();
    if (found == nullptr) return sendgrid_call(channel, "GET", path, {});
    const bool missing = found->status == 404;
    if (!missing && !connector::is_success(*found)) return fail_of(channel, *found, Repeat::safe);
    const Response* set = answers.next();
    if (set == nullptr) {
      Writer json;
      json.object();
      if (missing) json.member("hostname", host);
      json.member("url", sendgrid_hook_url(channel)).member("spam_check", true);
      json.member("send_raw", true).end();
      return sendgrid_call(channel, missing ? "POST" : "PATCH",
                           missing ? std::string(kParseSettings) : path, json.take());
    }
    if (!connector::is_success(*set)) {
      Fail fail = fail_of(channel, *set, Repeat::safe);
      if (set->status == 400) fail.code = Failure::config;  // the domain is not authenticated
      return fail;
    }
    claim(done, channel, host);
  } else {
    const Response* scopes = answers.next();
    if (scopes == nullptr) return sendgrid_call(channel, "GET", "/v3/scopes", {});
    if (!connector::is_success(*scopes)) return fail_of(channel, *scopes, Repeat::safe);
  }
  if (outbound_of(channel) != "sendgrid") return done;
  return register_sendgrid_events(channel, answers, std::move(done));
}

Step unregister_sendgrid_events(const Channel& channel, Answers& answers) {
  const Response* listed = answers.next();
  if (listed == nullptr) {
    return sendgrid_call(channel, "GET", std::string(kEventSettings) + "/all", {});
  }
  if (is_out_of_reach(*listed)) return Done{};
  if (!connector::is_success(*listed)) return fail_of(channel, *listed, Repeat::safe);
  const Document webhooks = json_of(*listed);
  const std::string id(our_event_webhook(channel, webhooks.root())["id"].text_or(""));
  if (id.empty()) return Done{};
  const Response* removed = answers.next();
  if (removed == nullptr) {
    return sendgrid_call(channel, "DELETE", std::string(kEventSettings) + "/" + sdk::url_encode(id),
                         {});
  }
  if (!connector::is_success(*removed) && !is_out_of_reach(*removed)) {
    return fail_of(channel, *removed, Repeat::safe);
  }
  return Done{};
}

Step unregister_sendgrid(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  if (channel.setting("inbound") == "sendgrid") {
    const std::string path =
        std::string(kParseSettings) + "/" + sdk::url_encode(channel.setting("sendgrid.hostname"));
    const Response* found = answers.next();
    if (found == nullptr) return sendgrid_call(channel, "GET", path, {});
    if (!connector::is_success(*found) && found->status != 404) {
      return fail_of(channel, *found, Repeat::safe);
    }
    if (found->status != 404 && is_ours(channel, json_of(*found).root()["url"].text_or(""))) {
      const Response* removed = answers.next();
      if (removed == nullptr) return sendgrid_call(channel, "DELETE", path, {});
      if (!connector::is_success(*removed) && removed->status != 404) {
        return fail_of(channel, *removed, Repeat::safe);
      }
    }
  }
  if (outbound_of(channel) != "sendgrid") return Done{};
  return unregister_sendgrid_events(channel, answers);
}

Step check_sendgrid(const Channel& channel, std::span<const Response> so_far) {
  if (channel.setting("inbound") != "sendgrid") return Done{};
  if (so_far.empty()) {
    return sendgrid_call(
        channel, "GET",
        std::string(kParseSettings) + "/" + sdk::url_encode(channel.setting("sendgrid.hostname")),
        {});
  }
  Done done;
  if (so_far[0].status == 404) {
    done.results = {{"problem", "SendGrid has no inbound parse setting for this host"},
                    {"repair", "register"}};
    return done;
  }
  if (!connector::is_success(so_far[0])) return fail_of(channel, so_far[0], Repeat::safe);
  const Document document = json_of(so_far[0]);
  const std::string_view url = document.root()["url"].text_or("");
  if (url == sendgrid_hook_url(channel)) return done;
  if (is_ours(channel, url)) {
    done.results = {{"problem", "SendGrid posts to an earlier address of this channel"},
                    {"repair", "register"}};
  } else {
    done.results = {{"problem", "SendGrid posts this host's mail to another program"}};
  }
  return done;
}

// ---- where a human configures the provider

Step register_ses(const Channel& channel) {
  Done done;
  if (channel.setting("inbound") != "ses") {
    manual(done, {{"callback_url", channel.webhook_url},
                  {"events",
                   "Publish bounces, complaints and deliveries of the identity to an SNS "
                   "topic, put its ARN into config.ses.topic_arn, and subscribe "
                   "callback_url to it by HTTPS."}});
    return done;
  }
  manual(done, {{"callback_url", channel.webhook_url},
                {"topic_arn", std::string(channel.setting("ses.topic_arn"))},
                {"subscription",
                 "Subscribe callback_url to the topic by HTTPS, without raw message "
                 "delivery; it confirms itself. Set SignatureVersion 2 and a delivery "
                 "policy with 50 retries."},
                {"receipt_rule",
                 "Add a receipt rule for the address with an S3 action that notifies the "
                 "topic. An SNS action without a bucket loses mails above 150 KB."}});
  return done;
}

Step register_raw(const Channel& channel) {
  Done done;
  manual(done, {{"callback_url", connector::keyed_webhook_url(channel)},
                {"delivery",
                 "POST each mail as it is, with Content-Type: message/rfc822, to "
                 "callback_url?rcpt=ENVELOPE-RECIPIENT (percent-encoded; &from= for "
                 "the sender). 200 means stored; repeat on anything else."}});
  return done;
}

// The cursor is set here, so that what comes while the channel is made is not missed.
Step register_imap(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return imap_call(channel, "EXAMINE " + folder_argument(channel), "");
  if (!connector::is_success(so_far[0])) {
    Fail fail = imap_fail(channel, so_far[0]);
    if (so_far[0].status == 400) fail.code = Failure::config;  // no such folder
    return fail;
  }
  const Mailbox mailbox = read_mailbox(so_far[0].body);
  if (mailbox.validity == 0) {
    return config_fail("the IMAP server does not tell a UIDVALIDITY, so mails cannot be followed");
  }
  Done done;
  if (!channel.kept("cursor").starts_with(std::to_string(mailbox.validity) + ":") &&
      mailbox.next_uid > 0) {
    done.state.emplace_back(
        "cursor", std::to_string(mailbox.validity) + ":" + std::to_string(mailbox.next_uid - 1));
  }
  return done;
}

// The inbound provider's calls and then the outbound one's, where that is another; each sees its
// own answers only.
template <class Run>
Step both_sides(const Channel& channel, std::span<const Response> so_far, Run run) {
  const std::string_view inbound = channel.setting("inbound");
  const std::string_view outbound = outbound_of(channel);
  Done merged;
  for (const std::string_view provider : {inbound, outbound == inbound ? "" : outbound}) {
    // A side has taken the fewest answers that finish it.
    for (std::size_t count = 0;; ++count) {
      Step step = run(provider, so_far.first(count));
      if (auto* done = std::get_if<Done>(&step)) {
        merged.state.insert(merged.state.end(), done->state.begin(), done->state.end());
        merged.results.insert(merged.results.end(), done->results.begin(), done->results.end());
        so_far = so_far.subspan(count);
        break;
      }
      if (std::holds_alternative<Fail>(step) || count == so_far.size()) return step;
    }
  }
  return merged;
}

}  // namespace

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (auto missing = missing_setting(channel)) return config_fail(*std::move(missing));
  return both_sides(channel, so_far,
                    [&](std::string_view provider, std::span<const Response> rest) -> Step {
                      if (provider == "mailgun") return register_mailgun(channel, rest);
                      if (provider == "postmark") return register_postmark(channel, rest);
                      if (provider == "sendgrid") return register_sendgrid(channel, rest);
                      if (provider == "ses") return register_ses(channel);
                      if (provider == "raw") return register_raw(channel);
                      if (provider == "imap") return register_imap(channel, rest);
                      return Done{};  // an SMTP server is met when the first message leaves
                    });
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  return both_sides(channel, so_far,
                    [&](std::string_view provider, std::span<const Response> rest) -> Step {
                      if (provider == "mailgun") return unregister_mailgun(channel, rest);
                      if (provider == "postmark") return unregister_postmark(channel, rest);
                      if (provider == "sendgrid") return unregister_sendgrid(channel, rest);
                      return Done{};
                    });
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (auto missing = missing_setting(channel)) return config_fail(*std::move(missing));
  const std::string_view inbound = channel.setting("inbound");
  if (inbound == "mailgun") return check_mailgun(channel, so_far);
  if (inbound == "postmark") return check_postmark(channel, so_far);
  if (inbound == "sendgrid") return check_sendgrid(channel, so_far);
  if (inbound == "imap") {
    if (so_far.empty()) return imap_call(channel, "EXAMINE " + folder_argument(channel), "");
    if (!connector::is_success(so_far[0])) return imap_fail(channel, so_far[0]);
  }
  return Done{};
}

}  // namespace email
