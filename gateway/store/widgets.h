// Widgets of a business. Free functions on the caller's Session, on its thread.
#ifndef GATEWAY_STORE_WIDGETS_H_
#define GATEWAY_STORE_WIDGETS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/domain/ids.h"
#include "gateway/store/channels.h"
#include "gateway/store/pg.h"

namespace gateway::store {

struct Widget {
  domain::WidgetId id;
  domain::BusinessId business;
  std::string domain;  // lower-case punycode host
  std::string name;
  std::string welcome_heading;
  std::string welcome_tagline;
  std::string primary_color;
  bool show_online_badge = true;
  std::optional<std::string> logo_url;
  std::string config;  // JSON object
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
};

// Fields that are absent keep their value.
struct WidgetChange {
  std::optional<std::string> domain;
  std::optional<std::string> name;
  std::optional<std::string> welcome_heading;
  std::optional<std::string> welcome_tagline;
  std::optional<std::string> primary_color;
  std::optional<bool> show_online_badge;
  bool sets_logo_url = false;  // null removes it
  std::optional<std::string> logo_url;
  std::optional<std::string> config;
};

// Inserts the widget (its times are the database's), and `channel` as the business's widget channel
// where it has none yet; a plan limit never refuses that. Errc::conflict: the business has a widget
// for the domain.
Result<Widget> create_widget(Session& db, const Widget& widget, const NewChannel& channel);
// Absent: no such widget of this business. Errc::conflict as above.
Result<std::optional<Widget>> update_widget(Session& db, domain::BusinessId business,
                                            domain::WidgetId id, const WidgetChange& change);
// Public: whatever business it belongs to.
Result<std::optional<Widget>> find_widget(Session& db, domain::WidgetId id);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_WIDGETS_H_
