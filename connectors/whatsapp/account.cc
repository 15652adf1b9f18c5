#include <algorithm>
#include <array>
#include <chrono>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/whatsapp/change.h"
#include "connectors/whatsapp/content.h"
#include "connectors/whatsapp/graph.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/verify.h"

namespace whatsapp {
namespace {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using sdk::json::Value;

constexpr std::size_t kMaxSentenceBytes = 1000;

struct Field {
  std::string_view name;
  std::string_view sentence;
};
constexpr std::array<Field, 17> kFields{{
    {"account_update", "The WhatsApp Business account changed"},
    {"account_review_update", "WhatsApp reviewed the account"},
    {"account_alerts", "WhatsApp raised an alert"},
    {"account_settings_update", "The settings of the account changed"},
    {"business_capability_update", "The limits of the account changed"},
    {"business_username_update", "The username of the business changed"},
    {"phone_number_quality_update", "The limits of the phone number changed"},
    {"phone_number_name_update", "WhatsApp decided on the name of the phone number"},
    {"security", "The security settings of the phone number changed"},
    {"message_template_status_update", "The status of a message template changed"},
    {"message_template_quality_update", "The quality of a message template changed"},
    {"message_template_components_update", "The content of a message template changed"},
    {"template_category_update", "The category of a message template changed"},
    {"template_correct_category_detection", "A message template seems to be of another category"},
    {"flows", "A flow changed"},
    {"payment_configuration_update", "A payment configuration changed"},
    {"partner_solutions", "A partner solution changed"},
}};

// https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference
// /account_update (read 2026-11-21).
constexpr std::array<Field, 12> kAccountEvents{{
    {"ACCOUNT_DELETED", "The WhatsApp Business account was deleted"},
    {"ACCOUNT_OFFBOARDED", "The phone number was taken off the Cloud API"},
    {"ACCOUNT_RECONNECTED", "The phone number is on the Cloud API again"},
    {"ACCOUNT_RESTRICTION", "WhatsApp restricted the account"},
    {"ACCOUNT_VIOLATION", "WhatsApp found a violation of its policies"},
    {"DISABLED_UPDATE", "WhatsApp decided on a ban of the account"},
    {"PARTNER_ADDED", "The account was shared with a partner"},
    {"PARTNER_REMOVED", "The account is no longer shared with the app's business"},
    {"PARTNER_APP_INSTALLED", "An app was given access to the account"},
    {"PARTNER_APP_UNINSTALLED", "An app lost its access to the account"},
    {"BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE", "The country of the business was set"},
    {"VOLUME_BASED_PRICING_TIER_UPDATE", "The account's price tier changed"},
}};

template <std::size_t kCount>
std::string_view sentence_for(const std::array<Field, kCount>& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& field) { return field.name == name; });
  return found == fields.end() ? std::string_view() : found->sentence;
}

std::string date_of(Value seconds) {
  const std::int64_t ms = milliseconds(seconds);
  if (ms == 0) return {};
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(
      std::chrono::sys_seconds{std::chrono::seconds(ms / 1000)})};
  const auto two = [](unsigned n) { return (n < 10 ? "-0" : "-") + std::to_string(n); };
  return std::to_string(static_cast<int>(date.year())) + two(static_cast<unsigned>(date.month())) +
         two(static_cast<unsigned>(date.day()));
}

void append(std::string& text, std::string_view separator, std::string_view more) {
  if (more.empty() || text.size() + separator.size() + more.size() > kMaxSentenceBytes) return;
  if (!text.empty()) text += separator;
  text += more;
}

std::string restrictions_of(Value restrictions) {
  std::string list;
  for (const Value one : restrictions.elements()) {
    std::string text = scalar(one["restriction_type"]);
    if (const std::string date = date_of(one["expiration"]); !date.empty()) {
      text += " until " + date;
    }
    append(list, "; ", text);
  }
  return list;
}

// The facts of an account_update that a person has to know.
std::string account_details(Value value) {
  std::string details = restrictions_of(value["restriction_info"]);
  append(details, "; ", scalar(value["violation_info"]["violation_type"]));
  append(details, "; ", scalar(value["ban_info"]["waba_ban_state"]));
  append(details, "; ", scalar(value["disconnection_info"]["reason"]));
  append(details, "; ", scalar(value["country"]));
  return details;
}

