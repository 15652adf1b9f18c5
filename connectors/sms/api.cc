#include "connectors/sms/api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace sms {

using connector::Channel;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Request;
using connector::Response;

namespace {

// The schema's writeOnly fields.
constexpr std::array<std::string_view, 14> kSecretSettings{
    "auth_token",       "auth_token_secondary",
    "api_key_secret",   "api_secret",
    "signature_secret", "private_key_pem",
    "telnyx_api_key",   "plivo_auth_token",
    "bird_access_key",  "signing_key",
    "access_key",       "sinch_token",
    "webhook_secret",   "basic_pass"};
constexpr std::size_t kMaxWordBytes = 500;

std::string_view path_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto slash = url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  if (slash == std::string_view::npos) return "/";
  return url.substr(slash, url.find_first_of("?#", slash) - slash);
}

}  // namespace

Answer::Answer(const Response& response) : response_(response) {
  auto document = sdk::json::Document::parse(response.body);
  if (document) document_ = *std::move(document);
}

std::string cleaned(const Channel& channel, std::string_view words) {
  std::vector<std::string_view> secrets{channel.secret};
  for (const std::string_view name : kSecretSettings) secrets.push_back(channel.setting(name));
  return connector::without_secrets(sdk::sanitize(words, kMaxWordBytes), secrets);
}

Fail fail_of(const Channel& channel, const Response& response, Repeat repeat,
             const Complaint& complaint, std::span<const ErrorMeaning> table) {
  Fail fail = connector::fail_from(response, repeat, channel.now_ms);
  if (!complaint.words.empty()) fail.why = cleaned(channel, complaint.words);
  fail.platform_code = cleaned(channel, complaint.code);
  const bool refused = response.status >= 200 && response.status < 500 && response.status != 401 &&
                       response.status != 429;
  if (!refused || complaint.code.empty()) return fail;
  if (const ErrorMeaning* row = meaning_of(complaint.code, table)) {
    fail.code = row->failure;
    if (complaint.words.empty() && !row->words.empty()) fail.why = row->words;
  } else if (connector::is_success(response)) {
    fail.code = Failure::permanent;
  }
  return fail;
}

const ErrorMeaning* meaning_of(std::string_view code, std::span<const ErrorMeaning> table) {
  const auto row = std::find_if(table.begin(), table.end(),
                                [&](const ErrorMeaning& one) { return one.code == code; });
  return row == table.end() ? nullptr : &*row;
}

std::string_view class_of(Failure failure) {
  switch (failure) {
    case Failure::unreachable:
      return "recipient";
    case Failure::config:
    case Failure::auth:
      return "config";
    case Failure::rate:
    case Failure::retry:
    case Failure::uncertain:
      return "retry";
    case Failure::permanent:
      break;
  }
  return "input";
}

Fail config_fail(std::string why) { return {.code = Failure::config, .why = std::move(why)}; }
Fail permanent_fail(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

bool is_on(const Channel& channel, std::string_view setting) {
  return channel.setting(setting) != "false";
}

bool is_url_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F;
  });
}

connector::Done problem(std::string words, Repair repair) {
  connector::Done done{.results = {{"problem", std::move(words)}}};
  if (repair == Repair::register_again) done.results.emplace_back("repair", "register");
  return done;
}

connector::Done elsewhere(const Channel& channel, std::string_view provider,
                          std::string_view subject, std::string_view url, std::string_view wanted) {
  const std::string name(provider);
  if (url.empty()) {
    return problem(name + " has no webhook for this " + std::string(subject),
                   Repair::register_again);
  }
  if (has_path_of(url, wanted)) {
    return problem(name + " delivers to an earlier address of this gateway",
                   Repair::register_again);
  }
  return problem("another program receives this " + std::string(subject) + "'s messages at " +
                     cleaned(channel, origin_of(url)),
                 Repair::none);
}

std::int64_t number_or_zero(std::string_view digits) {
  std::int64_t value = 0;
  const bool whole = !digits.empty() && digits.size() <= 18 &&
                     digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (whole) std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::string_view without_fragment(std::string_view url) { return url.substr(0, url.find('#')); }

std::string with_parameter(std::string url, std::string_view name, std::string_view value) {
  const std::string fragment = url.substr(without_fragment(url).size());
  url.resize(url.size() - fragment.size());
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += sdk::url_encode(name) + "=" + sdk::url_encode(value);
  return url + fragment;
}

std::string status_url(const std::string& base, std::string_view key) {
  std::string url = with_parameter(base, "about", "status");
  return key.empty() ? url : with_parameter(std::move(url), "key", key);
}

std::string origin_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return "another address";
  std::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  host.remove_prefix(host.rfind('@') + 1);
  return std::string(url.substr(0, scheme + 3)) + std::string(host);
}

bool has_path_of(std::string_view url, std::string_view other) {
  return path_of(url) == path_of(other);
}

std::string signed_url(const std::string& base, const Request& request) {
  std::string url(without_fragment(base));
  url.resize(std::min(url.find('?'), url.size()));
  if (request.target.find('?') != std::string::npos || !request.query.empty()) {
    url += '?';
    url += request.query;
  }
  return url;
}

std::string base_url(const Channel& channel, const Request& request) {
  return connector::came_by_keyed_url(channel, request) ? connector::keyed_webhook_url(channel)
                                                        : channel.webhook_url;
}

std::optional<std::string_view> only_header(const Request& request, std::string_view name) {
  std::optional<std::string_view> value;
  for (const auto& [key, text] : request.headers) {
    if (key != name) continue;
    if (value) return std::nullopt;
    value = text;
  }
  return value;
}

bool is_json(const Request& request) {
  const std::string type = sdk::lower_ascii(request.header("content-type"));
  const std::string_view media = sdk::trim(std::string_view(type).substr(0, type.find(';')));
  return media == "application/json" ||
         (media.starts_with("application/") && media.ends_with("+json"));
}

}  // namespace sms
