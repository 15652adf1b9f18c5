#include "gateway/app.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "gateway/api/api.h"
#include "gateway/api/readiness.h"
#include "gateway/auth/random.h"
#include "gateway/auth/tokens.h"
#include "gateway/base/log.h"
#include "gateway/http/server.h"
#include "gateway/inbound/batcher.h"
#include "gateway/inbound/documents.h"
#include "gateway/inbound/hook_cache.h"
#include "gateway/inbound/receive.h"
#include "gateway/inbound/store_events.h"
#include "gateway/live/live.h"
#include "gateway/outbound/dispatcher.h"
#include "gateway/outbound/media_fetcher.h"
#include "gateway/outbound/media_local.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/ingest.h"
#include "gateway/store/migrate.h"
#include "gateway/store/self_check.h"

namespace gateway {
namespace {

constexpr int kApiThreads = 4;
constexpr std::size_t kApiQueue = 512;
// Each password costs 128 MiB and a third of a second while it is checked.
constexpr int kPasswordThreads = 2;
constexpr std::size_t kPasswordQueue = 16;
constexpr int kHookThreads = 2;
constexpr std::size_t kHookQueue = 1024;

constexpr int kRawDays = 30;
constexpr int kKeyDays = 30;
constexpr int kRealtimeHours = 48;
constexpr std::chrono::minutes kSweepEvery{10};

// Housekeeping beside the work, on a thread and a connection of its own.
class Sweeper {
 public:
  explicit Sweeper(store::SessionOptions options) {
    options.statement_timeout = std::chrono::seconds(60);
    options.deadline = std::chrono::seconds(65);
    thread_ = std::thread([this, options] { run(options); });
  }
  ~Sweeper() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
  }

 private:
  void run(const store::SessionOptions& options) {
    store::Session db(options);
    std::unique_lock lock(mutex_);
    while (!stop_.wait_for(lock, kSweepEvery, [this] { return stopping_; })) {
      lock.unlock();
      const auto swept = store::sweep(db, kRawDays, kKeyDays, kRealtimeHours);
      if (!swept) {
        log::warn("store", "housekeeping failed and is tried again later",
                  {{"reason", swept.error().message}});
      }
      db.disconnect();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

// One port: live sessions on their path, everything else the API's.
class Front final : public http::App {
 public:
  Front(http::App& api, realtime::Server& live) : api_(api), live_(live) {}
  std::size_t body_limit(const http::Request& head) override {
    return is_live(head) ? live_.body_limit() : api_.body_limit(head);
  }
  void handle(http::Request&& request, http::Reply&& reply) override {
    if (is_live(request)) return live_.handle(std::move(request), std::move(reply));
    api_.handle(std::move(request), std::move(reply));
  }
  http::Headers refusal_headers(const http::Request& head) override {
    return is_live(head) ? live_.refusal_headers(head) : api_.refusal_headers(head);
  }
  bool takes_upgrade(const http::Request& head) override {
    return is_live(head) && live_.takes_upgrade(head);
  }
  void upgraded(http::Request&& head, int fd, std::string bytes_behind_head) override {
    live_.upgraded(std::move(head), fd, std::move(bytes_behind_head));
  }

 private:
  bool is_live(const http::Request& request) const { return request.path == live_.path(); }

  http::App& api_;
  realtime::Server& live_;
};

// Documents of platforms come by the thread that fetches all else.
class PublicDocuments final : public inbound::DocumentSource {
 public:
  explicit PublicDocuments(outbound::Outbound& outbound) : outbound_(outbound) {}
  void fetch(const std::string& url, Task<void(std::optional<std::string>)> done) override {
    auto held = std::make_shared<Task<void(std::optional<std::string>)>>(std::move(done));
    outbound_.fetch_document(
        url, [held](std::optional<std::string> document) { (*held)(std::move(document)); });
  }

 private:
  outbound::Outbound& outbound_;
};

Error explain(Error error, const std::string& what, const std::string& remedy) {
  error.message = what + ": " + error.message + (remedy.empty() ? "" : "; " + remedy);
  return error;
}

Result<> migrate_database(const store::SessionOptions& owner_options, bool embedded,
                          const Progress& progress) {
  store::SessionOptions options = owner_options;
  options.statement_timeout = std::chrono::seconds(60);
  store::Session owner(options);
  auto may = store::may_migrate(owner);
  if (!may) return std::move(may).error();
  if (!*may) return {};  // the restricted login itself: the schema is checked below
  auto done = store::migrate(
      owner, [&](const std::string& name) { progress("database: applied " + name); });
  if (!done) return done;
  // Nobody but the user who runs Postgres reaches the socket of the embedded cluster, so the role
  // needs no password there.
  if (embedded) return owner.script("alter role backchannel_gateway login");
  return {};
}

std::vector<std::string> texts(std::span<const std::filesystem::path> paths) {
  return {paths.begin(), paths.end()};
}

// Postgres does more than half of the work, so by default it keeps half of the processors.
int reactors(const settings::Settings& settings) {
  if (settings.threads > 0) return settings.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency() / 2));
}

std::string local_url(const settings::Listen& listen, std::uint16_t port) {
  const bool v6 = listen.address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + listen.address + "]" : listen.address) + ":" +
         std::to_string(port);
}

}  // namespace

