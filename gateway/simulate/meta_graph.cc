#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/meta_internal.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;

constexpr int kOldestVersion = 21;  // a version lives about two years
constexpr int kNewestVersion = 26;
constexpr std::int64_t kMediaUrlMs = 5 * 60'000;
constexpr std::int64_t kRefreshAgeMs = kDayMs;
constexpr std::int64_t kTokenLifeMs = 60 * kDayMs;

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

HttpReply ok(std::string body) {
  HttpReply reply;
  reply.content_type = "application/json; charset=UTF-8";
  reply.headers.emplace_back("facebook-api-version", "v26.0");
  reply.body = std::move(body);
  return reply;
}

HttpReply success() { return ok("{\"success\":true}"); }

// "/v26.0/123/messages" as its parts without the version; the version's major number, 0: none.
std::vector<std::string> split_path(std::string_view path, int& version) {
  std::vector<std::string> parts;
  version = 0;
  while (!path.empty()) {
    if (path.front() == '/') path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part.empty()) continue;
    if (parts.empty() && version == 0 && part.size() > 3 && part[0] == 'v' &&
        part.substr(part.size() - 2) == ".0" && all_digits(part.substr(1, part.size() - 3))) {
      version = part.size() > 6 ? 1'000 : std::stoi(std::string(part.substr(1)));
      continue;
    }
    parts.push_back(sdk::percent_decode(part).value_or(std::string(part)));
  }
  return parts;
}

std::string bearer_of(const HttpRequest& request) {
  const std::string_view value = header(request.headers, "authorization");
  for (const std::string_view scheme : {"Bearer ", "OAuth "}) {
    if (value.size() > scheme.size() &&
        sdk::equals_ignoring_case(value.substr(0, scheme.size()), scheme)) {
      return std::string(sdk::trim(value.substr(scheme.size())));
    }
  }
  return {};
}

std::set<std::string> split_fields(std::string_view list) {
  std::set<std::string> out;
  while (!list.empty()) {
    const std::string_view field = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), field.size() + 1));
    if (!sdk::trim(field).empty()) out.emplace(sdk::trim(field));
  }
  return out;
}

// Fields of the two objects; the Instagram list is the one the API's own error text names.
constexpr std::array<std::string_view, 29> kWhatsAppFields = {"messages",
                                                              "message_echoes",
                                                              "smb_message_echoes",
                                                              "smb_app_state_sync",
                                                              "history",
                                                              "calls",
                                                              "consumer_profile",
                                                              "messaging_handovers",
                                                              "group_lifecycle_update",
                                                              "group_participants_update",
                                                              "group_settings_update",
                                                              "group_status_update",
                                                              "account_settings_update",
                                                              "account_update",
                                                              "account_alerts",
                                                              "account_review_update",
                                                              "business_capability_update",
                                                              "business_status_update",
                                                              "flows",
                                                              "message_template_components_update",
                                                              "message_template_quality_update",
                                                              "message_template_status_update",
                                                              "phone_number_name_update",
                                                              "phone_number_quality_update",
                                                              "security",
                                                              "template_category_update",
                                                              "user_preferences",
                                                              "user_id_update",
                                                              "partner_solutions"};
constexpr std::array<std::string_view, 18> kInstagramFields = {"comment_poll_response",
                                                               "comments",
                                                               "follow",
                                                               "live_comments",
                                                               "mentions",
                                                               "message_edit",
                                                               "message_reactions",
                                                               "messages",
                                                               "messaging_handover",
                                                               "messaging_optins",
                                                               "messaging_postbacks",
                                                               "messaging_referral",
                                                               "messaging_seen",
                                                               "onboarding_welcome_message_series",
                                                               "share_to_story",
                                                               "standby",
                                                               "story_insights",
                                                               "story_poll_response"};

// The first field that the object does not have; empty where all are known.
std::string unknown_field(std::string_view object, const std::set<std::string>& fields) {
  for (const std::string& field : fields) {
    const bool known = object == kWhatsAppObject
                           ? std::find(kWhatsAppFields.begin(), kWhatsAppFields.end(), field) !=
                                 kWhatsAppFields.end()
                           : std::find(kInstagramFields.begin(), kInstagramFields.end(), field) !=
                                 kInstagramFields.end();
    if (!known) return field;
  }
  return {};
}

