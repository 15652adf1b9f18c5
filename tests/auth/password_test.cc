#include "gateway/auth/password.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace gateway::auth;

}  // namespace

BOOST_AUTO_TEST_SUITE(password)

// RFC 7914 section 12, third vector: N = 16384, r = 8, p = 1, "pleaseletmein" and "SodiumChloride";
// its first 32 bytes, as a PHC string.
BOOST_AUTO_TEST_CASE(the_hash_is_scrypt_as_rfc_7914_has_it) {
  const std::string phc =
      "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI";
  auto right = verify_password("pleaseletmein", phc);
  BOOST_TEST_REQUIRE(right.has_value());
  BOOST_TEST(*right);
  BOOST_TEST(!verify_password("pleaseletmeix", phc).value());
  BOOST_TEST(needs_rehash(phc));
}

BOOST_AUTO_TEST_CASE(a_password_verifies_against_its_own_hash_only) {
  const auto hash = hash_password("supersecret123");
  BOOST_TEST_REQUIRE(hash.has_value());
  BOOST_TEST(hash->starts_with("$scrypt$ln=17,r=8,p=1$"));
  BOOST_TEST(verify_password("supersecret123", *hash).value());
  BOOST_TEST(!verify_password("supersecret124", *hash).value());
  BOOST_TEST(!verify_password("", *hash).value());
  BOOST_TEST(!needs_rehash(*hash));
}

BOOST_AUTO_TEST_CASE(equal_passwords_have_different_hashes) {
  BOOST_TEST(hash_password("supersecret123").value() != hash_password("supersecret123").value());
}

BOOST_AUTO_TEST_CASE(eight_to_1024_bytes_are_accepted_unmodified) {
  BOOST_TEST(!hash_password("1234567").has_value());
  BOOST_TEST(!hash_password(std::string(1025, 'x')).has_value());
  const std::string longest(1024, 'x');
  const auto hash = hash_password(longest);
  BOOST_TEST_REQUIRE(hash.has_value());
  BOOST_TEST(verify_password(longest, *hash).value());
  // bcrypt would stop reading at 72 bytes.
  std::string other = longest;
  other.back() = 'y';
  BOOST_TEST(!verify_password(other, *hash).value());
}

BOOST_AUTO_TEST_CASE(a_damaged_or_expensive_hash_is_an_error_and_no_verdict) {
  for (const std::string& phc : std::vector<std::string>{
           "", "$scrypt$", "$2b$12$abc", "$scrypt$ln=17,r=8,p=1$c2FsdHNhbHQ$",
           "$scrypt$ln=17,r=8,p=1$c2FsdHNhbHQ$AAAA", "$scrypt$ln=17,r=8,p=1$!$AAAA",
           "$scrypt$ln=30,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI",
           "$scrypt$ln=14,r=8,p=9$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI",
           "$scrypt$ln=-1,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI",
           "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/"
           "2o+7qQT44+qbVD9lRdofI="}) {
    BOOST_TEST(!verify_password("pleaseletmein", phc).has_value(), phc);
  }
}

BOOST_AUTO_TEST_CASE(the_dummy_costs_what_a_real_hash_costs) {
  BOOST_TEST(!needs_rehash(dummy_hash()));
  BOOST_TEST(dummy_hash().starts_with("$scrypt$ln=17,r=8,p=1$"));
  BOOST_TEST(!verify_password("supersecret123", dummy_hash()).value());
}

BOOST_AUTO_TEST_SUITE_END()