Result<DatabaseAccess> open_database(const settings::Settings& settings, ClusterUse use,
                                     const Progress& progress) {
  DatabaseAccess access;
  const bool embedded = settings.database_url.empty();
  if (embedded) {
    cluster::ClusterOptions options{.data_dir = settings.data_dir, .log = progress};
    auto opened = use == ClusterUse::own ? cluster::Cluster::open(std::move(options))
                                         : cluster::Cluster::attach_or_start(std::move(options));
    if (!opened) return std::move(opened).error();
    access.cluster.emplace(std::move(*opened));
    access.owner.conninfo = Secret(access.cluster->owner_conninfo());
    access.gateway.conninfo = Secret(access.cluster->gateway_conninfo());
  } else {
    access.owner.conninfo =
        settings.migrate_url.empty() ? settings.database_url : settings.migrate_url;
    access.gateway.conninfo = settings.database_url;
  }
  if (auto migrated = migrate_database(access.owner, embedded, progress); !migrated) {
    return explain(std::move(migrated).error(), "the database cannot be used",
                   embedded ? "see the log of Postgres in the data folder"
                            : "check DATABASE_URL and that Postgres is running");
  }
  store::Session probe(access.gateway);
  auto needs_role = store::needs_role(probe);
  if (!needs_role) {
    return explain(std::move(needs_role).error(), "the database cannot be used",
                   "check DATABASE_URL");
  }
  if (*needs_role) access.gateway.role = store::kGatewayRole;
  store::Session worker(access.gateway);
  if (auto checked = store::check_schema(worker); !checked) {
    return explain(std::move(checked).error(), "the database cannot be used", "");
  }
  return access;
}

plugins::Deployment deployment_of(const settings::Settings& settings) {
  return {{"meta_app_secret", settings.meta_app_secret.reveal()}};
}

struct App::Graph {
  explicit Graph(const settings::Settings& given) : settings(given) {}

  const settings::Settings settings;
  SystemClock clock;
  Uuid7 ids{clock};
  Metrics metrics;
  DatabaseAccess database;
  std::optional<secrets::Keyring> keyring;
  std::optional<store::Vault> vault;
  std::optional<plugins::Registry> registry;
  std::optional<auth::Tokens> tokens;
  std::optional<store::MediaUrls> media_urls;
  std::optional<auth::VisitorTokens> visitor_tokens;
  std::optional<auth::VisitorThrottle> visitor_throttle;
  std::optional<visitors::Visitors> visitors;
  std::optional<auth::Throttle> throttle;
  std::optional<api::Readiness> readiness;
  std::optional<Sweeper> sweeper;
  std::optional<store::Workers> hook_workers;
  std::optional<inbound::HookCache> hooks;
  std::optional<PublicDocuments> document_source;
  std::optional<inbound::DocumentCache> documents;
  std::optional<outbound::Dispatcher> dispatcher;
  std::optional<inbound::Batcher> batcher;
  std::optional<inbound::Receiver> receiver;
  std::optional<store::Workers> api_workers;
  std::optional<store::Workers> password_workers;
  std::optional<api::Api> api;
  std::optional<live::Live> live;
  std::optional<Front> front;
  // Set while `live` runs: whoever commits rings there.
  std::atomic<live::Live*> bell{nullptr};
  std::optional<http::Server> server;
  std::string public_url;
  bool drained = false;

