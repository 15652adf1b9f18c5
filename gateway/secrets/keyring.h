// Master keys and sealing: AES-256-GCM envelopes bound to the row they belong to.
//
// A sealed field is  0x01 | data key id (4 bytes, big endian) | nonce (12) | ciphertext | tag (16),
// with the additional data "bc1|<field>|<tenant>|<row>", so that a ciphertext moved to another
// column, row or tenant does not open. Data keys belong to one tenant and are themselves sealed by
// a master key that lives in a file outside the database.
//
// Key file: one line per key, "<id> <base64 of 32 bytes>"; the first line's key seals, all open.
// Immutable after load; const methods from any thread.
#ifndef GATEWAY_SECRETS_KEYRING_H_
#define GATEWAY_SECRETS_KEYRING_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "gateway/base/result.h"
#include "gateway/base/secret.h"
#include "gateway/base/uuid.h"

namespace gateway::secrets {

// What a ciphertext is bound to.
struct Binding {
  std::string_view field;  // "channel.config"
  Uuid tenant;
  Uuid row;
};

Result<std::string> seal(const Secret& data_key, std::uint32_t key_id, const Binding& binding,
                         std::string_view plaintext);
// Errc::internal for a wrong key, a wrong binding or any flipped bit; it does not say which.
Result<Secret> open(const Secret& data_key, const Binding& binding, std::string_view sealed);
// The data key a sealed field names; an error where it is no sealed field.
Result<std::uint32_t> key_id_of(std::string_view sealed);

class Keyring {
 public:
  // Reads the file. Errors name the file and the line, never the content. Refuses a file that
  // others may read.
  static Result<Keyring> load(const std::string& path);
  // Makes the file (0600) with one new key where it is absent, then loads it.
  static Result<Keyring> load_or_create(const std::string& path);

  const std::string& current_id() const { return current_; }
  // A new random data key, wrapped by the current master key.
  struct DataKey {
    Secret plain;
    std::string wrapped;
    std::string master_key;
  };
  Result<DataKey> new_data_key(const Uuid& tenant, std::uint32_t key_id) const;
  Result<Secret> unwrap(const Uuid& tenant, std::uint32_t key_id, std::string_view master_key,
                        std::string_view wrapped) const;
  // 32 bytes derived by HKDF-SHA256 from a master key for another purpose ("jwt"). Errc::not_found
  // for an unknown id.
  Result<Secret> derive(std::string_view id, std::string_view purpose) const;
  std::map<std::string, bool> ids() const;  // id -> is current

 private:
  std::map<std::string, Secret, std::less<>> keys_;
  std::string current_;
};

}  // namespace gateway::secrets

#endif  // GATEWAY_SECRETS_KEYRING_H_
