#include "gateway/base/uuid.h"

#include <boost/test/unit_test.hpp>
#include <set>
#include <thread>
#include <vector>

#include "gateway/domain/ids.h"

namespace {

class StoppedClock final : public gateway::Clock {
 public:
  explicit StoppedClock(std::int64_t ms) : ms_(ms) {}
  std::int64_t now_ms() const override { return ms_; }
  std::int64_t steady_ms() const override { return ms_; }
  void set(std::int64_t ms) { ms_ = ms; }

 private:
  std::int64_t ms_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(uuids)

BOOST_AUTO_TEST_CASE(text_and_back) {
  const std::string text = "c232ab00-9414-11ec-b3c8-9f6bdeced846";  // RFC 9562, A.1
  const auto id = gateway::Uuid::parse(text);
  BOOST_TEST_REQUIRE(id.has_value());
  BOOST_TEST(id->text() == text);
  BOOST_TEST(gateway::Uuid::parse("C232AB00-9414-11EC-B3C8-9F6BDECED846")->text() == text);
}

BOOST_AUTO_TEST_CASE(anything_but_the_36_character_form_is_refused) {
  for (const char* text :
       {"", "c232ab00-9414-11ec-b3c8-9f6bdeced84", "c232ab00-9414-11ec-b3c8-9f6bdeced8466",
        "c232ab00941411ecb3c89f6bdeced846", "{232ab00-9414-11ec-b3c8-9f6bdeced84}",
        "c232ab00-9414-11ec-b3c8-9f6bdeced84g", "c232ab0-09414-11ec-b3c8-9f6bdeced846",
        "c232ab00_9414_11ec_b3c8_9f6bdeced846", "../../../../../../../../../etc/passwd"}) {
    BOOST_TEST(!gateway::Uuid::parse(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(version_7_carries_the_time_the_version_and_the_variant) {
  // RFC 9562, A.6: 2022-02-22T19:22:22.000Z is 0x017F22E279B0.
  const StoppedClock clock(0x017F22E279B0);
  gateway::Uuid7 ids(clock);
  const std::string text = ids.next().text();
  BOOST_TEST(text.substr(0, 13) == "017f22e2-79b0");
  BOOST_TEST(text[14] == '7');
  BOOST_TEST(std::string("89ab").find(text[19]) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(ids_of_one_millisecond_still_rise) {
  const StoppedClock clock(1'763'600'000'000);
  gateway::Uuid7 ids(clock);
  gateway::Uuid last = ids.next();
  for (int i = 0; i < 20'000; ++i) {
    const gateway::Uuid id = ids.next();
    BOOST_TEST_REQUIRE((last < id));
    last = id;
  }
}

BOOST_AUTO_TEST_CASE(ids_rise_also_when_the_clock_goes_back) {
  StoppedClock clock(1'763'600'000'000);
  gateway::Uuid7 ids(clock);
  const gateway::Uuid first = ids.next();
  clock.set(1'763'500'000'000);
  BOOST_TEST((first < ids.next()));
}

BOOST_AUTO_TEST_CASE(threads_never_get_the_same_id) {
  const gateway::SystemClock clock;
  gateway::Uuid7 ids(clock);
  std::vector<std::vector<gateway::Uuid>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&ids, &mine] {
      for (int i = 0; i < 5'000; ++i) mine.push_back(ids.next());
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<gateway::Uuid> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  BOOST_TEST(all.size() == 20'000U);
}

BOOST_AUTO_TEST_CASE(ids_of_different_things_do_not_mix) {
  using namespace gateway::domain;
  static_assert(!std::is_convertible_v<BusinessId, ChannelId>);
  static_assert(!std::is_constructible_v<BusinessId, ChannelId>);
}

BOOST_AUTO_TEST_SUITE_END()
