#include "gateway/simulate/simulate.h"

#include <signal.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <set>

#include "gateway/simulate/demo.h"
#include "gateway/simulate/morning.h"
#include "gateway/simulate/telegram_simulator.h"

namespace gateway::simulate {
namespace {

std::optional<UrlRules> parse_rules(std::string_view name) {
  if (name == "telegram") return UrlRules::telegram;
  if (name == "loopback") return UrlRules::loopback;
  if (name == "any") return UrlRules::any;
  return std::nullopt;
}

bool parse_listen(const std::string& listen, TelegramOptions& out) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  out.address = listen.substr(0, colon);
  const char* const begin = listen.data() + colon + 1;
  const char* const end = listen.data() + listen.size();
  const auto [stop, error] = std::from_chars(begin, end, out.port);
  return error == std::errc() && stop == end && begin != end;
}

int usage(const std::string& message) {
  std::cerr << "backchannel simulate: " << message << "\n";
  return 2;
}

// Waits for a signal to end; plays the scenario for every bot that gets a webhook meanwhile.
void serve(TelegramSimulator& telegram, const SimulateOptions& options, const sigset_t& ends) {
  std::set<std::int64_t> played;
  while (true) {
    const timespec patience{0, 200'000'000};
    if (sigtimedwait(&ends, nullptr, &patience) > 0) return;
    if (options.scenario.empty()) continue;
    for (const BotView& bot : telegram.bots()) {
      if (!bot.webhook || !played.insert(bot.id).second) continue;
      const auto beats = morning(options.seed);
      const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count();
      play(telegram, bot.id, beats, options.pace > 0 ? now : now - beats.back().at_s, options.pace);
      std::cout << "playing the morning for bot " << bot.id << ": " << beats.size()
                << " beats, seed " << options.seed << std::endl;
    }
  }
}

}  // namespace

int run_simulate(const SimulateOptions& options) {
  TelegramOptions telegram_options;
  const auto rules = parse_rules(options.urls);
  if (!rules) return usage("--urls is telegram, loopback or any, not \"" + options.urls + "\"");
  if (!parse_listen(options.listen, telegram_options)) {
    return usage("--listen is ADDRESS:PORT, not \"" + options.listen + "\"");
  }
  if (!options.scenario.empty() && options.scenario != "morning") {
    return usage("the only scenario is \"morning\", not \"" + options.scenario + "\"");
  }
  if (options.time_scale <= 0 || options.pace < 0) {
    return usage("--time-scale is above 0 and --pace not below 0");
  }
  telegram_options.seed = options.seed;
  telegram_options.urls = *rules;
  telegram_options.time_scale = options.time_scale;
  if (options.demo) return run_demo(options);

  // Blocked before any thread starts, so that only sigtimedwait sees them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);

  TelegramSimulator telegram(telegram_options);
  if (const auto started = telegram.start(); !started) {
    std::cerr << "backchannel simulate: " << started.error().message << "\n";
    return 1;
  }
  const std::string origin = telegram.origin();
  std::cout << "simulated Telegram at " << origin << " (seed " << options.seed << ")\n"
            << "  start the gateway with BACKCHANNEL_UPSTREAMS=https://api.telegram.org=" << origin
            << "\n  any token of the form 7012345678:<35 characters> is a bot\n"
            << "  curl " << origin << "/_simulate/   lists what can be made to happen" << std::endl;
  serve(telegram, options, ends);
  telegram.stop();
  return 0;
}

}  // namespace gateway::simulate
