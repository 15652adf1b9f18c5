#include <algorithm>
#include <array>

#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/segments.h"

namespace sms {
namespace {

using connector::Attachment;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Response;
using connector::Step;

// One message of ours becomes at most so many of theirs.
constexpr std::size_t kMaxMessages = 20;

// WhatsApp and RCS senders of Twilio come through the same API, with the channel before the
// number: https://www.twilio.com/docs/messaging/api/message-resource (read 2026-11-20).
bool is_prefixed_address(std::string_view text) {
  constexpr std::array<std::string_view, 3> kPrefixes{"whatsapp:", "rcs:", "messenger:"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](std::string_view prefix) {
    return text.size() > prefix.size() && text.starts_with(prefix);
  });
}

sdk::Expected<std::string, Fail> recipient(const Provider& provider, const Channel& channel,
                                           const Event& input) {
  const std::string_view thread = input.thread.empty() ? input.contact : input.thread;
  if (is_prefixed_address(thread) && provider.name == kTwilio.name) return std::string(thread);
  if (is_short_code(thread)) return std::string(thread);
  if (auto number = to_e164(thread, channel.setting("region"))) return *std::move(number);
  if (is_alphanumeric(thread)) {
    return Fail{.code = Failure::unreachable,
                .why = "the contact is a sender's name, which cannot be answered",
                .platform_code = "alphanumeric_sender"};
  }
  return permanent_fail("the conversation's contact is no phone number");
}

std::vector<std::string> split(const Provider& provider, std::string_view text) {
  const auto fits = [&](std::string_view piece) {
    return sdk::utf16_length(piece) <= provider.text_units &&
           segments_of(piece).count <= provider.text_segments;
  };
  if (text.empty() || fits(text)) return {std::string(text)};
  const std::size_t part = segments_of(text).alphabet == Alphabet::gsm7 ? 153 : 66;
  // Characters of two septets take more room than they have units.
  for (std::size_t units = std::min(provider.text_units, part * provider.text_segments);;
       units = units * 3 / 4) {
    std::vector<std::string> pieces = sdk::split_utf16(text, units);
    if (units < 16 || std::all_of(pieces.begin(), pieces.end(), fits)) return pieces;
  }
}

// A place or a person in words, since a text message has no form for them.
std::string in_words(const Attachment& attachment) {
  std::string words;
  const auto append = [&](std::string_view text, std::string_view between) {
    if (text.empty()) return;
    if (!words.empty()) words += between;
    words += text;
  };
  const auto extra = [&](std::string_view name) {
    return connector::find(attachment.extra, name).value_or("");
  };
  append(extra("title"), " ");
  append(extra("first_name"), " ");
  append(extra("last_name"), " ");
  append(extra("address"), ", ");
  append(extra("phone_number"), ", ");
  if (!extra("latitude").empty() && !extra("longitude").empty()) {
    append(std::string(extra("latitude")) + ", " + std::string(extra("longitude")), ", ");
  }
  return words;
}

struct Content {
  std::string text;
  std::vector<Attachment> media;
};

sdk::Expected<Content, Fail> content_of(const Event& input, std::size_t media_count) {
  Content content{.text = input.text, .media = {}};
  const auto append = [&](std::string_view line) {
    if (!content.text.empty()) content.text += '\n';
    content.text += line;
  };
  for (const Attachment& attachment : input.attachments) {
    if (attachment.kind == "location" || attachment.kind == "contact") {
      const std::string words = in_words(attachment);
      if (!words.empty()) {
        append(words);
        continue;
      }
    }
    if (!attachment.url.starts_with("https://")) {
      return permanent_fail("an attachment has no public link, by which alone it could be sent");
    }
    if (media_count > 0) {
      content.media.push_back(attachment);
    } else {
      append(attachment.url);
    }
  }
  if (content.text.empty() && content.media.empty()) {
    return permanent_fail("there is nothing to send");
  }
  return content;
}

sdk::Expected<std::vector<Outgoing>, Fail> compose(const Provider& provider, const Channel& channel,
                                                   const Event& input, const std::string& to) {
  const std::size_t media_count = provider.media_count(channel, to);
  auto content = content_of(input, media_count);
  if (!content) return content.error();
  std::vector<Outgoing> all;
  for (std::string& piece : split(provider, content->text)) {
    all.push_back({.to = to, .text = std::move(piece)});
  }
  for (std::size_t i = 0; i < content->media.size(); ++i) {
    const std::size_t message = i / media_count;
    if (i % media_count == 0 && message > 0) {
      all.insert(all.begin() + static_cast<std::ptrdiff_t>(message), Outgoing{.to = to});
    }
    all[message].media.push_back(std::move(content->media[i]));
  }
  if (all.size() > kMaxMessages) {
    return Fail{.code = Failure::permanent,
                .why = "the message is too long: it would be sent as " +
                       std::to_string(all.size()) + " messages",
                .platform_code = "too_long"};
  }
  // A report finds the message by its first piece.
  all[0].key = input.key;
  const auto answered = connector::find(input.extra, "last.to").value_or("");
  for (Outgoing& one : all) one.answered = answered;
  return all;
}

}  // namespace

Step send(const Provider& provider, const Channel& channel, const Event& input,
          std::span<const Response> so_far) {
  if (input.kind != EventKind::message && input.kind != EventKind::echo) {
    return permanent_fail("a text message cannot be changed once it was sent");
  }
  const auto to = recipient(provider, channel, input);
  if (!to) return to.error();
  const auto messages = compose(provider, channel, input, *to);
  if (!messages) return messages.error();
  Done done;
  std::size_t sent = 0;
  for (const Response& response : so_far) {
    auto taken = provider.accepted(channel, response);
    if (!taken) {
      Fail fail = std::move(taken).error();
      if (sent > 0) {
        fail.why = "part " + std::to_string(sent + 1) + " of " + std::to_string(messages->size()) +
                   " was not accepted: " + fail.why;
      }
      return fail;
    }
    done.results.emplace_back("message", std::move(taken->id));
    for (std::string& alias : taken->aliases) done.results.emplace_back("alias", std::move(alias));
    if (++sent == messages->size()) break;
  }
  if (sent < messages->size()) return provider.message(channel, (*messages)[sent]);
  // A number that a person typed in another form: what comes back names its E.164 form.
  if (*to != input.thread) done.results.emplace_back("moved_to", *to);
  return done;
}

}  // namespace sms
