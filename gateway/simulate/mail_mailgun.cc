#include <algorithm>
#include <regex>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/mail_internal.h"
#include "gateway/simulate/sms_internal.h"

namespace gateway::simulate {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr int kRejects = 406;  // "no retry"
constexpr std::size_t kPatternBytes = 500;

// The texts in quotes of `forward("https://...")`.
std::vector<std::string> quoted_texts(std::string_view expression) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t open = expression.find_first_of("\"'");
    if (open == std::string_view::npos) return out;
    const std::size_t close = expression.find(expression[open], open + 1);
    if (close == std::string_view::npos) return out;
    out.emplace_back(expression.substr(open + 1, close - open - 1));
    expression.remove_prefix(close + 1);
  }
}

// Patterns are regular expressions that must match as a whole.
bool fits(const std::string& pattern, const std::string& text) {
  if (pattern.size() > kPatternBytes || text.size() > 4 * kPatternBytes) return false;
  try {
    return std::regex_match(text, std::regex(pattern, std::regex::icase));
  } catch (const std::regex_error&) {
    return false;
  }
}

std::string route_json(const std::string& id, std::int64_t priority, const std::string& description,
                       const std::string& expression, const std::vector<std::string>& actions,
                       std::int64_t now_ms) {
  std::vector<std::string> list;
  for (const std::string& action : actions) list.push_back(json_text(action));
  return object({{"id", json_text(id)},
                 {"priority", std::to_string(priority)},
                 {"description", json_text(description)},
                 {"expression", json_text(expression)},
                 {"actions", array(list)},
                 {"created_at", json_text(mail_date(now_ms))}});
}

HttpReply message_reply(std::string_view message, int status) {
  return mail_json(object({{"message", json_text(message)}}), status);
}

// A form as multipart/form-data, with the mail's files.
std::string multipart(const sdk::Form& fields, const std::vector<MailFile>& files,
                      const std::string& boundary) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" +
           value + "\r\n";
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    out += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"attachment-" +
           std::to_string(i + 1) + "\"; filename=\"" + files[i].name +
           "\"\r\nContent-Type: " + files[i].mime_type +
           "\r\nContent-Length: " + std::to_string(files[i].bytes.size()) + "\r\n\r\n" +
           files[i].bytes + "\r\n";
  }
  return out + "--" + boundary + "--\r\n";
}

}  // namespace

bool MailSimulator::Mailgun::matches(const Route& route, const Arrival& arrival) {
  // Conditions joined by "and".
  std::string_view rest = route.expression;
  while (!rest.empty()) {
    const std::size_t end = rest.find(") and ");
    const std::string_view one = sdk::trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 6);
    const auto texts = quoted_texts(one);
    if (one.rfind("catch_all", 0) == 0) continue;
    if (one.rfind("match_recipient", 0) == 0 && texts.size() == 1) {
      if (!fits(texts[0], arrival.to)) return false;
    } else if (one.rfind("match_header", 0) == 0 && texts.size() == 2) {
      const std::string value = arrival.view.header(texts[0]);
      if (value.find(texts[1]) == std::string::npos && !fits(texts[1], value)) return false;
    } else {
      return false;
    }
  }
  return !route.expression.empty();
}

std::vector<std::pair<std::string, std::string>> MailSimulator::Mailgun::targets(
    const Arrival& arrival) const {
  std::vector<Route> ordered = routes;
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const Route& a, const Route& b) { return a.priority < b.priority; });
  std::vector<std::pair<std::string, std::string>> out;
  std::set<std::string> stopped;
  for (const Route& route : ordered) {
    // Mail of a domain belongs to the account that has it.
    const Account& account = accounts.at(route.account);
    if (account.domains.count(domain_of(arrival.to)) == 0 || stopped.count(route.account) != 0 ||
        !matches(route, arrival)) {
      continue;
    }
    for (const std::string& action : route.actions) {
      const auto texts = quoted_texts(action);
      if (action.rfind("stop", 0) == 0) stopped.insert(route.account);
      if (action.rfind("forward", 0) == 0 && texts.size() == 1 &&
          texts[0].find("://") != std::string::npos) {
        out.emplace_back(texts[0], account.api_key);
      }
    }
  }
  return out;
}

