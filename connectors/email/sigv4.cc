#include "connectors/email/sigv4.h"

#include <algorithm>
#include <chrono>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

// "20150830T123600Z"
std::string amz_date(std::int64_t now_ms) {
  const std::chrono::sys_seconds when{
      std::chrono::seconds(std::clamp<std::int64_t>(now_ms / 1000, 0, 253'402'300'799))};
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{when - day};
  const auto two = [](std::int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  return std::to_string(static_cast<int>(date.year())) + two(static_cast<unsigned>(date.month())) +
         two(static_cast<unsigned>(date.day())) + "T" + two(time.hours().count()) +
         two(time.minutes().count()) + two(time.seconds().count()) + "Z";
}

std::string sorted_query(std::string_view query) {
  std::vector<std::string> pairs;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    std::string pair(query.substr(0, end));
    if (pair.find('=') == std::string::npos) pair += '=';
    pairs.push_back(std::move(pair));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string sorted;
  for (const std::string& pair : pairs) sorted += (sorted.empty() ? "" : "&") + pair;
  return sorted;
}

}  // namespace

void sign_v4(connector::Call& call, const AwsKeys& keys, std::int64_t now_ms) {
  const std::string_view url = call.url;
  const auto host_begin = url.find("://") + 3;
  const auto path_begin = std::min(url.find('/', host_begin), url.size());
  const auto query_begin = std::min(url.find('?'), url.size());
  const std::string host(url.substr(host_begin, std::min(path_begin, query_begin) - host_begin));
  std::string path(url.substr(path_begin, query_begin - std::min(path_begin, query_begin)));
  if (path.empty()) path = "/";
  const std::string query = sorted_query(url.substr(std::min(query_begin + 1, url.size())));
  const std::string date = amz_date(now_ms);
  const std::string payload = sdk::hex(sdk::sha256(call.body));

  call.headers.emplace_back("x-amz-date", date);
  if (keys.service == "s3") call.headers.emplace_back("x-amz-content-sha256", payload);
  // Whoever makes the call writes the host's header from the URL, and refuses another one.
  connector::Pairs signed_headers = call.headers;
  signed_headers.emplace_back("host", host);
  std::sort(signed_headers.begin(), signed_headers.end());
  std::string header_lines;
  std::string names;
  for (const auto& [name, value] : signed_headers) {
    header_lines += name + ":" + std::string(sdk::trim(value)) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  const std::string canonical = call.method + "\n" + path + "\n" + query + "\n" + header_lines +
                                "\n" + names + "\n" + payload;
  const std::string scope = date.substr(0, 8) + "/" + std::string(keys.region) + "/" +
                            std::string(keys.service) + "/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sdk::hex(sdk::sha256(canonical));
  std::string key = sdk::hmac_sha256("AWS4" + std::string(keys.secret_key), date.substr(0, 8));
  for (const std::string_view part :
       {keys.region, keys.service, std::string_view("aws4_request")}) {
    key = sdk::hmac_sha256(key, part);
  }
  call.headers.emplace_back(
      "authorization", "AWS4-HMAC-SHA256 Credential=" + std::string(keys.access_key) + "/" + scope +
                           ", SignedHeaders=" + names +
                           ", Signature=" + sdk::hex(sdk::hmac_sha256(key, to_sign)));
}

}  // namespace email
