// A certification authority and certificates of its own, made anew for each test program.
#ifndef TESTS_SUPPORT_TLS_H_
#define TESTS_SUPPORT_TLS_H_

#include <memory>
#include <string>

struct ssl_ctx_st;
struct x509_st;
struct evp_pkey_st;

namespace test_support {

class TestCa {
 public:
  // Writes its certificate to a file. Throws std::runtime_error.
  explicit TestCa(const std::string& pem_file);
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  const std::string& file() const { return file_; }
  // A server's context with a certificate for `names`, as OpenSSL writes them:
  // "IP:127.0.0.1,DNS:localhost".
  std::shared_ptr<ssl_ctx_st> server(const std::string& names) const;

 private:
  std::string file_;
  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
};

}  // namespace test_support

#endif  // TESTS_SUPPORT_TLS_H_
