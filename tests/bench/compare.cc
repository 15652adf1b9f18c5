// Durable signed webhooks per second of the real gateway, beside a bare libpq program that stores
// the same rows in the same Postgres, taking turns in one run. scripts/bench starts it.
//
// It starts a simulated Telegram and the gateway with its own Postgres at its own settings,
// connects a bot as a business does, makes all conversations known, and then alternates: load on
// the gateway, then the bare program with the batch size the gateway's commits had. At the end it
// compares what was acknowledged with what is stored.

#include <libpq-fe.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/cluster/cluster.h"
#include "gateway/simulate/program.h"
#include "gateway/simulate/rest_client.h"
#include "gateway/simulate/telegram_simulator.h"

namespace {

using namespace gateway::simulate;
namespace fs = std::filesystem;

struct Options {
  std::string program;
  std::string data_dir = "var/bench";
  int rounds = 5;
  double seconds = 5;
  int connections = 64;
  int pipeline = 1;
  std::int64_t chats = 10'000;
  bool keep = false;
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One side's figures of all rounds.
struct Figures {
  std::vector<double> per_second, p50, p99;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string range(const std::vector<double>& values, int digits) {
  char text[96];
  std::snprintf(text, sizeof text, "%.*f [%.*f-%.*f]", digits, median(values), digits,
                *std::min_element(values.begin(), values.end()), digits,
                *std::max_element(values.begin(), values.end()));
  return text;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    folder_ = fs::absolute(options.data_dir) / ("run-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    fs::permissions(folder_, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec);
    bin_ = fs::read_symlink("/proc/self/exe").parent_path();
    program_ = options.program.empty() ? (bin_.parent_path() / "backchannel").string()
                                       : fs::absolute(options.program).string();
  }

  ~Bench() {
    PQfinish(db_);
    gateway_.reset();
    std::error_code ignored;
    if (!options_.keep) fs::remove_all(folder_, ignored);
  }

  void run() {
    start();
    std::cout << "making " << options_.chats << " conversations known ..." << std::endl;
    load({"--once-per-chat"});
    std::cout << "letting Postgres have log files to use again, as one that has run for a while ..."
              << std::endl;
    age_log();
    for (int round = 1; round <= options_.rounds; ++round) {
      std::cout << "round " << round << " of " << options_.rounds << ": gateway " << std::flush;
      const double events = metric("backchannel_ingest_events_total");
      const double batches = metric("backchannel_ingest_batches_total");
      add(gateway_figures_, load({}));
      const double batch =
          std::max(1.0, (metric("backchannel_ingest_events_total") - events) /
                            (metric("backchannel_ingest_batches_total") - batches));
      batch_sizes_.push_back(batch);
      std::cout << static_cast<int>(gateway_figures_.per_second.back()) << "/s, bare "
                << std::flush;
      add(bare_figures_, child("bench_bare_libpq", {"--database", conninfo_, "--batch",
                                                    std::to_string(std::lround(batch)), "--seconds",
                                                    std::to_string(options_.seconds), "--chats",
                                                    std::to_string(options_.chats)}));
      std::cout << static_cast<int>(bare_figures_.per_second.back()) << "/s, " << std::flush;
      add(http_figures_, child("bench_webhook_load", with_port({"--get", "/healthz"})));
      std::cout << "/healthz " << static_cast<int>(http_figures_.per_second.back()) << "/s"
                << std::endl;
    }
    check();
    report();
    gateway_->signal(SIGTERM);
    const auto status = gateway_->wait(std::chrono::seconds(60));
    if (!status || *status != 0) throw Failure("the gateway did not end in order");
  }

  std::string log_tail() const { return tail_of((folder_ / "gateway.log").string(), 20); }

 private:
  void start() {
    if (const auto started = telegram_.start(); !started) throw Failure(started.error().message);
    port_ = free_port();
    const std::string base = "http://127.0.0.1:" + std::to_string(port_);
    environment_ = {{"BACKCHANNEL_HTTP", base.substr(7)},
                    {"BACKCHANNEL_PUBLIC_URL", base},
                    {"BACKCHANNEL_DATA_DIR", folder_.string()},
                    {"BACKCHANNEL_UPSTREAMS", "https://api.telegram.org=" + telegram_.origin()},
                    {"BACKCHANNEL_KEYS", ""},
                    {"BACKCHANNEL_MIGRATE_URL", ""},
                    {"DATABASE_URL", ""}};
    std::cout << "starting the gateway with its own Postgres in " << folder_.string() << " ..."
              << std::endl;
    auto started =
        Program::start({{program_, "serve"}, environment_, (folder_ / "gateway.log").string()});
    if (!started) throw Failure(started.error().message);
    gateway_.emplace(std::move(*started));
    rest_ = std::make_unique<RestClient>(base);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(3);
    while (true) {
      if (gateway_->wait(std::chrono::milliseconds(100))) throw Failure("the gateway has ended");
      const auto answer = rest_->call("GET", "/readyz", {}, std::chrono::seconds(2));
      if (answer && answer->status == 200) break;
      if (std::chrono::steady_clock::now() > deadline) throw Failure("the gateway is not ready");
    }
    connect_bot();
    connect_database();
  }

  RestAnswer ask(const std::string& path, const Members& body) {
    auto answer = rest_->call("POST", path, object(body));
    if (!answer) throw Failure(answer.error().message);
    if (answer->status != 201) {
      throw Failure(path + ": " + std::to_string(answer->status) + " " + answer->body);
    }
    return std::move(*answer);
  }

  void connect_bot() {
    const auto token = ask("/api/v1/auth/register", {{"email", json_text("bench@example.com")},
                                                     {"full_name", json_text("Bench")},
                                                     {"password", json_text("supersecret123")}});
    rest_->set_token(std::string(token.json()["access_token"].text_or("")));
    const auto business = ask("/api/v1/auth/business/create", {{"name", json_text("Bench")}});
    business_ = business.json()["business"]["id"].text_or("");
    auto plan = Program::start({{program_, "plan", "set", business_, "pro"},
                                environment_,
                                (folder_ / "gateway.log").string()});
    if (!plan || plan->wait(std::chrono::seconds(60)).value_or(1) != 0) {
      throw Failure("`plan set` failed");
    }
    constexpr std::int64_t kBot = 7'000'000'001;
    const auto channel = ask(
        "/api/v1/channels/",
        {{"type", json_text("telegram")},
         {"config", object({{"bot_token", json_text(std::to_string(kBot) +
                                                    ":AAbenchbenchbenchbenchbenchbenchben")}})}});
    if (!telegram_.wait_webhook(kBot, std::chrono::seconds(20))) {
      throw Failure("the gateway has not registered its webhook");
    }
    secret_ = telegram_.bot(kBot)->webhook->secret_token;
    path_ = "/api/v1/webhooks/telegram/" + std::string(channel.json()["id"].text_or(""));
  }

  void connect_database() {
    gateway::cluster::ClusterOptions options;
    options.data_dir = folder_;
    auto cluster = gateway::cluster::Cluster::attach_or_start(std::move(options));
    if (!cluster) throw Failure(cluster.error().message);
    conninfo_ = cluster->owner_conninfo();
    db_ = PQconnectdb(conninfo_.c_str());
    if (PQstatus(db_) != CONNECTION_OK) throw Failure(PQerrorMessage(db_));
  }

  std::string query(const std::string& sql) {
    PGresult* const result = PQexec(db_, sql.c_str());
    const bool good = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    std::string value = good ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    if (!good) throw Failure(sql + ": " + PQerrorMessage(db_));
    return value;
  }

  // A fresh cluster fills every new 16 MB of its log with zeros first, some 50 ms of silence twice
  // a second under this load; one that has seen its first checkpoints renames old files instead.
  void age_log() {
    constexpr int kFiles = 100;
    for (int file = 0; file < kFiles; ++file) {
      query("select pg_logical_emit_message(true, 'bench', 'x')");
      query("select pg_switch_wal()");
    }
    PGresult* const result = PQexec(db_, "checkpoint");
    const bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!good) throw Failure(std::string("checkpoint: ") + PQerrorMessage(db_));
  }

