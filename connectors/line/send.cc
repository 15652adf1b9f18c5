#include "connectors/line/send.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace line {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using sdk::json::Document;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::string_view kApi = "https://api.line.me";
constexpr std::size_t kMessagesPerPush = 5;
constexpr std::size_t kTextUnits = 5000;  // UTF-16 code units, as LINE counts
constexpr std::size_t kPlaceUnits = 100;  // of a location's title and of its address
constexpr std::size_t kTrackingBytes = 100;
constexpr std::size_t kMostPushes = 32;  // the answers a send may have
// A quota of the month can come back once other sends have ended, so it is asked for again later.
constexpr std::int64_t kQuotaPauseMs = 60 * 60'000;

// The message objects of a send, each as JSON, or why there are none.
using Messages = sdk::Expected<std::vector<std::string>, Fail>;
using Message = sdk::Expected<std::string, Fail>;

Fail cannot(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

std::string_view of(const Attachment& attachment, std::string_view name) {
  return connector::find(attachment.extra, name).value_or(std::string_view());
}

std::string cut(std::string_view text, std::size_t units) {
  return std::string(text.substr(0, sdk::utf16_offset(text, units)));
}

std::string text_message(std::string_view text, std::string_view quote_token) {
  Writer json;
  json.object().member("type", "text").member("text", text);
  if (!quote_token.empty()) json.member("quoteToken", quote_token);
  return json.end().take();
}

// What LINE has no message for goes as a link to it.
Message link(const Attachment& attachment) {
  std::string text = attachment.file_name;
  for (const std::string_view more :
       {of(attachment, "phone_number"), std::string_view(attachment.url)}) {
    if (more.empty()) continue;
    if (!text.empty()) text += '\n';
    text += more;
  }
  if (text.empty()) return cannot("There is nothing to send of the attachment.");
  if (sdk::utf16_length(text) > kTextUnits) return cannot("The attachment's link is too long.");
  return text_message(text, {});
}

// Milliseconds, told as such or in seconds.
std::int64_t duration_ms(const Attachment& attachment) {
  for (const auto& [name, unit] : {std::pair<std::string_view, std::int64_t>{"duration_ms", 1},
                                   std::pair<std::string_view, std::int64_t>{"duration", 1000}}) {
    const std::string_view told = of(attachment, name);
    std::int64_t value = 0;
    const auto [end, wrong] = std::from_chars(told.data(), told.data() + told.size(), value);
    if (wrong == std::errc() && end == told.data() + told.size() && value > 0 &&
        value <= 86'400'000) {
      return value * unit;
    }
  }
  return 0;
}

Message media(const Attachment& attachment, const Event& input) {
  if (attachment.url.empty()) return cannot("LINE takes media by URL only.");
  if (!attachment.url.starts_with("https://")) return cannot("LINE takes https URLs only.");
  const std::string_view preview = of(attachment, "preview_url");
  const std::int64_t duration = duration_ms(attachment);
  // A video cannot be shown without a preview image, nor a recording without its length.
  if (attachment.kind == "video" && preview.empty()) return link(attachment);
  if (attachment.kind == "audio" && duration == 0) return link(attachment);

  Writer json;
  json.object().member("type", attachment.kind).member("originalContentUrl", attachment.url);
  if (attachment.kind == "audio") {
    json.member("duration", duration);
  } else {
    json.member("previewImageUrl", preview.empty() ? std::string_view(attachment.url) : preview);
  }
  // Where one person watches, LINE tells when the video was seen to its end.
  if (attachment.kind == "video" && input.thread.starts_with('U') && !input.key.empty() &&
      input.key.size() <= kTrackingBytes) {
    json.member("trackingId", input.key);
  }
  return json.end().take();
}

std::optional<double> number(std::string_view digits) {
  const auto document = Document::parse(digits);
  return document ? document->root().number() : std::nullopt;
}

Message location(const Attachment& attachment) {
  const std::string_view latitude = of(attachment, "latitude");
  const std::string_view longitude = of(attachment, "longitude");
  if (!number(latitude) || !number(longitude)) {
    return cannot("A location needs its latitude and its longitude.");
  }
  // LINE demands both names; coordinates stand in where nobody gave one.
  std::string_view address = of(attachment, "address");
  const std::string coordinates = std::string(latitude) + ", " + std::string(longitude);
  if (address.empty()) address = coordinates;
  std::string_view title = of(attachment, "title");
  if (title.empty()) title = address;
  Writer json;
  json.object().member("type", "location");
  json.member("title", cut(title, kPlaceUnits)).member("address", cut(address, kPlaceUnits));
  // As they were written: a double would not give the same digits back.
  json.key("latitude").raw(latitude).key("longitude").raw(longitude);
  return json.end().take();
}

Message sticker(const Attachment& attachment, std::string_view quote_token) {
  const std::string_view package = of(attachment, "package_id");
  const std::string_view id = of(attachment, "sticker_id");
  if (package.empty() || id.empty()) return cannot("A sticker needs package_id and sticker_id.");
  Writer json;
  json.object().member("type", "sticker").member("packageId", package).member("stickerId", id);
  if (!quote_token.empty()) json.member("quoteToken", quote_token);
  return json.end().take();
}

// LINE quotes by token, and tokens are known of the contact's latest message, or told by the
// client.
std::string_view quote_token(const Event& input) {
  const auto told = connector::find(input.extra, "quote_token");
  if (told) return *told;
  if (input.reply_to.empty()) return {};
  if (connector::find(input.extra, "last.message") != std::string_view(input.reply_to)) return {};
  return connector::find(input.extra, "last.quote_token").value_or(std::string_view());
}

Messages messages_of(const Event& input) {
  std::vector<std::string> messages;
  std::string_view quote = quote_token(input);
  for (const std::string& piece : sdk::split_utf16(input.text, kTextUnits)) {
    messages.push_back(text_message(piece, std::exchange(quote, {})));
  }
  for (const Attachment& attachment : input.attachments) {
    const std::string_view kind = attachment.kind;
    Message message = kind == "location"  ? location(attachment)
                      : kind == "sticker" ? sticker(attachment, std::exchange(quote, {}))
                      : kind == "image" || kind == "video" || kind == "audio"
                          ? media(attachment, input)
                          : link(attachment);
    if (!message) return message.error();
    messages.push_back(*std::move(message));
  }
  if (messages.empty()) return cannot("There is nothing to send.");
  if (messages.size() > kMessagesPerPush * kMostPushes) return cannot("That is too much at once.");
  return messages;
}

// A repeated push that LINE already took is answered 409, with the id of the request it took.
bool is_accepted(const Response& response) {
  return connector::is_success(response) ||
         (response.status == 409 && !response.header("x-line-accepted-request-id").empty());
}

void add_sent(const Response& response, Done& done) {
  const auto document = Document::parse(response.body);
  if (!document) return;
  for (const Value sent : document->root()["sentMessages"].elements()) {
    if (const auto id = sent["id"].digits()) done.results.emplace_back("message", *id);
  }
}

Call push(const Channel& channel, const Event& input, std::span<const std::string> messages,
          std::size_t part) {
  Writer json;
  json.object().member("to", input.thread).key("messages").array();
  for (const std::string& message : messages) json.raw(message);
  Call call = api_call(channel, "POST", "/v2/bot/message/push", json.end().end().take());
  if (!input.key.empty()) {
    call.headers.emplace_back("x-line-retry-key", retry_key(input.key, part));
  }
  return call;
}

}  // namespace

