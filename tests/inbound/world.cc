#include "tests/inbound/world.h"

#include <stdexcept>

#include "connectors/sdk/crypto.h"
#include "gateway/base/log.h"
#include "gateway/store/channel_accounts.h"

namespace inbound_test {
namespace {

using gateway::domain::BusinessId;
using gateway::domain::ChannelId;

template <class T>
T must(gateway::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message + " " + result.error().cause);
  return std::move(*result);
}

void must(const gateway::Result<>& result) {
  if (!result) throw std::runtime_error(result.error().message + " " + result.error().cause);
}

}  // namespace

void FakeDocuments::fetch(const std::string& url,
                          gateway::Task<void(std::optional<std::string>)> done) {
  std::optional<std::string> text;
  {
    const std::lock_guard lock(mutex_);
    ++fetches_[url];
    if (const auto found = documents_.find(url); found != documents_.end()) text = found->second;
  }
  done(std::move(text));
}

int FakeDocuments::fetches(const std::string& url) {
  const std::lock_guard lock(mutex_);
  return fetches_[url];
}

void FakeDocuments::put(const std::string& url, const std::string& text) {
  const std::lock_guard lock(mutex_);
  documents_[url] = text;
}

// The routes of the gateway's API that lead to the receiver.
class World::App final : public gateway::http::App {
 public:
  explicit App(gateway::inbound::Receiver& receiver) : receiver_(receiver) {}
  std::size_t body_limit(const gateway::http::Request&) override { return 16u << 20; }
  void handle(gateway::http::Request&& request, gateway::http::Reply&& reply) override {
    const std::string rest = request.path.substr(std::string(kSharedPath).size());
    if (rest.empty()) {
      receiver_.receive_shared("switchboard", std::move(request), std::move(reply));
      return;
    }
    const auto channel = ChannelId::parse(std::string_view(rest).substr(1));
    if (!channel) return reply.send(gateway::http::Response::text(404, ""));
    receiver_.receive("switchboard", *channel, std::move(request), std::move(reply));
  }

 private:
  gateway::inbound::Receiver& receiver_;
};

World::World(const WorldOptions& options) {
  gateway::log::set_level(gateway::log::Level::off);
  keyring_ = std::make_unique<gateway::secrets::Keyring>(
      must(gateway::secrets::Keyring::load_or_create((folder_.path() / "keys").string())));
  vault = std::make_unique<gateway::store::Vault>(*keyring_);
  const std::vector<std::string> folders = {BACKCHANNEL_BINARY_DIR "/tests/switchboard"};
  registry =
      std::make_unique<gateway::plugins::Registry>(must(gateway::plugins::Registry::load(folders)));
  if (registry->find("switchboard") == nullptr) throw std::runtime_error("no switchboard");
  loaders = std::make_unique<gateway::store::Workers>("hooks", 2, 1024, database.gateway_options());
  hooks = std::make_unique<gateway::inbound::HookCache>(
      *loaders,
      gateway::inbound::ChannelContext{*vault,
                                       *registry,
                                       "https://hooks.example",
                                       {{"meta_app_secret", options.deployment_secret}}},
      database.clock);
  gateway::inbound::BatcherOptions batching{.session = database.gateway_options()};
  batching.max_queued_events = options.max_queued_events;
  batcher = std::make_unique<gateway::inbound::Batcher>(std::move(batching), database.clock,
                                                        database.ids, metrics);
  documents = std::make_unique<gateway::inbound::DocumentCache>(sources, database.clock);
  receiver = std::make_unique<gateway::inbound::Receiver>(*hooks, *batcher, documents.get(),
                                                          database.clock, database.ids, metrics);
  app_ = std::make_unique<App>(*receiver);
  server_ = std::make_unique<gateway::http::Server>(gateway::http::ServerOptions{}, *app_, metrics);
  must(server_->start());
}

World::~World() {
  server_->drain(std::chrono::milliseconds(2'000));
  loaders->stop();
  batcher->stop();
}

Channel World::connect(BusinessId business, const std::string& account,
                       const std::string& app_secret) {
  Channel channel{business, ChannelId(database.ids.next()), account, "token-of-" + account};
  std::string config = R"({"bot_token":")" + account + ":" + channel.token + "\"";
  if (!app_secret.empty()) config += R"(,"app_secret":")" + app_secret + "\"";
  config += "}";
  auto& db = database.gateway;
  const auto sealed =
      must(vault->seal(db, business, gateway::store::kChannelConfig, channel.id.get(), config));
  const auto secret = must(vault->seal(db, business, gateway::store::kChannelSecret,
                                       channel.id.get(), std::string(64, 'a')));
  static constexpr const char* kInsert =
      "insert into channel (tenant_id, id, type, config_sealed, secret_sealed)"
      " values ($1, $2, 'switchboard', $3, $4)";
  must(db.run(gateway::store::Scope::of(business),
              gateway::store::Query{kInsert, {business, channel.id, sealed, secret}}));
  stand_for(channel, {account, "verify:" + sdk::hex(sdk::sha256(channel.token))});
  return channel;
}

void World::stand_for(const Channel& channel, const std::vector<std::string>& accounts) {
  auto transaction = must(database.gateway.begin(gateway::store::Scope::of(channel.business)));
  must(gateway::store::replace_channel_accounts(transaction, channel.id, "switchboard", accounts));
  must(transaction.commit());
}

HttpClient::Answer World::post(const std::string& path, const std::string& body,
                               const std::string& secret, HttpClient::Headers more) {
  more.emplace_back("Content-Type", "application/json");
  more.emplace_back("X-Switchboard-Signature", sdk::hex(sdk::hmac_sha256(secret, body)));
  HttpClient client(server_->port());
  return client.call("POST", path, more, body);
}

HttpClient::Answer World::get(const std::string& target) {
  HttpClient client(server_->port());
  return client.call("GET", target);
}

std::string World::contents(const Channel& channel) {
  return value(
      "select coalesce(string_agg(content, ',' order by sort_at, sort_seq, id), '')"
      " from message where channel_id = '" +
      channel.id.text() + "'");
}

int World::count(const std::string& table, const Channel& channel) {
  return std::stoi(
      value("select count(*) from " + table + " where channel_id = '" + channel.id.text() + "'"));
}

double World::outcomes(const std::string& outcome) {
  return metrics
      .counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
               {{"outcome", outcome}})
      .value();
}

std::string entry(const std::string& account, const std::string& message, const std::string& text,
                  const std::string& more) {
  return R"({"account":")" + account + R"(","thread":"ana","message":")" + message +
         R"(","text":")" + text + "\"" + more + "}";
}

std::string delivery(const std::vector<std::string>& entries) {
  std::string body = R"({"entries":[)";
  for (std::size_t i = 0; i < entries.size(); ++i) body += (i == 0 ? "" : ",") + entries[i];
  return body + "]}";
}

}  // namespace inbound_test