  double metric(const std::string& name) {
    const auto answer = rest_->call("GET", "/metrics");
    if (!answer || answer->status != 200) throw Failure("no /metrics");
    const std::size_t at = answer->body.find("\n" + name + " ");
    if (at == std::string::npos) throw Failure("no metric " + name);
    return std::strtod(answer->body.c_str() + at + name.size() + 2, nullptr);
  }

  // Runs a program of this folder; its one line of JSON.
  sdk::json::Document child(const std::string& name, std::vector<std::string> arguments) {
    const fs::path output = folder_ / "output";
    fs::remove(output);
    arguments.insert(arguments.begin(), (bin_ / name).string());
    auto program = Program::start({arguments, {}, output.string()});
    if (!program) throw Failure(program.error().message);
    const auto patience = std::chrono::seconds(static_cast<int>(options_.seconds) + 120);
    const auto status = program->wait(patience);
    const std::string text = tail_of(output.string(), 5);
    if (!status || *status != 0) throw Failure(name + " failed: " + text);
    auto document = sdk::json::Document::parse(text);
    if (!document) throw Failure(name + " said: " + text);
    return std::move(*document);
  }

  std::vector<std::string> with_port(std::vector<std::string> arguments) {
    for (const auto& [flag, value] :
         {std::pair("--port", std::to_string(port_)),
          std::pair("--connections", std::to_string(options_.connections)),
          std::pair("--pipeline", std::to_string(options_.pipeline)),
          std::pair("--seconds", std::to_string(options_.seconds))}) {
      arguments.emplace_back(flag);
      arguments.push_back(value);
    }
    return arguments;
  }

