// What the outbound tests share: a database, a business with channels and conversations, a platform
// that answers as told, and a Dispatcher between them. Thread-confined.
#ifndef TESTS_OUTBOUND_WORLD_H_
#define TESTS_OUTBOUND_WORLD_H_

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/outbound/dispatcher.h"
#include "gateway/plugins/connector.h"
#include "gateway/secrets/keyring.h"
#include "gateway/store/vault.h"
#include "tests/support/database.h"
#include "tests/support/http_server.h"
#include "tests/support/postgres.h"

namespace test_outbound {

using gateway::domain::BusinessId;
using gateway::domain::ChannelId;
using gateway::domain::ConversationId;
using gateway::domain::MessageId;
using test_support::HttpAnswer;
using test_support::HttpRequest;

inline constexpr std::string_view kToken = "canary-token-8f1e";

// Sanitizers make everything slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::chrono::seconds kPatience{120};
#else
inline constexpr std::chrono::seconds kPatience{20};
#endif

// Polls until it holds or kPatience is over.
bool eventually(const std::function<bool()>& holds);

class World {
 public:
  explicit World(test_support::HttpServer::Handler handler);

  BusinessId make_business() { return db.make_business(); }
  // Of type fake and at the platform, unless told otherwise.
  ChannelId make_channel(BusinessId business, std::string_view registration = "1",
                         const std::string& type = "fake", const std::string& given = "");
  ConversationId make_conversation(BusinessId business, ChannelId channel, std::string thread);
  // An agent's message as the API makes it, in the outbox.
  MessageId say(BusinessId business, ConversationId conversation, ChannelId channel,
                const std::string& text);

  // As the owner of the database: past row-level security.
  std::string value(const std::string& sql) { return db.value(sql); }
  void execute(const std::string& sql);
  std::string message(MessageId id, const std::string& column = "status");
  std::string channel(ChannelId id, const std::string& column = "registration_state");
  // What a human enters at the platform.
  std::string instructions(ChannelId id);
  // "status" names as numbers: domain::MessageStatus.
  bool becomes(MessageId id, const std::string& status);
  // From now on known_remote_id tells what remote_ids_known was called with, in place of what that
  // does.
  void record_remote_ids();
  // What waits for a later time is due now.
  void hurry();

  std::unique_ptr<gateway::outbound::Dispatcher> start(
      std::function<void(gateway::outbound::OutboundOptions&)> adjust = {});

  test_support::Database db;
  test_support::HttpServer platform;
  gateway::Metrics metrics;
  gateway::plugins::Registry registry;
  test_support::TempFolder folder{"outbound"};
  std::optional<gateway::secrets::Keyring> keyring;
  std::optional<gateway::store::Vault> vault;
  std::mutex mutex;
  std::vector<ChannelId> changed;  // guarded by mutex: what channel_changed was told

 private:
  std::int64_t sequence_ = 0;
};

}  // namespace test_outbound

#endif  // TESTS_OUTBOUND_WORLD_H_
