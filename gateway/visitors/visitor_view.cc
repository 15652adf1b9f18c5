#include "gateway/visitors/visitor_view.h"

#include <optional>
#include <string_view>
#include <utility>

#include "gateway/base/clock.h"
#include "gateway/domain/media_type.h"

namespace gateway::visitors {
namespace {

using sdk::json::Value;

// The id of an attachment whose bytes are here; absent for one that is only an address elsewhere.
// The public URL may have been another one when the address was made.
std::optional<Uuid> file_of(Value attachment) {
  const auto id = attachment["id"].text();
  const auto url = attachment["url"].text();
  if (!id || (url && url->find("/api/v1/media/" + std::string(*id) + "/") == url->npos)) {
    return std::nullopt;
  }
  return Uuid::parse(*id);
}

std::vector<Uuid> files_of(std::span<const store::Message> messages) {
  std::vector<Uuid> ids;
  for (const auto& message : messages) {
    if (message.attachments == "[]" || message.deleted_ms) continue;
    const auto list = sdk::json::Document::parse(message.attachments);
    if (!list) continue;
    for (const auto attachment : list->root().elements()) {
      if (const auto id = file_of(attachment)) ids.push_back(*id);
    }
  }
  return ids;
}

std::string_view to_string(store::MediaState state) {
  switch (state) {
    case store::MediaState::pending:
      return "pending";
    case store::MediaState::ready:
      return "ready";
    case store::MediaState::failed:
      return "failed";
  }
  return "failed";
}

std::optional<std::string> if_any(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

// What a visitor wrote has arrived with us; only answers have a way behind them.
std::string_view status_of(const store::Message& message) {
  return domain::to_string(message.status.value_or(domain::MessageStatus::sent));
}

}  // namespace

bool is_for_visitors(const store::Message& message) {
  return message.kind == domain::MessageKind::message;
}

MessageViews::MessageViews(const store::MediaUrls& urls, std::int64_t now_ms,
                           domain::BusinessId business, std::vector<store::Media> files,
                           store::SenderNames names)
    : urls_(urls), now_ms_(now_ms), business_(business), names_(std::move(names)) {
  for (auto& file : files) files_.emplace(file.id, std::move(file));
}

Result<MessageViews> MessageViews::of(const store::MediaUrls& urls, std::int64_t now_ms,
                                      store::Session& db, domain::BusinessId business,
                                      std::span<const store::Message> messages) {
  return read_views(urls, now_ms, db, business, messages);
}

Result<MessageViews> MessageViews::of(const store::MediaUrls& urls, std::int64_t now_ms,
                                      store::Transaction& transaction, domain::BusinessId business,
                                      std::span<const store::Message> messages) {
  return read_views(urls, now_ms, transaction, business, messages);
}

template <class Database>
Result<MessageViews> MessageViews::read_views(const store::MediaUrls& urls, std::int64_t now_ms,
                                              Database& db, domain::BusinessId business,
                                              std::span<const store::Message> messages) {
  auto names = store::shown_sender_names(db, business, messages);
  if (!names) return std::move(names).error();
  const auto ids = files_of(messages);
  if (ids.empty()) return MessageViews(urls, now_ms, business, {}, *std::move(names));
  auto files = store::media_of(db, business, ids);
  if (!files) return std::move(files).error();
  return MessageViews(urls, now_ms, business, *std::move(files), *std::move(names));
}

void MessageViews::write_attachment(sdk::json::Writer& out, Value attachment) const {
  out.object()
      .member("id", attachment["id"].text_or(""))
      .member("type", attachment["type"].text_or("file"));
  const auto id = file_of(attachment);
  const auto found = id ? files_.find(*id) : files_.end();
  if (found == files_.end()) {
    // A file of ours that is gone has no address any more.
    const auto url = id ? std::nullopt : attachment["url"].text();
    out.member("url", url)
        .member("content_type", attachment["content_type"].text())
        .member("size", attachment["size"].integer())
        .member("name", attachment["name"].text())
        .member("state", url ? "ready" : "failed")
        .end();
    return;
  }
  const store::Media& file = found->second;
  std::optional<std::string> url;
  const std::string name(attachment["name"].text().value_or(file.file_name));
  if (file.state == store::MediaState::ready) {
    url = urls_.make(business_, file.id, domain::file_name(name, file.content_type), now_ms_);
  }
  out.member("url", url)
      .member("content_type", if_any(file.content_type))
      .member("size", file.size)
      .member("name", if_any(name))
      .member("state", to_string(file.state))
      .end();
}

std::string MessageViews::json(const store::Message& message) const {
  sdk::json::Writer out;
  out.object()
      .member("id", message.position.id.text())
      .member("conversation_id", message.conversation.text())
      .member("content", message.deleted_ms ? std::string() : message.content)
      .member("sender_type", domain::to_string(message.sender_type));
  const auto name = names_.find(message.position.id);
  if (name != names_.end()) out.member("sender_name", name->second);
  out.member("created_at", iso8601(message.position.sort_us / 1000))
      .member("status", status_of(message))
      .key("attachments")
      .array();
  if (message.attachments != "[]" && !message.deleted_ms) {
    if (const auto list = sdk::json::Document::parse(message.attachments)) {
      for (const auto attachment : list->root().elements()) write_attachment(out, attachment);
    }
  }
  out.end();
  if (message.sender_type == domain::SenderType::customer) {
    // Kept together for the length of the lookup: the value is a view into the document.
    if (const auto metadata = sdk::json::Document::parse(message.metadata)) {
      if (const auto id = metadata->root()["client_id"].text()) out.member("client_id", *id);
    }
  }
  if (message.edited_ms) out.member("edited_at", iso8601(*message.edited_ms));
  if (message.deleted_ms) out.member("deleted_at", iso8601(*message.deleted_ms));
  return out.end().take();
}

void write_csat(sdk::json::Writer& out, const store::Csat& csat) {
  out.object()
      .member("score", csat.score)
      .member("comment", csat.comment)
      .member("at", iso8601(csat.at_ms))
      .end();
}

}  // namespace gateway::visitors
