#include "tests/api/world.h"

#include <algorithm>
#include <barrier>
#include <stdexcept>
#include <thread>

#include "gateway/api/router.h"
#include "gateway/api/routes.h"
#include "gateway/base/log.h"
#include "tests/api/schema.h"

namespace api_test {
namespace {

using gateway::Secret;
using gateway::domain::BusinessId;
using gateway::domain::UserId;

template <class T>
T must(gateway::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message + " " + result.error().cause);
  return std::move(*result);
}

}  // namespace

void FakeOutbound::register_channel(BusinessId business, gateway::domain::ChannelId channel,
                                    Done done) {
  ++registrations;
  if (behave) {
    behave(business, channel, std::move(done));
    return;
  }
  done({gateway::domain::RegistrationState::active, false, ""});
}

void FakeOutbound::signal(BusinessId business, gateway::domain::ChannelId channel,
                          connector::Event event) {
  const std::lock_guard lock(mutex);
  signals.push_back(business.text() + " " + channel.text() + " " +
                    std::to_string(static_cast<int>(event.kind)) + " " + event.state + " " +
                    event.thread + " " + event.message);
}

void FakeReceiver::receive(std::string_view type, gateway::domain::ChannelId channel,
                           gateway::http::Request&& request, gateway::http::Reply&& reply) {
  note(type, channel.text(), std::move(request), std::move(reply));
}

void FakeReceiver::receive_shared(std::string_view type, gateway::http::Request&& request,
                                  gateway::http::Reply&& reply) {
  note(type, "-", std::move(request), std::move(reply));
}

void FakeReceiver::note(std::string_view type, const std::string& channel,
                        gateway::http::Request&& request, gateway::http::Reply&& reply) {
  {
    const std::lock_guard lock(mutex);
    deliveries.push_back(request.method + " " + std::string(type) + " " + channel + " " +
                         request.path + " " + std::to_string(request.body.size()));
  }
  reply.send(gateway::http::Response::text(200, ""));
}

std::string Result::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return value;
  }
  return {};
}

World::World(const WorldOptions& options) {
  gateway::log::set_level(gateway::log::Level::off);
  keyring_ = std::make_unique<gateway::secrets::Keyring>(
      must(gateway::secrets::Keyring::load_or_create((folder_.path() / "keys").string())));
  vault_ = std::make_unique<gateway::store::Vault>(*keyring_);
  const std::vector<std::string> folders = {FAKE_CONNECTORS};
  registry_ =
      std::make_unique<gateway::plugins::Registry>(must(gateway::plugins::Registry::load(folders)));
  if (registry_->all().size() != 3) throw std::runtime_error("the test's connectors do not load");
  tokens = std::make_unique<gateway::auth::Tokens>(must(gateway::auth::Jwt::from(*keyring_)), clock,
                                                   ids, gateway::auth::TokenOptions{});
  media_urls = std::make_unique<gateway::store::MediaUrls>(
      must(gateway::store::MediaUrls::from(*keyring_, kPublicUrl)));
  visitor_tokens = std::make_unique<gateway::auth::VisitorTokens>(
      must(gateway::auth::VisitorTokens::from(*keyring_)));
  visitor_throttle_ =
      std::make_unique<gateway::auth::VisitorThrottle>(clock, options.visitor_limits);
  visitors = std::make_unique<gateway::visitors::Visitors>(*vault_, *visitor_tokens, *media_urls,
                                                           clock, ids);
  throttle_ = std::make_unique<gateway::auth::Throttle>(clock, options.limits);
  readiness = std::make_unique<gateway::api::Readiness>(database.gateway_options(), clock);
  workers_ = std::make_unique<gateway::store::Workers>("api", options.workers, options.queue,
                                                       database.gateway_options());
  passwords_ =
      std::make_unique<gateway::store::Workers>("passwords", 2, 16, database.gateway_options());
  api_ = std::make_unique<gateway::api::Api>(gateway::api::ApiContext{
      .workers = *workers_,
      .passwords = *passwords_,
      .vault = *vault_,
      .registry = *registry_,
      .plans = gateway::domain::Plans::built_in(),
      .outbound = outbound,
      .receiver = receiver,
      .clock = clock,
      .ids = ids,
      .metrics = metrics,
      .tokens = *tokens,
      .throttle = *throttle_,
      .readiness = *readiness,
      .media_urls = *media_urls,
      .visitor_tokens = *visitor_tokens,
      .visitor_throttle = *visitor_throttle_,
      .visitors = *visitors,
      .settings = {.public_url = kPublicUrl,
                   .cors_origins = options.cors_origins,
                   .operator_token = Secret(options.operator_token),
                   .trusted_proxies =
                       must(gateway::auth::TrustedProxies::parse(options.trusted_proxies)),
                   .expose_channel_secrets = options.expose_channel_secrets},
      .status_changed = [this](gateway::store::Session&, const gateway::store::Presence& who,
                               std::string_view status) {
        const std::lock_guard lock(outbound.mutex);
        status_news.push_back(who.business.text() + " " + who.user.text() + " " +
                              std::string(status));
      }});
  server_ = std::make_unique<gateway::http::Server>(gateway::http::ServerOptions{}, *api_, metrics);
  if (const auto started = server_->start(); !started) {
    throw std::runtime_error(started.error().message);
  }
}

