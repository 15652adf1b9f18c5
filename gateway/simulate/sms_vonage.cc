#include <algorithm>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/sms_protocol.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::int64_t kRetryFirstMs = 60'000;
constexpr std::int64_t kRetryCapMs = 3'600'000;
constexpr std::int64_t kRetryForMs = 24 * 3'600'000;
constexpr std::int64_t kTokenSkewS = 300;
constexpr std::size_t kClientRef = 100;
constexpr std::size_t kTextUnits = 3'200;
constexpr std::size_t kConcatUnits = 153;

HttpReply json_reply(std::string body, int status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

// Claims of a JWT by RS256, where the key has signed it and it is fresh; absent otherwise.
std::optional<Document> verified_claims(std::string_view token, std::string_view public_key_pem,
                                        std::int64_t now_s) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto head = sdk::from_base64url(token.substr(0, first));
  const auto body = sdk::from_base64url(token.substr(first + 1, second - first - 1));
  const auto signature = sdk::from_base64url(token.substr(second + 1));
  if (!head || !body || !signature) return std::nullopt;
  const auto header = Document::parse(*head);
  auto claims = Document::parse(*body);
  if (!header || !claims || header->root()["alg"].text_or("") != "RS256") return std::nullopt;
  const std::int64_t iat = claims->root()["iat"].integer().value_or(0);
  const bool fresh =
      std::abs(now_s - iat) <= kTokenSkewS || claims->root()["exp"].integer().value_or(0) > now_s;
  if (!fresh || claims->root()["jti"].text_or("").empty()) return std::nullopt;
  if (!is_signed_rs256(public_key_pem, token.substr(0, second), *signature)) return std::nullopt;
  return std::move(*claims);
}

// The application id a JWT names, not verified.
std::string application_of(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return {};
  const auto body = sdk::from_base64url(token.substr(first + 1, second - first - 1));
  const auto claims = Document::parse(body.value_or(""));
  return claims ? std::string(claims->root()["application_id"].text_or("")) : std::string();
}

std::string local_time(std::int64_t unix_ms) {
  std::string text = iso_ms(unix_ms).substr(0, 19);
  text[10] = ' ';
  return text;
}

}  // namespace

HttpReply SmsSimulator::vonage_error(int status, std::string_view title, std::string_view detail) {
  return json_reply(object({{"type", json_text("https://developer.vonage.com/api-errors#" +
                                               sdk::lower_ascii(title))},
                            {"title", json_text(title)},
                            {"detail", json_text(detail)},
                            {"instance", json_text(mint_uuid())}}),
                    status);
}

