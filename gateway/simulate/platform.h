// What the simulators of all platforms share: an API on the ports of its hosts, webhook deliveries,
// faults, a record of what happened, and the control API's common half.
//
// A simulator derives from it and says what its platform answers. All public methods may be called
// from any thread. It owns two threads between start and stop: one for the API, one for deliveries.
#ifndef GATEWAY_SIMULATE_PLATFORM_H_
#define GATEWAY_SIMULATE_PLATFORM_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "gateway/base/clock.h"
#include "gateway/base/result.h"
#include "gateway/simulate/api_server.h"
#include "gateway/simulate/control_desk.h"
#include "gateway/simulate/deliveries.h"
#include "gateway/simulate/faults.h"
#include "gateway/simulate/webhook_sender.h"

namespace gateway::simulate {

struct PlatformOptions {
  std::string address = "127.0.0.1";
  // Of the first host; the others follow it in the order of upstreams(). 0: chosen by the kernel.
  std::uint16_t port = 0;
  std::uint64_t seed = 1;
  double time_scale = 1;  // the platform's own waiting times this
  // What a webhook is given to answer, where the platform does not allow less.
  std::chrono::milliseconds answer_timeout{20'000};
  // People answer what they are sent.
  bool replies = false;
  // Shared with others; absent: one of its own.
  std::shared_ptr<ControlDesk> desk;
};

// One call of the API. Tokens and secrets are left out.
struct ApiCall {
  std::int64_t number = 0;
  std::int64_t at_ms = 0;
  std::string host;
  std::string method;
  std::string path;
  std::string account;      // whom it is about, where that is known
  std::string body;         // as JSON where it is a form or JSON
  int status = 0;           // 0: no answer was given
  std::string description;  // of a refusal
  std::string fault;        // name of the fault that hit it
};

// A message the platform was given to send, and took.
struct Sent {
  std::int64_t number = 0;
  std::string platform;  // "whatsapp"
  std::string account;   // the sender
  std::string to;
  std::string id;
  std::string reply_to;
  std::string kind;  // "text", "image", ...
  std::string text;
  std::string body;  // what was given, as JSON or as the mail's bytes
};

// Pairs of origins as BACKCHANNEL_UPSTREAMS takes them.
using Upstreams = std::vector<std::pair<std::string, std::string>>;
std::string upstreams_setting(const Upstreams& upstreams);

class Platform {
 public:
  virtual ~Platform();
  Platform(const Platform&) = delete;
  Platform& operator=(const Platform&) = delete;

  virtual Result<> start();
  virtual void stop();
  const std::string& name() const { return name_; }
  std::uint16_t port(std::string_view host) const;
  std::string origin(std::string_view host) const;  // "http://127.0.0.1:PORT"
  // The platform's origins and where they are simulated.
  virtual Upstreams upstreams() const;

  // What has happened ----------------------------------------------------------------------------

  std::vector<ApiCall> calls(std::int64_t after = 0) const;
  // Empty stands for all.
  std::vector<Sent> sent(std::string_view account = {}, std::string_view to = {}) const;
  // Waits until `enough` holds of the messages sent so far.
  bool wait_sent(std::chrono::milliseconds patience,
                 const std::function<bool(const std::vector<Sent>&)>& enough) const;
  // Waits until no webhook event waits.
  bool wait_idle(std::chrono::milliseconds patience);
  DeliveryStats delivery_stats() const { return sender_.stats(); }
  std::vector<Delivery> deliveries(std::int64_t after = 0) const { return sender_.log(after); }

  // Trouble --------------------------------------------------------------------------------------

  void inject(CallFault fault);
  void inject(DeliveryFault fault) { sender_.inject(fault); }
  // While down, every connection that asks for the API is reset.
  void set_down(bool down);
  bool is_down() const;
  void clear_faults();
  // Forgets messages, calls, faults and deliveries; accounts and webhooks stay.
  void reset();

 protected:
  struct Host {
    std::string name;                  // "graph.facebook.com"
    std::vector<std::string> origins;  // simulated on its port
  };
  // A call out to somebody, whose outcome decides the answer. `then` runs under the lock.
  struct Waiting {
    HttpCall call;
    std::function<HttpReply(const HttpOutcome& outcome)> then;
  };
  using Answer = std::variant<HttpReply, Waiting>;
  struct ControlRequest {
    std::string method;
    std::string path;  // behind the platform's name
    sdk::Form query;
    std::string body;
    sdk::json::Value json;  // of the body; absent where it is none
  };

  Platform(std::string name, PlatformOptions options, std::vector<Host> hosts, std::string help);

  // All of these run under the lock.

  // One call of the API. May set account and description of the record.
  virtual Answer answer(const HttpRequest& request, ApiCall& record) = 0;
  // The answer of a fault that keeps a call from being executed, in the platform's words.
  virtual HttpReply refusal(const CallFault& fault, const HttpRequest& request) = 0;
  // Whom a call is about, before it is answered; for faults of one account.
  virtual std::string account_of(const HttpRequest& request) const = 0;
  // The platform's own part of the control API; absent where there is no such path.
  virtual std::optional<Answer> control(const ControlRequest& request) = 0;
  virtual void forget() = 0;

  // Keeps a message that was sent. Under the lock.
  void record_sent(Sent sent);
  std::string mint(std::string_view alphabet, std::size_t characters);
  std::string mint_digits(std::size_t characters);  // no leading zero
  std::string mint_hex(std::size_t characters);
  std::string mint_uuid();
  std::uint64_t below(std::uint64_t limit);  // uniform enough
  // Of the platform's waiting, in real time.
  std::chrono::milliseconds scaled(std::int64_t platform_ms) const;

  const PlatformOptions options_;
  const SystemClock clock_;
  // Guards everything of the derived class, and what follows it here. The sender has a lock of its
  // own, taken behind this one, never before.
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  WebhookSender sender_;

 private:
  void handle(const HttpRequest& request, const ApiServer::Respond& respond);
  bool admit(const HttpRequest& head);
  void serve(const HttpRequest& request, const ApiServer::Respond& respond);
  void serve_control(const HttpRequest& request, const std::string& rest,
                     const ApiServer::Respond& respond);
  std::optional<HttpReply> common_control(const ControlRequest& request);
  std::optional<CallFault> take_fault(const HttpRequest& request, bool before_body);
  void record(ApiCall call);

  const std::string name_;
  const std::vector<Host> hosts_;
  const std::string help_;
  std::shared_ptr<ControlDesk> desk_;
  std::mt19937_64 random_;
  CallFaults<CallFault> faults_;
  bool down_ = false;
  std::deque<ApiCall> calls_;
  std::int64_t call_count_ = 0;
  std::vector<Sent> sent_;
  std::int64_t sent_count_ = 0;
  ApiServer server_;
};

// The body of a request as one JSON text for the record: a form or JSON with secrets as ***, else
// its size.
std::string shown_body(const HttpRequest& request);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_PLATFORM_H_
