// JSON text put together from parts, for simulated platforms that compare and resend exact bytes.
// Pure functions.
#ifndef GATEWAY_SIMULATE_MEMBERS_H_
#define GATEWAY_SIMULATE_MEMBERS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gateway::simulate {

// Members of a JSON object, each value as JSON text.
using Members = std::vector<std::pair<std::string, std::string>>;

// JSON of an object, of an array of JSON texts, of a string.
std::string object(const Members& members);
std::string array(const std::vector<std::string>& elements);
std::string json_text(std::string_view text);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_MEMBERS_H_
