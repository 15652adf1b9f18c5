// The real binary as a black box: `backchannel serve` with its embedded Postgres in a folder of its
// own, a simulated Telegram beside it, and tenants that use both.
//
// One for the whole test program, started by the first test that asks, stopped at the end; a test
// that ends the gateway starts it again. Belongs to the main thread, except where a method says
// otherwise.
#ifndef TESTS_E2E_GATEWAY_H_
#define TESTS_E2E_GATEWAY_H_

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/simulate/program.h"
#include "gateway/simulate/telegram_simulator.h"
#include "tests/support/http_client.h"

namespace e2e {

inline constexpr const char* kDeploymentSecret = "app-secret-of-the-deployment";

using namespace std::chrono_literals;
using test_support::HttpClient;

struct Answer {
  int status = 0;
  HttpClient::Headers headers;
  std::string body;
  std::shared_ptr<const sdk::json::Document> document;

  sdk::json::Value json() const { return document ? document->root() : sdk::json::Value(); }
  std::string header(std::string_view lower_name) const;
};

// Polls until `condition` holds; false when patience is over.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience = 30s);

class Gateway {
 public:
  static Gateway& instance();
  ~Gateway();

  // Starts where it does not run, and waits until it is ready.
  void start();
  // Does not wait; for tests that look at a start.
  void launch();
  bool wait_ready(std::chrono::milliseconds patience = 120s);
  bool running();
  // SIGTERM; the wait status.
  std::optional<int> stop(std::chrono::milliseconds patience = 60s);
  void kill();

  std::uint16_t port() const { return port_; }
  gateway::simulate::TelegramSimulator& telegram() { return *telegram_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::string log() const { return (folder_ / "gateway.log").string(); }

  // A call of the REST API on the shared connection, or on `client`.
  Answer call(const std::string& method, const std::string& path, const std::string& token = {},
              const std::string& json = {});
  static Answer call(HttpClient& client, const std::string& method, const std::string& path,
                     const std::string& token = {}, const std::string& json = {});

  // Runs `backchannel ARGUMENTS` on the same data folder: wait status and what it printed.
  std::pair<int, std::string> command(
      std::vector<std::string> arguments,
      std::vector<std::pair<std::string, std::string>> environment = {});

  // The first column of the only row, as the superuser of the embedded Postgres.
  std::string query(const std::string& sql);
  pid_t postmaster() const;

 private:
  Gateway();
  std::filesystem::path folder_;
  std::unique_ptr<gateway::simulate::TelegramSimulator> telegram_;
  std::uint16_t port_ = 0;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::optional<gateway::simulate::Program> program_;
  std::unique_ptr<HttpClient> client_;
};

// A person with a business.
struct Tenant {
  std::string email;
  std::string token;
  std::string business;

  // Registers a fresh one; an empty plan leaves it on Free.
  static Tenant make(const std::string& plan = "mini");
};

// A Telegram channel of a tenant.
struct Channel {
  std::string id;
  std::string path;  // of its webhook
  std::string secret;
  std::int64_t bot_id = 0;
  std::string bot_token;

  // Connects a fresh bot and waits until its registration is known to be active.
  static Channel connect(const Tenant& tenant);
};

// A token nobody has used yet.
std::pair<std::int64_t, std::string> fresh_bot();

// What a platform would post: a text in a private chat.
std::string text_update(std::int64_t update_id, std::int64_t user_id, std::int64_t message_id,
                        std::string_view text, std::int64_t date = 0);
HttpClient::Headers signed_with(const std::string& secret);
// Posts to the webhook on the shared connection.
Answer deliver(const Channel& channel, const std::string& body);

// All conversations of a tenant, or of one of its channels; and one with its messages.
std::vector<sdk::json::Value> conversations(Answer& keep, const Tenant& tenant);
Answer conversation(const Tenant& tenant, const std::string& id);
// The only conversation of a tenant; empty where there is none or there are several.
std::string only_conversation(const Tenant& tenant);

}  // namespace e2e

#endif  // TESTS_E2E_GATEWAY_H_
