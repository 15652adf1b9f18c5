// A gateway's API over a real Postgres and the real HTTP edge, with a platform that does what the
// test says. Every answer is judged by schemas/api/openapi.json on its way to the test.
#ifndef TESTS_API_WORLD_H_
#define TESTS_API_WORLD_H_

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/api/api.h"
#include "gateway/http/server.h"
#include "gateway/secrets/keyring.h"
#include "gateway/store/accounts.h"
#include "tests/support/database.h"
#include "tests/support/http_client.h"
#include "tests/support/postgres.h"
#include "tests/support/result.h"

namespace api_test {

inline constexpr const char* kPublicUrl = "https://hooks.backchannel.test";
inline constexpr const char* kOperatorToken = "operator-token-of-the-test-world";

using Headers = test_support::HttpClient::Headers;

// The system's time, moved forward at will.
class ShiftedClock final : public gateway::Clock {
 public:
  std::int64_t now_ms() const override { return system_.now_ms() + shift_.load(); }
  std::int64_t steady_ms() const override { return system_.steady_ms() + shift_.load(); }
  void advance(std::int64_t ms) { shift_ += ms; }

 private:
  gateway::SystemClock system_;
  std::atomic<std::int64_t> shift_{0};
};

// Answers registrations as the test wants, and remembers what it was asked.
class FakeOutbound final : public gateway::outbound::Outbound {
 public:
  using Done = std::function<void(gateway::outbound::RegistrationOutcome)>;
  // What registers: called on the worker's thread; may keep `done` and call it later.
  std::function<void(gateway::domain::BusinessId, gateway::domain::ChannelId, Done)> behave;

  void register_channel(gateway::domain::BusinessId business, gateway::domain::ChannelId channel,
                        Done done) override;
  void wake() override { ++wakes; }
  void acknowledge(gateway::domain::BusinessId, gateway::domain::ChannelId,
                   connector::Event) override {}
  void signal(gateway::domain::BusinessId business, gateway::domain::ChannelId channel,
              connector::Event event) override;
  void fetch_document(std::string, std::function<void(std::optional<std::string>)> done) override {
    done(std::nullopt);
  }

  std::atomic<int> wakes{0};
  std::atomic<int> registrations{0};
  std::mutex mutex;
  std::vector<std::string> signals;  // "<business> <channel> <kind> <state> <thread> <message>"
};

class FakeReceiver final : public gateway::inbound::WebhookReceiver {
 public:
  void receive(std::string_view type, gateway::domain::ChannelId channel,
               gateway::http::Request&& request, gateway::http::Reply&& reply) override;
  void receive_shared(std::string_view type, gateway::http::Request&& request,
                      gateway::http::Reply&& reply) override;
  void channel_changed(gateway::domain::ChannelId) override { ++changes; }

  std::mutex mutex;
  std::vector<std::string> deliveries;  // "POST telegram <id or -> <path> <bytes of body>"
  std::atomic<int> changes{0};

 private:
  void note(std::string_view type, const std::string& channel, gateway::http::Request&& request,
            gateway::http::Reply&& reply);
};

struct Result {
  int status = 0;
  Headers headers;
  std::string body;
  std::shared_ptr<const sdk::json::Document> document;  // null: no JSON

  std::string header(std::string_view lower_name) const;
  sdk::json::Value json() const { return document ? document->root() : sdk::json::Value(); }
  sdk::json::Value operator[](std::string_view name) const { return json()[name]; }
  std::string text(std::string_view name) const { return std::string(json()[name].text_or("")); }
};

struct Person {
  gateway::domain::UserId id;
  std::string email;
  std::string token;
  std::string business;  // id; empty: none
};

struct WorldOptions {
  std::vector<std::string> cors_origins = {"https://app.acme.test"};
  std::string operator_token = kOperatorToken;
  gateway::auth::ThrottleLimits limits;
  gateway::auth::VisitorLimits visitor_limits;
  std::vector<std::string> trusted_proxies;
  int workers = 4;
  std::size_t queue = 256;
  bool expose_channel_secrets = false;
};

class World {
 public:
  explicit World(const WorldOptions& options = {});
  ~World();

  // One request on a connection of its own thread. `token` empty: no Authorization.
  Result call(const std::string& method, const std::string& target, const std::string& token = {},
              const std::string& body = {}, const Headers& extra = {});

  // People straight in the database, without the price of a password.
  Person person();
  // With a business on the plan.
  Person owner(const std::string& plan = "mini");
  // Somebody else who works in the owner's business.
  Person member(const Person& owner, gateway::store::Role role);
  std::string widget(const Person& owner, const std::string& domain = "acme.com");
  std::string telegram(const Person& owner, const std::string& token = "7123456789:AAHx-secret-1");
  std::string contact(const Person& owner);
  // A conversation as a platform's delivery makes it: with a thread and one customer's message.
  std::string inbound_conversation(const Person& owner, const std::string& channel,
                                   const std::string& text = "Hello", int minutes_ago = 0);

  std::string value(const std::string& sql) { return database.value(sql); }
  int count(const std::string& from) {
    return std::stoi(database.value("select count(*) from " + from));
  }
  std::uint16_t port() const { return server_->port(); }
  gateway::store::Vault& vault() { return *vault_; }

  test_support::Database database;
  ShiftedClock clock;
  gateway::Uuid7 ids{clock};
  gateway::Metrics metrics;
  FakeOutbound outbound;
  FakeReceiver receiver;
  // Told to live clients, "<business> <user> <status>"; under outbound.mutex.
  std::vector<std::string> status_news;
  std::unique_ptr<gateway::api::Readiness> readiness;
  std::unique_ptr<gateway::auth::Tokens> tokens;
  std::unique_ptr<gateway::store::MediaUrls> media_urls;
  std::unique_ptr<gateway::auth::VisitorTokens> visitor_tokens;
  std::unique_ptr<gateway::visitors::Visitors> visitors;

 private:
  Result judged(const std::string& method, const std::string& target, Result result);

  test_support::TempFolder folder_{"api"};
  std::unique_ptr<gateway::secrets::Keyring> keyring_;
  std::unique_ptr<gateway::store::Vault> vault_;
  std::unique_ptr<gateway::plugins::Registry> registry_;
  std::unique_ptr<gateway::auth::Throttle> throttle_;
  std::unique_ptr<gateway::auth::VisitorThrottle> visitor_throttle_;
  std::unique_ptr<gateway::store::Workers> workers_;
  std::unique_ptr<gateway::store::Workers> passwords_;
  std::unique_ptr<gateway::api::Api> api_;
  std::unique_ptr<gateway::http::Server> server_;
  int people_ = 0;
};

std::string random_id();

// Runs `work(i)` on as many threads, which start together.
void together(int threads, const std::function<void(int)>& work);

}  // namespace api_test

#endif  // TESTS_API_WORLD_H_
