// A stored transcript: what is read is written back the same, and nothing else is read.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gateway/outbound/transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const auto answers = gateway::outbound::decode_transcript(data);
  if (!answers) return 0;
  const auto again =
      gateway::outbound::decode_transcript(gateway::outbound::encode_transcript(*answers));
  if (!again || again->size() != answers->size()) std::abort();
  for (std::size_t i = 0; i < answers->size(); ++i) {
    if ((*again)[i].body != (*answers)[i].body || (*again)[i].status != (*answers)[i].status ||
        (*again)[i].headers != (*answers)[i].headers) {
      std::abort();
    }
  }
  return 0;
}
