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

constexpr std::size_t kTextUnits = 1'600;
constexpr std::size_t kMediaCount = 10;
constexpr std::size_t kRecipients = 1'000;
constexpr std::chrono::milliseconds kAnswerWithin{15'000};
constexpr std::string_view kMediaHost = "https://media.plivo.com";

bool is_number(std::string_view digits) {
  return digits.size() >= 7 && digits.size() <= 15 && digits_only(digits) == digits;
}

// "14155550100<14155550101".
std::vector<std::string> recipients_of(std::string_view dst) {
  std::vector<std::string> out;
  while (!dst.empty()) {
    const std::string_view one = dst.substr(0, dst.find('<'));
    dst.remove_prefix(std::min(dst.size(), one.size() + 1));
    const std::string_view digits = one.substr(one.rfind('+', 0) == 0 ? 1 : 0);
    out.emplace_back(digits);
  }
  return out;
}

std::string resource(const std::string& auth_id, const std::string& kind, const std::string& id) {
  return "/v1/Account/" + auth_id + "/" + kind + "/" + id + "/";
}

}  // namespace

HttpReply SmsSimulator::plivo_error(int status, const std::string& error_json) {
  HttpReply reply;
  reply.status = status;
  reply.body = object({{"api_id", json_text(mint_uuid())}, {"error", error_json}});
  return reply;
}

HttpReply SmsSimulator::plivo_done(int status, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  reply.body = object({{"api_id", json_text(mint_uuid())}, {"message", json_text(message)}});
  return reply;
}

SmsSimulator::Answer SmsSimulator::plivo(const HttpRequest& request, ApiCall& record) {
  // Media of messages can be read by who has their link, as an account is set from the start.
  if (files_.count(request.path) != 0) return file_reply(request.path);
  const auto path = path_parts(request.path);
  const auto missing = [this] { return plivo_error(404, json_text("not found")); };
  if (path.size() < 3 || path[0] != "v1" || path[1] != "Account") return missing();
  const std::string& auth_id = path[2];
  record.account = auth_id;
  const auto [user, token] = basic_of(request);
  const auto account = plivo_->accounts.find(auth_id);
  if (account == plivo_->accounts.end() || user != auth_id ||
      !sdk::equal_secret(token, account->second.auth_token)) {
    record.description = "authentication failed";
    return plivo_error(401, json_text("authentication failed"));
  }
  const auto document = Document::parse(request.body.empty() ? "{}" : request.body);
  if (!document) return plivo_error(400, json_text("the body is no JSON"));
  const Value wish = document->root();
  HttpReply reply = missing();
  if (path.size() == 3 && request.method == "GET") {
    reply.status = 200;
    reply.body = object({{"account_type", json_text("standard")},
                         {"api_id", json_text(mint_uuid())},
                         {"auth_id", json_text(auth_id)},
                         {"billing_mode", json_text("prepaid")},
                         {"cash_credits", json_text("23.79822")},
                         {"name", json_text("Simulated account")},
                         {"resource_uri", json_text("/v1/Account/" + auth_id + "/")}});
  } else if (path.size() == 5 && path[3] == "Number") {
    reply = plivo_number(request, wish, auth_id, path[4]);
  } else if (path.size() > 3 && path.size() < 6 && path[3] == "Application") {
    reply = plivo_application(request, wish, auth_id, path.size() == 5 ? path[4] : std::string());
  } else if (path.size() == 4 && path[3] == "Message" && request.method == "POST") {
    reply = plivo_send(wish, auth_id);
  }
  if (reply.status >= 400) {
    const auto body = Document::parse(reply.body);
    const Value error = body->root()["error"];
    record.description = error.text_or(error["error"].text_or(""));
  }
  return reply;
}

