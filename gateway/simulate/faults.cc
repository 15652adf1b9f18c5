#include "gateway/simulate/faults.h"

#include <array>

namespace gateway::simulate {
namespace {

using Call = CallFault::Kind;
using Post = DeliveryFault::Kind;

constexpr std::array<std::pair<std::string_view, Call>, 9> kCalls = {
    {{"too_many_requests", Call::too_many_requests},
     {"server_error", Call::server_error},
     {"bad_gateway", Call::bad_gateway},
     {"slow", Call::slow},
     {"refuse", Call::refuse},
     {"garbage", Call::garbage},
     {"reset_before_body", Call::reset_before_body},
     {"reset_after_body", Call::reset_after_body},
     {"reset_midway", Call::reset_midway}}};

constexpr std::array<std::pair<std::string_view, Post>, 9> kDeliveries = {
    {{"wrong_secret", Post::wrong_secret},
     {"no_secret", Post::no_secret},
     {"twice_secret", Post::twice_secret},
     {"wrong_signature", Post::wrong_secret},
     {"no_signature", Post::no_secret},
     {"altered_body", Post::altered_body},
     {"duplicate", Post::duplicate},
     {"reorder", Post::reorder},
     {"drop", Post::drop}}};

}  // namespace

std::string_view name_of(CallFault::Kind kind) {
  for (const auto& [name, value] : kCalls) {
    if (value == kind) return name;
  }
  return "";
}

bool prevents_execution(CallFault::Kind kind) {
  return kind == Call::too_many_requests || kind == Call::server_error ||
         kind == Call::bad_gateway || kind == Call::refuse;
}

void apply(const CallFault& fault, HttpReply& reply) {
  switch (fault.kind) {
    case Call::slow:
      reply.delay = fault.delay;
      break;
    case Call::garbage:
      reply.status = 200;
      reply.body = "{\"ok\":tru";
      break;
    case Call::reset_after_body:
      reply.cut = HttpReply::Cut::reset;
      break;
    case Call::reset_midway:
      reply.cut = HttpReply::Cut::reset_midway;
      break;
    default:
      break;
  }
}

HttpReply bad_gateway_page() {
  HttpReply reply;
  reply.status = 502;
  reply.content_type = "text/html";
  reply.body =
      "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
      "Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n";
  return reply;
}

std::optional<DeliveryFault> DeliveryFaults::take(DeliveryFault::Kind kind) {
  const auto at = faults_.find(kind);
  if (at == faults_.end()) return std::nullopt;
  const DeliveryFault fault = at->second;
  if (--at->second.count <= 0) faults_.erase(at);
  return fault;
}

std::optional<DeliveryFault::Kind> DeliveryFaults::take_proof() {
  for (const Post kind :
       {Post::wrong_secret, Post::twice_secret, Post::no_secret, Post::altered_body}) {
    if (take(kind)) return kind;
  }
  return std::nullopt;
}

int DeliveryFaults::reorders() const {
  const auto at = faults_.find(Post::reorder);
  return at == faults_.end() ? 0 : at->second.count;
}

Result<AnyFault> parse_fault(sdk::json::Value wish) {
  const std::string_view kind = wish["kind"].text_or("");
  const auto number = [&](std::string_view name, std::int64_t fallback, std::int64_t low,
                          std::int64_t high) {
    return std::clamp(wish[name].integer().value_or(fallback), low, high);
  };
  const int count = static_cast<int>(number("count", 1, 1, 1'000'000));
  if (kind == "down") return AnyFault(Down{});
  for (const auto& [name, value] : kCalls) {
    if (name != kind) continue;
    CallFault fault;
    fault.kind = value;
    fault.count = count;
    fault.method = wish["method"].text_or("");
    for (const char* member : {"account", "bot"}) {
      if (const auto account = wish[member].digits()) fault.account = *account;
    }
    fault.retry_after = number("retry_after", 1, 0, 86'400);
    fault.delay = std::chrono::milliseconds(number("delay_ms", 1'000, 0, 600'000));
    fault.status = static_cast<int>(number("status", 403, 400, 599));
    fault.code = number("code", 0, 0, 1'000'000'000);
    fault.description = wish["description"].text_or(fault.description);
    return AnyFault(std::move(fault));
  }
  for (const auto& [name, value] : kDeliveries) {
    if (name != kind) continue;
    return AnyFault(DeliveryFault{value, count, static_cast<int>(number("copies", 2, 2, 1'000))});
  }
  return fail(Errc::invalid_argument, "unknown kind of fault; GET /_simulate/ lists them");
}

}  // namespace gateway::simulate
