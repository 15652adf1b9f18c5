#include "gateway/simulate/sms_simulator.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sample_file.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/sms_protocol.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::string_view kHelp =
    R"(Simulated SMS (Twilio, Vonage, Telnyx, Plivo, Sinch, Bird), under /_simulate/sms/
GET    accounts               accounts, numbers, and where what is sent to them goes
POST   twilio                 {"sid", "auth_token", "number", "service_sid", "number_webhook",
                              "api_key", "api_secret"}
POST   vonage                 {"api_key", "api_secret", "signature_secret", "application_id",
                              "number", "public_key", "sms_api": true, "sig_method"}
POST   telnyx                 {"api_key", "profile_id", "number"}
POST   plivo                  {"auth_id", "auth_token", "number", "v3": false}
POST   sinch                  {"plan_id", "token", "number", "webhook_secret"}
POST   sinch/callback         {"plan_id", "callback_url"}: what is entered in Sinch's dashboard
POST   bird                   {"access_key", "organization_id", "workspace_id", "channel_id",
                              "number"}
POST   unreachable            {"phone": "+1415...", "code": 30003}: messages to it fail
GET    alerts                 what Twilio's debugger would show
POST   events                 somebody does something; shorthand:
         {"number": "+14155550199", "from": "ana", "text": "Hola"}
         "number"   may be left out while there is one
         "from"     ana yulia sakura ahmed juergen marie nobody tom li priya noa, any other name,
                    "+1415..." or a sender such as "ACMEBANK" with "verbatim": true
         "media"    a content type, or several: ["image/jpeg", "text/x-vcard"]
)";

// Days since 1970 of a civil date are left to timegm's twin.
std::tm utc(std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1'000);
  std::tm out{};
  gmtime_r(&seconds, &out);
  return out;
}

std::string formatted(const char* format, std::int64_t unix_ms) {
  char text[64];
  const std::tm time = utc(unix_ms);
  return std::string(text, std::strftime(text, sizeof text, format, &time));
}

}  // namespace

