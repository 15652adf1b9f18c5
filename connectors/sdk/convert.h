// Between the C structs of connector_abi.h and the values of values.h, for both sides of the
// border.
//
// view::with_*(value, use) lends a C view of a value for the length of one call; copy::*() makes a
// value of a C view and reads no field behind its `size`. Pure functions, any thread.
#ifndef CONNECTORS_SDK_CONVERT_H_
#define CONNECTORS_SDK_CONVERT_H_

#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/values.h"

namespace connector::view {

inline gwc_str str(std::string_view text) { return {text.data(), text.size()}; }

// Keeps the C array alive beside the views into it.
class PairsView {
 public:
  explicit PairsView(const Pairs& pairs) {
    array_.reserve(pairs.size());
    for (const auto& [name, value] : pairs) array_.push_back({str(name), str(value)});
  }
  gwc_pairs get() const { return {array_.data(), array_.size()}; }

 private:
  std::vector<gwc_pair> array_;
};

template <class Use>
auto with_channel(const Channel& value, Use use) {
  const PairsView config(value.config);
  const PairsView state(value.state);
  const PairsView documents(value.documents);
  const gwc_channel channel{.size = sizeof(gwc_channel),
                            .config = config.get(),
                            .state = state.get(),
                            .webhook_url = str(value.webhook_url),
                            .secret = str(value.secret),
                            .now_ms = value.now_ms,
                            .documents = documents.get()};
  return use(channel);
}

template <class Use>
auto with_request(const Request& value, Use use) {
  const PairsView headers(value.headers);
  const gwc_request request{.size = sizeof(gwc_request),
                            .method = str(value.method),
                            .target = str(value.target),
                            .query = str(value.query),
                            .headers = headers.get(),
                            .body = str(value.body)};
  return use(request);
}

template <class Use>
auto with_response(const Response& value, Use use) {
  const PairsView headers(value.headers);
  const gwc_response response{.size = sizeof(gwc_response),
                              .flags = value.not_sent ? std::uint32_t{GWC_NOT_SENT} : 0u,
                              .status = value.status,
                              .headers = headers.get(),
                              .body = str(value.body)};
  return use(response);
}

template <class Use>
auto with_call(const Call& value, Use use) {
  const PairsView headers(value.headers);
  const gwc_call call{.size = sizeof(gwc_call),
                      .flags = (value.answer_is_media ? std::uint32_t{GWC_ANSWER_IS_MEDIA} : 0u) |
                               (value.url_is_secret ? std::uint32_t{GWC_URL_IS_SECRET} : 0u),
                      .method = str(value.method),
                      .url = str(value.url),
                      .headers = headers.get(),
                      .body = str(value.body),
                      .answer_bytes = value.answer_bytes};
  return use(call);
}

template <class Use>
auto with_event(const Event& value, Use use) {
  std::vector<PairsView> extras;
  std::vector<gwc_attachment> attachments;
  std::vector<const gwc_attachment*> pointers;
  extras.reserve(value.attachments.size());
  attachments.reserve(value.attachments.size());
  pointers.reserve(value.attachments.size());
  for (const Attachment& attachment : value.attachments) {
    extras.emplace_back(attachment.extra);
    attachments.push_back({.size = sizeof(gwc_attachment),
                           .kind = str(attachment.kind),
                           .url = str(attachment.url),
                           .media_id = str(attachment.media_id),
                           .mime_type = str(attachment.mime_type),
                           .file_name = str(attachment.file_name),
                           .bytes = attachment.size,
                           .extra = extras.back().get(),
                           .content = str(attachment.content)});
    pointers.push_back(&attachments.back());
  }
  std::vector<gwc_str> references;
  references.reserve(value.references.size());
  for (const std::string& reference : value.references) references.push_back(str(reference));
  const PairsView extra(value.extra);
  const gwc_event event{.size = sizeof(gwc_event),
                        .kind = static_cast<std::int32_t>(value.kind),
                        .account = str(value.account),
                        .thread = str(value.thread),
                        .message = str(value.message),
                        .key = str(value.key),
                        .contact = str(value.contact),
                        .contact_name = str(value.contact_name),
                        .sender = str(value.sender),
                        .sender_name = str(value.sender_name),
                        .text = str(value.text),
                        .reply_to = str(value.reply_to),
                        .state = str(value.state),
                        .code = str(value.code),
                        .sent_ms = value.sent_ms,
                        .sequence = value.sequence,
                        .attachments = pointers.data(),
                        .attachment_count = pointers.size(),
                        .extra = extra.get(),
                        .references = references.data(),
                        .reference_count = references.size()};
  return use(event);
}

template <class Use>
auto with_done(const Done& value, Use use) {
  const PairsView state(value.state);
  const PairsView results(value.results);
  const gwc_done done{.size = sizeof(gwc_done), .state = state.get(), .results = results.get()};
  return use(done);
}

template <class Use>
auto with_fail(const Fail& value, std::int32_t code, Use use) {
  const gwc_fail fail{.size = sizeof(gwc_fail),
                      .code = code,
                      .why = str(value.why),
                      .platform_code = str(value.platform_code),
                      .retry_after_ms = value.retry_after_ms,
                      .max_attempts = value.max_attempts};
  return use(fail);
}

}  // namespace connector::view

