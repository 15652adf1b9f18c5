#include "gateway/simulate/rest_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

namespace gateway::simulate {
namespace {

constexpr std::size_t kAnswerLimit = 64u << 20;

std::size_t take(char* data, std::size_t, std::size_t size, void* to) {
  auto& body = *static_cast<std::string*>(to);
  if (body.size() + size > kAnswerLimit) return 0;
  body.append(data, size);
  return size;
}

}  // namespace

sdk::json::Value RestAnswer::json() const {
  return document ? document->root() : sdk::json::Value();
}

struct RestClient::State {
  std::string base_url;
  std::string token;
  CURL* easy = curl_easy_init();
};

RestClient::RestClient(std::string base_url) : state_(std::make_unique<State>()) {
  state_->base_url = std::move(base_url);
}

RestClient::~RestClient() { curl_easy_cleanup(state_->easy); }

void RestClient::set_token(std::string token) { state_->token = std::move(token); }

Result<RestAnswer> RestClient::call(const std::string& method, const std::string& path,
                                    const std::string& json_body,
                                    std::chrono::milliseconds patience) {
  CURL* const easy = state_->easy;
  curl_easy_reset(easy);
  curl_slist* headers = nullptr;
  const auto add = [&](const std::string& line) {
    headers = curl_slist_append(headers, line.c_str());
  };
  if (!state_->token.empty()) add("Authorization: Bearer " + state_->token);
  if (!json_body.empty()) add("Content-Type: application/json");
  add("Expect:");
  RestAnswer answer;
  const std::string url = state_->base_url + path;
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  if (!json_body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json_body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json_body.data());
  } else if (method == "POST" || method == "PUT") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(patience.count()));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  const CURLcode code = curl_easy_perform(easy);
  curl_slist_free_all(headers);
  if (code != CURLE_OK) {
    return fail(Errc::unavailable, method + " " + path + ": " + curl_easy_strerror(code));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  sdk::json::Limits limits;
  limits.bytes = kAnswerLimit;
  limits.nodes = 5'000'000;
  if (auto document = sdk::json::Document::parse(answer.body, limits)) {
    answer.document = std::make_shared<const sdk::json::Document>(std::move(*document));
  }
  return answer;
}

}  // namespace gateway::simulate
