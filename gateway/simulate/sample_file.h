// Files that people send on simulated platforms.
//
// Pure function.
#ifndef GATEWAY_SIMULATE_SAMPLE_FILE_H_
#define GATEWAY_SIMULATE_SAMPLE_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace gateway::simulate {

// A file of this size that begins as files of its type do.
std::string sample_file(std::string_view mime_type, std::size_t bytes);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SAMPLE_FILE_H_