// What a media type may weigh, and which types there are at all.
std::size_t media_limit(std::string_view mime_type) {
  const std::string_view type = sdk::trim(mime_type.substr(0, mime_type.find(';')));
  if (type == "image/jpeg" || type == "image/png") return 5u << 20;
  if (type == "image/webp") return 500u << 10;
  if (type == "video/mp4" || type == "video/3gpp") return 16u << 20;
  if (type == "audio/aac" || type == "audio/mp4" || type == "audio/mpeg" || type == "audio/amr" ||
      type == "audio/ogg") {
    return 16u << 20;
  }
  constexpr std::array<std::string_view, 8> kDocuments = {
      "text/plain",
      "application/pdf",
      "application/msword",
      "application/vnd.ms-excel",
      "application/vnd.ms-powerpoint",
      "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
      "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
      "application/vnd.openxmlformats-officedocument.presentationml.presentation"};
  return std::find(kDocuments.begin(), kDocuments.end(), type) != kDocuments.end() ? 100u << 20 : 0;
}

}  // namespace

bool follows_override(std::string_view field) {
  constexpr std::array<std::string_view, 9> kFields = {"messages",
                                                       "message_echoes",
                                                       "calls",
                                                       "consumer_profile",
                                                       "messaging_handovers",
                                                       "smb_message_echoes",
                                                       "smb_app_state_sync",
                                                       "history",
                                                       "account_settings_update"};
  return field.rfind("group_", 0) == 0 ||
         std::find(kFields.begin(), kFields.end(), field) != kFields.end();
}

