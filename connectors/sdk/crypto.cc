#include "connectors/sdk/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <climits>
#include <cstdint>
#include <memory>
#include <stdexcept>

namespace sdk {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string hmac(const EVP_MD* digest, std::string_view key, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int length = 0;
  // A null key pointer would mean "the key of the last call" to OpenSSL.
  const unsigned char* key_bytes = key.empty() ? mac.data() : bytes_of(key);
  if (key.size() > INT_MAX || HMAC(digest, key_bytes, static_cast<int>(key.size()), bytes_of(data),
                                   data.size(), mac.data(), &length) == nullptr) {
    throw std::runtime_error("HMAC failed");
  }
  return {reinterpret_cast<const char*>(mac.data()), length};
}

std::string digest_of(const EVP_MD* method, std::string_view data) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &length, method, nullptr) != 1) {
    throw std::runtime_error("a digest failed");
  }
  return {reinterpret_cast<const char*>(digest.data()), length};
}

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Memory = std::unique_ptr<BIO, Freed<BIO_free>>;

constexpr std::size_t kMaxKeyBytes = 64u << 10;

// `digest` is null for Ed25519, which has its own.
bool is_signed(EVP_PKEY* key, const EVP_MD* digest, std::string_view data,
               std::string_view signature) {
  const Context context(EVP_MD_CTX_new());
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(data),
                          data.size()) == 1;
}

// No pass phrase is ever asked for: a terminal is none of ours.
int no_pass_phrase(char*, int, int, void*) { return 0; }

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = bytes.size() - at;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = (group << 8) | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      if (i <= left) {
        text += alphabet[(group >> (18 - 6 * i)) & 63u];
      } else if (padded) {
        text += '=';
      }
    }
  }
  return text;
}

constexpr std::array<signed char, 256> reverse_of(std::string_view alphabet) {
  std::array<signed char, 256> table{};
  for (auto& entry : table) entry = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
  }
  return table;
}
constexpr auto kStandardReverse = reverse_of(kStandard);
constexpr auto kUrlSafeReverse = reverse_of(kUrlSafe);

// `text` is without padding.
std::optional<std::string> decode(std::string_view text,
                                  const std::array<signed char, 256>& reverse) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const int value = reverse[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    group = (group << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>((group >> bits) & 0xFFu);
      group &= (1u << bits) - 1;
    }
  }
  // Bits left over must be zero, or two texts would mean the same bytes.
  if (group != 0) return std::nullopt;
  return bytes;
}

}  // namespace

std::string hmac_sha1(std::string_view key, std::string_view data) {
  return hmac(EVP_sha1(), key, data);
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  return hmac(EVP_sha256(), key, data);
}

std::string hmac_md5(std::string_view key, std::string_view data) {
  return hmac(EVP_md5(), key, data);
}

std::string hmac_sha384(std::string_view key, std::string_view data) {
  return hmac(EVP_sha384(), key, data);
}

std::string hmac_sha512(std::string_view key, std::string_view data) {
  return hmac(EVP_sha512(), key, data);
}

std::string md5(std::string_view data) { return digest_of(EVP_md5(), data); }

std::string sha256(std::string_view data) { return digest_of(EVP_sha256(), data); }

bool is_signed_ed25519(std::string_view key, std::string_view data, std::string_view signature) {
  if (key.size() != 32) return false;
  const Key parsed(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(key), key.size()));
  return is_signed(parsed.get(), nullptr, data, signature);
}

bool is_signed_ecdsa(std::string_view key, std::string_view data, std::string_view signature) {
  if (key.size() > kMaxKeyBytes) return false;
  const unsigned char* at = bytes_of(key);
  const Key parsed(d2i_PUBKEY(nullptr, &at, static_cast<long>(key.size())));
  return parsed != nullptr && EVP_PKEY_is_a(parsed.get(), "EC") == 1 &&
         is_signed(parsed.get(), EVP_sha256(), data, signature);
}

bool is_signed_by_certificate(std::string_view pem, RsaDigest digest, std::string_view data,
                              std::string_view signature) {
  if (pem.size() > kMaxKeyBytes) return false;
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (memory == nullptr) return false;
  const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, no_pass_phrase, nullptr));
  if (certificate == nullptr) return false;
  EVP_PKEY* key = X509_get0_pubkey(certificate.get());
  return key != nullptr && EVP_PKEY_is_a(key, "RSA") == 1 &&
         is_signed(key, digest == RsaDigest::sha1 ? EVP_sha1() : EVP_sha256(), data, signature);
}

std::optional<std::string> sign_rsa_sha256(std::string_view private_key_pem,
                                           std::string_view data) {
  if (private_key_pem.size() > kMaxKeyBytes) return std::nullopt;
  const Memory memory(
      BIO_new_mem_buf(private_key_pem.data(), static_cast<int>(private_key_pem.size())));
  if (memory == nullptr) return std::nullopt;
  const Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_pass_phrase, nullptr));
  const Context context(EVP_MD_CTX_new());
  std::size_t length = 0;
  if (key == nullptr || context == nullptr || EVP_PKEY_is_a(key.get(), "RSA") != 1 ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &length, bytes_of(data), data.size()) != 1) {
    return std::nullopt;
  }
  std::string signature(length, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                     bytes_of(data), data.size()) != 1) {
    return std::nullopt;
  }
  signature.resize(length);
  return signature;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15u];
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const int high = digit(text[at]);
    const int low = digit(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::string base64(std::string_view bytes) { return encode(bytes, kStandard, true); }

std::string base64url(std::string_view bytes) { return encode(bytes, kUrlSafe, false); }

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return decode(text, kStandardReverse);
}

std::optional<std::string> from_base64url(std::string_view text) {
  return decode(text, kUrlSafeReverse);
}

bool equal_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace sdk
