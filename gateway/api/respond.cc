#include "gateway/api/respond.h"

#include <algorithm>
#include <utility>

#include "connectors/sdk/json.h"
#include "gateway/base/log.h"

namespace gateway::api {
namespace {

constexpr std::string_view kRetrySeconds = "5";

Status status_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return Status::bad_request;
    case Errc::unprocessable:
      return Status::unprocessable;
    case Errc::unauthorized:
      return Status::unauthorized;
    case Errc::plan_limit:
      return Status::payment_required;
    case Errc::forbidden:
      return Status::forbidden;
    case Errc::not_found:
      return Status::not_found;
    case Errc::conflict:
      return Status::conflict;
    case Errc::too_large:
      return Status::too_large;
    case Errc::rate_limited:
      return Status::too_many_requests;
    case Errc::internal:
      return Status::internal;
    case Errc::upstream:
      return Status::bad_gateway;
    case Errc::unavailable:
      return Status::unavailable;
    case Errc::unknown_outcome:
      return Status::unavailable;
  }
  return Status::internal;
}

std::string seconds(std::int64_t ms) {
  return std::to_string(std::max<std::int64_t>(1, (ms + 999) / 1000));
}

// The members of an object without its braces.
std::string plan_members(const store::PlanRefusal& refusal, std::string_view message) {
  const bool counted = refusal.kind == store::PlanRefusal::Kind::limit_exceeded;
  sdk::json::Writer body;
  body.object()
      .member("error", counted ? "limit_exceeded" : "feature_locked")
      .member("plan", refusal.plan)
      .member("feature", refusal.feature);
  if (counted) body.member("current", refusal.current).member("limit", refusal.limit);
  body.member("message", message).end();
  const auto json = body.take();
  return json.substr(1, json.size() - 2);
}

}  // namespace

int code(Status status) {
  switch (status) {
    case Status::ok:
      return 200;
    case Status::created:
      return 201;
    case Status::no_content:
      return 204;
    case Status::partial_content:
      return 206;
    case Status::not_modified:
      return 304;
    case Status::bad_request:
      return 400;
    case Status::unauthorized:
      return 401;
    case Status::payment_required:
      return 402;
    case Status::forbidden:
      return 403;
    case Status::not_found:
      return 404;
    case Status::method_not_allowed:
      return 405;
    case Status::conflict:
      return 409;
    case Status::too_large:
      return 413;
    case Status::unsupported_media_type:
      return 415;
    case Status::range_not_satisfiable:
      return 416;
    case Status::unprocessable:
      return 422;
    case Status::too_many_requests:
      return 429;
    case Status::internal:
      return 500;
    case Status::not_implemented:
      return 501;
    case Status::bad_gateway:
      return 502;
    case Status::unavailable:
      return 503;
  }
  return 500;
}

Answer ok(std::string json) {
  Answer answer;
  answer.body = std::move(json);
  return answer;
}

Answer created(std::string json) {
  auto answer = ok(std::move(json));
  answer.status = Status::created;
  return answer;
}

Answer no_content() {
  Answer answer;
  answer.status = Status::no_content;
  return answer;
}

Answer refused(Errc code, std::string detail) {
  Answer answer;
  answer.status = status_of(code);
  answer.detail = std::move(detail);
  if (answer.status == Status::unauthorized) {
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  if (answer.status == Status::unavailable) {
    answer.headers.emplace_back("Retry-After", kRetrySeconds);
  }
  return answer;
}

Answer failed(const Error& error, std::string_view area) {
  switch (error.code) {
    case Errc::unauthorized:
      // Written by gateway/auth for the client.
      return refused(Errc::unauthorized, error.message);
    case Errc::unavailable:
    case Errc::unknown_outcome:
      log::warn(area, "a request met an unavailable database",
                {{"error", error.message}, {"cause", error.cause}});
      return refused(Errc::unavailable, "The service is not available at the moment; try again");
    case Errc::invalid_argument:
      log::warn(area, "the database refused a value",
                {{"error", error.message}, {"cause", error.cause}});
      return refused(Errc::invalid_argument, "A value of the request cannot be stored");
    case Errc::conflict:
      log::warn(area, "a request met a conflict",
                {{"error", error.message}, {"cause", error.cause}});
      return refused(Errc::conflict, "It was changed by somebody else at the same time; try again");
    default:
      log::error(area, "a request failed", {{"error", error.message}, {"cause", error.cause}});
      return refused(Errc::internal, "Something went wrong on our side");
  }
}

Answer invalid(Errc code, std::vector<FieldError> errors) {
  Answer answer;
  answer.status = status_of(code);
  answer.detail = "The request is not valid";
  if (!errors.empty()) answer.detail += ": " + errors.front().field + " " + errors.front().message;
  answer.errors = std::move(errors);
  return answer;
}

Answer over_plan(const store::PlanRefusal& refusal) {
  const std::string message =
      refusal.kind == store::PlanRefusal::Kind::feature_locked
          ? "The " + refusal.plan + " plan does not include this channel type. Upgrade to add it."
          : "The " + refusal.plan + " plan allows " + std::to_string(refusal.limit) + " " +
                refusal.feature + ". Upgrade to add more.";
  Answer answer;
  answer.status = Status::payment_required;
  answer.body = plan_members(refusal, message);
  return answer;
}

Answer over_quota(const store::PlanRefusal& refusal, std::int64_t seconds_left) {
  Answer answer;
  answer.status = Status::too_many_requests;
  answer.body = plan_members(
      refusal, "The " + refusal.plan + " plan allows " + std::to_string(refusal.limit) +
                   " messages a month, and they are used up. Upgrade to send more.");
  answer.headers.emplace_back("Retry-After", std::to_string(seconds_left));
  return answer;
}

Answer too_many(std::string detail, std::int64_t wait_ms) {
  auto answer = refused(Errc::rate_limited, std::move(detail));
  answer.headers.emplace_back("Retry-After", seconds(wait_ms));
  return answer;
}

Answer busy() { return refused(Errc::unavailable, "The service is busy; try again"); }

Answer not_allowed(const std::string& allow) {
  Answer answer;
  answer.status = Status::method_not_allowed;
  answer.detail = "This path does not know the method";
  answer.headers.emplace_back("Allow", allow);
  return answer;
}

Answer unsupported_media(std::string detail) {
  Answer answer;
  answer.status = Status::unsupported_media_type;
  answer.detail = std::move(detail);
  return answer;
}

Answer not_implemented(std::string detail) {
  Answer answer;
  answer.status = Status::not_implemented;
  answer.detail = std::move(detail);
  return answer;
}

http::Response render(Answer&& answer, std::string_view request_id) {
  http::Response response;
  response.status = code(answer.status);
  response.headers = std::move(answer.headers);
  response.headers.emplace_back("X-Request-Id", request_id);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (answer.status == Status::no_content || answer.status == Status::not_modified) {
    return response;
  }
  response.headers.emplace_back("Content-Type", answer.content_type);
  if (response.status < 400) {
    response.body = std::move(answer.body);
    response.shared_body = std::move(answer.shared_body);
    response.length = answer.length;
    return response;
  }
  sdk::json::Writer body;
  body.object();
  if (!answer.detail.empty()) body.member("detail", answer.detail);
  body.member("request_id", request_id);
  if (!answer.errors.empty()) {
    body.key("errors").array();
    for (const auto& error : answer.errors) {
      body.object().member("field", error.field).member("message", error.message).end();
    }
    body.end();
  }
  body.end();
  response.body = body.take();
  if (!answer.body.empty()) response.body.insert(1, answer.body + ",");
  return response;
}

}  // namespace gateway::api
