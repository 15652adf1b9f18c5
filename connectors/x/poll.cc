#include "connectors/x/poll.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/x/answer.h"
#include "connectors/x/api.h"
#include "connectors/x/content.h"
#include "connectors/x/ids.h"

namespace x {
namespace {

using connector::Channel;
using connector::Done;
using connector::Event;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = 24 * 60 * kMinuteMs;

// GET /2/dm_events: 15 calls per user in 15 minutes, 30 days back
// (https://docs.x.com/x-api/fundamentals/rate-limits, read 2026-11-20).
constexpr std::int64_t kWindowMs = 15 * kMinuteMs;
constexpr std::int64_t kCallsPerWindow = 15;
// Runs come every minute, give or take; one that comes early must not be left out, or the next
// would be the first in two minutes.
constexpr std::int64_t kPolledEveryMs = kMinuteMs * 3 / 4;
constexpr std::int64_t kReconciledEveryMs = 15 * kMinuteMs;
// Runs come about every minute; who was away for longer may have missed deliveries.
constexpr std::int64_t kOutageMs = 5 * kMinuteMs;
constexpr std::int64_t kHeartbeatMs = 3 * kMinuteMs;
// Messages may become visible out of order.
constexpr std::int64_t kOverlapMs = 2 * kMinuteMs;
// A run emits at most 1000 events, a page has at most 100.
constexpr std::size_t kMaxPages = 10;

// Renewed while the old token still works.
constexpr std::int64_t kRenewEarlyMs = 20 * kMinuteMs;
constexpr std::int64_t kTokenLifeS = 7200;

constexpr std::string_view kUserFields = "&user.fields=username,name,profile_image_url";
constexpr std::string_view kMediaFields =
    "&media.fields=type,url,preview_image_url,variants,width,height,duration_ms,alt_text";

std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
}

// A walk back in time through what X lists newest first.
class Walk {
 public:
  // `prefix` of the names in the channel's state: "dm", "post".
  Walk(const Channel& channel, std::string_view prefix)
      : channel_(channel),
        prefix_(prefix),
        cursor_(kept("cursor")),
        page_(kept("page")),
        top_(kept("top")),
        resumed_(!page_.empty()) {
    if (!is_id(cursor_)) cursor_.clear();
    if (!is_id(top_)) top_.clear();
  }

  const std::string& cursor() const { return cursor_; }
  const std::string& page() const { return page_; }
  bool is_resumed() const { return resumed_; }
  bool is_over() const { return is_over_; }
  std::int64_t polled_ms() const { return number(kept("polled_ms")); }

  // Whether an item is one to report; the first that is not ends the walk.
  bool takes(std::string_view id, std::int64_t ms) {
    if (top_.empty() || is_less(top_, id)) top_ = id;
    if (ms > 0 && ms < number(channel_.kept("since_ms"))) {
      is_over_ = true;
    } else if (!cursor_.empty() && !is_less(cursor_, id)) {
      const std::int64_t cursor_ms = snowflake_ms(cursor_);
      is_over_ = is_over_ || cursor_ms == 0 || snowflake_ms(id) < cursor_ms - kOverlapMs;
    }
    return !is_over_;
  }

  void turn(std::string_view next_page) {
    page_ = next_page;
    if (page_.empty()) is_over_ = true;
  }

  void keep(Done& done) const {
    const auto put = [&](std::string_view name, std::string value) {
      done.state.emplace_back(prefix_ + "_" + std::string(name), std::move(value));
    };
    if (is_over_) {
      const bool is_new = cursor_.empty() || is_less(cursor_, top_);
      if (is_new && !top_.empty()) put("cursor", top_);
      put("page", "");
      put("top", "");
    } else {
      put("page", page_);
      put("top", top_);
    }
    put("polled_ms", std::to_string(channel_.now_ms));
  }

  // X forgets its page tokens: the walk begins anew.
  void keep_restart(Done& done) const {
    done.state.emplace_back(prefix_ + "_page", "");
    done.state.emplace_back(prefix_ + "_top", "");
  }

 private:
  std::string_view kept(std::string_view name) const {
    return channel_.kept(prefix_ + "_" + std::string(name));
  }

  const Channel& channel_;
  const std::string prefix_;
  std::string cursor_;
  std::string page_;
  std::string top_;
  const bool resumed_;
  bool is_over_ = false;
};

class Poll {
 public:
  Poll(const Channel& channel, std::span<const Response> so_far)
      : account_(channel),
        so_far_(so_far),
        messages_(channel, "dm"),
        posts_(channel, "post"),
        delivery_{.self = account_.user_id(), .account = {}, .now_ms = channel.now_ms} {}

  Step step() {
    if (!account_.acts_for_user() || delivery_.self.empty() || kept("since_ms").empty()) {
      return Done{};
    }
    if (is_renewal_due()) return renew();
    if (are_messages_due()) return look_up_messages();
    if (are_posts_due()) return look_up_posts();
    Done done;
    if (now_ms() - number(kept("alive_ms")) >= kHeartbeatMs) keep("alive_ms", now_ms(), done);
    return done;
  }

