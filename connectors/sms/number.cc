#include "connectors/sms/number.h"

#include <phonenumbers/phonenumberutil.h>

#include <algorithm>

#include "connectors/sdk/text.h"

namespace sms {
namespace {

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

// Longer texts are no numbers, and parsing them costs time.
constexpr std::size_t kMaxNumberBytes = 64;
constexpr std::size_t kMinShortCode = 3;
constexpr std::size_t kMaxShortCode = 8;
// ITU-T E.164 has up to 15 digits; the shortest numbers in use, of Niue, have 7.
constexpr std::size_t kMinE164Digits = 7;
constexpr std::size_t kMaxE164Digits = 15;
// GSM 03.40 gives an alphanumeric originator 11 characters of 7 bits.
constexpr std::size_t kMaxAlphanumeric = 11;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

const PhoneNumberUtil& util() { return *PhoneNumberUtil::GetInstance(); }

enum class Rule { possible, valid };

std::optional<std::string> parsed(std::string_view text, std::string_view region, Rule rule) {
  if (text.empty() || text.size() > kMaxNumberBytes || !sdk::is_valid_utf8(text)) {
    return std::nullopt;
  }
  PhoneNumber number;
  const std::string where = region.empty() ? "ZZ" : std::string(region);
  if (util().Parse(std::string(text), where, &number) != PhoneNumberUtil::NO_PARSING_ERROR) {
    return std::nullopt;
  }
  if (number.has_extension()) return std::nullopt;
  const bool good =
      rule == Rule::valid ? util().IsValidNumber(number) : util().IsPossibleNumber(number);
  if (!good) return std::nullopt;
  std::string e164;
  util().Format(number, PhoneNumberUtil::E164, &e164);
  return e164;
}

}  // namespace

bool is_short_code(std::string_view text) {
  return all_digits(text) && text.size() >= kMinShortCode && text.size() <= kMaxShortCode;
}

bool is_alphanumeric(std::string_view text) {
  constexpr std::string_view kSigns = " -_&.+";
  return !text.empty() && text.size() <= kMaxAlphanumeric &&
         std::any_of(text.begin(), text.end(), is_letter) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || is_digit(c) || kSigns.find(c) != std::string_view::npos;
         });
}

// A delivery's number is in its international form already, so its length says enough:
// libphonenumber takes a tenth of a millisecond, and is asked only where a few digits may be
// either.
Address address_of(std::string_view text) {
  text = sdk::trim(text);
  const bool plus = text.starts_with('+');
  const std::string_view digits = plus ? text.substr(1) : text;
  if (!all_digits(digits)) {
    return {std::string(text), is_alphanumeric(text) ? Party::alphanumeric : Party::other};
  }
  const std::string international = "+" + std::string(digits);
  const bool fits = digits.size() >= kMinE164Digits && digits.size() <= kMaxE164Digits;
  const bool is_number =
      plus || digits.size() > kMaxShortCode || parsed(international, "", Rule::valid).has_value();
  if (fits && is_number) return {international, Party::number};
  if (!plus && is_short_code(digits)) return {std::string(digits), Party::short_code};
  return {std::string(text), Party::other};
}

std::optional<std::string> to_e164(std::string_view text, std::string_view region) {
  return parsed(sdk::trim(text), region, Rule::possible);
}

std::string region_of(std::string_view e164) {
  if (e164.size() > kMaxNumberBytes) return {};
  PhoneNumber number;
  if (util().Parse(std::string(e164), "ZZ", &number) != PhoneNumberUtil::NO_PARSING_ERROR) {
    return {};
  }
  std::string region;
  util().GetRegionCodeForNumber(number, &region);
  return region == "ZZ" || region == "001" ? std::string() : region;
}

bool is_region(std::string_view region) {
  return region.size() == 2 && util().GetCountryCodeForRegion(std::string(region)) != 0;
}

std::string_view without_plus(std::string_view number) {
  if (number.starts_with('+')) number.remove_prefix(1);
  return number;
}

}  // namespace sms
