/* The binary contract between the gateway and a connector's shared object. C11 and C++20.
 *
 * A connector is a table of pure functions. The gateway owns sockets, clocks, retries, secrets and
 * storage. Five rules:
 *  1. A pointer is valid only during the call that passes it. Nothing allocated on one side is
 *     freed on the other; who wants to keep something copies it.
 *  2. No I/O, no clock, no environment, no randomness, no state: equal arguments give equal
 *     results. What must vary (an OAuth nonce) is derived from now_ms and the message's key.
 *  3. Any function, from any thread, concurrently. Nothing may be thrown across this border.
 *  4. Structs with a `size` grow at the end only. The writer sets size = sizeof(struct); the reader
 *     uses no field that lies behind it. Arrays of such structs are arrays of pointers.
 *  5. Header names are lower-case and may repeat. Strings are (pointer, length) bytes without a
 *     terminating NUL; a string of length 0 may have a null pointer.
 *
 * The meaning of every value is told once, in values.h, which has the same names.
 */
#ifndef CONNECTORS_SDK_CONNECTOR_ABI_H_
#define CONNECTORS_SDK_CONNECTOR_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GWC_ABI_MAJOR 1 /* another major is refused */
#define GWC_ABI_MINOR 1 /* grows when a struct does; informative */

/* An operation has at most so many answers; behind the last one it must end. */
#define GWC_MAX_ANSWERS 8
#define GWC_MAX_SEND_ANSWERS 32

/* Whether a struct, by its size, has a field. */
#define GWC_HAS(pointer, type, field) \
  ((pointer)->size >= offsetof(type, field) + sizeof((pointer)->field))

typedef struct gwc_str {
  const char* ptr;
  size_t len;
} gwc_str;

typedef struct gwc_pair {
  gwc_str name;
  gwc_str value;
} gwc_pair;

typedef struct gwc_pairs {
  const gwc_pair* ptr;
  size_t len;
} gwc_pairs;

/* One stored channel. */
typedef struct gwc_channel {
  uint32_t size;
  gwc_pairs config;    /* valid by config_schema, secrets opened; nested keys joined by dots */
  gwc_pairs state;     /* what earlier `done`s asked to keep */
  gwc_str webhook_url; /* public URL exactly as registered at the platform */
  gwc_str secret;      /* 64 hex digits, minted and stored before the platform hears of us */
  int64_t now_ms;
  gwc_pairs documents; /* 1.1: URL and body of what `documents` asked for */
} gwc_channel;

/* What a platform sent us, unmodified. */
typedef struct gwc_request {
  uint32_t size;
  gwc_str method;
  gwc_str target; /* path and query exactly as received */
  gwc_str query;  /* behind the '?', still encoded */
  gwc_pairs headers;
  gwc_str body;
} gwc_request;

enum { GWC_NOT_SENT = 1 /* with status 0: no byte of the request left the machine */ };

/* The platform's answer to a call, or our answer to its request. */
typedef struct gwc_response {
  uint32_t size;
  uint32_t flags;
  int32_t status; /* 0: no answer came */
  gwc_pairs headers;
  gwc_str body;
} gwc_response;

enum {
  GWC_ANSWER_IS_MEDIA = 1, /* the answer's body goes to the media store; plan sees it empty */
  GWC_URL_IS_SECRET = 2    /* the URL is never logged */
};

/* A call the connector asks for. Schemes:
 *  https  as expected. `http` is refused.
 *  smtp, smtps    sends `body` as one message. The headers are no header lines but parameters:
 *                 "mail-from" once, "rcpt-to" once per recipient, "username" and "password" or
 *                 "bearer" (XOAUTH2), "tls" = "none" where the operator allows clear text to that
 *                 host; otherwise smtp demands STARTTLS. The answer's body holds the server's reply
 *                 lines.
 *  imap, imaps    `method` is the IMAP command ("EXAMINE INBOX", "UID SEARCH UID 7:*"), or "GET" to
 *                 read what the URL names (";UID=7"). "username", "password", "bearer", "tls" as
 *                 above; imap demands STARTTLS.
 *                 The answer's body holds the untagged lines, or the message.
 * In both the answer's status is 200 for success, 401 for refused credentials, for smtp otherwise
 * the server's reply code, 400 for an IMAP NO or BAD. */
typedef struct gwc_call {
  uint32_t size;
  uint32_t flags;
  gwc_str method;
  gwc_str url;
  gwc_pairs headers;
  gwc_str body;
  int64_t answer_bytes; /* 1.1: the longest answer kept; 0: 1 MiB */
} gwc_call;

typedef struct gwc_attachment {
  uint32_t size;
  gwc_str kind;
  gwc_str url;
  gwc_str media_id;
  gwc_str mime_type;
  gwc_str file_name;
  int64_t bytes; /* -1 unknown */
  gwc_pairs extra;
  gwc_str content; /* 1.1 */
} gwc_attachment;

enum {
  GWC_EVENT_MESSAGE = 1,
  GWC_EVENT_ECHO = 2,
  GWC_EVENT_EDITED = 3,
  GWC_EVENT_DELETED = 4,
  GWC_EVENT_REACTION = 5,
  GWC_EVENT_STATUS = 6,
  GWC_EVENT_CALLBACK = 7,
  GWC_EVENT_CONTACT_STATE = 8,
  GWC_EVENT_THREAD_MOVED = 9,
  GWC_EVENT_NOTICE = 10,
  GWC_EVENT_TYPING = 11,
  GWC_EVENT_ACCOUNT_STATE = 12,
  GWC_EVENT_UNKNOWN = 13
};

