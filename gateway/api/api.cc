#include "gateway/api/api.h"

#include <exception>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/api/conversations_api.h"
#include "gateway/api/cors.h"
#include "gateway/api/routes.h"
#include "gateway/base/log.h"

namespace gateway::api {
namespace {

constexpr std::size_t kApiBody = 256u << 10;
constexpr std::size_t kOtherBody = 1u << 20;
constexpr std::string_view kWebhooks = "/api/v1/webhooks/";
constexpr std::string_view kPreflightSeconds = "600";

bool is_json(std::string_view content_type) {
  const auto type = sdk::lower_ascii(sdk::trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

std::vector<RouteMetrics> make_metrics(Metrics& metrics) {
  std::vector<RouteMetrics> all;
  for (const auto& route : routes()) {
    RouteMetrics made;
    const Metrics::Labels labels = {{"method", std::string(route.method)},
                                    {"route", std::string(route.pattern)}};
    for (int status = 2; status <= 5; ++status) {
      auto with_class = labels;
      with_class["status"] = std::to_string(status) + "xx";
      made.by_class[status] = &metrics.counter("backchannel_http_requests_total",
                                               "Requests by route and outcome", with_class);
    }
    made.seconds = &metrics.histogram("backchannel_http_request_seconds",
                                      "Time from a whole request to its answer",
                                      {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10}, labels);
    all.push_back(made);
  }
  return all;
}

// Not a member: a queued job may outlive the Api, but not its context.
void serve(const ApiContext& context, const CallPtr& call, std::size_t route, store::Session* db) {
  // The fence of the HTTP dispatch: a fault of one request is that request's 500.
  try {
    if (call->claims) {
      auto identity = context.tokens.resolve(*db, *call->claims);
      if (!identity) {
        call->answer(failed(identity.error(), "auth"));
        return;
      }
      call->identity = std::move(*identity);
    }
    handlers()[route](context, db, call);
  } catch (const std::exception& fault) {
    log::error("api", "a handler failed",
               {{"request_id", call->request_id()}, {"fault", fault.what()}});
    if (db != nullptr) db->disconnect();
    call->answer(refused(Errc::internal, "Something went wrong on our side"));
  }
}

}  // namespace

Api::Api(ApiContext context)
    : context_(std::make_shared<const ApiContext>(std::move(context))),
      router_(routes()),
      metrics_(make_metrics(context_->metrics)) {}

std::size_t Api::body_limit(const http::Request& head) {
  if (head.path.starts_with(kWebhooks)) {
    std::string_view type = std::string_view(head.path).substr(kWebhooks.size());
    type = type.substr(0, type.find('/'));
    // What no connector takes is answered 404, so little of it has to be read.
    const auto* connector = context_->registry.find(type);
    return connector == nullptr ? kApiBody : connector->max_body_bytes();
  }
  const auto match = router_.match(head.method, head.path);
  if (match.kind == Match::Kind::found && routes()[match.route].body_bytes > 0) {
    if (const auto bytes = large_body_limit(routes()[match.route], head)) return bytes;
  }
  return head.path.starts_with("/api/") ? kApiBody : kOtherBody;
}

// 0: the caller has no right to a large body.
std::size_t Api::large_body_limit(const Route& route, const http::Request& head) const {
  const auto authorization = head.header("authorization");
  const bool takes_visitors = route.access == Access::visitor || route.access == Access::open;
  if (route.access != Access::visitor && context_->tokens.verify(authorization)) {
    return route.body_bytes;
  }
  if (takes_visitors &&
      context_->visitor_tokens.verify_header(authorization, context_->clock.now_ms())) {
    return route.body_bytes;
  }
  if (route.anonymous_body_bytes == 0 || !authorization.empty()) return 0;
  const auto address = context_->settings.trusted_proxies.client_of(head);
  return context_->visitor_throttle.anonymous_file(address) ? 0 : route.anonymous_body_bytes;
}

void Api::handle(http::Request&& request, http::Reply&& reply) {
  auto match = router_.match(request.method, request.path);
  if (match.kind == Match::Kind::found && routes()[match.route].access == Access::platform) {
    deliver(match, std::move(request), std::move(reply));
    return;
  }
  const auto call = std::make_shared<Call>(context_, std::move(request), std::move(reply));
  if (!match.siblings.empty()) {
    // Also for answers without a route of their own: the path's neighbours say who may read them.
    const auto index = match.kind == Match::Kind::found ? match.route : match.siblings.front();
    call->route = &routes()[index];
    call->metrics = metrics_[index];
  }
  // Without an operator's token there is nothing at these paths, whatever the method.
  const bool hidden = call->route != nullptr && call->route->access == Access::operator_token &&
                      context_->settings.operator_token.empty();
  if (hidden) {
    match.kind = Match::Kind::unknown_path;
    call->route = nullptr;
    call->metrics = {};
  }
  switch (match.kind) {
    case Match::Kind::malformed:
      call->answer(refused(Errc::invalid_argument, "The path is malformed"));
      return;
    case Match::Kind::unknown_path:
      call->answer(refused(Errc::not_found, "There is nothing at this path"));
      return;
    case Match::Kind::unknown_method:
      if (call->request().method == "OPTIONS" && call->route->origins != Origins::none) {
        call->answer(preflight(match, call->request()));
      } else {
        call->answer(not_allowed(router_.allowed(match)));
      }
      return;
    case Match::Kind::found:
      break;
  }
  const auto content_type = call->request().header("content-type");
  if (call->route->accepts == Accepts::json && !call->request().body.empty() &&
      !content_type.empty() && !is_json(content_type) && call->route->origins != Origins::none) {
    call->answer(unsupported_media("The body must be application/json"));
    return;
  }
  call->params = std::move(match.params);
  dispatch(call, match.route);
}

http::Headers Api::refusal_headers(const http::Request& head) {
  const auto match = router_.match(head.method, head.path);
  if (match.kind != Match::Kind::found) return {};
  return cors_headers(routes()[match.route], head.header("origin"),
                      context_->settings.cors_origins);
}

void Api::deliver(const Match& match, http::Request&& request, http::Reply&& reply) {
  const std::string type(match.params["type"]);
  const auto* connector = context_->registry.find(type);
  const auto named = match.params["channel_id"];
  const auto channel = domain::ChannelId::parse(named);
  const bool is_shared = named.empty();
  const bool exists = is_shared ? connector != nullptr && connector->shares_callback_urls()
                                : connector != nullptr && channel.has_value();
  if (!exists) {
    const auto call = std::make_shared<Call>(context_, std::move(request), std::move(reply));
    call->route = &routes()[match.route];
    call->metrics = metrics_[match.route];
    call->answer(refused(Errc::not_found, "There is nothing at this path"));
    return;
  }
  if (is_shared) {
    context_->receiver.receive_shared(type, std::move(request), std::move(reply));
  } else {
    context_->receiver.receive(type, *channel, std::move(request), std::move(reply));
  }
}

bool Api::is_operator(const CallPtr& call) const {
  if (const auto wait = context_->throttle.begin_attempt("", call->address())) {
    call->answer(too_many("Too many attempts; try again later", *wait));
    return false;
  }
  constexpr std::string_view kScheme = "bearer ";
  const auto authorization = call->request().header("authorization");
  const bool bearer = authorization.size() > kScheme.size() &&
                      sdk::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme);
  const auto token = bearer ? authorization.substr(kScheme.size()) : std::string_view();
  // Digests have one length, so that the comparison does not tell the token's.
  if (!sdk::equal_secret(sdk::sha256(token),
                         sdk::sha256(context_->settings.operator_token.reveal()))) {
    call->answer(refused(Errc::unauthorized, "The operator's token is needed"));
    return false;
  }
  context_->throttle.take_back("", call->address());
  return true;
}

void Api::dispatch(const CallPtr& call, std::size_t route) {
  switch (call->route->access) {
    case Access::user: {
      // The signature is checked here, so that what is no token never reaches the queue.
      auto claims = context_->tokens.verify(call->request().header("authorization"));
      if (!claims) {
        call->answer(failed(claims.error(), "auth"));
        return;
      }
      call->claims = std::move(*claims);
      break;
    }
    case Access::visitor: {
      auto visitor = context_->visitor_tokens.verify_header(call->request().header("authorization"),
                                                            context_->clock.now_ms());
      if (!visitor) {
        call->answer(failed(visitor.error(), "auth"));
        return;
      }
      call->visitor = *std::move(visitor);
      break;
    }
    case Access::operator_token:
      if (!is_operator(call)) return;
      break;
    case Access::open:
    case Access::platform:
      break;
  }
  if (call->route->runs == Runs::reactor) {
    serve(*context_, call, route, nullptr);
    return;
  }
  post(context_->workers, call, [context = context_, call, route](store::Session& db) {
    serve(*context, call, route, &db);
  });
}

Answer Api::preflight(const Match& match, const http::Request& request) const {
  auto answer = no_content();
  answer.headers.emplace_back("Allow", router_.allowed(match));
  if (request.header("origin").empty()) return answer;
  std::string methods;
  for (const auto i : match.siblings) {
    if (!methods.empty()) methods += ", ";
    methods += routes()[i].method;
  }
  answer.headers.emplace_back("Access-Control-Allow-Methods", methods);
  answer.headers.emplace_back("Access-Control-Allow-Headers",
                              "Authorization, Content-Type, Idempotency-Key");
  answer.headers.emplace_back("Access-Control-Max-Age", kPreflightSeconds);
  return answer;
}

Result<std::string> Api::shown_message(store::Session& db, domain::BusinessId business,
                                       const store::Message& message) const {
  return api::shown_message(*context_, db, business, message);
}

}  // namespace gateway::api
