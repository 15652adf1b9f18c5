// Examples are those of RFC 9110, 12.5.3, where it has some.
#include "gateway/api/content_coding.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace {

using gateway::api::preferred_coding;

std::string chosen(std::string_view header) {
  const auto name = to_string(preferred_coding(header));
  return name.empty() ? "identity" : std::string(name);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(content_coding)

BOOST_AUTO_TEST_CASE(a_client_gets_the_smallest_form_it_takes) {
  BOOST_TEST(chosen("gzip, deflate, br, zstd") == "br");
  BOOST_TEST(chosen("gzip, deflate") == "gzip");
  BOOST_TEST(chosen("compress, gzip") == "gzip");
  BOOST_TEST(chosen("GZIP ;Q=1") == "gzip");
  BOOST_TEST(chosen("x-gzip") == "gzip");
  BOOST_TEST(chosen("*") == "br");
}

BOOST_AUTO_TEST_CASE(who_asks_for_nothing_gets_the_plain_form) {
  BOOST_TEST(chosen("") == "identity");
  BOOST_TEST(chosen("identity") == "identity");
  BOOST_TEST(chosen("deflate, zstd") == "identity");
}

BOOST_AUTO_TEST_CASE(the_clients_weights_decide) {
  BOOST_TEST(chosen("compress;q=0.5, gzip;q=1.0") == "gzip");
  BOOST_TEST(chosen("br;q=0.5, gzip;q=0.8") == "gzip");
  BOOST_TEST(chosen("gzip;q=1.0, identity; q=0.5, *;q=0") == "gzip");
  BOOST_TEST(chosen("br;q=0.001") == "br");
  BOOST_TEST(chosen("gzip;q=0.5, identity;q=0.7") == "identity");
  BOOST_TEST(chosen("br;q=0, *;q=0.3") == "gzip");
}

BOOST_AUTO_TEST_CASE(what_is_refused_is_not_sent) {
  BOOST_TEST(chosen("gzip;q=0, br;q=0.000") == "identity");
  BOOST_TEST(chosen("*;q=0") == "identity");
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_none_counts_as_a_refusal) {
  for (const std::string& header :
       std::vector<std::string>{"br;q=", "br;q=2", "br;q=1.001", "br;q=-1", "br;q=0.0001", "br;q=x",
                                "br;level=1", "br;q=1x", ";;;,,,", "br;q=01"}) {
    BOOST_TEST(chosen(header) == "identity", header);
  }
}

BOOST_AUTO_TEST_SUITE_END()
