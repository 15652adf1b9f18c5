// Telegram's HTML style of message text: tags become entities.
//
// Pure function. https://core.telegram.org/bots/api#html-style (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_HTML_TEXT_H_
#define GATEWAY_SIMULATE_HTML_TEXT_H_

#include <string>
#include <string_view>

#include "gateway/base/result.h"

namespace gateway::simulate {

struct FormattedText {
  std::string text;
  std::string entities;  // JSON array, or empty where there are none
};

// Errc::invalid_argument carries what follows "can't parse entities: " in the platform's answer.
Result<FormattedText> parse_html(std::string_view html);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_HTML_TEXT_H_