std::pair<std::string, std::string> basic_of(const HttpRequest& request) {
  const std::string_view value = header(request.headers, "authorization");
  constexpr std::string_view kScheme = "Basic ";
  if (value.size() <= kScheme.size() ||
      !sdk::equals_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  const std::string pair = sdk::from_base64(sdk::trim(value.substr(kScheme.size()))).value_or("");
  const std::size_t colon = pair.find(':');
  if (colon == std::string::npos) return {};
  return {pair.substr(0, colon), pair.substr(colon + 1)};
}

std::string bearer_token(const HttpRequest& request) {
  const std::string_view value = header(request.headers, "authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (value.size() <= kScheme.size() ||
      !sdk::equals_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  return std::string(sdk::trim(value.substr(kScheme.size())));
}

std::vector<std::string> path_parts(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    if (path.front() == '/') path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

bool is_e164(std::string_view phone) {
  return phone.size() >= 8 && phone.size() <= 16 && phone.front() == '+' &&
         digits_only(phone).size() == phone.size() - 1;
}

std::string digits_only(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= '0' && c <= '9') out += c;
  }
  return out;
}

bool is_web(std::string_view url) {
  return url.rfind("http://", 0) == 0 || url.rfind("https://", 0) == 0;
}

std::string iso_ms(std::int64_t unix_ms) {
  const std::string ms = std::to_string(1'000 + unix_ms % 1'000).substr(1);
  return formatted("%Y-%m-%dT%H:%M:%S", unix_ms) + "." + ms + "Z";
}

std::string rfc2822(std::int64_t unix_ms) {
  return formatted("%a, %d %b %Y %H:%M:%S +0000", unix_ms);
}

SmsSimulator::SmsSimulator(SmsOptions options)
    : Platform("sms", static_cast<const PlatformOptions&>(options),
               {{"api.twilio.com",
                 {"https://api.twilio.com", "https://messaging.twilio.com",
                  "https://mms.twiliocdn.com"}},
                {"api.nexmo.com",
                 {"https://api.nexmo.com", "https://rest.nexmo.com", "https://api-us.nexmo.com"}},
                {"api.telnyx.com", {"https://api.telnyx.com"}},
                {"api.plivo.com", {"https://api.plivo.com", "https://media.plivo.com"}},
                {"sms.api.sinch.com",
                 {"https://us.sms.api.sinch.com", "https://eu.sms.api.sinch.com",
                  "https://au.sms.api.sinch.com", "https://br.sms.api.sinch.com",
                  "https://ca.sms.api.sinch.com"}},
                {"api.bird.com", {"https://api.bird.com", "https://media.api.bird.com"}}},
               std::string(kHelp)),
      sms_(std::move(options)),
      twilio_(std::make_unique<Twilio>()),
      vonage_(std::make_unique<Vonage>()),
      telnyx_(std::make_unique<Telnyx>()),
      plivo_(std::make_unique<Plivo>()),
      sinch_(std::make_unique<Sinch>()),
      bird_(std::make_unique<Bird>()) {
  // The same key for the same seed, so that a channel's configuration outlives a restart.
  telnyx_->key = KeyPair::ed25519(sdk::sha256("telnyx" + std::to_string(sms_.seed)));
}

SmsSimulator::~SmsSimulator() { stop(); }

void SmsSimulator::add_twilio(const NewTwilio& account) {
  const std::lock_guard lock(mutex_);
  insert(account);
}

void SmsSimulator::insert(const NewTwilio& wanted) {
  Twilio::Account& account = twilio_->accounts[wanted.sid];
  account.sid = wanted.sid;
  account.auth_token = wanted.auth_token;
  if (!wanted.api_key.empty()) account.api_keys[wanted.api_key] = wanted.api_secret;
  if (!wanted.service_sid.empty()) {
    Twilio::Service& service = twilio_->services[wanted.service_sid];
    service.sid = wanted.service_sid;
    service.account = wanted.sid;
    service.number_webhook = wanted.number_webhook;
  }
  Twilio::Number number;
  number.sid = "PN" + mint_hex(32);
  number.account = wanted.sid;
  number.phone = wanted.number;
  number.service_sid = wanted.service_sid;
  number.application_sid = wanted.application_sid;
  twilio_->numbers[wanted.number] = std::move(number);
}

void SmsSimulator::add_vonage(const NewVonage& account) {
  const std::lock_guard lock(mutex_);
  insert(account);
}

void SmsSimulator::insert(const NewVonage& wanted) {
  Vonage::Account& account = vonage_->accounts[wanted.api_key];
  account.api_key = wanted.api_key;
  account.api_secret = wanted.api_secret;
  account.signature_secret = wanted.signature_secret;
  account.sig_method = wanted.sig_method;
  account.sms_api = wanted.sms_api;
  Vonage::Application application;
  application.id = wanted.application_id;
  application.public_key_pem = wanted.public_key_pem;
  application.json = object({{"name", json_text("Simulated application")},
                             {"keys", object({{"public_key", json_text(wanted.public_key_pem)}})},
                             {"capabilities", "{}"}});
  account.applications[wanted.application_id] = std::move(application);
  Vonage::Number number;
  number.account = wanted.api_key;
  number.msisdn = wanted.number;
  vonage_->numbers[wanted.number] = std::move(number);
}

void SmsSimulator::add_telnyx(const NewTelnyx& account) {
  const std::lock_guard lock(mutex_);
  insert(account);
}

void SmsSimulator::insert(const NewTelnyx& wanted) {
  telnyx_->api_keys.insert(wanted.api_key);
  Telnyx::Profile& profile = telnyx_->profiles[wanted.profile_id];
  profile.id = wanted.profile_id;
  profile.account = wanted.api_key;
  Telnyx::Number number;
  number.id = wanted.number_id.empty() ? mint_digits(19) : wanted.number_id;
  number.account = wanted.api_key;
  number.phone = wanted.number;
  number.profile = wanted.profile_id;
  telnyx_->numbers[wanted.number] = std::move(number);
}

std::string SmsSimulator::telnyx_public_key() const {
  return sdk::base64(telnyx_->key.raw_public_key());
}

void SmsSimulator::add_plivo(const NewPlivo& account) {
  const std::lock_guard lock(mutex_);
  insert(account);
}

void SmsSimulator::insert(const NewPlivo& wanted) {
  plivo_->accounts[wanted.auth_id] = {wanted.auth_token, wanted.v3};
  plivo_->numbers[wanted.number] = {wanted.auth_id, {}};
}

void SmsSimulator::add_sinch(const NewSinch& plan) {
  const std::lock_guard lock(mutex_);
  insert(plan);
}

void SmsSimulator::insert(const NewSinch& wanted) {
  Sinch::Plan& plan = sinch_->plans[wanted.plan_id];
  plan.token = wanted.token;
  plan.webhook_secret = wanted.webhook_secret;
  sinch_->numbers[wanted.number] = wanted.plan_id;
}

Result<> SmsSimulator::set_sinch_callback(const std::string& plan_id, const std::string& url) {
  const std::lock_guard lock(mutex_);
  return set_sinch_callback_locked(plan_id, url);
}

Result<> SmsSimulator::set_sinch_callback_locked(const std::string& plan_id,
                                                 const std::string& url) {
  const auto plan = sinch_->plans.find(plan_id);
  if (plan == sinch_->plans.end()) return fail(Errc::not_found, "no such service plan");
  if (!url.empty()) {
    if (const auto why = refuse_public_url(url, sms_.urls)) {
      return fail(Errc::invalid_argument, *why);
    }
  }
  plan->second.callback_url = url;
  changed_.notify_all();
  return {};
}

void SmsSimulator::add_bird(const NewBird& channel) {
  const std::lock_guard lock(mutex_);
  insert(channel);
}

void SmsSimulator::insert(const NewBird& wanted) {
  bird_->workspaces[wanted.workspace_id] = {wanted.organization_id, wanted.access_key};
  bird_->channels[wanted.channel_id] = {wanted.workspace_id, wanted.number};
}

std::string SmsSimulator::webhook_locked(const std::string& number) const {
  if (const auto at = twilio_->numbers.find(number); at != twilio_->numbers.end()) {
    return twilio_->target(at->second).url;
  }
  if (const auto at = vonage_->numbers.find(number); at != vonage_->numbers.end()) {
    const Vonage::Account& account = vonage_->accounts.at(at->second.account);
    if (account.sms_api) return at->second.mo_url.empty() ? account.mo_url : at->second.mo_url;
    const auto application = account.applications.find(at->second.application);
    return application == account.applications.end() ? "" : application->second.inbound_url;
  }
  if (const auto at = telnyx_->numbers.find(number); at != telnyx_->numbers.end()) {
    const auto profile = telnyx_->profiles.find(at->second.profile);
    return profile == telnyx_->profiles.end() ? "" : profile->second.webhook_url;
  }
  if (const auto at = plivo_->numbers.find(number); at != plivo_->numbers.end()) {
    const auto application = plivo_->applications.find(at->second.application);
    return application == plivo_->applications.end() ? "" : application->second.message_url;
  }
  if (const auto at = sinch_->numbers.find(number); at != sinch_->numbers.end()) {
    return sinch_->plans.at(at->second).callback_url;
  }
  if (const std::string channel = bird_->channel_of(number); !channel.empty()) {
    const std::string& workspace = bird_->channels.at(channel).workspace;
    for (const auto& [id, subscription] : bird_->subscriptions) {
      if (subscription.workspace == workspace && subscription.event == "sms.inbound" &&
          subscription.takes(channel)) {
        return subscription.url;
      }
    }
  }
  return {};
}

std::string SmsSimulator::webhook_of(const std::string& number) const {
  const std::lock_guard lock(mutex_);
  return webhook_locked(number);
}

bool SmsSimulator::wait_webhook(const std::string& number,
                                std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return !webhook_locked(number).empty(); });
}

