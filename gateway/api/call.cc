#include "gateway/api/call.h"

#include <utility>

#include "gateway/api/cors.h"
#include "gateway/base/log.h"

namespace gateway::api {
namespace {

void record(const RouteMetrics& metrics, int status, std::int64_t ms) {
  if (auto* counter = metrics.by_class[status / 100]) counter->add();
  if (metrics.seconds != nullptr) metrics.seconds->observe(static_cast<double>(ms) / 1000.0);
}

}  // namespace

Call::Call(std::shared_ptr<const ApiContext> context, http::Request&& request, http::Reply&& reply)
    : context_(std::move(context)),
      request_(std::move(request)),
      reply_(std::move(reply)),
      request_id_(context_->ids.next().text()),
      address_(context_->settings.trusted_proxies.client_of(request_)),
      started_ms_(context_->clock.steady_ms()) {}

Call::~Call() {
  if (answered_) return;
  log::error("api", "a request was left without an answer", {{"request_id", request_id_}});
  answer(refused(Errc::internal, "Something went wrong on our side"));
}

void Call::answer(Answer&& answer) {
  if (std::exchange(answered_, true)) {
    log::error("api", "a request was answered twice", {{"request_id", request_id_}});
    return;
  }
  if (route != nullptr) {
    for (auto& header :
         cors_headers(*route, request_.header("origin"), context_->settings.cors_origins)) {
      answer.headers.push_back(std::move(header));
    }
  }
  if (route != nullptr && route->access != Access::open) {
    answer.headers.emplace_back("Cache-Control", "no-store");
  }
  auto response = render(std::move(answer), request_id_);
  const auto ms = context_->clock.steady_ms() - started_ms_;
  record(metrics, response.status, ms);
  // Probes and scrapers ask every few seconds; their lines would drown the others.
  const bool probe = route != nullptr && route->access == Access::open &&
                     route->origins == Origins::none && route->method == "GET";
  const auto level = response.status >= 500 ? log::Level::warn
                     : probe                ? log::Level::debug
                                            : log::Level::info;
  if (log::enabled(level)) {
    log::write(level, "api", "request",
               {{"request_id", request_id_},
                {"method", request_.method},
                {"route", route != nullptr ? route->pattern : std::string_view("-")},
                {"status", response.status},
                {"ms", ms},
                {"client", address_}});
  }
  reply_.send(std::move(response));
}

}  // namespace gateway::api
