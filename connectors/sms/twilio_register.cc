#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "connectors/sdk/text.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/twilio.h"

namespace sms::twilio {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Pairs;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;

constexpr std::string_view kServices = "https://messaging.twilio.com/v1/Services";

// Three attempts where connecting or reading failed or we answered 5xx; without it only a refused
// connection is tried again, once. The fragment is not sent to us and is not signed:
// https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides (read 2026-11-20).
constexpr std::string_view kPersistence = "#rc=3&rp=ct,rt,5xx";

// Services whose members are looked up one by one; together with the other calls of an operation
// there may be 8.
constexpr std::size_t kMaxServices = 4;

constexpr std::string_view kPrevious = "previous.";

// What is set at Twilio for one kind of sender, by the names of its API.
struct Field {
  std::string_view parameter;  // "SmsUrl"
  std::string_view member;     // "sms_url"
};
constexpr std::array<Field, 5> kNumberFields{{{"SmsUrl", "sms_url"},
                                              {"SmsMethod", "sms_method"},
                                              {"SmsFallbackUrl", "sms_fallback_url"},
                                              {"SmsFallbackMethod", "sms_fallback_method"},
                                              {"SmsApplicationSid", "sms_application_sid"}}};
constexpr std::array<Field, 5> kServiceFields{
    {{"InboundRequestUrl", "inbound_request_url"},
     {"InboundMethod", "inbound_method"},
     {"FallbackUrl", "fallback_url"},
     {"FallbackMethod", "fallback_method"},
     {"UseInboundWebhookOnNumber", "use_inbound_webhook_on_number"}}};

std::string inbound_url(const Channel& channel) {
  return channel.webhook_url + std::string(kPersistence);
}
std::string fallback_url(const Channel& channel) {
  return with_parameter(inbound_url(channel), "about", "fallback");
}

bool is_ours(const Channel& channel, std::string_view url) {
  return without_fragment(url) == channel.webhook_url;
}

std::string text_of(Value value) {
  if (const auto truth = value.boolean()) return *truth ? "true" : "false";
  return std::string(value.text_or(""));
}

bool defers_to_number(Value service) {
  return service["use_inbound_webhook_on_number"].boolean().value_or(false);
}

// Remembers what was set before us, so that it can be put back. What this gateway set itself, at
// this or an earlier address, says nothing about it.
void remember(const Channel& channel, Pairs& state, Value resource, std::span<const Field> fields) {
  if (has_path_of(text_of(resource[fields[0].member]), channel.webhook_url)) return;
  for (const Field& field : fields) {
    state.emplace_back(std::string(kPrevious) + std::string(field.member),
                       sdk::sanitize(text_of(resource[field.member]), 4096));
  }
}

// An empty value clears at Twilio what was not set before.
sdk::Form restored(const Channel& channel, std::span<const Field> fields) {
  sdk::Form form;
  for (const Field& field : fields) {
    const std::string_view value = channel.kept(std::string(kPrevious) + std::string(field.member));
    // Methods have no empty value; they mean nothing without their URL.
    if (value.empty() && field.parameter.ends_with("Method")) continue;
    if (value.empty() && field.parameter == "UseInboundWebhookOnNumber") continue;
    form.emplace_back(field.parameter, value);
  }
  return form;
}

// What Twilio does not like about a change is our address or what it is to do with it.
Fail fail_of_address(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::safe);
  if (response.status == 400) fail.code = connector::Failure::config;
  return fail;
}

Done forgotten(const Channel& channel) {
  Done done;
  for (const auto& [name, value] : channel.state) {
    if (std::string_view(name).starts_with(kPrevious) || name == "resource" || name == "mms") {
      done.state.emplace_back(name, "");
    }
  }
  return done;
}

// ---- numbers and short codes

bool has_short_code(const Channel& channel) { return is_short_code(channel.setting("from")); }

Call find_number(const Channel& channel) {
  const bool is_short = has_short_code(channel);
  const std::string parameter = sdk::url_encode(own_number(channel));
  return get(channel, account_url(channel, is_short ? "/SMS/ShortCodes.json?ShortCode=" + parameter
                                                    : "/IncomingPhoneNumbers.json?PhoneNumber=" +
                                                          parameter));
}

// A list that holds the number, or why it is of no use.
sdk::Expected<Value, Fail> number_in(const Channel& channel, const Answer& answer) {
  if (!answer.ok()) return fail_of(channel, answer.response(), Repeat::safe);
  const Value list =
      answer.root()[has_short_code(channel) ? "short_codes" : "incoming_phone_numbers"];
  if (!list.is_array()) {
    return connector::fail_from(answer.response(), Repeat::safe, channel.now_ms);
  }
  const Value number = list.at(0);
  if (number["sid"].text_or("").empty()) {
    return config_fail("config.from: the Twilio account has no such number");
  }
  if (number["capabilities"]["sms"].boolean() == false) {
    return config_fail("config.from: the number cannot receive or send text messages");
  }
  return number;
}