Call api_call(const Channel& channel, std::string method, std::string_view path, std::string json) {
  Call call = connector::json_call(std::string(kApi) + std::string(path), std::move(json));
  if (call.body.empty()) call.headers.clear();
  call.method = std::move(method);
  call.headers.push_back(connector::bearer_auth(channel.setting("channel_access_token")));
  call.url_is_secret = false;
  return call;
}

Fail refusal(const Channel& channel, const Response& response, Repeat repeat) {
  Fail fail = connector::fail_from(response, repeat, channel.now_ms);
  const auto document = Document::parse(response.body);
  if (!document) return fail;
  const std::string_view message = document->root()["message"].text_or("");
  if (message.empty()) return fail;
  std::string words(message);
  for (const Value detail : document->root()["details"].elements()) {
    words += "; " + std::string(detail["property"].text_or("?")) + ": " +
             std::string(detail["message"].text_or("?"));
  }
  const std::string_view secrets[] = {channel.setting("channel_access_token"),
                                      channel.setting("channel_secret")};
  fail.why += ": " + connector::without_secrets(words, secrets);
  if (response.status == 429 && fail.retry_after_ms == 0 &&
      message.find("monthly limit") != std::string_view::npos) {
    fail.retry_after_ms = kQuotaPauseMs;
  }
  return fail;
}

connector::Step send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.kind != EventKind::message) {
    return cannot("LINE lets a bot neither change nor take back a message, nor react to one.");
  }
  const Messages messages = messages_of(input);
  if (!messages) return messages.error();
  Done done;
  for (const Response& response : so_far) {
    if (is_accepted(response)) {
      add_sent(response, done);
      continue;
    }
    Fail fail = refusal(channel, response, input.key.empty() ? Repeat::harmful : Repeat::safe);
    // The user id is nobody's, or not of this account's provider.
    if (response.status == 400 && fail.why.find("Failed to send messages") != std::string::npos) {
      fail.code = Failure::unreachable;
    }
    // A conflict that names no accepted request: LINE took something, it does not say what.
    if (response.status == 409) fail.code = Failure::uncertain;
    return fail;
  }
  const std::size_t begin = so_far.size() * kMessagesPerPush;
  if (begin < messages->size()) {
    const std::size_t count = std::min(kMessagesPerPush, messages->size() - begin);
    return push(channel, input, std::span(*messages).subspan(begin, count), so_far.size());
  }
  const bool is_tracked = std::any_of(messages->begin(), messages->end(), [](const auto& message) {
    return message.find("\"trackingId\":") != std::string::npos;
  });
  if (is_tracked) done.results.emplace_back("alias", input.key);
  return done;
}

std::string retry_key(std::string_view message_key, std::size_t part) {
  std::string digest =
      sdk::sha256("line push " + std::to_string(part) + " " + std::string(message_key))
          .substr(0, 16);
  // The form of a name-based UUID; its version 5 is known to more readers than the newer 8.
  digest[6] = static_cast<char>((static_cast<unsigned char>(digest[6]) & 0x0fu) | 0x50u);
  digest[8] = static_cast<char>((static_cast<unsigned char>(digest[8]) & 0x3fu) | 0x80u);
  std::string uuid = sdk::hex(digest);
  for (const std::size_t at : {8u, 13u, 18u, 23u}) uuid.insert(at, 1, '-');
  return uuid;
}

}  // namespace line