 private:
  std::int64_t now_ms() const { return account_.channel().now_ms; }
  std::string_view kept(std::string_view name) const { return account_.channel().kept(name); }
  const Response* answer() { return next_ < so_far_.size() ? &so_far_[next_++] : nullptr; }
  Api api() const { return {account_, Operation::poll, "", next_}; }
  Fail fail(const Answer& answer) const {
    return fail_of(account_, answer, About::app, Repeat::safe);
  }
  static void keep(std::string_view name, std::int64_t value, Done& done) {
    done.state.emplace_back(name, std::to_string(value));
  }

  // ---- when

  bool is_renewal_due() const {
    if (!account_.can_refresh()) return false;
    const bool is_ours = kept("oauth2_for") == account_.user_fingerprint();
    return !is_ours || now_ms() >= number(kept("oauth2_expires_ms")) - kRenewEarlyMs;
  }

  bool is_due(const Walk& walk) const {
    if (!walk.page().empty()) return true;
    const std::int64_t quiet_ms = now_ms() - walk.polled_ms();
    const std::int64_t alive_ms = number(kept("alive_ms"));
    const bool was_away = alive_ms > 0 && now_ms() - alive_ms >= kOutageMs;
    const bool is_polled = account_.ingest() == Ingest::poll;
    return quiet_ms >= (is_polled || was_away ? kPolledEveryMs : kReconciledEveryMs);
  }

  bool are_messages_due() const { return is_due(messages_) && calls_left() > 0; }

  bool are_posts_due() const {
    const std::int64_t refused_ms = number(kept("post_refused_ms"));
    return account_.mentions() && is_due(posts_) && now_ms() - refused_ms >= kDayMs;
  }

  std::int64_t window_start_ms() const {
    const std::int64_t start_ms = number(kept("calls_from_ms"));
    return now_ms() - start_ms < kWindowMs ? start_ms : now_ms();
  }
  std::int64_t calls_made() const {
    return window_start_ms() == now_ms() ? 0 : std::max<std::int64_t>(number(kept("calls")), 0);
  }
  std::int64_t calls_left() const { return kCallsPerWindow - calls_made(); }

  // ---- tokens

