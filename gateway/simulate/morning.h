// The scenario "morning": a shop's bot between 8 and 11 o'clock. Twelve people in ten languages,
// a group that becomes a supergroup, a channel and a business account; every update kind and every
// kind of content the platform reference names.
//
// Pure data from a seed: the same seed gives the same beats, and in a World of the same seed the
// same bytes.
#ifndef GATEWAY_SIMULATE_MORNING_H_
#define GATEWAY_SIMULATE_MORNING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/simulate/telegram_simulator.h"

namespace gateway::simulate {

// One thing somebody does.
struct Beat {
  std::int64_t at_s = 0;  // behind the beginning
  std::string label;      // who and what: "ana: photo album"
  TelegramSimulator::Act act;
};

// In the order of their time.
std::vector<Beat> morning(std::uint64_t seed);

// Plays beats for a bot, all of them at once or, with a pace, each after at_s * pace seconds.
// The first carries `begin` (unix seconds) as its date. False where the bot is unknown.
bool play(TelegramSimulator& telegram, std::int64_t bot_id, const std::vector<Beat>& beats,
          std::int64_t begin, double pace = 0);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_MORNING_H_
