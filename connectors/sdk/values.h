// The nouns between gateway and connectors, as C++ values. The gateway's normalized event is the
// one defined here; connector_abi.h is the same in C and carries it across the shared object's
// border.
//
// Plain values: no invariants beyond the comments, no I/O, no thread of their own.
#ifndef CONNECTORS_SDK_VALUES_H_
#define CONNECTORS_SDK_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace connector {

using Pair = std::pair<std::string, std::string>;
using Pairs = std::vector<Pair>;

// First value of a name, or absent.
inline std::optional<std::string_view> find(const Pairs& pairs, std::string_view name) {
  for (const auto& [key, value] : pairs) {
    if (key == name) return std::string_view(value);
  }
  return std::nullopt;
}

// One stored channel, as a connector sees it.
struct Channel {
  Pairs config;             // validated against the config schema; nested keys joined by dots
  Pairs state;              // what earlier results asked to keep
  std::string webhook_url;  // the public URL exactly as it is registered at the platform
  std::string secret;       // 64 hex digits, minted with the row, before any call out
  std::int64_t now_ms = 0;
  Pairs documents;  // URL and body of what documents() asked for, where it could be fetched

  std::string_view setting(std::string_view name) const {
    return find(config, name).value_or(std::string_view());
  }
  std::string_view kept(std::string_view name) const {
    return find(state, name).value_or(std::string_view());
  }
};

// What a platform sent us. Header names are lower-case; names may repeat.
struct Request {
  std::string method;
  std::string target;  // path and query exactly as received
  std::string query;   // behind the '?', still encoded
  Pairs headers;
  std::string body;

  std::string_view header(std::string_view name) const {
    return find(headers, name).value_or(std::string_view());
  }
};

enum class EventKind : std::int32_t {
  message = 1,         // somebody wrote to the business
  echo = 2,            // the business wrote, elsewhere (its phone app, the platform's own inbox)
  edited = 3,          // `message` has new content
  deleted = 4,         // `message` was taken back
  reaction = 5,        // `text` is the emoji now standing, "" when removed; `message` is its target
  status = 6,          // what became of a message of ours; `state` says what
  callback = 7,        // a button was pressed; `text` is its data
  contact_state = 8,   // `state`: blocked, active, left. Of poll and acknowledge: a contact_name
                       // becomes the contact's
  thread_moved = 9,    // the thread's id becomes `text`
  notice = 10,         // a service message worth showing: somebody joined, a chat was renamed
  typing = 11,         // never stored
  account_state = 12,  // the account behind the channel changed; `state` and `text` say how
  unknown = 13,        // a kind this connector does not know: stored raw, nothing shown
};

struct Attachment {
  std::string kind;      // image, video, audio, file, sticker, location, contact
  std::string url;       // public URL, where the platform gives one without a secret in it
  std::string media_id;  // what fetch_media needs otherwise
  std::string mime_type;
  std::string file_name;
  std::int64_t size = -1;  // bytes; -1 unknown
  Pairs extra;             // latitude, width, duration, ...; none of the API's names (id, url, ...)
  std::string content;     // the bytes themselves, where the delivery carried them (mail)

  bool operator==(const Attachment&) const = default;
};

// One normalized event, and also the input of plan(send), plan(fetch_media), plan(acknowledge).
struct Event {
  EventKind kind = EventKind::unknown;
  std::string account;  // platform account it was sent to, where that is not the channel's; else ""
  std::string thread;   // remote conversation; opaque, only the connector builds or reads it
  std::string message;  // remote id of the message it is, or is about; unique within the channel
  std::string key;      // identity of the event: equal for every redelivery, and only then
  std::string contact;  // remote id of whom the thread is with
  std::string contact_name;
  std::string sender;  // who wrote; "" = the contact
  std::string sender_name;
  std::string text;
  std::string reply_to;  // remote message id
  std::string state;     // of status: sent, delivered, read, failed; of contact_state: see above
  std::string code;      // the platform's error code, of status failed; `text` is its reason
  std::int64_t sent_ms = 0;             // platform time; 0 = unknown, the time of arrival counts
  std::int64_t sequence = 0;            // platform order within equal times
  std::vector<Attachment> attachments;  // one primary per message where the platform means one
  // Further facts, shown to API clients under `metadata`. With a meaning of their own:
  //   "unsupported"   label of content that cannot be shown
  //   "acknowledge"   "1": plan(acknowledge) is to run for this event once it is committed
  //   "message_key"   of a status: the `key` our send had, where the platform repeats it; finds a
  //                   message whose remote id is not known yet
  //   "order_ms"      the platform's time of a message that not every redelivery tells; it orders
  //                   the message where sent_ms is 0, and is no part of the event's identity
  //   "up_to"         "1": of a status, it holds for all messages of ours up to the one it names
  Pairs extra;
  // Remote ids of messages of the same thread, best first. Where one is known, its conversation is
  // this event's, whatever `thread` says; `thread` is what a new conversation gets.
  std::vector<std::string> references;

