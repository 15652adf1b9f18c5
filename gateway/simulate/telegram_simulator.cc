#include "gateway/simulate/telegram_simulator.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/base/clock.h"
#include "gateway/simulate/api_server.h"
#include "gateway/simulate/control.h"

namespace gateway::simulate {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kCallsKept = 100'000;

// The parts of "/bot<token>/<method>", with or without the test data centre's "/test".
struct BotPath {
  std::string token;
  std::string rest;
};

std::optional<BotPath> bot_path(std::string_view path, std::string_view prefix) {
  const std::string decoded = sdk::percent_decode(path).value_or("");
  if (decoded.rfind(prefix, 0) != 0) return std::nullopt;
  const std::size_t slash = decoded.find('/', prefix.size());
  if (slash == std::string::npos) return std::nullopt;
  BotPath parts{decoded.substr(prefix.size(), slash - prefix.size()), decoded.substr(slash + 1)};
  if (parts.rest.rfind("test/", 0) == 0) parts.rest.erase(0, 5);
  return parts;
}

std::int64_t leading_id(std::string_view token) {
  std::int64_t id = 0;
  std::from_chars(token.data(), token.data() + token.size(), id);
  return id;
}

HttpReply error_reply(int status, std::string_view description, std::int64_t retry_after = 0) {
  Members members{{"ok", "false"},
                  {"error_code", std::to_string(status)},
                  {"description", json_text(description)}};
  HttpReply reply;
  reply.status = status;
  if (retry_after != 0) {
    members.emplace_back("parameters", object({{"retry_after", std::to_string(retry_after)}}));
    reply.headers.emplace_back("Retry-After", std::to_string(retry_after));
  }
  reply.body = object(members);
  return reply;
}

// The answer of a fault that keeps the call from being executed.
HttpReply refusal(const ApiFault& fault) {
  if (fault.kind == ApiFault::Kind::too_many_requests) {
    return error_reply(429, "Too Many Requests: retry after " + std::to_string(fault.retry_after),
                       fault.retry_after);
  }
  if (fault.kind == ApiFault::Kind::refuse) return error_reply(fault.status, fault.description);
  if (fault.kind == ApiFault::Kind::server_error) return error_reply(500, "Internal Server Error");
  return bad_gateway_page();
}

}  // namespace