World::~World() {
  server_->drain(std::chrono::milliseconds(2'000));
  passwords_->stop();
  workers_->stop();
}

Result World::call(const std::string& method, const std::string& target, const std::string& token,
                   const std::string& body, const Headers& extra) {
  Headers headers = extra;
  if (!token.empty()) headers.emplace_back("Authorization", "Bearer " + token);
  const bool is_typed = std::any_of(extra.begin(), extra.end(), [](const auto& header) {
    return sdk::equals_ignoring_case(header.first, "content-type");
  });
  if (!body.empty() && !is_typed) headers.emplace_back("Content-Type", "application/json");
  test_support::HttpClient client(port());
  const auto answer = client.call(method, target, headers, body);
  Result result{answer.status, answer.headers, answer.body, nullptr};
  if (answer.header("content-type").starts_with("application/json") && !answer.body.empty()) {
    sdk::json::Limits limits;
    limits.bytes = 64u << 20;
    limits.nodes = 5'000'000;
    auto parsed = sdk::json::Document::parse(answer.body, limits);
    if (!parsed) throw std::runtime_error("an answer that is no JSON: " + answer.body);
    result.document = std::make_shared<sdk::json::Document>(std::move(*parsed));
  }
  return judged(method, target, std::move(result));
}

Result World::judged(const std::string& method, const std::string& target, Result result) {
  static const gateway::api::Router router(gateway::api::routes());
  const auto match = router.match(method, target.substr(0, target.find('?')));
  if (match.kind != gateway::api::Match::Kind::found || method == "HEAD") return result;
  const auto& route = gateway::api::routes()[match.route];
  if (route.access == gateway::api::Access::platform && result.status == 200) return result;
  for (const auto& complaint :
       OpenApi::document().judge(route.method, route.pattern, result.status,
                                 result.header("content-type"), result.body)) {
    // Not on the test's main thread perhaps: Boost's macros are not for others.
    throw std::runtime_error(method + " " + target + " answered " + std::to_string(result.status) +
                             ": " + complaint + "\n" + result.body);
  }
  return result;
}

Person World::person() {
  Person person;
  person.id = UserId(ids.next());
  person.email = "p" + std::to_string(++people_) + "@acme.test";
  must(gateway::store::register_user(
      database.gateway, {person.id, person.email, person.email, "Ada Lovelace", "$scrypt$none"}));
  person.token = tokens->issue(person.id, std::nullopt, 1);
  return person;
}

Person World::owner(const std::string& plan) {
  auto made = person();
  gateway::store::NewBusiness business;
  business.id = BusinessId(ids.next());
  business.name = "Acme";
  must(gateway::store::create_business(database.gateway, made.id, ids.next(), business));
  must(gateway::store::set_plan(database.gateway, business.id, plan));
  made.business = business.id.text();
  return made;
}

Person World::member(const Person& owner, gateway::store::Role role) {
  auto made = person();
  value("insert into membership (tenant_id, user_id, id, role) values ('" + owner.business +
        "', '" + made.id.text() + "', '" + ids.next().text() + "', '" +
        std::string(gateway::store::to_string(role)) + "') returning 1");
  made.business = owner.business;
  return made;
}

std::string World::widget(const Person& owner, const std::string& domain) {
  const auto made =
      call("POST", "/api/v1/widget/create", owner.token, "{\"domain\":\"" + domain + "\"}");
  if (made.status != 201) throw std::runtime_error("widget: " + made.body);
  return made.text("id");
}

std::string World::telegram(const Person& owner, const std::string& token) {
  const auto made = call("POST", "/api/v1/channels/", owner.token,
                         R"({"type":"telegram","config":{"bot_token":")" + token + "\"}}");
  if (made.status != 201) throw std::runtime_error("telegram: " + made.body);
  return made.text("id");
}

std::string World::contact(const Person& owner) {
  const auto id = ids.next().text();
  value("insert into contact (tenant_id, id, name) values ('" + owner.business + "', '" + id +
        "', 'Grace') returning 1");
  return id;
}

std::string World::inbound_conversation(const Person& owner, const std::string& channel,
                                        const std::string& text, int minutes_ago) {
  const auto customer = contact(owner);
  const auto id = ids.next().text();
  const auto at = "now() - interval '" + std::to_string(minutes_ago) + " minutes'";
  const auto keys = "'" + owner.business + "', '" + id + "'";
  value(
      "with c as (insert into conversation (tenant_id, id, channel_id, channel_type, contact_id,"
      " remote_thread, created_at) values (" +
      keys + ", '" + channel +
      "', (select type from channel"
      " where id = '" +
      channel + "'), '" + customer + "', '" + id + "', " + at +
      ")),"
      " h as (insert into conversation_head (tenant_id, conversation_id, channel_id, has_unread,"
      " unread, message_count, inbox_at, last_message_at, preview) values (" +
      keys + ", '" + channel + "', true, 1, 1, " + at + ", " + at + ", '" + text +
      "'))"
      " insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
      " sender_type, sender_id, content) values (" +
      keys + ", " + at + ", 0, '" + ids.next().text() + "', '" + channel + "', 0, '" + customer +
      "', '" + text + "') returning 1");
  return id;
}

std::string random_id() {
  static const gateway::SystemClock clock;
  static gateway::Uuid7 ids(clock);
  return ids.next().text();
}

void together(int threads, const std::function<void(int)>& work) {
  std::barrier start(threads);
  std::vector<std::thread> running;
  std::mutex mutex;
  std::string problem;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      start.arrive_and_wait();
      try {
        work(i);
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex);
        problem = error.what();
      }
    });
  }
  for (auto& thread : running) thread.join();
  if (!problem.empty()) throw std::runtime_error(problem);
}

}  // namespace api_test
