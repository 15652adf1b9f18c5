// plan(poll): new mails of an IMAP folder, and of the bucket SES writes to.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "connectors/email/address.h"
#include "connectors/email/api.h"
#include "connectors/email/charset.h"
#include "connectors/email/header.h"
#include "connectors/email/html.h"
#include "connectors/email/identity.h"
#include "connectors/email/mail.h"
#include "connectors/email/plan.h"
#include "connectors/email/receive.h"
#include "connectors/email/understand.h"
#include "connectors/email/verify.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;

// Two calls find the mails, three bring each: 32 in all.
constexpr std::size_t kMailsOfAPoll = 10;
constexpr std::int64_t kBytesOfAPoll = 48 << 20;
constexpr std::int64_t kDefaultMaxBytes = 25 << 20;
// An answer to SEARCH must fit a line of 64 KiB at libcurl
// (https://github.com/curl/curl/issues/22435, read 2026-11-20).
constexpr std::uint32_t kWindow = 5000;
// How far back a folder is read again that was made anew.
constexpr std::int64_t kRescanMs = std::int64_t{7} * 86'400'000;

std::int64_t max_bytes(const Channel& channel) {
  std::int64_t bytes = 0;
  const std::string_view text = channel.setting("max_bytes");
  (void)std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes > 0 ? std::min<std::int64_t>(bytes, static_cast<std::int64_t>(kMaxBodyBytes))
                   : kDefaultMaxBytes;
}

template <class Number>
Number number_at(std::string_view text, std::size_t at) {
  Number value = 0;
  (void)std::from_chars(text.data() + std::min(at, text.size()), text.data() + text.size(), value);
  return value;
}

template <class Number>
Number number_behind(std::string_view text, std::string_view word) {
  const std::string upper = [&] {
    std::string copy(text.substr(0, 64u << 10));
    for (char& c : copy) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return copy;
  }();
  const auto at = upper.find(word);
  return at == std::string::npos ? Number{0} : number_at<Number>(upper, at + word.size());
}

// "* SEARCH 7 9 12" above `last`, in order. With "n:*" servers give the highest one in any case.
std::vector<std::uint32_t> found_uids(std::string_view lines, std::uint32_t last) {
  std::vector<std::uint32_t> uids;
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    std::string_view line = sdk::trim(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (!sdk::equals_ignoring_case(line.substr(0, 8), "* SEARCH")) continue;
    line.remove_prefix(8);
    while (!line.empty() && uids.size() < 2 * kWindow) {
      const auto begin = line.find_first_of("0123456789");
      if (begin == std::string_view::npos) break;
      line.remove_prefix(begin);
      const auto uid = number_at<std::uint32_t>(line, 0);
      if (uid > last) uids.push_back(uid);
      const auto behind = std::min(line.find_first_not_of("0123456789"), line.size());
      line.remove_prefix(behind);
    }
  }
  std::sort(uids.begin(), uids.end());
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
  return uids;
}