HttpReply SmsSimulator::plivo_number(const HttpRequest& request, Value wish,
                                     const std::string& auth_id, const std::string& digits) {
  const auto at = plivo_->numbers.find("+" + digits);
  if (at == plivo_->numbers.end() || at->second.account != auth_id) {
    return plivo_error(404, json_text("not found"));
  }
  if (request.method == "POST") {
    const std::string id(wish["app_id"].digits().value_or(""));
    const auto application = plivo_->applications.find(id);
    if (application == plivo_->applications.end() || application->second.account != auth_id) {
      return plivo_error(400, object({{"field", json_text("app_id")},
                                      {"error", json_text("no such application")}}));
    }
    at->second.application = id;
    changed_.notify_all();
    return plivo_done(202, "changed");
  }
  if (request.method != "GET") return plivo_error(405, json_text("method not allowed"));
  const std::string& linked = at->second.application;
  HttpReply reply;
  reply.body =
      object({{"api_id", json_text(mint_uuid())},
              {"number", json_text(digits)},
              {"alias", "null"},
              {"application",
               linked.empty() ? "null" : json_text(resource(auth_id, "Application", linked))},
              {"number_type", json_text("local")},
              {"sms_enabled", "true"},
              {"mms_enabled", "true"},
              {"voice_enabled", "true"},
              {"resource_uri", json_text(resource(auth_id, "Number", digits))}});
  return reply;
}

HttpReply SmsSimulator::plivo_application(const HttpRequest& request, Value wish,
                                          const std::string& auth_id, const std::string& id) {
  auto at = plivo_->applications.find(id);
  const bool known = at != plivo_->applications.end() && at->second.account == auth_id;
  if (!id.empty() && !known) return plivo_error(404, json_text("not found"));
  if (id.empty() && request.method != "POST") {
    return plivo_error(405, json_text("method not allowed"));
  }
  if (request.method == "DELETE") {
    for (auto& [phone, number] : plivo_->numbers) {
      if (number.application == id) number.application.clear();
    }
    plivo_->applications.erase(at);
    HttpReply reply;
    reply.status = 204;
    return reply;
  }
  if (request.method == "GET") {
    const Plivo::Application& application = at->second;
    HttpReply reply;
    reply.body = object({{"api_id", json_text(mint_uuid())},
                         {"app_id", json_text(id)},
                         {"app_name", json_text(application.name)},
                         {"default_app", "false"},
                         {"enabled", "true"},
                         {"message_url", json_text(application.message_url)},
                         {"message_method", json_text(application.message_method)},
                         {"resource_uri", json_text(resource(auth_id, "Application", id))}});
    return reply;
  }
  const auto refuse = [this](std::string_view field, std::string_view why) {
    return plivo_error(400, object({{"field", json_text(field)}, {"error", json_text(why)}}));
  };
  const std::string_view url = wish["message_url"].text_or("");
  const std::string_view method = wish["message_method"].text_or("POST");
  const std::string_view name = wish["app_name"].text_or("");
  if (!url.empty() && refuse_public_url(url, sms_.urls)) {
    return refuse("message_url", "invalid url");
  }
  if (method != "GET" && method != "POST") return refuse("message_method", "invalid method");
  const bool named_well = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (!named_well || (id.empty() && name.empty())) return refuse("app_name", "invalid name");
  const bool made = id.empty();
  const std::string key = made ? mint_digits(17) : id;
  Plivo::Application& application = plivo_->applications[key];
  application.id = key;
  application.account = auth_id;
  if (!name.empty()) application.name = name;
  if (wish["message_url"].exists()) application.message_url = url;
  if (wish["message_method"].exists()) application.message_method = method;
  changed_.notify_all();
  if (!made) return plivo_done(202, "changed");
  HttpReply reply;
  reply.status = 201;
  reply.body = object({{"api_id", json_text(mint_uuid())},
                       {"app_id", json_text(key)},
                       {"message", json_text("created")}});
  return reply;
}

