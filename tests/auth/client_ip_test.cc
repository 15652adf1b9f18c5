#include "gateway/auth/client_ip.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace {

using gateway::auth::is_loopback;
using gateway::auth::network_of;
using gateway::auth::TrustedProxies;
using gateway::http::Request;

Request request(const std::string& peer, const std::vector<std::string>& forwarded) {
  Request made;
  made.peer = peer;
  for (const auto& line : forwarded) made.headers.emplace_back("x-forwarded-for", line);
  return made;
}

TrustedProxies proxies() {
  const std::vector<std::string> list = {"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"};
  return TrustedProxies::parse(list).value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(client_ip)

BOOST_AUTO_TEST_CASE(a_stranger_may_not_say_who_he_is) {
  BOOST_TEST(proxies().client_of(request("198.51.100.1", {"127.0.0.1"})) == "198.51.100.1");
  BOOST_TEST(TrustedProxies().client_of(request("127.0.0.1", {"203.0.113.5"})) == "127.0.0.1");
}

BOOST_AUTO_TEST_CASE(behind_a_trusted_proxy_the_rightmost_untrusted_address_counts) {
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"203.0.113.5"})) == "203.0.113.5");
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"1.1.1.1, 203.0.113.5, 10.9.9.9"})) ==
             "203.0.113.5");
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"1.1.1.1", "203.0.113.5"})) == "203.0.113.5");
  BOOST_TEST(proxies().client_of(request("192.0.2.7", {"2001:db8::5, 2001:db9::1"})) ==
             "2001:db9::1");
}

BOOST_AUTO_TEST_CASE(what_is_no_address_ends_the_chain) {
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"unknown"})) == "10.1.2.3");
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"1.1.1.1, , 10.0.0.2"})) == "10.0.0.2");
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {})) == "10.1.2.3");
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"1.1.1.1:80"})) == "10.1.2.3");
}

BOOST_AUTO_TEST_CASE(only_trusted_addresses_leave_the_first_of_them) {
  BOOST_TEST(proxies().client_of(request("10.1.2.3", {"10.0.0.5, 10.0.0.6"})) == "10.0.0.5");
}

BOOST_AUTO_TEST_CASE(a_mapped_address_is_the_ipv4_address) {
  BOOST_TEST(proxies().client_of(request("::ffff:10.1.2.3", {"203.0.113.5"})) == "203.0.113.5");
  BOOST_TEST(network_of("::ffff:192.0.2.1") == "192.0.2.1");
}

BOOST_AUTO_TEST_CASE(what_is_no_network_is_an_error) {
  for (const std::string& text :
       std::vector<std::string>{"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "proxy",
                                "10.0.0", "10.0.0.0/8x"}) {
    const std::vector<std::string> list = {text};
    BOOST_TEST(!TrustedProxies::parse(list).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(loopback_is_127_and_1) {
  BOOST_TEST(is_loopback("127.0.0.1"));
  BOOST_TEST(is_loopback("127.9.9.9"));
  BOOST_TEST(is_loopback("::1"));
  BOOST_TEST(!is_loopback("128.0.0.1"));
  BOOST_TEST(!is_loopback("localhost"));
}

BOOST_AUTO_TEST_SUITE_END()