struct TelegramSimulator::State {
  State(TelegramSimulator& self, const TelegramOptions& chosen)
      : options(chosen),
        world(chosen.seed, clock),
        courier({chosen.seed, chosen.time_scale, chosen.answer_timeout},
                [this](std::int64_t bot_id, std::string_view json) { answer_call(bot_id, json); }),
        api(world, courier, {chosen.urls, static_cast<std::int64_t>(1'000 * chosen.time_scale)}),
        server({[this](const HttpRequest& head) { return admit(head); },
                [this, &self](const HttpRequest& request, const ApiServer::Respond& respond) {
                  respond(handle(self, request));
                }}) {}

  TelegramOptions options;
  SystemClock clock;
  // Guards what follows. The courier has a lock of its own, taken behind this one, never before.
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  World world;
  Courier courier;
  BotApi api;
  CallFaults<ApiFault> faults;
  bool down = false;
  std::deque<Call> calls;
  std::int64_t call_count = 0;
  ApiServer server;

  // Uses up one of the first fault that fits; under the lock.
  std::optional<ApiFault> take_fault(const BotPath& path, bool before_body) {
    const std::int64_t bot_id = leading_id(path.token);
    return faults.take(before_body, [&](const ApiFault& fault) {
      return (fault.method.empty() || sdk::equals_ignoring_case(fault.method, path.rest)) &&
             (fault.account.empty() || fault.account == std::to_string(bot_id)) &&
             (fault.bot_id == 0 || fault.bot_id == bot_id);
    });
  }

  void record(Call call) {
    call.number = ++call_count;
    call.at_ms = clock.now_ms();
    calls.push_back(std::move(call));
    if (calls.size() > kCallsKept) calls.pop_front();
    changed.notify_all();
  }

  bool admit(const HttpRequest& head) {
    const auto path = bot_path(head.path, "/bot");
    if (!path) return true;
    const std::lock_guard lock(mutex);
    if (down) {
      record({0, 0, leading_id(path->token), path->rest, "{}", 0, {}, "down"});
      return false;
    }
    if (const auto fault = take_fault(*path, true)) {
      record({0,
              0,
              leading_id(path->token),
              path->rest,
              "{}",
              0,
              {},
              std::string(name_of(fault->kind))});
      return false;
    }
    return true;
  }

  HttpReply handle(TelegramSimulator& self, const HttpRequest& request) {
    if (request.path.rfind("/_simulate", 0) == 0) return control(self, request);
    if (const auto path = bot_path(request.path, "/bot")) return call(*path, request);
    if (const auto path = bot_path(request.path, "/file/bot")) return download(*path);
    return error_reply(404, "Not Found");
  }

  HttpReply download(const BotPath& path) {
    const std::lock_guard lock(mutex);
    auto bytes = api.download(path.token, path.rest);
    if (!bytes) return error_reply(404, "Not Found");
    HttpReply reply;
    reply.content_type = "application/octet-stream";
    reply.body = std::move(*bytes);
    return reply;
  }

  HttpReply call(const BotPath& path, const HttpRequest& request) {
    const auto params = parse_params(request.query, request.content_type, request.body);
    const std::lock_guard lock(mutex);
    Call seen;
    seen.bot_id = leading_id(path.token);
    seen.method = path.rest;
    if (params) seen.params = params->to_json("secret_token");
    const auto fault = take_fault(path, false);
    HttpReply reply;
    if (fault && prevents_execution(fault->kind)) {
      reply = refusal(*fault);
    } else if (request.method != "GET" && request.method != "POST") {
      reply = error_reply(405, "Method Not Allowed");
    } else if (!params) {
      reply = error_reply(400, params.error().message);
    } else {
      const ApiAnswer answer = api.call(path.token, path.rest, *params);
      reply.status = answer.status;
      reply.body = answer.body;
      if (answer.retry_after != 0) {
        reply.headers.emplace_back("Retry-After", std::to_string(answer.retry_after));
      }
      seen.description = answer.description;
      if (fault) apply(*fault, reply);
    }
    seen.status = reply.cut == HttpReply::Cut::none ? reply.status : 0;
    if (fault) seen.fault = name_of(fault->kind);
    record(std::move(seen));
    return reply;
  }

  // A webhook's answer asked for a call; the platform makes no use of some methods there.
  void answer_call(std::int64_t bot_id, std::string_view json) {
    auto params = parse_params({}, "application/json", json);
    if (!params) return;
    const std::string method = sdk::lower_ascii(params->text("method"));
    if (method.empty() || method.rfind("get", 0) == 0 || method == "setwebhook" ||
        method == "deletewebhook" || method == "close" || method == "logout") {
      return;
    }
    const std::lock_guard lock(mutex);
    Bot* const bot = world.find_bot(bot_id);
    if (bot == nullptr) return;
    const ApiAnswer answer = api.call(bot->token, method, *params);
    record({0, 0, bot_id, method, params->to_json(), answer.status, answer.description,
            "answer_of_webhook"});
  }
};

TelegramSimulator::TelegramSimulator(TelegramOptions options)
    : state_(std::make_unique<State>(*this, options)) {}

TelegramSimulator::~TelegramSimulator() { stop(); }

Result<> TelegramSimulator::start() {
  auto started =
      state_->server.start({{"api.telegram.org", state_->options.address, state_->options.port}});
  if (started) state_->courier.start();
  return started;
}

void TelegramSimulator::stop() {
  state_->server.stop();
  state_->courier.stop();
}

std::uint16_t TelegramSimulator::port() const { return state_->server.port(); }

std::string TelegramSimulator::origin() const {
  return "http://" + state_->options.address + ":" + std::to_string(port());
}

std::vector<BotView> TelegramSimulator::bots() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<BotView> out;
  for (const auto& [id, bot] : state_->world.bots()) {
    out.push_back({id, bot.user.username, bot.webhook, bot.allowed_updates});
  }
  return out;
}

std::optional<BotView> TelegramSimulator::bot(std::int64_t id) const {
  for (BotView& view : bots()) {
    if (view.id == id) return std::move(view);
  }
  return std::nullopt;
}

bool TelegramSimulator::wait_webhook(std::int64_t bot_id,
                                     std::chrono::milliseconds patience) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] {
    const Bot* const bot = state_->world.find_bot(bot_id);
    return bot != nullptr && bot->webhook.has_value();
  });
}