  bool operator==(const Event&) const = default;
};

enum class Operation : std::int32_t {
  register_webhook = 1,
  unregister_webhook = 2,
  check = 3,        // what has the platform registered, is it healthy
  poll = 4,         // ask for what is new since state "cursor"
  send = 5,         // input: thread, contact, text, reply_to, attachments, key = our message id;
                    // kind message, or edited, deleted and reaction, which change `message`, where
                    // the platform can do that; extra: what the API client gave as metadata, and of
                    // the conversation's latest message from the contact "last.message" (its remote
                    // id), "last.sent_ms" and "last.<name>" for its extra
  fetch_media = 6,  // input: attachments[0]
  acknowledge = 7,  // input: an event that asked for it by extra "acknowledge" = "1", with the
                    // contact's name as it is stored
  signal = 8,       // tell the contact what is no message. Input: thread, contact, "last.<name>" as
                    // of send, typing (state "on", "off") or status ("read", message = the latest)
};

// One HTTP (or smtp, smtps, imap, imaps) call the connector asks for.
struct Call {
  std::string method = "GET";
  std::string url;  // the platform's real URL
  Pairs headers;
  std::string body;
  bool answer_is_media = false;   // the answer's body goes to the media store
  bool url_is_secret = true;      // never logged
  std::int64_t answer_bytes = 0;  // the longest answer kept; 0: 1 MiB; at most 40 MiB
};

// The platform's answer to a Call.
struct Response {
  std::int32_t status = 0;  // 0: no answer came
  Pairs headers;            // names lower-case
  std::string body;
  bool not_sent = false;  // with status 0: no byte of the request left this machine

  std::string_view header(std::string_view name) const {
    return find(headers, name).value_or(std::string_view());
  }
};

// The operation succeeded.
//   results, by operation:
//     register: "registration" = "manual" where a human must finish it, then "instruction.<name>";
//               "warning" = a sentence for the channel's last_error although it works;
//               "account" = what accounts() finds in deliveries for this channel, once per name;
//               only what the platform itself confirmed for these credentials;
//               "more" = "1": it works, and what did not fit into one run is made by another at
//               once, with the state this one kept
//     check:    "problem" = a sentence; "repair" = "register" where registering again will help
//     poll:     "more" = "1": there is more to ask for at once
//     send:     "message" = remote id, once per piece; "alias" = a further remote id of the first
//               piece, found by statuses and references; "moved_to" = the thread's new id
//     fetch_media: "mime_type", "file_name"
struct Done {
  Pairs state;  // merged into the channel's state; an empty value removes the name
  Pairs results;
  std::vector<Event> events;  // of poll and acknowledge

  bool operator==(const Done&) const = default;
};

enum class Failure : std::int32_t {
  config = 1,       // the channel's settings are wrong
  auth = 2,         // the platform does not accept the credentials
  rate = 3,         // too fast; see retry_after_ms
  retry = 4,        // certainly not done; may be repeated
  permanent = 5,    // will never work
  uncertain = 6,    // may have been done; must not be repeated blindly
  unreachable = 7,  // the contact cannot be written to (blocked us, left)
};

struct Fail {
  Failure code = Failure::permanent;
  std::string why;  // the platform's words, cleaned of secrets
  std::int64_t retry_after_ms = 0;
  std::string platform_code;      // the platform's own code, where it has one
  std::int64_t max_attempts = 0;  // of retry: try a message no more often; 0: as the gateway does

  bool operator==(const Fail&) const = default;
};

using Step = std::variant<Call, Done, Fail>;

// try_later: cannot be told now (a document is missing, a provider that promises to send again
// signed); answered 503, so that the platform repeats the delivery.
enum class Verdict : std::int32_t { accept = 0, refuse = 1, try_later = 2 };

// What a delivery means: events, and at most one answer other than an empty 200.
struct Received {
  std::vector<Event> events;
  std::optional<Response> reply;
};

}  // namespace connector

#endif  // CONNECTORS_SDK_VALUES_H_
