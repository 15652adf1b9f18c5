#include "gateway/visitors/origin.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace {

bool is_page(const std::string& origin, const std::vector<std::string>& entries) {
  return gateway::visitors::is_page_of(origin, entries);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(origin)

BOOST_AUTO_TEST_CASE(a_host_admits_its_pages_at_any_scheme_and_port) {
  for (const char* origin :
       {"https://acme.com", "http://acme.com", "https://acme.com:8443", "https://ACME.com"}) {
    BOOST_TEST(is_page(origin, {"acme.com"}), origin);
  }
}

BOOST_AUTO_TEST_CASE(other_hosts_are_not_admitted_however_alike_they_look) {
  for (const char* origin :
       {"https://www.acme.com", "https://acme.com.evil.example", "https://evilacme.com",
        "https://acme.co", "https://acme.com@evil.example", "https://evil.example/acme.com",
        "https://evil.example#acme.com", "null", "acme.com", "file://", "https://", "",
        "chrome-extension://acme.com", "https://acme.com:", "https://acme.com:x"}) {
    BOOST_TEST(!is_page(origin, {"acme.com"}), origin);
  }
  BOOST_TEST(!is_page("https://" + std::string(10'000, 'a'), {"acme.com"}));
  BOOST_TEST(!is_page("https://acme.com", {}));
}

BOOST_AUTO_TEST_CASE(a_star_stands_for_every_host_below_and_not_for_the_name_itself) {
  BOOST_TEST(is_page("https://www.acme.com", {"*.acme.com"}));
  BOOST_TEST(is_page("https://a.b.acme.com", {"*.acme.com"}));
  BOOST_TEST(!is_page("https://acme.com", {"*.acme.com"}));
  BOOST_TEST(!is_page("https://evilacme.com", {"*.acme.com"}));
  BOOST_TEST(!is_page("https://.acme.com", {"*.acme.com.evil.example"}));
}

// RFC 6454, 4 and 5: the port of an origin that names none is the scheme's own.
BOOST_AUTO_TEST_CASE(an_origin_admits_exactly_its_scheme_and_port) {
  BOOST_TEST(is_page("https://acme.com", {"https://acme.com"}));
  BOOST_TEST(is_page("https://acme.com", {"https://acme.com:443"}));
  BOOST_TEST(is_page("https://acme.com:8443", {"https://acme.com:8443"}));
  BOOST_TEST(!is_page("http://acme.com", {"https://acme.com"}));
  BOOST_TEST(!is_page("https://acme.com:8443", {"https://acme.com"}));
  BOOST_TEST(is_page("http://acme.com", {"acme.com:80"}));
  BOOST_TEST(!is_page("https://acme.com", {"acme.com:80"}));
  BOOST_TEST(is_page("https://help.acme.com", {"https://*.acme.com"}));
}

BOOST_AUTO_TEST_CASE(the_own_machine_is_a_page_only_where_it_is_named) {
  for (const char* origin : {"http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:5173",
                             "http://app.localhost"}) {
    BOOST_TEST(!is_page(origin, {"acme.com"}), origin);
    for (const char* entry : {"localhost", "127.0.0.1"}) {
      BOOST_TEST(is_page(origin, {entry}), origin << " " << entry);
    }
  }
  BOOST_TEST(!is_page("http://localhost:3000", {"http://localhost:4000"}));
  BOOST_TEST(!is_page("http://localhost.evil.example", {"localhost"}));
}

BOOST_AUTO_TEST_CASE(any_entry_of_the_list_is_enough) {
  BOOST_TEST(
      is_page("https://help.example.com", {"https://example.com", "https://help.example.com"}));
}

BOOST_AUTO_TEST_SUITE_END()