bool TelegramSimulator::revoke(std::int64_t bot_id) {
  const std::lock_guard lock(state_->mutex);
  Bot* const bot = state_->world.find_bot(bot_id);
  if (bot != nullptr) bot->revoked = true;
  return bot != nullptr;
}

bool TelegramSimulator::act(std::int64_t bot_id, const Act& what, std::chrono::milliseconds delay) {
  // Posted under the lock: the order of updates is the order of what happened.
  const std::lock_guard lock(state_->mutex);
  Bot* const bot = state_->world.find_bot(bot_id);
  if (bot == nullptr) return false;
  for (Update& update : what(state_->world, *bot)) {
    if (is_update_kind(update.kind) && !wants(*bot, update.kind)) {
      state_->courier.count_unwanted();
    } else {
      state_->courier.post(std::move(update), delay);
    }
  }
  return true;
}

std::int64_t TelegramSimulator::say(std::int64_t bot_id, const User& from, std::string_view text) {
  std::int64_t message_id = 0;
  act(bot_id, [&](World& world, Bot& bot) {
    Incoming incoming;
    incoming.from = from;
    incoming.content = world.text(text);
    Update update = world.message(bot, incoming);
    message_id = update.message_id;
    return std::vector<Update>{std::move(update)};
  });
  return message_id;
}

bool TelegramSimulator::deliver_verbatim(std::int64_t bot_id, std::string body, std::string queue) {
  return act(bot_id, [&](World& world, Bot& bot) {
    return std::vector<Update>{world.verbatim(bot, std::move(body), std::move(queue))};
  });
}

std::vector<Call> TelegramSimulator::calls(std::int64_t after) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Call> out;
  for (const Call& call : state_->calls) {
    if (call.number > after) out.push_back(call);
  }
  return out;
}

std::vector<SentMessage> TelegramSimulator::sent(std::int64_t bot_id, std::int64_t chat_id) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<SentMessage> out;
  for (const SentMessage& message : state_->api.sent()) {
    if (bot_id != 0 && message.bot_id != bot_id) continue;
    if (chat_id != 0 && message.chat_id != chat_id) continue;
    out.push_back(message);
  }
  return out;
}

bool TelegramSimulator::wait_sent(
    std::chrono::milliseconds patience,
    const std::function<bool(const std::vector<SentMessage>&)>& enough) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, patience, [&] { return enough(state_->api.sent()); });
}

bool TelegramSimulator::wait_idle(std::chrono::milliseconds patience) {
  return state_->courier.wait_idle(Steady::now() + patience);
}

bool TelegramSimulator::callback_answered(std::int64_t bot_id, std::string_view callback_id) const {
  const std::lock_guard lock(state_->mutex);
  const Bot* const bot = state_->world.find_bot(bot_id);
  if (bot == nullptr) return false;
  const auto at = bot->callbacks.find(callback_id);
  return at != bot->callbacks.end() && at->second;
}

DeliveryStats TelegramSimulator::delivery_stats() const { return state_->courier.stats(); }

std::vector<Delivery> TelegramSimulator::deliveries(std::int64_t after) const {
  return state_->courier.log(after);
}

void TelegramSimulator::inject(ApiFault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.add(std::move(fault));
}

void TelegramSimulator::inject(DeliveryFault fault) { state_->courier.inject(fault); }

void TelegramSimulator::set_down(bool down) {
  const std::lock_guard lock(state_->mutex);
  state_->down = down;
}

void TelegramSimulator::clear_faults() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.clear();
    state_->down = false;
  }
  state_->courier.clear_faults();
}

void TelegramSimulator::reset() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.clear();
    state_->down = false;
    state_->calls.clear();
    state_->api.clear_sent();
    for (auto& [id, bot] : state_->world.bots()) {
      bot.chats.clear();
      bot.files.clear();
      bot.callbacks.clear();
      bot.business_connections.clear();
    }
  }
  state_->courier.reset();
}

}  // namespace gateway::simulate
