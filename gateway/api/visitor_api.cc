#include "gateway/api/visitor_api.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/api/attachments.h"
#include "gateway/api/channel_links.h"
#include "gateway/api/cursors.h"
#include "gateway/api/fields.h"
#include "gateway/api/host_name.h"
#include "gateway/api/upload_form.h"
#include "gateway/api/webchats_api.h"
#include "gateway/store/signals.h"
#include "gateway/store/webchats.h"
#include "gateway/store/widgets.h"
#include "gateway/visitors/visitor_view.h"

namespace gateway::api {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kLargestPage = 100;
constexpr std::size_t kMaxHashBytes = 128;
constexpr store::PageUploadLimits kUnsentUploads{256 << 20, 50 << 20};

Answer no_embed() { return refused(Errc::not_found, "There is no such widget or webchat"); }

Answer from(const visitors::Refusal& refusal) {
  if (refusal.field.empty()) return refused(refusal.code, refusal.detail);
  auto answer = invalid(refusal.code, {{refusal.field, refusal.detail}});
  if (answer.status == Status::unauthorized) {
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return answer;
}

Answer slow_down(std::int64_t wait_ms) {
  return too_many("Too many requests; try again later", wait_ms);
}

std::string_view origin_of(const Call& call) { return call.request().header("origin"); }

// The embed of the path, for the page that asks; or the answer that refuses it.
struct AtDoor {
  std::optional<visitors::Door> door;
  Answer refusal;
};
AtDoor enter(const ApiContext& context, store::Session& db, const Call& call) {
  if (const auto wait = context.visitor_throttle.call(call.address()))
    return {{}, slow_down(*wait)};
  const auto id = domain::EmbedId::parse(call.params["widget_id"]);
  if (!id) return {{}, no_embed()};
  auto door = context.visitors.admit(db, *id, origin_of(call));
  if (!door) return {{}, failed(door.error(), "api")};
  if (!*door) return {{}, from(door->refusal())};
  return {**std::move(door), {}};
}

// Who holds the request's token, where that is of the path's embed.
struct Recognized {
  std::optional<visitors::Guest> guest;
  Answer refusal;
};
Recognized recognize(const ApiContext& context, store::Session& db, const Call& call) {
  if (const auto wait = context.visitor_throttle.call(call.address()))
    return {{}, slow_down(*wait)};
  const auto id = domain::EmbedId::parse(call.params["widget_id"]);
  if (!id || *id != call.visitor->embed) {
    return {{}, refused(Errc::unauthorized, "The visitor token is of another widget")};
  }
  auto guest = context.visitors.recognize(db, *call.visitor, origin_of(call));
  if (!guest) return {{}, failed(guest.error(), "api")};
  if (!*guest) return {{}, from(guest->refusal())};
  return {**std::move(guest), {}};
}

// Counts what a visitor sends.
std::optional<Answer> too_fast(const ApiContext& context, const visitors::Guest& guest) {
  const auto wait = context.visitor_throttle.event(guest.visitor.id);
  return wait ? std::optional<Answer>(slow_down(*wait)) : std::nullopt;
}

// A body may be left out.
http::Request with_body(const http::Request& request) {
  http::Request copy = request;
  if (copy.body.empty()) copy.body = "{}";
  return copy;
}

// Embeds ---------------------------------------------------------------------------------------

struct Face {
  std::string_view kind;
  std::string name, heading, tagline, color;
  bool shows_badge = true;
  std::optional<std::string> logo;
  std::string_view member;  // "config" or "webchat"
  std::string value;        // its JSON
};

Result<std::optional<Face>> face_of(const ApiContext& context, store::Session& db,
                                    const store::Embed& embed) {
  using Found = std::optional<Face>;
  if (const auto id = embed.id.widget()) {
    auto widget = store::find_widget(db, *id);
    if (!widget) return std::move(widget).error();
    if (!*widget) return Found();
    auto& w = **widget;
    return Found(Face{"widget", w.name, w.welcome_heading, w.welcome_tagline, w.primary_color,
                      w.show_online_badge, w.logo_url, "config", w.config});
  }
  auto webchat = store::find_webchat(db, embed.business, embed.id);
  if (!webchat) return std::move(webchat).error();
  if (!*webchat) return Found();
  auto shown = public_webchat(context, **webchat);
  return Found(Face{"webchat", shown.name, shown.name, shown.starter_message, shown.primary_color,
                    true, shown.icon, "webchat", std::move(shown.json)});
}

Result<> write_links(sdk::json::Writer& out, const ApiContext& context, store::Session& db,
                     domain::BusinessId business) {
  auto channels = store::list_channel_faces(db, context.vault, business);
  if (!channels) return std::move(channels).error();
  out.key("channels").array();
  for (const auto& channel : *channels) {
    if (const auto link = public_link(channel)) {
      out.object().member("type", channel.type).member("url", *link).end();
    }
  }
  out.end();
  return {};
}

// Messages -------------------------------------------------------------------------------------

std::string read_content(Fields& fields) {
  const auto value = fields["content"];
  if (!value.exists() || value.is_null()) return {};
  const auto text = value.text();
  if (!text) {
    fields.wrong("content", "must be text");
    return {};
  }
  if (text->size() > visitors::kMaxContentBytes) {
    fields.wrong("content", "must have at most 16 KiB");
    return {};
  }
  auto content = sdk::sanitize(*text, visitors::kMaxContentBytes);
  const bool is_blank = content.find_first_not_of(" \t\n") == std::string::npos;
  return is_blank ? std::string() : content;
}

std::string read_client_id(Fields& fields) {
  const auto text = fields.maybe_text("client_id", {1, visitors::kMaxClientIdBytes, false});
  if (text && text->size() > visitors::kMaxClientIdBytes) {
    fields.wrong("client_id", "must have at most 128 bytes");
  }
  return text.value_or("");
}

std::vector<Uuid> read_files(const ApiContext& context, Fields& fields) {
  std::vector<Uuid> files;
  for (const auto& wanted : read_attachments(context, fields)) {
    if (wanted.file) {
      files.push_back(*wanted.file);
    } else {
      fields.wrong(wanted.field, "must be a file that was uploaded here");
    }
  }
  return files;
}

// `before` is a cursor of the Link header, or the id of a message.
struct Before {
  std::optional<store::MessagePosition> position;
  std::optional<Answer> refusal;
};
Before read_before(store::Session& db, const visitors::Guest& guest, const sdk::Form& form) {
  const auto text = sdk::find(form, "before");
  if (!text || text->empty()) return {};
  if (const auto cursor = parse_message_cursor(*text)) return {cursor, {}};
  const auto wrong = invalid(Errc::unprocessable,
                             {{"before", "must be a message's id or taken from a Link header"}});
  const auto id = domain::MessageId::parse(*text);
  if (!id || !guest.visitor.conversation) return {{}, wrong};
  auto message =
      store::find_message(db, guest.door.embed.business, *guest.visitor.conversation, *id);
  if (!message) return {{}, failed(message.error(), "api")};
  if (!*message) return {{}, wrong};
  return {(*message)->position, {}};
}

Result<std::string> history_json(const ApiContext& context, store::Session& db,
                                 domain::BusinessId business,
                                 const std::optional<visitors::History>& history) {
  sdk::json::Writer body;
  body.object().key("conversation");
  if (!history) {
    return body.null().key("messages").array().end().end().take();
  }
  const auto& conversation = history->conversation;
  body.object()
      .member("id", conversation.id.text())
      .member("status", domain::to_string(conversation.status))
      .member("unread", history->unread)
      .key("csat");
  if (conversation.csat) {
    visitors::write_csat(body, *conversation.csat);
  } else {
    body.null();
  }
  body.end().key("messages").array();
  auto views = visitors::MessageViews::of(context.media_urls, context.clock.now_ms(), db, business,
                                          history->messages);
  if (!views) return std::move(views).error();
  for (const auto& message : history->messages) body.raw(views->json(message));
  return body.end().end().take();
}

Answer too_much_unsent() {
  return too_many("There are too many uploads that no message carries; they go after a day",
                  kUnusedWaitMs);
}

// Stores the files of a page; absent: done.
std::optional<Answer> store_page_upload(const ApiContext& context, store::Session& db,
                                        domain::BusinessId business,
                                        const store::PageUploader& uploader,
                                        const UploadForm& upload) {
  // A file is in memory twice more on its way into the database.
  if (!context.media_bytes->take(2 * upload.bytes)) return busy();
  auto stored = store::insert_page_uploads(db, business, uploader, upload.rows(), kUnsentUploads);
  context.media_bytes->give(2 * upload.bytes);
  if (!stored) return failed(stored.error(), "api");
  if (!*stored) return too_much_unsent();
  return std::nullopt;
}

store::PageUploader uploader_of(const visitors::Guest& guest) {
  const auto& conversation = guest.visitor.conversation;
  return {guest.door.embed.id, guest.visitor.id,
          conversation ? conversation->get() : guest.visitor.id};
}

}  // namespace

Answer show_embed(const ApiContext& context, store::Session& db, const Call& call) {
  auto at = enter(context, db, call);
  if (!at.door) return std::move(at.refusal);
  const auto& embed = at.door->embed;
  auto face = face_of(context, db, embed);
  if (!face) return failed(face.error(), "api");
  if (!*face) return no_embed();
  auto online = store::is_online(db, embed.business);
  if (!online) return failed(online.error(), "api");
  sdk::json::Writer body;
  body.object()
      .member("kind", (*face)->kind)
      .member("id", embed.id.text())
      .member("business_id", embed.business.text())
      .member("name", (*face)->name)
      .member("online", *online)
      .member("welcome_heading", (*face)->heading)
      .member("welcome_tagline", (*face)->tagline)
      .member("primary_color", (*face)->color)
      .member("show_online_badge", (*face)->shows_badge)
      .member("logo_url", (*face)->logo)
      .key((*face)->member)
      .raw((*face)->value);
  if (auto written = write_links(body, context, db, embed.business); !written) {
    return failed(written.error(), "api");
  }
  auto answer = ok(body.end().take());
  answer.headers.emplace_back("Cache-Control", "no-cache");
  answer.headers.emplace_back("Vary", "Origin");
  return answer;
}

Answer open_visitor_session(const ApiContext& context, store::Session& db, const Call& call) {
  auto at = enter(context, db, call);
  if (!at.door) return std::move(at.refusal);
  Fields fields(with_body(call.request()));
  visitors::SessionRequest request;
  request.token =
      fields.maybe_text("token", {0, auth::VisitorTokens::kMaxTokenBytes, false}).value_or("");
  request.user_id =
      fields.maybe_text("user_id", {1, visitors::kMaxUserIdBytes, false}).value_or("");
  request.user_hash = fields.maybe_text("user_hash", {1, kMaxHashBytes, false}).value_or("");
  request.name = fields.maybe_text("name", {1, 200, false});
  if (const auto text = fields.maybe_text("email", {1, 320, false})) {
    const auto email = parse_email(*text);
    if (!email) fields.wrong("email", "must be an e-mail address");
    if (email) request.email = email->address;
  }
  if (fields.valid() && request.user_id.empty() != request.user_hash.empty()) {
    fields.wrong(request.user_id.empty() ? "user_id" : "user_hash",
                 "is required where the other is given");
  }
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  // Whoever comes back costs nothing; whoever is new may be one of many that a program makes up.
  if (!context.visitors.claims_of(*at.door, request.token)) {
    if (const auto wait = context.visitor_throttle.new_visitor(call.address())) {
      return slow_down(*wait);
    }
  }
  auto opened = context.visitors.open_session(db, *at.door, request);
  if (!opened) return failed(opened.error(), "api");
  if (!*opened) return from(opened->refusal());
  const auto& session = **opened;
  std::optional<std::string> conversation;
  if (session.conversation) conversation = session.conversation->text();
  sdk::json::Writer body;
  body.object()
      .member("visitor_id", session.visitor.text())
      .member("token", session.token)
      .member("expires_at", iso8601(session.expires_ms))
      .member("business_id", at.door->embed.business.text())
      .member("conversation_id", conversation)
      .end();
  auto answer = created(body.take());
  answer.headers.emplace_back("Cache-Control", "no-store");
  return answer;
}

Answer show_visitor_conversation(const ApiContext& context, store::Session& db, const Call& call) {
  auto caller = recognize(context, db, call);
  if (!caller.guest) return std::move(caller.refusal);
  const auto form = sdk::parse_form(call.request().query);
  int limit = kDefaultPage;
  if (const auto text = sdk::find(form, "limit"); text && !text->empty()) {
    limit = parse_number<int>(*text).value_or(0);
    if (limit < 1) {
      return invalid(Errc::unprocessable, {{"limit", "must be a number from 1 to 100"}});
    }
    limit = std::min(limit, kLargestPage);
  }
  auto before = read_before(db, *caller.guest, form);
  if (before.refusal) return *std::move(before.refusal);
  auto history = context.visitors.history(db, *caller.guest, limit, before.position);
  if (!history) return failed(history.error(), "api");
  auto body = history_json(context, db, caller.guest->door.embed.business, *history);
  if (!body) return failed(body.error(), "api");
  auto answer = ok(*std::move(body));
  if (*history && (*history)->earlier) {
    const sdk::Form next = {{"limit", std::to_string(limit)},
                            {"before", cursor_of(*(*history)->earlier)}};
    answer.headers.emplace_back("Link", "<" + context.settings.public_url + "/api/v1/widget/" +
                                            call.visitor->embed.text() + "/conversation?" +
                                            sdk::encode_form(next) + ">; rel=\"next\"");
  }
  return answer;
}

Answer write_as_visitor(const ApiContext& context, store::Session& db, const Call& call) {
  auto caller = recognize(context, db, call);
  if (!caller.guest) return std::move(caller.refusal);
  if (auto refusal = too_fast(context, *caller.guest)) return *std::move(refusal);
  Fields fields(call.request());
  visitors::NewMessage message;
  message.content = read_content(fields);
  message.client_id = read_client_id(fields);
  message.files = read_files(context, fields);
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  auto written = context.visitors.write(db, *caller.guest, message);
  if (!written) return failed(written.error(), "api");
  if (!*written) return from(written->refusal());
  auto body = context.visitors.message_json(db, caller.guest->door.embed.business, **written);
  if (!body) return failed(body.error(), "api");
  return created(*std::move(body));
}

Answer upload_as_visitor(const ApiContext& context, store::Session& db, const Call& call) {
  auto caller = recognize(context, db, call);
  if (!caller.guest) return std::move(caller.refusal);
  if (auto refusal = too_fast(context, *caller.guest)) return *std::move(refusal);
  const auto upload = read_upload(context, call.request());
  if (upload.refusal) return *upload.refusal;
  const auto business = caller.guest->door.embed.business;
  auto refusal = store_page_upload(context, db, business, uploader_of(*caller.guest), upload);
  if (refusal) return *std::move(refusal);
  return created(upload_json(context, business, upload));
}

Answer read_as_visitor(const ApiContext& context, store::Session& db, const Call& call) {
  auto caller = recognize(context, db, call);
  if (!caller.guest) return std::move(caller.refusal);
  Fields fields(with_body(call.request()));
  std::optional<domain::MessageId> up_to;
  if (const auto text = fields.maybe_text("message_id", {1, 64, false})) {
    up_to = domain::MessageId::parse(*text);
    if (!up_to) fields.wrong("message_id", "must be a UUID");
  }
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  auto read = context.visitors.read(db, *caller.guest, up_to);
  if (!read) return failed(read.error(), "api");
  return no_content();
}

Answer rate_as_visitor(const ApiContext& context, store::Session& db, const Call& call) {
  auto caller = recognize(context, db, call);
  if (!caller.guest) return std::move(caller.refusal);
  if (auto refusal = too_fast(context, *caller.guest)) return *std::move(refusal);
  Fields fields(call.request());
  const auto score = fields["score"].integer();
  if (fields.valid() && (!score || *score < 1 || *score > 5)) {
    fields.wrong("score", "must be a number from 1 to 5");
  }
  auto comment = fields.maybe_text("comment", {0, visitors::kMaxCommentCharacters, true});
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  if (comment && comment->empty()) comment.reset();
  auto rated =
      context.visitors.rate(db, *caller.guest, static_cast<int>(*score), std::move(comment));
  if (!rated) return failed(rated.error(), "api");
  if (!*rated) return from(rated->refusal());
  sdk::json::Writer body;
  visitors::write_csat(body, **rated);
  return created(body.take());
}

namespace {

std::string attachment_json(const UploadForm& upload) {
  const auto& file = upload.files.front();
  sdk::json::Writer body;
  body.object()
      .member("success", true)
      .key("attachment")
      .object()
      .member("storageKey", file.id.text())
      .member("filename", file.file_name)
      .member("contentType", file.content_type)
      .member("size", file.size)
      .end()
      .end();
  return body.take();
}

Answer upload_as_member(const ApiContext& context, store::Session& db, const auth::Claims& claims,
                        const UploadForm& upload) {
  auto identity = context.tokens.resolve(db, claims);
  if (!identity) return failed(identity.error(), "auth");
  if (!identity->business) return refused(Errc::not_found, "Business not found");
  if (!context.media_bytes->take(2 * upload.bytes)) return busy();
  auto stored =
      store::insert_uploads(db, *identity->business, std::nullopt, upload.rows(), kMostUnusedBytes);
  context.media_bytes->give(2 * upload.bytes);
  if (!stored) return failed(stored.error(), "api");
  if (*stored != store::UploadOutcome::stored) return too_much_unsent();
  return created(attachment_json(upload));
}

}  // namespace

Answer upload_attachment(const ApiContext& context, store::Session& db, const Call& call) {
  if (const auto wait = context.visitor_throttle.call(call.address())) return slow_down(*wait);
  const auto authorization = call.request().header("authorization");
  const auto upload = read_upload(context, call.request(), {1, "webchatConfigId"});
  std::optional<store::PageUploader> uploader;
  domain::BusinessId business;
  if (!authorization.empty()) {
    const auto claims = context.tokens.verify(authorization);
    if (claims) {
      return upload.refusal ? *upload.refusal : upload_as_member(context, db, *claims, upload);
    }
    const auto visitor =
        context.visitor_tokens.verify_header(authorization, context.clock.now_ms());
    if (!visitor) return failed(claims.error(), "auth");
    auto guest = context.visitors.recognize(db, *visitor, origin_of(call));
    if (!guest) return failed(guest.error(), "api");
    if (!*guest) return from(guest->refusal());
    if (auto refusal = too_fast(context, **guest)) return *std::move(refusal);
    uploader = uploader_of(**guest);
    business = (*guest)->door.embed.business;
  }
  if (upload.refusal) return *upload.refusal;
  if (!uploader) {
    if (upload.text.empty()) {
      return invalid(Errc::unprocessable,
                     {{"webchatConfigId", "is required where no token is given"}});
    }
    const auto id = domain::EmbedId::parse(upload.text);
    if (!id || !id->is_webchat()) return no_embed();
    auto door = context.visitors.admit(db, *id, origin_of(call));
    if (!door) return failed(door.error(), "api");
    if (!*door) return from(door->refusal());
    business = (*door)->embed.business;
    uploader = store::PageUploader{*id, std::nullopt, (*door)->channel.get()};
  }
  if (auto refusal = store_page_upload(context, db, business, *uploader, upload)) {
    return *std::move(refusal);
  }
  return created(attachment_json(upload));
}

Answer revoke_visitor(const ApiContext&, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (!identity.business) return refused(Errc::not_found, "Business not found");
  if (identity.role == store::Role::agent) {
    return refused(Errc::forbidden, "Only the owner and admins revoke visitors");
  }
  const auto nobody =
      refused(Errc::not_found, "There is no such conversation with a visitor of a page");
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!id) return nobody;
  auto target = store::signal_target(db, *identity.business, *id);
  if (!target) return failed(target.error(), "api");
  const auto visitor = *target ? Uuid::parse((*target)->thread) : std::nullopt;
  if (!visitor) return nobody;
  auto revoked = store::revoke_visitor(db, *identity.business, *visitor);
  if (!revoked) return failed(revoked.error(), "api");
  return *revoked ? no_content() : nobody;
}

Answer mint_identity_secret(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (!identity.business) return no_embed();
  if (identity.role != store::Role::owner) {
    return refused(Errc::forbidden, "You are not the owner of this business");
  }
  const auto id = domain::EmbedId::parse(call.params["widget_id"]);
  if (!id) return no_embed();
  auto secret = context.visitors.mint_secret(db, *identity.business, *id);
  if (!secret) return failed(secret.error(), "api");
  if (!*secret) return no_embed();
  sdk::json::Writer body;
  body.object().member("identity_secret", (*secret)->reveal()).end();
  return created(body.take());
}

}  // namespace gateway::api