std::string path_to(const Channel& channel, Value number) {
  return (has_short_code(channel) ? "/SMS/ShortCodes/" : "/IncomingPhoneNumbers/") +
         sdk::url_encode(number["sid"].text_or("")) + ".json";
}

// Which messaging service has the number and answers for it in the number's place.
struct Winner {
  std::string sid;  // "" where the number answers for itself
  std::string url;  // the service's own
  bool is_complete = true;
};

// A further call, or a failure; nothing where `winner` is known.
std::optional<Step> find_winner(const Channel& channel, Answers& answers, Value number,
                                Winner& winner) {
  const Response* listed = answers.next();
  if (listed == nullptr) return get(channel, std::string(kServices) + "?PageSize=100");
  const Answer services(*listed);
  // A key may be restricted to other products, and then nothing can be said about services.
  if (listed->status == 403 || listed->status == 404) return std::nullopt;
  if (!services.ok()) return fail_of(channel, *listed, Repeat::safe);
  std::size_t asked = 0;
  for (const Value service : services.root()["services"].elements()) {
    const std::string_view sid = service["sid"].text_or("");
    // A service that leaves it to its numbers cannot win.
    if (sid.empty() || defers_to_number(service)) continue;
    if (asked++ == kMaxServices) {
      winner.is_complete = false;
      break;
    }
    const Response* member = answers.next();
    if (member == nullptr) {
      const std::string_view kind = has_short_code(channel) ? "/ShortCodes/" : "/PhoneNumbers/";
      return get(channel, std::string(kServices) + "/" + sdk::url_encode(sid) + std::string(kind) +
                              sdk::url_encode(number["sid"].text_or("")));
    }
    if (member->status == 404) continue;
    if (!connector::is_success(*member)) return fail_of(channel, *member, Repeat::safe);
    winner.sid = sid;
    winner.url = service["inbound_request_url"].text_or("");
    break;
  }
  return std::nullopt;
}

std::optional<std::string> objection(const Channel& channel, const Winner& winner) {
  if (!winner.sid.empty() && !is_ours(channel, winner.url)) {
    return "the messaging service " + cleaned(channel, winner.sid) +
           " answers for this number in its place: set config.messaging_service_sid to it, or let "
           "it defer to the sender's webhook";
  }
  return std::nullopt;
}

Step register_number(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* found = answers.next();
  if (found == nullptr) return find_number(channel);
  const Answer listed(*found);
  const auto number = number_in(channel, listed);
  if (!number) return number.error();
  Winner winner;
  if (auto step = find_winner(channel, answers, *number, winner)) return *std::move(step);
  const Response* set = answers.next();
  if (set == nullptr) {
    sdk::Form form{{"SmsUrl", inbound_url(channel)},
                   {"SmsMethod", "POST"},
                   {"SmsFallbackUrl", fallback_url(channel)},
                   {"SmsFallbackMethod", "POST"}};
    // With an application SmsUrl would be ignored. Short codes have none.
    if (!has_short_code(channel)) form.emplace_back("SmsApplicationSid", "");
    return post(channel, account_url(channel, path_to(channel, *number)), form);
  }
  if (!connector::is_success(*set)) return fail_of_address(channel, *set);
  Done done;
  remember(channel, done.state, *number, kNumberFields);
  done.state.emplace_back("resource", path_to(channel, *number));
  const bool mms = (*number)["capabilities"]["mms"].boolean().value_or(false);
  done.state.emplace_back("mms", mms ? "1" : "");
  if (const auto words = objection(channel, winner)) {
    done.results.emplace_back("warning", *words);
  } else if (!winner.is_complete) {
    done.results.emplace_back(
        "warning",
        "the account has many messaging services: if one of them has this number and does not "
        "defer to the sender's webhook, set config.messaging_service_sid to it");
  }
  return done;
}

// A name sends and never receives; only the credentials can be looked at.
Step look_at_account(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, account_url(channel, ".json"));
  const Answer account(so_far[0]);
  if (!account.ok()) return fail_of(channel, so_far[0], Repeat::safe);
  if (account.root()["sid"].text_or("").empty()) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  return Done{};
}

// ---- messaging services

std::string service_url(const Channel& channel) {
  return std::string(kServices) + "/" + sdk::url_encode(channel.setting("messaging_service_sid"));
}

