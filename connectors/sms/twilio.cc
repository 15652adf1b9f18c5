#include "connectors/sms/twilio.h"

#include <algorithm>
#include <array>

#include "connectors/sdk/text.h"
#include "connectors/sms/events.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/twilio_signature.h"

namespace sms {
namespace twilio {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Request;
using connector::Response;
using connector::Verdict;

namespace {

// https://www.twilio.com/docs/messaging/api/message-resource#sms-with-long-body: longer is 21617.
constexpr std::size_t kMaxBodyUnits = 1600;
constexpr std::size_t kMaxMedia = 10;

// Codes of the API and of reports: https://www.twilio.com/docs/api/errors (read 2026-11-20). What a
// recipient's number or will forbids is unreachable, what somebody must set right is config.
constexpr std::array<ErrorMeaning, 38> kErrors{{
    {"20003", Failure::auth, "the credentials are refused"},
    {"20404", Failure::config, "the account has no such resource"},
    {"20429", Failure::rate, "too many requests"},
    {"21201", Failure::unreachable, "the recipient's number is missing"},
    {"21211", Failure::unreachable, "the recipient's number is invalid"},
    {"21217", Failure::unreachable, "the recipient's number is invalid"},
    {"21408", Failure::config, "the account may not send to the recipient's region"},
    {"21602", Failure::permanent, "the message is empty"},
    {"21606", Failure::config, "the sender's number cannot send text messages"},
    {"21608", Failure::config, "a trial account sends to verified numbers only"},
    {"21610", Failure::unreachable, "the recipient has opted out"},
    {"21612", Failure::unreachable, "the recipient cannot be reached from the sender's number"},
    {"21614", Failure::unreachable, "the recipient's number is no mobile number"},
    {"21617", Failure::permanent, "the message is longer than 1600 characters"},
    {"21620", Failure::permanent, "the link to the file is invalid"},
    {"21623", Failure::permanent, "there are more than 10 files"},
    {"21635", Failure::unreachable, "the recipient's number is a landline"},
    {"21659", Failure::config, "the sender's number is not one of the account"},
    {"21660", Failure::config, "the sender's number belongs to another account"},
    {"21703", Failure::config, "the messaging service has no number to send from"},
    {"30001", Failure::retry, "the queue is full"},
    {"30002", Failure::config, "the account is suspended"},
    {"30003", Failure::retry, "the handset cannot be reached"},
    {"30004", Failure::unreachable, "the message is blocked"},
    {"30005", Failure::unreachable, "the handset is unknown"},
    {"30006", Failure::unreachable, "the number is a landline or its carrier is unreachable"},
    {"30007", Failure::permanent, "the carrier filtered the message"},
    {"30008", Failure::retry, "unknown error"},
    {"30010", Failure::config, "the message costs more than the maximum price"},
    {"30022", Failure::rate, "the campaign's rate limit is exceeded"},
    {"30023", Failure::rate, "the brand's daily limit is reached"},
    {"30027", Failure::rate, "the campaign's daily limit is reached"},
    {"30032", Failure::config, "the toll-free number is not verified"},
    {"30034", Failure::config, "the number is not registered for 10DLC"},
    {"30410", Failure::retry, "the carrier did not answer in time"},
    {"20500", Failure::retry, "Twilio has an internal error"},
    {"20503", Failure::retry, "Twilio is unavailable"},
    {"21705", Failure::config, "the messaging service is invalid"},
}};
constexpr std::string_view kOptedOut = "21610";

// https://www.twilio.com/docs/messaging/api/message-resource#message-status-values. What Twilio has
// accepted is sent as far as the gateway is concerned.
constexpr std::array<StateName, 10> kStates{{{"accepted", Stage::sent},
                                             {"scheduled", Stage::sent},
                                             {"queued", Stage::sent},
                                             {"sending", Stage::sent},
                                             {"sent", Stage::sent},
                                             {"delivered", Stage::delivered},
                                             {"read", Stage::read},
                                             {"undelivered", Stage::failed},
                                             {"failed", Stage::failed},
                                             {"canceled", Stage::failed}}};

std::string complaint(const Channel& channel) {
  std::string lacks = missing(channel, {"account_sid", "auth_token"});
  if (!lacks.empty()) return lacks;
  if (channel.setting("from").empty() && channel.setting("messaging_service_sid").empty()) {
    return "config.from or config.messaging_service_sid is required";
  }
  if (channel.setting("api_key_sid").empty() != channel.setting("api_key_secret").empty()) {
    return "config.api_key_sid and config.api_key_secret are required together";
  }
  return {};
}

Verdict verify(const Channel& channel, const Request& request) {
  const std::array<std::string_view, 2> tokens{channel.setting("auth_token"),
                                               channel.setting("auth_token_secondary")};
  const std::string url = signed_url(channel.webhook_url, request);
  return is_signed_by_twilio(request, url, tokens) ? Verdict::accept : Verdict::refuse;
}

std::string_view value_of(const sdk::Form& form, std::string_view name) {
  return sdk::find(form, name).value_or(std::string_view());
}

std::string clean(const sdk::Form& form, std::string_view name) {
  return sdk::sanitize(value_of(form, name), 4096);
}

bool is_inbound_state(std::string_view state) {
  return state == "received" || state == "receiving";
}

connector::ReceiveResult report_of(const sdk::Form& form, std::string state,
                                   std::string_view message_key) {
  Report report{.id = clean(form, "MessageSid"), .state = std::move(state)};
  if (report.id.empty()) report.id = clean(form, "SmsSid");
  report.stage = stage_of(report.state, kStates);
  report.contact = clean(form, "To");
  report.code = clean(form, "ErrorCode");
  report.why = clean(form, "ErrorMessage");
  report.message_key = message_key;
  if (const ErrorMeaning* meaning = meaning_of(report.code, kErrors)) {
    if (report.why.empty()) report.why = meaning->words;
    add(report.extra, "error_class", class_of(meaning->failure));
  }
  report.opted_out = report.code == kOptedOut;
  // Without a time zone, and of a carrier's clock: no time to order by.
  // https://www.twilio.com/en-us/changelog/addition-of-rawdlrdonedate-to-delivered-and-undelivered-status-webhooks
  add(report.extra, "raw_dlr_done_date", clean(form, "RawDlrDoneDate"));
  return received(report);
}

std::vector<Attachment> media_of(const sdk::Form& form) {
  std::vector<Attachment> media;
  for (std::size_t i = 0; i < kMaxMedia; ++i) {
    const std::string number = std::to_string(i);
    const std::string url = clean(form, "MediaUrl" + number);
    if (!url.empty()) media.push_back(media_at(url, clean(form, "MediaContentType" + number)));
  }
  if (!value_of(form, "Latitude").empty() && !value_of(form, "Longitude").empty()) {
    Attachment place{.kind = "location"};
    add(place.extra, "latitude", clean(form, "Latitude"));
    add(place.extra, "longitude", clean(form, "Longitude"));
    add(place.extra, "title", clean(form, "Label"));
    add(place.extra, "address", clean(form, "Address"));
    media.push_back(std::move(place));
  }
  return media;
}

connector::ReceiveResult message_of(const Channel& channel, const sdk::Form& form) {
  Inbound inbound{.id = clean(form, "MessageSid"),
                  .from = clean(form, "From"),
                  .to = clean(form, "To"),
                  .text = std::string(value_of(form, "Body")),
                  .media = media_of(form),
                  .contact_name = clean(form, "ProfileName")};
  if (inbound.id.empty()) inbound.id = clean(form, "SmsMessageSid");
  if (inbound.id.empty()) inbound.id = clean(form, "SmsSid");
  inbound.intent = intent_named(value_of(form, "OptOutType"));
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kFacts{
      {{"NumSegments", "segments"},
       {"MessagingServiceSid", "messaging_service_sid"},
       {"FromCity", "from_city"},
       {"FromState", "from_state"},
       {"FromZip", "from_zip"},
       {"FromCountry", "from_country"},
       {"ButtonText", "button_text"},
       {"ReferralSourceUrl", "referral_url"},
       // Of a delivery to the fallback URL: why the first one failed.
       {"ErrorCode", "fallback_error"}}};
  for (const auto& [name, extra] : kFacts) add(inbound.extra, extra, clean(form, name));
  // Of a group MMS.
  std::string recipients;
  for (const auto& [name, value] : form) {
    if (name != "Recipients") continue;
    if (!recipients.empty()) recipients += ", ";
    recipients += sdk::sanitize(value, 100);
    if (recipients.size() > 4096) break;
  }
  add(inbound.extra, "recipients", recipients);
  return received(channel, inbound);
}

// An empty answer: any text in it would be sent to the customer, and another type raises a warning.
// https://www.twilio.com/docs/messaging/guides/webhook-request (read 2026-11-20).
Response empty_twiml() {
  return {.status = 200,
          .headers = {{"content-type", "text/xml"}},
          .body = R"(<?xml version="1.0" encoding="UTF-8"?><Response/>)"};
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const sdk::Form query = sdk::parse_form(request.query);
  auto result =
      is_json(request)
          ? not_known("JSON", request)
          : events_of(channel, request.method == "GET" ? query : sdk::parse_form(request.body),
                      sdk::sanitize(sdk::find(query, "key").value_or(""), 200));
  if (result) result->reply = empty_twiml();
  return result;
}

// https://www.twilio.com/docs/messaging/guides/how-to-use-mms: numbers of the USA, Canada and
// Australia send them, within their country code. Elsewhere a link says more than an error.
std::size_t media_count(const Channel& channel, std::string_view to) {
  if (to.find(':') != std::string_view::npos) return kMaxMedia;
  const bool may_send =
      channel.kept("mms") == "1" || !channel.setting("messaging_service_sid").empty();
  const std::string region = region_of(to);
  const bool may_receive = region == "US" || region == "CA" || region == "AU";
  return may_send && may_receive ? kMaxMedia : 0;
}

Call message(const Channel& channel, const Outgoing& outgoing) {
  sdk::Form form{{"To", outgoing.to}};
  const auto prefix_of = [](std::string_view address) {
    return address.substr(0, address.find(':') + 1);  // "" where there is no colon
  };
  const std::string_view prefix = prefix_of(outgoing.to);
  const std::string_view service = channel.setting("messaging_service_sid");
  if (!service.empty()) form.emplace_back("MessagingServiceSid", service);
  // WhatsApp and RCS senders are other addresses than the channel's number: the answer goes out
  // by the one that was written to.
  if (!prefix.empty() && prefix_of(outgoing.answered) == prefix) {
    form.emplace_back("From", outgoing.answered);
  } else if (!channel.setting("from").empty()) {
    form.emplace_back("From", std::string(prefix) + own_number(channel));
  }
  if (!outgoing.text.empty()) form.emplace_back("Body", outgoing.text);
  for (const Attachment& one : outgoing.media) form.emplace_back("MediaUrl", one.url);
  if (is_on(channel, "status_callbacks")) {
    form.emplace_back("StatusCallback", status_url(channel.webhook_url, outgoing.key));
  }
  if (channel.setting("smart_encoding") == "true") form.emplace_back("SmartEncoded", "true");
  return post(channel, account_url(channel, "/Messages.json"), form);
}

sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return fail_of(channel, response, Repeat::harmful);
  const std::string_view sid = answer.root()["sid"].text_or("");
  if (sid.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return Accepted{.id = std::string(sid), .aliases = {}};
}

std::optional<connector::Pair> media_credentials(const Channel& channel, std::string_view host) {
  if (host != "api.twilio.com" && !host.ends_with(".twilio.com")) return std::nullopt;
  return get(channel, "").headers[0];
}

}  // namespace

std::string account_url(const Channel& channel, std::string_view rest) {
  return std::string(kApi) + "/2010-04-01/Accounts/" +
         sdk::url_encode(channel.setting("account_sid")) + std::string(rest);
}

Call get(const Channel& channel, std::string url) {
  // An API key calls in place of the account, but signs no webhook.
  const bool by_key = !channel.setting("api_key_sid").empty();
  Call call{.method = "GET", .url = std::move(url)};
  call.headers.push_back(
      connector::basic_auth(channel.setting(by_key ? "api_key_sid" : "account_sid"),
                            channel.setting(by_key ? "api_key_secret" : "auth_token")));
  return call;
}

Call post(const Channel& channel, std::string url, const sdk::Form& form) {
  Call call = connector::form_call(std::move(url), form);
  call.headers.push_back(get(channel, "").headers[0]);
  return call;
}

Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  Complaint complaint{.code = std::string(answer.root()["code"].digits().value_or("")),
                      .words = std::string(answer.root()["message"].text_or(""))};
  return sms::fail_of(channel, response, repeat, complaint, kErrors);
}

connector::ReceiveResult events_of(const Channel& channel, const sdk::Form& form,
                                   std::string_view message_key) {
  std::string state = clean(form, "MessageStatus");
  if (state.empty()) state = clean(form, "SmsStatus");
  if (!state.empty() && !is_inbound_state(state)) return report_of(form, state, message_key);
  return message_of(channel, form);
}

}  // namespace twilio

const Provider kTwilio{.name = "twilio",
                       .complaint = twilio::complaint,
                       .verify = twilio::verify,
                       .receive = twilio::receive,
                       .register_webhook = twilio::register_webhook,
                       .unregister_webhook = twilio::unregister_webhook,
                       .check = twilio::check,
                       .poll = twilio::poll,
                       .text_units = twilio::kMaxBodyUnits,
                       .text_segments = twilio::kMaxBodyUnits,
                       .media_count = twilio::media_count,
                       .message = twilio::message,
                       .accepted = twilio::accepted,
                       .media_credentials = twilio::media_credentials};

}  // namespace sms