HttpReply MetaSimulator::error(int status, int code, std::string_view message, int subcode,
                               std::string_view details) {
  Members members{
      {"message", json_text(message)},
      {"type", json_text(code == 100 && subcode == 33 ? "GraphMethodException" : "OAuthException")},
      {"code", std::to_string(code)}};
  if (!details.empty()) {
    members.emplace_back("error_data", object({{"messaging_product", json_text("whatsapp")},
                                               {"details", json_text(details)}}));
  }
  if (subcode != 0) members.emplace_back("error_subcode", std::to_string(subcode));
  if (status >= 500) members.emplace_back("is_transient", "true");
  members.emplace_back(
      "fbtrace_id",
      json_text("A" + mint("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 22)));
  HttpReply reply = ok(object({{"error", object(members)}}));
  reply.status = status;
  if (status == 401) {
    reply.headers.emplace_back(
        "www-authenticate",
        "OAuth \"Facebook Platform\" \"invalid_token\" \"" + std::string(message) + "\"");
  }
  return reply;
}

// The platform names no Retry-After: a usage header tells the minutes until access is regained.
HttpReply MetaSimulator::refusal(const CallFault& fault, const HttpRequest& request) {
  const auto code = [&](int usual) {
    return fault.code != 0 ? static_cast<int>(fault.code) : usual;
  };
  const bool instagram = request.host == "graph.instagram.com";
  switch (fault.kind) {
    case CallFault::Kind::too_many_requests: {
      HttpReply reply =
          instagram
              ? error(429, code(613), "(#613) Calls to this api have exceeded the rate limit.")
              : error(429, code(130429), "(#130429) Rate limit hit", 0,
                      "Message failed to send because there were too many messages sent from this "
                      "phone number in a short period of time.");
      const std::int64_t minutes = (fault.retry_after + 59) / 60;
      reply.headers.emplace_back(
          "x-business-use-case-usage",
          object(
              {{account_of(request).empty() ? "0" : account_of(request),
                array({object({{"type", json_text(instagram ? "instagram" : "messaging")},
                               {"call_count", "100"},
                               {"total_cputime", "25"},
                               {"total_time", "25"},
                               {"estimated_time_to_regain_access", std::to_string(minutes)}})})}}));
      reply.headers.emplace_back("x-app-usage",
                                 "{\"call_count\":100,\"total_cputime\":25,\"total_time\":25}");
      return reply;
    }
    case CallFault::Kind::refuse:
      return error(fault.status, code(fault.status == 401 ? 190 : 10),
                   "(#" + std::to_string(code(10)) + ") " + fault.description);
    default:
      return error(
          500, code(instagram ? 2 : 131000),
          instagram ? "(#2) Service temporarily unavailable" : "(#131000) Something went wrong");
  }
}

std::string MetaSimulator::account_of(const HttpRequest& request) const {
  int version = 0;
  const auto path = split_path(request.path, version);
  if (path.empty()) return {};
  if (path.front() != "me") return path.front();
  const auto at = world_.tokens.find(bearer_of(request));
  return at == world_.tokens.end() || at->second.assets.empty() ? std::string()
                                                                : *at->second.assets.begin();
}

MetaSimulator::Answer MetaSimulator::answer(const HttpRequest& request, ApiCall& record) {
  if (request.host == "lookaside.fbsbx.com") return download(request);
  auto params = parse_params(request.query, request.content_type, request.body);
  if (!params) return error(400, 100, "(#100) Invalid parameter");
  Call call{request, record, std::move(*params), {}, {}, nullptr, {}, false};
  int version = 0;
  call.path = split_path(request.path, version);
  call.on_instagram = request.host == "graph.instagram.com";
  if (version != 0 && version < kOldestVersion) {
    return error(400, 2635,
                 "(#2635) You are calling a deprecated version of the Ads API. Please update to "
                 "the latest version: v26.0.");
  }
  if (version > kNewestVersion || call.path.empty()) {
    return error(400, 2500, "Unknown path components: " + request.path);
  }
  Answer answered = route(call);
  if (const auto* const reply = std::get_if<HttpReply>(&answered); reply && reply->status >= 400) {
    if (const auto document = Document::parse(reply->body)) {
      record.description = document->root()["error"]["message"].text_or("");
    }
  }
  return answered;
}

MetaToken* MetaSimulator::token_of(const std::string& token) {
  const auto at = world_.tokens.find(token);
  return at == world_.tokens.end() ? nullptr : &at->second;
}

// An unknown token becomes the one of the account its first call is about.
bool MetaSimulator::open_account(const Call& call) {
  if (!meta_.open_accounts || call.token.size() < 8) return false;
  const std::string& id = call.path.front();
  if (call.on_instagram) {
    std::string user_id = id;
    if (!all_digits(user_id)) {
      // The same token is the same account in every run.
      const std::string digest = sdk::sha256(call.token);
      user_id = "178414";
      for (std::size_t i = 0; i < 11; ++i) {
        user_id += static_cast<char>('0' + static_cast<unsigned char>(digest[i]) % 10);
      }
    }
    if (world_.instagram.count(user_id) != 0) return false;
    insert_instagram({.user_id = user_id, .token = call.token});
    return true;
  }
  if (!all_digits(id) || world_.numbers.count(id) != 0 || world_.accounts.count(id) != 0 ||
      world_.apps.count(id) != 0 || world_.media.count(id) != 0) {
    return false;
  }
  insert_number({.id = id, .token = call.token});
  return true;
}

// Null where the call may go on.
std::optional<HttpReply> MetaSimulator::authenticate(Call& call) {
  call.token = bearer_of(call.request);
  if (call.token.empty()) call.token = call.params.text("access_token");
  if (call.token.empty()) {
    return error(401, 0, "An access token is required to request this resource.");
  }
  const std::size_t bar = call.token.find('|');
  if (bar != std::string::npos) {
    const auto app = world_.apps.find(call.token.substr(0, bar));
    if (app == world_.apps.end() || app->second.secret != call.token.substr(bar + 1)) {
      return error(401, 190, "Invalid OAuth access token signature.");
    }
    call.app_id = app->first;
    return std::nullopt;
  }
  if (token_of(call.token) == nullptr && !open_account(call)) {
    return error(401, 190, "Invalid OAuth access token - Cannot parse access token");
  }
  const MetaToken* const token = token_of(call.token);
  if (token == nullptr) return error(401, 190, "Invalid OAuth access token");
  if (token->revoked) {
    return error(401, 190,
                 "Error validating access token: The session has been invalidated because the user "
                 "changed their password or Facebook has changed the session for security reasons.",
                 460);
  }
  if (token->instagram && clock_.now_ms() - token->issued_ms > kTokenLifeMs) {
    return error(401, 190, "Error validating access token: Session has expired", 463);
  }
  if (token->instagram != call.on_instagram) {
    return error(401, 190, "Invalid OAuth access token - Cannot parse access token");
  }
  call.rights = token;
  call.app_id = token->app_id;
  const MetaApp& app = world_.apps.at(token->app_id);
  const auto proof = call.params.find("appsecret_proof");
  if (!proof && app.requires_proof) {
    return error(400, 100, "API calls from the server require an appsecret_proof argument");
  }
  if (proof && *proof != sdk::hex(sdk::hmac_sha256(app.secret, call.token))) {
    return error(400, 100, "Invalid appsecret_proof provided in the API argument");
  }
  return std::nullopt;
}

bool MetaSimulator::may_touch(const Call& call, const std::string& asset) const {
  return call.rights != nullptr && call.rights->assets.count(asset) != 0;
}

MetaSimulator::Answer MetaSimulator::route(Call& call) {
  const std::string& first = call.path.front();
  if (first == "oauth" ||
      (call.on_instagram && (first == "access_token" || first == "refresh_access_token"))) {
    return oauth(call);
  }
  if (auto refused = authenticate(call)) return std::move(*refused);
  if (first == "debug_token") return debug_token(call);
  std::string id = first;
  if (id == "me") {
    if (call.rights == nullptr) {
      return error(400, 2500,
                   "An active access token must be used to query information about the current "
                   "user.");
    }
    for (const auto& [user_id, account] : world_.instagram) {
      if (may_touch(call, user_id)) id = user_id;
    }
  }
  call.record.account = id;
  const auto nothing_there = [&] {
    return error(400, 100,
                 "Unsupported " + sdk::lower_ascii(call.request.method) +
                     " request. Object with ID '" + id +
                     "' does not exist, cannot be loaded due to missing permissions, or does not "
                     "support this operation. Please read the Graph API documentation at "
                     "https://developers.facebook.com/docs/graph-api",
                 33);
  };
  if (const auto app = world_.apps.find(id); app != world_.apps.end() && !call.on_instagram) {
    if (call.rights != nullptr || call.app_id != id) {
      return error(400, 15, "(#15) This method must be called with an app access_token.");
    }
    return app_subscriptions(call, app->second);
  }
  if (const auto account = world_.accounts.find(id); account != world_.accounts.end()) {
    return may_touch(call, id) ? waba_edges(call, account->second) : Answer(nothing_there());
  }
  if (const auto number = world_.numbers.find(id); number != world_.numbers.end()) {
    return may_touch(call, id) ? number_edges(call, number->second) : Answer(nothing_there());
  }
  for (auto& [user_id, account] : world_.instagram) {
    const bool named = user_id == id || account.app_scoped_id == id || account.page_id == id;
    if (!named) continue;
    // Instagram Login lives on graph.instagram.com, a page's account on graph.facebook.com.
    if (!may_touch(call, user_id) || account.page_id.empty() != call.on_instagram) {
      return nothing_there();
    }
    return instagram_edges(call, account);
  }
  if (world_.media.count(id) != 0) return media_edges(call, id);
  if (all_digits(id) && call.path.size() == 1 && call.is("GET")) return profile(call, id);
  return nothing_there();
}

// GET /oauth/access_token of an app, and the two of Instagram Login.
MetaSimulator::Answer MetaSimulator::oauth(Call& call) {
  const Params& params = call.params;
  if (!call.on_instagram) {
    const auto app = world_.apps.find(std::string(params.text("client_id")));
    if (app == world_.apps.end() || app->second.secret != params.text("client_secret")) {
      return error(400, 1, "Error validating client secret.");
    }
    if (params.text("grant_type") != "client_credentials") {
      return error(400, 100, "(#100) Invalid parameter: grant_type");
    }
    return ok(object({{"access_token", json_text(app->first + "|" + app->second.secret)},
                      {"token_type", json_text("bearer")}}));
  }
  call.token = params.text("access_token");
  MetaToken* const token = token_of(call.token);
  if (token == nullptr || token->revoked || !token->instagram) {
    return error(401, 190, "Invalid OAuth access token - Cannot parse access token");
  }
  const std::int64_t age = clock_.now_ms() - token->issued_ms;
  if (call.path.front() == "access_token") {
    const auto& app = world_.apps.at(token->app_id);
    if (params.text("grant_type") != "ig_exchange_token" ||
        params.text("client_secret") != app.secret) {
      return error(400, 100, "Invalid client_secret or grant_type");
    }
  } else if (params.text("grant_type") != "ig_refresh_token") {
    return error(400, 100, "(#100) Invalid parameter: grant_type");
  } else if (age > kTokenLifeMs) {
    return error(401, 190, "Error validating access token: Session has expired", 463);
  } else if (age < kRefreshAgeMs) {
    return error(400, 100, "The access token must be at least 24 hours old to be refreshed");
  }
  MetaToken fresh = *token;
  fresh.issued_ms = clock_.now_ms();
  const std::string text =
      "IGAA" + mint("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 60);
  world_.tokens[text] = fresh;
  return ok(object({{"access_token", json_text(text)},
                    {"token_type", json_text("bearer")},
                    {"expires_in", "5183944"}}));
}

HttpReply MetaSimulator::debug_token(Call& call) {
  const std::string asked(call.params.text("input_token"));
  const MetaToken* const token = token_of(asked);
  if (token == nullptr || token->revoked) {
    return ok(
        object({{"data", object({{"is_valid", "false"},
                                 {"error", object({{"code", "190"},
                                                   {"message", json_text("Invalid OAuth "
                                                                         "access token.")}})}})}}));
  }
  std::vector<std::string> targets;
  for (const std::string& asset : token->assets) targets.push_back(json_text(asset));
  const std::string scope =
      token->instagram ? "instagram_business_manage_messages" : "whatsapp_business_messaging";
  return ok(object({{"data", object({{"app_id", json_text(token->app_id)},
                                     {"type", json_text("SYSTEM_USER")},
                                     {"is_valid", "true"},
                                     {"expires_at", "0"},
                                     {"scopes", array({json_text(scope)})},
                                     {"granular_scopes",
                                      array({object({{"scope", json_text(scope)},
                                                     {"target_ids", array(targets)}})})}})}}));
}

// The handshake happens while the registering call is open, and decides it.
MetaSimulator::Answer MetaSimulator::handshake(const std::string& url,
                                               const std::string& verify_token,
                                               std::function<HttpReply()> passed) {
  const std::string prefix = "(#2200) Callback verification failed with the following errors: ";
  if (const auto reason = refuse_public_url(url, meta_.urls)) {
    return error(400, 2200, prefix + "The URL couldn't be validated: " + *reason);
  }
  const std::string challenge = mint_digits(10);
  Waiting waiting;
  waiting.call.method = "GET";
  waiting.call.url = with_query(url, "hub.mode=subscribe&hub.challenge=" + challenge +
                                         "&hub.verify_token=" + sdk::url_encode(verify_token));
  waiting.call.headers = {{"User-Agent", "facebookplatform/1.0 (+http://developers.facebook.com)"},
                          {"Accept", "*/*"}};
  waiting.call.timeout = options_.answer_timeout;
  waiting.then = [this, prefix, challenge,
                  passed = std::move(passed)](const HttpOutcome& outcome) -> HttpReply {
    if (outcome.status == 0) return error(400, 2200, prefix + outcome.error);
    if (outcome.status != 200) {
      return error(400, 2200,
                   prefix + "HTTP Status Code = " + std::to_string(outcome.status) +
                       "; HTTP Message = " +
                       (outcome.status == 404   ? "Not Found"
                        : outcome.status == 403 ? "Forbidden"
                                                : "Error"));
    }
    if (outcome.body != challenge) {
      return error(400, 2200,
                   prefix + "Response does not match challenge, expected value=\"" + challenge +
                       "\", received=\"" + sdk::sanitize(outcome.body, 60) + "\"");
    }
    return passed();
  };
  return waiting;
}

MetaSimulator::Answer MetaSimulator::subscribe(const std::string& app_id,
                                               const std::string& object_name,
                                               const std::string& callback_url,
                                               const std::string& verify_token,
                                               std::set<std::string> fields) {
  if (object_name != kWhatsAppObject && object_name != kInstagramObject) {
    return error(400, 100,
                 "(#100) Param object must be one of {whatsapp_business_account, "
                 "instagram, page, user, permissions}");
  }
  if (callback_url.empty())
    return error(400, 100, "(#100) The parameter callback_url is required.");
  if (verify_token.empty())
    return error(400, 100, "(#100) The parameter verify_token is required.");
  if (const std::string field = unknown_field(object_name, fields); !field.empty()) {
    return error(400, 100, "(#100) Param fields has an unknown field: " + field);
  }
  return handshake(callback_url, verify_token,
                   [this, app_id, object_name, callback_url, verify_token, fields] {
                     MetaSubscription& made = world_.apps[app_id].subscriptions[object_name];
                     made.callback_url = callback_url;
                     made.verify_token = verify_token;
                     made.fields.insert(fields.begin(), fields.end());
                     changed_.notify_all();
                     return success();
                   });
}

MetaSimulator::Answer MetaSimulator::app_subscriptions(Call& call, MetaApp& app) {
  if (call.path.size() == 1 && call.is("GET")) {
    return fields_of(call, {{"id", json_text(app.id)}, {"name", json_text("Simulated app")}});
  }
  if (call.edge() != "subscriptions")
    return error(400, 2500, "Unknown path components: /" + call.edge());
  const std::string named(call.params.text("object"));
  if (call.is("POST")) {
    return subscribe(app.id, named, std::string(call.params.text("callback_url")),
                     std::string(call.params.text("verify_token")),
                     split_fields(call.params.text("fields")));
  }
  if (call.is("DELETE")) {
    const auto fields = split_fields(call.params.text("fields"));
    for (auto at = app.subscriptions.begin(); at != app.subscriptions.end();) {
      if (!named.empty() && at->first != named) {
        ++at;
        continue;
      }
      for (const std::string& field : fields) at->second.fields.erase(field);
      at = fields.empty() ? app.subscriptions.erase(at) : std::next(at);
    }
    changed_.notify_all();
    return success();
  }
  std::vector<std::string> list;
  for (const auto& [name, subscription] : app.subscriptions) {
    std::vector<std::string> fields;
    for (const std::string& field : subscription.fields) {
      fields.push_back(object({{"name", json_text(field)}, {"version", json_text("v26.0")}}));
    }
    list.push_back(object({{"object", json_text(name)},
                           {"callback_url", json_text(subscription.callback_url)},
                           {"active", "true"},
                           {"fields", array(fields)}}));
  }
  return ok(object({{"data", array(list)}}));
}

// The members that `fields` names, or all.
HttpReply MetaSimulator::fields_of(Call& call, const Members& all) {
  const auto wanted = split_fields(call.params.text("fields"));
  Members chosen;
  for (const auto& member : all) {
    if (wanted.empty() || wanted.count(member.first) != 0 || member.first == "id") {
      chosen.push_back(member);
    }
  }
  return ok(object(chosen));
}

// What messages alone need no more than whatsapp_business_messaging for.
std::optional<HttpReply> MetaSimulator::refuse_managing(const Call& call) {
  if (call.rights == nullptr || call.rights->manages) return std::nullopt;
  return error(403, 200,
               "(#200) Requires whatsapp_business_management permission to manage the object");
}

MetaSimulator::Answer MetaSimulator::waba_edges(Call& call, WhatsAppAccount& account) {
  if (auto refused = refuse_managing(call)) return std::move(*refused);
  if (call.path.size() == 1 && call.is("GET")) {
    return fields_of(call, {{"id", json_text(account.id)},
                            {"name", json_text(account.name)},
                            {"timezone_id", json_text("1")},
                            {"message_template_namespace", json_text(account.id + "_templates")}});
  }
  if (call.edge() == "phone_numbers" && call.is("GET")) {
    std::vector<std::string> list;
    for (const auto& [id, number] : world_.numbers) {
      if (number.waba_id != account.id) continue;
      list.push_back(object({{"verified_name", json_text(number.verified_name)},
                             {"display_phone_number", json_text(number.display_number)},
                             {"quality_rating", json_text("GREEN")},
                             {"id", json_text(id)}}));
    }
    return ok(object({{"data", array(list)}, {"paging", "{}"}}));
  }
  if (call.edge() != "subscribed_apps") {
    return error(400, 2500, "Unknown path components: /" + call.edge());
  }
  if (call.is("DELETE")) {
    account.subscribed_apps.erase(call.app_id);
    changed_.notify_all();
    return success();
  }
  if (call.is("POST")) {
    const std::string url(call.params.text("override_callback_uri"));
    const std::string verify_token(call.params.text("verify_token"));
    const auto set = [this, id = account.id, app_id = call.app_id, url] {
      world_.accounts[id].subscribed_apps[app_id] = url;
      changed_.notify_all();
      return success();
    };
    if (url.empty()) return set();
    if (verify_token.empty()) {
      return error(400, 100, "(#100) The parameter verify_token is required.");
    }
    return handshake(url, verify_token, set);
  }
  std::vector<std::string> list;
  for (const auto& [app_id, url] : account.subscribed_apps) {
    Members members{
        {"whatsapp_business_api_data",
         object({{"id", json_text(app_id)},
                 {"name", json_text("Simulated app")},
                 {"link", json_text("https://www.facebook.com/games/?app_id=" + app_id)}})}};
    if (!url.empty()) members.emplace_back("override_callback_uri", json_text(url));
    list.push_back(object(members));
  }
  return ok(object({{"data", array(list)}}));
}

// "webhook_configuration" of a number: its own callback URL, or "" to clear it.
MetaSimulator::Answer MetaSimulator::override_number(Call& call, WhatsAppNumber& number) {
  if (auto refused = refuse_managing(call)) return std::move(*refused);
  const auto wish = Document::parse(call.params.text("webhook_configuration"));
  const auto url = wish ? wish->root()["override_callback_uri"].text() : std::nullopt;
  if (!url) return error(400, 100, "(#100) Param webhook_configuration is invalid");
  const auto set = [this, id = number.id, target = std::string(*url)] {
    world_.numbers[id].override_url = target;
    changed_.notify_all();
    return success();
  };
  if (url->empty()) return set();
  const std::string_view verify_token = wish->root()["verify_token"].text_or("");
  if (verify_token.empty()) {
    return error(400, 100, "(#100) The parameter verify_token is required.");
  }
  return handshake(std::string(*url), std::string(verify_token), set);
}

MetaSimulator::Answer MetaSimulator::number_edges(Call& call, WhatsAppNumber& number) {
  const std::string edge = call.edge();
  if (edge.empty() && call.is("GET")) {
    Members configuration;
    const auto& account = world_.accounts.at(number.waba_id);
    if (!number.override_url.empty()) {
      configuration.emplace_back("phone_number", json_text(number.override_url));
    }
    if (const auto at = account.subscribed_apps.find(call.app_id);
        at != account.subscribed_apps.end() && !at->second.empty()) {
      configuration.emplace_back("whatsapp_business_account", json_text(at->second));
    }
    const auto& subscriptions = world_.apps.at(number.app_id).subscriptions;
    if (const auto at = subscriptions.find(std::string(kWhatsAppObject));
        at != subscriptions.end()) {
      configuration.emplace_back("application", json_text(at->second.callback_url));
    }
    return fields_of(call, {{"verified_name", json_text(number.verified_name)},
                            {"display_phone_number", json_text(number.display_number)},
                            {"quality_rating", json_text("GREEN")},
                            {"status", json_text(number.registered ? "CONNECTED" : "PENDING")},
                            {"code_verification_status", json_text("VERIFIED")},
                            {"platform_type", json_text("CLOUD_API")},
                            {"throughput", object({{"level", json_text("STANDARD")}})},
                            {"webhook_configuration", object(configuration)},
                            {"id", json_text(number.id)}});
  }
  if (!call.is("POST")) return error(400, 100, "(#100) Unsupported method");
  if (edge.empty()) return override_number(call, number);
  if (edge == "messages") return whatsapp_message(call, number);
  if (edge == "media") return upload_media(call, number);
  if (edge == "register" || edge == "deregister") {
    if (call.params.text("messaging_product") != "whatsapp") {
      return error(400, 100, "(#100) The parameter messaging_product is required.");
    }
    const std::string_view pin = call.params.text("pin");
    if (edge == "register" && (pin.size() != 6 || !all_digits(pin))) {
      return error(400, 100, "(#100) Param pin must be 6 digits");
    }
    number.registered = edge == "register";
    return success();
  }
  return error(400, 2500, "Unknown path components: /" + edge);
}

HttpReply MetaSimulator::upload_media(Call& call, WhatsAppNumber& number) {
  if (call.params.text("messaging_product") != "whatsapp") {
    return error(400, 100, "(#100) The parameter messaging_product is required.");
  }
  const Upload* const file = call.params.upload("file");
  if (file == nullptr) return error(400, 100, "(#100) The parameter file is required.");
  std::string type(call.params.text("type"));
  if (type.empty()) type = file->content_type;
  const std::size_t limit = media_limit(type);
  if (limit == 0) {
    return error(400, 100,
                 "(#100) Param file must be a file with one of the following types: audio/aac, "
                 "audio/mp4, image/jpeg, image/png, video/mp4, application/pdf, ... Received file "
                 "of type '" +
                     sdk::sanitize(type, 100) + "'.");
  }
  if (file->bytes.empty() || file->bytes.size() > limit) {
    return error(400, 131053, "(#131053) Media upload error", 0,
                 "The file is empty or larger than its type allows");
  }
  const std::string id = mint_digits(15);
  world_.media[id] = {number.id, type, file->bytes, {}, 0};
  return ok(object({{"id", json_text(id)}}));
}

HttpReply MetaSimulator::media_edges(Call& call, const std::string& id) {
  MetaMedia& media = world_.media.at(id);
  const auto& number = call.params.find("phone_number_id");
  if (!may_touch(call, media.owner) || (number && *number != media.owner)) {
    return error(400, 100, "Unsupported get request. Object with ID '" + id + "' does not exist",
                 33);
  }
  if (call.is("DELETE")) {
    world_.media.erase(id);
    return success();
  }
  media.path = "/whatsapp_business/attachments/?mid=" + id +
               "&ext=" + std::to_string(clock_.now_ms() / 1'000 + 300) + "&hash=" + mint_hex(16);
  media.url_until_ms = clock_.now_ms() + kMediaUrlMs;
  return ok(object({{"url", json_text("https://lookaside.fbsbx.com" + media.path)},
                    {"mime_type", json_text(media.mime_type)},
                    {"sha256", json_text(sdk::hex(sdk::sha256(media.bytes)))},
                    {"file_size", std::to_string(media.bytes.size())},
                    {"id", json_text(id)},
                    {"messaging_product", json_text("whatsapp")}}));
}

// WhatsApp's files are given to the token's owner for five minutes; Instagram's to anybody.
HttpReply MetaSimulator::download(const HttpRequest& request) {
  const std::string target =
      request.path + (request.query.empty() ? std::string() : "?" + request.query);
  HttpReply reply;
  if (const auto file = world_.files.find(target); file != world_.files.end()) {
    const std::size_t bar = file->second.find('|');
    reply.content_type = file->second.substr(0, bar);
    reply.body = file->second.substr(bar + 1);
    return reply;
  }
  const std::string token = bearer_of(request);
  for (const auto& [id, media] : world_.media) {
    if (media.path != target || media.path.empty()) continue;
    const MetaToken* const rights = token_of(token);
    if (rights == nullptr || rights->revoked || rights->assets.count(media.owner) == 0) {
      return error(401, 190, "Invalid OAuth access token - Cannot parse access token");
    }
    if (clock_.now_ms() > media.url_until_ms) break;
    reply.content_type = media.mime_type;
    reply.body = media.bytes;
    return reply;
  }
  reply.status = 404;
  reply.content_type = "text/html";
  reply.body = "<html><body>URL signature expired</body></html>";
  return reply;
}

MetaSimulator::Answer MetaSimulator::instagram_edges(Call& call, InstagramAccount& account) {
  const std::string edge = call.edge();
  if (edge.empty() && call.is("GET")) {
    if (!account.page_id.empty() && call.path.front() == account.page_id) {
      return fields_of(
          call, {{"id", json_text(account.page_id)},
                 {"name", json_text(account.username)},
                 {"instagram_business_account", object({{"id", json_text(account.user_id)}})}});
    }
    return fields_of(
        call,
        {{"user_id", json_text(account.user_id)},
         {"username", json_text(account.username)},
         {"name", json_text(account.username)},
         {"account_type", json_text("BUSINESS")},
         {"id", json_text(account.page_id.empty() ? account.app_scoped_id : account.user_id)}});
  }
  if (edge == "messages" && call.is("POST")) return instagram_message(call, account);
  if (edge != "subscribed_apps") {
    return error(400, 2500, "Unknown path components: /" + edge);
  }
  if (call.is("POST")) {
    const auto fields = split_fields(call.params.text("subscribed_fields"));
    if (fields.empty()) {
      return error(400, 100, "(#100) The parameter subscribed_fields is required.");
    }
    if (const std::string field = unknown_field(kInstagramObject, fields); !field.empty()) {
      return error(400, 100,
                   "(#100) Param subscribed_fields[0] must be one of {comments, messages, "
                   "message_reactions, ...} - got \"" +
                       sdk::sanitize(field, 100) + "\".");
    }
    account.subscribed_fields = fields;
    changed_.notify_all();
    return success();
  }
  if (call.is("DELETE")) {
    account.subscribed_fields.clear();
    changed_.notify_all();
    return success();
  }
  std::vector<std::string> list;
  if (!account.subscribed_fields.empty()) {
    std::vector<std::string> fields;
    for (const std::string& field : account.subscribed_fields) fields.push_back(json_text(field));
    list.push_back(object({{"subscribed_fields", array(fields)}}));
  }
  return ok(object({{"data", array(list)}}));
}

// A person is shown to an account only after having written to it.
HttpReply MetaSimulator::profile(Call& call, const std::string& igsid) {
  for (const auto& [user_id, account] : world_.instagram) {
    if (!may_touch(call, user_id)) continue;
    const auto person = account.people.find(igsid);
    if (person == account.people.end()) continue;
    if (account.last_inbound_ms.count(igsid) == 0) {
      return error(403, 230, "(#230) User consent is required to access user profile");
    }
    const Contact contact = contact_of(person->second);
    Members members;
    if (!contact.name.empty()) members.emplace_back("name", json_text(contact.name));
    members.emplace_back("username", json_text(contact.handle));
    members.emplace_back("profile_pic",
                         json_text("https://lookaside.fbsbx.com/profile/" + igsid + ".jpg"));
    members.emplace_back("follower_count", "97");
    members.emplace_back("is_user_follow_business", "false");
    members.emplace_back("is_business_follow_user", "false");
    members.emplace_back("is_verified_user", "false");
    members.emplace_back("id", json_text(igsid));
    return fields_of(call, members);
  }
  return error(400, 9010, "(#9010) No matching Instagram user");
}

}  // namespace gateway::simulate
