#include "tests/outbound/world.h"

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

namespace test_outbound {
namespace {

using gateway::store::Bytes;
using gateway::store::Query;
using gateway::store::Scope;

constexpr const char* kPlatform = "https://platform.example";

template <class T>
T must(gateway::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message + " " + result.error().cause);
  return *std::move(result);
}

gateway::plugins::Registry load_connectors() {
  std::vector<std::string> folders = {FAKE_CONNECTORS};
  const std::string real = std::string(BACKCHANNEL_BINARY_DIR) + "/connectors";
  if (std::filesystem::exists(real)) folders.push_back(real);
  return must(gateway::plugins::Registry::load(folders));
}

}  // namespace

bool eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    if (holds()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

World::World(test_support::HttpServer::Handler handler)
    : platform(std::move(handler)), registry(load_connectors()) {
  keyring = must(gateway::secrets::Keyring::load_or_create((folder.path() / "keys").string()));
  vault.emplace(*keyring);
}

ChannelId World::make_channel(BusinessId business, std::string_view registration,
                              const std::string& type, const std::string& given) {
  const ChannelId id(db.ids.next());
  sdk::json::Writer config;
  config.object().member("base", kPlatform).member("token", kToken).end();
  const auto sealed = must(vault->seal(db.gateway, business, gateway::store::kChannelConfig,
                                       id.get(), given.empty() ? config.take() : given));
  const auto secret = must(vault->seal(db.gateway, business, gateway::store::kChannelSecret,
                                       id.get(), std::string(64, 'a')));
  static constexpr const char* kInsert =
      "insert into channel (tenant_id, id, type, config_sealed, secret_sealed, registration_state)"
      " values ($1, $2, $6, $3, $4, $5::text::smallint)";
  must(db.gateway.run(Scope::of(business),
                      Query{kInsert, {business, id, sealed, secret, registration, type}}));
  return id;
}

ConversationId World::make_conversation(BusinessId business, ChannelId channel,
                                        std::string thread) {
  const ConversationId id(db.ids.next());
  static constexpr const char* kInsert =
      "insert into conversation (tenant_id, id, channel_id, channel_type, remote_thread)"
      " values ($1, $2, $3, 'fake', $4)";
  must(db.gateway.run(Scope::of(business), Query{kInsert, {business, id, channel, thread}}));
  return id;
}

MessageId World::say(BusinessId business, ConversationId conversation, ChannelId channel,
                     const std::string& text) {
  const MessageId id(db.ids.next());
  const gateway::store::TimestampMs at{db.clock.now_ms()};
  const std::int64_t sequence = ++sequence_;
  static constexpr const char* kInsert =
      "insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
      " sender_type, status, content) values ($1, $2, $3, $4, $5, $6, 1, 0, $7)";
  static constexpr const char* kEnqueue = "select outbox_enqueue($1, $2, $3, $4, $5, $6)";
  const std::vector<Query> queries = {
      {kInsert, {business, conversation, at, sequence, id, channel, text}},
      {kEnqueue, {business, conversation, channel, id, at, sequence}}};
  must(db.gateway.run(Scope::of(business), queries));
  return id;
}

void World::execute(const std::string& sql) {
  if (auto done = db.owner.script(sql); !done) {
    throw std::runtime_error(sql + ": " + done.error().message);
  }
}

std::string World::message(MessageId id, const std::string& column) {
  return value("select coalesce(" + column + "::text, 'null') from message where id = '" +
               id.text() + "'");
}

std::string World::channel(ChannelId id, const std::string& column) {
  return value("select coalesce(" + column + "::text, 'null') from channel where id = '" +
               id.text() + "'");
}

std::string World::instructions(ChannelId id) {
  const std::string sealed = value(
      "select encode(instructions_sealed, 'hex') from channel where id = '" + id.text() + "'");
  const auto business =
      gateway::Uuid::parse(value("select tenant_id from channel where id = '" + id.text() + "'"));
  const auto opened =
      vault->open(db.gateway, BusinessId(*business), gateway::store::kChannelInstructions, id.get(),
                  sdk::from_hex(sealed).value());
  return opened ? opened->reveal() : opened.error().message;
}

bool World::becomes(MessageId id, const std::string& status) {
  return eventually([&] { return message(id) == status; });
}

void World::record_remote_ids() {
  execute(
      "create table if not exists known_remote_id (message_id uuid, remote_ids text[]);"
      "grant insert on known_remote_id to backchannel_gateway;"
      "create or replace function remote_ids_known(p_conversation uuid, p_sort_at timestamptz,"
      " p_sort_seq bigint, p_message uuid, p_remote_ids text[]) returns void language sql as $$"
      " insert into known_remote_id values (p_message, p_remote_ids) $$;");
}

void World::hurry() {
  execute(
      "update lane set next_at = clock_timestamp() where lease_owner is null;"
      "delete from channel_pause;"
      "update registration_job set next_at = clock_timestamp() where lease_owner is null;");
}

std::unique_ptr<gateway::outbound::Dispatcher> World::start(
    std::function<void(gateway::outbound::OutboundOptions&)> adjust) {
  gateway::outbound::OutboundOptions options;
  options.public_url = "https://gateway.example/";
  options.upstreams = {{kPlatform, platform.origin()}};
  options.seed = 20261121;
  options.claim_interval_ms = 30;
  options.schedule_interval_ms = 3'600'000;
  options.http.connect = std::chrono::milliseconds(1'000);
  options.http.total = std::chrono::milliseconds(3'000);
  options.retry_budget.floor = 1'000;
  options.channel_changed = [this](ChannelId channel) {
    const std::lock_guard lock(mutex);
    changed.push_back(channel);
  };
  if (adjust) adjust(options);
  auto dispatcher = std::make_unique<gateway::outbound::Dispatcher>(
      db.gateway_options(), registry, *vault, db.clock, db.ids, metrics, options);
  if (auto started = dispatcher->start(); !started) {
    throw std::runtime_error(started.error().message);
  }
  return dispatcher;
}

}  // namespace test_outbound
