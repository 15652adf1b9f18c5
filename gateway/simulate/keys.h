// Key pairs of simulated platforms that sign with a private key, and the certificates they serve.
//
// Values; const methods from any thread. For simulations only: a seed makes the same key each time.
#ifndef GATEWAY_SIMULATE_KEYS_H_
#define GATEWAY_SIMULATE_KEYS_H_

#include <memory>
#include <string>
#include <string_view>

namespace gateway::simulate {

class KeyPair {
 public:
  // From 32 bytes.
  static KeyPair ed25519(std::string_view seed);
  static KeyPair p256();
  static KeyPair rsa();
  // From a PEM private key; absent (see valid) where it cannot be read.
  static KeyPair from_pem(std::string_view pem);

  bool valid() const { return key_ != nullptr; }
  // Ed25519: 64 bytes; P-256: DER, of SHA-256; RSA: PKCS #1 v1.5, of SHA-256 or SHA-1.
  std::string sign(std::string_view data, bool sha1 = false) const;
  // Ed25519: the 32 raw bytes.
  std::string raw_public_key() const;
  std::string public_key_der() const;  // SubjectPublicKeyInfo
  std::string public_key_pem() const;
  std::string private_key_pem() const;
  // A self-signed certificate for this name, ten years valid.
  std::string certificate_pem(const std::string& host) const;

 private:
  std::shared_ptr<void> key_;
};

// A signature of RS256 by the key of a PEM SubjectPublicKeyInfo.
bool is_signed_rs256(std::string_view public_key_pem, std::string_view data,
                     std::string_view signature);

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_KEYS_H_
