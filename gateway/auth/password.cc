#include "gateway/auth/password.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>

#include "connectors/sdk/crypto.h"

namespace gateway::auth {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;

// OWASP's Password Storage Cheat Sheet (read 2026-11-20) names N = 2^17, r = 8, p = 1 as its first
// choice for scrypt.
struct Cost {
  std::uint32_t log2_n = 17;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
  bool operator==(const Cost&) const = default;
};
// What a stored hash may ask for: a damaged or planted row must not take the machine's memory.
constexpr Cost kLargestCost{18, 8, 2};

struct Hash {
  Cost cost;
  std::string salt;
  std::string hash;
};

std::string unpadded(std::string text) {
  while (!text.empty() && text.back() == '=') text.pop_back();
  return text;
}

std::optional<std::string> from_unpadded(std::string_view text) {
  if (text.find('=') != std::string_view::npos) return std::nullopt;
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  return sdk::from_base64(padded);
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_number(std::string_view& text, std::string_view prefix, std::uint32_t& number) {
  if (!take(text, prefix)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::optional<Hash> parse(std::string_view phc) {
  Hash parsed;
  if (!take(phc, "$scrypt$") || !take_number(phc, "ln=", parsed.cost.log2_n) ||
      !take_number(phc, ",r=", parsed.cost.r) || !take_number(phc, ",p=", parsed.cost.p) ||
      !take(phc, "$")) {
    return std::nullopt;
  }
  const auto dollar = phc.find('$');
  if (dollar == std::string_view::npos) return std::nullopt;
  auto salt = from_unpadded(phc.substr(0, dollar));
  auto hash = from_unpadded(phc.substr(dollar + 1));
  const auto& cost = parsed.cost;
  if (!salt || !hash || salt->size() < 8 || salt->size() > 64 || hash->size() != kHashBytes ||
      cost.log2_n < 1 || cost.log2_n > kLargestCost.log2_n || cost.r < 1 ||
      cost.r > kLargestCost.r || cost.p < 1 || cost.p > kLargestCost.p) {
    return std::nullopt;
  }
  parsed.salt = std::move(*salt);
  parsed.hash = std::move(*hash);
  return parsed;
}

Result<std::string> scrypt(std::string_view password, std::string_view salt, const Cost& cost) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(
      EVP_KDF_fetch(nullptr, "SCRYPT", nullptr), &EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr, &EVP_KDF_CTX_free);
  if (!context) return fail(Errc::internal, "scrypt is not available");
  std::uint64_t n = 1ULL << cost.log2_n;
  std::uint32_t r = cost.r;
  std::uint32_t p = cost.p;
  // OpenSSL's own default of 32 MiB refuses these parameters; the working set is 128 * r * (N + p +
  // 2).
  std::uint64_t memory = 128ULL * r * (n + p + 2) + (1ULL << 20);
  std::string pass(password);
  std::string salt_copy(salt);
  std::array<OSSL_PARAM, 7> parameters = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, pass.data(), pass.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_copy.data(), salt_copy.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
      OSSL_PARAM_construct_end()};
  std::string out(kHashBytes, '\0');
  const int derived = EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out.data()),
                                     out.size(), parameters.data());
  OPENSSL_cleanse(pass.data(), pass.size());
  if (derived != 1) return fail(Errc::internal, "scrypt failed: not enough memory");
  return out;
}

std::string to_phc(const Hash& hash) {
  return "$scrypt$ln=" + std::to_string(hash.cost.log2_n) + ",r=" + std::to_string(hash.cost.r) +
         ",p=" + std::to_string(hash.cost.p) + "$" + unpadded(sdk::base64(hash.salt)) + "$" +
         unpadded(sdk::base64(hash.hash));
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes) {
    return fail(Errc::invalid_argument, "a password has 8 to 1024 bytes");
  }
  Hash hash;
  hash.salt.resize(kSaltBytes);
  if (RAND_bytes(reinterpret_cast<unsigned char*>(hash.salt.data()), kSaltBytes) != 1) {
    return fail(Errc::internal, "no random bytes for a salt");
  }
  auto derived = scrypt(password, hash.salt, hash.cost);
  if (!derived) return std::move(derived).error();
  hash.hash = std::move(*derived);
  return to_phc(hash);
}

Result<bool> verify_password(std::string_view password, std::string_view phc) {
  const auto stored = parse(phc);
  if (!stored) return fail(Errc::internal, "a stored password hash is damaged");
  if (password.size() > kMaxPasswordBytes) password = password.substr(0, 0);
  auto derived = scrypt(password, stored->salt, stored->cost);
  if (!derived) return std::move(derived).error();
  return sdk::equal_secret(*derived, stored->hash);
}

bool needs_rehash(std::string_view phc) {
  const auto stored = parse(phc);
  return stored && (stored->cost != Cost{} || stored->salt.size() != kSaltBytes);
}

std::string_view dummy_hash() {
  // Salt and hash are the start of pi's and e's fractions: no password is known to lead there.
  static const std::string hash =
      to_phc({Cost{}, *sdk::from_hex("243f6a8885a308d313198a2e03707344"),
              *sdk::from_hex("b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef")});
  return hash;
}

}  // namespace gateway::auth
