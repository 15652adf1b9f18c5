#include "connectors/x/answer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "connectors/sdk/text.h"

namespace x {
namespace {

using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using sdk::json::Value;

// Where nothing says how long.
constexpr std::int64_t kDefaultWaitMs = 60'000;
constexpr std::int64_t kDailyLimitWaitMs = 30 * 60'000;
constexpr std::int64_t kLongestWaitMs = 24 * 3'600'000;

// https://docs.x.com/x-api/fundamentals/response-codes-and-errors and the error codes of v1.1,
// which v2 still passes on (read 2026-11-20).
struct Meaning {
  std::int64_t code;
  Failure failure;
};
constexpr std::array<Meaning, 31> kMeanings{{
    {32, Failure::auth},          // could not authenticate
    {64, Failure::auth},          // account suspended
    {89, Failure::auth},          // invalid or expired token
    {99, Failure::auth},          // could not verify the app's key and secret
    {215, Failure::auth},         // bad authentication data
    {326, Failure::auth},         // account locked
    {37, Failure::config},        // not authorized to use this endpoint
    {87, Failure::config},        // client is not permitted to do this
    {93, Failure::config},        // app has no permission for direct messages
    {261, Failure::config},       // app cannot write
    {453, Failure::config},       // plan does not cover this endpoint
    {50, Failure::unreachable},   // user not found
    {63, Failure::unreachable},   // user suspended
    {108, Failure::unreachable},  // user not found
    {150, Failure::unreachable},  // the recipient does not follow the account
    {349, Failure::unreachable},  // cannot send messages to this user
    {476, Failure::unreachable},  // the recipient takes requests of verified accounts only
    {151, Failure::permanent},    // text refused
    {186, Failure::permanent},    // post too long
    {187, Failure::permanent},    // duplicate
    {214, Failure::permanent},    // bad request
    {226, Failure::permanent},    // looks automated
    {324, Failure::permanent},    // media refused
    {354, Failure::permanent},    // text too long
    {385, Failure::permanent},    // the post answered is gone or not visible
    {433, Failure::permanent},    // replies to this post are restricted
    {88, Failure::rate},          // rate limit
    {185, Failure::rate},         // daily limit of posts
    {130, Failure::retry},        // over capacity
    {131, Failure::retry},        // internal error
    {135, Failure::retry},        // timestamp out of bounds
}};

std::optional<std::int64_t> number(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::string_view last_segment(std::string_view type) { return type.substr(type.rfind('/') + 1); }

// Every problem an answer names.
std::vector<Value> problems_of(Value root) {
  std::vector<Value> problems = root["errors"].elements();
  if (problems.size() > 10) problems.resize(10);
  problems.push_back(root);
  return problems;
}

constexpr std::array<std::string_view, 8> kWords{"detail", "message",           "title", "reason",
                                                 "error",  "error_description", "type",  "errors"};

std::optional<Failure> failure_by_code(const Answer& answer) {
  for (const Meaning& meaning : kMeanings) {
    if (answer.has_code(meaning.code)) return meaning.failure;
  }
  return std::nullopt;
}

// What a 403 means that has no code of its own.
Failure forbidden(const Answer& answer, About about) {
  if (answer.is_problem("client-forbidden") || answer.says("permissions for this endpoint") ||
      answer.says("scope")) {
    return Failure::config;
  }
  switch (about) {
    case About::app:
      return Failure::config;
    case About::contact:
      return answer.says("permission to dm") || answer.says("cannot send messages") ||
                     answer.says("not permitted")
                 ? Failure::unreachable
                 : Failure::permanent;
    case About::reading:
    case About::post:
      break;
  }
  return Failure::permanent;
}

Failure failure_by_status(const Answer& answer, About about, Failure otherwise) {
  switch (answer.response().status) {
    case 402:
      return Failure::config;
    case 403:
      return forbidden(answer, about);
    case 404:
    case 410:
      return about == About::contact ? Failure::unreachable : Failure::permanent;
    default:
      return otherwise;
  }
}

}  // namespace

Answer::Answer(const Response& response) : response_(response) {
  auto document = sdk::json::Document::parse(response.body);
  if (document) document_ = *std::move(document);
}

bool Answer::ok() const {
  if (!connector::is_success(response_)) return false;
  // What somebody in between says is not X's answer; a success may have no body.
  if (!root().is_object() && !response_.body.empty()) return false;
  // What was done in part is done.
  return root()["errors"].size() == 0 || data().size() > 0;
}

bool Answer::is_refusal() const {
  const std::int32_t status = response_.status;
  if (!root().is_object() && !response_.body.empty()) return false;
  if (connector::is_success(response_)) return !ok();
  return status >= 400 && status < 500 && status != 401 && status != 402 && status != 408 &&
         status != 425 && status != 429;
}

Value Answer::problem() const {
  const Value first = root()["errors"].at(0);
  return first.is_object() ? first : root();
}

std::string Answer::code() const {
  const Value first = problem();
  if (const auto digits = first["code"].digits(); digits && !digits->empty()) {
    return std::string(*digits);
  }
  if (const auto reason = first["reason"].text(); reason && !reason->empty()) {
    return std::string(*reason);
  }
  for (const Value one : {first, root()}) {
    const std::string_view type = one["type"].text_or("");
    if (!type.empty() && type != "about:blank") return std::string(last_segment(type));
  }
  return std::string(root()["error"].text_or(""));
}

std::string Answer::words() const {
  for (const Value one : {problem(), root()}) {
    for (const std::string_view name : {"detail", "message", "error_description", "title"}) {
      const std::string_view words = one[name].text_or("");
      if (!words.empty()) return std::string(words);
    }
  }
  return {};
}

bool Answer::says(std::string_view words) const {
  for (const Value one : problems_of(root())) {
    for (const std::string_view name : kWords) {
      if (sdk::lower_ascii(one[name].text_or("")).find(words) != std::string::npos) return true;
    }
  }
  return false;
}

bool Answer::is_problem(std::string_view type) const {
  const std::vector<Value> problems = problems_of(root());
  return std::any_of(problems.begin(), problems.end(), [&](Value one) {
    return last_segment(one["type"].text_or("")) == type || one["reason"].text_or("") == type;
  });
}

bool Answer::has_code(std::int64_t code) const {
  const std::string wanted = std::to_string(code);
  const std::vector<Value> problems = problems_of(root());
  return std::any_of(problems.begin(), problems.end(),
                     [&](Value one) { return one["code"].digits() == wanted; });
}

std::int64_t rate_wait_ms(const Response& response, std::int64_t now_ms) {
  constexpr std::array<std::string_view, 3> kWindows{"x-rate-limit", "x-user-limit-24hour",
                                                     "x-app-limit-24hour"};
  std::int64_t used_up_ms = 0;
  std::int64_t any_ms = 0;
  for (const std::string_view window : kWindows) {
    const auto reset_s = number(response.header(std::string(window) + "-reset"));
    if (!reset_s || *reset_s <= 0 || *reset_s > 253'402'300'799) continue;
    const std::int64_t wait_ms =
        std::clamp<std::int64_t>(*reset_s * 1000 - now_ms, 1'000, kLongestWaitMs);
    const bool is_used_up =
        number(response.header(std::string(window) + "-remaining")).value_or(1) <= 0;
    if (is_used_up) used_up_ms = std::max(used_up_ms, wait_ms);
    if (any_ms == 0) any_ms = wait_ms;
  }
  return used_up_ms > 0 ? used_up_ms : any_ms;
}

Fail fail_of(const Account& account, const Answer& answer, About about, Repeat repeat) {
  const Response& response = answer.response();
  const std::int64_t now_ms = account.channel().now_ms;
  Fail fail = connector::fail_from(response, repeat, now_ms);
  if (response.status == 0) return fail;
  if (const std::string words = answer.words(); !words.empty()) fail.why = account.cleaned(words);
  fail.platform_code = account.cleaned(answer.code());
  // An answer of 5xx says nothing about what was done before it.
  if (response.status >= 500) return fail;
  const bool refused = !connector::is_success(response) || answer.root()["errors"].size() > 0;
  if (answer.is_problem("usage-capped")) {
    fail.code = Failure::config;
  } else if (const auto known = failure_by_code(answer); known && refused) {
    fail.code = *known;
  } else if (response.status != 408 && response.status != 425 && refused) {
    const Failure otherwise = connector::is_success(response) ? Failure::permanent : fail.code;
    fail.code = failure_by_status(answer, about, otherwise);
  }
  if (fail.code == Failure::rate) {
    const std::int64_t told_ms = rate_wait_ms(response, now_ms);
    fail.retry_after_ms = told_ms > 0 ? told_ms : connector::retry_after_ms(response, now_ms);
    if (fail.retry_after_ms == 0) {
      fail.retry_after_ms = answer.has_code(185) ? kDailyLimitWaitMs : kDefaultWaitMs;
    }
  }
  return fail;
}

}  // namespace x