void SmsSimulator::make_unreachable(const std::string& phone, int twilio_code) {
  const std::lock_guard lock(mutex_);
  unreachable_[phone] = twilio_code;
}

std::vector<TwilioAlert> SmsSimulator::alerts() const {
  const std::lock_guard lock(mutex_);
  return alerts_;
}

bool SmsSimulator::is_opted_out(const std::string& number, const std::string& phone) const {
  const std::lock_guard lock(mutex_);
  return opted_out_.count({number, phone}) != 0;
}

std::string SmsSimulator::say(const std::string& number, std::string_view who,
                              std::string_view text) {
  const std::lock_guard lock(mutex_);
  return receive(number, {"+" + contact_of(who).phone, std::string(text), {}});
}

Result<std::string> SmsSimulator::act(std::string_view wish) {
  const auto document = Document::parse(wish);
  if (!document) return fail(Errc::invalid_argument, document.error().reason);
  const std::lock_guard lock(mutex_);
  return act_locked(document->root());
}

Result<std::string> SmsSimulator::act_locked(Value wish) {
  const std::string_view from = wish["from"].text_or("ana");
  if (from.empty()) return fail(Errc::invalid_argument, "\"from\" is empty");
  const bool verbatim = wish["verbatim"].boolean().value_or(false) || is_e164(from);
  Incoming incoming;
  incoming.from = verbatim ? std::string(from) : "+" + contact_of(from).phone;
  incoming.text = wish["text"].text_or("");
  if (const auto type = wish["media"].text()) incoming.media.emplace_back(*type);
  for (const Value type : wish["media"].elements()) {
    incoming.media.emplace_back(type.text_or("image/jpeg"));
  }
  const std::string id =
      receive(std::string(wish["number"].digits().value_or(only_number())), incoming);
  if (id.empty()) return fail(Errc::not_found, "no such number");
  return object({{"id", json_text(id)}});
}

