#include "connectors/sms/opt_out.h"

#include <algorithm>
#include <array>

#include "connectors/sdk/text.h"

namespace sms {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_one_of(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    const std::string_view wanted = trimmed(one);
    if (!wanted.empty() && sdk::equals_ignoring_case(word, wanted)) return true;
  }
  return false;
}

}  // namespace

Intent intent_of(std::string_view text, std::string_view more_stop_words) {
  const std::string_view word = trimmed(text);
  if (is_one_of(word, "STOP,STOPALL,STOP ALL,UNSUBSCRIBE,CANCEL,END,QUIT,REVOKE,OPTOUT") ||
      is_one_of(word, more_stop_words)) {
    return Intent::stop;
  }
  if (is_one_of(word, "START,YES,UNSTOP")) return Intent::start;
  return is_one_of(word, "HELP,INFO") ? Intent::help : Intent::none;
}

Intent intent_named(std::string_view name) {
  if (is_one_of(name, "STOP,optout")) return Intent::stop;
  if (is_one_of(name, "START,optin")) return Intent::start;
  return is_one_of(name, "HELP") ? Intent::help : Intent::none;
}

}  // namespace sms
