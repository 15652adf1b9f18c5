#include "gateway/api/host_name.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace gateway::api;

std::string domain_of(std::string_view text) { return widget_domain(text).value_or("-"); }
std::string key_of(std::string_view text) {
  const auto email = parse_email(text);
  return email ? email->key : "-";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(host_name)

BOOST_AUTO_TEST_CASE(a_widget_domain_is_the_host_of_a_host_or_an_origin) {
  BOOST_TEST(domain_of("acme.com") == "acme.com");
  BOOST_TEST(domain_of("ACME.com") == "acme.com");
  BOOST_TEST(domain_of("acme.com.") == "acme.com");
  BOOST_TEST(domain_of(" acme.com ") == "acme.com");
  BOOST_TEST(domain_of("https://Acme.com") == "acme.com");
  BOOST_TEST(domain_of("https://acme.com:8443/shop?x=1#y") == "acme.com");
  BOOST_TEST(domain_of("acme.com:3000") == "acme.com");
  BOOST_TEST(domain_of("acme.com/shop") == "acme.com");
  BOOST_TEST(domain_of("localhost:8080") == "localhost");
  BOOST_TEST(domain_of("192.0.2.1") == "192.0.2.1");
  // "www." is another host.
  BOOST_TEST(domain_of("www.acme.com") == "www.acme.com");
}

// Expected forms: RFC 3492 section 7.1 names and the registered form of common IDNs.
BOOST_AUTO_TEST_CASE(international_names_become_punycode) {
  BOOST_TEST(domain_of("bücher.example") == "xn--bcher-kva.example");
  BOOST_TEST(domain_of("BÜCHER.example") == "xn--bcher-kva.example");
  BOOST_TEST(domain_of("xn--bcher-kva.example") == "xn--bcher-kva.example");
  BOOST_TEST(domain_of("XN--BCHER-KVA.example") == "xn--bcher-kva.example");
  // Non-transitional: the sharp s is a letter of its own.
  BOOST_TEST(domain_of("faß.de") == "xn--fa-hia.de");
  // A decomposed u with diaeresis is the same name.
  BOOST_TEST(domain_of("bu\xcc\x88"
                       "cher.example") == "xn--bcher-kva.example");
}

BOOST_AUTO_TEST_CASE(what_is_no_host_is_refused) {
  for (const std::string& text : std::vector<std::string>{std::string(""),
                                                          std::string("."),
                                                          std::string("acme..com"),
                                                          std::string("-acme.com"),
                                                          std::string("acme-.com"),
                                                          std::string("ac me.com"),
                                                          std::string("a_b.com"),
                                                          std::string("*.acme.com"),
                                                          std::string("user@acme.com"),
                                                          std::string("https://a@acme.com"),
                                                          std::string("ftp://acme.com"),
                                                          std::string("javascript://acme.com"),
                                                          std::string("acme.com:99999999"),
                                                          std::string("acme.com:x"),
                                                          std::string("[::1]"),
                                                          std::string("1.2.3"),
                                                          std::string("256.1.1.1"),
                                                          std::string("acme.123"),
                                                          std::string("https://"),
                                                          std::string("acme\0.com", 9),
                                                          std::string("\xff.com"),
                                                          std::string(64, 'a') + ".com",
                                                          std::string(300, 'a')}) {
    BOOST_TEST(domain_of(text) == "-", text);
  }
}

BOOST_AUTO_TEST_CASE(an_email_is_compared_without_case_and_its_domain_in_punycode) {
  BOOST_TEST(key_of("Ada@Acme.COM") == "ada@acme.com");
  BOOST_TEST(key_of(" you@example.com ") == "you@example.com");
  BOOST_TEST(key_of("o'neil+tag@bücher.example") == "o'neil+tag@xn--bcher-kva.example");
  BOOST_TEST(parse_email("Ada@Acme.COM")->address == "Ada@acme.com");
}

BOOST_AUTO_TEST_CASE(what_is_no_email_is_refused) {
  for (const std::string& text :
       std::vector<std::string>{"", "@", "ada", "ada@", "@acme.com", "ada@acme", "ada@@acme.com",
                                "a da@acme.com", ".ada@acme.com", "ada.@acme.com", "a..da@acme.com",
                                "ada@acme..com", "ada@-acme.com", "ada\n@acme.com", "ädä@acme.com",
                                "\"ada\"@acme.com", "ada@acme.com>", "ada@127.0.0.300"}) {
    BOOST_TEST(key_of(text) == "-", text);
  }
  BOOST_TEST(key_of(std::string(65, 'a') + "@acme.com") == "-");
}

BOOST_AUTO_TEST_CASE(a_logo_is_https_or_on_this_machine) {
  const auto logo = [](std::string_view text) { return is_url(text, UrlRule::https_or_loopback); };
  BOOST_TEST(logo("https://res.cloudinary.com/example/image/upload/v1/logos/acme.png"));
  BOOST_TEST(logo("http://localhost:9000/logo.png"));
  BOOST_TEST(logo("http://127.0.0.1/logo.png"));
  BOOST_TEST(logo("http://[::1]:80/logo.png"));
  for (const std::string& text : std::vector<std::string>{
           "http://acme.com/logo.png", "javascript:alert(1)", "data:image/png;base64,AA",
           "https://", "https://user:pw@acme.com/a.png", "//acme.com/a.png", "https://a b/c",
           "https://acme.com/a\"onerror=", "https://acme.com/<script>", "ftp://acme.com/a.png",
           "https://acme.com/ä.png", "http://localhost.evil.test/a.png", "https://[::1/a.png",
           "https://[::1]x/a.png", "https:/acme.com"}) {
    BOOST_TEST(!logo(text), text);
  }
  BOOST_TEST(!logo("https://acme.com/" + std::string(2048, 'a')));
  BOOST_TEST(!is_url("http://127.0.0.1/a", UrlRule::https));
  BOOST_TEST(is_url("http://acme.com", UrlRule::http_or_https));
}

BOOST_AUTO_TEST_SUITE_END()
