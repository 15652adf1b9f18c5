// The framing vectors of framing_vectors.txt, shared by the tests without sockets, with sockets and
// behind proxies.
#ifndef TESTS_HTTP_FRAMING_VECTORS_H_
#define TESTS_HTTP_FRAMING_VECTORS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace probe {

enum class Verdict { ok, close, refuse, either };

struct Vector {
  Verdict verdict = Verdict::either;
  std::string name;
  std::string bytes;
  std::size_t requests = 1;  // how many there are in the bytes
};

// Sent behind each vector.
inline constexpr std::string_view kCanary =
    "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Canary: 1\r\n\r\n";

// Throws where the file is missing or malformed: then the test must fail.
std::vector<Vector> load_vectors(const std::string& file);

// Every position inside `size` bytes; of a long vector, 200 spread over it.
std::vector<std::size_t> cut_positions(std::size_t size);

}  // namespace probe

#endif  // TESTS_HTTP_FRAMING_VECTORS_H_