// "14-Nov-2026", the date form of SEARCH.
std::string search_date(std::int64_t ms) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds when{
      std::chrono::seconds(std::clamp<std::int64_t>(ms / 1000, 0, 253'402'300'799))};
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(when)};
  return std::to_string(static_cast<unsigned>(date.day())) + "-" +
         std::string(kMonths[static_cast<unsigned>(date.month()) - 1]) + "-" +
         std::to_string(static_cast<int>(date.year()));
}

class ImapPoll {
 public:
  ImapPoll(const Channel& channel, std::span<const Response> so_far)
      : channel_(channel), so_far_(so_far) {}

  Step run() {
    const Response* examined = next();
    if (examined == nullptr) return imap_call(channel_, "EXAMINE " + folder_argument(channel_), "");
    if (!connector::is_success(*examined)) return imap_fail(channel_, *examined);
    const Mailbox mailbox = read_mailbox(examined->body);
    if (mailbox.validity == 0) {
      return Fail{.code = Failure::retry, .why = "the IMAP server did not tell a UIDVALIDITY"};
    }
    validity_ = mailbox.validity;
    if (auto step = find_start(mailbox)) return *std::move(step);
    if (mailbox.next_uid != 0 && last_ + 1 >= mailbox.next_uid) return finish(false);
    const std::uint32_t end = last_ > UINT32_MAX - kWindow ? UINT32_MAX : last_ + kWindow;
    const Response* searched = next();
    if (searched == nullptr) {
      std::string command =
          "UID SEARCH UID " + std::to_string(last_ + 1) + ":" + std::to_string(end);
      if (!since_.empty()) command += " SINCE " + since_;
      return imap_call(channel_, command, folder_path(channel_));
    }
    if (!connector::is_success(*searched)) return imap_fail(channel_, *searched);
    const std::vector<std::uint32_t> uids = found_uids(searched->body, last_);
    std::size_t taken = 0;
    for (const std::uint32_t uid : uids) {
      if (taken == kMailsOfAPoll || bytes_ > kBytesOfAPoll) return finish(true);
      if (auto step = take(uid)) return *std::move(step);
      last_ = uid;
      ++taken;
    }
    // Nothing else in the window; UIDs may have gaps larger than that.
    const bool more = mailbox.next_uid > end;
    last_ = more ? end : std::max(last_, mailbox.next_uid == 0 ? last_ : mailbox.next_uid - 1);
    if (!more) since_.clear();
    return finish(more);
  }

 private:
  const Response* next() { return at_ < so_far_.size() ? &so_far_[at_++] : nullptr; }

  // Where to go on. A folder that was deleted and made anew counts from the beginning: its last
  // days are read again, and what is known already is recognized by its Message-ID.
  std::optional<Step> find_start(const Mailbox& mailbox) {
    const std::string_view cursor = channel_.kept("cursor");
    if (cursor.empty()) {
      last_ = mailbox.next_uid > 0 ? mailbox.next_uid - 1 : 0;
      if (mailbox.next_uid > 0) return finish(false);
    }
    const auto colon = std::min(cursor.find(':'), cursor.size());
    if (number_at<std::uint32_t>(cursor, 0) == validity_) {
      last_ = number_at<std::uint32_t>(cursor, colon + 1);
      since_ = channel_.kept("imap_since");
      // Only the form this plan writes goes into a command.
      if (since_.find_first_not_of(
              "0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") !=
          std::string::npos) {
        since_.clear();
      }
    } else {
      since_ = search_date(channel_.now_ms - kRescanMs);
    }
    return std::nullopt;
  }

  Call mail_call(std::uint32_t uid, std::string_view section) const {
    Call call = imap_call(channel_, "GET",
                          folder_path(channel_) + ";UIDVALIDITY=" + std::to_string(validity_) +
                              "/;UID=" + std::to_string(uid) + std::string(section));
    call.answer_bytes = static_cast<std::int64_t>(kMaxBodyBytes);
    return call;
  }

  // The calls for one mail; absent once it is done.
  std::optional<Step> take(std::uint32_t uid) {
    const std::string id = std::to_string(uid);
    const Response* asked = next();
    if (asked == nullptr) {
      return imap_call(channel_, "UID FETCH " + id + " (RFC822.SIZE FLAGS)", folder_path(channel_));
    }
    if (!connector::is_success(*asked)) return imap_fail(channel_, *asked);
    const auto size = number_behind<std::int64_t>(asked->body, "RFC822.SIZE ");
    if (size == 0) return std::nullopt;  // deleted meanwhile
    const bool too_large = size > max_bytes(channel_);
    const Response* fetched = next();
    if (fetched == nullptr) return mail_call(uid, too_large ? ";SECTION=HEADER" : "");
    if (fetched->status != 400 && !connector::is_success(*fetched)) {
      return imap_fail(channel_, *fetched);
    }
    if (fetched->status == 400 || fetched->body.empty()) {
      add_notice(uid, "A mail could not be read from the mailbox (UID " + id + ").", {});
    } else if (too_large) {
      add_notice(uid,
                 "A mail of " + std::to_string(size >> 20) +
                     " MiB is too large to be fetched; it stays in the mailbox.",
                 fetched->body);
    } else {
      for (Event& event : events_of(channel_, read_mail(fetched->body), {})) {
        events_.push_back(std::move(event));
      }
      bytes_ += size;
    }
    // Reading marks it as seen; a mailbox people use must not lose its unread mails.
    if (sdk::lower_ascii(asked->body).find("\\seen") != std::string::npos) return std::nullopt;
    const Response* unmarked = next();
    if (unmarked == nullptr) {
      return imap_call(channel_, "UID STORE " + id + " -FLAGS (\\Seen)", folder_path(channel_));
    }
    // A mailbox that may only be read keeps its flags by itself.
    if (unmarked->status != 400 && !connector::is_success(*unmarked)) {
      return imap_fail(channel_, *unmarked);
    }
    return std::nullopt;
  }

  void add_notice(std::uint32_t uid, std::string text, std::string_view header) {
    const std::string name = "imap:" + std::to_string(validity_) + ":" + std::to_string(uid);
    Event notice{.kind = EventKind::notice,
                 .thread = name,
                 .message = name,
                 .key = name,
                 .contact = own_address(channel_)};
    if (!header.empty()) {
      Mail mail;
      mail.fields = take_header(header);
      for (const Event& event : events_of(channel_, std::move(mail), {})) {
        if (event.kind != EventKind::message) continue;
        notice.thread = event.thread;
        notice.contact = event.contact;
        notice.contact_name = event.contact_name;
        notice.references = event.references;
        notice.sent_ms = event.sent_ms;
        notice.extra = event.extra;
      }
    }
    notice.text = std::move(text);
    events_.push_back(std::move(notice));
  }

  Step finish(bool more) {
    Done done{.state = {{"cursor", std::to_string(validity_) + ":" + std::to_string(last_)}}};
    if (since_ != channel_.kept("imap_since")) done.state.emplace_back("imap_since", since_);
    if (more) done.results.emplace_back("more", "1");
    done.events = std::move(events_);
    return done;
  }

  const Channel& channel_;
  std::span<const Response> so_far_;
  std::size_t at_ = 0;
  std::uint32_t validity_ = 0;
  std::uint32_t last_ = 0;
  std::string since_;
  std::int64_t bytes_ = 0;
  std::vector<Event> events_;
};

// ---- Amazon S3
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (read 2026-11-20)

constexpr std::size_t kMaxPages = 12;
constexpr std::size_t kObjectsOfAPoll = 12;
// What was written this recently may still be overtaken by what was begun earlier.
constexpr std::int64_t kSettledMs = 60'000;
constexpr std::int64_t kFirstLookMs = 3'600'000;
constexpr std::string_view kS3Cursor = "s3_cursor";

struct Object {
  std::string modified;
  std::string key;
  std::int64_t size = 0;

  // Keys have no order in time, so the cursor is the time and then the key.
  std::string cursor() const { return modified + "|" + key; }
};

// Content of the first element of a name, entities undone; answers of S3 have no attributes there.
std::string element(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const auto begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const auto end = xml.find('<', begin + open.size());
  if (end == std::string_view::npos) return {};
  return decode_entities(xml.substr(begin + open.size(), end - begin - open.size()));
}

std::vector<Object> objects_in(std::string_view xml) {
  std::vector<Object> objects;
  constexpr std::string_view kOpen = "<Contents>";
  for (auto at = xml.find(kOpen); at != std::string_view::npos && objects.size() < 1000;
       at = xml.find(kOpen)) {
    xml.remove_prefix(at + kOpen.size());
    const std::string_view one = xml.substr(0, xml.find("</Contents>"));
    const std::string size = element(one, "Size");
    objects.push_back({.modified = element(one, "LastModified"),
                       .key = element(one, "Key"),
                       .size = number_at<std::int64_t>(size, 0)});
  }
  return objects;
}

std::string s3_list_query(const Channel& channel, const std::string& token) {
  std::string query;
  if (!token.empty()) query = "continuation-token=" + sdk::url_encode(token) + "&";
  query += "list-type=2";
  const std::string_view prefix = channel.kept(kObjectPrefix);
  if (!prefix.empty()) query += "&prefix=" + sdk::url_encode(prefix);
  return query;
}

Fail s3_fail(const Channel& channel, const Response& response) {
  Fail fail = connector::fail_from(response, Repeat::safe, channel.now_ms);
  if (response.status == 404 || response.status == 301) fail.code = Failure::config;
  const std::string code = element(response.body, "Code");
  if (!code.empty()) {
    fail.why = cleaned(channel, sdk::sanitize(element(response.body, "Message"), 300));
    fail.platform_code = sdk::sanitize(code, 100);
    if (code == "SlowDown") fail.code = Failure::rate;
  }
  return fail;
}

Step poll_bucket(const Channel& channel, std::span<const Response> so_far) {
  std::size_t at = 0;
  std::vector<Object> objects;
  std::string token;
  for (std::size_t page = 0; page < kMaxPages; ++page) {
    if (at == so_far.size()) {
      Call call = s3_call(channel, "", s3_list_query(channel, token));
      call.answer_bytes = 2 << 20;
      return call;
    }
    const Response& listed = so_far[at++];
    if (!connector::is_success(listed)) return s3_fail(channel, listed);
    for (Object& one : objects_in(listed.body)) objects.push_back(std::move(one));
    token = element(listed.body, "NextContinuationToken");
    if (token.empty()) break;
  }
  const std::string_view cursor = channel.kept(kS3Cursor);
  std::erase_if(objects, [&](const Object& one) {
    const auto modified = parse_iso_time(one.modified);
    if (!modified || *modified > channel.now_ms - kSettledMs || one.key.empty()) return true;
    return cursor.empty() ? *modified < channel.now_ms - kFirstLookMs : one.cursor() <= cursor;
  });
  std::sort(objects.begin(), objects.end(),
            [](const Object& a, const Object& b) { return a.cursor() < b.cursor(); });
  Done done;
  std::string reached;
  std::int64_t bytes = 0;
  std::size_t taken = 0;
  for (const Object& one : objects) {
    if (taken++ == kObjectsOfAPoll || bytes > kBytesOfAPoll) {
      done.results.emplace_back("more", "1");
      break;
    }
    reached = one.cursor();
    // SES writes this one itself when a rule is made.
    if (one.key.ends_with("AMAZON_SES_SETUP_NOTIFICATION")) continue;
    if (one.size > max_bytes(channel)) {
      const std::string name = "s3:" + one.key;
      done.events.push_back({.kind = EventKind::notice,
                             .thread = name,
                             .message = name,
                             .key = name,
                             .contact = own_address(channel),
                             .text = "A mail of " + std::to_string(one.size >> 20) +
                                     " MiB is too large to be fetched; it stays in the bucket."});
      continue;
    }
    if (at == so_far.size()) {
      Call call = s3_call(channel, one.key, "");
      call.answer_bytes = static_cast<std::int64_t>(kMaxBodyBytes);
      return call;
    }
    const Response& fetched = so_far[at++];
    if (fetched.status == 404) continue;
    if (!connector::is_success(fetched)) return s3_fail(channel, fetched);
    bytes += static_cast<std::int64_t>(fetched.body.size());
    for (Event& event : events_of(channel, read_mail(fetched.body), {})) {
      done.events.push_back(std::move(event));
    }
  }
  if (!reached.empty()) done.state.emplace_back(kS3Cursor, reached);
  return done;
}

// UTF-16 units of valid UTF-8.
std::vector<std::uint16_t> utf16(std::string_view utf8) {
  std::vector<std::uint16_t> units;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::uint32_t point = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (std::size_t i = 1; i < length && at + i < utf8.size(); ++i) {
      point = (point << 6) | (static_cast<unsigned char>(utf8[at + i]) & 0x3Fu);
    }
    at += length;
    if (point >= 0x10000) {
      units.push_back(static_cast<std::uint16_t>(0xD800 + ((point - 0x10000) >> 10)));
      units.push_back(static_cast<std::uint16_t>(0xDC00 + ((point - 0x10000) & 0x3FF)));
    } else {
      units.push_back(static_cast<std::uint16_t>(point));
    }
  }
  return units;
}

