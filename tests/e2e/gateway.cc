#include "tests/e2e/gateway.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "gateway/cluster/cluster.h"
#include "gateway/simulate/world.h"
#include "tests/e2e/platforms_chat.h"
#include "tests/e2e/platforms_mail.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using gateway::simulate::json_text;
using gateway::simulate::object;
using gateway::simulate::Program;

const std::string kProgram = std::string(BACKCHANNEL_BINARY_DIR) + "/backchannel";

Answer parsed(HttpClient::Answer answer) {
  Answer out{answer.status, std::move(answer.headers), std::move(answer.body), nullptr};
  sdk::json::Limits limits;
  limits.bytes = 64u << 20;
  limits.nodes = 5'000'000;
  if (auto document = sdk::json::Document::parse(out.body, limits)) {
    out.document = std::make_shared<const sdk::json::Document>(std::move(*document));
  }
  return out;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Where a test failed, the gateway's last words help.
struct ShowLog : boost::unit_test::test_observer {
  void assertion_result(boost::unit_test::assertion_result result) override {
    failed = failed || result != boost::unit_test::AR_PASSED;
  }
  bool failed = false;
};
ShowLog& show_log() {
  static ShowLog observer;
  return observer;
}

}  // namespace

std::string Answer::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return value;
  }
  return {};
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    poll(nullptr, 0, 20);
  }
  return true;
}

// Ended with the tests, not with the program: what the simulated platforms use is still there then.
static std::unique_ptr<Gateway>& the_gateway() {
  static std::unique_ptr<Gateway> gateway;
  return gateway;
}
struct EndOfTests {
  ~EndOfTests() { the_gateway().reset(); }
};
BOOST_TEST_GLOBAL_FIXTURE(EndOfTests);

Gateway& Gateway::instance() {
  if (!the_gateway()) the_gateway().reset(new Gateway);
  the_gateway()->start();
  return *the_gateway();
}