MailSimulator::Answer MailSimulator::mailgun(const HttpRequest& request, ApiCall& record) {
  const auto credentials = basic_of(request);
  const auto& user = credentials.first;
  const auto& key = credentials.second;
  const auto at = mailgun_->accounts.find(key);
  if (user != "api" || at == mailgun_->accounts.end()) {
    record.description = "Forbidden";
    HttpReply reply;
    reply.status = 401;
    reply.content_type = "text/html; charset=utf-8";
    reply.body = "Forbidden";
    return reply;
  }
  Mailgun::Account& account = at->second;
  const auto path = path_parts(request.path);
  auto params = parse_params(request.query, request.content_type, request.body);
  if (!params || path.size() < 2 || path[0] != "v3") return message_reply("Not Found", 404);
  if (path[1] == "routes") {
    const std::string id = path.size() > 2 ? path[2] : std::string();
    auto route = std::find_if(
        mailgun_->routes.begin(), mailgun_->routes.end(),
        [&](const Mailgun::Route& known) { return known.id == id && known.account == key; });
    const auto shown = [this](const Mailgun::Route& r) {
      return route_json(r.id, r.priority, r.description, r.expression, r.actions, clock_.now_ms());
    };
    if (request.method == "GET" && id.empty()) {
      std::vector<std::string> list;
      for (const Mailgun::Route& known : mailgun_->routes) {
        if (known.account == key) list.push_back(shown(known));
      }
      return mail_json(
          object({{"total_count", std::to_string(list.size())}, {"items", array(list)}}));
    }
    if (request.method == "POST" && id.empty()) {
      Mailgun::Route made;
      made.expression = params->text("expression");
      made.actions = params->all("action");
      if (made.expression.empty()) return message_reply("'expression' parameter is missing", 400);
      if (made.actions.empty()) return message_reply("'action' parameter is missing", 400);
      for (const std::string& action : made.actions) {
        const auto texts = quoted_texts(action);
        if (action.rfind("forward", 0) == 0 &&
            (texts.size() != 1 || (texts[0].find("://") != std::string::npos &&
                                   refuse_public_url(texts[0], mail_.urls)))) {
          return message_reply("Invalid action: " + sdk::sanitize(action, 200), 400);
        }
      }
      made.id = mint_hex(24);
      made.account = key;
      made.priority = params->integer("priority").value_or(0);
      made.description = params->text("description");
      mailgun_->routes.push_back(made);
      changed_.notify_all();
      return mail_json(
          object({{"message", json_text("Route has been created")}, {"route", shown(made)}}));
    }
    if (route == mailgun_->routes.end()) return message_reply("Route not found", 404);
    if (request.method == "DELETE") {
      mailgun_->routes.erase(route);
      changed_.notify_all();
      return mail_json(
          object({{"message", json_text("Route has been deleted")}, {"id", json_text(id)}}));
    }
    if (request.method == "PUT") {
      if (const auto value = params->find("expression")) route->expression = *value;
      if (const auto actions = params->all("action"); !actions.empty()) route->actions = actions;
      if (const auto value = params->integer("priority")) route->priority = *value;
      if (const auto value = params->find("description")) route->description = *value;
      changed_.notify_all();
      return mail_json(shown(*route));
    }
    return mail_json(object({{"route", shown(*route)}}));
  }
  if (path[1] == "domains" && path.size() > 2) {
    const std::string domain = sdk::lower_ascii(path[2]);
    record.account = domain;
    if (account.domains.count(domain) == 0) return message_reply("Domain not found", 404);
    if (path.size() == 3) {
      return mail_json(object(
          {{"domain", object({{"name", json_text(domain)}, {"state", json_text("active")}})}}));
    }
    if (path[3] != "webhooks") return message_reply("Not Found", 404);
    const std::string id(path.size() > 4 ? path[4] : params->text("id"));
    if (request.method == "GET" && id.empty()) {
      Members members;
      for (const auto& [which, urls] : account.webhooks) {
        if (which.first != domain) continue;
        std::vector<std::string> list;
        for (const std::string& url : urls) list.push_back(json_text(url));
        members.emplace_back(which.second, object({{"urls", array(list)}}));
      }
      return mail_json(object({{"webhooks", object(members)}}));
    }
    constexpr std::string_view kKinds[] = {"accepted",       "clicked",     "complained",
                                           "delivered",      "opened",      "permanent_fail",
                                           "temporary_fail", "unsubscribed"};
    if (std::find(std::begin(kKinds), std::end(kKinds), id) == std::end(kKinds)) {
      return message_reply("Invalid webhook id", 400);
    }
    auto& urls = account.webhooks[{domain, id}];
    if (request.method == "DELETE") {
      account.webhooks.erase({domain, id});
      return message_reply("Webhook has been deleted", 200);
    }
    if (request.method == "PUT") urls.clear();
    for (const std::string& url : params->all("url")) {
      if (refuse_public_url(url, mail_.urls)) return message_reply("Invalid url", 400);
      urls.insert(url);
    }
    return message_reply("Webhook has been created", 200);
  }
  if (path.size() == 3 && request.method == "POST" &&
      (path[2] == "messages" || path[2] == "messages.mime")) {
    const std::string domain = sdk::lower_ascii(path[1]);
    record.account = domain;
    if (account.domains.count(domain) == 0) {
      return message_reply("Domain not found: " + sdk::sanitize(domain, 100), 404);
    }
    return mailgun_send(request, *params, domain, path[2] == "messages.mime");
  }
  return message_reply("Not Found", 404);
}