std::string modified_utf7(std::string_view utf8) {
  std::string coded;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    std::string text = sdk::base64(bytes);
    while (text.ends_with('=')) text.pop_back();
    std::replace(text.begin(), text.end(), '/', ',');
    coded += "&" + text + "-";
    bytes.clear();
  };
  for (const std::uint16_t unit : utf16(utf8)) {
    if (unit >= 0x20 && unit < 0x7F) {
      flush();
      coded += static_cast<char>(unit);
      if (unit == '&') coded += '-';
    } else if (unit >= 0x80) {
      bytes += static_cast<char>(unit >> 8);
      bytes += static_cast<char>(unit & 0xFF);
    }
  }
  flush();
  return coded;
}

// Without control characters: a line end would be a second command.
std::string folder_of(const Channel& channel) {
  const std::string name = sdk::sanitize(channel.setting("imap.folder"), 500);
  return name.empty() ? "INBOX" : modified_utf7(name);
}

}  // namespace

Mailbox read_mailbox(std::string_view lines) {
  return {.validity = number_behind<std::uint32_t>(lines, "[UIDVALIDITY "),
          .next_uid = number_behind<std::uint32_t>(lines, "[UIDNEXT ")};
}

std::string folder_path(const Channel& channel) { return sdk::url_encode(folder_of(channel)); }

