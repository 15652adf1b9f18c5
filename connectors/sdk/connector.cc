#include "connectors/sdk/connector.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace connector {
namespace {

constexpr std::int64_t kLongestWaitMs = 3'600'000;

std::optional<int> number(std::string_view digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the only form RFC 9110 5.6.7 lets a sender write.
std::optional<std::int64_t> http_date_ms(std::string_view date) {
  if (date.size() != 29 || date.substr(25) != " GMT" || date[4] != ' ' || date[16] != ' ') {
    return std::nullopt;
  }
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto month = std::find(kMonths.begin(), kMonths.end(), date.substr(8, 3));
  const auto day = number(date.substr(5, 2));
  const auto year = number(date.substr(12, 4));
  const auto hour = number(date.substr(17, 2));
  const auto minute = number(date.substr(20, 2));
  const auto second = number(date.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day when{
      std::chrono::year{*year},
      std::chrono::month{static_cast<unsigned>(month - kMonths.begin()) + 1},
      std::chrono::day{static_cast<unsigned>(std::max(*day, 0))}};
  if (!when.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days{when}.time_since_epoch().count();
  return ((static_cast<std::int64_t>(days) * 24 + *hour) * 60 + *minute) * 60'000 + *second * 1000;
}

}  // namespace

std::int64_t retry_after_ms(const Response& response, std::int64_t now_ms) {
  const std::string_view value = sdk::trim(response.header("retry-after"));
  if (value.empty()) return 0;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (end == value.data() + value.size()) {
    if (error == std::errc::result_out_of_range) return kLongestWaitMs;
    return std::clamp<std::int64_t>(seconds, 0, kLongestWaitMs / 1000) * 1000;
  }
  const auto date = http_date_ms(value);
  return date ? std::clamp<std::int64_t>(*date - now_ms, 0, kLongestWaitMs) : 0;
}

Fail fail_from(const Response& response, Repeat repeat, std::int64_t now_ms) {
  const std::int32_t status = response.status;
  if (status == 0) {
    const bool harmless = repeat == Repeat::safe || response.not_sent;
    return {.code = harmless ? Failure::retry : Failure::uncertain,
            .why = response.not_sent ? "the platform could not be reached"
                                     : "the platform did not answer"};
  }
  Fail fail{.code = Failure::permanent, .why = "HTTP " + std::to_string(status)};
  if (status == 401 || status == 403) {
    fail.code = Failure::auth;
  } else if (status == 429) {
    fail.code = Failure::rate;
    fail.retry_after_ms = retry_after_ms(response, now_ms);
  } else if (status == 408 || status == 425 || status >= 500) {
    fail.code = repeat == Repeat::safe ? Failure::retry : Failure::uncertain;
    fail.retry_after_ms = retry_after_ms(response, now_ms);
  } else if (status < 300) {
    // A success without what it promised: done or not, nobody knows.
    fail.code = repeat == Repeat::safe ? Failure::retry : Failure::uncertain;
    fail.why = "the platform's answer is not understood";
  }
  return fail;
}

Call json_call(std::string url, std::string json) {
  return {.method = "POST",
          .url = std::move(url),
          .headers = {{"content-type", "application/json"}},
          .body = std::move(json)};
}

Call form_call(std::string url, const sdk::Form& form) {
  return {.method = "POST",
          .url = std::move(url),
          .headers = {{"content-type", "application/x-www-form-urlencoded"}},
          .body = sdk::encode_form(form)};
}

std::string keyed_webhook_url(const Channel& channel) {
  return channel.webhook_url + "/" +
         sdk::base64url(sdk::hmac_sha256(channel.secret, "callback URL").substr(0, 16));
}

bool came_by_keyed_url(const Channel& channel, const Request& request) {
  if (channel.secret.empty()) return false;
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  const std::string url = keyed_webhook_url(channel);
  return sdk::equal_secret(path.substr(path.rfind('/') + 1),
                           std::string_view(url).substr(url.rfind('/') + 1));
}

Pair basic_auth(std::string_view user, std::string_view password) {
  std::string both(user);
  both += ':';
  both += password;
  return {"authorization", "Basic " + sdk::base64(both)};
}

Pair bearer_auth(std::string_view token) {
  return {"authorization", "Bearer " + std::string(token)};
}

std::string without_secrets(std::string_view text, std::span<const std::string_view> secrets) {
  std::string clean(text);
  for (const std::string_view secret : secrets) {
    if (secret.size() < 4) continue;
    for (const std::string& form : {std::string(secret), sdk::url_encode(secret)}) {
      for (auto at = clean.find(form); at != std::string::npos; at = clean.find(form, at + 3)) {
        clean.replace(at, form.size(), "***");
      }
    }
  }
  return clean;
}

}  // namespace connector
