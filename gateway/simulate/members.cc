#include "gateway/simulate/members.h"

#include "connectors/sdk/json.h"

namespace gateway::simulate {

std::string object(const Members& members) {
  sdk::json::Writer writer;
  writer.object();
  for (const auto& [name, json] : members) writer.key(name).raw(json);
  return writer.end().take();
}

std::string array(const std::vector<std::string>& elements) {
  sdk::json::Writer writer;
  writer.array();
  for (const std::string& json : elements) writer.raw(json);
  return writer.end().take();
}

std::string json_text(std::string_view text) {
  sdk::json::Writer writer;
  return writer.value(text).take();
}

}  // namespace gateway::simulate