Fail fail_of_service(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::safe);
  if (response.status == 404) {
    fail = config_fail("config.messaging_service_sid: the Twilio account has no such service");
  }
  return fail;
}

Step register_service(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, service_url(channel));
  const Answer service(so_far[0]);
  if (!service.ok()) return fail_of_service(channel, so_far[0]);
  if (service.root()["sid"].text_or("").empty()) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  if (so_far.size() == 1) {
    return post(channel, service_url(channel),
                {{"InboundRequestUrl", inbound_url(channel)},
                 {"InboundMethod", "POST"},
                 {"FallbackUrl", fallback_url(channel)},
                 {"FallbackMethod", "POST"},
                 {"UseInboundWebhookOnNumber", "false"}});
  }
  if (!connector::is_success(so_far[1])) return fail_of_address(channel, so_far[1]);
  Done done;
  remember(channel, done.state, service.root(), kServiceFields);
  return done;
}

// ---- problems

std::optional<Done> problem_of_number(const Channel& channel, Value number) {
  if (!number["sms_application_sid"].text_or("").empty()) {
    return problem("a Twilio application answers for the number in place of the webhook",
                   Repair::register_again);
  }
  const std::string_view url = number["sms_url"].text_or("");
  if (!is_ours(channel, url)) {
    return elsewhere(channel, "Twilio", "number", url, channel.webhook_url);
  }
  if (number["sms_method"].text_or("POST") != "POST") {
    return problem("Twilio delivers with another method than POST", Repair::register_again);
  }
  return std::nullopt;
}

Step check_number(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* found = answers.next();
  if (found == nullptr) return find_number(channel);
  const Answer listed(*found);
  const auto number = number_in(channel, listed);
  if (!number) return number.error();
  Winner winner;
  if (auto step = find_winner(channel, answers, *number, winner)) return *std::move(step);
  if (auto found_wrong = problem_of_number(channel, *number)) return *std::move(found_wrong);
  const auto words = objection(channel, winner);
  return words ? problem(*words, Repair::none) : Done{};
}

Step check_service(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return get(channel, service_url(channel));
  const Answer service(so_far[0]);
  if (!service.ok()) return fail_of_service(channel, so_far[0]);
  if (defers_to_number(service.root())) {
    return problem("the messaging service leaves inbound messages to its numbers",
                   Repair::register_again);
  }
  const std::string_view url = service.root()["inbound_request_url"].text_or("");
  if (!is_ours(channel, url)) {
    return elsewhere(channel, "Twilio", "messaging service", url, channel.webhook_url);
  }
  if (service.root()["inbound_method"].text_or("POST") != "POST") {
    return problem("Twilio delivers with another method than POST", Repair::register_again);
  }
  return Done{};
}

Step put_back(const Channel& channel, std::span<const Response> so_far, const std::string& url,
              std::span<const Field> fields) {
  if (so_far.empty()) return get(channel, url);
  const Answer resource(so_far[0]);
  if (so_far[0].status == 404) return forgotten(channel);
  if (!resource.ok()) return fail_of(channel, so_far[0], Repeat::safe);
  // Whoever has taken it over since keeps it.
  if (!is_ours(channel, resource.root()[fields[0].member].text_or(""))) return forgotten(channel);
  if (so_far.size() == 1) return post(channel, url, restored(channel, fields));
  if (!connector::is_success(so_far[1])) return fail_of(channel, so_far[1], Repeat::safe);
  return forgotten(channel);
}

bool is_service(const Channel& channel) {
  return !channel.setting("messaging_service_sid").empty();
}

}  // namespace

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (is_service(channel)) return register_service(channel, so_far);
  if (!is_alphanumeric(channel.setting("from"))) return register_number(channel, so_far);
  Step step = look_at_account(channel, so_far);
  if (auto* done = std::get_if<Done>(&step)) {
    done->results.emplace_back("warning",
                               "config.from is a sender's name: nobody can answer its messages");
  }
  return step;
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (is_service(channel)) {
    return put_back(channel, so_far, service_url(channel), kServiceFields);
  }
  const std::string_view resource = channel.kept("resource");
  if (resource.empty() || !is_url_text(resource)) return Done{};
  const std::size_t count = has_short_code(channel) ? 4 : kNumberFields.size();
  return put_back(channel, so_far, account_url(channel, resource),
                  std::span(kNumberFields).first(count));
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (is_service(channel)) return check_service(channel, so_far);
  return is_alphanumeric(channel.setting("from")) ? look_at_account(channel, so_far)
                                                  : check_number(channel, so_far);
}

}  // namespace sms::twilio
