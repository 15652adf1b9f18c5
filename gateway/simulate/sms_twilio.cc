#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/sms_protocol.h"

namespace gateway::simulate {
namespace {

constexpr std::size_t kBodyCharacters = 1'600;
constexpr std::size_t kMediaCount = 10;
constexpr std::string_view kMediaHost = "https://mms.twiliocdn.com";

HttpReply json_reply(std::string body, int status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

std::string text_or_null(const std::string& text) {
  return text.empty() ? std::string("null") : json_text(text);
}

}  // namespace

HttpReply SmsSimulator::twilio_error(int status, int code, std::string_view message) const {
  HttpReply reply = json_reply(
      object(
          {{"code", std::to_string(code)},
           {"message", json_text(message)},
           {"more_info", json_text("https://www.twilio.com/docs/errors/" + std::to_string(code))},
           {"status", std::to_string(status)}}),
      status);
  if (status == 401) {
    reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"Twilio API\"");
  }
  return reply;
}

SmsSimulator::Answer SmsSimulator::twilio(const HttpRequest& request, ApiCall& record) {
  const auto path = path_parts(request.path);
  const std::string target =
      request.path + (request.query.empty() ? std::string() : "?" + request.query);
  if (files_.count(target) != 0) return file_reply(target);
  const auto [user, secret] = basic_of(request);
  const bool services = path.size() > 1 && path[0] == "v1" && path[1] == "Services";
  std::string account;
  if (path.size() > 2 && path[0] == "2010-04-01" && path[1] == "Accounts") {
    account = path[2].substr(0, path[2].find('.'));
  } else if (!services) {
    return twilio_error(404, 20404, "The requested resource " + request.path + " was not found");
  }
  if (account.empty()) account = user;
  // An API key names no account: of the Messaging API its own.
  for (const auto& [sid, known] : twilio_->accounts) {
    if (services && known.api_keys.count(user) != 0) account = sid;
  }
  record.account = account;
  auto at = twilio_->accounts.find(account);
  if (at == twilio_->accounts.end() && sms_.open_accounts && user == account &&
      account.size() == 34 && account.rfind("AC", 0) == 0 && secret.size() == 32) {
    at = twilio_->accounts.emplace(account, Twilio::Account{account, secret, {}}).first;
  }
  const bool known = at != twilio_->accounts.end() &&
                     ((user == account && sdk::equal_secret(secret, at->second.auth_token)) ||
                      (at->second.api_keys.count(user) != 0 &&
                       sdk::equal_secret(secret, at->second.api_keys.at(user))));
  if (!known) {
    record.description = "Authenticate";
    return twilio_error(401, 20003, "Authenticate");
  }
  auto params = parse_params(request.query, request.content_type, request.body);
  if (!params) return twilio_error(400, 20001, "Invalid request");
  HttpReply reply;
  const std::string resource = path.size() > 3 ? path[3] : std::string();
  if (services) {
    reply = twilio_service(request, *params, account, path);
  } else if (path.size() == 3 && request.method == "GET") {
    reply = json_reply(object({{"sid", json_text(account)},
                               {"friendly_name", json_text("Simulated account")},
                               {"status", json_text("active")},
                               {"type", json_text("Full")}}));
  } else if (resource == "IncomingPhoneNumbers.json" && request.method == "GET") {
    reply = twilio_numbers(*params, account);
  } else if (resource == "IncomingPhoneNumbers" && path.size() == 5) {
    reply = twilio_number(request, *params, account, path[4].substr(0, path[4].find('.')));
  } else if (resource == "Messages.json" && request.method == "POST") {
    reply = twilio_send(*params, account);
  } else if (resource == "Messages.json" || resource == "Messages") {
    reply = twilio_messages(request, *params, account, path);
  } else {
    reply = twilio_error(404, 20404, "The requested resource " + request.path + " was not found");
  }
  if (reply.status >= 400) {
    if (const auto document = sdk::json::Document::parse(reply.body)) {
      record.description = document->root()["message"].text_or("");
    }
  }
  return reply;
}

HttpReply SmsSimulator::twilio_numbers(const Params& params, const std::string& account) {
  const std::string phone(params.text("PhoneNumber"));
  if (is_e164(phone) && twilio_->numbers.count(phone) == 0 && sms_.open_accounts) {
    Twilio::Number number;
    number.sid = "PN" + mint_hex(32);
    number.account = account;
    number.phone = phone;
    twilio_->numbers[phone] = std::move(number);
  }
  std::vector<std::string> list;
  for (const auto& [known, number] : twilio_->numbers) {
    if (number.account != account || (!phone.empty() && known != phone)) continue;
    HttpRequest get;
    get.method = "GET";
    list.push_back(twilio_number(get, {}, account, number.sid).body);
  }
  return json_reply(object(
      {{"incoming_phone_numbers", array(list)},
       {"page", "0"},
       {"page_size", "50"},
       {"next_page_uri", "null"},
       {"uri", json_text("/2010-04-01/Accounts/" + account + "/IncomingPhoneNumbers.json")}}));
}

HttpReply SmsSimulator::twilio_number(const HttpRequest& request, const Params& params,
                                      const std::string& account, const std::string& sid) {
  Twilio::Number* const number = twilio_->number_by_sid(account, sid);
  if (number == nullptr) {
    return twilio_error(404, 20404,
                        "The requested resource /2010-04-01/Accounts/" + account +
                            "/IncomingPhoneNumbers/" + sid + ".json was not found");
  }
  if (request.method == "POST") {
    for (const char* name : {"SmsUrl", "SmsFallbackUrl"}) {
      const std::string_view url = params.text(name);
      if (!url.empty() && refuse_public_url(url, sms_.urls)) {
        return twilio_error(400, 21502, std::string(name) + " is not a valid URL");
      }
    }
    const auto set = [&](const char* name, std::string& value) {
      if (const auto given = params.find(name)) value = *given;
    };
    for (const char* name : {"SmsMethod", "SmsFallbackMethod"}) {
      const std::string_view method = params.text(name);
      if (!method.empty() && method != "GET" && method != "POST") {
        return twilio_error(400, 21403, std::string(name) + " is invalid: must be GET or POST");
      }
    }
    set("SmsUrl", number->sms_url);
    set("SmsMethod", number->sms_method);
    set("SmsFallbackUrl", number->fallback_url);
    set("SmsFallbackMethod", number->fallback_method);
    set("SmsApplicationSid", number->application_sid);
    changed_.notify_all();
  } else if (request.method != "GET") {
    return twilio_error(405, 20004, "Method not allowed");
  }
  return json_reply(
      object({{"sid", json_text(number->sid)},
              {"account_sid", json_text(account)},
              {"friendly_name", json_text(number->phone)},
              {"phone_number", json_text(number->phone)},
              {"capabilities",
               object({{"voice", "true"}, {"sms", "true"}, {"mms", "true"}, {"fax", "false"}})},
              {"sms_url", json_text(number->sms_url)},
              {"sms_method", json_text(number->sms_method)},
              {"sms_fallback_url", json_text(number->fallback_url)},
              {"sms_fallback_method", json_text(number->fallback_method)},
              {"sms_application_sid", json_text(number->application_sid)},
              {"status", json_text("in-use")},
              {"uri", json_text("/2010-04-01/Accounts/" + account + "/IncomingPhoneNumbers/" +
                                number->sid + ".json")}}));
}

// messaging.twilio.com/v1/Services[/MG...[/PhoneNumbers]]
HttpReply SmsSimulator::twilio_service(const HttpRequest& request, const Params& params,
                                       const std::string& account,
                                       const std::vector<std::string>& path) {
  const auto service_json = [](const Twilio::Service& service) {
    return object({{"sid", json_text(service.sid)},
                   {"account_sid", json_text(service.account)},
                   {"friendly_name", json_text("Simulated service")},
                   {"inbound_request_url", text_or_null(service.inbound_url)},
                   {"inbound_method", json_text(service.inbound_method)},
                   {"fallback_url", text_or_null(service.fallback_url)},
                   {"fallback_method", json_text(service.fallback_method)},
                   {"status_callback", text_or_null(service.status_callback)},
                   {"use_inbound_webhook_on_number", service.number_webhook ? "true" : "false"}});
  };
  if (path.size() == 2) {
    std::vector<std::string> list;
    for (const auto& [sid, service] : twilio_->services) {
      if (service.account == account) list.push_back(service_json(service));
    }
    return json_reply(object({{"services", array(list)}, {"meta", "{}"}}));
  }
  const auto at = twilio_->services.find(path[2]);
  if (at == twilio_->services.end() || at->second.account != account) {
    return twilio_error(404, 20404,
                        "The requested resource /Services/" + path[2] + " was not found");
  }
  Twilio::Service& service = at->second;
  if (path.size() > 3) {
    if (path[3] != "PhoneNumbers" || request.method != "GET") {
      return twilio_error(404, 20404, "The requested resource was not found");
    }
    std::vector<std::string> list;
    for (const auto& [phone, number] : twilio_->numbers) {
      if (number.service_sid != service.sid) continue;
      list.push_back(object({{"sid", json_text(number.sid)},
                             {"phone_number", json_text(phone)},
                             {"service_sid", json_text(service.sid)},
                             {"account_sid", json_text(account)},
                             {"capabilities", array({json_text("SMS"), json_text("MMS")})}}));
    }
    return json_reply(object({{"phone_numbers", array(list)}, {"meta", "{}"}}));
  }
  if (request.method == "POST") {
    for (const char* name : {"InboundRequestUrl", "FallbackUrl", "StatusCallback"}) {
      const std::string_view url = params.text(name);
      if (!url.empty() && refuse_public_url(url, sms_.urls)) {
        return twilio_error(400, 20001, std::string(name) + " is not a valid URL");
      }
    }
    const auto set = [&](const char* name, std::string& value) {
      if (const auto given = params.find(name)) value = *given;
    };
    set("InboundRequestUrl", service.inbound_url);
    set("InboundMethod", service.inbound_method);
    set("FallbackUrl", service.fallback_url);
    set("FallbackMethod", service.fallback_method);
    set("StatusCallback", service.status_callback);
    if (params.find("UseInboundWebhookOnNumber")) {
      service.number_webhook = params.flag("UseInboundWebhookOnNumber");
    }
    changed_.notify_all();
  }
  return json_reply(service_json(service));
}

HttpReply SmsSimulator::twilio_send(const Params& params, const std::string& account) {
  const auto refuse = [this](int code, std::string_view message) {
    return twilio_error(400, code, message);
  };
  const std::string to(params.text("To"));
  std::string from(params.text("From"));
  const std::string service_sid(params.text("MessagingServiceSid"));
  const std::string body(params.text("Body"));
  const std::vector<std::string> media = params.all("MediaUrl");
  if (to.empty()) return refuse(21604, "A 'To' phone number is required.");
  if (!is_e164(to)) return refuse(21211, "Invalid 'To' Phone Number: " + sdk::sanitize(to, 40));
  if (from.empty() && service_sid.empty()) {
    return refuse(21603, "A 'From' phone number is required.");
  }
  std::string status_callback(params.text("StatusCallback"));
  if (!service_sid.empty()) {
    const auto service = twilio_->services.find(service_sid);
    if (service == twilio_->services.end() || service->second.account != account) {
      return refuse(21701, "The Messaging Service does not exist");
    }
    if (status_callback.empty()) status_callback = service->second.status_callback;
    for (const auto& [phone, number] : twilio_->numbers) {
      if (from.empty() && number.service_sid == service_sid) from = phone;
    }
    if (from.empty()) return refuse(21703, "The Messaging Service does not have a phone number");
  }
  const auto own = twilio_->numbers.find(from);
  if (own == twilio_->numbers.end() || own->second.account != account) {
    return refuse(21606, "The 'From' phone number " + sdk::sanitize(from, 40) +
                             " is not a valid, SMS-capable inbound phone number or short code for "
                             "your account.");
  }
  if (body.empty() && media.empty() && params.text("ContentSid").empty()) {
    return refuse(21602, "Message body is required.");
  }
  if (sdk::utf16_length(sdk::sanitize(body)) > kBodyCharacters) {
    return refuse(21617, "The concatenated message body exceeds the 1600 character limit.");
  }
  if (media.size() > kMediaCount)
    return refuse(21623, "Number of media files exceeds allowed limit");
  for (const std::string& url : media) {
    if (!is_web(url)) return refuse(21620, "Invalid media URL(s)");
  }
  if (!status_callback.empty() && refuse_public_url(status_callback, sms_.urls)) {
    return refuse(21609, "The 'StatusCallback' URL is not a valid URL.");
  }
  if (const auto period = params.find("ValidityPeriod")) {
    const auto seconds = params.integer("ValidityPeriod");
    if (!seconds || *seconds < 1 || *seconds > 36'000) {
      return refuse(20001, "ValidityPeriod is invalid: must be 1 to 36000");
    }
  }
  if (opted_out_.count({from, to}) != 0) {
    return refuse(21610, "Attempt to send to unsubscribed recipient");
  }
  Twilio::Message message;
  message.sid = (media.empty() ? "SM" : "MM") + mint_hex(32);
  message.account = account;
  message.from = from;
  message.to = to;
  message.body = body;
  message.service_sid = service_sid;
  message.status = service_sid.empty() ? "queued" : "accepted";
  message.direction = "outbound-api";
  message.status_callback = status_callback;
  message.at_ms = clock_.now_ms();
  message.segments = sms_segments(sdk::sanitize(body));
  message.media = media;
  twilio_->messages[message.sid] = message;
  Sent sent;
  sent.platform = "twilio";
  sent.account = from;
  sent.to = to;
  sent.id = message.sid;
  sent.kind = media.empty() ? "text" : "media";
  sent.text = body;
  sent.body = params.to_json();
  record_sent(std::move(sent));
  HttpRequest get;
  get.method = "GET";
  HttpReply reply =
      twilio_messages(get, {}, account, {"", "", "", "Messages", message.sid + ".json"});
  reply.status = 201;
  twilio_statuses(account, message.sid);
  answer_back(from, to);
  return reply;
}

// The list, one message, or its media.
HttpReply SmsSimulator::twilio_messages(const HttpRequest& request, const Params& params,
                                        const std::string& account,
                                        const std::vector<std::string>& path) {
  const auto message_json = [&](const Twilio::Message& m) {
    const std::string uri = "/2010-04-01/Accounts/" + account + "/Messages/" + m.sid;
    return object({{"sid", json_text(m.sid)},
                   {"account_sid", json_text(account)},
                   {"api_version", json_text("2010-04-01")},
                   {"body", json_text(sdk::sanitize(m.body))},
                   {"date_created", json_text(rfc2822(m.at_ms))},
                   {"date_sent", m.direction == "inbound" ? json_text(rfc2822(m.at_ms)) : "null"},
                   {"date_updated", json_text(rfc2822(m.at_ms))},
                   {"direction", json_text(m.direction)},
                   {"error_code", m.error_code == 0 ? "null" : std::to_string(m.error_code)},
                   {"error_message", "null"},
                   {"from", json_text(m.from)},
                   {"messaging_service_sid", text_or_null(m.service_sid)},
                   {"num_media", json_text(std::to_string(m.media.size()))},
                   {"num_segments", json_text(std::to_string(m.segments))},
                   {"price", "null"},
                   {"price_unit", json_text("USD")},
                   {"status", json_text(m.status)},
                   {"subresource_uris", object({{"media", json_text(uri + "/Media.json")}})},
                   {"to", json_text(m.to)},
                   {"uri", json_text(uri + ".json")}});
  };
  if (path.size() == 4) {
    std::vector<const Twilio::Message*> found;
    for (const auto& [sid, m] : twilio_->messages) {
      if (m.account != account) continue;
      if (!params.text("To").empty() && params.text("To") != m.to) continue;
      if (!params.text("From").empty() && params.text("From") != m.from) continue;
      found.push_back(&m);
    }
    // Newest first.
    std::sort(found.begin(), found.end(),
              [](const auto* a, const auto* b) { return a->at_ms > b->at_ms; });
    std::vector<std::string> list;
    for (const auto* m : found) list.push_back(message_json(*m));
    return json_reply(object({{"messages", array(list)},
                              {"page", "0"},
                              {"page_size", "1000"},
                              {"next_page_uri", "null"}}));
  }
  const std::string sid = path[4].substr(0, path[4].find('.'));
  const auto at = twilio_->messages.find(sid);
  if (at == twilio_->messages.end() || at->second.account != account) {
    return twilio_error(404, 20404,
                        "The requested resource /2010-04-01/Accounts/" + account + "/Messages/" +
                            sid + ".json was not found");
  }
  if (path.size() > 5) return twilio_media(request, account, path);
  if (request.method == "DELETE") {
    twilio_->messages.erase(at);
    return json_reply({}, 204);
  }
  return json_reply(message_json(at->second));
}

// A redirect to storage, where nobody is asked who they are.
HttpReply SmsSimulator::twilio_media(const HttpRequest& request, const std::string&,
                                     const std::vector<std::string>& path) {
  if (path.size() < 7) return twilio_error(404, 20404, "The requested resource was not found");
  const std::string id = path[6].substr(0, path[6].find('.'));
  for (auto& [target, file] : files_) {
    if (target.find(id) == std::string::npos) continue;
    if (file.refusals > 0) {
      --file.refusals;
      break;
    }
    if (request.method == "DELETE") {
      files_.erase(target);
      return json_reply({}, 204);
    }
    HttpReply reply = json_reply({}, 307);
    reply.headers.emplace_back("Location", std::string(kMediaHost) + target);
    return reply;
  }
  return twilio_error(404, 20404, "The requested resource was not found");
}

void SmsSimulator::twilio_statuses(const std::string& account, const std::string& sid) {
  Twilio::Message& message = twilio_->messages.at(sid);
  const auto failure = unreachable_.find(message.to);
  const bool fails = failure != unreachable_.end();
  std::vector<std::string> states = {"sent", fails ? "undelivered" : "delivered"};
  message.status = states.back();
  message.error_code = fails ? failure->second : 0;
  if (message.status_callback.empty()) return;
  std::int64_t after = 0;
  for (const std::string& state : states) {
    sdk::Form fields = {{"SmsSid", sid},          {"SmsStatus", state},
                        {"MessageStatus", state}, {"To", message.to},
                        {"MessageSid", sid},      {"AccountSid", account},
                        {"From", message.from},   {"ApiVersion", "2010-04-01"}};
    if (!message.service_sid.empty()) {
      fields.emplace_back("MessagingServiceSid", message.service_sid);
    }
    if (state == "undelivered") fields.emplace_back("ErrorCode", std::to_string(failure->second));
    twilio_post(account, sid + ":" + state, "status", message.status_callback, "POST", {},
                std::move(fields), scaled(after));
    after += kSmsStateEveryMs;
  }
}

std::string SmsSimulator::twilio_receive(const std::string& phone, const Incoming& incoming) {
  const Twilio::Number& number = twilio_->numbers.at(phone);
  const std::string sid = (incoming.media.empty() ? "SM" : "MM") + mint_hex(32);
  sdk::Form fields = {
      {"ToCountry", "US"},     {"ToState", "CA"},
      {"SmsMessageSid", sid},  {"NumMedia", std::to_string(incoming.media.size())},
      {"SmsSid", sid},         {"SmsStatus", "received"},
      {"FromCountry", "US"},   {"Body", incoming.text},
      {"To", phone},           {"NumSegments", std::to_string(sms_segments(incoming.text))},
      {"MessageSid", sid},     {"AccountSid", number.account},
      {"From", incoming.from}, {"ApiVersion", "2010-04-01"}};
  if (!number.service_sid.empty()) fields.emplace_back("MessagingServiceSid", number.service_sid);
  if (const OptKeyword keyword = opt_keyword(incoming.text);
      sms_.advanced_opt_out && keyword != OptKeyword::none) {
    fields.emplace_back("OptOutType", keyword == OptKeyword::stop    ? "STOP"
                                      : keyword == OptKeyword::start ? "START"
                                                                     : "HELP");
  }
  Twilio::Message message;
  message.sid = sid;
  message.account = number.account;
  message.from = incoming.from;
  message.to = phone;
  message.body = incoming.text;
  message.status = "received";
  message.direction = "inbound";
  message.at_ms = clock_.now_ms();
  for (std::size_t i = 0; i < incoming.media.size(); ++i) {
    const std::string target = mint_file(number.account, incoming.media[i]);
    const std::string id = target.substr(target.rfind('/') + 1);
    const std::string url = "https://api.twilio.com/2010-04-01/Accounts/" + number.account +
                            "/Messages/" + sid + "/Media/" + id;
    fields.emplace_back("MediaContentType" + std::to_string(i), incoming.media[i]);
    fields.emplace_back("MediaUrl" + std::to_string(i), url);
    message.media.push_back(target);
  }
  twilio_->messages[sid] = std::move(message);
  const Twilio::Target target = twilio_->target(number);
  if (target.url.empty()) {
    sender_.count_unwanted();
  } else {
    twilio_post(number.account, sid, "message", target.url, target.method, target.fallback,
                std::move(fields), {});
  }
  return sid;
}

// One connect error is repeated unless the fragment says otherwise; then the fallback URL is tried
// once, with the error told.
void SmsSimulator::twilio_post(const std::string& account, const std::string& id,
                               const std::string& kind, std::string url, std::string method,
                               std::string fallback, sdk::Form fields,
                               std::chrono::milliseconds delay) {
  const TwilioRetries retries = twilio_retries(url);
  struct Progress {
    bool on_fallback = false;
    int error = 0;
  };
  const auto progress = std::make_shared<Progress>();
  const std::string token = twilio_->accounts.at(account).auth_token;
  const std::string idempotency = mint_uuid();
  WebhookEvent event;
  event.account = account;
  event.id = id;
  event.kind = kind;
  event.request = [=](int, Defect defect) {
    HttpCall call;
    sdk::Form given = fields;
    call.url = url;
    if (progress->on_fallback) {
      call.url = fallback;
      given.emplace_back("ErrorCode", std::to_string(progress->error));
      given.emplace_back("ErrorUrl", url);
    }
    call.url = call.url.substr(0, call.url.find('#'));
    call.method = method;
    call.timeout = std::chrono::milliseconds(retries.total_ms);
    call.follows_redirects = true;
    call.headers = {{"User-Agent", "TwilioProxy/1.1"},
                    {"Accept", "*/*"},
                    {"I-Twilio-Idempotency-Token", idempotency}};
    std::string signed_url = call.url;
    if (method == "GET") {
      call.url = with_query(call.url, sdk::encode_form(given));
      signed_url = call.url;
      given.clear();
    } else {
      call.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
      call.body = sdk::encode_form(given);
    }
    add_proof(call, "X-Twilio-Signature", twilio_signature(token, signed_url, given),
              twilio_signature("another token", signed_url, given), defect);
    return call;
  };
  event.retry = [this, account, fields, url, fallback, retries, progress](
                    const HttpOutcome& outcome, int attempt, std::int64_t) {
    using Kind = AfterAttempt::Kind;
    if (outcome.status >= 200 && outcome.status < 400) {
      const std::lock_guard lock(mutex_);
      twilio_answered(account, fields, url, outcome);
      return AfterAttempt{Kind::acknowledged, 0};
    }
    const bool no_connection = outcome.failure == HttpOutcome::Failure::connect;
    const std::string why = no_connection               ? "ct"
                            : outcome.status == 0       ? "rt"
                            : outcome.status / 100 == 4 ? "4xx"
                                                        : "5xx";
    progress->error = no_connection ? 11205 : 11200;
    if (progress->on_fallback) return AfterAttempt{Kind::given_up, 0};
    if (attempt <= retries.count && (retries.on.count(why) != 0 || retries.on.count("all") != 0)) {
      return AfterAttempt{Kind::again, 0};
    }
    {
      const std::lock_guard lock(mutex_);
      alerts_.push_back({progress->error, url});
    }
    if (fallback.empty()) return AfterAttempt{Kind::given_up, 0};
    progress->on_fallback = true;
    return AfterAttempt{Kind::again, 0};
  };
  sender_.post(std::move(event), delay);
}

// What a webhook answers is an instruction: TwiML, or text that is sent to the customer.
void SmsSimulator::twilio_answered(const std::string&, const sdk::Form& fields,
                                   const std::string& url, const HttpOutcome& outcome) {
  if (outcome.body.empty() || sdk::find(fields, "MessageStatus")) return;
  const std::string type = sdk::lower_ascii(header(outcome.headers, "content-type"));
  std::vector<std::string> texts;
  if (type.rfind("text/xml", 0) == 0 || type.rfind("application/xml", 0) == 0) {
    if (outcome.body.find("<Response") == std::string::npos) alerts_.push_back({12200, url});
    texts = xml_messages(outcome.body);
  } else if (type.rfind("text/plain", 0) == 0) {
    texts.push_back(outcome.body);
  } else {
    alerts_.push_back({12300, url});
  }
  for (const std::string& text : texts) {
    Sent sent;
    sent.platform = "twilio";
    sent.account = sdk::find(fields, "To").value_or("");
    sent.to = sdk::find(fields, "From").value_or("");
    sent.id = "SM" + mint_hex(32);
    sent.kind = "twiml";
    sent.text = text;
    record_sent(std::move(sent));
  }
}

}  // namespace gateway::simulate
