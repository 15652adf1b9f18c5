// A gateway's outbound thread as a program of its own, so that a test can kill it.
//   outbound_gateway <conninfo> <key file> <origin of the platform> <connector folder> [media]
// With "media" it fetches files too.
// Says "ready" when it runs; ends when it is killed or its standard input ends.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/outbound/dispatcher.h"
#include "gateway/outbound/media_fetcher.h"
#include "gateway/store/migrate.h"

int main(int argc, char** argv) {
  using namespace gateway;
  const bool media = argc == 6 && argv[5] == std::string_view("media");
  if (argc != 5 && !media) return 2;
  const std::vector<std::string> folders = {argv[4]};
  const auto registry = plugins::Registry::load(folders);
  const auto keyring = secrets::Keyring::load(argv[2]);
  if (!registry || !keyring) return 3;
  store::Vault vault(*keyring);
  const SystemClock clock;
  Uuid7 ids(clock);
  Metrics metrics;
  outbound::OutboundOptions options;
  options.public_url = "https://gateway.example";
  options.upstreams = {{"https://platform.example", argv[3]}};
  options.claim_interval_ms = 20;
  options.lease_ms = 1'500;
  options.http.connect = std::chrono::milliseconds(300);
  options.http.total = std::chrono::milliseconds(600);
  options.http.big_total = std::chrono::milliseconds(600);
  options.retry_budget.floor = 1'000;
  if (media) {
    options.http.connect = std::chrono::milliseconds(500);
    options.http.total = std::chrono::milliseconds(1'000);
    options.http.big_total = std::chrono::milliseconds(5'000);
    options.workers.push_back(
        [](outbound::Context& context) { return outbound::make_media_fetcher(context, {}); });
  }
  outbound::Dispatcher dispatcher(
      store::SessionOptions{.conninfo = Secret(argv[1]), .role = store::kGatewayRole}, *registry,
      vault, clock, ids, metrics, options);
  if (!dispatcher.start()) return 4;
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  dispatcher.stop(std::chrono::seconds(3));
  return 0;
}
