#include "gateway/api/widget_api.h"

#include <algorithm>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "gateway/api/channels_api.h"
#include "gateway/api/fields.h"
#include "gateway/api/host_name.h"
#include "gateway/store/widgets.h"

namespace gateway::api {
namespace {

constexpr std::string_view kDefaultName = "PingBack Support";
constexpr std::string_view kDefaultHeading = "Hi there!";
constexpr std::string_view kDefaultTagline =
    "We make it simple to connect with us. Ask us anything, or share your feedback.";
constexpr std::string_view kDefaultColor = "#7650FF";

bool is_color(std::string_view text) {
  return (text.size() == 4 || text.size() == 7) && text.front() == '#' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

// The members of create and update; what is absent stays absent.
store::WidgetChange read_change(Fields& fields) {
  store::WidgetChange change;
  if (const auto text = fields.maybe_text("domain", {1, 2048, false})) {
    change.domain = widget_domain(*text);
    if (!change.domain) fields.wrong("domain", "must be a host name such as acme.com");
  }
  change.name = fields.maybe_text("name", {1, 200, false});
  change.welcome_heading = fields.maybe_text("welcome_heading", {0, 200, false});
  change.welcome_tagline = fields.maybe_text("welcome_tagline", {0, 500, true});
  change.primary_color = fields.maybe_text("primary_color", {0, 20, false});
  if (change.primary_color && !is_color(*change.primary_color)) {
    fields.wrong("primary_color", "must be a color such as #7650FF");
  }
  change.show_online_badge = fields.maybe_boolean("show_online_badge");
  change.sets_logo_url = fields.has("logo_url");
  change.logo_url = fields.maybe_text("logo_url", {0, 2048, false});
  if (change.logo_url && !is_url(*change.logo_url, UrlRule::https_or_loopback)) {
    fields.wrong("logo_url", "must be an https address");
  }
  change.config = fields.maybe_object("config");
  // Only logo_url may be emptied by null.
  for (const std::string_view name :
       {"domain", "name", "welcome_heading", "welcome_tagline", "primary_color"}) {
    if (fields[name].is_null()) fields.wrong(name, "must be text");
  }
  return change;
}

std::string widget_json(const store::Widget& widget) {
  sdk::json::Writer body;
  body.object()
      .member("id", widget.id.text())
      .member("business_id", widget.business.text())
      .member("name", widget.name)
      .member("domain", widget.domain)
      .member("welcome_heading", widget.welcome_heading)
      .member("welcome_tagline", widget.welcome_tagline)
      .member("primary_color", widget.primary_color)
      .member("show_online_badge", widget.show_online_badge)
      .member("logo_url", widget.logo_url)
      .key("config")
      .raw(widget.config)
      .member("created_at", iso8601(widget.created_ms))
      .member("updated_at", iso8601(widget.updated_ms))
      .end();
  return body.take();
}

Answer no_organization() {
  return refused(Errc::invalid_argument, "Organization not found: create a business first");
}
Answer not_the_owner() {
  return refused(Errc::forbidden, "You are not the owner of this business");
}
Answer no_widget() { return refused(Errc::not_found, "Widget not found"); }

Answer from_store(const Error& error) {
  if (error.code == Errc::conflict) {
    return refused(Errc::invalid_argument, "A widget for this domain already exists");
  }
  return failed(error, "api");
}

}  // namespace

Answer create_widget(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (!identity.business) return no_organization();
  if (identity.role != store::Role::owner) return not_the_owner();
  Fields fields(call.request());
  if (fields.valid() && !fields.has("domain")) fields.wrong("domain", "is required");
  auto change = read_change(fields);
  if (!fields.valid()) return invalid(Errc::invalid_argument, fields.take_errors());

  store::Widget widget;
  widget.id = domain::WidgetId(context.ids.next());
  widget.business = *identity.business;
  widget.domain = *change.domain;
  widget.name = change.name.value_or(std::string(kDefaultName));
  widget.welcome_heading = change.welcome_heading.value_or(std::string(kDefaultHeading));
  widget.welcome_tagline = change.welcome_tagline.value_or(std::string(kDefaultTagline));
  widget.primary_color = change.primary_color.value_or(std::string(kDefaultColor));
  widget.show_online_badge = change.show_online_badge.value_or(true);
  widget.logo_url = change.logo_url;
  widget.config = change.config.value_or("{}");

  sdk::json::Writer config;
  config.object().member("widget_id", widget.id.text()).end();
  auto channel = seal_channel(context, db, widget.business, "widget", config.take());
  if (!channel) return failed(channel.error(), "api");
  channel->registration = domain::RegistrationState::active;
  auto stored = store::create_widget(db, widget, *channel);
  if (!stored) return from_store(stored.error());
  return created(widget_json(*stored));
}

Answer update_widget(const ApiContext& context, store::Session& db, const Call& call) {
  (void)context;
  const auto& identity = *call.identity;
  if (!identity.business) return no_organization();
  const auto id = domain::WidgetId::parse(call.params["widget_id"]);
  if (!id) return no_widget();
  // Widgets are public, so telling another business's widget from none gives nothing away.
  auto widget = store::find_widget(db, *id);
  if (!widget) return failed(widget.error(), "api");
  if (!*widget) return no_widget();
  if ((*widget)->business != identity.business || identity.role != store::Role::owner) {
    return not_the_owner();
  }
  Fields fields(call.request());
  const auto change = read_change(fields);
  if (!fields.valid()) return invalid(Errc::invalid_argument, fields.take_errors());
  auto updated = store::update_widget(db, *identity.business, *id, change);
  if (!updated) return from_store(updated.error());
  if (!*updated) return no_widget();
  return ok(widget_json(**updated));
}

Answer show_widget(const ApiContext&, store::Session& db, const Call& call) {
  const auto id = domain::WidgetId::parse(call.params["widget_id"]);
  if (!id) return no_widget();
  auto widget = store::find_widget(db, *id);
  if (!widget) return failed(widget.error(), "api");
  if (!*widget) return no_widget();
  auto answer = ok(widget_json(**widget));
  answer.headers.emplace_back("Cache-Control", "no-cache");
  return answer;
}

Answer list_widget_channels(const ApiContext&, store::Session& db, const Call& call) {
  const auto id = domain::WidgetId::parse(call.params["widget_id"]);
  if (!id) return no_widget();
  auto widget = store::find_widget(db, *id);
  if (!widget) return failed(widget.error(), "api");
  if (!*widget) return no_widget();
  auto channels = store::list_active_channels(db, (*widget)->business);
  if (!channels) return failed(channels.error(), "api");
  sdk::json::Writer body;
  body.array();
  for (const auto& channel : *channels) {
    body.object()
        .member("id", channel.id.text())
        .member("business_id", channel.business.text())
        .member("type", channel.type)
        .key("config")
        .object()
        .end()
        .member("is_active", channel.is_active)
        .member("created_at", iso8601(channel.created_ms))
        .end();
  }
  auto answer = ok(body.end().take());
  answer.headers.emplace_back("Cache-Control", "no-cache");
  return answer;
}

}  // namespace gateway::api
