// From what happened to what HTTP says about it: the only place with status numbers.
//
// A handler returns an Answer; the request's id is added when it is rendered, so every error body
// carries it. Values; no thread of their own.
#ifndef GATEWAY_API_RESPOND_H_
#define GATEWAY_API_RESPOND_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/http/message.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/channels.h"

namespace gateway::api {

using plugins::FieldError;

enum class Status {
  ok,
  created,
  no_content,
  partial_content,
  not_modified,
  bad_request,
  unauthorized,
  payment_required,
  forbidden,
  not_found,
  method_not_allowed,
  conflict,
  too_large,
  unsupported_media_type,
  range_not_satisfiable,
  unprocessable,
  too_many_requests,
  internal,
  not_implemented,
  bad_gateway,
  unavailable,
};
int code(Status status);

struct Answer {
  Status status = Status::ok;
  // A success: the whole body. An error: further top-level members of it, "\"name\":value,...".
  std::string body;
  std::string detail;  // errors: a sentence for people; no library text, SQL or path
  std::vector<FieldError> errors;
  http::Headers headers;
  std::string content_type = "application/json";
  std::shared_ptr<const std::string> shared_body = nullptr;  // successes: instead of body
  std::optional<std::size_t> length = std::nullopt;  // to HEAD: of the body that GET would give
};

Answer ok(std::string json);
Answer created(std::string json);
Answer no_content();

// The detail is the caller's sentence.
Answer refused(Errc code, std::string detail);
// What the store or a plug-in reported: its text goes to the log of `area`, not to the client.
Answer failed(const Error& error, std::string_view area);
// `code` is invalid_argument for channels and widgets, unprocessable elsewhere.
Answer invalid(Errc code, std::vector<FieldError> errors);
// 402 with the documented top-level body; 429 where the quota of messages is used up.
Answer over_plan(const store::PlanRefusal& refusal);
Answer over_quota(const store::PlanRefusal& refusal, std::int64_t seconds_left);
Answer too_many(std::string detail, std::int64_t wait_ms);
Answer busy();
Answer not_allowed(const std::string& allow);
Answer unsupported_media(std::string detail);
Answer not_implemented(std::string detail);

http::Response render(Answer&& answer, std::string_view request_id);

}  // namespace gateway::api

#endif  // GATEWAY_API_RESPOND_H_