namespace connector::copy {

// A struct that claims to be smaller than in 1.0 is not read at all.
inline std::string_view view(gwc_str text) {
  return text.ptr == nullptr ? std::string_view() : std::string_view(text.ptr, text.len);
}
inline std::string str(gwc_str text) { return std::string(view(text)); }

inline Pairs pairs(gwc_pairs from) {
  Pairs to;
  if (from.ptr == nullptr) return to;
  to.reserve(from.len);
  for (std::size_t i = 0; i < from.len; ++i) {
    to.emplace_back(str(from.ptr[i].name), str(from.ptr[i].value));
  }
  return to;
}

inline Channel channel(const gwc_channel& from) {
  if (!GWC_HAS(&from, gwc_channel, now_ms)) return {};
  return {.config = pairs(from.config),
          .state = pairs(from.state),
          .webhook_url = str(from.webhook_url),
          .secret = str(from.secret),
          .now_ms = from.now_ms,
          .documents = GWC_HAS(&from, gwc_channel, documents) ? pairs(from.documents) : Pairs()};
}

inline Request request(const gwc_request& from) {
  if (!GWC_HAS(&from, gwc_request, body)) return {};
  return {.method = str(from.method),
          .target = str(from.target),
          .query = str(from.query),
          .headers = pairs(from.headers),
          .body = str(from.body)};
}

inline Response response(const gwc_response& from) {
  if (!GWC_HAS(&from, gwc_response, body)) return {};
  return {.status = from.status,
          .headers = pairs(from.headers),
          .body = str(from.body),
          .not_sent = (from.flags & GWC_NOT_SENT) != 0};
}

inline Attachment attachment(const gwc_attachment& from) {
  if (!GWC_HAS(&from, gwc_attachment, extra)) return {};
  return {.kind = str(from.kind),
          .url = str(from.url),
          .media_id = str(from.media_id),
          .mime_type = str(from.mime_type),
          .file_name = str(from.file_name),
          .size = from.bytes,
          .extra = pairs(from.extra),
          .content = GWC_HAS(&from, gwc_attachment, content) ? str(from.content) : std::string()};
}

inline Event event(const gwc_event& from) {
  if (!GWC_HAS(&from, gwc_event, extra)) return {};
  Event to{.kind = static_cast<EventKind>(from.kind),
           .account = str(from.account),
           .thread = str(from.thread),
           .message = str(from.message),
           .key = str(from.key),
           .contact = str(from.contact),
           .contact_name = str(from.contact_name),
           .sender = str(from.sender),
           .sender_name = str(from.sender_name),
           .text = str(from.text),
           .reply_to = str(from.reply_to),
           .state = str(from.state),
           .code = str(from.code),
           .sent_ms = from.sent_ms,
           .sequence = from.sequence,
           .attachments = {},
           .extra = pairs(from.extra),
           .references = {}};
  if (GWC_HAS(&from, gwc_event, reference_count) && from.references != nullptr) {
    for (std::size_t i = 0; i < from.reference_count; ++i) {
      to.references.push_back(str(from.references[i]));
    }
  }
  if (from.attachments == nullptr) return to;
  to.attachments.reserve(from.attachment_count);
  for (std::size_t i = 0; i < from.attachment_count; ++i) {
    to.attachments.push_back(attachment(*from.attachments[i]));
  }
  return to;
}

}  // namespace connector::copy

#endif  // CONNECTORS_SDK_CONVERT_H_