Gateway::Gateway() {
  boost::unit_test::framework::register_observer(show_log());
  std::string name = (fs::temp_directory_path() / "backchannel-e2e-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = name;
  chmod(name.c_str(), 0711);
  gateway::simulate::TelegramOptions options;
  options.time_scale = 0.02;
  telegram_ = std::make_unique<gateway::simulate::TelegramSimulator>(options);
  if (const auto started = telegram_->start(); !started) {
    throw std::runtime_error(started.error().message);
  }
  port_ = gateway::simulate::free_port();
  const std::string address = "127.0.0.1:" + std::to_string(port_);
  environment_ = {{"BACKCHANNEL_HTTP", address},
                  {"BACKCHANNEL_PUBLIC_URL", "http://" + address},
                  {"BACKCHANNEL_DATA_DIR", (folder_ / "data").string()},
                  {"BACKCHANNEL_UPSTREAMS", "https://api.telegram.org=" + telegram_->origin() +
                                                "," + ChatPlatforms::instance().upstreams() + "," +
                                                MailPlatforms::instance().upstreams()},
                  {"BACKCHANNEL_CA_FILE", MailPlatforms::instance().certificates().string()},
                  {"BACKCHANNEL_CONNECTOR_DIR", std::string(BACKCHANNEL_BINARY_DIR) +
                                                    "/connectors:" + BACKCHANNEL_BINARY_DIR +
                                                    "/tests/switchboard"},
                  {"BACKCHANNEL_META_APP_SECRET", kDeploymentSecret},
                  {"BACKCHANNEL_OPERATOR_TOKEN", "operator-token-of-the-tests-0123456789"},
                  {"BACKCHANNEL_KEYS", ""},
                  {"BACKCHANNEL_MIGRATE_URL", ""},
                  {"BACKCHANNEL_LOG_LEVEL", ""},
                  {"DATABASE_URL", ""}};
  client_ = std::make_unique<HttpClient>(port_);
}

Gateway::~Gateway() {
  program_.reset();
  telegram_->stop();
  if (show_log().failed) {
    std::fprintf(stderr, "\nThe gateway's last words:\n%s\n",
                 gateway::simulate::tail_of(log(), 40).c_str());
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Gateway::launch() {
  client_->close();
  auto started = Program::start({{kProgram, "serve"}, environment_, log()});
  if (!started) throw std::runtime_error(started.error().message);
  program_.emplace(std::move(*started));
}

bool Gateway::wait_ready(std::chrono::milliseconds patience) {
  return eventually(
      [this] {
        if (!running()) throw std::runtime_error("the gateway has ended");
        try {
          return call("GET", "/readyz").status == 200;
        } catch (const HttpClient::Error&) {
          return false;
        }
      },
      patience);
}

void Gateway::start() {
  if (running()) return;
  launch();
  if (!wait_ready()) throw std::runtime_error("the gateway is not ready");
}

bool Gateway::running() { return program_ && !program_->wait(0ms); }

std::optional<int> Gateway::stop(std::chrono::milliseconds patience) {
  program_->signal(SIGTERM);
  return program_->wait(patience);
}

void Gateway::kill() {
  program_->signal(SIGKILL);
  program_->wait(10s);
}

Answer Gateway::call(const std::string& method, const std::string& path, const std::string& token,
                     const std::string& json) {
  return call(*client_, method, path, token, json);
}

Answer Gateway::call(HttpClient& client, const std::string& method, const std::string& path,
                     const std::string& token, const std::string& json) {
  HttpClient::Headers headers;
  if (!token.empty()) headers.emplace_back("Authorization", "Bearer " + token);
  if (!json.empty()) headers.emplace_back("Content-Type", "application/json");
  return parsed(client.call(method, path, headers, json));
}

std::pair<int, std::string> Gateway::command(
    std::vector<std::string> arguments,
    std::vector<std::pair<std::string, std::string>> environment) {
  arguments.insert(arguments.begin(), kProgram);
  auto variables = environment_;
  for (auto& [name, value] : environment) {
    std::erase_if(variables, [&, n = name](const auto& old) { return old.first == n; });
    variables.emplace_back(name, value);
  }
  const fs::path output = folder_ / "command.out";
  fs::remove(output);
  auto program = Program::start({arguments, variables, output.string()});
  if (!program) throw std::runtime_error(program.error().message);
  const auto status = program->wait(60s);
  if (!status) throw std::runtime_error(arguments[1] + " does not end");
  return {*status, read_file(output)};
}

std::string Gateway::query(const std::string& sql) {
  gateway::cluster::ClusterOptions options;
  options.data_dir = folder_ / "data";
  const auto cluster = gateway::cluster::Cluster::attach_or_start(std::move(options));
  if (!cluster) throw std::runtime_error(cluster.error().message);
  PGconn* const db = PQconnectdb(cluster->owner_conninfo().c_str());
  PGresult* const result = PQexec(db, sql.c_str());
  const bool good = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
  const std::string value = good ? PQgetvalue(result, 0, 0) : PQerrorMessage(db);
  PQclear(result);
  PQfinish(db);
  if (!good) throw std::runtime_error(sql + ": " + value);
  return value;
}

pid_t Gateway::postmaster() const {
  std::ifstream file(folder_ / "data" / "postgres" / "data" / "postmaster.pid");
  pid_t pid = 0;
  file >> pid;
  return pid;
}

Tenant Tenant::make(const std::string& plan) {
  static int count = 0;
  Gateway& gateway = Gateway::instance();
  Tenant tenant;
  tenant.email = "owner" + std::to_string(++count) + "@example.com";
  const Answer registered = gateway.call("POST", "/api/v1/auth/register", {},
                                         object({{"email", json_text(tenant.email)},
                                                 {"full_name", json_text("Owner")},
                                                 {"password", json_text("supersecret123")}}));
  BOOST_REQUIRE_MESSAGE(registered.status == 201, registered.body);
  tenant.token = registered.json()["access_token"].text_or("");
  const Answer business = gateway.call("POST", "/api/v1/auth/business/create", tenant.token,
                                       object({{"name", json_text("Shop")}}));
  BOOST_REQUIRE_MESSAGE(business.status == 201, business.body);
  tenant.business = business.json()["business"]["id"].text_or("");
  if (!plan.empty()) {
    const Answer set =
        gateway.call("PUT", "/api/v1/admin/businesses/" + tenant.business + "/plan",
                     "operator-token-of-the-tests-0123456789", object({{"plan", json_text(plan)}}));
    BOOST_REQUIRE_MESSAGE(set.status == 200, set.body);
  }
  return tenant;
}

std::pair<std::int64_t, std::string> fresh_bot() {
  static std::int64_t last = 7'100'000'000;
  ++last;
  return {last, std::to_string(last) + ":AAe2e-e2e_e2e-e2e_e2e-e2e_e2e-e2e_e"};
}

Channel Channel::connect(const Tenant& tenant) {
  Gateway& gateway = Gateway::instance();
  Channel channel;
  std::tie(channel.bot_id, channel.bot_token) = fresh_bot();
  const Answer created =
      gateway.call("POST", "/api/v1/channels/", tenant.token,
                   object({{"type", json_text("telegram")},
                           {"config", object({{"bot_token", json_text(channel.bot_token)}})}}));
  BOOST_REQUIRE_MESSAGE(created.status == 201, created.body);
  channel.id = created.json()["id"].text_or("");
  channel.path = "/api/v1/webhooks/telegram/" + channel.id;
  BOOST_REQUIRE(gateway.telegram().wait_webhook(channel.bot_id, 30s));
  channel.secret = gateway.telegram().bot(channel.bot_id)->webhook->secret_token;
  BOOST_REQUIRE(eventually([&] {
    return gateway.call("GET", "/api/v1/channels/" + channel.id, tenant.token)
               .json()["registration"]["state"]
               .text_or("") == "active";
  }));
  return channel;
}

std::string text_update(std::int64_t update_id, std::int64_t user_id, std::int64_t message_id,
                        std::string_view text, std::int64_t date) {
  if (date == 0) date = 1'763'600'000;
  const std::string user = std::to_string(user_id);
  return gateway::simulate::ascii_json(
      "{\"update_id\":" + std::to_string(update_id) +
      ",\"message\":{\"message_id\":" + std::to_string(message_id) + ",\"from\":{\"id\":" + user +
      ",\"is_bot\":false,\"first_name\":\"Ana\"},\"chat\":{\"id\":" + user +
      ",\"first_name\":\"Ana\",\"type\":\"private\"},\"date\":" + std::to_string(date) +
      ",\"text\":" + json_text(text) + "}}");
}

HttpClient::Headers signed_with(const std::string& secret) {
  return {{"X-Telegram-Bot-Api-Secret-Token", secret}, {"Content-Type", "application/json"}};
}

Answer deliver(const Channel& channel, const std::string& body) {
  HttpClient client(Gateway::instance().port());
  return parsed(client.call("POST", channel.path, signed_with(channel.secret), body));
}

std::vector<sdk::json::Value> conversations(Answer& keep, const Tenant& tenant) {
  keep = Gateway::instance().call("GET", "/api/v1/conversations/?limit=100", tenant.token);
  BOOST_REQUIRE_MESSAGE(keep.status == 200, keep.body);
  return keep.json().elements();
}

Answer conversation(const Tenant& tenant, const std::string& id) {
  return Gateway::instance().call("GET", "/api/v1/conversations/" + id, tenant.token);
}

std::string only_conversation(const Tenant& tenant) {
  Answer keep;
  const auto all = conversations(keep, tenant);
  return all.size() == 1 ? std::string(all[0]["id"].text_or("")) : std::string();
}

}  // namespace e2e