  sdk::json::Document load(std::vector<std::string> arguments) {
    arguments = with_port(std::move(arguments));
    for (const auto& [flag, value] : {std::pair("--path", path_), std::pair("--secret", secret_),
                                      std::pair("--chats", std::to_string(options_.chats)),
                                      std::pair("--first", std::to_string(next_update_))}) {
      arguments.emplace_back(flag);
      arguments.push_back(value);
    }
    auto figures = child("bench_webhook_load", std::move(arguments));
    next_update_ += figures.root()["sent"].integer().value_or(0);
    acknowledged_ += figures.root()["ok"].integer().value_or(0);
    return figures;
  }

  static void add(Figures& to, const sdk::json::Document& figures) {
    to.per_second.push_back(figures.root()["per_second"].number().value_or(0));
    to.p50.push_back(figures.root()["p50_ms"].number().value_or(0));
    to.p99.push_back(figures.root()["p99_ms"].number().value_or(0));
  }

  void check() {
    for (const char* what :
         {"select count(*) from backchannel.message where tenant_id = '%'",
          "select count(*) from backchannel.raw_event where tenant_id = '%'",
          "select count(*) from backchannel.event_key where tenant_id = '%'",
          "select sum(unread) from backchannel.conversation_head where tenant_id "
          "= '%'"}) {
      std::string sql(what);
      sql.replace(sql.find('%'), 1, business_);
      const std::string count = query(sql);
      if (count != std::to_string(acknowledged_)) {
        throw Failure(std::to_string(acknowledged_) + " acknowledged, but " + count +
                      " by: " + sql);
      }
    }
  }

  static std::string cpu() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
    }
    return "unknown processor";
  }

  void report() {
    const auto row = [](const char* name, const Figures& figures) {
      std::printf("%-28s %-26s %-22s %s\n", name, range(figures.per_second, 0).c_str(),
                  range(figures.p50, 2).c_str(), range(figures.p99, 2).c_str());
    };
    std::vector<double> ratios;
    for (std::size_t i = 0; i < gateway_figures_.per_second.size(); ++i) {
      ratios.push_back(100 * gateway_figures_.per_second[i] / bare_figures_.per_second[i]);
    }
    std::printf("\n%-28s %-26s %-22s %s\n", "median [min-max]", "per second", "p50 ms", "p99 ms");
    row("gateway, durable webhooks", gateway_figures_);
    row("bare libpq, same rows", bare_figures_);
    std::printf("%-28s %s %%\n", "gateway / bare", range(ratios, 1).c_str());
    row("GET /healthz", http_figures_);
    std::printf(
        "\n%d rounds of %.0f s each, alternating; %d connections x %d under way; %lld "
        "conversations\n"
        "gateway: an event of about 1 KB, signed, verified, normalized, committed, then 200; mean "
        "batch %s\n"
        "bare: one prepared statement per batch of that size, two batches under way, one "
        "connection;\n"
        "      its tables begin empty each round, its latencies are of a batch, and it does no "
        "HTTP,\n"
        "      JSON, tenancy, lookup or dedupe\n"
        "acknowledged %lld, stored %lld: equal in messages, raw events, keys and unread\n",
        options_.rounds, options_.seconds, options_.connections, options_.pipeline,
        static_cast<long long>(options_.chats), range(batch_sizes_, 1).c_str(),
        static_cast<long long>(acknowledged_), static_cast<long long>(acknowledged_));
    std::printf("machine: %u processors, %s; load, gateway and Postgres share them\n",
                std::thread::hardware_concurrency(), cpu().c_str());
    std::printf("%s\n", query("select version()").c_str());
    for (const char* name : {"fsync", "synchronous_commit", "full_page_writes", "shared_buffers",
                             "max_wal_size", "commit_delay"}) {
      std::printf("%s=%s ", name, query(std::string("show ") + name).c_str());
    }
    std::printf("\n");
  }

  Options options_;
  fs::path folder_, bin_;
  std::string program_;
  TelegramSimulator telegram_;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::optional<Program> gateway_;
  std::unique_ptr<RestClient> rest_;
  std::uint16_t port_ = 0;
  std::string business_, secret_, path_, conninfo_;
  PGconn* db_ = nullptr;
  std::int64_t next_update_ = 1;
  std::int64_t acknowledged_ = 0;
  std::vector<double> batch_sizes_;
  Figures gateway_figures_, bare_figures_, http_figures_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Gateway and bare libpq in one run");
  app.add_option("--program", options.program, "the backchannel program");
  app.add_option("--data-dir", options.data_dir, "a folder for this run is made in it");
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 100));
  app.add_option("--seconds", options.seconds, "of each measurement")->check(CLI::PositiveNumber);
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 10'000));
  app.add_option("--pipeline", options.pipeline)->check(CLI::Range(1, 64));
  app.add_option("--chats", options.chats)->check(CLI::PositiveNumber);
  app.add_flag("--keep", options.keep, "leave the data folder");
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  std::cout << "command:";
  for (int i = 0; i < argc; ++i) std::cout << " " << argv[i];
  std::cout << std::endl;
  Bench bench(options);
  try {
    bench.run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << "\n" << bench.log_tail() << "\n";
    return 1;
  }
}
