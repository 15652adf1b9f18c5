// Text in columns, as the demonstration prints its inbox.
//
// Pure functions.
#ifndef GATEWAY_SIMULATE_TERMINAL_TEXT_H_
#define GATEWAY_SIMULATE_TERMINAL_TEXT_H_

#include <string>
#include <string_view>

namespace gateway::simulate {

// Columns a terminal needs for UTF-8 text: East Asian wide characters and emoji take two, combining
// marks none.
std::size_t display_width(std::string_view utf8);
// Cut or filled with blanks to exactly `columns`; line breaks become blanks.
std::string fit(std::string_view utf8, std::size_t columns);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_TERMINAL_TEXT_H_
