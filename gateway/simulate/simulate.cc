#include "gateway/simulate/simulate.h"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <set>

#include "gateway/simulate/demo.h"
#include "gateway/simulate/morning.h"
#include "gateway/simulate/simulators.h"

namespace gateway::simulate {
namespace {

std::optional<UrlRules> parse_rules(std::string_view name) {
  // The older name is from when there was Telegram alone.
  if (name == "platform" || name == "telegram") return UrlRules::platform;
  if (name == "loopback") return UrlRules::loopback;
  if (name == "any") return UrlRules::any;
  return std::nullopt;
}

bool parse_listen(const std::string& listen, SimulatorsOptions& out) {
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

// What a person who has just started it needs: where the platforms are, how a gateway is sent to
// them, and what they accept.
void introduce(const Simulators& simulators, const SimulateOptions& options) {
  const std::string control = simulators.control_origin() + "/_simulate";
  std::cout << "Simulated platforms (seed " << options.seed << ")\n\n";
  std::size_t width = 0;
  for (const auto& [name, upstreams] : simulators.platforms()) {
    for (const auto& [from, to] : upstreams) width = std::max(width, from.size());
  }
  for (const auto& [name, upstreams] : simulators.platforms()) {
    std::string shown = name;
    for (const auto& [from, to] : upstreams) {
      std::cout << "  " << shown << std::string(10 - shown.size(), ' ') << from
                << std::string(width + 2 - from.size(), ' ') << to << "\n";
      shown.clear();
    }
  }
  std::cout << "\nA gateway that meets them, in another terminal:\n\n  ";
  for (const auto& [name, value] : simulators.settings()) std::cout << name << "=" << value << " ";
  std::cout << options.typed << " serve\n"
            << "\nChannels they accept, as bodies of POST /api/v1/channels/ (the plan pro has room "
               "for all):\n";
  for (const SampleChannel& sample : simulators.samples()) {
    std::cout << "\n  # " << sample.name << "\n  " << sample.body() << "\n";
    if (!sample.by_hand.empty()) std::cout << "  # then " << sample.by_hand << "\n";
  }
  std::cout << "\nMake people write, see what was sent, let things go wrong:\n\n  curl " << control
            << "/\n\nCtrl-C stops it." << std::endl;
}

// Waits for a signal to end; plays the scenario for every bot that gets a webhook meanwhile.
void serve(const Simulators& simulators, const SimulateOptions& options, const sigset_t& ends) {
  std::set<std::int64_t> played;
  while (true) {
    const timespec patience{0, 200'000'000};
    if (sigtimedwait(&ends, nullptr, &patience) > 0) return;
    if (options.scenario.empty() || simulators.telegram() == nullptr) continue;
    TelegramSimulator& telegram = *simulators.telegram();
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
  SimulatorsOptions chosen;
  const auto rules = parse_rules(options.urls);
  if (!rules) return usage("--urls is platform, loopback or any, not \"" + options.urls + "\"");
  if (!parse_listen(options.listen, chosen)) {
    return usage("--listen is ADDRESS:PORT, such as 127.0.0.1:9000, not \"" + options.listen +
                 "\"");
  }
  if (!options.scenario.empty() && options.scenario != "morning") {
    return usage("the only scenario is \"morning\", not \"" + options.scenario + "\"");
  }
  if (options.time_scale <= 0 || options.pace < 0) {
    return usage("--time-scale is above 0 and --pace not below 0");
  }
  chosen.only = options.only;
  chosen.seed = options.seed;
  chosen.urls = *rules;
  chosen.time_scale = options.time_scale;
  chosen.replies = options.replies;
  for (const std::string& name : options.only) {
    if (const auto known = simulator_named(name); !known) {
      return usage("--only: " + known.error().message);
    }
  }
  auto simulators = Simulators::create(chosen);
  if (!simulators) return usage("--listen: " + simulators.error().message);
  if (!options.scenario.empty() && (*simulators)->telegram() == nullptr) {
    return usage("--scenario plays on Telegram, which --only leaves out");
  }
  if (options.demo) {
    if (!options.only.empty()) return usage("--demo shows all platforms; leave --only out");
    return run_demo(options);
  }

  // Blocked before any thread starts, so that only sigtimedwait sees them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);

  if (const auto started = (*simulators)->start(); !started) {
    std::cerr << "backchannel simulate: " << started.error().message << "\n";
    return started.error().code == Errc::invalid_argument ? 2 : 1;
  }
  introduce(**simulators, options);
  serve(**simulators, options, ends);
  (*simulators)->stop();
  return 0;
}

}  // namespace gateway::simulate