std::string SmsSimulator::receive(const std::string& number, const Incoming& incoming) {
  settle_opt(number, incoming.from, incoming.text);
  if (twilio_->numbers.count(number) != 0) return twilio_receive(number, incoming);
  if (vonage_->numbers.count(number) != 0) return vonage_receive(number, incoming);
  if (telnyx_->numbers.count(number) != 0) return telnyx_receive(number, incoming);
  if (plivo_->numbers.count(number) != 0) return plivo_receive(number, incoming);
  if (sinch_->numbers.count(number) != 0) return sinch_receive(number, incoming);
  if (!bird_->channel_of(number).empty()) return bird_receive(number, incoming);
  return {};
}

// The provider blocks the sender by itself, and still forwards the word.
void SmsSimulator::settle_opt(const std::string& number, const std::string& phone,
                              std::string_view text) {
  const OptKeyword keyword = opt_keyword(text);
  if (keyword == OptKeyword::stop) opted_out_.insert({number, phone});
  if (keyword == OptKeyword::start) opted_out_.erase({number, phone});
}

void SmsSimulator::answer_back(const std::string& number, const std::string& phone) {
  if (!options_.replies || unreachable_.count(phone) != 0) return;
  for (const Person& person : cast()) {
    if ("+" + contact_of(person.key).phone != phone) continue;
    // Through the loop of the sender, so that the answer comes behind the call's own.
    sender_.after(scaled(kSmsReplyAfterMs), [this, number, phone, text = thanks_of(person.key)] {
      const std::lock_guard lock(mutex_);
      receive(number, {phone, text, {}});
    });
  }
}

