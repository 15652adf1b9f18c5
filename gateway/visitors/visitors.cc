#include "gateway/visitors/visitors.h"

#include <algorithm>
#include <array>
#include <map>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/auth/random.h"
#include "gateway/domain/media_type.h"
#include "gateway/inbound/normalize.h"
#include "gateway/store/ingest.h"
#include "gateway/store/media.h"
#include "gateway/visitors/origin.h"
#include "gateway/visitors/visitor_view.h"

namespace gateway::visitors {
namespace {

constexpr int kAttempts = 3;
constexpr std::size_t kSecretBytes = 32;

Refusal no_embed() { return {Errc::not_found, "There is no such widget or webchat", {}}; }
Refusal revoked() {
  return {Errc::unauthorized, "The visitor token has been revoked; begin a new session", {}};
}
Refusal wrong(Errc code, std::string field, std::string message) {
  return {code, std::move(message), std::move(field)};
}

Answered<Door> door_of(store::Embed embed, std::string_view origin) {
  if (!embed.is_enabled || !embed.channel) return no_embed();
  const bool is_open = embed.id.is_webchat() && embed.domains.empty();
  if (!origin.empty() && !is_open && !is_page_of(origin, embed.domains)) {
    return Refusal{Errc::forbidden,
                   "Pages of this origin may not embed it; add the origin to its domains",
                   {}};
  }
  const auto channel = *embed.channel;
  return Door{std::move(embed), channel};
}

// Version 4 (RFC 9562): 122 random bits.
Result<Uuid> random_id() {
  auto random = auth::random_bytes(16);
  if (!random) return std::move(random).error();
  Uuid id;
  std::copy(random->begin(), random->end(), id.bytes.begin());
  id.bytes[6] = static_cast<std::uint8_t>(0x40 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

// Another writer was in the way: a deadlock, or a conversation closed at that moment.
bool may_succeed_now(const Error& error) {
  return store::may_repeat(error) || error.cause.starts_with(store::kConversationClosed);
}

std::string attachments_json(const std::vector<store::Media>& files) {
  sdk::json::Writer out;
  out.array();
  for (const auto& file : files) {
    out.object()
        .member("id", file.id.text())
        .member("type", domain::attachment_type(file.content_type))
        .key("url")
        .null()
        .member("content_type", file.content_type)
        .member("size", file.size)
        .member("name", file.file_name)
        .member("state", "ready")
        .end();
  }
  return out.end().take();
}

store::InboundMessage inbound_of(const Guest& guest, const NewMessage& message, std::int64_t now_ms,
                                 Uuid7& ids) {
  store::InboundMessage row;
  row.id = domain::MessageId(ids.next());
  const std::string thread = guest.visitor.id.text();
  // Without a time, so that a repeat has the same key whenever it comes.
  row.key = inbound::event_key(
      "visitor\n" + thread + "\n" +
          (message.client_id.empty() ? "-" + row.id.text() : "c" + message.client_id),
      0);
  row.channel = guest.door.channel;
  row.conversation = domain::ConversationId(ids.next());
  row.contact = domain::ContactId(ids.next());
  row.sort_at_ms = now_ms;
  row.content = message.content;
  row.contact_remote = thread;
  row.contact_name = guest.visitor.name.value_or("");
  row.thread = thread;
  if (!message.client_id.empty()) {
    sdk::json::Writer metadata;
    metadata.object().member("client_id", message.client_id).end();
    row.metadata = metadata.take();
  }
  return row;
}

// In the order they were named; absent where one is missing or named twice.
std::optional<std::vector<store::Media>> in_order(std::vector<store::Media> found,
                                                  const std::vector<Uuid>& wanted) {
  std::map<Uuid, store::Media> by_id;
  for (auto& file : found) by_id.emplace(file.id, std::move(file));
  std::vector<store::Media> files;
  for (const auto& id : wanted) {
    const auto at = by_id.find(id);
    if (at == by_id.end()) return std::nullopt;
    files.push_back(std::move(at->second));
    by_id.erase(at);
  }
  return files;
}

}  // namespace

Result<Answered<Door>> Visitors::admit(store::Session& db, const domain::EmbedId& embed,
                                       std::string_view origin) const {
  auto found = store::find_embed(db, embed);
  if (!found) return std::move(found).error();
  if (!*found) return Answered<Door>(no_embed());
  return door_of(**std::move(found), origin);
}

Result<Answered<Door>> Visitors::admit_to_business(store::Session& db, domain::BusinessId business,
                                                   std::string_view origin) const {
  auto widgets = store::widgets_of(db, business);
  if (!widgets) return std::move(widgets).error();
  std::optional<Answered<Door>> first;
  for (auto& widget : *widgets) {
    auto door = door_of(std::move(widget), origin);
    if (door) return door;
    if (!first) first = std::move(door);
  }
  return first ? *std::move(first) : Answered<Door>(no_embed());
}

Result<Answered<Guest>> Visitors::recognize(store::Session& db, const auth::VisitorClaims& claims,
                                            std::string_view origin) const {
  auto found = store::find_embed(db, claims.business, claims.embed);
  if (!found) return std::move(found).error();
  if (!*found) return Answered<Guest>(no_embed());
  auto door = door_of(**std::move(found), origin);
  if (!door) return Answered<Guest>(door.refusal());
  auto visitor = store::find_visitor(db, claims.business, claims.embed, claims.visitor);
  if (!visitor) return std::move(visitor).error();
  if (!*visitor) {
    return Answered<Guest>(
        Guest{*std::move(door), store::Visitor{.id = claims.visitor, .embed = claims.embed}});
  }
  if ((*visitor)->is_revoked) return Answered<Guest>(revoked());
  return Answered<Guest>(Guest{*std::move(door), **std::move(visitor)});
}

std::optional<auth::VisitorClaims> Visitors::claims_of(const Door& door,
                                                       std::string_view token) const {
  if (token.empty()) return std::nullopt;
  auto claims = tokens_.verify(token, clock_.now_ms());
  if (!claims || claims->business != door.embed.business || claims->embed != door.embed.id) {
    return std::nullopt;
  }
  return *std::move(claims);
}

Result<std::optional<Refusal>> Visitors::check_identity(store::Session& db, const Door& door,
                                                        const SessionRequest& request) const {
  using Verdict = std::optional<Refusal>;
  auto sealed = store::find_embed_secret(db, door.embed.business, door.embed.id);
  if (!sealed) return std::move(sealed).error();
  if (!*sealed) {
    return Verdict(wrong(Errc::forbidden, "user_id",
                         "cannot be proven: the widget has no identity secret; its owner makes one "
                         "with POST /api/v1/widget/{id}/identity-secret"));
  }
  auto secret = vault_.open(db, door.embed.business, store::kEmbedSecret, (*sealed)->id,
                            (*sealed)->sealed.value);
  if (!secret) return std::move(secret).error();
  const auto expected = sdk::hex(sdk::hmac_sha256(secret->reveal(), request.user_id));
  if (!sdk::equal_secret(sdk::lower_ascii(request.user_hash), expected)) {
    return Verdict(wrong(Errc::unauthorized, "user_hash",
                         "must be the hex HMAC-SHA256 of user_id with the identity secret"));
  }
  return Verdict();
}

Result<Answered<OpenedSession>> Visitors::open_session(store::Session& db, const Door& door,
                                                       const SessionRequest& request) const {
  using Opened = Answered<OpenedSession>;
  if (!request.user_id.empty()) {
    auto refusal = check_identity(db, door, request);
    if (!refusal) return std::move(refusal).error();
    if (*refusal) return Opened(**std::move(refusal));
  }
  const auto business = door.embed.business;
  auto fresh = random_id();
  if (!fresh) return std::move(fresh).error();
  store::Visitor visitor{.id = *fresh, .embed = door.embed.id};
  if (const auto claims = claims_of(door, request.token)) {
    auto known = store::find_visitor(db, business, door.embed.id, claims->visitor);
    if (!known) return std::move(known).error();
    // Whose tokens were revoked begins anew.
    if (!*known) visitor.id = claims->visitor;
    if (*known && !(*known)->is_revoked) visitor = **std::move(known);
  }
  store::VisitorDetails details{request.name, request.email, std::nullopt};
  if (!request.user_id.empty()) details.external_id = request.user_id;
  const bool is_news = (details.name && details.name != visitor.name) ||
                       (details.email && details.email != visitor.email) ||
                       (details.external_id && details.external_id != visitor.external_id);
  if (is_news) {
    auto described =
        store::describe_visitor(db, business, door.embed.id, visitor.id, *fresh, details);
    if (!described) return std::move(described).error();
    if (!*described) return fail(Errc::internal, "a visitor's id is that of another embed's");
    visitor = **std::move(described);
  }
  const auto now_s = clock_.now_ms() / 1000;
  const auto expires_s = now_s + auth::VisitorTokens::kLifeSeconds;
  return Opened(OpenedSession{visitor.id,
                              tokens_.sign({business, door.embed.id, visitor.id, now_s, expires_s}),
                              expires_s * 1000, visitor.conversation});
}

Result<Answered<store::Message>> Visitors::write(store::Session& db, const Guest& guest,
                                                 const NewMessage& message) const {
  for (int attempt = 1;; ++attempt) {
    auto written = write_once(db, guest, message);
    if (written || attempt == kAttempts || !may_succeed_now(written.error())) return written;
  }
}

Result<Answered<store::Message>> Visitors::write_once(store::Session& db, const Guest& guest,
                                                      const NewMessage& message) const {
  using Written = Answered<store::Message>;
  const auto business = guest.door.embed.business;
  if (message.content.empty() && message.files.empty()) {
    return Written(
        wrong(Errc::unprocessable, "content", "is required where there are no attachments"));
  }
  if (message.files.size() > kMaxFiles) {
    return Written(wrong(Errc::unprocessable, "attachments", "must have at most 10 entries"));
  }
  auto transaction = db.begin(store::Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  // What the guest was recognized by may be long ago: a socket stays open for days.
  auto embed = store::find_embed(*transaction, business, guest.door.embed.id);
  if (!embed) return std::move(embed).error();
  if (!*embed || !(*embed)->is_enabled || (*embed)->channel != guest.door.channel) {
    return Written(no_embed());
  }
  auto visitor = store::take_visitor(*transaction, business, guest.door.embed.id, guest.visitor.id);
  if (!visitor) return std::move(visitor).error();
  if (!*visitor || (*visitor)->is_revoked) return Written(revoked());
  if (auto linked = store::link_contact(*transaction, business, guest.door.channel, **visitor);
      !linked) {
    return std::move(linked).error();
  }

  auto row = inbound_of(Guest{guest.door, **visitor}, message, clock_.now_ms(), ids_);
  if (!message.files.empty()) {
    auto found = store::take_page_media(
        *transaction, business, {guest.door.embed.id.text(), guest.visitor.id}, message.files);
    if (!found) return std::move(found).error();
    const auto files = in_order(*std::move(found), message.files);
    if (!files) {
      return Written(wrong(Errc::unprocessable, "attachments",
                           "must be files that you have uploaded, each one once"));
    }
    row.attachments = attachments_json(*files);
  }
  const store::InboundMessage* const rows[] = {&row};
  auto stored = store::ingest_resolve(*transaction, rows);
  if (!stored) return std::move(stored).error();
  if (stored->empty()) {
    auto before =
        store::find_written(*transaction, business, guest.door.channel, guest.visitor.id, row.key);
    if (!before) return std::move(before).error();
    if (!*before) return fail(Errc::internal, "a visitor's message is marked and not there");
    return Written(**std::move(before));
  }
  const auto& place = stored->front();
  auto wrote =
      store::visitor_wrote(*transaction, business, **visitor, place.contact, place.conversation);
  if (!wrote) return std::move(wrote).error();
  if (!message.files.empty()) {
    auto used = store::use_media(*transaction, business,
                                 {place.conversation, row.sort_at_ms * 1000, row.sort_seq, row.id},
                                 message.files);
    if (!used) return std::move(used).error();
  }
  auto read =
      store::find_message(*transaction, business, place.conversation,
                          store::MessagePosition{row.sort_at_ms * 1000, row.sort_seq, row.id});
  if (!read) return std::move(read).error();
  if (!*read) return fail(Errc::internal, "a visitor's new message cannot be read");
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return Written(**std::move(read));
}

Result<std::vector<domain::MessageId>> Visitors::read(
    store::Session& db, const Guest& guest, std::optional<domain::MessageId> up_to) const {
  return store::mark_read_by_visitor(db, guest.door.embed.business, guest.visitor.id, up_to);
}

Result<Answered<store::Csat>> Visitors::rate(store::Session& db, const Guest& guest, int score,
                                             std::optional<std::string> comment) const {
  using Rated = Answered<store::Csat>;
  if (!guest.visitor.conversation) {
    return Rated(Refusal{Errc::not_found, "There is no conversation to rate", {}});
  }
  if (score < 1 || score > 5) {
    return Rated(wrong(Errc::unprocessable, "score", "must be a number from 1 to 5"));
  }
  store::Csat csat{score, std::move(comment), clock_.now_ms()};
  auto rated =
      store::rate_conversation(db, guest.door.embed.business, *guest.visitor.conversation, csat);
  if (!rated) return std::move(rated).error();
  if (!*rated) {
    return Rated(Refusal{Errc::conflict,
                         "The conversation is still open; it is rated once it is resolved or "
                         "closed",
                         {}});
  }
  return Rated(std::move(csat));
}

Result<std::optional<History>> Visitors::history(
    store::Session& db, const Guest& guest, int limit,
    const std::optional<store::MessagePosition>& before) const {
  using Found = std::optional<History>;
  if (!guest.visitor.conversation) return Found();
  const auto business = guest.door.embed.business;
  auto thread = store::find_conversation(db, business, *guest.visitor.conversation, limit, before);
  if (!thread) return std::move(thread).error();
  if (!*thread) return Found();
  auto unread = store::visitor_unread(db, business, guest.visitor);
  if (!unread) return std::move(unread).error();
  History history{std::move((*thread)->conversation), *unread, {}, std::nullopt};
  auto& messages = (*thread)->messages;
  if (messages.size() == static_cast<std::size_t>(limit)) {
    history.earlier = messages.front().position;
  }
  for (auto& message : messages) {
    if (is_for_visitors(message)) history.messages.push_back(std::move(message));
  }
  return Found(std::move(history));
}

Result<bool> Visitors::owns(store::Session& db, const Guest& guest,
                            domain::ConversationId conversation) const {
  auto visitor =
      store::find_visitor(db, guest.door.embed.business, guest.door.embed.id, guest.visitor.id);
  if (!visitor) return std::move(visitor).error();
  return *visitor && !(*visitor)->is_revoked && (*visitor)->conversation == conversation;
}

Result<std::string> Visitors::message_json(store::Session& db, domain::BusinessId business,
                                           const store::Message& message) const {
  auto views = MessageViews::of(media_urls_, clock_.now_ms(), db, business, {&message, 1});
  if (!views) return std::move(views).error();
  return views->json(message);
}

Result<std::optional<Secret>> Visitors::mint_secret(store::Session& db, domain::BusinessId business,
                                                    const domain::EmbedId& embed) const {
  auto random = auth::random_bytes(kSecretBytes);
  if (!random) return std::move(random).error();
  Secret secret(sdk::hex(*random));
  const Uuid id = ids_.next();
  auto sealed = vault_.seal(db, business, store::kEmbedSecret, id, secret.reveal());
  if (!sealed) return std::move(sealed).error();
  auto put = store::put_embed_secret(db, business, embed, {id, *std::move(sealed)});
  if (!put) return std::move(put).error();
  if (!*put) return std::optional<Secret>();
  return std::optional<Secret>(std::move(secret));
}

}  // namespace gateway::visitors
