#include "gateway/plugins/connector.h"

#include <algorithm>
#include <exception>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/convert.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace gateway::plugins {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Pairs;
using connector::Response;

// What a connector may emit. Text goes to Postgres and to clients, so it is made valid and short
// here, once for all connectors, before anything is allocated for it.
constexpr std::size_t kMaxEvents = 1000;
constexpr std::size_t kMaxAccounts = 1000;
constexpr std::size_t kMaxAttachments = 100;
constexpr std::size_t kMaxPairs = 100;
constexpr std::size_t kMaxIdBytes = 1024;
constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxTextBytes = 64u << 10;
constexpr std::size_t kMaxUrlBytes = 8u << 10;
constexpr std::size_t kMaxPairBytes = 16u << 10;
constexpr std::size_t kMaxWhyBytes = 2u << 10;
constexpr std::size_t kMaxCallBytes = 64u << 20;
constexpr std::size_t kMaxReplyBytes = 1u << 20;
constexpr std::size_t kMaxEmittedBytes = 96u << 20;
constexpr std::size_t kMaxReferences = 100;
constexpr std::size_t kMaxDocuments = 4;
constexpr std::int64_t kMaxAnswerBytes = 40u << 20;
constexpr std::uint64_t kDefaultBodyBytes = 4u << 20;
constexpr std::uint64_t kMaxBodyBytes = 40u << 20;
constexpr std::int64_t kLastMs = 253'402'300'799'999;  // the year 9999

std::string text(gwc_str from, std::size_t max_bytes) {
  return sdk::sanitize(connector::copy::view(from), max_bytes);
}

// Ids are compared, so a cut one keeps what makes it different.
std::string id(gwc_str from) {
  const std::string_view whole = connector::copy::view(from);
  if (whole.size() <= kMaxIdBytes) return sdk::sanitize(whole, 3 * kMaxIdBytes);
  return sdk::sanitize(whole.substr(0, kMaxIdBytes - 65), kMaxIdBytes) + "#" +
         sdk::hex(sdk::sha256(whole));
}

Pairs pairs(gwc_pairs from) {
  Pairs to;
  if (from.ptr == nullptr) return to;
  const std::size_t count = std::min(from.len, kMaxPairs);
  to.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string name = text(from.ptr[i].name, kMaxNameBytes);
    if (!name.empty()) to.emplace_back(std::move(name), text(from.ptr[i].value, kMaxPairBytes));
  }
  return to;
}

Attachment attachment(const gwc_attachment& from) {
  if (!GWC_HAS(&from, gwc_attachment, extra)) return {};
  return {.kind = text(from.kind, kMaxNameBytes),
          .url = text(from.url, kMaxUrlBytes),
          .media_id = id(from.media_id),
          .mime_type = text(from.mime_type, kMaxNameBytes),
          .file_name = text(from.file_name, kMaxNameBytes),
          .size = std::max<std::int64_t>(from.bytes, -1),
          .extra = pairs(from.extra),
          .content = GWC_HAS(&from, gwc_attachment, content) ? connector::copy::str(from.content)
                                                             : std::string()};
}

EventKind kind_of(std::int32_t kind) {
  return kind >= GWC_EVENT_MESSAGE && kind <= GWC_EVENT_UNKNOWN ? static_cast<EventKind>(kind)
                                                                : EventKind::unknown;
}

Event event(const gwc_event& from) {
  Event to{.kind = kind_of(from.kind),
           .account = id(from.account),
           .thread = id(from.thread),
           .message = id(from.message),
           .key = id(from.key),
           .contact = id(from.contact),
           .contact_name = text(from.contact_name, kMaxNameBytes),
           .sender = id(from.sender),
           .sender_name = text(from.sender_name, kMaxNameBytes),
           .text = text(from.text, kMaxTextBytes),
           .reply_to = id(from.reply_to),
           .state = text(from.state, kMaxNameBytes),
           .code = text(from.code, kMaxNameBytes),
           .sent_ms = from.sent_ms < 0 || from.sent_ms > kLastMs ? 0 : from.sent_ms,
           .sequence = from.sequence,
           .attachments = {},
           .extra = pairs(from.extra),
           .references = {}};
  if (GWC_HAS(&from, gwc_event, reference_count) && from.references != nullptr) {
    for (std::size_t i = 0; i < std::min(from.reference_count, kMaxReferences); ++i) {
      to.references.push_back(id(from.references[i]));
    }
  }
  if (from.attachments == nullptr) return to;
  const std::size_t count = std::min(from.attachment_count, kMaxAttachments);
  to.attachments.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (from.attachments[i] != nullptr) to.attachments.push_back(attachment(*from.attachments[i]));
  }
  return to;
}

