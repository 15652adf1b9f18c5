#include "gateway/simulate/keys.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace gateway::simulate {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

EVP_PKEY* of(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }

std::shared_ptr<void> shared(EVP_PKEY* key) {
  return key == nullptr ? nullptr : std::shared_ptr<void>(key, [](void* mine) {
    EVP_PKEY_free(static_cast<EVP_PKEY*>(mine));
  });
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

KeyPair KeyPair::ed25519(std::string_view seed) {
  KeyPair pair;
  pair.key_ =
      shared(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes(seed), seed.size()));
  return pair;
}

KeyPair KeyPair::p256() {
  KeyPair pair;
  pair.key_ = shared(EVP_EC_gen("P-256"));
  return pair;
}

KeyPair KeyPair::rsa() {
  KeyPair pair;
  pair.key_ = shared(EVP_RSA_gen(2048));
  return pair;
}

KeyPair KeyPair::from_pem(std::string_view pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyPair pair;
  pair.key_ = shared(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  return pair;
}

std::string KeyPair::sign(std::string_view data, bool sha1) const {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool one_shot = EVP_PKEY_get_id(of(key_)) == EVP_PKEY_ED25519;
  const EVP_MD* const digest = one_shot ? nullptr : sha1 ? EVP_sha1() : EVP_sha256();
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, of(key_)) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes(data), data.size()) != 1) {
    return {};
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes(data), data.size()) != 1) {
    return {};
  }
  signature.resize(size);
  return signature;
}

std::string KeyPair::raw_public_key() const {
  std::string out(32, '\0');
  std::size_t size = out.size();
  EVP_PKEY_get_raw_public_key(of(key_), reinterpret_cast<unsigned char*>(out.data()), &size);
  return out;
}

std::string KeyPair::public_key_der() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  i2d_PUBKEY_bio(bio.get(), of(key_));
  return text_of(bio.get());
}

std::string KeyPair::public_key_pem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), of(key_));
  return text_of(bio.get());
}

std::string KeyPair::private_key_pem() const {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), of(key_), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

std::string KeyPair::certificate_pem(const std::string& host) const {
  const Owned<X509> certificate(X509_new());
  X509* const it = certificate.get();
  X509_set_version(it, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(it), 1);
  X509_gmtime_adj(X509_getm_notBefore(it), -3'600);
  X509_gmtime_adj(X509_getm_notAfter(it), 10L * 365 * 86'400);
  X509_NAME* const name = X509_get_subject_name(it);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, bytes(host), static_cast<int>(host.size()),
                             -1, 0);
  X509_set_issuer_name(it, name);
  X509_set_pubkey(it, of(key_));
  const bool address = host.find_first_not_of("0123456789.") == std::string::npos;
  const std::string names = (address ? "IP:" : "DNS:") + host;
  if (X509_EXTENSION* const extension =
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str())) {
    X509_add_ext(it, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(it, of(key_), EVP_sha256());
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), it);
  return text_of(bio.get());
}

bool is_signed_rs256(std::string_view public_key_pem, std::string_view data,
                     std::string_view signature) {
  const Owned<BIO> bio(
      BIO_new_mem_buf(public_key_pem.data(), static_cast<int>(public_key_pem.size())));
  const Owned<EVP_PKEY> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_RSA) return false;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(data),
                          data.size()) == 1;
}

}  // namespace gateway::simulate