// "event APPROVED, message_template_name hello".
std::string scalars_of(Value value) {
  std::string list;
  for (const auto& [name, member] : value.members()) {
    if (const std::string text = scalar(member); !text.empty()) {
      append(list, ", ", std::string(name) + " " + sdk::sanitize(text, 200));
    }
  }
  return list;
}

// Several numbers share an account, and this is told of each by its digits alone.
bool is_of_another_number(const Channel& channel, Value value) {
  const std::string ours = digits_in(channel.kept("display_phone_number"));
  const std::string theirs = digits_in(scalar(value["display_phone_number"]));
  return !ours.empty() && !theirs.empty() && ours != theirs;
}

}  // namespace

Change change_of(const Channel& channel, Value entry, Value change) {
  Change made{.channel = channel,
              .field = change["field"].text_or(""),
              .value = change["value"],
              .waba = scalar(entry["id"]),
              .at_ms = milliseconds(entry["time"]),
              .number = scalar(change["value"]["metadata"]["phone_number_id"]),
              .account = {}};
  const std::string_view own_number = channel.setting("phone_number_id");
  const std::string_view own_waba =
      channel.kept("waba_id").empty() ? channel.setting("waba_id") : channel.kept("waba_id");
  if (!made.number.empty()) {
    if (made.number != own_number) made.account = made.number;
  } else if (!own_waba.empty() && made.waba != own_waba) {
    made.account = account_of_waba(made.waba);
  }
  return made;
}

std::string key_of(const Change& change, std::string_view kind, std::string_view id) {
  std::string key = change.number.empty() ? account_of_waba(change.waba) : change.number;
  for (const std::string_view part : {kind, id}) {
    key += ':';
    key += part;
  }
  return key;
}

std::string content_key(const Change& change, std::string_view kind, Value value) {
  std::string content(change.field);
  content += '\n' + std::to_string(change.at_ms) + '\n' + value.dump();
  return key_of(change, kind, sdk::hex(sdk::sha256(content).substr(0, 16)));
}

Event event_of(const Change& change, EventKind kind) {
  Event event{.kind = kind};
  event.account = change.account;
  event.sent_ms = change.at_ms;
  return event;
}

Event unknown(const Change& change, std::string_view kind, Value value) {
  Event event = event_of(change, EventKind::unknown);
  event.key = content_key(change, "unknown", value);
  event.extra.emplace_back("field", sdk::sanitize(change.field, 100));
  add(event.extra, "kind", sdk::sanitize(kind, 100));
  return event;
}

bool is_account_field(std::string_view field) { return !sentence_for(kFields, field).empty(); }

Event account_event(const Change& change) {
  const Value value = change.value;
  const std::string name = scalar(value["event"]);
  if (is_of_another_number(change.channel, value)) return unknown(change, name, value);
  Event event = event_of(change, EventKind::account_state);
  event.key = content_key(change, change.field, value);
  std::string details;
  if (change.field == "account_update") {
    event.state = name.empty() ? std::string(change.field) : sdk::lower_ascii(name);
    event.text = sentence_for(kAccountEvents, name);
    details = account_details(value);
    if (event.text.empty()) append(details, "; ", name);
  } else {
    event.state = change.field;
    details = scalars_of(value);
  }
  if (event.text.empty()) event.text = sentence_for(kFields, change.field);
  append(event.text, ": ", details);
  event.extra.emplace_back("field", change.field);
  add_scalars(event.extra, "", value);
  return event;
}

Event error_event(const Change& change, Value error) {
  Event event = event_of(change, EventKind::account_state);
  event.key = content_key(change, "error", error);
  event.state = "error";
  event.code = scalar(error["code"]);
  event.text = words_of(error);
  if (event.text.empty()) event.text = "WhatsApp reported an error without words";
  event.extra.emplace_back("field", sdk::sanitize(change.field, 100));
  return event;
}

}  // namespace whatsapp