SmsSimulator::Answer SmsSimulator::vonage(const HttpRequest& request, ApiCall& record) {
  const auto path = path_parts(request.path);
  auto params = parse_params(request.query, request.content_type, request.body);
  if (!params || path.empty())
    return vonage_error(422, "Invalid request", "The body cannot be read");
  if (path.size() == 2 && path[0] == "sms" && path[1] == "json") return vonage_sms(*params);
  // Basic by key and secret; messages also by the application's own token.
  auto [key, secret] = basic_of(request);
  if (key.empty()) {
    key = params->text("api_key");
    secret = params->text("api_secret");
  }
  auto account = vonage_->accounts.find(key);
  bool known =
      account != vonage_->accounts.end() && sdk::equal_secret(secret, account->second.api_secret);
  if (const std::string token = bearer_token(request); !known && !token.empty()) {
    const std::string id = application_of(token);
    for (auto at = vonage_->accounts.begin(); at != vonage_->accounts.end(); ++at) {
      const auto application = at->second.applications.find(id);
      if (application == at->second.applications.end()) continue;
      account = at;
      known = verified_claims(token, application->second.public_key_pem, clock_.now_ms() / 1'000)
                  .has_value();
    }
  }
  if (!known) {
    record.description = "You did not provide correct credentials.";
    return vonage_error(401, "Unauthorized", "You did not provide correct credentials.");
  }
  record.account = account->first;
  if (path.size() == 2 && path[0] == "v1" && path[1] == "messages" && request.method == "POST") {
    const auto document = Document::parse(request.body);
    if (!document) return vonage_error(422, "Invalid params", "The body is no JSON");
    return vonage_send(document->root(), account->first);
  }
  if (path.size() == 3 && path[0] == "v2" && path[1] == "applications") {
    return vonage_application(request, path[2]);
  }
  if (path.size() == 2 && path[0] == "number" && path[1] == "update") {
    const auto number = vonage_->numbers.find(std::string(params->text("msisdn")));
    if (number == vonage_->numbers.end() || number->second.account != account->first ||
        params->text("country") != number->second.country) {
      return json_reply(R"({"error-code":"420","error-code-label":"method failed"})", 420);
    }
    if (const auto id = params->find("app_id")) number->second.application = *id;
    if (const auto url = params->find("moHttpUrl")) number->second.mo_url = *url;
    changed_.notify_all();
    return json_reply(R"({"error-code":"200","error-code-label":"success"})");
  }
  if (path.size() == 2 && path[0] == "account" && path[1] == "numbers") {
    std::vector<std::string> list;
    for (const auto& [msisdn, number] : vonage_->numbers) {
      if (number.account != account->first) continue;
      Members members{{"country", json_text(number.country)},
                      {"msisdn", json_text(msisdn)},
                      {"type", json_text("mobile-lvn")},
                      {"features", array({json_text("SMS")})}};
      if (!number.application.empty())
        members.emplace_back("app_id", json_text(number.application));
      if (!number.mo_url.empty()) members.emplace_back("moHttpUrl", json_text(number.mo_url));
      list.push_back(object(members));
    }
    return json_reply(object({{"count", std::to_string(list.size())}, {"numbers", array(list)}}));
  }
  if (path.size() == 2 && path[0] == "account" && path[1] == "settings") {
    Vonage::Account& mine = account->second;
    if (const auto url = params->find("moCallBackUrl")) mine.mo_url = *url;
    if (const auto url = params->find("drCallBackUrl")) mine.dr_url = *url;
    changed_.notify_all();
    return json_reply(object({{"mo-callback-url", json_text(mine.mo_url)},
                              {"dr-callback-url", json_text(mine.dr_url)},
                              {"max-outbound-request", "30"},
                              {"max-inbound-request", "30"},
                              {"max-calls-per-second", "30"}}));
  }
  return vonage_error(404, "Not Found", "The requested resource does not exist");
}

// PUT replaces the whole object.
HttpReply SmsSimulator::vonage_application(const HttpRequest& request, const std::string& id) {
  Vonage::Application* found = nullptr;
  for (auto& [key, account] : vonage_->accounts) {
    if (basic_of(request).first != key) continue;
    const auto at = account.applications.find(id);
    if (at != account.applications.end()) found = &at->second;
  }
  if (found == nullptr) return vonage_error(404, "Not Found", "No such application");
  if (request.method == "PUT") {
    const auto document = Document::parse(request.body);
    const Value wish = document ? document->root() : Value();
    if (wish["name"].text_or("").empty()) {
      return vonage_error(422, "Bad Request", "name is required");
    }
    const Value hooks = wish["capabilities"]["messages"]["webhooks"];
    const std::string inbound(hooks["inbound_url"]["address"].text_or(""));
    const std::string status(hooks["status_url"]["address"].text_or(""));
    for (const std::string& url : {inbound, status}) {
      if (!url.empty() && refuse_public_url(url, sms_.urls)) {
        return vonage_error(422, "Bad Request", "a webhook's address is not a valid URL");
      }
    }
    if (inbound.empty() != status.empty()) {
      return vonage_error(422, "Bad Request", "messages needs both inbound_url and status_url");
    }
    found->json = wish.dump();
    found->inbound_url = inbound;
    found->status_url = status;
    if (const auto pem = wish["keys"]["public_key"].text()) found->public_key_pem = *pem;
    changed_.notify_all();
  } else if (request.method != "GET") {
    return vonage_error(405, "Method Not Allowed", "Only GET and PUT");
  }
  const auto document = Document::parse(found->json);
  Members members{{"id", json_text(found->id)}};
  for (const auto& [name, value] : document->root().members()) {
    if (name != "id") members.emplace_back(std::string(name), value.dump());
  }
  return json_reply(object(members));
}

HttpReply SmsSimulator::vonage_send(Value body, const std::string& api_key) {
  const auto invalid = [this](std::string_view what) {
    return vonage_error(422, "Invalid params", what);
  };
  const std::string channel(body["channel"].text_or(""));
  const std::string type(body["message_type"].text_or(""));
  const std::string to(body["to"].text_or(""));
  const std::string from(body["from"].text_or(""));
  if (channel != "sms" && channel != "mms") return invalid("channel must be sms or mms");
  if (to.empty() || digits_only(to) != to || to.size() < 7 || to.size() > 15) {
    return invalid("to must be 7 to 15 digits without a leading +");
  }
  const auto number = vonage_->numbers.find(from);
  if (number == vonage_->numbers.end() || number->second.account != api_key) {
    return vonage_error(422, "Invalid sender", "The sender is not one of your numbers");
  }
  const std::string_view text = body["text"].text_or("");
  if (channel == "sms" && (type != "text" || text.empty())) {
    return invalid("an SMS has the message_type text, and a text");
  }
  if (sdk::utf16_length(text) > kTextUnits) return invalid("text is too long");
  if (channel == "mms" && type != "text" && body[type]["url"].text_or("").empty()) {
    return invalid("an MMS has a url");
  }
  if (body["client_ref"].text_or("").size() > kClientRef) return invalid("client_ref is too long");
  const std::string id = mint_uuid();
  Sent sent;
  sent.platform = "vonage";
  sent.account = from;
  sent.to = to;
  sent.id = id;
  sent.kind = type;
  sent.text = text;
  sent.body = body.dump();
  record_sent(std::move(sent));
  const auto& applications = vonage_->accounts.at(api_key).applications;
  const auto application = applications.find(number->second.application);
  std::string url = application == applications.end() ? "" : application->second.status_url;
  if (const auto own = body["webhook_url"].text()) url = *own;
  const bool fails = unreachable_.count("+" + to) != 0;
  std::int64_t after = 0;
  for (const char* const state : {"submitted", fails ? "undeliverable" : "delivered"}) {
    Members status{
        {"message_uuid", json_text(id)},
        {"to", json_text(to)},
        {"from", json_text(from)},
        {"timestamp", json_text(iso_ms(clock_.now_ms()).substr(0, 19) + "Z")},
        {"status", json_text(state)},
        {"usage", object({{"currency", json_text("EUR")}, {"price", json_text("0.0333")}})},
        {"channel", json_text(channel)}};
    if (body["client_ref"].exists()) status.emplace_back("client_ref", body["client_ref"].dump());
    if (std::string_view(state) == "undeliverable") {
      status.emplace_back("error", object({{"type", json_text("https://developer.vonage.com/"
                                                              "api-errors/messages#1320")},
                                           {"title", json_text("1320")},
                                           {"detail", json_text("Message already sent")}}));
    }
    status.emplace_back("sms",
                        object({{"count_total", json_text(std::to_string(sms_segments(text)))}}));
    if (!url.empty()) {
      vonage_post(api_key, id + ":" + state, "status", url, object(status), scaled(after));
    }
    after += kSmsStateEveryMs;
  }
  answer_back(from, "+" + to);
  return json_reply(object({{"message_uuid", json_text(id)}}), 202);
}

// rest.nexmo.com/sms/json: HTTP 200 even on errors, one entry per part.
HttpReply SmsSimulator::vonage_sms(const Params& params) {
  const auto fails = [&](const char* status, const char* text) {
    return json_reply(object({{"message-count", json_text("1")},
                              {"messages", array({object({{"status", json_text(status)},
                                                          {"error-text", json_text(text)}})})}}));
  };
  const std::string key(params.text("api_key"));
  const auto account = vonage_->accounts.find(key);
  if (key.empty() || params.text("api_secret").empty()) return fails("2", "Missing api_key");
  if (account == vonage_->accounts.end() ||
      !sdk::equal_secret(params.text("api_secret"), account->second.api_secret)) {
    return fails("4", "Bad Credentials");
  }
  const std::string to(params.text("to"));
  const std::string from(params.text("from"));
  const std::string text(params.text("text"));
  if (to.empty()) return fails("2", "Missing to param");
  if (digits_only(to) != to || to.size() < 7) return fails("3", "Invalid to param");
  if (text.empty()) return fails("2", "Missing text param");
  const auto number = vonage_->numbers.find(from);
  if (number == vonage_->numbers.end() || number->second.account != key) {
    return fails("15", "Illegal Sender Address - rejected");
  }
  // Without "type": "unicode" characters beyond GSM-7 arrive as question marks.
  const bool unicode = params.text("type") == "unicode";
  std::string arrives = text;
  if (!unicode && !is_gsm7(text)) {
    arrives.clear();
    for (std::size_t at = 0; at < text.size();) {
      const auto lead = static_cast<unsigned char>(text[at]);
      const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      const std::string one = text.substr(at, length);
      arrives += is_gsm7(one) ? one : "?";
      at += length;
    }
  }
  std::vector<std::string> parts;
  std::string first;
  for (int i = 0; i < sms_segments(text); ++i) {
    const std::string id = mint("0123456789ABCDEF", 16);
    if (first.empty()) first = id;
    parts.push_back(object({{"to", json_text(to)},
                            {"message-id", json_text(id)},
                            {"status", json_text("0")},
                            {"remaining-balance", json_text("3.14159265")},
                            {"message-price", json_text("0.03330000")},
                            {"network", json_text("310004")}}));
    if (!account->second.dr_url.empty()) {
      const bool lost = unreachable_.count("+" + to) != 0;
      vonage_post_form(key, id + ":status", "status", account->second.dr_url,
                       {{"msisdn", to},
                        {"to", from},
                        {"network-code", "310004"},
                        {"messageId", id},
                        {"price", "0.03330000"},
                        {"status", lost ? "failed" : "delivered"},
                        {"scts", "2611200900"},
                        {"err-code", lost ? "1" : "0"},
                        {"message-timestamp", local_time(clock_.now_ms())}},
                       scaled(kSmsStateEveryMs));
    }
  }
  Sent sent;
  sent.platform = "vonage_sms";
  sent.account = from;
  sent.to = to;
  sent.id = first;
  sent.kind = "text";
  sent.text = arrives;
  sent.body = params.to_json("api_secret");
  record_sent(std::move(sent));
  answer_back(from, "+" + to);
  return json_reply(object(
      {{"message-count", json_text(std::to_string(parts.size()))}, {"messages", array(parts)}}));
}

std::string SmsSimulator::vonage_receive(const std::string& msisdn, const Incoming& incoming) {
  const Vonage::Number& number = vonage_->numbers.at(msisdn);
  const Vonage::Account& account = vonage_->accounts.at(number.account);
  const std::string from = incoming.from[0] == '+' ? incoming.from.substr(1) : incoming.from;
  if (account.sms_api) {
    const std::string url = number.mo_url.empty() ? account.mo_url : number.mo_url;
    if (url.empty()) {
      sender_.count_unwanted();
      return mint("0123456789ABCDEF", 16);
    }
    // Long texts come in parts that nobody has joined.
    const bool plain = is_gsm7(incoming.text);
    const auto pieces = sdk::split_utf16(incoming.text, plain ? kConcatUnits : 67);
    const bool whole = sms_segments(incoming.text) == 1;
    const std::string reference = mint_digits(3);
    std::string first;
    for (std::size_t i = 0; i < (whole ? 1 : pieces.size()); ++i) {
      const std::string id = mint("0123456789ABCDEF", 16);
      if (first.empty()) first = id;
      const std::string text = whole ? incoming.text : pieces[i];
      sdk::Form fields = {{"msisdn", from},
                          {"to", msisdn},
                          {"messageId", id},
                          {"text", text},
                          {"type", plain ? "text" : "unicode"},
                          {"keyword", sdk::lower_ascii(text.substr(0, text.find(' ')))},
                          {"api-key", account.api_key},
                          {"message-timestamp", local_time(clock_.now_ms())}};
      if (!whole) {
        fields.insert(fields.end(), {{"concat", "true"},
                                     {"concat-ref", reference},
                                     {"concat-total", std::to_string(pieces.size())},
                                     {"concat-part", std::to_string(i + 1)}});
      }
      vonage_post_form(account.api_key, id, "message", url, std::move(fields), {});
    }
    return first;
  }
  const std::string id = mint_uuid();
  const auto application = account.applications.find(number.application);
  if (application == account.applications.end() || application->second.inbound_url.empty()) {
    sender_.count_unwanted();
    return id;
  }
  const bool mms = !incoming.media.empty();
  Members message{
      {"to", json_text(msisdn)},
      {"from", json_text(from)},
      {"channel", json_text(mms ? "mms" : "sms")},
      {"message_uuid", json_text(id)},
      {"timestamp", json_text(iso_ms(clock_.now_ms()).substr(0, 19) + "Z")},
      {"usage", object({{"price", json_text("0.0059")}, {"currency", json_text("EUR")}})}};
  if (mms) {
    const std::string type = incoming.media[0].rfind("image/", 0) == 0   ? "image"
                             : incoming.media[0].rfind("video/", 0) == 0 ? "video"
                             : incoming.media[0].rfind("audio/", 0) == 0 ? "audio"
                                                                         : "file";
    const std::string target = mint_file(account.api_key, incoming.media[0]);
    message.emplace_back("message_type", json_text(type));
    message.emplace_back(type, object({{"url", json_text("https://api-us.nexmo.com" + target)},
                                       {"name", json_text(target.substr(target.rfind('/') + 1))},
                                       {"caption", json_text(incoming.text)}}));
  } else {
    message.emplace_back("message_type", json_text("text"));
    message.emplace_back("text", json_text(incoming.text));
    message.emplace_back(
        "sms",
        object({{"num_messages", json_text(std::to_string(sms_segments(incoming.text)))},
                {"keyword",
                 json_text(sdk::lower_ascii(incoming.text.substr(0, incoming.text.find(' '))))}}));
  }
  vonage_post(account.api_key, id, "message", application->second.inbound_url, object(message), {});
  return id;
}

// Signed by a token whose claims cover the body. Repeated for a day.
void SmsSimulator::vonage_post(const std::string& api_key, const std::string& id,
                               const std::string& kind, const std::string& url, std::string body,
                               std::chrono::milliseconds delay) {
  WebhookEvent event;
  event.account = api_key;
  event.id = id;
  event.kind = kind;
  event.request = [=, this, body = std::move(body),
                   secret = vonage_->accounts.at(api_key).signature_secret](int attempt,
                                                                            Defect defect) {
    HttpCall call;
    call.url = url;
    call.body = body;
    call.timeout = std::chrono::milliseconds(10'000);
    call.headers = {{"Content-Type", "application/json"}, {"User-Agent", "Vonage/1.0"}};
    const std::int64_t now_s = clock_.now_ms() / 1'000;
    const std::string jti = id + "-" + std::to_string(attempt);
    add_proof(call, "Authorization", "Bearer " + vonage_jwt(secret, api_key, jti, now_s, body),
              "Bearer " + vonage_jwt("another secret", api_key, jti, now_s, body), defect);
    return call;
  };
  event.retry = retry_doubling(kRetryFirstMs, kRetryCapMs, kRetryForMs, is_2xx);
  sender_.post(std::move(event), delay);
}

void SmsSimulator::vonage_post_form(const std::string& api_key, const std::string& id,
                                    const std::string& kind, const std::string& url,
                                    sdk::Form fields, std::chrono::milliseconds delay) {
  const Vonage::Account& account = vonage_->accounts.at(api_key);
  WebhookEvent event;
  event.account = api_key;
  event.id = id;
  event.kind = kind;
  event.request = [=, this, fields = std::move(fields), secret = account.signature_secret,
                   method = account.sig_method](int, Defect defect) {
    using Kind = DeliveryFault::Kind;
    HttpCall call;
    call.url = url;
    call.timeout = std::chrono::milliseconds(10'000);
    call.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                    {"User-Agent", "Nexmo/MessagingHUB/v1.0"}};
    sdk::Form signed_fields = fields;
    if (!method.empty() && defect != Kind::no_secret) {
      signed_fields.emplace_back("timestamp", std::to_string(clock_.now_ms() / 1'000));
      signed_fields.emplace_back("nonce", sdk::hex(sdk::sha256(id)).substr(0, 32));
      const std::string sig =
          vonage_sig(defect == Kind::wrong_secret ? "another" : secret, method, signed_fields);
      signed_fields.emplace_back("sig", sig);
    }
    call.body = sdk::encode_form(signed_fields);
    if (defect == Kind::altered_body) call.body += "&type=other";
    return call;
  };
  event.retry = retry_doubling(kRetryFirstMs, kRetryCapMs, kRetryForMs, is_2xx);
  sender_.post(std::move(event), delay);
}

}  // namespace gateway::simulate
