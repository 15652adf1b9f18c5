#include "gateway/secrets/keyring.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "connectors/sdk/crypto.h"

namespace gateway::secrets {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kHeaderBytes = 1 + 4;
constexpr char kVersion = '\x01';
constexpr std::size_t kMaxKeyFileBytes = 16 * 1024;

using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string uuid_bytes(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

std::string additional_data(const Binding& binding) {
  return "bc1|" + std::string(binding.field) + "|" + uuid_bytes(binding.tenant) + "|" +
         uuid_bytes(binding.row);
}

std::string key_id_bytes(std::uint32_t id) {
  return {static_cast<char>(id >> 24), static_cast<char>(id >> 16), static_cast<char>(id >> 8),
          static_cast<char>(id)};
}

// nonce | ciphertext | tag
Result<std::string> encrypt(const Secret& key, std::string_view aad, std::string_view plaintext) {
  if (key.size() != kKeyBytes) return fail(Errc::internal, "a key has the wrong length");
  std::string nonce(kNonceBytes, '\0');
  if (RAND_bytes(bytes_of(nonce), static_cast<int>(nonce.size())) != 1) {
    return fail(Errc::internal, "no randomness");
  }
  const CipherCtx ctx(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  std::string out(plaintext.size(), '\0');
  std::string tag(kTagBytes, '\0');
  int length = 0;
  const bool ok = ctx &&
                  EVP_EncryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.reveal()),
                                     bytes_of(nonce)) == 1 &&
                  EVP_EncryptUpdate(ctx.get(), nullptr, &length, bytes_of(aad),
                                    static_cast<int>(aad.size())) == 1 &&
                  EVP_EncryptUpdate(ctx.get(), bytes_of(out), &length, bytes_of(plaintext),
                                    static_cast<int>(plaintext.size())) == 1 &&
                  EVP_EncryptFinal_ex(ctx.get(), bytes_of(out) + out.size(), &length) == 1 &&
                  EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  if (!ok) return fail(Errc::internal, "encryption failed");
  return nonce + out + tag;
}

Result<Secret> decrypt(const Secret& key, std::string_view aad, std::string_view sealed) {
  if (key.size() != kKeyBytes || sealed.size() < kNonceBytes + kTagBytes) {
    return fail(Errc::internal, "a sealed value does not open");
  }
  const auto nonce = sealed.substr(0, kNonceBytes);
  const auto body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const CipherCtx ctx(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  std::string out(body.size(), '\0');
  int length = 0;
  const bool ok =
      ctx &&
      EVP_DecryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.reveal()),
                         bytes_of(nonce)) == 1 &&
      EVP_DecryptUpdate(ctx.get(), nullptr, &length, bytes_of(aad), static_cast<int>(aad.size())) ==
          1 &&
      EVP_DecryptUpdate(ctx.get(), bytes_of(out), &length, bytes_of(body),
                        static_cast<int>(body.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(ctx.get(), bytes_of(out) + out.size(), &length) == 1;
  Secret plain(std::move(out));
  if (!ok) return fail(Errc::internal, "a sealed value does not open");
  return plain;
}

std::string wrap_aad(const Uuid& tenant, std::uint32_t key_id) {
  return "bc1|tenant_key|" + uuid_bytes(tenant) + "|" + key_id_bytes(key_id);
}

Error file_error(const std::string& path, std::string_view what, std::string_view remedy) {
  return fail(Errc::invalid_argument,
              "key file " + path + ": " + std::string(what) + "; " + std::string(remedy));
}

bool valid_id(std::string_view id) {
  if (id.empty() || id.size() > 32) return false;
  return id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
         std::string_view::npos;
}

}  // namespace

Result<std::string> seal(const Secret& data_key, std::uint32_t key_id, const Binding& binding,
                         std::string_view plaintext) {
  auto body = encrypt(data_key, additional_data(binding), plaintext);
  if (!body) return body;
  return std::string(1, kVersion) + key_id_bytes(key_id) + *body;
}

Result<std::uint32_t> key_id_of(std::string_view sealed) {
  if (sealed.size() < kHeaderBytes + kNonceBytes + kTagBytes || sealed.front() != kVersion) {
    return fail(Errc::internal, "a sealed value has an unknown form");
  }
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < kHeaderBytes; ++i) {
    id = id << 8 | static_cast<unsigned char>(sealed[i]);
  }
  return id;
}

Result<Secret> open(const Secret& data_key, const Binding& binding, std::string_view sealed) {
  if (const auto id = key_id_of(sealed); !id) return id.error();
  return decrypt(data_key, additional_data(binding), sealed.substr(kHeaderBytes));
}