HttpReply MailSimulator::mailgun_send(const HttpRequest&, const Params& params,
                                      const std::string& domain, bool mime) {
  SentMail mail;
  mail.by = "mailgun";
  for (const char* name : {"to", "cc", "bcc"}) {
    for (const std::string& list : params.all(name)) {
      std::string_view rest = list;
      while (!rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        mail.envelope.to.push_back(address_of(one));
      }
    }
  }
  if (params.text("to").empty()) {
    return message_reply("to parameter is not a valid address. please check documentation", 400);
  }
  for (const std::string& address : mail.envelope.to) {
    if (domain_of(address).empty()) {
      return message_reply("to parameter is not a valid address. please check documentation", 400);
    }
  }
  mail.id = "<" + mint_hex(20) + "@" + domain + ">";
  if (mime) {
    const Upload* const message = params.upload("message");
    if (message == nullptr || message->bytes.empty()) {
      return message_reply("message parameter is missing", 400);
    }
    mail.bytes = message->bytes;
    const std::string own = read_mail(mail.bytes).header("Message-ID");
    if (!own.empty()) mail.id = own;
  } else {
    if (params.text("from").empty()) return message_reply("from parameter is missing", 400);
    if (params.text("text").empty() && params.text("html").empty() &&
        params.text("template").empty()) {
      return message_reply(
          "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters "
          "specified",
          400);
    }
    Draft draft;
    const auto [name, address] = mailbox_of(params.text("from"));
    draft.from_name = name;
    draft.from = address;
    draft.to = params.text("to");
    draft.subject = params.text("subject");
    draft.text = params.text("text");
    draft.html = params.text("html");
    draft.message_id =
        params.text("h:Message-Id").empty() ? mail.id : std::string(params.text("h:Message-Id"));
    draft.in_reply_to = params.text("h:In-Reply-To");
    draft.date_ms = clock_.now_ms();
    for (const char* header : {"References", "Reply-To", "Auto-Submitted"}) {
      const std::string_view value = params.text(std::string("h:") + header);
      if (!value.empty()) draft.headers.emplace_back(header, std::string(value));
    }
    mail.id = draft.message_id;
    mail.bytes = write_mail(draft);
  }
  mail.envelope.from = "bounce+" + mint_hex(6) + "@" + domain;
  const std::string id = mail.id;
  keep(std::move(mail));
  return mail_json(object({{"id", json_text(id)}, {"message", json_text("Queued. Thank you.")}}));
}