HttpReply SmsSimulator::plivo_send(Value body, const std::string& auth_id) {
  const auto refuse = [this](std::string_view why) { return plivo_error(400, json_text(why)); };
  const std::string src(body["src"].digits().value_or(""));
  const auto recipients = recipients_of(body["dst"].digits().value_or(""));
  const std::string_view text = body["text"].text_or("");
  const std::string_view type = body["type"].text_or("sms");
  const std::string url(body["url"].text_or(""));
  const std::string method(body["method"].text_or("POST"));
  const auto media = body["media_urls"].elements();
  if (src.empty()) return refuse("src parameter not present");
  if (recipients.empty()) return refuse("dst parameter not present");
  if (recipients.size() > kRecipients) return refuse("dst has more than 1000 numbers");
  const auto own = plivo_->numbers.find("+" + digits_only(src));
  if (own == plivo_->numbers.end() || own->second.account != auth_id) {
    return refuse("src is not a number of yours");
  }
  if (type != "sms" && type != "mms") return refuse("type must be sms or mms");
  if (text.empty() && (type == "sms" || media.empty())) return refuse("text parameter not present");
  if (type == "sms" && !media.empty()) return refuse("media_urls is for type mms");
  if (media.size() > kMediaCount) return refuse("media_urls has more than 10 files");
  for (const Value file : media) {
    if (!is_web(file.text_or(""))) return refuse("media_urls has an invalid url");
  }
  if (sdk::utf16_length(text) > kTextUnits) return refuse("text is too long");
  if (!url.empty() && refuse_public_url(url, sms_.urls)) return refuse("url is invalid");
  if (method != "GET" && method != "POST") return refuse("method must be GET or POST");
  for (const std::string& to : recipients) {
    if (!is_number(to)) return refuse(sdk::sanitize(to, 40) + " is not a valid phone number");
    if (to == digits_only(src)) return refuse("src and dst are the same");
  }
  std::vector<std::string> ids;
  for (const std::string& to : recipients) {
    const std::string id = mint_uuid();
    ids.push_back(json_text(id));
    Sent sent;
    sent.platform = "plivo";
    sent.account = own->first;
    sent.to = "+" + to;
    sent.id = id;
    sent.kind = type == "mms" ? "media" : "text";
    sent.text = text;
    sent.body = body.dump();
    record_sent(std::move(sent));
    plivo_statuses(auth_id, id, own->first, "+" + to, text, url, method);
    if (opted_out_.count({own->first, "+" + to}) == 0) answer_back(own->first, "+" + to);
  }
  HttpReply reply;
  reply.status = 202;
  reply.body = object({{"api_id", json_text(mint_uuid())},
                       {"message", json_text("message(s) queued")},
                       {"message_uuid", array(ids)}});
  return reply;
}

// Each part of a long text has reports of its own, which name the first part's id.
void SmsSimulator::plivo_statuses(const std::string& auth_id, const std::string& id,
                                  const std::string& from, const std::string& to,
                                  std::string_view text, const std::string& url,
                                  const std::string& method) {
  if (url.empty()) return;
  // 200: the recipient sent STOP. 70: permanently unavailable.
  const bool stopped = opted_out_.count({from, to}) != 0;
  const bool lost = unreachable_.count(to) != 0;
  std::vector<std::pair<std::string, std::string>> states{{"queued", ""}};
  if (stopped) {
    states.emplace_back("failed", "200");
  } else {
    states.emplace_back("sent", "");
    states.emplace_back(lost ? "undelivered" : "delivered", lost ? "70" : "");
  }
  const int parts = std::max(1, sms_segments(text));
  for (int part = 1; part <= parts; ++part) {
    const std::string own = part == 1 ? id : mint_uuid();
    std::int64_t after = 0;
    for (std::size_t i = 0; i < states.size(); ++i) {
      sdk::Form fields{{"From", from.substr(1)},
                       {"To", to.substr(1)},
                       {"MessageUUID", own},
                       {"ParentMessageUUID", id},
                       {"PartInfo", std::to_string(part) + " of " + std::to_string(parts)},
                       {"Status", states[i].first},
                       {"Sequence", std::to_string(i + 1)},
                       {"Units", "1"},
                       {"TotalRate", "0.00650"},
                       {"TotalAmount", "0.00650"},
                       {"MCC", "310"},
                       {"MNC", "004"}};
      if (!states[i].second.empty()) fields.emplace_back("ErrorCode", states[i].second);
      plivo_post(auth_id, own + ":" + states[i].first, "status", url, method, std::move(fields),
                 scaled(after));
      after += kSmsStateEveryMs;
    }
  }
}

