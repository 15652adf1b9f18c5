// A Telegram for tests, demonstrations and authors of connectors: the Bot API on one side, signed
// and retried webhook deliveries on the other, faults on demand.
//
//   TelegramSimulator telegram;
//   telegram.start();
//   // the gateway, started with BACKCHANNEL_UPSTREAMS=https://api.telegram.org=<origin()>,
//   // calls getMe and setWebhook for the token of a new channel
//   telegram.say(7012345678, *find_person("ana"), "Hola");
//   telegram.wait_idle(std::chrono::seconds(10));
//   telegram.sent(7012345678);
//
// All methods may be called from any thread. It owns two threads between start and stop: one for
// the Bot API, one for deliveries.
#ifndef GATEWAY_SIMULATE_TELEGRAM_SIMULATOR_H_
#define GATEWAY_SIMULATE_TELEGRAM_SIMULATOR_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/simulate/bot_api.h"
#include "gateway/simulate/courier.h"
#include "gateway/simulate/faults.h"
#include "gateway/simulate/world.h"

namespace gateway::simulate {

struct TelegramOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: chosen by the kernel
  std::uint64_t seed = 1;
  UrlRules urls = UrlRules::loopback;
  // Waiting of the platform (retries, expiry, the second between two setWebhook) times this.
  double time_scale = 1;
  std::chrono::milliseconds answer_timeout{60'000};
};

// What can be wrong with the next calls of the Bot API. `method` is compared whole.
struct ApiFault : CallFault {
  std::int64_t bot_id = 0;  // 0: any
};

// One call that came in. Tokens and secrets are left out.
struct Call {
  std::int64_t number = 0;
  std::int64_t at_ms = 0;
  std::int64_t bot_id = 0;  // as the token's first part says
  std::string method;       // as it was written
  std::string params;       // JSON object
  int status = 0;           // 0: no answer was given
  std::string description;
  std::string fault;  // name of the fault that hit it
};

struct BotView {
  std::int64_t id = 0;
  std::string username;
  std::optional<Webhook> webhook;
  std::vector<std::string> allowed_updates;
};

class TelegramSimulator {
 public:
  explicit TelegramSimulator(TelegramOptions options = {});
  ~TelegramSimulator();
  TelegramSimulator(const TelegramSimulator&) = delete;
  TelegramSimulator& operator=(const TelegramSimulator&) = delete;

  Result<> start();
  void stop();
  std::uint16_t port() const;
  std::string origin() const;  // "http://127.0.0.1:PORT"

  // Bots -----------------------------------------------------------------------------------------

  std::vector<BotView> bots() const;
  std::optional<BotView> bot(std::int64_t id) const;
  // Waits until the bot has a webhook.
  bool wait_webhook(std::int64_t bot_id, std::chrono::milliseconds patience) const;
  // The token is answered 401 from now on; true where the bot is known.
  bool revoke(std::int64_t bot_id);

  // People ---------------------------------------------------------------------------------------

  // Makes updates in the World of one bot and posts them. False where the bot is unknown. Kinds
  // the bot has not asked for are counted and not delivered, as on the platform.
  using Act = std::function<std::vector<Update>(World& world, Bot& bot)>;
  bool act(std::int64_t bot_id, const Act& what, std::chrono::milliseconds delay = {});
  // A text in the private chat; the message's id, 0 where the bot is unknown.
  std::int64_t say(std::int64_t bot_id, const User& from, std::string_view text);
  // Bytes delivered as they are, also of kinds not asked for.
  bool deliver_verbatim(std::int64_t bot_id, std::string body, std::string queue = "verbatim");

  // What has happened ----------------------------------------------------------------------------

  std::vector<Call> calls(std::int64_t after = 0) const;
  // 0 stands for all.
  std::vector<SentMessage> sent(std::int64_t bot_id = 0, std::int64_t chat_id = 0) const;
  // Waits until `enough` holds of the messages sent so far.
  bool wait_sent(std::chrono::milliseconds patience,
                 const std::function<bool(const std::vector<SentMessage>&)>& enough) const;
  bool wait_idle(std::chrono::milliseconds patience);
  bool callback_answered(std::int64_t bot_id, std::string_view callback_id) const;
  DeliveryStats delivery_stats() const;
  std::vector<Delivery> deliveries(std::int64_t after = 0) const;

  // Trouble --------------------------------------------------------------------------------------

  void inject(ApiFault fault);
  void inject(DeliveryFault fault);
  // While down, every connection that asks for the Bot API is reset.
  void set_down(bool down);
  void clear_faults();
  // Forgets chats, messages, calls, faults and deliveries; bots and their webhooks stay.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_TELEGRAM_SIMULATOR_H_
