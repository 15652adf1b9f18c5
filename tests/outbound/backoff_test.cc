#include "gateway/outbound/backoff.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "gateway/outbound/transcript.h"

using namespace gateway::outbound;
using connector::Fail;
using connector::Failure;

namespace {

constexpr std::int64_t kDayMs = 24 * 3'600'000;

// Kolmogorov's distance between the samples and U(0, high).
double distance_to_uniform(std::vector<std::int64_t> samples, std::int64_t high) {
  std::sort(samples.begin(), samples.end());
  double distance = 0;
  const auto n = static_cast<double>(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double expected = static_cast<double>(samples[i]) / static_cast<double>(high);
    distance = std::max(distance, std::abs(static_cast<double>(i) / n - expected));
    distance = std::max(distance, std::abs(static_cast<double>(i + 1) / n - expected));
  }
  return distance;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(backoff)

BOOST_AUTO_TEST_CASE(the_delay_is_uniform_up_to_the_capped_power) {
  Rng rng(20261121);
  constexpr int kSamples = 4'000;
  // p > 0.01 for the two-sided test: D < 1.628 / sqrt(n).
  const double limit = 1.628 / std::sqrt(kSamples);
  for (int n = 0; n < 14; ++n) {
    const std::int64_t high = std::min<std::int64_t>(900'000, 2'000LL << n);
    std::vector<std::int64_t> samples;
    for (int i = 0; i < kSamples; ++i) samples.push_back(full_jitter_ms(n, rng));
    BOOST_TEST_CONTEXT("n = " << n) {
      BOOST_TEST(*std::min_element(samples.begin(), samples.end()) >= 0);
      BOOST_TEST(*std::max_element(samples.begin(), samples.end()) <= high);
      BOOST_TEST(distance_to_uniform(samples, high) < limit);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_number_of_attempts_overflows_the_delay) {
  Rng rng(1);
  for (const int n : {-5, 30, 31, 63, 64, 1'000'000}) {
    const auto delay = full_jitter_ms(n, rng);
    BOOST_TEST(delay >= 0);
    BOOST_TEST(delay <= kBackoffCapMs);
  }
}

BOOST_AUTO_TEST_CASE(equal_seeds_give_equal_schedules) {
  Rng a(7);
  Rng b(7);
  for (int n = 0; n < 12; ++n) BOOST_TEST(full_jitter_ms(n, a) == full_jitter_ms(n, b));
}

BOOST_AUTO_TEST_CASE(a_rate_pause_is_what_was_asked_for_up_to_an_hour) {
  BOOST_TEST(rate_pause_ms(7'000) == 7'000);
  BOOST_TEST(rate_pause_ms(0) == 1'000);
  BOOST_TEST(rate_pause_ms(-5) == 1'000);
  BOOST_TEST(rate_pause_ms(1'000'000'000'000) == 3'600'000);
}

BOOST_AUTO_TEST_CASE(every_failure_class_has_its_consequence) {
  using Kind = SendDecision::Kind;
  Rng rng(3);
  const auto decide = [&](Failure code, int attempt = 1, std::int64_t left_ms = kDayMs) {
    return decide_send(Fail{.code = code, .retry_after_ms = 30'000}, attempt, left_ms, rng);
  };
  BOOST_TEST((decide(Failure::config).kind == Kind::failed));
  BOOST_TEST((decide(Failure::permanent).kind == Kind::failed));
  BOOST_TEST((decide(Failure::unreachable).kind == Kind::failed));
  BOOST_TEST(decide(Failure::unreachable).unreachable);
  BOOST_TEST(!decide(Failure::permanent).unreachable);
  BOOST_TEST((decide(Failure::uncertain).kind == Kind::uncertain));
  BOOST_TEST((decide(Failure::retry).kind == Kind::again));
  // A wait the platform names is kept, here of this message alone.
  BOOST_TEST(decide(Failure::retry).delay_ms >= 30'000);
  BOOST_TEST(decide(Failure::retry).pause_ms == 0);
  BOOST_TEST((decide(Failure::rate).kind == Kind::again));
  BOOST_TEST(decide(Failure::rate).pause_ms >= 30'000);
  BOOST_TEST(decide(Failure::rate).delay_ms >= 30'000);
  BOOST_TEST((decide(Failure::auth).kind == Kind::again));
  BOOST_TEST(decide(Failure::auth).credentials_refused);
  BOOST_TEST(decide(Failure::auth).pause_ms > 0);
}

BOOST_AUTO_TEST_CASE(a_message_is_given_up_after_twelve_attempts_or_its_deadline) {
  using Kind = SendDecision::Kind;
  Rng rng(4);
  const auto decide = [&](Failure code, int attempt, std::int64_t left_ms) {
    return decide_send(Fail{.code = code}, attempt, left_ms, rng).kind;
  };
  BOOST_TEST((decide(Failure::retry, 11, kDayMs) == Kind::again));
  BOOST_TEST((decide(Failure::retry, 12, kDayMs) == Kind::failed));
  BOOST_TEST((decide(Failure::retry, 1, 0) == Kind::failed));
  // A platform may want fewer; more than the gateway makes are not to be had.
  const auto limited = [&](int attempt, std::int64_t most) {
    return decide_send(Fail{.code = Failure::retry, .max_attempts = most}, attempt, kDayMs, rng)
        .kind;
  };
  BOOST_TEST((limited(2, 3) == Kind::again));
  BOOST_TEST((limited(3, 3) == Kind::failed));
  BOOST_TEST((limited(12, 100) == Kind::failed));
  BOOST_TEST(decide_send(Fail{.code = Failure::retry}, 1, kDayMs, rng).delay_ms <= 2'000);
  // What is not the message's fault ends with the deadline alone.
  BOOST_TEST((decide(Failure::rate, 12, kDayMs) == Kind::again));
  BOOST_TEST((decide(Failure::auth, 500, kDayMs) == Kind::again));
  BOOST_TEST((decide(Failure::rate, 1, 0) == Kind::failed));
  BOOST_TEST((decide(Failure::auth, 1, -1) == Kind::failed));
}

BOOST_AUTO_TEST_CASE(the_breaker_opens_after_ten_silences_and_probes_every_five_seconds) {
  Breaker breaker;
  const gateway::domain::ChannelId channel(gateway::Uuid{{1}});
  const gateway::domain::ChannelId other(gateway::Uuid{{2}});
  for (int i = 0; i < 9; ++i) breaker.silent(channel);
  BOOST_TEST(breaker.wait_ms(channel, 1'000) == 0);
  breaker.silent(channel);
  BOOST_TEST(breaker.wait_ms(other, 1'000) == 0);
  BOOST_TEST(breaker.wait_ms(channel, 1'000) == 0);  // the probe
  BOOST_TEST(breaker.wait_ms(channel, 1'001) == 4'999);
  BOOST_TEST(breaker.wait_ms(channel, 6'000) == 0);
  BOOST_TEST(breaker.wait_ms(channel, 6'000) == 5'000);
  breaker.answered(channel);
  BOOST_TEST(breaker.wait_ms(channel, 6'001) == 0);
}

BOOST_AUTO_TEST_CASE(ten_repetitions_in_ten_seconds_are_always_allowed) {
  RetryBudget budget;
  for (int i = 0; i < 10; ++i) BOOST_TEST(budget.wait_ms("a", 1'000 + i) == 0);
  // The first of them leaves the window when its second is ten seconds ago.
  BOOST_TEST(budget.wait_ms("a", 1'500) == 9'500);
  BOOST_TEST(budget.wait_ms("a", 10'999) == 1);
  BOOST_TEST(budget.wait_ms("a", 11'000) == 0);
}

BOOST_AUTO_TEST_CASE(beyond_that_a_fifth_of_the_requests_may_be_repetitions) {
  RetryBudget budget;
  for (int i = 0; i < 200; ++i) budget.first_try("a", 5'000 + i);
  int allowed = 0;
  while (budget.wait_ms("a", 6'000) == 0 && allowed < 1'000) ++allowed;
  // r = (200 + r) / 5
  BOOST_TEST(allowed == 50);
  BOOST_TEST(budget.wait_ms("a", 6'000) > 0);
  // Spread over more seconds they still count together.
  BOOST_TEST(budget.wait_ms("a", 14'000) > 0);
  BOOST_TEST(budget.wait_ms("a", 16'000) == 0);
}

BOOST_AUTO_TEST_CASE(hosts_have_budgets_of_their_own_and_are_forgotten) {
  RetryBudget budget({.floor = 1, .percent = 20});
  BOOST_TEST(budget.wait_ms("a", 1'000) == 0);
  BOOST_TEST(budget.wait_ms("a", 1'000) > 0);
  BOOST_TEST(budget.wait_ms("b", 1'000) == 0);
  for (int i = 0; i < 20'000; ++i) budget.first_try("host" + std::to_string(i), 100'000 + i);
  BOOST_TEST(budget.wait_ms("a", 200'000) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(transcript)

BOOST_AUTO_TEST_CASE(answers_come_back_as_they_were) {
  const std::vector<connector::Response> answers = {
      {.status = 200, .headers = {{"a", "b"}, {"a", ""}}, .body = std::string("\0\xff{}", 4)},
      {.status = 0, .not_sent = true},
      {.status = 503, .body = std::string(70'000, 'x')}};
  const auto back = decode_transcript(encode_transcript(answers));
  BOOST_TEST_REQUIRE(back.has_value());
  BOOST_TEST_REQUIRE(back->size() == answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    BOOST_TEST((*back)[i].status == answers[i].status);
    BOOST_TEST((*back)[i].not_sent == answers[i].not_sent);
    BOOST_TEST(((*back)[i].headers == answers[i].headers));
    BOOST_TEST((*back)[i].body == answers[i].body);
  }
}

BOOST_AUTO_TEST_CASE(cut_or_longer_bytes_are_no_transcript) {
  const std::vector<connector::Response> answers = {
      {.status = 200, .headers = {{"name", "value"}}, .body = "body"}};
  const std::string bytes = encode_transcript(answers);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    BOOST_TEST(!decode_transcript(bytes.substr(0, cut)).has_value());
  }
  BOOST_TEST(!decode_transcript(bytes + "x").has_value());
  BOOST_TEST(decode_transcript(bytes).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
