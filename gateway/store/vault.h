// Seals and opens secret columns with the tenant's data key, which it makes and loads as needed.
// Internally locked; data keys are kept in memory once opened.
#ifndef GATEWAY_STORE_VAULT_H_
#define GATEWAY_STORE_VAULT_H_

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/secrets/keyring.h"
#include "gateway/store/pg.h"

namespace gateway::store {

// Names of the sealed columns, part of what a ciphertext is bound to.
inline constexpr std::string_view kChannelConfig = "channel.config";
inline constexpr std::string_view kChannelSecret = "channel.secret";
inline constexpr std::string_view kChannelState = "channel.state";
inline constexpr std::string_view kChannelInstructions = "channel.instructions";

class Vault {
 public:
  explicit Vault(const secrets::Keyring& keyring) : keyring_(keyring) {}
  // Uses `db` only where the tenant's key is not in memory yet, in a transaction of its own.
  Result<Bytes> seal(Session& db, domain::BusinessId tenant, std::string_view field,
                     const Uuid& row, std::string_view plaintext);
  Result<Secret> open(Session& db, domain::BusinessId tenant, std::string_view field,
                      const Uuid& row, std::string_view sealed);

 private:
  Result<Secret> data_key(Session& db, domain::BusinessId tenant, std::uint32_t key_id);
  const secrets::Keyring& keyring_;
  std::mutex mutex_;
  std::map<std::pair<Uuid, std::uint32_t>, Secret> keys_;
};

}  // namespace gateway::store

#endif  // GATEWAY_STORE_VAULT_H_
