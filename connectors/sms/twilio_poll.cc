#include <algorithm>

#include "connectors/sdk/text.h"
#include "connectors/sms/events.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"
#include "connectors/sms/twilio.h"

// After the last attempt a delivery is lost, but the message stays in Twilio's list. So the list is
// read from time to time, and at once after a time in which nobody was there to be delivered to.
//
// State: "poll.seen" when we last were here, "poll.listed" up to when the list was read; during a
// listing that takes several polls "poll.page", "poll.from" and "poll.until".

namespace sms::twilio {
namespace {

using connector::Channel;
using connector::Done;
using connector::Event;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
// Being here is not written down every minute; a gap is longer than what may go unwritten.
constexpr std::int64_t kSeenEveryMs = 5 * kMinuteMs;
constexpr std::int64_t kGapMs = 15 * kMinuteMs;
// Attempts of Twilio's may be under way while we read, and its list lags a little.
constexpr std::int64_t kOverlapMs = 10 * kMinuteMs;
constexpr std::int64_t kLongestWindowMs = 14 * 24 * kHourMs;

// A page and the files of each of its messages take at most 21 of a poll's 32 answers.
constexpr std::size_t kPageSize = 20;
constexpr std::size_t kMaxAnswers = 32;

std::int64_t kept_ms(const Channel& channel, std::string_view name) {
  return number_or_zero(channel.kept(name));
}

std::int64_t interval_ms(const Channel& channel) {
  const std::string_view setting = channel.setting("reconcile_hours");
  if (setting.empty()) return kHourMs;
  return std::min<std::int64_t>(number_or_zero(setting), 168) * kHourMs;
}

std::string first_page(const Channel& channel, std::int64_t from_ms) {
  std::string url = account_url(channel, "/Messages.json?DateSent%3E=") + utc_date(from_ms) +
                    "&PageSize=" + std::to_string(kPageSize);
  // A service has several numbers, and the list cannot be asked for a service.
  if (channel.setting("messaging_service_sid").empty()) {
    url += "&To=" + sdk::url_encode(own_number(channel));
  }
  return url;
}

// A path of our own account, or nothing.
std::string page_url(const Channel& channel, std::string_view path) {
  const std::string prefix = account_url(channel, "/Messages.json?");
  const std::string url = std::string(kApi) + std::string(path);
  const bool is_ours =
      url.starts_with(prefix) && is_url_text(url) && url.find('#') == std::string::npos;
  return is_ours ? url : std::string();
}

bool is_wanted(const Channel& channel, Value message) {
  if (message["direction"].text_or("") != "inbound") return false;
  const std::string_view service = channel.setting("messaging_service_sid");
  return service.empty() || message["messaging_service_sid"].text_or("") == service;
}

bool has_files(Value message) {
  const std::string_view count = message["num_media"].digits().value_or("0");
  return !count.empty() && count != "0";
}

std::string media_list_url(const Channel& channel, Value message) {
  return account_url(channel,
                     "/Messages/" + sdk::url_encode(message["sid"].text_or("")) + "/Media.json");
}

// The delivery that was lost, in the form it would have had; so its events have the same keys.
sdk::Form delivery_of(const Channel& channel, Value message, const Answer* files) {
  sdk::Form form;
  const auto put = [&](std::string_view name, std::string_view member) {
    form.emplace_back(name, message[member].digits().value_or(""));
  };
  put("MessageSid", "sid");
  put("From", "from");
  put("To", "to");
  put("Body", "body");
  put("NumSegments", "num_segments");
  put("MessagingServiceSid", "messaging_service_sid");
  if (files == nullptr) return form;
  std::size_t number = 0;
  for (const Value file : files->root()["media_list"].elements()) {
    const std::string index = std::to_string(number++);
    form.emplace_back(
        "MediaUrl" + index,
        account_url(channel, "/Messages/" + sdk::url_encode(message["sid"].text_or("")) +
                                 "/Media/" + sdk::url_encode(file["sid"].text_or(""))));
    form.emplace_back("MediaContentType" + index, file["content_type"].text_or(""));
  }
  return form;
}

struct Listing {
  std::int64_t from_ms;
  std::int64_t until_ms;
  std::vector<Event> events;  // oldest first
};

// Whether the listing is over with this page: messages come newest first.
bool is_older(Value message, std::int64_t from_ms) {
  const auto sent = mail_date_ms(message["date_sent"].text_or(""));
  return sent && *sent < from_ms;
}

void prepend(Listing& listing, std::vector<Event> events) {
  listing.events.insert(listing.events.begin(), std::make_move_iterator(events.begin()),
                        std::make_move_iterator(events.end()));
}

void add_message(const Channel& channel, Listing& listing, Value message, const Answer* files) {
  auto result = events_of(channel, delivery_of(channel, message, files), "");
  if (!result || result->events.empty()) return;
  // The key must be that of the delivery, which knows no time; so the time stands beside it. An
  // inbound message was sent when Twilio received it.
  const std::string_view date = message["date_sent"].text_or("");
  if (const auto sent = mail_date_ms(date); sent && *sent > 0) {
    add(result->events[0].extra, "order_ms", std::to_string(*sent));
  }
  add(result->events[0].extra, "date_sent", date);
  add(result->events[0].extra, "recovered", "1");
  prepend(listing, std::move(result->events));
}

Done finished(Listing listing) {
  return {.state = {{"poll.listed", std::to_string(listing.until_ms)},
                    {"poll.seen", std::to_string(listing.until_ms)},
                    {"poll.page", ""},
                    {"poll.from", ""},
                    {"poll.until", ""}},
          .results = {},
          .events = std::move(listing.events)};
}

Done interrupted(const Channel& channel, Listing listing, std::string next_page) {
  return {.state = {{"poll.seen", std::to_string(channel.now_ms)},
                    {"poll.page", std::move(next_page)},
                    {"poll.from", std::to_string(listing.from_ms)},
                    {"poll.until", std::to_string(listing.until_ms)}},
          .results = {{"more", "1"}},
          .events = std::move(listing.events)};
}

Step list(const Channel& channel, Listing listing, std::string url,
          std::span<const Response> so_far) {
  const bool resumed = !channel.kept("poll.page").empty();
  Answers answers(so_far);
  std::size_t used = 0;
  for (;;) {
    const Response* response = answers.next();
    if (response == nullptr) {
      connector::Call call = get(channel, url);
      call.answer_bytes = 2 << 20;
      return call;
    }
    ++used;
    const Answer page(*response);
    // A page's address does not live for ever. The listing begins anew; what it already brought is
    // found by its keys.
    if (resumed && used == 1 && (response->status == 400 || response->status == 404)) {
      return Done{.state = {{"poll.page", ""}}, .results = {{"more", "1"}}, .events = {}};
    }
    if (!page.ok()) return fail_of(channel, *response, Repeat::safe);
    const Value messages = page.root()["messages"];
    if (!messages.is_array()) {
      return connector::fail_from(*response, Repeat::safe, channel.now_ms);
    }
    bool over = false;
    for (const Value message : messages.elements()) {
      if (is_older(message, listing.from_ms)) {
        over = true;
        break;
      }
      if (!is_wanted(channel, message)) continue;
      // A page longer than what was asked for leaves no room to look its files up.
      if (!has_files(message) || used >= kMaxAnswers) {
        add_message(channel, listing, message, nullptr);
        continue;
      }
      const Response* files = answers.next();
      if (files == nullptr) return get(channel, media_list_url(channel, message));
      ++used;
      const Answer media(*files);
      // A message may have been deleted since it was listed.
      if (!media.ok() && files->status != 404) return fail_of(channel, *files, Repeat::safe);
      add_message(channel, listing, message, media.ok() ? &media : nullptr);
    }
    const std::string next(page.root()["next_page_uri"].text_or(""));
    url = page_url(channel, next);
    if (over || messages.size() == 0 || url.empty()) return finished(std::move(listing));
    if (used + 1 + kPageSize > kMaxAnswers) return interrupted(channel, std::move(listing), next);
  }
}

}  // namespace

Step poll(const Channel& channel, std::span<const Response> so_far) {
  const std::int64_t interval = interval_ms(channel);
  // A name receives nothing.
  if (interval == 0 || is_alphanumeric(channel.setting("from"))) return Done{};
  const std::string now = std::to_string(channel.now_ms);
  const std::int64_t seen = kept_ms(channel, "poll.seen");
  const std::int64_t listed = kept_ms(channel, "poll.listed");
  if (listed == 0) return Done{.state = {{"poll.seen", now}, {"poll.listed", now}}};
  const std::string page = page_url(channel, channel.kept("poll.page"));
  if (!page.empty()) {
    return list(channel,
                {.from_ms = kept_ms(channel, "poll.from"),
                 .until_ms = kept_ms(channel, "poll.until"),
                 .events = {}},
                page, so_far);
  }
  const bool was_away = channel.now_ms - seen > kGapMs;
  if (!was_away && channel.now_ms - listed < interval) {
    if (channel.now_ms - seen < kSeenEveryMs) return Done{};
    return Done{.state = {{"poll.seen", now}}};
  }
  const std::int64_t from = std::max(listed - kOverlapMs, channel.now_ms - kLongestWindowMs);
  return list(channel, {.from_ms = from, .until_ms = channel.now_ms, .events = {}},
              first_page(channel, from), so_far);
}

}  // namespace sms::twilio
