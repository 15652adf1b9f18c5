#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/sms_internal.h"
#include "gateway/simulate/sms_protocol.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

// Bird says "increasing intervals over 8 hours"; the intervals are of this simulator.
constexpr std::int64_t kRetryFirstMs = 60'000;
constexpr std::int64_t kRetryCapMs = 3'600'000;
constexpr std::int64_t kRetryForMs = 8 * 3'600'000;
constexpr std::size_t kSameFilters = 5;
constexpr std::string_view kMediaHost = "https://media.api.bird.com";

HttpReply json_reply(std::string body, int status) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

std::string access_key_of(const HttpRequest& request) {
  const std::string_view value = header(request.headers, "authorization");
  constexpr std::string_view kScheme = "AccessKey ";
  return std::string(value.rfind(kScheme, 0) == 0 ? value.substr(kScheme.size())
                                                  : std::string_view());
}

// Behind /workspaces/{id}, or /organizations/{id}/workspaces/{id}.
struct Place {
  std::string organization, workspace;
  std::vector<std::string> rest;
};

Place place_of(const std::vector<std::string>& path) {
  Place place;
  auto at = path.begin();
  if (path.end() - at > 1 && *at == "organizations") {
    place.organization = *(at + 1);
    at += 2;
  }
  if (path.end() - at > 1 && *at == "workspaces") {
    place.workspace = *(at + 1);
    at += 2;
  }
  place.rest.assign(at, path.end());
  return place;
}

std::vector<std::pair<std::string, std::string>> filters_of(Value list) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Value one : list.elements()) {
    out.emplace_back(one["key"].text_or(""), one["value"].text_or(""));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string file_member(const std::string& type, const std::string& url) {
  return object({{"mediaUrl", json_text(url)},
                 {"contentType", json_text(type)},
                 {"filename", json_text(url.substr(url.rfind('/') + 1))}});
}

}  // namespace

HttpReply SmsSimulator::bird_error(int status, std::string_view code,
                                   std::string_view message) const {
  return json_reply(object({{"code", json_text(code)}, {"message", json_text(message)}}), status);
}

SmsSimulator::Answer SmsSimulator::bird(const HttpRequest& request, ApiCall& record) {
  const std::string key = access_key_of(request);
  const auto opens = [&](const std::string& workspace) {
    const auto at = bird_->workspaces.find(workspace);
    return at != bird_->workspaces.end() && !key.empty() &&
           sdk::equal_secret(key, at->second.access_key);
  };
  const bool known = std::any_of(bird_->workspaces.begin(), bird_->workspaces.end(),
                                 [&](const auto& one) { return opens(one.first); });
  if (!known) {
    record.description = "the access key is unknown";
    return bird_error(401, "Unauthorized", record.description);
  }
  const auto missing = [&] {
    record.description = "the resource was not found";
    return bird_error(404, "ResourceNotFound", record.description);
  };
  if (const auto file = files_.find(request.path); file != files_.end()) {
    if (!opens(file->second.account)) return missing();
    return file_reply(request.path);
  }
  const Place place = place_of(path_parts(request.path));
  record.account = place.workspace;
  if (!opens(place.workspace)) return missing();
  const auto document = Document::parse(request.body.empty() ? "{}" : request.body);
  if (!document) return bird_error(400, "InvalidPayload", "the body is no JSON");
  const auto& rest = place.rest;
  HttpReply reply = missing();
  record.description.clear();
  if (place.organization == bird_->workspaces.at(place.workspace).organization && !rest.empty() &&
      rest.size() < 3 && rest[0] == "webhook-subscriptions") {
    reply = bird_subscriptions(request, document->root(), place.workspace,
                               rest.size() == 2 ? rest[1] : std::string());
  } else if (place.organization.empty() && rest.size() > 2 && rest[0] == "channels" &&
             rest[2] == "messages") {
    const auto channel = bird_->channels.find(rest[1]);
    if (channel != bird_->channels.end() && channel->second.workspace == place.workspace) {
      if (rest.size() == 3 && request.method == "POST") {
        reply = bird_send(document->root(), rest[1]);
      } else if (const auto at = bird_->messages.find(rest.back());
                 rest.size() == 4 && request.method == "GET" && at != bird_->messages.end()) {
        reply = json_reply(at->second, 200);
      }
    }
  }
  if (reply.status >= 400) {
    const auto body = Document::parse(reply.body);
    record.description = body->root()["message"].text_or("");
  }
  return reply;
}

