// What the author of a connector includes: the nouns of values.h, the one constant that is a
// connector, and helpers every platform needs. docs/CONNECTORS.md is the guide.
//
//   constexpr connector::Connector kFoo{.type = "foo", .config_schema = kConfigSchema,
//                                       .verify = verify, .receive = receive, .plan = plan};
//   EXPORT_CONNECTOR(kFoo)
//
// The functions are pure and may run on any thread at once. What they throw stops at the thunks
// below: verify then refuses, receive and plan report a fault.
#ifndef CONNECTORS_SDK_CONNECTOR_H_
#define CONNECTORS_SDK_CONNECTOR_H_

#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/convert.h"
#include "connectors/sdk/expected.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/values.h"

namespace connector {

// Fail means: well signed, but not understood. The gateway keeps the bytes and answers 200.
using ReceiveResult = sdk::Expected<Received, Fail>;

enum class Polling { no, yes };

struct Connector {
  const char* type;
  const char* config_schema;
  Verdict (*verify)(const Channel& channel, const Request& request);
  ReceiveResult (*receive)(const Channel& channel, const Request& request);
  Step (*plan)(const Channel& channel, Operation operation, const Event& input,
               std::span<const Response> so_far);
  // See connector_abi.h; null where every channel has a callback URL of its own.
  std::vector<std::string> (*accounts)(const Request& request) = nullptr;
  Polling polling = Polling::no;
  std::vector<std::string> (*documents)(const Channel& channel, const Request& request) = nullptr;
  std::uint64_t max_body_bytes = 0;  // of a delivery; 0: 4 MiB
};

// Whether repeating a call whose outcome is not known can do harm.
enum class Repeat { safe, harmful };

// What an answer that is no success means, by its status alone: 401 and 403 auth, 429 rate, 408,
// 425, 5xx and no answer retry (uncertain where repeating harms, except when nothing was sent),
// every other one permanent. `why` is only "HTTP 502": the body may hold anything.
Fail fail_from(const Response& response, Repeat repeat, std::int64_t now_ms);

// Retry-After as seconds or HTTP date, 0 where there is none; at most an hour.
std::int64_t retry_after_ms(const Response& response, std::int64_t now_ms);

inline bool is_success(const Response& response) {
  return response.status >= 200 && response.status < 300;
}

Call json_call(std::string url, std::string json);  // POST
Call form_call(std::string url, const sdk::Form& form);
// For platforms that sign nothing, or whose signing secret nobody gave us: the callback URL with an
// unguessable last segment (128 bits, made of the channel's secret), and whether a request came by
// it (constant time).
std::string keyed_webhook_url(const Channel& channel);
bool came_by_keyed_url(const Channel& channel, const Request& request);

// Authorization header lines.
Pair basic_auth(std::string_view user, std::string_view password);
Pair bearer_auth(std::string_view token);

// The text with every occurrence of a secret (also percent-encoded) replaced by "***"; for words of
// a platform that go into Fail::why. Secrets shorter than 4 bytes are left alone.
std::string without_secrets(std::string_view text, std::span<const std::string_view> secrets);

namespace thunk {

inline void fault(const gwc_sink* sink, const char* what) {
  const Fail why{.why = what};
  view::with_fail(why, GWC_FAIL_FAULT,
                  [&](const gwc_fail& fail) { sink->fail(sink->self, &fail); });
}

inline void emit(const gwc_sink* sink, const Fail& value) {
  view::with_fail(value, static_cast<std::int32_t>(value.code),
                  [&](const gwc_fail& fail) { sink->fail(sink->self, &fail); });
}

template <const Connector& kConnector>
std::int32_t verify(const gwc_channel* channel, const gwc_request* request) {
  try {
    return static_cast<std::int32_t>(
        kConnector.verify(copy::channel(*channel), copy::request(*request)));
  } catch (...) {
    return GWC_REFUSE;
  }
}

template <const Connector& kConnector>
void receive(const gwc_channel* channel, const gwc_request* request, const gwc_sink* sink) {
  try {
    const ReceiveResult result =
        kConnector.receive(copy::channel(*channel), copy::request(*request));
    if (!result) return emit(sink, result.error());
    for (const Event& value : result->events) {
      view::with_event(value, [&](const gwc_event& event) { sink->event(sink->self, &event); });
    }
    if (result->reply) {
      view::with_response(*result->reply, [&](const gwc_response& response) {
        sink->reply(sink->self, &response);
      });
    }
  } catch (const std::exception& e) {
    fault(sink, e.what());
  } catch (...) {
    fault(sink, "unknown exception");
  }
}

template <const Connector& kConnector>
void plan(const gwc_channel* channel, std::int32_t operation, const gwc_event* input,
          const gwc_response* const* so_far, std::size_t count, const gwc_sink* sink) {
  try {
    std::vector<Response> answers;
    answers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) answers.push_back(copy::response(*so_far[i]));
    const Step step = kConnector.plan(copy::channel(*channel), static_cast<Operation>(operation),
                                      copy::event(*input), answers);
    if (const auto* asked = std::get_if<Call>(&step)) {
      view::with_call(*asked, [&](const gwc_call& call) { sink->call(sink->self, &call); });
    } else if (const auto* finished = std::get_if<Done>(&step)) {
      for (const Event& value : finished->events) {
        view::with_event(value, [&](const gwc_event& event) { sink->event(sink->self, &event); });
      }
      view::with_done(*finished, [&](const gwc_done& done) { sink->done(sink->self, &done); });
    } else {
      emit(sink, *std::get_if<Fail>(&step));
    }
  } catch (const std::exception& e) {
    fault(sink, e.what());
  } catch (...) {
    fault(sink, "unknown exception");
  }
}

template <const Connector& kConnector>
void accounts(const gwc_request* request, const gwc_sink* sink) {
  try {
    for (const std::string& account : kConnector.accounts(copy::request(*request))) {
      sink->account(sink->self, view::str(account));
    }
  } catch (...) {
    // No account is found in what cannot be read; the gateway then answers as for an unknown one.
    return;
  }
}

template <const Connector& kConnector>
void documents(const gwc_channel* channel, const gwc_request* request, const gwc_sink* sink) {
  try {
    for (const std::string& url :
         kConnector.documents(copy::channel(*channel), copy::request(*request))) {
      sink->account(sink->self, view::str(url));
    }
  } catch (...) {
    // Without its documents verify will not accept.
    return;
  }
}

template <const Connector& kConnector>
constexpr gwc_connector table() {
  return {.size = sizeof(gwc_connector),
          .abi_major = GWC_ABI_MAJOR,
          .abi_minor = GWC_ABI_MINOR,
          .flags = kConnector.polling == Polling::yes ? std::uint32_t{GWC_POLLS} : 0u,
          .type = kConnector.type,
          .config_schema = kConnector.config_schema,
          .verify = verify<kConnector>,
          .receive = receive<kConnector>,
          .plan = plan<kConnector>,
          .accounts = kConnector.accounts == nullptr ? nullptr : accounts<kConnector>,
          .documents = kConnector.documents == nullptr ? nullptr : documents<kConnector>,
          .max_body_bytes = kConnector.max_body_bytes};
}

}  // namespace thunk
}  // namespace connector

// add_connector() renames the entry where several connectors are linked into one test program.
// The table is const, not constexpr: with -fsanitize=undefined, GCC 12 lets no constant expression
// compare a function with null.
#ifndef CONNECTOR_ENTRY
#define CONNECTOR_ENTRY gwc_connector_v1
#endif

#define EXPORT_CONNECTOR(kConnector)                                                             \
  extern "C" __attribute__((visibility("default"))) const gwc_connector* CONNECTOR_ENTRY(void) { \
    static const gwc_connector kTable = connector::thunk::table<kConnector>();                   \
    return &kTable;                                                                              \
  }

#endif  // CONNECTORS_SDK_CONNECTOR_H_