std::string SmsSimulator::mint_file(const std::string& account, std::string_view mime_type) {
  const std::string target = "/media/" + account.substr(0, 34) + "/ME" + mint_hex(32);
  files_[target] = {std::string(mime_type), sample_file(mime_type, 30'000), account,
                    sms_.media_at_once ? 0 : 1};
  return target;
}

HttpReply SmsSimulator::file_reply(const std::string& path) {
  const File& file = files_.at(path);
  HttpReply reply;
  reply.content_type = file.mime_type;
  reply.body = file.bytes;
  return reply;
}

std::string SmsSimulator::only_number() const {
  const auto all = listed();
  return all.size() == 1 ? all[0].number : std::string();
}

std::vector<SmsSimulator::Listed> SmsSimulator::listed() const {
  std::vector<Listed> out;
  for (const auto& [phone, number] : twilio_->numbers) {
    out.push_back({"twilio", number.account, phone});
  }
  for (const auto& [phone, number] : vonage_->numbers) {
    out.push_back({"vonage", number.account, phone});
  }
  for (const auto& [phone, number] : telnyx_->numbers) {
    out.push_back({"telnyx", number.profile, phone});
  }
  for (const auto& [phone, number] : plivo_->numbers) {
    out.push_back({"plivo", number.account, phone});
  }
  for (const auto& [phone, plan] : sinch_->numbers) out.push_back({"sinch", plan, phone});
  for (const auto& [id, channel] : bird_->channels) out.push_back({"bird", id, channel.phone});
  return out;
}

std::string SmsSimulator::account_of(const HttpRequest& request) const {
  const auto path = path_parts(request.path);
  if (request.host == "api.twilio.com") {
    return path.size() > 2 ? path[2].substr(0, path[2].find('.')) : basic_of(request).first;
  }
  // /v1/Account/MA.../, /xms/v1/PLAN/, /workspaces/WS/ and /organizations/ORG/workspaces/WS/.
  if (request.host == "api.plivo.com" || request.host == "sms.api.sinch.com") {
    return path.size() > 2 ? path[2] : std::string();
  }
  if (request.host == "api.bird.com") {
    const auto at = std::find(path.begin(), path.end(), "workspaces");
    return path.end() - at > 1 ? *(at + 1) : std::string();
  }
  return request.host == "api.nexmo.com" ? basic_of(request).first : std::string();
}

Platform::Answer SmsSimulator::answer(const HttpRequest& request, ApiCall& record) {
  if (request.host == "api.twilio.com") return twilio(request, record);
  if (request.host == "api.telnyx.com") return telnyx(request, record);
  if (request.host == "api.plivo.com") return plivo(request, record);
  if (request.host == "sms.api.sinch.com") return sinch(request, record);
  if (request.host == "api.bird.com") return bird(request, record);
  if (files_.count(request.path) != 0) return file_reply(request.path);
  return vonage(request, record);
}

HttpReply SmsSimulator::refusal(const CallFault& fault, const HttpRequest& request) {
  const bool rate = fault.kind == CallFault::Kind::too_many_requests;
  const bool refuse = fault.kind == CallFault::Kind::refuse;
  const int status = rate ? 429 : refuse ? fault.status : 500;
  const auto code = [&](int usual) {
    return fault.code != 0 ? static_cast<int>(fault.code) : usual;
  };
  HttpReply reply;
  if (request.host == "api.twilio.com") {
    reply = twilio_error(status,
                         code(rate     ? 20429
                              : refuse ? 20001
                                       : 20500),
                         rate     ? "Too Many Requests"
                         : refuse ? fault.description
                                  : "Internal Server Error");
    // Concurrency is limited, not a rate: there is no Retry-After.
    if (rate) reply.headers.emplace_back("Twilio-Concurrent-Requests", "100");
    return reply;
  }
  if (request.host == "api.telnyx.com") {
    reply = telnyx_error(status,
                         std::to_string(code(rate     ? 10011
                                             : refuse ? 40001
                                                      : 10000)),
                         rate     ? "Too many requests"
                         : refuse ? fault.description
                                  : "Unexpected error",
                         "");
    if (rate) {
      reply.headers.emplace_back("x-ratelimit-limit", "10");
      reply.headers.emplace_back("x-ratelimit-remaining", "0");
      reply.headers.emplace_back("x-ratelimit-reset", std::to_string(fault.retry_after));
    }
    return reply;
  }
  const std::string words = rate     ? "Too many requests"
                            : refuse ? fault.description
                                     : "Internal server error";
  if (request.host == "api.plivo.com") return plivo_error(status, json_text(words));
  if (request.host == "sms.api.sinch.com") {
    // Only 400 and 403 have a code and a text.
    return sinch_error(status, status == 400 || status == 403 ? "syntax_invalid_json" : "", words);
  }
  if (request.host == "api.bird.com") {
    return bird_error(status,
                      rate     ? "TooManyRequests"
                      : refuse ? "Refused"
                               : "InternalServerError",
                      words);
  }
  if (request.path == "/sms/json" && !refuse) {
    // The SMS API's own way to say it: HTTP 200.
    reply.body = object(
        {{"message-count", json_text("1")},
         {"messages",
          array({object({{"status", json_text(rate ? "1" : "5")},
                         {"error-text", json_text(rate ? "Throttled" : "Internal Error")}})})}});
    return reply;
  }
  return vonage_error(status,
                      rate     ? "Rate Limit Hit"
                      : refuse ? fault.description
                               : "Internal Error",
                      rate ? "Please wait, then retry your request" : "");
}

std::optional<Platform::Answer> SmsSimulator::control(const ControlRequest& request) {
  const Value wish = request.json;
  const auto word = [&](std::string_view name) {
    return std::string(wish[name].digits().value_or(""));
  };
  const auto flag = [&](std::string_view name) { return wish[name].boolean().value_or(false); };
  if (request.method == "GET" && request.path == "/alerts") {
    std::vector<std::string> list;
    for (const TwilioAlert& alert : alerts_) {
      list.push_back(object({{"code", std::to_string(alert.code)}, {"url", json_text(alert.url)}}));
    }
    return control_json(array(list));
  }
  if (request.method == "GET" && request.path == "/accounts") {
    std::vector<std::string> list;
    for (const Listed& one : listed()) {
      const std::string url = webhook_locked(one.number);
      list.push_back(object({{"provider", json_text(one.provider)},
                             {"account", json_text(one.account)},
                             {"number", json_text(one.number)},
                             {"webhook", url.empty() ? "null" : json_text(url)}}));
    }
    return control_json(
        object({{"numbers", array(list)},
                {"telnyx_public_key", json_text(sdk::base64(telnyx_->key.raw_public_key()))}}));
  }
  if (request.method != "POST") return std::nullopt;
  if (!wish.is_object()) return control_error(400, "the body is no JSON object");
  if (request.path == "/unreachable") {
    unreachable_[word("phone")] = static_cast<int>(wish["code"].integer().value_or(30003));
    return control_done();
  }
  if (request.path == "/events") {
    const auto made = act_locked(wish);
    return made ? control_json(*made) : control_error(400, made.error().message);
  }
  if (request.path == "/twilio") {
    insert(NewTwilio{word("sid"), word("auth_token"), word("number"), word("service_sid"),
                     flag("number_webhook"), word("api_key"), word("api_secret"),
                     word("application_sid")});
  } else if (request.path == "/vonage") {
    insert(NewVonage{word("api_key"), word("api_secret"), word("signature_secret"),
                     word("application_id"), word("number"), word("public_key"), flag("sms_api"),
                     word("sig_method")});
  } else if (request.path == "/telnyx") {
    insert(NewTelnyx{word("api_key"), word("profile_id"), word("number"), word("number_id")});
  } else if (request.path == "/plivo") {
    insert(NewPlivo{word("auth_id"), word("auth_token"), word("number"),
                    wish["v3"].boolean().value_or(true)});
  } else if (request.path == "/sinch") {
    insert(NewSinch{word("plan_id"), word("token"), word("number"), word("webhook_secret")});
  } else if (request.path == "/sinch/callback") {
    const auto set = set_sinch_callback_locked(word("plan_id"), word("callback_url"));
    if (!set) return control_error(400, set.error().message);
  } else if (request.path == "/bird") {
    insert(NewBird{word("access_key"), word("organization_id"), word("workspace_id"),
                   word("channel_id"), word("number")});
  } else {
    return std::nullopt;
  }
  return control_done();
}

void SmsSimulator::forget() {
  files_.clear();
  alerts_.clear();
  opted_out_.clear();
  unreachable_.clear();
  twilio_->messages.clear();
  telnyx_->messages.clear();
  sinch_->batches.clear();
  bird_->messages.clear();
}

}  // namespace gateway::simulate
