#include "gateway/plugins/describe.h"

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace gateway::plugins {
namespace {

using connector::Event;
using connector::EventKind;
using connector::Failure;
using connector::Operation;
using connector::Pairs;

std::string on_one_line(std::string_view value) {
  constexpr std::size_t kLongest = 400;
  std::string line;
  std::string rest;
  if (value.size() > kLongest) {
    rest = "... (" + std::to_string(sdk::utf16_length(value)) + " UTF-16 units, sha256 " +
           sdk::hex(sdk::sha256(value)).substr(0, 16) + ")";
    value = value.substr(0, sdk::utf16_offset(value, 40));
  }
  for (const char c : value) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\\') {
      line += "\\\\";
    } else if (c == '\t') {
      line += "\\t";
    } else {
      line += c;
    }
  }
  return line + rest;
}

void put(std::string& text, std::string_view indent, std::string_view name,
         std::string_view value) {
  if (value.empty()) return;
  text += indent;
  text += name;
  text += ": ";
  text += on_one_line(value);
  text += '\n';
}

void put_number(std::string& text, std::string_view indent, std::string_view name,
                std::int64_t value, std::int64_t absent) {
  if (value != absent) put(text, indent, name, std::to_string(value));
}

void put_lines(std::string& text, std::string_view prefix, std::string_view lines) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    text += prefix;
    text += line;
    text += '\n';
  }
}

std::string outcome(const connector::Done& done) {
  std::string text = "= done\n";
  for (const auto& [name, value] : done.state) put(text, "= state ", name, value);
  for (const auto& [name, value] : done.results) put(text, "= result ", name, value);
  for (const Event& event : done.events) put_lines(text, "= ", describe(event));
  return text;
}

std::string outcome(const connector::Fail& fail) {
  std::string text = "= fail " + std::string(name_of(fail.code)) + "\n";
  put(text, "= ", "why", fail.why);
  put(text, "= ", "platform_code", fail.platform_code);
  put_number(text, "= ", "retry_after_ms", fail.retry_after_ms, 0);
  put_number(text, "= ", "max_attempts", fail.max_attempts, 0);
  return text;
}

std::string outcome(const connector::Call& call) {
  std::string text = "> " + call.method + " " + call.url + "\n";
  if (call.answer_is_media) text += "> (the answer is media)\n";
  if (!call.url_is_secret) text += "> (the URL is no secret)\n";
  if (call.answer_bytes > 0) {
    text += "> (the answer may have " + std::to_string(call.answer_bytes) + " bytes)\n";
  }
  for (const auto& [name, value] : call.headers) put(text, "> ", name, value);
  if (!call.body.empty()) {
    text += ">\n";
    put_lines(text, "> ", call.body);
  }
  return text;
}

}  // namespace

std::string_view name_of(EventKind kind) {
  switch (kind) {
    case EventKind::message:
      return "message";
    case EventKind::echo:
      return "echo";
    case EventKind::edited:
      return "edited";
    case EventKind::deleted:
      return "deleted";
    case EventKind::reaction:
      return "reaction";
    case EventKind::status:
      return "status";
    case EventKind::callback:
      return "callback";
    case EventKind::contact_state:
      return "contact_state";
    case EventKind::thread_moved:
      return "thread_moved";
    case EventKind::notice:
      return "notice";
    case EventKind::typing:
      return "typing";
    case EventKind::account_state:
      return "account_state";
    case EventKind::unknown:
      break;
  }
  return "unknown";
}

std::string_view name_of(Operation operation) {
  switch (operation) {
    case Operation::register_webhook:
      return "register";
    case Operation::unregister_webhook:
      return "unregister";
    case Operation::check:
      return "check";
    case Operation::poll:
      return "poll";
    case Operation::send:
      return "send";
    case Operation::fetch_media:
      return "fetch_media";
    case Operation::acknowledge:
      return "acknowledge";
    case Operation::signal:
      break;
  }
  return "signal";
}

std::string_view name_of(Failure failure) {
  switch (failure) {
    case Failure::config:
      return "config";
    case Failure::auth:
      return "auth";
    case Failure::rate:
      return "rate";
    case Failure::retry:
      return "retry";
    case Failure::permanent:
      return "permanent";
    case Failure::uncertain:
      return "uncertain";
    case Failure::unreachable:
      break;
  }
  return "unreachable";
}

std::string describe(const Event& event) {
  std::string text(name_of(event.kind));
  text += '\n';
  put(text, "  ", "account", event.account);
  put(text, "  ", "thread", event.thread);
  put(text, "  ", "message", event.message);
  put(text, "  ", "key", event.key);
  put(text, "  ", "contact", event.contact);
  put(text, "  ", "contact_name", event.contact_name);
  put(text, "  ", "sender", event.sender);
  put(text, "  ", "sender_name", event.sender_name);
  put(text, "  ", "text", event.text);
  put(text, "  ", "reply_to", event.reply_to);
  put(text, "  ", "state", event.state);
  put(text, "  ", "code", event.code);
  put_number(text, "  ", "sent_ms", event.sent_ms, 0);
  put_number(text, "  ", "sequence", event.sequence, 0);
  for (const connector::Attachment& attachment : event.attachments) {
    put(text, "  ", "attachment", attachment.kind);
    put(text, "    ", "url", attachment.url);
    put(text, "    ", "media_id", attachment.media_id);
    put(text, "    ", "mime_type", attachment.mime_type);
    put(text, "    ", "file_name", attachment.file_name);
    put_number(text, "    ", "size", attachment.size, -1);
    for (const auto& [name, value] : attachment.extra) put(text, "    ", "+" + name, value);
    if (!attachment.content.empty()) {
      put(text, "    ", "content",
          std::to_string(attachment.content.size()) + " bytes, sha256 " +
              sdk::hex(sdk::sha256(attachment.content)).substr(0, 16));
    }
  }
  for (const auto& [name, value] : event.extra) put(text, "  ", "+" + name, value);
  for (const std::string& reference : event.references) put(text, "  ", "reference", reference);
  return text;
}

std::string describe(const Result<connector::Received>& received) {
  if (!received) {
    return (received.error().code == Errc::invalid_argument ? "not understood: " : "fault: ") +
           received.error().message + "\n";
  }
  std::string text;
  for (const Event& event : received->events) text += describe(event);
  if (received->reply) {
    text += "reply " + std::to_string(received->reply->status) + "\n";
    for (const auto& [name, value] : received->reply->headers) put(text, "  ", name, value);
    put(text, "  ", "body", received->reply->body);
  }
  return text.empty() ? "nothing\n" : text;
}

std::string describe(const connector::Step& step) {
  return std::visit([](const auto& value) { return outcome(value); }, step);
}

}  // namespace gateway::plugins
