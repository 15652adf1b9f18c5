#include "gateway/store/webchats.h"

#include <utility>

#include "connectors/sdk/json.h"

namespace gateway::store {
namespace {

// The columns of read(), in its order.
#define WEBCHAT_COLUMNS                                                                     \
  "w.id, w.tenant_id, w.channel_id, w.created_by, to_json(w.allowed_domains)::text,"        \
  " w.icon, (select coalesce(f.file_name, '') from media f where f.tenant_id = w.tenant_id" \
  "  and f.id = w.icon), w.is_enabled, w.fields::text,"                                     \
  " floor(extract(epoch from w.created_at) * 1000)::bigint,"                                \
  " floor(extract(epoch from w.updated_at) * 1000)::bigint"

Result<Webchat> read(const Rows& rows, int row) {
  const auto id = domain::EmbedId::parse(rows.text(row, 0));
  if (!id) return fail(Errc::internal, "a webchat has an id that is none");
  Webchat webchat{.id = *id,
                  .business = rows.id<domain::BusinessId>(row, 1),
                  .channel = rows.id<domain::ChannelId>(row, 2),
                  .created_by = rows.id<domain::UserId>(row, 3),
                  .allowed_domains = {},
                  .icon = rows.maybe_uuid(row, 5),
                  .icon_name = std::string(rows.text(row, 6)),
                  .is_enabled = rows.boolean(row, 7),
                  .fields = std::string(rows.text(row, 8)),
                  .created_ms = rows.integer(row, 9),
                  .updated_ms = rows.integer(row, 10)};
  if (const auto domains = sdk::json::Document::parse(rows.text(row, 4))) {
    for (const auto domain : domains->root().elements()) {
      webchat.allowed_domains.emplace_back(domain.text_or(""));
    }
  }
  return webchat;
}

// False: there is no such file any more.
Result<bool> copy_icon(Transaction& transaction, domain::BusinessId business,
                       const IconChange& icon) {
  static constexpr const char* kCopy =
      "insert into media (tenant_id, id, state, content_type, file_name, size, sha256, body)"
      " select f.tenant_id, $3, 1, f.content_type, f.file_name, f.size, f.sha256, f.body"
      " from media f where f.tenant_id = $1 and f.id = $2 and f.state = 1";
  if (!icon.from) return true;
  auto copied = transaction.run({kCopy, {business, *icon.from, icon.to}});
  if (!copied) return std::move(copied).error();
  return copied->affected() == 1;
}

std::optional<Uuid> icon_of(const std::optional<IconChange>& icon) {
  return icon && icon->from ? std::optional<Uuid>(icon->to) : std::nullopt;
}

}  // namespace

Result<WebchatCreated> create_webchat(Session& db, const domain::Plans& plans,
                                      const NewWebchat& webchat,
                                      const std::optional<IconChange>& icon) {
  static constexpr const char* kInsert =
      "insert into webchat as w (tenant_id, id, channel_id, created_by, allowed_domains, icon,"
      " is_enabled, fields) values ($1, $2, $3, $4, $5, $6, $7, jsonb_strip_nulls($8::jsonb))"
      " returning " WEBCHAT_COLUMNS;
  const auto business = webchat.channel.business;
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  auto refusal = create_channel(*transaction, plans, webchat.channel);
  if (!refusal) return std::move(refusal).error();
  if (*refusal) return WebchatCreated{std::move(*refusal), std::nullopt};
  if (icon) {
    auto copied = copy_icon(*transaction, business, *icon);
    if (!copied) return std::move(copied).error();
    if (!*copied) return WebchatCreated{};
  }
  auto rows = transaction->run(
      {kInsert,
       {business, webchat.id.text(), webchat.channel.id, webchat.created_by,
        webchat.allowed_domains, icon_of(icon), webchat.is_enabled, Json{webchat.fields}}});
  if (!rows) return std::move(rows).error();
  auto made = read(*rows, 0);
  if (!made) return std::move(made).error();
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return WebchatCreated{std::nullopt, *std::move(made)};
}

Result<WebchatUpdated> update_webchat(Session& db, domain::BusinessId business,
                                      const domain::EmbedId& id, const WebchatChange& change,
                                      const std::optional<IconChange>& icon) {
  static constexpr const char* kLock =
      "select icon from webchat where tenant_id = $1 and id = $2 for update";
  static constexpr const char* kUpdate =
      "update webchat as w set allowed_domains = coalesce($3, w.allowed_domains),"
      " is_enabled = coalesce($4, w.is_enabled), fields = jsonb_strip_nulls(w.fields || $5::jsonb),"
      " icon = case when $6 then $7 else w.icon end, updated_at = now()"
      " where w.tenant_id = $1 and w.id = $2 returning " WEBCHAT_COLUMNS;
  static constexpr const char* kForget = "delete from media where tenant_id = $1 and id = $2";
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  auto locked = transaction->run({kLock, {business, id.text()}});
  if (!locked) return std::move(locked).error();
  if (locked->empty()) return WebchatUpdated{WebchatUpdate::gone, std::nullopt};
  const auto old_icon = locked->maybe_uuid(0, 0);
  if (icon) {
    auto copied = copy_icon(*transaction, business, *icon);
    if (!copied) return std::move(copied).error();
    if (!*copied) return WebchatUpdated{WebchatUpdate::icon_gone, std::nullopt};
  }
  auto rows = transaction->run({kUpdate,
                                {business, id.text(), change.allowed_domains, change.is_enabled,
                                 Json{change.fields}, icon.has_value(), icon_of(icon)}});
  if (!rows) return std::move(rows).error();
  auto updated = read(*rows, 0);
  if (!updated) return std::move(updated).error();
  if (icon && old_icon) {
    auto forgotten = transaction->run({kForget, {business, *old_icon}});
    if (!forgotten) return std::move(forgotten).error();
  }
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return WebchatUpdated{WebchatUpdate::done, *std::move(updated)};
}

Result<std::optional<Webchat>> find_webchat(Session& db, domain::BusinessId business,
                                            const domain::EmbedId& id) {
  static constexpr const char* kSelect =
      "select " WEBCHAT_COLUMNS " from webchat w where w.tenant_id = $1 and w.id = $2";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, id.text()}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Webchat>();
  auto webchat = read(*rows, 0);
  if (!webchat) return std::move(webchat).error();
  return std::optional<Webchat>(*std::move(webchat));
}

}  // namespace gateway::store