Result<Keyring> Keyring::load(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return file_error(path, std::strerror(errno),
                      "set BACKCHANNEL_KEYS to a file this user can read");
  }
  struct stat info {};
  std::string text(kMaxKeyFileBytes + 1, '\0');
  const bool stated = fstat(fd, &info) == 0;
  const ssize_t got = ::read(fd, text.data(), text.size());
  ::close(fd);
  if (!stated || got < 0) return file_error(path, std::strerror(errno), "check the file");
  text.resize(static_cast<std::size_t>(got));
  const Secret wiped(text);
  if ((info.st_mode & 077) != 0) {
    return file_error(path, "others may read it", "run: chmod 600 " + path);
  }
  if (text.size() > kMaxKeyFileBytes)
    return file_error(path, "too large", "it holds a line per key");
  Keyring ring;
  int number = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    auto end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    const auto line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const auto blank = line.find(' ');
    const auto id = line.substr(0, blank);
    const auto key =
        blank == std::string_view::npos ? std::nullopt : sdk::from_base64(line.substr(blank + 1));
    if (!valid_id(id) || !key || key->size() != kKeyBytes) {
      return file_error(path, "line " + std::to_string(number) + " is no key",
                        "a line is an id, a blank and 32 bytes in base64");
    }
    if (!ring.keys_.emplace(std::string(id), Secret(*key)).second) {
      return file_error(path, "line " + std::to_string(number) + " repeats an id",
                        "give every key an id of its own");
    }
    if (ring.current_.empty()) ring.current_ = id;
  }
  if (ring.keys_.empty()) {
    return file_error(path, "it holds no key",
                      "restore it from its backup, or remove it so that a "
                      "new one is made (sealed values are lost then)");
  }
  return ring;
}

Result<Keyring> Keyring::load_or_create(const std::string& path) {
  // O_EXCL: of two gateways that start at once one makes the file and the other reads it.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    std::string key(kKeyBytes, '\0');
    bool ok = RAND_priv_bytes(bytes_of(key), static_cast<int>(key.size())) == 1;
    const Secret line("k1 " + sdk::base64(key) + "\n");
    ok = ok && ::write(fd, line.reveal().data(), line.size()) == static_cast<ssize_t>(line.size());
    ok = ok && ::fsync(fd) == 0;
    ::close(fd);
    if (!ok) {
      ::unlink(path.c_str());
      return file_error(path, "cannot be written", "check the disk and the folder's rights");
    }
  } else if (errno != EEXIST) {
    return file_error(path, std::strerror(errno), "check the folder's rights");
  }
  return load(path);
}

Result<Keyring::DataKey> Keyring::new_data_key(const Uuid& tenant, std::uint32_t key_id) const {
  std::string plain(kKeyBytes, '\0');
  if (RAND_priv_bytes(bytes_of(plain), static_cast<int>(plain.size())) != 1) {
    return fail(Errc::internal, "no randomness");
  }
  auto wrapped = encrypt(keys_.at(current_), wrap_aad(tenant, key_id), plain);
  if (!wrapped) return std::move(wrapped).error();
  return DataKey{Secret(std::move(plain)), std::move(*wrapped), current_};
}

Result<Secret> Keyring::unwrap(const Uuid& tenant, std::uint32_t key_id,
                               std::string_view master_key, std::string_view wrapped) const {
  const auto key = keys_.find(master_key);
  if (key == keys_.end()) {
    return fail(Errc::internal, "master key \"" + std::string(master_key) +
                                    "\" is not in the key file; restore it there");
  }
  return decrypt(key->second, wrap_aad(tenant, key_id), wrapped);
}

Result<Secret> Keyring::derive(std::string_view id, std::string_view purpose) const {
  const auto key = keys_.find(id);
  if (key == keys_.end()) return fail(Errc::not_found, "no such master key");
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> ctx(
      EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr), &EVP_PKEY_CTX_free);
  const std::string info = "backchannel|" + std::string(purpose);
  std::string out(kKeyBytes, '\0');
  std::size_t length = out.size();
  const auto& master = key->second.reveal();
  const bool ok =
      ctx && EVP_PKEY_derive_init(ctx.get()) == 1 &&
      EVP_PKEY_CTX_set_hkdf_md(ctx.get(), EVP_sha256()) == 1 &&
      EVP_PKEY_CTX_set1_hkdf_key(ctx.get(), bytes_of(master), static_cast<int>(master.size())) ==
          1 &&
      EVP_PKEY_CTX_add1_hkdf_info(ctx.get(), bytes_of(info), static_cast<int>(info.size())) == 1 &&
      EVP_PKEY_derive(ctx.get(), bytes_of(out), &length) == 1;
  if (!ok) return fail(Errc::internal, "key derivation failed");
  return Secret(std::move(out));
}

std::map<std::string, bool> Keyring::ids() const {
  std::map<std::string, bool> out;
  for (const auto& [id, key] : keys_) out.emplace(id, id == current_);
  return out;
}

}  // namespace gateway::secrets