// Why a subscription is not taken; `id` is of the one it changes.
std::optional<HttpReply> SmsSimulator::bird_refuses(Value wish, const std::string& workspace,
                                                    const std::string& id) const {
  const auto invalid = [this](std::string_view why) {
    return bird_error(422, "InvalidPayload", why);
  };
  const std::string_view event = wish["event"].text_or("");
  if (wish["service"].text_or("") != "channels") return invalid("service is unknown");
  if (event != "sms.inbound" && event != "sms.outbound") return invalid("event is unknown");
  if (const auto why = refuse_public_url(wish["url"].text_or(""), sms_.urls)) {
    return invalid("url is invalid: " + *why);
  }
  const auto filters = filters_of(wish["eventFilters"]);
  std::size_t same = 0;
  for (const auto& [other, subscription] : bird_->subscriptions) {
    same += other != id && subscription.workspace == workspace && subscription.event == event &&
            subscription.filters == filters;
  }
  if (same >= kSameFilters) return invalid("five subscriptions have these filters already");
  return std::nullopt;
}

HttpReply SmsSimulator::bird_subscriptions(const HttpRequest& request, Value wish,
                                           const std::string& workspace, const std::string& id) {
  // A subscription does not show its key.
  const auto shown = [&](const Bird::Subscription& one) {
    std::vector<std::string> filters;
    for (const auto& [key, value] : one.filters) {
      filters.push_back(object({{"key", json_text(key)}, {"value", json_text(value)}}));
    }
    return object({{"id", json_text(one.id)},
                   {"organizationId", json_text(bird_->workspaces.at(workspace).organization)},
                   {"workspaceId", json_text(workspace)},
                   {"service", json_text("channels")},
                   {"event", json_text(one.event)},
                   {"url", json_text(one.url)},
                   {"status", json_text("active")},
                   {"eventFilters", array(filters)},
                   {"createdAt", json_text(one.created_at)}});
  };
  const auto at = bird_->subscriptions.find(id);
  const bool known = at != bird_->subscriptions.end() && at->second.workspace == workspace;
  if (!id.empty() && !known) {
    return bird_error(404, "ResourceNotFound", "the resource was not found");
  }
  if (request.method == "GET") {
    if (known) return json_reply(shown(at->second), 200);
    std::vector<std::string> list;
    for (const auto& [name, one] : bird_->subscriptions) {
      if (one.workspace == workspace) list.push_back(shown(one));
    }
    return json_reply(object({{"results", array(list)}}), 200);
  }
  if (request.method == "DELETE" && known) {
    bird_->subscriptions.erase(at);
    changed_.notify_all();
    return json_reply({}, 204);
  }
  if (request.method != (known ? "PATCH" : "POST")) {
    return bird_error(405, "MethodNotAllowed", "the method is not allowed");
  }
  if (auto refused = bird_refuses(wish, workspace, id)) return *std::move(refused);
  const std::string name = known ? id : mint_uuid();
  Bird::Subscription& one = bird_->subscriptions[name];
  if (!known) one.created_at = iso_ms(clock_.now_ms());
  one.id = name;
  one.workspace = workspace;
  one.event = wish["event"].text_or("");
  one.url = wish["url"].text_or("");
  if (wish["signingKey"].exists()) one.signing_key = wish["signingKey"].text_or("");
  one.filters = filters_of(wish["eventFilters"]);
  changed_.notify_all();
  return json_reply(shown(one), known ? 200 : 201);
}

HttpReply SmsSimulator::bird_send(Value body, const std::string& channel) {
  const auto invalid = [this](std::string_view why) {
    return bird_error(422, "InvalidPayload", why);
  };
  const auto contacts = body["receiver"]["contacts"].elements();
  const Value content = body["body"];
  const std::string type(content["type"].text_or(""));
  if (contacts.size() != 1) return invalid("receiver.contacts must have one contact");
  const std::string to(contacts[0]["identifierValue"].text_or(""));
  if (!is_e164(to)) return invalid("receiver is invalid");
  if (type != "text" && type != "image" && type != "file") return invalid("body.type is invalid");
  const std::string_view text = content[type]["text"].text_or("");
  const auto files =
      type == "image" ? content["image"]["images"].elements() : content["file"]["files"].elements();
  if (type == "text" ? text.empty() : files.empty()) return invalid("body." + type + " is invalid");
  for (const Value file : files) {
    if (!is_web(file["mediaUrl"].text_or(""))) return invalid("mediaUrl is invalid");
  }
  const std::string& from = bird_->channels.at(channel).phone;
  const std::string id = mint_uuid();
  const std::string now = iso_ms(clock_.now_ms());
  const auto message = [&](std::string_view status, const Members& further) {
    Members members{
        {"id", json_text(id)},
        {"channelId", json_text(channel)},
        {"sender", object({{"connector", object({{"id", json_text(mint_uuid())},
                                                 {"identifierValue", json_text(from)}})}})},
        {"receiver",
         object({{"contacts", array({object({{"id", json_text(mint_uuid())},
                                             {"identifierKey", json_text("phonenumber")},
                                             {"identifierValue", json_text(to)}})})}})},
        {"body", content.dump()},
        {"parts", array({object({{"platformReference", json_text(mint_hex(8))}})})},
        {"status", json_text(status)},
        {"direction", json_text("outgoing")},
        {"createdAt", json_text(now)}};
    if (body["reference"].exists()) members.emplace_back("reference", body["reference"].dump());
    members.insert(members.end(), further.begin(), further.end());
    return object(members);
  };
  const std::string accepted = message("accepted", {});
  bird_->messages[id] = accepted;
  Sent sent;
  sent.platform = "bird";
  sent.account = from;
  sent.to = to;
  sent.id = id;
  sent.kind = type == "text" ? "text" : "media";
  sent.text = text;
  sent.body = body.dump();
  record_sent(std::move(sent));
  const auto failure = [](std::string_view code, std::string_view why) {
    return Members{
        {"failure",
         object({{"code", std::string(code)},
                 {"description", json_text(why)},
                 {"source", object({{"code", json_text("1")}, {"name", json_text("carrier")}})}})}};
  };
  if (opted_out_.count({from, to}) != 0) {
    bird_post(channel, id + ":rejected", "sms.outbound",
              message("rejected", {{"reason", json_text("the contact has unsubscribed")}}),
              scaled(kSmsStateEveryMs));
    return json_reply(accepted, 202);
  }
  const bool lost = unreachable_.count(to) != 0;
  bird_post(channel, id + ":sent", "sms.outbound", message("sent", {}), {});
  bird_post(channel, id + ":final", "sms.outbound",
            lost ? message("delivery_failed", failure("5", "unknown subscriber"))
                 : message("delivered", {}),
            scaled(kSmsStateEveryMs));
  answer_back(from, to);
  return json_reply(accepted, 202);
}

