#include "gateway/auth/random.h"

#include <openssl/rand.h>

namespace gateway::auth {

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) !=
      1) {
    return fail(Errc::internal, "the system has no random bytes");
  }
  return bytes;
}

}  // namespace gateway::auth
