// Calling a provider's API: addresses of ours it is told, answers it gives, and what its refusals
// mean. Pure, any thread.
#ifndef CONNECTORS_SMS_API_H_
#define CONNECTORS_SMS_API_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"

namespace sms {

// An answer with JSON in it, if it has any.
class Answer {
 public:
  explicit Answer(const connector::Response& response);
  bool ok() const { return connector::is_success(response_); }
  sdk::json::Value root() const { return document_ ? document_->root() : sdk::json::Value(); }
  const connector::Response& response() const { return response_; }

 private:
  const connector::Response& response_;
  std::optional<sdk::json::Document> document_;
};

// One row of a provider's table of errors.
struct ErrorMeaning {
  std::string_view code;
  connector::Failure failure;
  std::string_view words;  // for reports, which often bring the code alone
};
const ErrorMeaning* meaning_of(std::string_view code, std::span<const ErrorMeaning> table);
// Whose business an error is, for metadata: recipient, input, config or retry.
std::string_view class_of(connector::Failure failure);

// The provider's words about an error.
struct Complaint {
  std::string code;
  std::string words;
};

// What an answer that is no success means. A code of the table decides where the provider itself
// refused (status 4xx other than 401 and 429, or a success that carries an error); otherwise the
// status does.
connector::Fail fail_of(const connector::Channel& channel, const connector::Response& response,
                        connector::Repeat repeat, const Complaint& complaint,
                        std::span<const ErrorMeaning> table);

connector::Fail config_fail(std::string why);
connector::Fail permanent_fail(std::string why);

// The answers an operation has so far, one after the other.
class Answers {
 public:
  explicit Answers(std::span<const connector::Response> so_far) : rest_(so_far) {}
  // Null where the next call is still to be made.
  const connector::Response* next() {
    if (rest_.empty()) return nullptr;
    const connector::Response* first = rest_.data();
    rest_ = rest_.subspan(1);
    return first;
  }

 private:
  std::span<const connector::Response> rest_;
};

// What a check found, and whether registering again helps.
enum class Repair { none, register_again };
connector::Done problem(std::string words, Repair repair);
// What it means that the provider delivers to `url` in place of `wanted`; `subject` is what has the
// address there: a number, an application.
connector::Done elsewhere(const connector::Channel& channel, std::string_view provider,
                          std::string_view subject, std::string_view url, std::string_view wanted);

// Text of the provider without any secret of the channel.
std::string cleaned(const connector::Channel& channel, std::string_view words);

// A setting that is "false" only where it says so.
bool is_on(const connector::Channel& channel, std::string_view setting);

// Nothing a request line could not carry.
bool is_url_text(std::string_view text);

// A whole number of up to 18 digits; 0 for anything else.
std::int64_t number_or_zero(std::string_view digits);

// `url` with one more query parameter, before its fragment.
std::string with_parameter(std::string url, std::string_view name, std::string_view value);
// The address by which reports about one send come back; `key` is the message's, or "".
std::string status_url(const std::string& base, std::string_view key);
std::string_view without_fragment(std::string_view url);
// Scheme and host only: a path may hold somebody's secret.
std::string origin_of(std::string_view url);
// The same path at any host: an earlier address of this gateway.
bool has_path_of(std::string_view url, std::string_view other);

// The URL a provider signed, from what was configured, never from what the request says of its
// host: `base` without its query, and the query as it came.
std::string signed_url(const std::string& base, const connector::Request& request);
// The address a request came by: with the channel's key or without.
std::string base_url(const connector::Channel& channel, const connector::Request& request);

// A header that must be there exactly once: with two of them, which one counts must not depend on
// who reads.
std::optional<std::string_view> only_header(const connector::Request& request,
                                            std::string_view name);
bool is_json(const connector::Request& request);

}  // namespace sms

#endif  // CONNECTORS_SMS_API_H_
