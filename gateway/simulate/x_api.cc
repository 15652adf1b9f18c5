#include <algorithm>
#include <ctime>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/oauth1.h"
#include "gateway/simulate/sample_file.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/x_simulator.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::int64_t kSkewS = 300;
constexpr std::int64_t kQuarterS = 900;
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kStatusAfterMs = 400;
constexpr std::int64_t kReplyAfterMs = 2'000;
constexpr std::size_t kDmCharacters = 10'000;
constexpr std::size_t kUrlCharacters = 200;
constexpr std::size_t kPostCharacters = 280;

HttpReply data(const std::string& json, int status = 200, const std::string& more = {}) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "application/json; charset=utf-8";
  reply.body = "{\"data\":" + json + more + "}";
  return reply;
}

std::string basic_secret(const HttpRequest& request, std::string& key) {
  const auto [user, secret] = basic_of(request);
  key = sdk::percent_decode(user).value_or(user);
  return sdk::percent_decode(secret).value_or(secret);
}

bool is_form(const HttpRequest& request) {
  return sdk::lower_ascii(request.content_type).rfind("application/x-www-form-urlencoded", 0) == 0;
}

// "yyyymmddhhmm" in UTC as milliseconds; absent where it is none.
std::optional<std::int64_t> minute_of(std::string_view text) {
  if (text.size() != 12 || digits_only(text) != text) return std::nullopt;
  const auto part = [&](std::size_t at, std::size_t count) {
    return std::stoi(std::string(text.substr(at, count)));
  };
  std::tm time{};
  time.tm_year = part(0, 4) - 1'900;
  time.tm_mon = part(4, 2) - 1;
  time.tm_mday = part(6, 2);
  time.tm_hour = part(8, 2);
  time.tm_min = part(10, 2);
  return static_cast<std::int64_t>(timegm(&time)) * 1'000;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

HttpReply XSimulator::problem(int status, std::string_view title, std::string_view detail,
                              std::string_view type, int code) const {
  Members members;
  if (code != 0) {
    members.emplace_back(
        "errors",
        array({object({{"code", std::to_string(code)}, {"message", json_text(detail)}})}));
  }
  members.insert(members.end(), {{"title", json_text(title)},
                                 {"detail", json_text(detail)},
                                 {"type", json_text(type)},
                                 {"status", std::to_string(status)}});
  HttpReply reply;
  reply.status = status;
  reply.content_type = "application/problem+json";
  reply.body = object(members);
  return reply;
}

HttpReply XSimulator::refusal(const CallFault& fault, const HttpRequest&) {
  if (fault.kind == CallFault::Kind::too_many_requests) {
    HttpReply reply = problem(429, "Too Many Requests", "Too Many Requests");
    reply.headers = {
        {"x-rate-limit-limit", "15"},
        {"x-rate-limit-remaining", "0"},
        {"x-rate-limit-reset", std::to_string(clock_.now_ms() / 1'000 + fault.retry_after)}};
    return reply;
  }
  if (fault.kind == CallFault::Kind::refuse) {
    return problem(fault.status, fault.status == 402 ? "CreditsDepleted" : "Forbidden",
                   fault.description, "https://api.x.com/2/problems/client-forbidden",
                   static_cast<int>(fault.code));
  }
  return problem(503, "Service Unavailable", "Service Unavailable");
}

std::string XSimulator::account_of(const HttpRequest& request) const {
  const auto parameters = parse_oauth1(header(request.headers, "authorization"));
  const std::string token(parameters ? sdk::find(*parameters, "oauth_token").value_or("")
                                     : bearer_token(request));
  for (const auto& [id, user] : users_) {
    if (token == user.given.access_token || (!token.empty() && token == user.given.oauth2_token)) {
      return id;
    }
  }
  return {};
}

// OAuth 1.0a of a user, or a bearer of a user or of the app.
Result<XSimulator::Caller> XSimulator::authenticate(const HttpRequest& request) {
  const auto refuse = [](const char* why) { return fail(Errc::unauthorized, why); };
  const std::string_view authorization = header(request.headers, "authorization");
  const auto oauth = parse_oauth1(authorization);
  if (!oauth) {
    const std::string token = bearer_token(request);
    if (token.empty()) return refuse("Unauthorized");
    for (const auto& [key, app] : apps_) {
      if (sdk::equal_secret(token, app.given.bearer)) return Caller{&app, nullptr};
    }
    for (const auto& [id, user] : users_) {
      if (!user.given.oauth2_token.empty() && sdk::equal_secret(token, user.given.oauth2_token)) {
        if (user.revoked) return refuse("Unauthorized");
        return Caller{&apps_.at(user.given.consumer_key), &user};
      }
    }
    return refuse("Unauthorized");
  }
  const auto given = [&](std::string_view name) {
    return std::string(sdk::find(*oauth, name).value_or(""));
  };
  const auto app = apps_.find(given("oauth_consumer_key"));
  if (app == apps_.end()) return refuse("Could not authenticate you");
  const User* user = nullptr;
  for (const auto& [id, known] : users_) {
    if (known.given.access_token == given("oauth_token") &&
        known.given.consumer_key == app->first) {
      user = &known;
    }
  }
  if (user == nullptr || user->revoked) return refuse("Invalid or expired token");
  if (given("oauth_signature_method") != "HMAC-SHA1" ||
      (!given("oauth_version").empty() && given("oauth_version") != "1.0")) {
    return refuse("Could not authenticate you");
  }
  const std::string timestamp = given("oauth_timestamp");
  if (timestamp.empty() || timestamp.size() > 12 || digits_only(timestamp) != timestamp ||
      std::abs(std::stoll(timestamp) - clock_.now_ms() / 1'000) > kSkewS) {
    return refuse("Timestamp out of bounds.");
  }
  const std::string nonce = given("oauth_nonce");
  if (nonce.empty()) return refuse("Could not authenticate you");
  // Parameters of the query are signed, those of a body only where it is a form.
  sdk::Form parameters = *oauth;
  for (auto& field : sdk::parse_form(request.query)) parameters.push_back(std::move(field));
  if (is_form(request)) {
    for (auto& field : sdk::parse_form(request.body)) parameters.push_back(std::move(field));
  }
  const std::string url = "https://" + request.host + request.path;
  const std::string expected =
      oauth1_signature(request.method, url, parameters, app->second.given.consumer_secret,
                       user->given.access_token_secret);
  if (!sdk::equal_secret(expected, given("oauth_signature"))) {
    return refuse("Could not authenticate you");
  }
  if (!nonces_.insert({timestamp, nonce}).second) return refuse("Could not authenticate you");
  return Caller{&app->second, user};
}

std::optional<HttpReply> XSimulator::count(const std::string& key, int limit, std::int64_t window_s,
                                           Headers& headers) {
  Window& window = windows_[key];
  const std::int64_t now_s = clock_.now_ms() / 1'000;
  if (window.resets_s <= now_s) window = {now_s + window_s, 0};
  const bool full = window.used >= limit;
  if (!full || !x_.enforces_limits) ++window.used;
  headers = {{"x-rate-limit-limit", std::to_string(limit)},
             {"x-rate-limit-remaining", std::to_string(std::max(0, limit - window.used))},
             {"x-rate-limit-reset", std::to_string(window.resets_s)}};
  if (!full || !x_.enforces_limits) return std::nullopt;
  return problem(429, "Too Many Requests", "Too Many Requests");
}

XSimulator::Answer XSimulator::answer(const HttpRequest& request, ApiCall& record) {
  const auto path = path_parts(request.path);
  Answer answered = route(request, path, record);
  if (const auto* const reply = std::get_if<HttpReply>(&answered); reply && reply->status >= 400) {
    if (const auto document = Document::parse(reply->body)) {
      record.description = document->root()["detail"].text_or("");
    }
  }
  return answered;
}

XSimulator::Answer XSimulator::route(const HttpRequest& request,
                                     const std::vector<std::string>& path, ApiCall& record) {
  const auto under = [&](std::initializer_list<std::string_view> parts) {
    return path.size() >= parts.size() && std::equal(parts.begin(), parts.end(), path.begin());
  };
  if (under({"oauth2", "token"}) || under({"2", "oauth2", "token"})) return token_api(request);
  const auto caller = authenticate(request);
  if (!caller) return problem(401, "Unauthorized", caller.error().message);
  if (caller->user != nullptr) record.account = caller->user->given.id;
  if (request.host == "ton.twitter.com") {
    // /1.1/ton/data/dm/<message>/<media>/<file>, for the user's own signature alone.
    if (path.size() != 7 || caller->user == nullptr ||
        !parse_oauth1(header(request.headers, "authorization"))) {
      return problem(401, "Unauthorized", "Unauthorized");
    }
    return dm_media(path[4], path[5], *caller->user);
  }
  Headers headers;
  const std::string who =
      caller->user != nullptr ? caller->user->given.id : caller->app->given.consumer_key;
  std::optional<HttpReply> full;
  const bool sends = request.method == "POST" && under({"2", "dm_conversations"});
  if (sends) {
    full = count("dm:" + who, 15, kQuarterS, headers);
  } else if (under({"2", "dm_events"}) || under({"2", "dm_conversations"})) {
    full = count("dm_events:" + who, 15, kQuarterS, headers);
  } else if (under({"2", "webhooks"})) {
    full = count("webhooks:" + who, 450, kQuarterS, headers);
  } else if (under({"2", "users"})) {
    full = count("users:" + who, 75, kQuarterS, headers);
  } else {
    full = count("other:" + who, 500, kQuarterS, headers);
  }
  Answer answered = problem(404, "Not Found Error", "Could not find the requested resource.");
  if (full) {
    answered = std::move(*full);
  } else if (under({"2", "webhooks"})) {
    answered = webhooks_api(request, path, *caller);
  } else if (under({"2", "account_activity"})) {
    answered = aaa_api(request, path, *caller);
  } else if (under({"2", "activity", "subscriptions"})) {
    answered = xaa_api(request, path, *caller);
  } else if (under({"2", "dm_conversations"}) || under({"2", "dm_events"})) {
    answered = dm_api(request, path, *caller);
  } else if (under({"2", "media", "upload"})) {
    answered = media_api(request, path, *caller);
  } else if (under({"2", "tweets"}) && request.method == "POST") {
    answered = post_api(request, *caller);
  } else if (under({"2", "users"}) && path.size() == 3) {
    if (path[2] == "me" && caller->user == nullptr) {
      answered = problem(403, "Unsupported Authentication",
                         "Authenticating with OAuth 2.0 Application-Only is forbidden for this "
                         "endpoint.",
                         "https://api.x.com/2/problems/unsupported-authentication");
    } else {
      const std::string id = path[2] == "me" ? caller->user->given.id : path[2];
      const auto [username, name] = name_of(id);
      answered = data(object(
          {{"id", json_text(id)}, {"name", json_text(name)}, {"username", json_text(username)}}));
    }
  }
  if (auto* const reply = std::get_if<HttpReply>(&answered)) {
    for (auto& one : headers) reply->headers.push_back(std::move(one));
  }
  return answered;
}

// Client credentials give the app's bearer, always the same; a refresh token gives new ones, once.
HttpReply XSimulator::token_api(const HttpRequest& request) {
  const auto form = sdk::parse_form(request.body);
  const std::string_view grant = sdk::find(form, "grant_type").value_or("");
  if (grant == "refresh_token") {
    const std::string_view token = sdk::find(form, "refresh_token").value_or("");
    for (auto& [id, user] : users_) {
      if (token.empty() || user.given.refresh_token != token || user.revoked) continue;
      user.given.oauth2_token = "oauth2-" + mint_hex(40);
      user.given.refresh_token = "refresh-" + mint_hex(40);
      HttpReply reply;
      reply.body = object({{"token_type", json_text("bearer")},
                           {"expires_in", "7200"},
                           {"access_token", json_text(user.given.oauth2_token)},
                           {"refresh_token", json_text(user.given.refresh_token)},
                           {"scope", json_text("dm.read dm.write tweet.read users.read "
                                               "offline.access")}});
      return reply;
    }
    return problem(400, "invalid_request", "Value passed for the token was invalid.");
  }
  std::string key;
  const std::string secret = basic_secret(request, key);
  const auto app = apps_.find(key);
  if (app == apps_.end() || !sdk::equal_secret(secret, app->second.given.consumer_secret)) {
    return problem(403, "Forbidden", "Unable to verify your credentials", "about:blank", 99);
  }
  if (!is_form(request) || grant != "client_credentials") {
    return problem(403, "Forbidden", "Missing required parameter: grant_type", "about:blank", 170);
  }
  HttpReply reply;
  reply.body = object(
      {{"token_type", json_text("bearer")}, {"access_token", json_text(app->second.given.bearer)}});
  return reply;
}

// Asks for the response token: "" where it came, else the reason, and whether it may be better the
// next time.
XSimulator::Waiting XSimulator::crc(
    const App& app, const std::string& url,
    std::function<HttpReply(std::string problem, bool transient)> then) {
  const std::string token =
      mint("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 32) + "-crc." +
      mint_digits(4);
  const std::string expected =
      "sha256=" + sdk::base64(sdk::hmac_sha256(app.given.consumer_secret, token));
  Waiting waiting;
  waiting.call.method = "GET";
  waiting.call.url = with_query(
      url, "crc_token=" + sdk::url_encode(token) + "&nonce=" + sdk::url_encode(mint_hex(22)));
  waiting.call.headers = {{"User-Agent", "XBot/1.0"}, {"Accept", "*/*"}};
  waiting.call.timeout = std::chrono::milliseconds(10'000);
  waiting.then = [expected, then = std::move(then)](const HttpOutcome& outcome) -> HttpReply {
    if (outcome.status == 0) return then("no answer: " + outcome.error, true);
    if (outcome.status >= 400) return then("answered " + std::to_string(outcome.status), true);
    if (outcome.status != 200) return then("answered " + std::to_string(outcome.status), false);
    const auto document = Document::parse(outcome.body);
    if (!document || document->root()["response_token"].text_or("") != expected) {
      return then("the response token is wrong", false);
    }
    return then({}, false);
  };
  return waiting;
}

XSimulator::Answer XSimulator::add_webhook(const App& app, const std::string& url) {
  const auto refuse = [this](std::string_view reason, std::string_view detail) {
    HttpReply reply =
        problem(400, "Invalid Request", std::string(reason) + ": " + std::string(detail),
                "https://api.x.com/2/problems/invalid-request");
    return reply;
  };
  if (url.empty() || characters(url) > kUrlCharacters) {
    return refuse("UrlValidationFailed", "the url must be 1 to 200 characters");
  }
  if (const auto reason = refuse_public_url(url, x_.urls)) {
    return refuse("UrlValidationFailed", *reason);
  }
  const std::string key = app.given.consumer_key;
  std::size_t own = 0;
  for (const Webhook& known : webhooks_) {
    if (known.app != key) continue;
    ++own;
    if (known.url == url) return refuse("DuplicateUrlFailed", "Webhook URL already exists");
  }
  if (own >= x_.webhooks_per_app) {
    return refuse("WebhookLimitExceeded", "Too many webhooks for this application");
  }
  return crc(app, url, [this, key, url, refuse](const std::string& reason, bool) {
    if (!reason.empty()) {
      return refuse("CrcValidationFailed", "Webhook URL does not meet the requirements. " + reason);
    }
    Webhook made{mint_snowflake(), key, url, true, clock_.now_ms()};
    webhooks_.push_back(made);
    changed_.notify_all();
    return data(object({{"id", json_text(made.id)},
                        {"url", json_text(url)},
                        {"valid", "true"},
                        {"created_at", json_text(iso_ms(made.created_ms))}}));
  });
}

XSimulator::Answer XSimulator::webhooks_api(const HttpRequest& request,
                                            const std::vector<std::string>& path,
                                            const Caller& caller) {
  if (caller.user != nullptr) {
    return problem(403, "Unsupported Authentication",
                   "This endpoint takes OAuth 2.0 Application-Only alone.",
                   "https://api.x.com/2/problems/unsupported-authentication");
  }
  const std::string key = caller.app->given.consumer_key;
  if (path.size() == 2 && request.method == "POST") {
    const auto document = Document::parse(request.body);
    return add_webhook(*caller.app,
                       document ? std::string(document->root()["url"].text_or("")) : std::string());
  }
  if (path.size() == 2) {
    std::vector<std::string> list;
    for (const Webhook& webhook : webhooks_) {
      if (webhook.app != key) continue;
      list.push_back(object({{"id", json_text(webhook.id)},
                             {"url", json_text(webhook.url)},
                             {"valid", webhook.valid ? "true" : "false"},
                             {"created_at", json_text(iso_ms(webhook.created_ms))}}));
    }
    HttpReply reply;
    Members members;
    if (!list.empty()) members.emplace_back("data", array(list));
    members.emplace_back("meta", object({{"result_count", std::to_string(list.size())}}));
    reply.body = object(members);
    return reply;
  }
  if (path[2] == "replay" && request.method == "POST") return replay(request, caller);
  const auto at = std::find_if(webhooks_.begin(), webhooks_.end(), [&](const Webhook& known) {
    return known.id == path[2] && known.app == key;
  });
  if (at == webhooks_.end()) {
    return problem(400, "Invalid Request", "WebhookIdInvalid: the webhook does not exist",
                   "https://api.x.com/2/problems/invalid-request");
  }
  if (request.method == "DELETE") {
    const std::string id = at->id;
    webhooks_.erase(at);
    for (auto it = aaa_.begin(); it != aaa_.end();) {
      it = it->first == id ? aaa_.erase(it) : std::next(it);
    }
    changed_.notify_all();
    return data("{\"deleted\":true}");
  }
  if (request.method == "PUT") {
    return crc(*caller.app, at->url, [this, id = at->id](const std::string& reason, bool) {
      for (Webhook& webhook : webhooks_) {
        if (webhook.id == id) webhook.valid = reason.empty();
      }
      changed_.notify_all();
      return data(object({{"valid", reason.empty() ? "true" : "false"}}));
    });
  }
  return problem(405, "Method Not Allowed", "Method Not Allowed");
}

// What was told a webhook between two minutes is told again, then the job's end. The bounds of the
// window are the platform's waiting and scale with it.
HttpReply XSimulator::replay(const HttpRequest& request, const Caller&) {
  const auto document = Document::parse(request.body);
  const Value wish = document ? document->root() : Value();
  const std::string id(wish["webhook_id"].text_or(""));
  const auto from = minute_of(wish["from_date"].text_or(""));
  const auto to = minute_of(wish["to_date"].text_or(""));
  const auto refuse = [this](std::string_view detail) {
    return problem(400, "Invalid Request", detail, "https://api.x.com/2/problems/invalid-request");
  };
  const Webhook* const webhook = find_webhook(id);
  if (webhook == nullptr) return refuse("WebhookIdInvalid: the webhook does not exist");
  if (!from || !to || *from > *to) return refuse("from_date and to_date are yyyymmddhhmm");
  const std::int64_t now = clock_.now_ms();
  if (now - *from > 24 * 60 * kMinuteMs) return refuse("from_date is more than 24 hours ago");
  if (now - *from < scaled(31 * kMinuteMs).count()) return refuse("from_date is too recent");
  if (now - *to < scaled(10 * kMinuteMs).count()) return refuse("to_date is too recent");
  const std::string job = mint_snowflake();
  // Inclusive by the minute.
  for (const Told& told : std::vector<Told>(told_)) {
    if (told.webhook_id != id || told.at_ms < *from || told.at_ms >= *to + kMinuteMs) continue;
    post(*webhook, told.account, told.kind + ":replay", told.body, false, {});
  }
  post(*webhook, "", "replay_job_status",
       object({{"replay_job_status",
                object({{"webhook_id", json_text(id)},
                        {"job_state", json_text("Complete")},
                        {"job_state_description", json_text("Job completed successfully")},
                        {"job_id", json_text(job)}})}}),
       false, scaled(kStatusAfterMs));
  return data(object({{"job_id", json_text(job)}, {"created_at", json_text(iso_ms(now))}}));
}

// /2/account_activity/...
HttpReply XSimulator::aaa_api(const HttpRequest& request, const std::vector<std::string>& path,
                              const Caller& caller) {
  if (path.size() == 4 && path[2] == "subscriptions" && path[3] == "count") {
    return data(object({{"account_name", json_text("simulated")},
                        {"subscriptions_count_all", json_text(std::to_string(aaa_.size()))},
                        {"provisioned_count", json_text("50")}}));
  }
  const auto refuse = [this](int status, std::string_view detail) {
    return problem(status, "Invalid Request", detail,
                   "https://api.x.com/2/problems/invalid-request");
  };
  if (path.size() < 6 || path[2] != "webhooks" || path[4] != "subscriptions") {
    return problem(404, "Not Found Error", "Could not find the requested resource.");
  }
  const Webhook* const webhook = find_webhook(path[3]);
  if (webhook == nullptr || webhook->app != caller.app->given.consumer_key) {
    return refuse(400, "WebhookIdInvalid: the webhook does not exist");
  }
  if (path[5] == "all" && path.size() == 7 && path[6] == "list") {
    std::vector<std::string> list;
    for (const auto& [id, user] : aaa_) {
      if (id == webhook->id) list.push_back(object({{"user_id", json_text(user)}}));
    }
    return data(object({{"application_id", json_text(caller.app->given.id)},
                        {"webhook_id", json_text(webhook->id)},
                        {"webhook_url", json_text(webhook->url)},
                        {"subscriptions", array(list)}}));
  }
  if (path.size() == 7 && path[6] == "all" && request.method == "DELETE") {
    if (caller.user != nullptr) return refuse(403, "This endpoint takes the app's bearer alone");
    if (aaa_.erase({webhook->id, path[5]}) == 0) return refuse(404, "SubscriptionNotFound");
    changed_.notify_all();
    return data("{\"subscribed\":false}");
  }
  if (path[5] != "all" || path.size() != 6) {
    return problem(404, "Not Found Error", "Could not find the requested resource.");
  }
  if (caller.user == nullptr) return refuse(403, "This endpoint needs a user's token");
  const std::pair<std::string, std::string> entry{webhook->id, caller.user->given.id};
  if (request.method == "POST") {
    if (!aaa_.insert(entry).second) {
      return refuse(409, "DuplicateSubscriptionFailed: Subscription already exists");
    }
    changed_.notify_all();
    return data("{\"subscribed\":true}");
  }
  return data(aaa_.count(entry) != 0 ? "{\"subscribed\":true}" : "{\"subscribed\":false}");
}

// /2/activity/subscriptions
HttpReply XSimulator::xaa_api(const HttpRequest& request, const std::vector<std::string>& path,
                              const Caller& caller) {
  const auto refuse = [this](int status, std::string_view detail) {
    return problem(status, "Invalid Request", detail,
                   "https://api.x.com/2/problems/invalid-request");
  };
  const auto shown = [](const Subscription& s) {
    Members filter;
    if (!s.user_id.empty()) filter.emplace_back("user_id", json_text(s.user_id));
    if (!s.direction.empty()) filter.emplace_back("direction", json_text(s.direction));
    Members members{{"subscription_id", json_text(s.id)},
                    {"event_type", json_text(s.event_type)},
                    {"filter", object(filter)},
                    {"tag", json_text(s.tag)}};
    if (!s.webhook_id.empty()) members.emplace_back("webhook_id", json_text(s.webhook_id));
    return object(members);
  };
  const std::string key = caller.app->given.consumer_key;
  const auto document = Document::parse(request.body.empty() ? "{}" : request.body);
  const Value wish = document ? document->root() : Value();
  if (path.size() == 3 && request.method == "POST") {
    constexpr std::string_view kTypes[] = {
        "dm.received",         "dm.sent",           "dm.read",     "dm.indicate_typing",
        "post.mention.create", "post.reply.create", "post.create", "post.delete",
        "oauth.revoke",        "chat.received",     "chat.sent",   "profile.update.bio",
        "follow.follow",       "follow.unfollow",   "like.create"};
    Subscription made;
    made.event_type = wish["event_type"].text_or("");
    if (std::find(std::begin(kTypes), std::end(kTypes), made.event_type) == std::end(kTypes)) {
      return refuse(400, "event_type is not known: " + sdk::sanitize(made.event_type, 60));
    }
    made.user_id = wish["filter"]["user_id"].text_or("");
    made.direction = wish["filter"]["direction"].text_or("");
    made.webhook_id = wish["webhook_id"].text_or("");
    made.tag = wish["tag"].text_or("");
    made.app = key;
    if (characters(made.tag) > 200) return refuse(400, "tag is longer than 200 characters");
    if (made.event_type != "oauth.revoke") {
      // Private events need the token of the user who is watched.
      if (made.user_id.empty()) return refuse(400, "filter.user_id is required");
      if (caller.user == nullptr || caller.user->given.id != made.user_id) {
        return problem(403, "Forbidden",
                       "Private events need the authentication of the user who is monitored",
                       "https://api.x.com/2/problems/client-forbidden");
      }
    }
    if (!made.webhook_id.empty() && find_webhook(made.webhook_id) == nullptr) {
      return refuse(400, "WebhookIdInvalid: the webhook does not exist");
    }
    for (const Subscription& known : xaa_) {
      if (known.app == key && known.event_type == made.event_type &&
          known.user_id == made.user_id && known.webhook_id == made.webhook_id) {
        return refuse(409, "DuplicateSubscriptionFailed: Subscription already exists");
      }
    }
    made.id = mint_snowflake();
    xaa_.push_back(made);
    changed_.notify_all();
    return data("{\"subscription\":" + shown(made) + "}", 201,
                ",\"meta\":{\"total_subscriptions\":" + std::to_string(xaa_.size()) + "}");
  }
  if (path.size() == 3 && request.method == "GET") {
    std::vector<std::string> list;
    for (const Subscription& known : xaa_) {
      if (known.app == key) list.push_back(shown(known));
    }
    return data(array(list), 200,
                ",\"meta\":{\"total_subscriptions\":" + std::to_string(list.size()) + "}");
  }
  std::set<std::string> ids;
  if (path.size() == 4) ids.insert(path[3]);
  if (path.size() == 3 && request.method == "DELETE") {
    const auto query = sdk::parse_form(request.query);
    std::string_view rest = sdk::find(query, "ids").value_or("");
    while (!rest.empty()) {
      const std::string_view one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      ids.emplace(one);
    }
  }
  if (caller.user != nullptr) return refuse(403, "This endpoint takes the app's bearer alone");
  std::size_t hits = 0;
  for (auto at = xaa_.begin(); at != xaa_.end();) {
    if (at->app != key || ids.count(at->id) == 0) {
      ++at;
      continue;
    }
    ++hits;
    if (request.method == "PUT") {
      if (const auto tag = wish["tag"].text()) at->tag = *tag;
      if (const auto webhook = wish["webhook_id"].text()) at->webhook_id = *webhook;
      return data("{\"subscription\":" + shown(*at) + "}");
    }
    at = xaa_.erase(at);
  }
  if (hits == 0) return refuse(404, "SubscriptionNotFound");
  changed_.notify_all();
  return data("{\"deleted\":true}");
}

HttpReply XSimulator::dm_api(const HttpRequest& request, const std::vector<std::string>& path,
                             const Caller& caller) {
  if (caller.user == nullptr) {
    return problem(403, "Unsupported Authentication",
                   "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint. "
                   "Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User "
                   "Context].",
                   "https://api.x.com/2/problems/unsupported-authentication");
  }
  if (path[1] == "dm_events" && path.size() == 2 && request.method == "GET") {
    return list_dms(request, caller);
  }
  if (path[1] == "dm_events" && path.size() == 3 && request.method == "DELETE") {
    const auto at = std::find_if(dms_.begin(), dms_.end(), [&](const Dm& dm) {
      return dm.id == path[2] && dm.user_id == caller.user->given.id;
    });
    if (at == dms_.end()) return problem(404, "Not Found Error", "No such event");
    dms_.erase(at);
    return data("{\"deleted\":true}");
  }
  // /2/dm_conversations/media/<message>/<media>/<resource>
  if (path.size() == 6 && path[2] == "media") return dm_media(path[3], path[4], *caller.user);
  if (request.method == "POST" && path.size() == 5 && path[2] == "with" && path[4] == "messages") {
    return send_dm(request, caller, path[3]);
  }
  if (request.method == "POST" && path.size() == 4 && path[3] == "messages") {
    // Of two it is the conversation's name.
    const std::size_t dash = path[2].find('-');
    const std::string& own = caller.user->given.id;
    const std::string first = path[2].substr(0, dash);
    const std::string second = dash == std::string::npos ? std::string() : path[2].substr(dash + 1);
    if (dash == std::string::npos || (first != own && second != own) ||
        conversation_of(first, second) != path[2]) {
      return problem(403, "Forbidden", "You are not a participant of this conversation");
    }
    return send_dm(request, caller, first == own ? second : first);
  }
  return problem(404, "Not Found Error", "Could not find the requested resource.");
}

HttpReply XSimulator::send_dm(const HttpRequest& request, const Caller& caller,
                              const std::string& person_id) {
  const auto invalid = [this](std::string_view detail) {
    return problem(400, "Invalid Request", detail, "https://api.x.com/2/problems/invalid-request");
  };
  const auto document = Document::parse(request.body);
  const Value body = document ? document->root() : Value();
  if (!body.is_object()) return invalid("The body is no JSON object");
  for (const auto& [name, value] : body.members()) {
    if (name != "text" && name != "attachments") {
      return invalid("$." + sdk::sanitize(name, 60) +
                     ": is not defined in the schema and the schema does not allow additional "
                     "properties");
    }
  }
  const std::string text(body["text"].text_or(""));
  const auto attachments = body["attachments"].elements();
  if (body["text"].exists() && text.empty())
    return invalid("$.text: must be at least 1 characters long");
  if (text.empty() && attachments.empty())
    return invalid("One of text and attachments is required");
  if (characters(text) > kDmCharacters) return invalid("$.text: is longer than 10000 characters");
  if (attachments.size() > 1) return invalid("$.attachments: at most one");
  const std::string own = caller.user->given.id;
  if (person_id.empty() || person_id.size() > 19 || digits_only(person_id) != person_id) {
    return invalid("participant_id is no user id");
  }
  if (person_id == own || closed_.count(person_id) != 0) {
    return problem(403, "Forbidden", "You cannot send messages to this user.", "about:blank", 349);
  }
  std::string media_id;
  if (!attachments.empty()) {
    media_id = attachments.front()["media_id"].text_or("");
    const auto media = media_.find(media_id);
    if (media == media_.end() || media->second.owner != own || !media->second.finalized) {
      return invalid("The media_id is not of a finished upload of this user");
    }
  }
  Dm dm;
  dm.id = mint_snowflake();
  dm.user_id = own;
  dm.person_id = person_id;
  dm.sender_id = own;
  dm.text = text;
  dm.media_id = media_id;
  dm.at_ms = clock_.now_ms();
  const Happened told = direct_message(own, person_id, true, caller.app->given.id, dm, {});
  dm.json = told.aaa_item;
  dms_.push_back(dm);
  Sent sent;
  sent.platform = "x";
  sent.account = own;
  sent.to = person_id;
  sent.id = dm.id;
  sent.kind = media_id.empty() ? "text" : "media";
  sent.text = text;
  sent.body = body.dump();
  record_sent(std::move(sent));
  // The echo carries the id of the answer and may come before it.
  tell({told});
  Happened read;
  read.user_id = own;
  read.event_type = "dm.read";
  read.id = "read:" + dm.id;
  read.aaa_name = "direct_message_mark_read_events";
  read.aaa_item = object({{"created_timestamp", json_text(std::to_string(clock_.now_ms()))},
                          {"sender_id", json_text(person_id)},
                          {"target", object({{"recipient_id", json_text(own)}})},
                          {"last_read_event_id", json_text(dm.id)}});
  read.people = {own, person_id};
  read.xaa_payload = object({{"direct_message_mark_read_events", array({read.aaa_item})},
                             {"users", users_v2(read.people)}});
  tell({read}, scaled(kStatusAfterMs));
  if (const auto person = people_.find(person_id); options_.replies && person != people_.end()) {
    sender_.after(scaled(kReplyAfterMs), [this, own, key = person->second] {
      const std::lock_guard lock(mutex_);
      const auto wish = Document::parse(object({{"user", json_text(own)},
                                                {"from", json_text(key)},
                                                {"text", json_text(thanks_of(key))}}));
      const auto made = act_locked(wish->root());
      static_cast<void>(made);
    });
  }
  return data(object({{"dm_conversation_id", json_text(conversation_of(own, person_id))},
                      {"dm_event_id", json_text(dm.id)}}),
              201);
}

// Newest first, 100 to a page.
HttpReply XSimulator::list_dms(const HttpRequest& request, const Caller& caller) {
  const auto query = sdk::parse_form(request.query);
  const std::string_view wanted = sdk::find(query, "max_results").value_or("100");
  const int limit = wanted.size() > 3 || digits_only(wanted) != wanted || wanted.empty()
                        ? 0
                        : std::stoi(std::string(wanted));
  if (limit < 1 || limit > 100) {
    return problem(400, "Invalid Request", "max_results is 1 to 100",
                   "https://api.x.com/2/problems/invalid-request");
  }
  const std::string_view token = sdk::find(query, "pagination_token").value_or("");
  std::vector<std::string> list, users;
  std::set<std::string> people;
  std::string next;
  for (auto dm = dms_.rbegin(); dm != dms_.rend(); ++dm) {
    if (dm->user_id != caller.user->given.id) continue;
    if (!token.empty() && !(dm->id < token)) continue;
    if (static_cast<int>(list.size()) == limit) {
      next = dms_[static_cast<std::size_t>(dms_.rend() - dm)].id;
      break;
    }
    Members members{{"id", json_text(dm->id)},
                    {"event_type", json_text("MessageCreate")},
                    {"text", json_text(dm->text)},
                    {"created_at", json_text(iso_ms(dm->at_ms))},
                    {"sender_id", json_text(dm->sender_id)},
                    {"dm_conversation_id", json_text(conversation_of(dm->user_id, dm->person_id))}};
    if (!dm->media_id.empty()) {
      members.emplace_back("attachments",
                           object({{"media_keys", array({json_text("3_" + dm->media_id)})}}));
    }
    list.push_back(object(members));
    people.insert(dm->sender_id);
  }
  for (const std::string& id : people) {
    const auto [username, name] = name_of(id);
    users.push_back(object(
        {{"id", json_text(id)}, {"username", json_text(username)}, {"name", json_text(name)}}));
  }
  Members meta{{"result_count", std::to_string(list.size())}};
  if (!next.empty()) meta.emplace_back("next_token", json_text(next));
  return data(array(list), 200,
              ",\"includes\":{\"users\":" + array(users) + "},\"meta\":" + object(meta));
}

HttpReply XSimulator::dm_media(const std::string& dm_id, const std::string& media_id,
                               const User& user) {
  const auto dm = std::find_if(dms_.begin(), dms_.end(), [&](const Dm& known) {
    return known.id == dm_id && known.media_id == media_id;
  });
  const auto media = media_.find(media_id);
  if (dm == dms_.end() || media == media_.end() || dm->user_id != user.given.id) {
    return problem(404, "Not Found Error", "No such media");
  }
  HttpReply reply;
  reply.content_type = media->second.type;
  reply.body = media->second.bytes;
  return reply;
}

// initialize, append, finalize, STATUS.
HttpReply XSimulator::media_api(const HttpRequest& request, const std::vector<std::string>& path,
                                const Caller& caller) {
  const auto invalid = [this](std::string_view detail) {
    return problem(400, "Invalid Request", detail, "https://api.x.com/2/problems/invalid-request");
  };
  if (caller.user == nullptr) {
    return problem(403, "Unsupported Authentication", "A user's token is needed",
                   "https://api.x.com/2/problems/unsupported-authentication");
  }
  const auto shown = [](const std::string& id, const Media& media) {
    Members members{{"id", json_text(id)},
                    {"media_key", json_text("3_" + id)},
                    {"size", std::to_string(media.bytes.size())},
                    {"expires_after_secs", "86400"}};
    if (media.finalized && media.category == "dm_video") {
      members.emplace_back("processing_info", media.pending > 0
                                                  ? object({{"state", json_text("in_progress")},
                                                            {"check_after_secs", "1"},
                                                            {"progress_percent", "50"}})
                                                  : object({{"state", json_text("succeeded")}}));
    }
    return object(members);
  };
  if (path.size() == 4 && path[3] == "initialize" && request.method == "POST") {
    const auto document = Document::parse(request.body);
    const Value wish = document ? document->root() : Value();
    Media media;
    media.owner = caller.user->given.id;
    media.type = wish["media_type"].text_or("");
    media.category = wish["media_category"].text_or("");
    media.total = static_cast<std::size_t>(
        std::clamp<std::int64_t>(wish["total_bytes"].integer().value_or(0), 0, 1 << 30));
    const std::size_t limit = media.category == "dm_image"   ? 5u << 20
                              : media.category == "dm_gif"   ? 15u << 20
                              : media.category == "dm_video" ? 512u << 20
                                                             : 0;
    if (limit == 0) return invalid("media_category is not one of dm_image, dm_gif, dm_video");
    if (media.type.empty()) return invalid("media_type is required");
    if (media.total == 0 || media.total > limit) return invalid("total_bytes is out of bounds");
    const std::string id = mint_snowflake();
    media_[id] = media;
    return data(shown(id, media));
  }
  if (path.size() == 3 && request.method == "GET") {
    const auto query = sdk::parse_form(request.query);
    const std::string id(sdk::find(query, "media_id").value_or(""));
    const auto at = media_.find(id);
    if (sdk::find(query, "command").value_or("") != "STATUS" || at == media_.end()) {
      return invalid("command is STATUS, and media_id one of an upload");
    }
    if (at->second.pending > 0) --at->second.pending;
    return data(shown(id, at->second));
  }
  const auto at = path.size() == 5 ? media_.find(path[3]) : media_.end();
  if (at == media_.end() || at->second.owner != caller.user->given.id) {
    return problem(404, "Not Found Error", "No such upload");
  }
  Media& media = at->second;
  if (path[4] == "append") {
    const auto params = parse_params(request.query, request.content_type, request.body);
    if (!params || !params->integer("segment_index")) return invalid("segment_index is required");
    const Upload* const file = params->upload("media");
    const std::string bytes = file != nullptr ? file->bytes : std::string(params->text("media"));
    if (bytes.empty()) return invalid("media is required");
    if (media.bytes.size() + bytes.size() > media.total) return invalid("more than total_bytes");
    media.bytes += bytes;
    return data("{\"expires_at\":" + std::to_string(clock_.now_ms() / 1'000 + 86'400) + "}");
  }
  if (path[4] == "finalize") {
    if (media.bytes.size() != media.total) return invalid("segments do not add up to total_bytes");
    media.finalized = true;
    media.pending = media.category == "dm_video" ? 1 : 0;
    return data(shown(at->first, media));
  }
  return problem(404, "Not Found Error", "Could not find the requested resource.");
}

// POST /2/tweets: an answer in public, to somebody who has mentioned the account.
HttpReply XSimulator::post_api(const HttpRequest& request, const Caller& caller) {
  if (caller.user == nullptr) {
    return problem(403, "Unsupported Authentication", "A user's token is needed",
                   "https://api.x.com/2/problems/unsupported-authentication");
  }
  const auto document = Document::parse(request.body);
  const Value body = document ? document->root() : Value();
  const std::string text(body["text"].text_or(""));
  if (text.empty() || characters(text) > kPostCharacters) {
    return problem(400, "Invalid Request", "text is 1 to 280 characters",
                   "https://api.x.com/2/problems/invalid-request");
  }
  const std::string target(body["reply"]["in_reply_to_tweet_id"].text_or(""));
  if (body["reply"].exists()) {
    const auto post = posts_.find(target);
    if (post == posts_.end() || post->second.second != caller.user->given.id) {
      return problem(
          403, "Forbidden",
          "Reply to this conversation is not allowed because you have not been mentioned "
          "or otherwise engaged by the author of the post you are replying to.",
          "https://api.x.com/2/problems/client-forbidden");
    }
  }
  const std::string id = mint_snowflake();
  Sent sent;
  sent.platform = "x";
  sent.account = caller.user->given.id;
  sent.to = target.empty() ? std::string() : posts_.at(target).first;
  sent.id = id;
  sent.reply_to = target;
  sent.kind = "post";
  sent.text = text;
  sent.body = body.dump();
  record_sent(std::move(sent));
  return data(object({{"id", json_text(id)},
                      {"text", json_text(text)},
                      {"edit_history_tweet_ids", array({json_text(id)})}}),
              201);
}

}  // namespace gateway::simulate
