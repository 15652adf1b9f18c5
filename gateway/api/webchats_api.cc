#include "gateway/api/webchats_api.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "gateway/api/channels_api.h"
#include "gateway/api/fields.h"
#include "gateway/api/host_name.h"
#include "gateway/auth/random.h"
#include "gateway/domain/media_type.h"
#include "gateway/store/media.h"

namespace gateway::api {
namespace {

enum class Kind { line, text, color };
struct TextField {
  std::string_view name;
  Kind kind = Kind::line;
  std::size_t max = 200;  // characters
  bool is_required = false;
  bool is_public = false;
};
// In the order they are shown. What the gateway does not act on is kept as it is sent.
constexpr std::array<TextField, 17> kTexts = {{
    {"name", Kind::line, 200, true, true},
    {"description", Kind::text, 2000, false, true},
    {"starterMessage", Kind::text, 2000, false, true},
    {"backgroundColor", Kind::color, 7, true, true},
    {"primaryColor", Kind::color, 7, true, true},
    {"secondaryColor", Kind::color, 7, true, true},
    {"headerTextColor", Kind::color, 7, false, true},
    {"statusText", Kind::line, 200, false, true},
    {"statusTextColor", Kind::color, 7, false, true},
    {"timestampColor", Kind::color, 7, false, true},
    {"csatBackgroundColor", Kind::color, 7, false, true},
    {"csatTextColor", Kind::color, 7, false, true},
    {"csatThankYouMessage", Kind::text, 1000, false, true},
    {"promptId", Kind::line, 200, true, false},
    {"pipelineId", Kind::line, 200, false, false},
    {"pipelineStage", Kind::line, 200, false, false},
    {"initialStage", Kind::line, 200, true, false},
}};
// The second is what visitors are told of an agent (store::shown_sender_names).
constexpr std::array<std::string_view, 2> kBooleans = {"isAutopilot", "showSenderNameInWebchat"};
constexpr std::size_t kMaxDomains = 100;
constexpr std::size_t kMaxIconBytes = 1u << 20;
// Answered and not to be set, as documented.
constexpr std::string_view kPosition = "bottom-right";
constexpr int kOffset = 24;
constexpr int kZIndex = 9999;

Answer no_business() { return refused(Errc::not_found, "Business not found"); }
Answer no_webchat() { return refused(Errc::not_found, "Webchat not found"); }
Answer icon_gone() {
  return invalid(Errc::invalid_argument, {{"icon", "is no file of this business any more"}});
}

bool is_color(std::string_view text) {
  return (text.size() == 4 || text.size() == 7) && text.front() == '#' &&
         text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string_view::npos;
}

// "2026-03-12T10:00:00.000Z"
std::string iso8601_ms(std::int64_t ms) {
  auto text = iso8601(ms);
  auto digits = std::to_string(((ms % 1000) + 1000) % 1000);
  digits.insert(0, 3 - digits.size(), '0');
  text.insert(text.size() - 1, "." + digits);
  return text;
}

// Four bytes of time and eight nobody can guess, in hex: ids in the order they were made.
Result<domain::EmbedId> new_webchat_id(std::int64_t now_ms) {
  auto random = auth::random_bytes(8);
  if (!random) return std::move(random).error();
  std::string bytes;
  const auto seconds = static_cast<std::uint32_t>(now_ms / 1000);
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(seconds >> shift);
  auto id = domain::EmbedId::parse(sdk::hex(bytes + *random));
  if (!id) return fail(Errc::internal, "a new id of a webchat is none");
  return *std::move(id);
}

// Reading --------------------------------------------------------------------------------------

// What a request says; what is absent stays absent.
struct Request {
  store::WebchatChange change;
  bool says_icon = false;
  std::string icon;  // a file's id or address; empty: none
};

// The member as it is to be kept; absent where it is missing or wrong.
std::optional<std::string> read_text(Fields& fields, const TextField& field) {
  if (field.kind == Kind::color) {
    auto text = fields.maybe_text(field.name, {field.is_required ? 1u : 0u, field.max, false});
    if (text && !text->empty() && !is_color(*text)) {
      fields.wrong(field.name, "must be a color such as #1F2937");
      return std::nullopt;
    }
    return text;
  }
  return fields.maybe_text(field.name,
                           {field.is_required ? 1u : 0u, field.max, field.kind == Kind::text});
}

std::optional<std::vector<std::string>> read_domains(Fields& fields) {
  const auto list = fields["allowedDomains"];
  if (!list.exists()) return std::nullopt;
  if (!list.is_array()) {
    fields.wrong("allowedDomains", "must be a list of hosts or origins");
    return std::nullopt;
  }
  if (list.size() > kMaxDomains) {
    fields.wrong("allowedDomains", "must have at most 100 entries");
    return std::nullopt;
  }
  std::vector<std::string> domains;
  for (const auto value : list.elements()) {
    auto entry = page_entry(value.text_or(""));
    if (!entry) {
      fields.wrong("allowedDomains." + std::to_string(domains.size()),
                   "must be a host or an origin such as https://example.com");
      return std::nullopt;
    }
    domains.push_back(*std::move(entry));
  }
  return domains;
}

Request read_request(Fields& fields, bool is_new) {
  Request request;
  sdk::json::Writer kept;
  kept.object();
  for (const auto& field : kTexts) {
    if (!fields.has(field.name) || fields[field.name].is_null()) {
      const bool is_missing = is_new || fields.has(field.name);
      if (field.is_required && is_missing) fields.wrong(field.name, "is required");
      // What may be left out may be emptied too.
      if (!field.is_required && fields.has(field.name)) kept.key(field.name).null();
      continue;
    }
    if (const auto text = read_text(fields, field)) kept.member(field.name, *text);
  }
  for (const auto name : kBooleans) {
    if (const auto value = fields.maybe_boolean(name)) kept.member(name, *value);
  }
  request.change.fields = kept.end().take();
  request.change.is_enabled = fields.maybe_boolean("isEnabled");
  request.change.allowed_domains = read_domains(fields);
  if (is_new && fields.valid() && !fields.has("allowedDomains")) {
    fields.wrong("allowedDomains", "is required; an empty list admits every page");
  }
  request.says_icon = fields.has("icon");
  if (request.says_icon && !fields["icon"].is_null()) {
    request.icon = fields.maybe_text("icon", {0, 2048, false}).value_or("");
  }
  return request;
}

// The change to the icon, or what is wrong with it.
struct IconPlan {
  std::optional<store::IconChange> change;
  std::optional<Answer> refusal;
};
IconPlan plan_icon(const ApiContext& context, store::Session& db, domain::BusinessId business,
                   const Request& request, const std::optional<Uuid>& present) {
  if (!request.says_icon) return {};
  if (request.icon.empty()) {
    return {present ? std::optional<store::IconChange>(store::IconChange{}) : std::nullopt, {}};
  }
  const auto wrong = [](std::string why) {
    return IconPlan{{}, invalid(Errc::invalid_argument, {{"icon", std::move(why)}})};
  };
  const auto file = context.media_urls.is_ours(request.icon)
                        ? context.media_urls.file_of(request.icon)
                        : Uuid::parse(request.icon);
  if (!file) {
    return wrong("must be the storageKey of an uploaded file, or its address; null removes it");
  }
  if (file == present) return {};
  auto found = store::find_media(db, business, *file, domain::kSniffedBytes);
  if (!found) return {{}, failed(found.error(), "api")};
  if (!*found || (*found)->state != store::MediaState::ready) {
    return wrong("is no file of this business");
  }
  const auto type = domain::media_type((*found)->head, (*found)->content_type);
  if (domain::attachment_type(type) != "image" || !domain::is_shown_inline(type)) {
    return wrong("must be a raster image, such as PNG or JPEG");
  }
  if ((*found)->size.value_or(0) > static_cast<std::int64_t>(kMaxIconBytes)) {
    return wrong("must have at most 1 MiB");
  }
  return {store::IconChange{*file, context.ids.next()}, {}};
}

// Showing --------------------------------------------------------------------------------------

std::optional<std::string> icon_url(const ApiContext& context, const store::Webchat& webchat) {
  if (!webchat.icon) return std::nullopt;
  return context.media_urls.make(webchat.business, *webchat.icon, webchat.icon_name,
                                 context.clock.now_ms());
}

void write_webchat(sdk::json::Writer& out, const ApiContext& context,
                   const store::Webchat& webchat) {
  const auto fields = sdk::json::Document::parse(webchat.fields, sdk::json::kApiLimits);
  const auto kept = fields ? fields->root() : sdk::json::Value();
  out.object()
      .member("_id", webchat.id.text())
      .member("organizationId", webchat.business.text())
      .member("userId", webchat.created_by.text())
      .member("createdBy", webchat.created_by.text());
  for (const auto& field : kTexts) out.member(field.name, kept[field.name].text());
  out.member("icon", icon_url(context, webchat)).key("allowedDomains").array();
  for (const auto& domain : webchat.allowed_domains) out.value(domain);
  out.end();
  for (const auto name : kBooleans) out.member(name, kept[name].boolean().value_or(false));
  out.member("isEnabled", webchat.is_enabled)
      .member("position", kPosition)
      .member("offsetX", kOffset)
      .member("offsetY", kOffset)
      .member("zIndex", kZIndex)
      .member("createdAt", iso8601_ms(webchat.created_ms))
      .member("updatedAt", iso8601_ms(webchat.updated_ms))
      .end();
}

std::string webchat_json(const ApiContext& context, const store::Webchat& webchat,
                         std::string_view message) {
  sdk::json::Writer body;
  body.object();
  if (!message.empty()) body.member("message", message);
  body.key("data");
  write_webchat(body, context, webchat);
  return body.end().take();
}

std::optional<Answer> refuse_stranger(const auth::Identity& identity) {
  if (!identity.business) return no_business();
  if (identity.role != store::Role::owner) {
    return refused(Errc::forbidden, "Only the owner of the business manages webchats");
  }
  return std::nullopt;
}

std::optional<domain::EmbedId> webchat_id(const Call& call) {
  auto id = domain::EmbedId::parse(call.params["webchat_id"]);
  return id && id->is_webchat() ? id : std::nullopt;
}

}  // namespace

Answer create_webchat(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (auto stranger = refuse_stranger(identity)) return *std::move(stranger);
  const auto business = *identity.business;
  Fields fields(call.request());
  auto request = fields.valid() ? read_request(fields, true) : Request{};
  if (!fields.valid()) return invalid(Errc::invalid_argument, fields.take_errors());
  // Known before anything is made, as for every channel; what counts is checked with the insert.
  auto locked = store::check_channel_type(db, context.plans, business, "webchat");
  if (!locked) return failed(locked.error(), "api");
  if (*locked) return over_plan(**locked);
  auto icon = plan_icon(context, db, business, request, std::nullopt);
  if (icon.refusal) return *std::move(icon.refusal);
  auto channel = seal_channel(context, db, business, "webchat", "{}");
  if (!channel) return failed(channel.error(), "api");
  channel->registration = domain::RegistrationState::active;
  auto id = new_webchat_id(context.clock.now_ms());
  if (!id) return failed(id.error(), "api");
  auto made = store::create_webchat(db, context.plans,
                                    {.id = *std::move(id),
                                     .channel = *std::move(channel),
                                     .created_by = identity.user.id,
                                     .allowed_domains = *std::move(request.change.allowed_domains),
                                     .is_enabled = request.change.is_enabled.value_or(true),
                                     .fields = std::move(request.change.fields)},
                                    icon.change);
  if (!made) return failed(made.error(), "api");
  if (made->refusal) return over_plan(*made->refusal);
  if (!made->webchat) return icon_gone();
  context.receiver.channel_changed(made->webchat->channel);
  return created(webchat_json(context, *made->webchat, "Webchat configuration created"));
}

Answer show_webchat(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (!identity.business) return no_business();
  const auto id = webchat_id(call);
  if (!id) return no_webchat();
  auto webchat = store::find_webchat(db, *identity.business, *id);
  if (!webchat) return failed(webchat.error(), "api");
  if (!*webchat) return no_webchat();
  return ok(webchat_json(context, **webchat, {}));
}

Answer update_webchat(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (auto stranger = refuse_stranger(identity)) return *std::move(stranger);
  const auto business = *identity.business;
  const auto id = webchat_id(call);
  if (!id) return no_webchat();
  auto present = store::find_webchat(db, business, *id);
  if (!present) return failed(present.error(), "api");
  if (!*present) return no_webchat();
  Fields fields(call.request());
  auto request = fields.valid() ? read_request(fields, false) : Request{};
  if (!fields.valid()) return invalid(Errc::invalid_argument, fields.take_errors());
  auto icon = plan_icon(context, db, business, request, (*present)->icon);
  if (icon.refusal) return *std::move(icon.refusal);
  auto updated = store::update_webchat(db, business, *id, request.change, icon.change);
  if (!updated) return failed(updated.error(), "api");
  switch (updated->outcome) {
    case store::WebchatUpdate::gone:
      return no_webchat();
    case store::WebchatUpdate::icon_gone:
      return icon_gone();
    case store::WebchatUpdate::done:
      break;
  }
  return ok(webchat_json(context, *updated->webchat, "Webchat configuration updated"));
}

PublicWebchat public_webchat(const ApiContext& context, const store::Webchat& webchat) {
  const auto fields = sdk::json::Document::parse(webchat.fields, sdk::json::kApiLimits);
  const auto kept = fields ? fields->root() : sdk::json::Value();
  PublicWebchat shown;
  shown.name = kept["name"].text_or("");
  shown.starter_message = kept["starterMessage"].text_or("");
  shown.primary_color = kept["primaryColor"].text_or("");
  shown.icon = icon_url(context, webchat);
  sdk::json::Writer out;
  out.object();
  for (const auto& field : kTexts) {
    if (field.is_public) out.member(field.name, kept[field.name].text());
  }
  shown.json = out.member("icon", shown.icon)
                   .member("position", kPosition)
                   .member("offsetX", kOffset)
                   .member("offsetY", kOffset)
                   .member("zIndex", kZIndex)
                   .end()
                   .take();
  return shown;
}

}  // namespace gateway::api