std::string SmsSimulator::bird_receive(const std::string& phone, const Incoming& incoming) {
  const std::string channel = bird_->channel_of(phone);
  const std::string& workspace = bird_->channels.at(channel).workspace;
  const std::string id = mint_uuid();
  std::vector<std::string> files;
  bool pictures = !incoming.media.empty();
  for (const std::string& type : incoming.media) {
    files.push_back(file_member(type, std::string(kMediaHost) + mint_file(workspace, type)));
    pictures = pictures && type.rfind("image/", 0) == 0;
  }
  const std::string kind = files.empty() ? "text" : pictures ? "image" : "file";
  Members content{{"text", json_text(incoming.text)}};
  if (!files.empty()) content.emplace_back(pictures ? "images" : "files", array(files));
  bird_post(
      channel, id, "sms.inbound",
      object({{"id", json_text(id)},
              {"channelId", json_text(channel)},
              {"sender",
               object({{"contact", object({{"id", json_text(mint_uuid())},
                                           {"identifierKey", json_text("phonenumber")},
                                           {"identifierValue", json_text(incoming.from)}})}})},
              {"receiver", object({{"connector", object({{"id", json_text(mint_uuid())}})}})},
              {"body", object({{"type", json_text(kind)}, {kind, object(content)}})},
              {"parts", array({object({{"platformReference", json_text(mint_hex(8))}})})},
              {"status", json_text("delivered")},
              {"direction", json_text("incoming")},
              {"createdAt", json_text(iso_ms(clock_.now_ms()))}}),
      {});
  return id;
}

// To every subscription whose filters the channel passes.
void SmsSimulator::bird_post(const std::string& channel, const std::string& id,
                             const std::string& event_name, const std::string& payload,
                             std::chrono::milliseconds delay) {
  const std::string& workspace = bird_->channels.at(channel).workspace;
  bool wanted = false;
  for (const auto& [name, subscription] : bird_->subscriptions) {
    if (subscription.workspace != workspace || subscription.event != event_name ||
        !subscription.takes(channel)) {
      continue;
    }
    wanted = true;
    WebhookEvent event;
    event.account = channel;
    event.id = id;
    event.kind = event_name;
    event.request = [this, url = subscription.url, key = subscription.signing_key,
                     body = object({{"service", json_text("channels")},
                                    {"event", json_text(event_name)},
                                    {"payload", payload}})](int, Defect defect) {
      HttpCall call;
      call.url = url;
      call.body = body;
      call.timeout = std::chrono::milliseconds(10'000);
      const std::string now_s = std::to_string(clock_.now_ms() / 1'000);
      call.headers = {{"Content-Type", "application/json"},
                      {"MessageBird-Request-Timestamp", now_s}};
      add_proof(call, "MessageBird-Signature", bird_signature(key, now_s, url, body),
                bird_signature("another key", now_s, url, body), defect);
      return call;
    };
    event.retry = retry_doubling(kRetryFirstMs, kRetryCapMs, kRetryForMs, is_2xx);
    sender_.post(std::move(event), delay);
  }
  if (!wanted) sender_.count_unwanted();
}

}  // namespace gateway::simulate
