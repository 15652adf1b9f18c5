// The parameters of one Bot API call, whichever of the four documented ways they came.
//
// Pure functions over values. https://core.telegram.org/bots/api#making-requests (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_PARAMS_H_
#define GATEWAY_SIMULATE_PARAMS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::simulate {

struct Upload {
  std::string name;  // of the form's field
  std::string file_name;
  std::string content_type;
  std::string bytes;
};

class Params {
 public:
  void add(std::string name, std::string value) {
    values_.emplace_back(std::move(name), std::move(value));
  }
  void add(Upload upload) { uploads_.push_back(std::move(upload)); }

  // First value. Numbers, booleans and nested values are their JSON text.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  std::string_view text(std::string_view name) const { return find(name).value_or(""); }
  std::optional<std::int64_t> integer(std::string_view name) const;
  bool flag(std::string_view name) const;
  const Upload* upload(std::string_view name) const;

  // All of it as one JSON object of strings; an upload is shown by name, type and size, the value
  // called `hidden` as ***.
  std::string to_json(std::string_view hidden = {}) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
  std::vector<Upload> uploads_;
};

// Query string and body together, as the server does it. Errc::invalid_argument carries the words
// of the platform's answer.
Result<Params> parse_params(std::string_view query, std::string_view content_type,
                            std::string_view body);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_PARAMS_H_