  Result<> check() {
    store::Session db(database.gateway);
    auto findings = store::self_check(db, clock);
    if (!findings) return explain(std::move(findings).error(), "self-check", "");
    std::string fatal;
    for (const auto& finding : *findings) {
      log::warn("app", "self-check", {{"problem", finding.problem}, {"remedy", finding.remedy}});
      if (finding.fatal) fatal += "\n  " + finding.problem + "\n    remedy: " + finding.remedy;
    }
    if (!fatal.empty() && !settings.unsafe) {
      return fail(Errc::invalid_argument,
                  "the self-check objects (--unsafe starts all the same):" + fatal);
    }
    return {};
  }

  store::SessionOptions sessions(const char* name) const {
    auto options = database.gateway;
    options.application_name = std::string("backchannel ") + name;
    return options;
  }

  // Of those who write what live clients hear of.
  store::SessionOptions writing_sessions(const char* name) {
    auto options = sessions(name);
    options.committed = [this] {
      if (auto* rings = bell.load()) rings->ring();
    };
    return options;
  }

  Result<> build(const Progress& progress) {
    auto opened = open_database(settings, ClusterUse::own, progress);
    if (!opened) return std::move(opened).error();
    database = std::move(*opened);
    if (auto checked = check(); !checked) return checked;

    std::error_code ignored;  // the key file's own error says more
    if (settings.keys.has_parent_path()) {
      std::filesystem::create_directories(settings.keys.parent_path(), ignored);
    }
    auto keys = secrets::Keyring::load_or_create(settings.keys);
    if (!keys) return std::move(keys).error();
    keyring.emplace(std::move(*keys));
    vault.emplace(*keyring);
    auto loaded = plugins::Registry::load(texts(settings.connector_dirs));
    if (!loaded) return std::move(loaded).error();
    registry.emplace(std::move(*loaded));
    auto jwt = auth::Jwt::from(*keyring);
    if (!jwt) return std::move(jwt).error();
    tokens.emplace(std::move(*jwt), clock, ids,
                   auth::TokenOptions{.lifetime_s = settings.token_ttl_hours * 3600});
    throttle.emplace(clock, auth::ThrottleLimits{});
    auto proxies = auth::TrustedProxies::parse(settings.trusted_proxies);
    if (!proxies) return std::move(proxies).error();

    public_url = settings.public_url.empty() ? local_url(settings.http, settings.http.port)
                                             : settings.public_url;
    auto urls = store::MediaUrls::from(*keyring, public_url);
    if (!urls) return std::move(urls).error();
    media_urls.emplace(std::move(*urls));
    auto visitor_keys = auth::VisitorTokens::from(*keyring);
    if (!visitor_keys) return std::move(visitor_keys).error();
    visitor_tokens.emplace(std::move(*visitor_keys));
    visitor_throttle.emplace(clock, auth::VisitorLimits{});
    visitors.emplace(*vault, *visitor_tokens, *media_urls, clock, ids);
    readiness.emplace(sessions("readiness"), clock);
    sweeper.emplace(sessions("sweeper"));
    hook_workers.emplace("hooks", kHookThreads, kHookQueue, sessions("hooks"));
    hooks.emplace(*hook_workers,
                  inbound::ChannelContext{*vault, *registry, public_url, deployment_of(settings)},
                  clock);

    outbound::OutboundOptions out;
    out.public_url = public_url;
    out.upstreams = settings.upstreams;
    out.private_hosts = settings.private_hosts;
    out.http.ca_file = settings.ca_file.string();
    out.http.mail.ca_file = out.http.ca_file;
    out.deployment = deployment_of(settings);
    out.channel_changed = [this](domain::ChannelId channel) { hooks->forget(channel); };
    out.store_events = [this](store::Session& db, domain::BusinessId, domain::ChannelId channel,
                              std::span<const connector::Event> events,
                              std::span<const store::Query> also) -> Result<> {
      auto stored = inbound::store_events(db, {channel, clock.now_ms(), true}, events, ids, also);
      if (!stored) return std::move(stored).error();
      return {};
    };
    out.local_answer = outbound::local_media(*media_urls, clock);
    out.workers.push_back([bytes = settings.media_bytes](outbound::Context& context) {
      return outbound::make_media_fetcher(context, {.max_bytes = bytes});
    });
    dispatcher.emplace(writing_sessions("outbound"), *registry, *vault, clock, ids, metrics,
                       std::move(out));

    inbound::BatcherOptions ingest;
    ingest.session = writing_sessions("ingest");
    ingest.session.statement_timeout = std::chrono::milliseconds(2'500);
    ingest.session.deadline = std::chrono::milliseconds(3'000);
    ingest.committed = [this](const inbound::Delivery& delivery) {
      for (const auto& event : delivery.acknowledge) {
        dispatcher->acknowledge(delivery.business, delivery.channel, event);
      }
    };
    batcher.emplace(std::move(ingest), clock, ids, metrics);
    document_source.emplace(*dispatcher);
    documents.emplace(*document_source, clock);
    receiver.emplace(*hooks, *batcher, &*documents, clock, ids, metrics,
                     [this](auto business, auto channel, const connector::Event& event) {
                       if (auto* told = bell.load()) told->contact_types(business, channel, event);
                     });

    api_workers.emplace("api", kApiThreads, kApiQueue, writing_sessions("api"));
    password_workers.emplace("passwords", kPasswordThreads, kPasswordQueue, sessions("passwords"));
    api.emplace(api::ApiContext{
        .workers = *api_workers,
        .passwords = *password_workers,
        .vault = *vault,
        .registry = *registry,
        .plans = domain::Plans::built_in(),
        .outbound = *dispatcher,
        .receiver = *receiver,
        .clock = clock,
        .ids = ids,
        .metrics = metrics,
        .tokens = *tokens,
        .throttle = *throttle,
        .readiness = *readiness,
        .media_urls = *media_urls,
        .visitor_tokens = *visitor_tokens,
        .visitor_throttle = *visitor_throttle,
        .visitors = *visitors,
        .settings = {.public_url = public_url,
                     .cors_origins = {"*"},
                     .operator_token = settings.operator_token,
                     .trusted_proxies = *proxies,
                     .expose_channel_secrets = settings.expose_channel_secrets},
        .deployment = deployment_of(settings),
        .typing =
            [this](auto business, auto conversation, auto agent, bool is_typing) {
              if (auto* told = bell.load()) {
                told->agent_types(business, conversation, agent, is_typing);
              }
            },
        .status_changed =
            [this](store::Session& db, const store::Presence& who, std::string_view status) {
              if (auto* told = bell.load()) told->status_changed(db, who, status);
            }});
    auto node = auth::random_bytes(6);
    if (!node) return std::move(node).error();
    live.emplace(
        live::LiveOptions{
            .session = sessions("live"),
            .node = settings.node + "-" + sdk::hex(*node),
            .server = {.engine = {.node_tag = settings.node, .proxies = std::move(*proxies)}}},
        live::LiveContext{.tokens = *tokens,
                          .visitor_tokens = *visitor_tokens,
                          .throttle = *visitor_throttle,
                          .visitors = *visitors,
                          .media_urls = *media_urls,
                          .outbound = *dispatcher,
                          .clock = clock,
                          .metrics = metrics,
                          .agent_message = [this](store::Session& db, domain::BusinessId business,
                                                  const store::Message& message) {
                            return api->shown_message(db, business, message);
                          }});
    front.emplace(*api, live->server());
    server.emplace(http::ServerOptions{.address = settings.http.address,
                                       .port = settings.http.port,
                                       .reactors = reactors(settings)},
                   *front, metrics);
    if (auto started = dispatcher->start(); !started) return started;
    if (auto started = live->start(); !started) return started;
    bell = &*live;
    return server->start();
  }
};

Result<std::unique_ptr<App>> App::start(const settings::Settings& settings,
                                        const Progress& progress) {
  auto graph = std::make_unique<Graph>(settings);
  if (auto built = graph->build(progress); !built) return std::move(built).error();
  return std::unique_ptr<App>(new App(std::move(graph)));
}

App::App(std::unique_ptr<Graph> graph) : graph_(std::move(graph)) {}

App::~App() {
  if (!graph_->drained) drain(std::chrono::milliseconds(0));
}

std::uint16_t App::port() const { return graph_->server->port(); }
const std::string& App::public_url() const { return graph_->public_url; }
std::size_t App::connector_count() const { return graph_->registry->all().size(); }

std::size_t App::drain(std::chrono::milliseconds deadline) {
  graph_->drained = true;
  graph_->readiness->drain();
  graph_->bell = nullptr;
  graph_->live->stop(std::min(deadline / 2, std::chrono::milliseconds(3'000)));
  const std::size_t cut_off = graph_->server->drain(deadline);
  // Before what their jobs name: requests that were cut off may still be under way.
  graph_->password_workers->stop();
  graph_->api_workers->stop();
  graph_->hook_workers->stop();
  graph_->batcher->stop();
  graph_->dispatcher->stop(std::min(deadline, std::chrono::milliseconds(5'000)));
  return cut_off;
}

}  // namespace gateway
