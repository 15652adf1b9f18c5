#include "connectors/sms/events.h"

#include <algorithm>
#include <array>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/number.h"

namespace sms {
namespace {

using connector::Attachment;
using connector::Event;
using connector::EventKind;
using connector::Received;
using connector::ReceiveResult;

// The gateway keeps ids up to 1 KiB whole; a link beyond that could not be fetched again.
constexpr std::size_t kMaxMediaIdBytes = 1024;

// By the type; some providers tell none, and then the name in the link is all there is.
std::string_view kind_of(std::string_view mime_type, std::string_view url) {
  const std::string type = sdk::lower_ascii(mime_type);
  if (type.starts_with("image/")) return "image";
  if (type.starts_with("video/")) return "video";
  if (type.starts_with("audio/")) return "audio";
  if (!type.empty()) return "file";
  struct Ending {
    std::string_view text, kind;
  };
  constexpr std::array<Ending, 12> kEndings{{{".jpg", "image"},
                                             {".jpeg", "image"},
                                             {".png", "image"},
                                             {".gif", "image"},
                                             {".heic", "image"},
                                             {".webp", "image"},
                                             {".mp4", "video"},
                                             {".3gp", "video"},
                                             {".mov", "video"},
                                             {".amr", "audio"},
                                             {".mp3", "audio"},
                                             {".ogg", "audio"}}};
  const std::string path = sdk::lower_ascii(url.substr(0, url.find_first_of("?#")));
  for (const Ending& ending : kEndings) {
    if (path.ends_with(ending.text)) return ending.kind;
  }
  return "file";
}

std::string key_of(std::string_view id, std::string_view what) {
  std::string key(id);
  key += ':';
  key += what;
  return key;
}

std::string_view name_of(Intent intent) {
  switch (intent) {
    case Intent::stop:
      return "STOP";
    case Intent::start:
      return "START";
    case Intent::help:
      return "HELP";
    case Intent::none:
      break;
  }
  return "";
}

Event contact_state(std::string_view id, const std::string& contact, bool blocked) {
  Event event{.kind = EventKind::contact_state};
  event.thread = contact;
  event.contact = contact;
  event.state = blocked ? "blocked" : "active";
  event.key = key_of(id, blocked ? "opted-out" : "opted-in");
  return event;
}

}  // namespace

void add(connector::Pairs& pairs, std::string_view name, std::string_view value) {
  if (!value.empty()) pairs.emplace_back(name, value);
}

connector::Fail not_understood(std::string why) {
  return {.code = connector::Failure::permanent, .why = std::move(why)};
}

Stage stage_of(std::string_view name, std::span<const StateName> names) {
  const auto found = std::find_if(names.begin(), names.end(), [&](const StateName& one) {
    return sdk::equals_ignoring_case(one.name, name);
  });
  return found == names.end() ? Stage::unknown : found->stage;
}

ReceiveResult received(const connector::Channel& channel, const Inbound& inbound) {
  if (inbound.id.empty()) return not_understood("the delivery names no message");
  const Address from = address_of(sdk::sanitize(inbound.from, 200));
  if (from.text.empty()) return not_understood("the delivery names no sender");
  Event message{.kind = EventKind::message};
  message.message = inbound.id;
  message.key = key_of(inbound.id, "received");
  message.thread = from.text;
  message.contact = from.text;
  message.contact_name = inbound.contact_name;
  message.text = sdk::sanitize(inbound.text);
  message.sent_ms = inbound.sent_ms;
  message.sequence = inbound.sequence;
  message.attachments = inbound.media;
  message.extra = inbound.extra;
  add(message.extra, "to", address_of(sdk::sanitize(inbound.to, 200)).text);
  // Nobody can answer a name, https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id.
  if (from.party == Party::alphanumeric) add(message.extra, "replyable", "0");
  const Intent intent = inbound.intent != Intent::none
                            ? inbound.intent
                            : intent_of(inbound.text, channel.setting("opt_out_keywords"));
  add(message.extra, "keyword", name_of(intent));
  Received result;
  result.events.push_back(std::move(message));
  if (intent == Intent::stop || intent == Intent::start) {
    result.events.push_back(contact_state(inbound.id, from.text, intent == Intent::stop));
  }
  return result;
}

ReceiveResult received(const Report& report) {
  if (report.id.empty()) return not_understood("the report names no message");
  if (report.state.empty()) return not_understood("the report names no state");
  const std::string contact = address_of(sdk::sanitize(report.contact, 200)).text;
  Event event{.kind = EventKind::status};
  // Neither times nor order tell reports apart: a message has each state once.
  event.key = key_of(report.part.empty() ? report.id : report.part, report.state);
  event.message = report.id;
  event.thread = contact;
  event.contact = contact;
  event.sent_ms = report.sent_ms;
  event.sequence = report.sequence;
  event.extra = {{"provider_state", report.state}};
  event.extra.insert(event.extra.end(), report.extra.begin(), report.extra.end());
  add(event.extra, "part", report.part);
  add(event.extra, "message_key", report.message_key);
  switch (report.stage) {
    case Stage::sent:
      event.state = "sent";
      break;
    case Stage::delivered:
      event.state = "delivered";
      break;
    case Stage::read:
      event.state = "read";
      break;
    case Stage::failed:
      event.state = "failed";
      break;
    case Stage::unknown:
      event.kind = EventKind::unknown;
      break;
  }
  if (report.stage == Stage::failed) {
    if (report.code != "0") event.code = report.code;
    event.text = report.why;
  } else {
    add(event.extra, "error", report.why);
  }
  Received result;
  result.events.push_back(std::move(event));
  if (report.opted_out && !contact.empty()) {
    result.events.push_back(contact_state(report.id, contact, true));
  }
  return result;
}

ReceiveResult not_known(std::string_view what, const connector::Request& request) {
  Event event{.kind = EventKind::unknown};
  event.key = key_of("unknown", sdk::hex(sdk::sha256(request.query + "\n" + request.body)));
  event.extra = {{"what", std::string(what)}};
  Received result;
  result.events.push_back(std::move(event));
  return result;
}

Attachment media_at(std::string_view url, std::string_view mime_type) {
  Attachment attachment{.kind = std::string(kind_of(mime_type, url))};
  attachment.mime_type = mime_type;
  (url.size() <= kMaxMediaIdBytes ? attachment.media_id : attachment.url) = url;
  return attachment;
}

}  // namespace sms
