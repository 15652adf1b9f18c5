#include "gateway/api/attachments.h"

#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/text.h"
#include "gateway/api/host_name.h"
#include "gateway/domain/media_type.h"

namespace gateway::api {
namespace {

using sdk::json::Value;

constexpr std::size_t kMaxAttachments = 10;
constexpr std::array<std::string_view, 7> kTypes = {"image",   "video",    "audio",  "file",
                                                    "sticker", "location", "contact"};

std::string_view type_of_url(std::string_view url) {
  auto path = url.substr(0, url.find_first_of("?#"));
  const auto dot = path.rfind('.');
  if (dot == std::string_view::npos) return "file";
  const auto extension = sdk::lower_ascii(path.substr(dot + 1));
  for (const std::string_view image : {"jpg", "jpeg", "png", "gif", "webp"}) {
    if (extension == image) return "image";
  }
  for (const std::string_view video : {"mp4", "mov", "webm"}) {
    if (extension == video) return "video";
  }
  for (const std::string_view audio : {"mp3", "ogg", "oga", "m4a", "wav"}) {
    if (extension == audio) return "audio";
  }
  return "file";
}

// An address of ours for this very file; the public URL may have been another one when it was made.
bool is_address_of(std::string_view url, std::string_view id) {
  return url.find("/api/v1/media/" + std::string(id) + "/") != std::string_view::npos;
}

// The id of an attachment that may have a row in the table of files.
std::optional<Uuid> file_of(Value attachment) {
  const auto id = attachment["id"].text();
  const auto url = attachment["url"].text();
  if (!id || (url && !is_address_of(*url, *id))) return std::nullopt;
  return Uuid::parse(*id);
}

std::vector<Uuid> files_of(std::span<const store::Message> messages) {
  std::vector<Uuid> ids;
  for (const auto& message : messages) {
    if (message.attachments == "[]") continue;
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

std::optional<std::string> address_of(const ApiContext& context, domain::BusinessId business,
                                      const store::Media& file) {
  if (file.state != store::MediaState::ready) return std::nullopt;
  return context.media_urls.make(business, file.id,
                                 domain::file_name(file.file_name, file.content_type),
                                 context.clock.now_ms());
}

// Reads the text member `name` of at most 255 bytes; false where it is wrong.
bool read_text(Fields& fields, Value entry, const std::string& field, std::string_view name,
               std::optional<std::string>& target) {
  const auto value = entry[name];
  if (!value.exists() || value.is_null()) return true;
  const auto text = value.text();
  if (!text || text->size() > 255 || sdk::sanitize(*text) != *text) {
    fields.wrong(field + "." + std::string(name), "must be text of at most 255 bytes");
    return false;
  }
  target = std::string(*text);
  return true;
}

bool read_size(Fields& fields, Value entry, const std::string& field,
               std::optional<std::int64_t>& target) {
  const auto value = entry["size"];
  if (!value.exists() || value.is_null()) return true;
  target = value.integer();
  if (target && *target >= 0) return true;
  fields.wrong(field + ".size", "must be a number of bytes");
  return false;
}

bool read_type(Fields& fields, Value entry, const std::string& field,
               std::optional<std::string>& target) {
  const auto value = entry["type"];
  if (!value.exists() || value.is_null()) return true;
  target = std::string(value.text_or(""));
  if (std::find(kTypes.begin(), kTypes.end(), *target) != kTypes.end()) return true;
  fields.wrong(field + ".type",
               "must be one of image, video, audio, file, sticker, location, contact");
  return false;
}

// What the attachment is: the address, or the file of ours it names; false where it is neither.
bool read_source(const ApiContext& context, Fields& fields, Value entry, WantedAttachment& wanted) {
  const auto url = entry.is_object() ? entry["url"].text() : entry.text();
  const auto id = entry["id"].text();
  if (url && context.media_urls.is_ours(*url)) {
    wanted.file = context.media_urls.file_of(*url);
  } else if (url && is_url(*url, UrlRule::https)) {
    // An attachment that was shown before has an id too; its address says what it is.
    wanted.url = *url;
    return true;
  } else if (id && (!entry["url"].exists() || entry["url"].is_null())) {
    wanted.file = Uuid::parse(*id);
    if (wanted.file) return true;
    fields.wrong(wanted.field + ".id", "must be the id of an uploaded file");
    return false;
  }
  if (wanted.file) return true;
  fields.wrong(entry.is_object() ? wanted.field + ".url" : wanted.field,
               "must be an https address");
  return false;
}

}  // namespace

void write_attachment(sdk::json::Writer& out, const ApiContext& context,
                      domain::BusinessId business, const store::Media& file) {
  out.object()
      .member("id", file.id.text())
      .member("type", domain::attachment_type(file.content_type))
      .member("url", address_of(context, business, file))
      .member("content_type", if_any(file.content_type))
      .member("size", file.size)
      .member("name", if_any(file.file_name))
      .member("state", to_string(file.state))
      .end();
}

AttachmentView::AttachmentView(const ApiContext& context, domain::BusinessId business,
                               std::vector<store::Media> files)
    : context_(context), business_(business) {
  for (auto& file : files) files_.emplace(file.id, std::move(file));
}

Result<AttachmentView> AttachmentView::of(const ApiContext& context, store::Session& db,
                                          domain::BusinessId business,
                                          std::span<const store::Message> messages) {
  const auto ids = files_of(messages);
  if (ids.empty()) return AttachmentView(context, business, {});
  auto files = store::media_of(db, business, ids);
  if (!files) return std::move(files).error();
  return AttachmentView(context, business, *std::move(files));
}

Result<AttachmentView> AttachmentView::of(const ApiContext& context,
                                          store::Transaction& transaction,
                                          domain::BusinessId business,
                                          std::span<const store::Message> messages) {
  const auto ids = files_of(messages);
  if (ids.empty()) return AttachmentView(context, business, {});
  auto files = store::media_of(transaction, business, ids);
  if (!files) return std::move(files).error();
  return AttachmentView(context, business, *std::move(files));
}

void AttachmentView::write(sdk::json::Writer& out, Value attachment) const {
  const auto id = file_of(attachment);
  const auto found = id ? files_.find(*id) : files_.end();
  const store::Media* file = found == files_.end() ? nullptr : &found->second;
  // Ours, and gone: the address in the message leads nowhere any more.
  const bool is_gone = id && file == nullptr && attachment["url"].is_string();
  if (file == nullptr && !is_gone) {
    out.value(attachment);
    return;
  }
  std::optional<std::string> error;
  if (file != nullptr && file->state == store::MediaState::failed) error = if_any(file->error);
  out.object();
  for (const auto& [name, value] : attachment.members()) {
    if (name == "url") {
      out.member(name, file == nullptr ? std::nullopt : address_of(context_, business_, *file));
    } else if (name == "state") {
      out.member(name, file == nullptr ? "failed" : to_string(file->state));
    } else if (name == "size" && file != nullptr) {
      out.member(name, file->size);
    } else if (name == "content_type" && file != nullptr) {
      out.member(name, if_any(file->content_type));
    } else if (name == "name" && file != nullptr && !file->file_name.empty()) {
      out.member(name, file->file_name);
    } else if (name != "error") {
      out.member(name, value);
    }
  }
  if (error) out.member("error", *error);
  out.end();
}

std::string AttachmentView::json(const store::Message& message) const {
  if (message.attachments == "[]") return message.attachments;
  const auto list = sdk::json::Document::parse(message.attachments);
  if (!list || !list->root().is_array()) return "[]";
  sdk::json::Writer out;
  out.array();
  for (const auto attachment : list->root().elements()) write(out, attachment);
  return out.end().take();
}

std::vector<WantedAttachment> read_attachments(const ApiContext& context, Fields& fields) {
  const auto list = fields["attachments"];
  if (!list.exists() || list.is_null()) return {};
  if (!list.is_array()) {
    fields.wrong("attachments", "must be a list");
    return {};
  }
  if (list.size() > kMaxAttachments) {
    fields.wrong("attachments", "must have at most 10 entries");
    return {};
  }
  std::vector<WantedAttachment> all;
  for (const auto entry : list.elements()) {
    WantedAttachment wanted;
    wanted.field = "attachments." + std::to_string(all.size());
    bool fits = read_source(context, fields, entry, wanted);
    fits = read_type(fields, entry, wanted.field, wanted.type) && fits;
    fits = read_text(fields, entry, wanted.field, "name", wanted.name) && fits;
    fits = read_text(fields, entry, wanted.field, "content_type", wanted.content_type) && fits;
    read_size(fields, entry, wanted.field, wanted.size);
    all.push_back(std::move(wanted));
  }
  return all;
}

Result<TakenAttachments> take_attachments(const ApiContext& context,
                                          store::Transaction& transaction,
                                          domain::BusinessId business,
                                          const std::vector<WantedAttachment>& wanted) {
  TakenAttachments taken;
  for (const auto& one : wanted) {
    if (one.file) taken.files.push_back(*one.file);
  }
  std::map<Uuid, store::Media> files;
  if (!taken.files.empty()) {
    auto found = store::take_media(transaction, business, taken.files);
    if (!found) return std::move(found).error();
    for (auto& file : *found) files.emplace(file.id, std::move(file));
  }
  sdk::json::Writer out;
  out.array();
  for (const auto& one : wanted) {
    if (!one.file) {
      out.object()
          .member("id", context.ids.next().text())
          .member("type", one.type.value_or(std::string(type_of_url(one.url))))
          .member("url", one.url)
          .member("content_type", one.content_type)
          .member("size", one.size)
          .member("name", one.name)
          .member("state", "ready")
          .end();
      continue;
    }
    const auto found = files.find(*one.file);
    if (found == files.end()) {
      taken.errors.push_back({one.field, "is no file of this business that is ready to be sent"});
      continue;
    }
    const store::Media& file = found->second;
    const std::string name =
        domain::file_name(one.name.value_or(file.file_name), file.content_type);
    out.object()
        .member("id", file.id.text())
        .member("type", one.type.value_or(std::string(domain::attachment_type(file.content_type))))
        .member("url",
                context.media_urls.make_https(business, file.id, name, context.clock.now_ms()))
        .member("content_type", if_any(file.content_type))
        .member("size", file.size)
        .member("name", name)
        .member("state", "ready")
        .end();
  }
  taken.json = out.end().take();
  return taken;
}

}  // namespace gateway::api
