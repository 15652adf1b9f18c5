#include "gateway/plugins/reserved.h"

#include <algorithm>
#include <array>

namespace gateway::plugins {

bool is_reserved_header(std::string_view lower_name) {
  constexpr std::array<std::string_view, 11> kReserved{
      "host",    "content-length",      "transfer-encoding", "connection", "te",    "trailer",
      "upgrade", "proxy-authorization", "proxy-connection",  "keep-alive", "expect"};
  return std::find(kReserved.begin(), kReserved.end(), lower_name) != kReserved.end();
}

bool is_attachment_member(std::string_view name) {
  constexpr std::array<std::string_view, 9> kMembers{
      "id", "type", "url", "content_type", "size", "name", "state", "media_id", "error"};
  return std::find(kMembers.begin(), kMembers.end(), name) != kMembers.end();
}

}  // namespace gateway::plugins
