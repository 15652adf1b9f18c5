// The inbound side as one piece, behind a real HTTP edge and on a real Postgres, with channels of
// the switchboard (tests/inbound/switchboard): many accounts behind one callback URL.
#ifndef TESTS_INBOUND_WORLD_H_
#define TESTS_INBOUND_WORLD_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gateway/http/server.h"
#include "gateway/inbound/receive.h"
#include "gateway/secrets/keyring.h"
#include "tests/support/database.h"
#include "tests/support/http_client.h"
#include "tests/support/postgres.h"

namespace inbound_test {

using test_support::HttpClient;

inline constexpr const char* kDeploymentSecret = "the-app-secret-of-the-deployment";

// Documents by URL; remembers how often each was asked for.
class FakeDocuments final : public gateway::inbound::DocumentSource {
 public:
  void fetch(const std::string& url, gateway::Task<void(std::optional<std::string>)> done) override;
  int fetches(const std::string& url);
  void put(const std::string& url, const std::string& text);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> documents_;
  std::map<std::string, int> fetches_;
};

struct Channel {
  gateway::domain::BusinessId business;
  gateway::domain::ChannelId id;
  std::string account;
  std::string token;

  std::string path() const { return "/api/v1/webhooks/switchboard/" + id.text(); }
};

struct WorldOptions {
  std::string deployment_secret = kDeploymentSecret;
  std::size_t max_queued_events = 4096;
};

inline constexpr const char* kSharedPath = "/api/v1/webhooks/switchboard";

class World {
 public:
  explicit World(const WorldOptions& options = {});
  ~World();

  // A stored channel that stands for its account; `app_secret` empty: the deployment's.
  Channel connect(gateway::domain::BusinessId business, const std::string& account,
                  const std::string& app_secret = {});
  // The channel stands for these accounts and no others; no cache is told.
  void stand_for(const Channel& channel, const std::vector<std::string>& accounts);

  HttpClient::Answer post(const std::string& path, const std::string& body,
                          const std::string& secret = kDeploymentSecret,
                          HttpClient::Headers more = {});
  HttpClient::Answer get(const std::string& target);

  // The contents of a channel's messages in their order.
  std::string contents(const Channel& channel);
  int count(const std::string& table, const Channel& channel);
  double outcomes(const std::string& outcome);
  std::string value(const std::string& sql) { return database.value(sql); }

  test_support::Database database;
  gateway::Metrics metrics;
  FakeDocuments sources;
  std::unique_ptr<gateway::store::Vault> vault;
  std::unique_ptr<gateway::plugins::Registry> registry;
  std::unique_ptr<gateway::store::Workers> loaders;
  std::unique_ptr<gateway::inbound::HookCache> hooks;
  std::unique_ptr<gateway::inbound::Batcher> batcher;
  std::unique_ptr<gateway::inbound::DocumentCache> documents;
  std::unique_ptr<gateway::inbound::Receiver> receiver;

 private:
  class App;
  test_support::TempFolder folder_{"inbound"};
  std::unique_ptr<gateway::secrets::Keyring> keyring_;
  std::unique_ptr<App> app_;
  std::unique_ptr<gateway::http::Server> server_;
};

// One entry of a delivery, as JSON; `more` is appended as it is: R"(,"kind":"echo")".
std::string entry(const std::string& account, const std::string& message, const std::string& text,
                  const std::string& more = {});
std::string delivery(const std::vector<std::string>& entries);

}  // namespace inbound_test

#endif  // TESTS_INBOUND_WORLD_H_
