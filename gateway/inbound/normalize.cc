#include "gateway/inbound/normalize.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "gateway/plugins/reserved.h"

namespace gateway::inbound {
namespace {

using connector::Event;
using connector::EventKind;

// A clock that is further ahead is wrong; its message would stay on top for years.
constexpr std::int64_t kAheadMs = 86'400'000;

// What orders a message whose time is no part of its identity.
std::int64_t order_ms_of(const Event& event) {
  const std::string_view text = connector::find(event.extra, "order_ms").value_or("");
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  return error == std::errc() && end == text.data() + text.size() ? ms : 0;
}

std::int64_t time_of(const Event& event, const NormalizeContext& context) {
  const std::int64_t ms = event.sent_ms > 0 ? event.sent_ms : order_ms_of(event);
  return ms > 0 && ms <= context.now_ms + kAheadMs ? ms : context.now_ms;
}

enum class Bytes {
  none,       // there are none, or a public URL has them
  delivered,  // they came with the event
  awaited,    // the platform has to be asked for them
};

Bytes bytes_of(const connector::Attachment& attachment) {
  if (!attachment.content.empty()) return Bytes::delivered;
  return attachment.url.empty() && !attachment.media_id.empty() ? Bytes::awaited : Bytes::none;
}

// A UUID of version 8 (RFC 9562, 5.8) from what makes the attachment: the same for each redelivery.
Uuid attachment_id(const NormalizeContext& context, const Uuid& key, std::size_t index) {
  const auto bytes = [](const Uuid& id) { return std::string(id.bytes.begin(), id.bytes.end()); };
  Uuid id =
      bytes_key("attachment" + bytes(context.channel.get()) + bytes(key) + std::to_string(index));
  id.bytes[6] = static_cast<std::uint8_t>(0x80 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

void write_size(sdk::json::Writer& json, const connector::Attachment& attachment) {
  json.key("size");
  if (bytes_of(attachment) == Bytes::delivered) {
    json.value(static_cast<std::int64_t>(attachment.content.size()));
  } else if (attachment.size < 0) {
    json.null();
  } else {
    json.value(attachment.size);
  }
}

std::optional<std::string> attachments_json(const Event& event, const NormalizeContext& context,
                                            const Uuid& key) {
  if (event.attachments.empty()) return std::nullopt;
  sdk::json::Writer json;
  json.array();
  std::size_t index = 0;
  for (const auto& attachment : event.attachments) {
    const Bytes bytes = bytes_of(attachment);
    json.object()
        .member("id", attachment_id(context, key, index++).text())
        .member("type", attachment.kind)
        .key("url");
    attachment.url.empty() || bytes == Bytes::delivered ? json.null() : json.value(attachment.url);
    json.key("content_type");
    attachment.mime_type.empty() ? json.null() : json.value(attachment.mime_type);
    write_size(json, attachment);
    json.key("name");
    attachment.file_name.empty() ? json.null() : json.value(attachment.file_name);
    json.member("state", bytes == Bytes::awaited ? "pending" : "ready");
    if (!attachment.media_id.empty()) json.member("media_id", attachment.media_id);
    // In jsonb the later member would win, and a file could not find its attachment any more.
    for (const auto& [name, value] : attachment.extra) {
      if (!plugins::is_attachment_member(name)) json.member(name, value);
    }
    json.end();
  }
  json.end();
  return json.take();
}

std::string source_json(const connector::Attachment& attachment) {
  sdk::json::Writer json;
  json.object()
      .member("kind", attachment.kind)
      .member("media_id", attachment.media_id)
      .member("mime_type", attachment.mime_type)
      .member("file_name", attachment.file_name);
  write_size(json, attachment);
  json.key("extra").object();
  for (const auto& [name, value] : attachment.extra) json.member(name, value);
  json.end().end();
  return json.take();
}

std::vector<store::InboundMedia> media_of(const Event& event, const NormalizeContext& context,
                                          const Uuid& key) {
  std::vector<store::InboundMedia> media;
  for (std::size_t i = 0; i < event.attachments.size(); ++i) {
    const auto& attachment = event.attachments[i];
    const Bytes bytes = bytes_of(attachment);
    if (bytes == Bytes::none) continue;
    media.push_back({attachment_id(context, key, i), source_json(attachment),
                     bytes == Bytes::delivered
                         ? std::make_shared<const std::string>(attachment.content)
                         : nullptr});
  }
  return media;
}

std::optional<std::string> metadata_json(const Event& event, const NormalizeContext& context) {
  const bool other_sender = !event.sender.empty() && event.sender != event.contact;
  if (event.extra.empty() && !other_sender && context.channel_is_active) return std::nullopt;
  sdk::json::Writer json;
  json.object();
  if (other_sender) {
    json.key("sender").object().member("id", event.sender).member("name", event.sender_name).end();
  }
  if (!context.channel_is_active) json.member("channel_inactive", true);
  for (const auto& [name, value] : event.extra) {
    if (name != "acknowledge" && name != "order_ms") json.member(name, value);
  }
  json.end();
  return json.take();
}

std::optional<std::string> if_any(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

store::InboundMessage message_of(const Event& event, const NormalizeContext& context, Uuid7& ids) {
  store::InboundMessage row;
  row.channel = context.channel;
  row.key = event_key(event.key, event.sent_ms);
  row.id = domain::MessageId(ids.next());
  row.conversation = domain::ConversationId(ids.next());
  row.contact = domain::ContactId(ids.next());
  row.sort_at_ms = time_of(event, context);
  row.sort_seq = event.sequence;
  row.content = event.text;
  row.attachments = attachments_json(event, context, row.key);
  row.media = media_of(event, context, row.key);
  row.references = event.references;
  row.metadata = metadata_json(event, context);
  row.remote_id = if_any(event.message);
  row.reply_to = if_any(event.reply_to);
  row.thread = event.thread;
  row.contact_remote = event.contact.empty() ? event.thread : event.contact;
  row.contact_name = event.contact_name;
  if (event.kind == EventKind::echo) row.sender_type = domain::SenderType::agent;
  if (event.kind == EventKind::notice) {
    row.sender_type = domain::SenderType::system;
    row.kind = domain::MessageKind::notice;
  }
  if (event.kind == EventKind::callback) {
    row.kind = domain::MessageKind::callback;
    row.references.clear();
    row.remote_id = std::nullopt;  // it names the message the button stands under
    row.reply_to = if_any(event.message);
  }
  if (connector::find(event.extra, "unsupported")) row.kind = domain::MessageKind::unsupported;
  return row;
}

std::optional<int> state_of(const Event& event) {
  if (event.kind == EventKind::contact_state) return event.state == "active" ? 0 : 1;
  if (event.kind != EventKind::status) return std::nullopt;
  using domain::MessageStatus;
  for (const auto status : {MessageStatus::sent, MessageStatus::delivered, MessageStatus::read,
                            MessageStatus::failed}) {
    if (event.state == domain::to_string(status)) return static_cast<int>(status);
  }
  return std::nullopt;
}

store::InboundChange change_of(const Event& event, const NormalizeContext& context, Uuid7& ids) {
  store::InboundChange row;
  row.channel = context.channel;
  row.key = event_key(event.key, event.sent_ms);
  row.id = ids.next();
  row.kind = static_cast<int>(event.kind);
  row.at_ms = time_of(event, context);
  row.thread = event.thread;
  row.target = event.message;
  row.actor = event.sender.empty() ? event.contact : event.sender;
  row.content = event.kind == EventKind::contact_state ? event.state : event.text;
  if (event.kind == EventKind::thread_moved) row.actor = event.text;
  row.state = state_of(event);
  row.code = event.code;
  if (event.kind == EventKind::status) {
    row.message_key = Uuid::parse(connector::find(event.extra, "message_key").value_or(""));
    row.up_to = connector::find(event.extra, "up_to") == "1";
  }
  if (event.kind == EventKind::edited) {
    row.attachments = attachments_json(event, context, row.key);
    row.media = media_of(event, context, row.key);
    row.metadata = metadata_json(event, context);
  }
  return row;
}

}  // namespace

Uuid event_key(std::string_view identity, std::int64_t platform_ms) {
  const std::string digest = sdk::sha256(identity);
  const auto seconds = static_cast<std::uint32_t>(
      platform_ms > 0 ? std::min<std::int64_t>(platform_ms / 1000, 0xffffffff) : 0);
  Uuid key;
  for (int i = 0; i < 4; ++i) {
    key.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
  }
  for (std::size_t i = 4; i < 16; ++i) key.bytes[i] = static_cast<std::uint8_t>(digest[i - 4]);
  return key;
}

Uuid bytes_key(std::string_view bytes) {
  const std::string digest = sdk::sha256(bytes);
  Uuid key;
  for (std::size_t i = 0; i < 16; ++i) key.bytes[i] = static_cast<std::uint8_t>(digest[i]);
  return key;
}

void give_keys(std::span<Event> events, std::string_view delivery_body) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!events[i].key.empty()) continue;
    events[i].key = std::string(delivery_body) + "#" + std::to_string(i);
  }
}

std::optional<Row> normalize(const Event& event, const NormalizeContext& context, Uuid7& ids) {
  switch (event.kind) {
    case EventKind::message:
    case EventKind::echo:
    case EventKind::callback:
    case EventKind::notice:
      return Row(message_of(event, context, ids));
    case EventKind::edited:
    case EventKind::deleted:
    case EventKind::reaction:
    case EventKind::status:
    case EventKind::contact_state:
    case EventKind::thread_moved:
    case EventKind::account_state:
    case EventKind::unknown:
      return Row(change_of(event, context, ids));
    case EventKind::typing:
      return std::nullopt;
  }
  return Row(change_of(event, context, ids));
}

store::InboundMessage message_of_edit(const Event& event, const NormalizeContext& context,
                                      Uuid7& ids) {
  store::InboundMessage row = message_of(event, context, ids);
  row.kind = connector::find(event.extra, "unsupported") ? domain::MessageKind::unsupported
                                                         : domain::MessageKind::message;
  return row;
}

}  // namespace gateway::inbound