  Step renew() {
    const Response* response = answer();
    if (response == nullptr) return api().ask_user_tokens();
    const Answer answer(*response);
    const std::string_view token = answer.root()["access_token"].text_or("");
    if (!connector::is_success(*response) || !is_token(token)) {
      Fail refusal = fail(answer);
      // A refresh token that was used, or belongs to another client.
      if (response->status == 400 || response->status == 403) refusal.code = Failure::auth;
      return refusal;
    }
    std::string refresh(answer.root()["refresh_token"].text_or(""));
    if (!is_token(refresh)) refresh = account_.refresh_token();
    const std::int64_t life_s = std::clamp<std::int64_t>(
        answer.root()["expires_in"].integer().value_or(kTokenLifeS), 30 * 60, 30 * 86'400);
    Done done;
    done.state = {{"oauth2_access_token", std::string(token)},
                  {"oauth2_refresh_token", std::move(refresh)},
                  {"oauth2_for", account_.user_fingerprint()}};
    keep("oauth2_expires_ms", now_ms() + life_s * 1000, done);
    done.results = {{"more", "1"}};
    return done;
  }

  // The guides and the API's own description disagree about the names of fields.
  static bool names_of_fields_are_wrong(const Answer& answer) {
    return answer.says("fields") || answer.says("expansions");
  }

  // ---- direct messages

  std::string messages_path(bool is_narrow) const {
    std::string path = "/2/dm_events?event_types=MessageCreate&dm_event.fields=id,text,event_type,";
    path += is_narrow ? "created_at,dm_conversation_id,attachments,entities"
                      : "created_at,dm_conversation_id,sender_id,attachments,referenced_tweets,"
                        "entities";
    path += "&expansions=sender_id,attachments.media_keys";
    path += kMediaFields;
    path += kUserFields;
    path += "&max_results=100";
    if (!messages_.page().empty()) {
      path += "&pagination_token=" + sdk::url_encode(messages_.page());
    }
    return path;
  }

  Step look_up_messages() {
    bool is_narrow = kept("dm_fields") == "narrow";
    const bool was_narrow = is_narrow;
    std::size_t pages = 0;
    const auto most = std::min(kMaxPages, static_cast<std::size_t>(calls_left()));
    while (!messages_.is_over() && next_ < most) {
      const Response* response = answer();
      if (response == nullptr) return api().as_user("GET", messages_path(is_narrow));
      const Answer answer(*response);
      if (response->status == 400 && pages == 0) {
        if (!is_narrow && names_of_fields_are_wrong(answer)) {
          is_narrow = true;
          continue;
        }
        if (messages_.is_resumed()) return counted(restarted(messages_));
      }
      if (!answer.ok()) return fail(answer);
      ++pages;
      take_messages(answer);
    }
    Done done = counted(concluded(messages_));
    if (is_narrow && !was_narrow) done.state.emplace_back("dm_fields", "narrow");
    const bool has_more = !messages_.is_over() && static_cast<std::int64_t>(next_) < calls_left();
    return with_more(std::move(done), has_more || are_posts_due());
  }

  Done counted(Done done) const {
    keep("calls_from_ms", window_start_ms(), done);
    keep("calls", calls_made() + static_cast<std::int64_t>(next_), done);
    return done;
  }

  void take_messages(const Answer& answer) {
    for (const Value one : answer.data().elements()) {
      const std::string id = id_of(one["id"]);
      if (id.empty()) continue;
      const std::int64_t ms = event_ms(id, iso_ms(one["created_at"].text_or("")), now_ms());
      if (!messages_.takes(id, ms)) break;
      if (auto event = looked_up_message(delivery_, one, answer.root()["includes"])) {
        events_.push_back(*std::move(event));
      } else {
        Event unknown{.message = id, .key = "unknown:dm_events:" + id, .sent_ms = ms};
        unknown.extra = {{"update", "dm_events"}};
        events_.push_back(std::move(unknown));
      }
    }
    messages_.turn(answer.root()["meta"]["next_token"].text_or(""));
  }

  // ---- mentions

  std::string posts_path(bool is_narrow) const {
    std::string path = "/2/users/" + delivery_.self + "/mentions?";
    path += is_narrow ? "post.fields=conversation_id,created_at,entities,note_post,attachments"
                        "&expansions=author_id,in_reply_to_user_id,referenced_posts,"
                        "attachments.media_keys"
                      : "tweet.fields=author_id,conversation_id,created_at,entities,"
                        "in_reply_to_user_id,note_tweet,referenced_tweets,attachments"
                        "&expansions=author_id,attachments.media_keys";
    path += kMediaFields;
    path += kUserFields;
    path += "&max_results=100";
    if (!posts_.cursor().empty()) {
      path += "&since_id=" + posts_.cursor();
    } else {
      path += "&start_time=" + sdk::url_encode(iso_of(number(kept("since_ms"))));
    }
    if (!posts_.page().empty()) path += "&pagination_token=" + sdk::url_encode(posts_.page());
    return path;
  }

  Step look_up_posts() {
    bool is_narrow = kept("post_fields") == "narrow";
    const bool was_narrow = is_narrow;
    std::size_t pages = 0;
    while (!posts_.is_over() && pages < kMaxPages) {
      const Response* response = answer();
      if (response == nullptr) return api().as_user("GET", posts_path(is_narrow));
      const Answer answer(*response);
      const std::int32_t status = response->status;
      if (status == 400 && pages == 0) {
        if (!is_narrow && names_of_fields_are_wrong(answer)) {
          is_narrow = true;
          continue;
        }
        if (posts_.is_resumed()) return restarted(posts_);
      }
      if (status == 400 || status == 402 || status == 403 || status == 404) return refused_posts();
      if (!answer.ok()) return fail(answer);
      ++pages;
      take_posts(answer);
    }
    Done done = concluded(posts_);
    if (is_narrow && !was_narrow) done.state.emplace_back("post_fields", "narrow");
    return with_more(std::move(done), !posts_.is_over());
  }

  void take_posts(const Answer& answer) {
    for (const Value one : answer.data().elements()) {
      const std::string id = id_of(one["id"]);
      if (id.empty()) continue;
      const std::int64_t ms = event_ms(id, iso_ms(one["created_at"].text_or("")), now_ms());
      if (!posts_.takes(id, ms)) break;
      if (auto event = post(delivery_, one, answer.root()["includes"])) {
        events_.push_back(*std::move(event));
      }
    }
    posts_.turn(answer.root()["meta"]["next_token"].text_or(""));
  }

  // The app's plan may not cover mentions; direct messages go on.
  Step refused_posts() const {
    Done done;
    keep("post_refused_ms", now_ms(), done);
    keep("alive_ms", now_ms(), done);
    return done;
  }

  // ---- the end of a run

  // An outage is over when all that was missed has been asked for.
  Done with_more(Done done, bool has_more) const {
    if (has_more) {
      done.results = {{"more", "1"}};
    } else {
      keep("alive_ms", now_ms(), done);
    }
    return done;
  }

  Done concluded(const Walk& walk) {
    Done done;
    walk.keep(done);
    std::sort(events_.begin(), events_.end(),
              [](const Event& a, const Event& b) { return is_less(a.message, b.message); });
    // Pages shift while somebody writes.
    const auto last =
        std::unique(events_.begin(), events_.end(),
                    [](const Event& a, const Event& b) { return a.message == b.message; });
    events_.erase(last, events_.end());
    done.events = std::move(events_);
    return done;
  }

  static Done restarted(const Walk& walk) {
    Done done;
    walk.keep_restart(done);
    done.results = {{"more", "1"}};
    return done;
  }

  const Account account_;
  const std::span<const Response> so_far_;
  Walk messages_;
  Walk posts_;
  const Delivery delivery_;
  std::size_t next_ = 0;
  std::vector<Event> events_;
};

}  // namespace

Step poll(const Channel& channel, std::span<const Response> so_far) {
  return Poll(channel, so_far).step();
}

}  // namespace x