// 200 takes it, 406 refuses it for good; else again after 10, 15, 30 minutes, 1, 2 and 4 hours. The
// signature covers time and token alone and is made anew each time.
void MailSimulator::mailgun_arrive(const Arrival& arrival) {
  for (const auto& [url, key] : mailgun_->targets(arrival)) {
    const Mailgun::Account& account = mailgun_->accounts.at(key);
    const MailView& view = arrival.view;
    const bool mime = url.size() >= 4 && url.substr(url.size() - 4) == "mime";
    sdk::Form fields = {{"recipient", arrival.to}, {"sender", arrival.from}};
    std::vector<MailFile> files;
    if (mime) {
      fields.insert(fields.end(), {{"subject", decode_words(view.header("Subject"))},
                                   {"from", decode_words(view.header("From"))},
                                   {"body-mime", arrival.bytes}});
    } else {
      std::vector<std::string> headers;
      for (const auto& [name, value] : view.headers) {
        headers.push_back(array({json_text(name), json_text(sdk::sanitize(value))}));
      }
      fields.insert(fields.end(), {{"subject", decode_words(view.header("Subject"))},
                                   {"from", decode_words(view.header("From"))},
                                   {"X-Envelope-From", "<" + arrival.from + ">"},
                                   {"Message-Id", view.header("Message-ID")},
                                   {"body-plain", view.text},
                                   {"body-html", view.html},
                                   {"stripped-text", unquoted(view.text)},
                                   {"stripped-html", view.html},
                                   {"stripped-signature", ""},
                                   {"message-headers", array(headers)}});
      for (const char* name : {"In-Reply-To", "References"}) {
        if (view.count(name) != 0) fields.emplace_back(name, view.header(name));
      }
      files = view.files;
      if (!files.empty()) {
        fields.emplace_back("attachment-count", std::to_string(files.size()));
        Members ids;
        for (std::size_t i = 0; i < files.size(); ++i) {
          if (files[i].content_id.empty()) continue;
          ids.emplace_back("<" + files[i].content_id + ">",
                           json_text("attachment-" + std::to_string(i + 1)));
        }
        if (!ids.empty()) fields.emplace_back("content-id-map", object(ids));
      }
    }
    WebhookEvent event;
    event.account = arrival.to;
    event.id = view.header("Message-ID");
    event.kind = mime ? "mailgun-mime" : "mailgun";
    event.request = [this, url = url, fields, files, key = account.signing_key,
                     token = mint_hex(50)](int attempt, Defect defect) {
      using Kind = DeliveryFault::Kind;
      HttpCall call;
      call.url = without_userinfo(url);
      call.headers = {{"User-Agent", "mailgun/treq-20.9.0"}};
      sdk::Form signed_fields = fields;
      const std::string now = std::to_string(clock_.now_ms() / 1'000);
      const std::string fresh =
          sdk::hex(sdk::sha256(token + std::to_string(attempt))).substr(0, 50);
      const std::string proof = sdk::hex(
          sdk::hmac_sha256(defect == Kind::wrong_secret ? "another key" : key, now + fresh));
      if (defect != Kind::no_secret) {
        signed_fields.insert(signed_fields.end(),
                             {{"timestamp", now}, {"token", fresh}, {"signature", proof}});
      }
      if (files.empty()) {
        call.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
        call.body = sdk::encode_form(signed_fields);
      } else {
        const std::string boundary = "sim" + fresh.substr(0, 24);
        call.headers.emplace_back("Content-Type", "multipart/form-data; boundary=" + boundary);
        call.body = multipart(signed_fields, files, boundary);
      }
      add_basic(call, userinfo_of(url), std::nullopt);
      return call;
    };
    event.retry = retry_after({10 * kMinuteMs, 15 * kMinuteMs, 30 * kMinuteMs, 60 * kMinuteMs,
                               120 * kMinuteMs, 240 * kMinuteMs},
                              is_200, [](int status) { return status == kRejects; });
    sender_.post(std::move(event));
  }
}

void MailSimulator::mailgun_event(const SentMail& mail, std::string_view what) {
  const std::string domain = domain_of(mail.envelope.from);
  const bool failed = what == "failed";
  for (const auto& [key, account] : mailgun_->accounts) {
    const auto urls = account.webhooks.find({domain, failed ? "permanent_fail" : "delivered"});
    if (urls == account.webhooks.end()) continue;
    std::string id = mail.id;
    if (id.size() > 2 && id.front() == '<') id = id.substr(1, id.size() - 2);
    Members data{
        {"event", json_text(what)},
        {"id", json_text(mint_hex(22))},
        {"timestamp", std::to_string(clock_.now_ms() / 1'000) + ".25"},
        {"recipient", json_text(mail.envelope.to.front())},
        {"message", object({{"headers", object({{"message-id", json_text(id)}})}})},
        {"delivery-status", object({{"code", failed ? "550" : "250"},
                                    {"message", json_text(failed ? "5.1.1 user unknown" : "OK")},
                                    {"attempt-no", "1"}})}};
    if (failed) {
      data.emplace_back("severity", json_text("permanent"));
      data.emplace_back("reason", json_text("bounce"));
    }
    for (const std::string& url : urls->second) {
      WebhookEvent event;
      event.account = domain;
      event.id = id + ":" + std::string(what);
      event.kind = "mailgun-event";
      event.request = [this, url, data = object(data), key = account.signing_key,
                       token = mint_hex(50)](int, Defect defect) {
        using Kind = DeliveryFault::Kind;
        HttpCall call;
        call.url = url;
        call.headers = {{"Content-Type", "application/json"},
                        {"User-Agent", "mailgun/treq-20.9.0"}};
        const std::string now = std::to_string(clock_.now_ms() / 1'000);
        const std::string proof = sdk::hex(
            sdk::hmac_sha256(defect == Kind::wrong_secret ? "another key" : key, now + token));
        Members body;
        if (defect != Kind::no_secret) {
          body.emplace_back("signature", object({{"timestamp", json_text(now)},
                                                 {"token", json_text(token)},
                                                 {"signature", json_text(proof)}}));
        }
        body.emplace_back("event-data", data);
        call.body = object(body);
        return call;
      };
      event.retry = retry_after({5 * kMinuteMs, 10 * kMinuteMs, 15 * kMinuteMs, 60 * kMinuteMs,
                                 120 * kMinuteMs, 240 * kMinuteMs},
                                is_200, [](int status) { return status == kRejects; });
      sender_.post(std::move(event), scaled(kMailEventAfterMs));
    }
  }
}

}  // namespace gateway::simulate
