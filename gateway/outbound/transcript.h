// A plan's answers so far as bytes, to be sealed and stored. Pure functions.
//
//   version (1) | count (u16) | per answer: status (i32) | flags (1) | header count (u16)
//   | per header: name, value | body      -- every text is a u32 length and its bytes; big endian
#ifndef GATEWAY_OUTBOUND_TRANSCRIPT_H_
#define GATEWAY_OUTBOUND_TRANSCRIPT_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/values.h"

namespace gateway::outbound {

// More than this is not kept: a plan that needs it fails. One answer of the largest kind fits, and
// what is said around it.
inline constexpr std::size_t kMaxTranscriptBytes = 48u << 20;

std::string encode_transcript(std::span<const connector::Response> answers);
// Absent where the bytes are not what encode_transcript wrote.
std::optional<std::vector<connector::Response>> decode_transcript(std::string_view bytes);

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_TRANSCRIPT_H_