typedef struct gwc_event {
  uint32_t size;
  int32_t kind;
  gwc_str account;
  gwc_str thread;
  gwc_str message;
  gwc_str key;
  gwc_str contact;
  gwc_str contact_name;
  gwc_str sender;
  gwc_str sender_name;
  gwc_str text;
  gwc_str reply_to;
  gwc_str state;
  gwc_str code;
  int64_t sent_ms;
  int64_t sequence;
  const gwc_attachment* const* attachments;
  size_t attachment_count;
  gwc_pairs extra;
  const gwc_str* references; /* 1.1 */
  size_t reference_count;
} gwc_event;

typedef struct gwc_done {
  uint32_t size;
  gwc_pairs state;
  gwc_pairs results;
} gwc_done;

enum {
  GWC_FAIL_FAULT =
      0, /* the connector itself failed: a bug, kept apart from the platform's errors */
  GWC_FAIL_CONFIG = 1,
  GWC_FAIL_AUTH = 2,
  GWC_FAIL_RATE = 3,
  GWC_FAIL_RETRY = 4,
  GWC_FAIL_PERMANENT = 5,
  GWC_FAIL_UNCERTAIN = 6,
  GWC_FAIL_UNREACHABLE = 7
};

typedef struct gwc_fail {
  uint32_t size;
  int32_t code;
  gwc_str why;
  gwc_str platform_code;
  int64_t retry_after_ms;
  int64_t
      max_attempts; /* 1.1: of GWC_FAIL_RETRY, of one message; 0: as often as the gateway does */
} gwc_fail;

/* Where results go; the gateway copies at once.
 *  receive   event any number of times; reply at most once, default an empty 200; or fail once,
 *            which means: well signed, but not understood. Raw bytes are kept in any case.
 *  plan      exactly one of call, done, fail. Before done of poll and acknowledge: event any number
 *            of times.
 *  accounts  account any number of times.
 *  documents account once per URL. */
typedef struct gwc_sink {
  uint32_t size;
  void* self;
  void (*event)(void* self, const gwc_event* event);
  void (*reply)(void* self, const gwc_response* response);
  void (*call)(void* self, const gwc_call* call);
  void (*done)(void* self, const gwc_done* done);
  void (*fail)(void* self, const gwc_fail* fail);
  void (*account)(void* self, gwc_str account);
} gwc_sink;

enum {
  GWC_OP_REGISTER = 1,
  GWC_OP_UNREGISTER = 2,
  GWC_OP_CHECK = 3,
  GWC_OP_POLL = 4,
  GWC_OP_SEND = 5,
  GWC_OP_FETCH_MEDIA = 6,
  GWC_OP_ACKNOWLEDGE = 7,
  GWC_OP_SIGNAL = 8 /* 1.1 */
};

enum { GWC_ACCEPT = 0, GWC_REFUSE = 1, GWC_TRY_LATER = 2 /* 1.1 */ };

enum { GWC_POLLS = 1 /* plan(poll) is to be called from time to time */ };

/* The connector: one constant.
 *
 * verify    does this request come from the platform, for this channel? Called before anything
 *           else; every other answer than GWC_ACCEPT refuses. Compares in constant time.
 * receive   only after verify accepted: what the request means. A handshake is answered by `reply`.
 * plan      the next step of an operation, given the answers to all calls it asked for before. An
 *           operation starts with count 0. After a call its answer is appended and plan is asked
 *           again. After fail with rate or retry the last answer is dropped and plan is asked again
 *           later, so that what was done before it is not done twice.
 * accounts  optional, may be null: for callback URLs that several channels share. Reads a request
 *           that nobody has verified yet for the ids of the accounts it is addressed to; the
 *           gateway finds the channels and then calls verify for each. It must bound its work (by
 *           sdk::json limits, say) and must not conclude anything else from the request.
 * documents optional (1.1): public documents verify needs, by their https URLs, at most 4; a
 * signing certificate that the request names, say. Nobody has verified the request yet, so the
 *           function names only hosts it knows to be the platform's. The gateway fetches and keeps
 *           them, and lays them into the channel before it calls verify. */
typedef struct gwc_connector {
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;
  uint32_t flags;
  const char* type;          /* [a-z0-9_]+: URL segment, plan key, file name less ".so" */
  const char* config_schema; /* JSON Schema, the subset named in docs/CONNECTORS.md */
  int32_t (*verify)(const gwc_channel* channel, const gwc_request* request);
  void (*receive)(const gwc_channel* channel, const gwc_request* request, const gwc_sink* sink);
  void (*plan)(const gwc_channel* channel, int32_t operation, const gwc_event* input,
               const gwc_response* const* so_far, size_t count, const gwc_sink* sink);
  void (*accounts)(const gwc_request* request, const gwc_sink* sink);
  void (*documents)(const gwc_channel* channel, const gwc_request* request, const gwc_sink* sink);
  uint64_t max_body_bytes; /* 1.1: of a delivery; 0: 4 MiB; at most 40 MiB */
} gwc_connector;

/* The one exported symbol of a connector. */
typedef const gwc_connector* (*gwc_entry)(void);
#define GWC_ENTRY_NAME "gwc_connector_v1"

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CONNECTORS_SDK_CONNECTOR_ABI_H_ */
