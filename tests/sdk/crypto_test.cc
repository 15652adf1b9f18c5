#include "connectors/sdk/crypto.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

namespace {

std::string repeated(char byte, std::size_t count) { return std::string(count, byte); }

}  // namespace

BOOST_AUTO_TEST_SUITE(crypto)

// https://www.rfc-editor.org/rfc/rfc4231 section 4.
BOOST_AUTO_TEST_CASE(hmac_sha256_gives_the_values_of_rfc_4231) {
  struct Vector {
    std::string key, data, mac;
  };
  const std::vector<Vector> vectors{
      {repeated(0x0b, 20), "Hi There",
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?",
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeated(static_cast<char>(0xaa), 20), repeated(static_cast<char>(0xdd), 50),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {repeated(static_cast<char>(0xaa), 131),
       "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
  };
  for (const Vector& vector : vectors) {
    BOOST_TEST(sdk::hex(sdk::hmac_sha256(vector.key, vector.data)) == vector.mac);
  }
}

// https://www.rfc-editor.org/rfc/rfc2202 section 3.
BOOST_AUTO_TEST_CASE(hmac_sha1_gives_the_values_of_rfc_2202) {
  BOOST_TEST(sdk::hex(sdk::hmac_sha1(repeated(0x0b, 20), "Hi There")) ==
             "b617318655057264e28bc0b6fb378c8ef146be00");
  BOOST_TEST(sdk::hex(sdk::hmac_sha1("Jefe", "what do ya want for nothing?")) ==
             "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

// The value Twilio publishes with its example of request validation.
BOOST_AUTO_TEST_CASE(hmac_sha1_gives_the_signature_twilio_publishes) {
  const std::string text =
      "https://mycompany.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDECaller+14158675309"
      "Digits1234From+14158675309To+18005551212";
  BOOST_TEST(sdk::base64(sdk::hmac_sha1("12345", text)) == "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

BOOST_AUTO_TEST_CASE(an_empty_key_is_a_key) {
  // HMAC_SHA256("", ""), https://en.wikipedia.org/wiki/HMAC#Examples as of 2020.
  BOOST_TEST(sdk::hex(sdk::hmac_sha256("", "")) ==
             "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  (void)sdk::hmac_sha256("another key first", "");
  BOOST_TEST(sdk::hex(sdk::hmac_sha256("", "")) ==
             "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// FIPS 180-2 appendix B.
BOOST_AUTO_TEST_CASE(sha256_gives_the_values_of_fips_180) {
  BOOST_TEST(sdk::hex(sdk::sha256("abc")) ==
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_TEST(sdk::hex(sdk::sha256("")) ==
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// https://www.rfc-editor.org/rfc/rfc4648 section 10.
BOOST_AUTO_TEST_CASE(base64_gives_the_values_of_rfc_4648) {
  const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    BOOST_TEST(sdk::base64(bytes) == text);
    BOOST_TEST(sdk::from_base64(text).value_or("absent") == bytes);
    const std::string unpadded = text.substr(0, text.find('='));
    BOOST_TEST(sdk::base64url(bytes) == unpadded);
    BOOST_TEST(sdk::from_base64url(unpadded).value_or("absent") == bytes);
  }
  BOOST_TEST(sdk::base64("\xfb\xff\xbf") == "+/+/");
  BOOST_TEST(sdk::base64url("\xfb\xff\xbf") == "-_-_");
}

BOOST_AUTO_TEST_CASE(only_canonical_base64_is_read) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm 9",
                           "====", "=", "Z===", "-_-_", "Zg==Zg==", "Zm8=A"}) {
    BOOST_TEST(!sdk::from_base64(text).has_value(), text);
  }
  for (const char* text : {"Zg==", "Zh", "Zm9", "Z", "+/+/", "Zm9v=", "Zm 9v"}) {
    BOOST_TEST(!sdk::from_base64url(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(every_text_of_three_characters_that_base64_reads_is_the_one_it_writes) {
  // Exhaustive over two characters and both kinds of last quantum.
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string text{static_cast<char>(a), static_cast<char>(b)};
      if (const auto bytes = sdk::from_base64url(text)) {
        BOOST_REQUIRE(sdk::base64url(*bytes) == text);
      }
      if (const auto bytes = sdk::from_base64(text + "==")) {
        BOOST_REQUIRE(sdk::base64(*bytes) == text + "==");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(random_bytes_survive_the_way_there_and_back) {
  std::mt19937 random(20261121);
  for (std::size_t length = 0; length < 200; ++length) {
    std::string bytes(length, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    BOOST_TEST((sdk::from_base64(sdk::base64(bytes)) == bytes));
    BOOST_TEST((sdk::from_base64url(sdk::base64url(bytes)) == bytes));
    BOOST_TEST((sdk::from_hex(sdk::hex(bytes)) == bytes));
  }
}

BOOST_AUTO_TEST_CASE(hex_is_written_small_and_read_in_either_case) {
  BOOST_TEST(sdk::hex(std::string("\x00\xff\x0a", 3)) == "00ff0a");
  BOOST_TEST((sdk::from_hex("00FF0a") == std::string("\x00\xff\x0a", 3)));
  for (const char* text : {"0", "0g", "0x", "00 ", "ff\n"}) {
    BOOST_TEST(!sdk::from_hex(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(secrets_are_equal_only_when_every_byte_is) {
  BOOST_TEST(sdk::equal_secret("abc", "abc"));
  BOOST_TEST(sdk::equal_secret("", ""));
  BOOST_TEST(!sdk::equal_secret("abc", "abd"));
  BOOST_TEST(!sdk::equal_secret("abc", "ab"));
  BOOST_TEST(!sdk::equal_secret(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

// The vector of Telnyx's scheme: seed 00 01 .. 1f.
BOOST_AUTO_TEST_CASE(an_ed25519_signature_holds_for_its_bytes_alone) {
  const auto key = *sdk::from_base64("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
  const auto signature = *sdk::from_base64(
      "DGHklvlxYTmXKjhKK+MCFjZD+Dp/wgxQ3XMUaqtzvprPF2Ww34JYW86rdgTlj9wEOXEw3ON6qMYX/Jyy/fM0Bg==");
  const std::string data = R"(1795165200|{"data":{"event_type":"message.received","id":"e1"}})";
  BOOST_TEST(sdk::is_signed_ed25519(key, data, signature));
  BOOST_TEST(!sdk::is_signed_ed25519(key, data + " ", signature));
  BOOST_TEST(!sdk::is_signed_ed25519(key.substr(1), data, signature));
  BOOST_TEST(!sdk::is_signed_ed25519(key, data, signature.substr(1)));
  BOOST_TEST(!sdk::is_signed_ed25519(key, data, ""));
}

// Keys that are none must be refused, not crash.
BOOST_AUTO_TEST_CASE(what_is_no_key_signs_nothing) {
  BOOST_TEST(!sdk::is_signed_ecdsa("no key", "data", "signature"));
  BOOST_TEST(!sdk::is_signed_ecdsa("", "", ""));
  BOOST_TEST(!sdk::is_signed_by_certificate("no PEM", sdk::RsaDigest::sha256, "data", "sig"));
  BOOST_TEST(!sdk::sign_rsa_sha256("no PEM", "data").has_value());
}

// RFC 1321 A.5, RFC 2202 2, RFC 4231 4.3.
BOOST_AUTO_TEST_CASE(older_and_longer_digests_give_the_values_of_their_rfcs) {
  BOOST_TEST(sdk::hex(sdk::md5("abc")) == "900150983cd24fb0d6963f7d28e17f72");
  BOOST_TEST(sdk::hex(sdk::hmac_md5("Jefe", "what do ya want for nothing?")) ==
             "750c783e6ab0b503eaa86e310a5db738");
  BOOST_TEST(sdk::hex(sdk::hmac_sha384("Jefe", "what do ya want for nothing?")) ==
             "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
             "8e2240ca5e69e2c78b3239ecfab21649");
  BOOST_TEST(sdk::hex(sdk::hmac_sha512("Jefe", "what do ya want for nothing?")) ==
             "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
             "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

BOOST_AUTO_TEST_SUITE_END()