std::string SmsSimulator::plivo_receive(const std::string& phone, const Incoming& incoming) {
  const Plivo::Number& number = plivo_->numbers.at(phone);
  const std::string id = mint_uuid();
  const auto application = plivo_->applications.find(number.application);
  if (application == plivo_->applications.end() || application->second.message_url.empty()) {
    sender_.count_unwanted();
    return id;
  }
  const OptKeyword keyword = opt_keyword(incoming.text);
  const bool mms = !incoming.media.empty();
  sdk::Form fields{{"From", incoming.from[0] == '+' ? incoming.from.substr(1) : incoming.from},
                   {"To", phone.substr(1)},
                   {mms ? "Body" : "Text", incoming.text},
                   {"Type", mms ? "mms" : "sms"},
                   {"MessageUUID", id},
                   {"Units", std::to_string(sms_segments(incoming.text))},
                   {"TotalRate", "0"},
                   {"TotalAmount", "0"},
                   {"MessageIntent", keyword == OptKeyword::stop    ? "optout"
                                     : keyword == OptKeyword::start ? "optin"
                                     : keyword == OptKeyword::help  ? "help"
                                                                    : ""},
                   {"PowerpackUUID", ""}};
  if (mms) fields.emplace_back("MediaCount", std::to_string(incoming.media.size()));
  for (std::size_t i = 0; i < incoming.media.size(); ++i) {
    const std::string target = mint_file(number.account, incoming.media[i]);
    fields.emplace_back("Media" + std::to_string(i), std::string(kMediaHost) + target);
  }
  plivo_post(number.account, id, "message", application->second.message_url,
             application->second.message_method, std::move(fields), {});
  return id;
}

// Repeated 60, 120 and 240 seconds later unless the answer is 200.
void SmsSimulator::plivo_post(const std::string& auth_id, const std::string& id,
                              const std::string& kind, const std::string& url,
                              const std::string& method, sdk::Form fields,
                              std::chrono::milliseconds delay) {
  const Plivo::Account& account = plivo_->accounts.at(auth_id);
  WebhookEvent event;
  event.account = auth_id;
  event.id = id;
  event.kind = kind;
  event.request = [url, method, fields, token = account.auth_token, v3 = account.v3,
                   nonce = mint_digits(18)](int attempt, Defect defect) {
    HttpCall call;
    call.method = method;
    call.url = url;
    call.timeout = kAnswerWithin;
    call.headers = {{"User-Agent", "plivo"}};
    sdk::Form posted = fields;
    if (method == "GET") {
      call.url = with_query(url, sdk::encode_form(fields));
      posted.clear();
    } else {
      call.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
      call.body = sdk::encode_form(fields);
    }
    const std::string own_nonce = nonce + std::to_string(10 + attempt % 90);
    if (v3) {
      call.headers.emplace_back("X-Plivo-Signature-V3-Nonce", own_nonce);
      add_proof(call, "X-Plivo-Signature-V3",
                plivo_signature_v3(token, call.url, posted, own_nonce),
                plivo_signature_v3("another token", call.url, posted, own_nonce), defect);
    }
    call.headers.emplace_back("X-Plivo-Signature-V2-Nonce", own_nonce);
    add_proof(call, "X-Plivo-Signature-V2", plivo_signature_v2(token, call.url, own_nonce),
              plivo_signature_v2("another token", call.url, own_nonce), defect);
    return call;
  };
  event.retry = [this, fields, rule = retry_after({60'000, 120'000, 240'000}, is_200)](
                    const HttpOutcome& outcome, int attempt, std::int64_t age_ms) {
    const AfterAttempt after = rule(outcome, attempt, age_ms);
    if (after.kind == AfterAttempt::Kind::acknowledged) {
      const std::lock_guard lock(mutex_);
      plivo_answered(fields, outcome);
    }
    return after;
  };
  sender_.post(std::move(event), delay);
}

// The answer to a message is an instruction: each <Message> is sent.
void SmsSimulator::plivo_answered(const sdk::Form& fields, const HttpOutcome& outcome) {
  if (sdk::find(fields, "Status")) return;
  for (std::string& text : xml_messages(outcome.body)) {
    Sent sent;
    sent.platform = "plivo";
    sent.account = "+" + std::string(sdk::find(fields, "To").value_or(""));
    sent.to = "+" + std::string(sdk::find(fields, "From").value_or(""));
    sent.id = mint_uuid();
    sent.kind = "xml";
    sent.text = std::move(text);
    record_sent(std::move(sent));
  }
}

}  // namespace gateway::simulate