std::string folder_argument(const Channel& channel) {
  const std::string name = folder_of(channel);
  if (name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
      std::string::npos) {
    return name;
  }
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

Step poll(const Channel& channel, std::span<const Response> so_far) {
  const std::string_view inbound = channel.setting("inbound");
  const bool bucket = inbound == "ses" && !channel.setting("ses.bucket").empty();
  if (inbound != "imap" && !bucket) return Done{};
  if (auto missing = missing_setting(channel)) return config_fail(*std::move(missing));
  if (!bucket) return ImapPoll(channel, so_far).run();
  // Until the first notification nobody knows which part of the bucket is this address's: others
  // may have rules that write into it.
  const auto is_kept = [&](std::string_view name) { return !channel.kept(name).empty(); };
  if (!is_kept(kObjectsTold) && !is_kept(kObjectPrefix) && !is_kept(kS3Cursor)) return Done{};
  return poll_bucket(channel, so_far);
}

Step fetch_object(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const auto fact = [&](std::string_view name) {
    return connector::find(input.extra, name).value_or(std::string_view());
  };
  if (auto missing = missing_setting(channel)) return config_fail(*std::move(missing));
  if (so_far.empty()) {
    Call call = s3_call(channel, fact(kObjectKey), "");
    call.answer_bytes = static_cast<std::int64_t>(kMaxBodyBytes);
    return call;
  }
  if (!connector::is_success(so_far[0])) return s3_fail(channel, so_far[0]);
  Envelope envelope{.mail_from = std::string(fact("mail_from")), .auth = std::string(fact("auth"))};
  for (const Address& one : parse_addresses(fact("recipients"))) {
    envelope.recipients.push_back(one.address);
  }
  for (const std::string_view verdict : {"spam", "virus"}) {
    if (!fact(verdict).empty()) envelope.extra.emplace_back(verdict, fact(verdict));
  }
  Done done;
  done.state.emplace_back(kObjectsTold, "1");
  if (const auto prefix = fact(kObjectPrefix); !prefix.empty()) {
    done.state.emplace_back(kObjectPrefix, prefix);
  }
  done.events = events_of(channel, read_mail(so_far[0].body), envelope);
  return done;
}

}  // namespace email