std::size_t bytes_of(const Pairs& all) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : all) bytes += name.size() + value.size();
  return bytes;
}

std::size_t bytes_of(const Event& event) {
  std::size_t bytes = sizeof event + event.account.size() + event.thread.size() +
                      event.message.size() + event.key.size() + event.contact.size() +
                      event.contact_name.size() + event.sender.size() + event.sender_name.size() +
                      event.text.size() + event.reply_to.size() + bytes_of(event.extra);
  for (const Attachment& one : event.attachments) {
    bytes += sizeof one + one.url.size() + one.media_id.size() + one.file_name.size() +
             bytes_of(one.extra) + one.content.size();
  }
  for (const std::string& reference : event.references) bytes += reference.size();
  return bytes;
}

bool is_header_text(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

bool is_token(std::string_view name) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

// Headers are copied as they are: changing one silently could change what is asked of the platform.
bool copy_headers(gwc_pairs from, Pairs& to) {
  if (from.len > kMaxPairs || (from.len > 0 && from.ptr == nullptr)) return false;
  to = connector::copy::pairs(from);
  return std::all_of(to.begin(), to.end(), [](const connector::Pair& header) {
    return is_token(header.first) && header.second.size() <= kMaxPairBytes &&
           is_header_text(header.second);
  });
}

bool is_url(std::string_view url) {
  const std::string_view scheme = url.substr(0, std::min(url.find("://"), url.size()));
  const bool known = scheme == "https" || scheme == "smtp" || scheme == "smtps" ||
                     scheme == "imap" || scheme == "imaps";
  return known && url.size() <= kMaxUrlBytes && std::none_of(url.begin(), url.end(), [](char c) {
           return static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F;
         });
}

// Collects what a connector says during one call. `fault` is what it did wrong, if anything.
class Collector {
 public:
  Collector() {
    sink_.size = sizeof sink_;
    sink_.self = this;
    sink_.event = [](void* self, const gwc_event* value) { at(self).add(value); };
    sink_.reply = [](void* self, const gwc_response* value) { at(self).reply(value); };
    sink_.call = [](void* self, const gwc_call* value) { at(self).call(value); };
    sink_.done = [](void* self, const gwc_done* value) { at(self).done(value); };
    sink_.fail = [](void* self, const gwc_fail* value) { at(self).fail(value); };
    sink_.account = [](void* self, gwc_str value) { at(self).account(value); };
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  const gwc_sink* sink() const { return &sink_; }

  std::vector<Event> events;
  std::optional<Response> answer;
  std::optional<connector::Step> step;
  std::vector<std::string> accounts;
  std::string fault;

 private:
  // The callbacks run below the connector's frames: nothing may be thrown through those.
  static Collector& at(void* self) { return *static_cast<Collector*>(self); }

  template <class Body>
  void guarded(Body body) noexcept {
    try {
      body();
    } catch (const std::exception& e) {
      blame(e.what());
    }
  }
  void blame(std::string_view what) noexcept {
    if (fault.empty()) fault = what;
  }

  void add(const gwc_event* from) noexcept {
    guarded([&] {
      if (from == nullptr || !GWC_HAS(from, gwc_event, extra)) {
        return blame("emitted a malformed event");
      }
      if (events.size() == kMaxEvents) return blame("emitted more than 1000 events");
      events.push_back(event(*from));
      bytes_ += bytes_of(events.back());
      if (bytes_ > kMaxEmittedBytes) {
        events.clear();
        blame("emitted more than 96 MiB");
      }
    });
  }

  void reply(const gwc_response* from) noexcept {
    guarded([&] {
      if (from == nullptr || !GWC_HAS(from, gwc_response, body)) {
        return blame("emitted a malformed reply");
      }
      if (answer) return blame("replied twice");
      Response value{.status = from->status};
      if (value.status < 200 || value.status > 599 || from->body.len > kMaxReplyBytes ||
          !copy_headers(from->headers, value.headers)) {
        return blame("emitted a malformed reply");
      }
      value.body = connector::copy::str(from->body);
      answer = std::move(value);
    });
  }

  void conclude(connector::Step value) {
    if (step) return blame("answered plan twice");
    step = std::move(value);
  }

  void call(const gwc_call* from) noexcept {
    guarded([&] {
      if (from == nullptr || !GWC_HAS(from, gwc_call, body)) {
        return blame("emitted a malformed call");
      }
      Call value{.method = text(from->method, kMaxNameBytes),
                 .url = connector::copy::str(from->url),
                 .headers = {},
                 .body = {},
                 .answer_is_media = (from->flags & GWC_ANSWER_IS_MEDIA) != 0,
                 .url_is_secret = (from->flags & GWC_URL_IS_SECRET) != 0};
      if (value.method.empty() || !is_header_text(value.method) || !is_url(value.url) ||
          from->body.len > kMaxCallBytes || !copy_headers(from->headers, value.headers)) {
        return blame("emitted a malformed call");
      }
      value.body = connector::copy::str(from->body);
      if (GWC_HAS(from, gwc_call, answer_bytes)) {
        value.answer_bytes = std::clamp<std::int64_t>(from->answer_bytes, 0, kMaxAnswerBytes);
      }
      conclude(std::move(value));
    });
  }

  void done(const gwc_done* from) noexcept {
    guarded([&] {
      if (from == nullptr || !GWC_HAS(from, gwc_done, results)) {
        return blame("emitted a malformed done");
      }
      conclude(Done{.state = pairs(from->state), .results = pairs(from->results), .events = {}});
    });
  }

  void fail(const gwc_fail* from) noexcept {
    guarded([&] {
      if (from == nullptr || !GWC_HAS(from, gwc_fail, retry_after_ms)) {
        return blame("emitted a malformed fail");
      }
      const std::string why = text(from->why, kMaxWhyBytes);
      if (from->code < GWC_FAIL_CONFIG || from->code > GWC_FAIL_UNREACHABLE) {
        return blame(why.empty() ? "failed without a reason" : why);
      }
      conclude(Fail{.code = static_cast<Failure>(from->code),
                    .why = why,
                    .retry_after_ms = std::max<std::int64_t>(from->retry_after_ms, 0),
                    .platform_code = text(from->platform_code, kMaxNameBytes),
                    .max_attempts = GWC_HAS(from, gwc_fail, max_attempts)
                                        ? std::max<std::int64_t>(from->max_attempts, 0)
                                        : 0});
    });
  }

  void account(gwc_str from) noexcept {
    guarded([&] {
      if (accounts.size() < kMaxAccounts) accounts.push_back(id(from));
    });
  }

  gwc_sink sink_{};
  std::size_t bytes_ = 0;
};

// The fence of the connector boundary.
template <class Body>
void fenced(Collector& collector, Body body) {
  try {
    body();
  } catch (const std::exception& e) {
    collector.fault = std::string("threw: ") + e.what();
  } catch (...) {
    collector.fault = "threw something";
  }
}

}  // namespace

Connector::Connector(const gwc_connector& table, ConfigSchema schema, std::string path)
    : table_(&table), schema_(std::move(schema)), type_(table.type), path_(std::move(path)) {}

std::string Connector::version() const {
  return std::to_string(table_->abi_major) + "." + std::to_string(table_->abi_minor);
}

bool Connector::polls() const { return (table_->flags & GWC_POLLS) != 0; }

bool Connector::shares_callback_urls() const { return table_->accounts != nullptr; }

std::uint64_t Connector::max_body_bytes() const {
  const std::uint64_t asked =
      GWC_HAS(table_, gwc_connector, max_body_bytes) ? table_->max_body_bytes : 0;
  return asked == 0 ? kDefaultBodyBytes : std::min(asked, kMaxBodyBytes);
}

connector::Verdict Connector::verify(const connector::Channel& channel,
                                     const connector::Request& request) const {
  Collector collector;
  std::int32_t verdict = GWC_REFUSE;
  fenced(collector, [&] {
    connector::view::with_channel(channel, [&](const gwc_channel& c) {
      connector::view::with_request(
          request, [&](const gwc_request& r) { verdict = table_->verify(&c, &r); });
    });
  });
  if (!collector.fault.empty()) return connector::Verdict::refuse;
  if (verdict == GWC_ACCEPT) return connector::Verdict::accept;
  return verdict == GWC_TRY_LATER ? connector::Verdict::try_later : connector::Verdict::refuse;
}

Result<connector::Received> Connector::receive(const connector::Channel& channel,
                                               const connector::Request& request) const {
  Collector collector;
  fenced(collector, [&] {
    connector::view::with_channel(channel, [&](const gwc_channel& c) {
      connector::view::with_request(
          request, [&](const gwc_request& r) { table_->receive(&c, &r, collector.sink()); });
    });
  });
  if (!collector.fault.empty()) {
    return gateway::fail(Errc::internal, "connector " + type_ + " " + collector.fault);
  }
  if (collector.step) {
    const auto* why = std::get_if<Fail>(&*collector.step);
    return gateway::fail(Errc::invalid_argument,
                         why == nullptr ? "connector " + type_ + " planned in receive" : why->why,
                         why == nullptr ? "" : why->platform_code);
  }
  return connector::Received{std::move(collector.events), std::move(collector.answer)};
}

connector::Step Connector::plan(const connector::Channel& channel, connector::Operation operation,
                                const connector::Event& input,
                                std::span<const connector::Response> so_far) const {
  Collector collector;
  fenced(collector, [&] {
    std::vector<connector::view::PairsView> headers;
    std::vector<gwc_response> responses;
    std::vector<const gwc_response*> pointers;
    headers.reserve(so_far.size());
    responses.reserve(so_far.size());
    pointers.reserve(so_far.size());
    for (const Response& answer : so_far) {
      headers.emplace_back(answer.headers);
      responses.push_back({.size = sizeof(gwc_response),
                           .flags = answer.not_sent ? std::uint32_t{GWC_NOT_SENT} : 0u,
                           .status = answer.status,
                           .headers = headers.back().get(),
                           .body = connector::view::str(answer.body)});
      pointers.push_back(&responses.back());
    }
    connector::view::with_channel(channel, [&](const gwc_channel& c) {
      connector::view::with_event(input, [&](const gwc_event& e) {
        table_->plan(&c, static_cast<std::int32_t>(operation), &e, pointers.data(), pointers.size(),
                     collector.sink());
      });
    });
  });
  if (collector.fault.empty() && !collector.step) collector.fault = "gave no answer";
  if (!collector.fault.empty()) {
    return Fail{.code = Failure::permanent,
                .why = "connector " + type_ + " " + collector.fault,
                .retry_after_ms = 0,
                .platform_code = "connector_fault"};
  }
  if (auto* done = std::get_if<Done>(&*collector.step)) done->events = std::move(collector.events);
  return *std::move(collector.step);
}

std::vector<std::string> Connector::accounts(const connector::Request& request) const {
  if (table_->accounts == nullptr) return {};
  Collector collector;
  fenced(collector, [&] {
    connector::view::with_request(
        request, [&](const gwc_request& r) { table_->accounts(&r, collector.sink()); });
  });
  return collector.fault.empty() ? std::move(collector.accounts) : std::vector<std::string>();
}

std::vector<std::string> Connector::documents(const connector::Channel& channel,
                                              const connector::Request& request) const {
  if (!GWC_HAS(table_, gwc_connector, documents) || table_->documents == nullptr) return {};
  Collector collector;
  fenced(collector, [&] {
    connector::view::with_channel(channel, [&](const gwc_channel& c) {
      connector::view::with_request(
          request, [&](const gwc_request& r) { table_->documents(&c, &r, collector.sink()); });
    });
  });
  std::vector<std::string> urls;
  if (!collector.fault.empty()) return urls;
  for (std::string& url : collector.accounts) {
    if (urls.size() < kMaxDocuments && url.starts_with("https://") && is_url(url)) {
      urls.push_back(std::move(url));
    }
  }
  return urls;
}

void Connector::fill_defaults(const Deployment& deployment, connector::Pairs& config) const {
  for (const auto& [field, name] : schema_.deployment_defaults()) {
    const auto value = connector::find(deployment, name);
    const auto own = connector::find(config, field);
    if (value && !value->empty() && (!own || own->empty())) config.emplace_back(field, *value);
  }
}

}  // namespace gateway::plugins
