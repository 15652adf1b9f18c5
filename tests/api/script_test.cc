#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "gateway/widget/script.h"
#include "tests/api/world.h"

namespace {

using api_test::Headers;
using api_test::World;

constexpr const char* kPath = "/widget.js";

// RFC 1952, 2.3.1: the length of what was compressed, modulo 2^32, is a gzip file's last word.
std::size_t uncompressed_size(const std::string& gzip) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    size |= std::size_t{static_cast<unsigned char>(gzip[gzip.size() - 4 + i])} << (8 * i);
  }
  return size;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(widget_script, World)

BOOST_AUTO_TEST_CASE(every_site_may_load_the_script) {
  const auto script = call("GET", kPath, "", "", {{"Origin", "https://shop.example"}});
  BOOST_TEST(script.status == 200);
  BOOST_TEST(script.header("content-type") == "text/javascript; charset=utf-8");
  BOOST_TEST(script.header("cross-origin-resource-policy") == "cross-origin");
  BOOST_TEST(script.header("access-control-allow-origin") == "*");
  BOOST_TEST(script.header("x-content-type-options") == "nosniff");
  BOOST_TEST(script.header("content-encoding").empty());
  BOOST_TEST((script.body == gateway::widget::script().plain));
  BOOST_TEST(script.body.find("Backchannel") != std::string::npos);
}

// The bar of the product: what a page has to load.
BOOST_AUTO_TEST_CASE(the_script_has_less_than_25_kilobytes_compressed) {
  const auto gzip = call("GET", kPath, "", "", {{"Accept-Encoding", "gzip"}});
  const auto brotli = call("GET", kPath, "", "", {{"Accept-Encoding", "gzip, deflate, br"}});
  BOOST_TEST(gzip.header("content-encoding") == "gzip");
  BOOST_TEST(brotli.header("content-encoding") == "br");
  BOOST_TEST(gzip.body.size() < 25'000u);
  BOOST_TEST(brotli.body.size() < gzip.body.size());
  BOOST_TEST(uncompressed_size(gzip.body) == gateway::widget::script().plain.size());
}

BOOST_AUTO_TEST_CASE(each_form_has_its_own_tag_and_a_repeat_costs_nothing) {
  std::vector<std::string> tags;
  for (const std::string& coding : std::vector<std::string>{"identity", "gzip", "br"}) {
    const auto first = call("GET", kPath, "", "", {{"Accept-Encoding", coding}});
    const auto tag = first.header("etag");
    BOOST_TEST(tag.starts_with('"'), "strong, so that caches may join ranges of it");
    BOOST_TEST(first.header("vary").find("Accept-Encoding") != std::string::npos);
    BOOST_TEST(first.header("cache-control").find("max-age=300") != std::string::npos);
    const auto again =
        call("GET", kPath, "", "", {{"Accept-Encoding", coding}, {"If-None-Match", tag}});
    BOOST_TEST(again.status == 304);
    BOOST_TEST(again.body.empty());
    BOOST_TEST(again.header("etag") == tag);
    BOOST_TEST(again.header("vary") == first.header("vary"));
    BOOST_TEST(again.header("cache-control") == first.header("cache-control"));
    for (const auto& other : tags) BOOST_TEST(other != tag);
    tags.push_back(tag);
  }
  const auto other =
      call("GET", kPath, "", "", {{"Accept-Encoding", "gzip"}, {"If-None-Match", tags[0]}});
  BOOST_TEST(other.status == 200);
}

BOOST_AUTO_TEST_CASE(the_tag_is_made_of_the_bytes) {
  const auto& script = gateway::widget::script();
  BOOST_TEST(sdk::hex(sdk::sha256(script.plain)).substr(0, 32) == script.hash);
}

BOOST_AUTO_TEST_CASE(head_tells_the_length_of_the_form_get_would_give) {
  const Headers gzip = {{"Accept-Encoding", "gzip"}};
  const auto head = call("HEAD", kPath, "", "", gzip);
  BOOST_TEST(head.status == 200);
  BOOST_TEST(head.body.empty());
  const auto get = call("GET", kPath, "", "", gzip);
  BOOST_TEST(head.header("content-length") == std::to_string(get.body.size()));
  BOOST_TEST(head.header("etag") == get.header("etag"));
}

BOOST_AUTO_TEST_CASE(nothing_but_reading_is_known_there) {
  const auto wrong = call("POST", kPath, "", "{}");
  BOOST_TEST(wrong.status == 405);
  BOOST_TEST(wrong.header("allow").find("GET") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
