// Digests, MACs and text codings for signatures, over OpenSSL (which stays in crypto.cc).
// Pure functions, any thread.
#ifndef CONNECTORS_SDK_CRYPTO_H_
#define CONNECTORS_SDK_CRYPTO_H_

#include <optional>
#include <string>
#include <string_view>

namespace sdk {

// Raw bytes. MD5 and SHA-1 only where a platform signs with nothing better.
std::string hmac_md5(std::string_view key, std::string_view data);     // 16
std::string hmac_sha1(std::string_view key, std::string_view data);    // 20
std::string hmac_sha256(std::string_view key, std::string_view data);  // 32
std::string hmac_sha384(std::string_view key, std::string_view data);  // 48
std::string hmac_sha512(std::string_view key, std::string_view data);  // 64
std::string md5(std::string_view data);                                // 16
std::string sha256(std::string_view data);                             // 32

// Signatures by public keys; false also for a key or signature that cannot be read.
// `key`: the 32 raw bytes, `signature`: 64.
bool is_signed_ed25519(std::string_view key, std::string_view data, std::string_view signature);
// `key`: DER SubjectPublicKeyInfo of a P-256 key, `signature`: DER. SHA-256.
bool is_signed_ecdsa(std::string_view key, std::string_view data, std::string_view signature);
// By the RSA key of a PEM certificate, PKCS #1 v1.5. Who issued the certificate is not looked at.
enum class RsaDigest { sha1, sha256 };
bool is_signed_by_certificate(std::string_view pem, RsaDigest digest, std::string_view data,
                              std::string_view signature);
// RSA, SHA-256, PKCS #1 v1.5 (RS256 of JWT). Absent for a key that cannot be read.
std::optional<std::string> sign_rsa_sha256(std::string_view private_key_pem, std::string_view data);

std::string hex(std::string_view bytes);  // lower case
std::optional<std::string> from_hex(std::string_view text);
std::string base64(std::string_view bytes);     // RFC 4648 section 4, padded
std::string base64url(std::string_view bytes);  // section 5, unpadded
// Canonical input only: no blanks, no stray bits, padding exactly as the coding has it.
std::optional<std::string> from_base64(std::string_view text);
std::optional<std::string> from_base64url(std::string_view text);

// Constant time for equal lengths; the length is not hidden.
bool equal_secret(std::string_view a, std::string_view b);

}  // namespace sdk

#endif  // CONNECTORS_SDK_CRYPTO_H_
