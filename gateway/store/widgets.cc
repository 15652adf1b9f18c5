#include "gateway/store/widgets.h"

#include <array>

namespace gateway::store {
namespace {

// The columns of read(), in its order.
#define WIDGET_COLUMNS                                                            \
  "id, tenant_id, domain, name, welcome_heading, welcome_tagline, primary_color," \
  " show_online_badge, logo_url, config::text,"                                   \
  " floor(extract(epoch from created_at) * 1000)::bigint,"                        \
  " floor(extract(epoch from updated_at) * 1000)::bigint"

Widget read(const Rows& rows, int row) {
  Widget widget;
  widget.id = rows.id<domain::WidgetId>(row, 0);
  widget.business = rows.id<domain::BusinessId>(row, 1);
  widget.domain = rows.text(row, 2);
  widget.name = rows.text(row, 3);
  widget.welcome_heading = rows.text(row, 4);
  widget.welcome_tagline = rows.text(row, 5);
  widget.primary_color = rows.text(row, 6);
  widget.show_online_badge = rows.boolean(row, 7);
  widget.logo_url = rows.maybe_text(row, 8);
  widget.config = rows.text(row, 9);
  widget.created_ms = rows.integer(row, 10);
  widget.updated_ms = rows.integer(row, 11);
  return widget;
}

}  // namespace

Result<Widget> create_widget(Session& db, const Widget& widget, const NewChannel& channel) {
  static constexpr const char* kInsert =
      "insert into widget (tenant_id, id, domain, name, welcome_heading, welcome_tagline,"
      " primary_color, show_online_badge, logo_url, config)"
      " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning " WIDGET_COLUMNS;
  // The counter's row is what serializes everything that makes channels of one business.
  static constexpr const char* kCount =
      "update usage_counter set used = used + 1 where tenant_id = $1 and resource = 'channels'"
      " and not exists (select from channel c where c.tenant_id = $1 and c.type = 'widget')";
  static constexpr const char* kLock =
      "select used from usage_counter where tenant_id = $1 and resource = 'channels' for update";
  auto transaction = db.begin(Scope::of(widget.business));
  if (!transaction) return std::move(transaction).error();
  auto locked = transaction->run({kLock, {widget.business}});
  if (!locked) return std::move(locked).error();
  auto rows =
      transaction->run({kInsert,
                        {widget.business, widget.id, widget.domain, widget.name,
                         widget.welcome_heading, widget.welcome_tagline, widget.primary_color,
                         widget.show_online_badge, widget.logo_url, Json{widget.config}}});
  if (!rows) return std::move(rows).error();
  auto counted = transaction->run({kCount, {widget.business}});
  if (!counted) return std::move(counted).error();
  if (counted->affected() == 1) {
    if (auto inserted = insert_channel(*transaction, channel); !inserted) {
      return std::move(inserted).error();
    }
  }
  auto created = read(*rows, 0);
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return created;
}

Result<std::optional<Widget>> update_widget(Session& db, domain::BusinessId business,
                                            domain::WidgetId id, const WidgetChange& change) {
  static constexpr const char* kUpdate =
      "update widget set domain = coalesce($3, domain), name = coalesce($4, name),"
      " welcome_heading = coalesce($5, welcome_heading),"
      " welcome_tagline = coalesce($6, welcome_tagline),"
      " primary_color = coalesce($7, primary_color),"
      " show_online_badge = coalesce($8, show_online_badge),"
      " logo_url = case when $9 then $10 else logo_url end, config = coalesce($11, config),"
      " updated_at = now()"
      " where tenant_id = $1 and id = $2 returning " WIDGET_COLUMNS;
  std::optional<Json> config;
  if (change.config) config = Json{*change.config};
  auto rows = db.run(Scope::of(business),
                     Query{kUpdate,
                           {business, id, change.domain, change.name, change.welcome_heading,
                            change.welcome_tagline, change.primary_color, change.show_online_badge,
                            change.sets_logo_url, change.logo_url, config}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Widget>();
  return std::optional<Widget>(read(*rows, 0));
}

Result<std::optional<Widget>> find_widget(Session& db, domain::WidgetId id) {
  static constexpr const char* kResolve = "select resolve_widget($1)";
  static constexpr const char* kSelect =
      "select " WIDGET_COLUMNS " from widget where tenant_id = $1 and id = $2";
  auto owner = db.run(Scope::none(), Query{kResolve, {id}});
  if (!owner) return std::move(owner).error();
  if (owner->empty() || owner->is_null(0, 0)) return std::optional<Widget>();
  const auto business = owner->id<domain::BusinessId>(0, 0);
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, id}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Widget>();
  return std::optional<Widget>(read(*rows, 0));
}

}  // namespace gateway::store
