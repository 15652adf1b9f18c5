#include "gateway/inbound/documents.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <vector>

#include "tests/auth/manual_clock.h"

using gateway::Task;
using gateway::inbound::DocumentCache;

namespace {

constexpr std::int64_t kMinute = 60'000;

// Keeps what is asked for until the test answers.
class Source final : public gateway::inbound::DocumentSource {
 public:
  void fetch(const std::string& url, Task<void(std::optional<std::string>)> done) override {
    asked.push_back(url);
    waiting.emplace(url, std::move(done));
  }
  void answer(const std::string& url, std::optional<std::string> document) {
    auto node = waiting.extract(url);
    BOOST_TEST_REQUIRE(!node.empty());
    node.mapped()(std::move(document));
  }
  std::vector<std::string> asked;
  std::map<std::string, Task<void(std::optional<std::string>)>> waiting;
};

struct Fixture {
  auth_test::ManualClock clock;
  Source source;
  DocumentCache cache{source, clock};
  std::vector<std::string> heard;

  void ask(const std::string& url) {
    cache.find(url, [this](const DocumentCache::Document& document) {
      heard.push_back(document.value_or("-"));
    });
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(documents, Fixture)

BOOST_AUTO_TEST_CASE(a_document_is_fetched_once_and_kept_for_half_a_day) {
  ask("u");
  ask("u");
  BOOST_TEST(source.asked.size() == 1u);
  source.answer("u", "text");
  BOOST_TEST(heard == (std::vector<std::string>{"text", "text"}), boost::test_tools::per_element());
  clock.advance(12 * 60 * kMinute - 1);
  ask("u");
  BOOST_TEST(source.asked.size() == 1u);
  clock.advance(1);
  ask("u");
  BOOST_TEST(source.asked.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_failure_is_kept_for_a_minute) {
  ask("u");
  source.answer("u", std::nullopt);
  clock.advance(kMinute - 1);
  ask("u");
  BOOST_TEST(source.asked.size() == 1u);
  BOOST_TEST(heard == (std::vector<std::string>{"-", "-"}), boost::test_tools::per_element());
  clock.advance(1);
  ask("u");
  BOOST_TEST(source.asked.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_document_of_more_than_64_kib_is_none) {
  ask("u");
  source.answer("u", std::string(64u << 10, 'x'));
  BOOST_TEST(heard.back().size() == 64u << 10);
  ask("v");
  source.answer("v", std::string((64u << 10) + 1, 'x'));
  BOOST_TEST(heard.back() == "-");
}

BOOST_AUTO_TEST_CASE(sixteen_fetches_are_under_way_at_most) {
  for (int i = 0; i < 20; ++i) ask(std::to_string(i));
  BOOST_TEST(source.asked.size() == 16u);
  BOOST_TEST(heard == std::vector<std::string>(4, "-"), boost::test_tools::per_element());
  source.answer("0", "text");
  // What was refused was not remembered as a failure.
  ask("17");
  BOOST_TEST(source.asked.size() == 17u);
  BOOST_TEST(source.asked.back() == "17");
}

BOOST_AUTO_TEST_CASE(made_up_urls_push_out_their_own_failures_first) {
  ask("good");
  source.answer("good", "certificate");
  for (int i = 0; i < 2'000; ++i) {
    ask(std::to_string(i));
    source.answer(std::to_string(i), std::nullopt);
  }
  const auto fetches = source.asked.size();
  ask("good");
  BOOST_TEST(source.asked.size() == fetches);
  BOOST_TEST(heard.back() == "certificate");
}

BOOST_AUTO_TEST_SUITE_END()
