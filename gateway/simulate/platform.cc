#include "gateway/simulate/platform.h"

#include <algorithm>
#include <charconv>

#include "connectors/sdk/text.h"
#include "gateway/simulate/members.h"
#include "gateway/simulate/params.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;
using sdk::json::Writer;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kCallsKept = 100'000;
constexpr std::size_t kShownBytes = 256u << 10;

constexpr std::string_view kSecretNames[] = {
    "access_token", "client_secret", "input_token", "verify_token", "password",      "signingkey",
    "api_secret",   "pin",           "api_key",     "secret",       "refresh_token", "httpauth"};

bool is_secret(std::string_view name) {
  const std::string lower = sdk::lower_ascii(name);
  return std::find(std::begin(kSecretNames), std::end(kSecretNames), lower) !=
         std::end(kSecretNames);
}

void show(Writer& writer, Value value) {
  if (value.is_object()) {
    writer.object();
    for (const auto& [name, member] : value.members()) {
      writer.key(name);
      if (is_secret(name)) {
        writer.value("***");
      } else {
        show(writer, member);
      }
    }
    writer.end();
  } else if (value.is_array()) {
    writer.array();
    for (const Value element : value.elements()) show(writer, element);
    writer.end();
  } else {
    writer.value(value);
  }
}

std::int64_t number_in(const sdk::Form& form, std::string_view name) {
  const std::string_view text = sdk::find(form, name).value_or("");
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string upstreams_setting(const Upstreams& upstreams) {
  std::string out;
  for (const auto& [from, to] : upstreams) {
    if (!out.empty()) out += ',';
    out += from + "=" + to;
  }
  return out;
}

std::string shown_body(const HttpRequest& request) {
  const std::string type =
      sdk::lower_ascii(request.content_type.substr(0, request.content_type.find(';')));
  sdk::Form form = sdk::parse_form(request.query);
  if (sdk::trim(type) == "application/x-www-form-urlencoded") {
    for (auto& field : sdk::parse_form(request.body)) form.push_back(std::move(field));
  } else if (auto document = Document::parse(request.body); document) {
    Writer writer;
    show(writer, document->root());
    return writer.take();
  } else if (!request.body.empty()) {
    return object({{"content_type", json_text(request.content_type)},
                   {"bytes", std::to_string(request.body.size())}});
  }
  Writer writer;
  writer.object();
  for (const auto& [name, value] : form) {
    writer.member(sdk::sanitize(name),
                  is_secret(name) ? std::string("***") : sdk::sanitize(value, kShownBytes));
  }
  return writer.end().take();
}

Platform::Platform(std::string name, PlatformOptions options, std::vector<Host> hosts,
                   std::string help)
    : options_(std::move(options)),
      sender_({options_.seed, options_.time_scale}),
      name_(std::move(name)),
      hosts_(std::move(hosts)),
      help_(std::move(help)),
      desk_(options_.desk ? options_.desk : std::make_shared<ControlDesk>()),
      random_(options_.seed),
      server_({[this](const HttpRequest& head) { return admit(head); },
               [this](const HttpRequest& request, const ApiServer::Respond& respond) {
                 handle(request, respond);
               }}) {
  desk_->add(name_, help_,
             [this](const HttpRequest& request, const std::string& rest,
                    const ApiServer::Respond& respond) { serve_control(request, rest, respond); });
}

Platform::~Platform() { Platform::stop(); }

Result<> Platform::start() {
  std::vector<ApiServer::Listener> listeners;
  for (const Host& host : hosts_) {
    const auto offset = static_cast<std::uint16_t>(listeners.size());
    listeners.push_back({host.name, options_.address,
                         options_.port == 0 ? std::uint16_t{0}
                                            : static_cast<std::uint16_t>(options_.port + offset)});
  }
  auto started = server_.start(listeners);
  if (started) sender_.start();
  return started;
}

void Platform::stop() {
  server_.stop();
  sender_.stop();
}

std::uint16_t Platform::port(std::string_view host) const {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (hosts_[i].name == host) return server_.port(i);
  }
  return 0;
}

std::string Platform::origin(std::string_view host) const {
  return "http://" + options_.address + ":" + std::to_string(port(host));
}

Upstreams Platform::upstreams() const {
  Upstreams out;
  for (const Host& host : hosts_) {
    for (const std::string& from : host.origins) out.emplace_back(from, origin(host.name));
  }
  return out;
}

std::vector<ApiCall> Platform::calls(std::int64_t after) const {
  const std::lock_guard lock(mutex_);
  std::vector<ApiCall> out;
  for (const ApiCall& call : calls_) {
    if (call.number > after) out.push_back(call);
  }
  return out;
}

std::vector<Sent> Platform::sent(std::string_view account, std::string_view to) const {
  const std::lock_guard lock(mutex_);
  std::vector<Sent> out;
  for (const Sent& message : sent_) {
    if (!account.empty() && message.account != account) continue;
    if (!to.empty() && message.to != to) continue;
    out.push_back(message);
  }
  return out;
}

bool Platform::wait_sent(std::chrono::milliseconds patience,
                         const std::function<bool(const std::vector<Sent>&)>& enough) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return enough(sent_); });
}

bool Platform::wait_idle(std::chrono::milliseconds patience) {
  return sender_.wait_idle(Steady::now() + patience);
}

void Platform::inject(CallFault fault) {
  const std::lock_guard lock(mutex_);
  faults_.add(std::move(fault));
}

void Platform::set_down(bool down) {
  const std::lock_guard lock(mutex_);
  down_ = down;
}

bool Platform::is_down() const {
  const std::lock_guard lock(mutex_);
  return down_;
}

void Platform::clear_faults() {
  {
    const std::lock_guard lock(mutex_);
    faults_.clear();
    down_ = false;
  }
  sender_.clear_faults();
}

void Platform::reset() {
  {
    const std::lock_guard lock(mutex_);
    faults_.clear();
    down_ = false;
    calls_.clear();
    sent_.clear();
    forget();
  }
  sender_.reset();
}

void Platform::record_sent(Sent sent) {
  sent.number = ++sent_count_;
  sent_.push_back(std::move(sent));
  changed_.notify_all();
}

std::string Platform::mint(std::string_view alphabet, std::size_t characters) {
  std::string out;
  while (out.size() < characters) out += alphabet[below(alphabet.size())];
  return out;
}

std::string Platform::mint_digits(std::size_t characters) {
  std::string out = mint("123456789", 1);
  return out + mint("0123456789", characters - 1);
}

std::string Platform::mint_hex(std::size_t characters) {
  return mint("0123456789abcdef", characters);
}

std::string Platform::mint_uuid() {
  return mint_hex(8) + "-" + mint_hex(4) + "-4" + mint_hex(3) + "-" + mint("89ab", 1) +
         mint_hex(3) + "-" + mint_hex(12);
}

std::uint64_t Platform::below(std::uint64_t limit) { return random_() % limit; }

std::chrono::milliseconds Platform::scaled(std::int64_t platform_ms) const {
  return std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(platform_ms) * options_.time_scale));
}

void Platform::record(ApiCall call) {
  call.number = ++call_count_;
  call.at_ms = clock_.now_ms();
  calls_.push_back(std::move(call));
  if (calls_.size() > kCallsKept) calls_.pop_front();
  changed_.notify_all();
}

std::optional<CallFault> Platform::take_fault(const HttpRequest& request, bool before_body) {
  const std::string account = account_of(request);
  return faults_.take(before_body, [&](const CallFault& fault) {
    return (fault.method.empty() || request.path.find(fault.method) != std::string::npos) &&
           (fault.account.empty() || fault.account == account);
  });
}

bool Platform::admit(const HttpRequest& head) {
  if (head.path.rfind(kControlPath, 0) == 0) return true;
  const std::lock_guard lock(mutex_);
  ApiCall refused{.host = head.host, .method = head.method, .path = head.path};
  if (down_) {
    refused.fault = "down";
    record(std::move(refused));
    return false;
  }
  if (const auto fault = take_fault(head, true)) {
    refused.fault = name_of(fault->kind);
    record(std::move(refused));
    return false;
  }
  return true;
}

void Platform::handle(const HttpRequest& request, const ApiServer::Respond& respond) {
  if (request.path.rfind(kControlPath, 0) != 0) return serve(request, respond);
  if (desk_->handle(request, respond)) return;
  if (request.method == "GET" && request.path.size() <= kControlPath.size() + 1) {
    HttpReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = desk_->help();
    return respond(std::move(reply));
  }
  respond(control_error(404, "unknown; GET /_simulate/ lists what there is"));
}

void Platform::serve(const HttpRequest& request, const ApiServer::Respond& respond) {
  ApiCall call;
  call.host = request.host;
  call.method = request.method;
  call.path = request.path;
  call.body = shown_body(request);
  const auto finish = [this](ApiCall done, const std::optional<CallFault>& fault,
                             HttpReply& reply) {
    if (fault) {
      apply(*fault, reply);
      done.fault = name_of(fault->kind);
    }
    done.status = reply.cut == HttpReply::Cut::none ? reply.status : 0;
    record(std::move(done));
  };
  HttpReply reply;
  {
    const std::lock_guard lock(mutex_);
    const auto fault = take_fault(request, false);
    call.account = account_of(request);
    if (fault && prevents_execution(fault->kind)) {
      reply = fault->kind == CallFault::Kind::bad_gateway ? bad_gateway_page()
                                                          : refusal(*fault, request);
      finish(std::move(call), fault, reply);
    } else {
      Answer answered = answer(request, call);
      if (auto* const waiting = std::get_if<Waiting>(&answered)) {
        sender_.fetch(std::move(waiting->call),
                      [this, call, fault, finish, respond,
                       then = std::move(waiting->then)](const HttpOutcome& outcome) {
                        HttpReply late;
                        {
                          const std::lock_guard relock(mutex_);
                          late = then(outcome);
                          finish(call, fault, late);
                        }
                        respond(std::move(late));
                      });
        return;
      }
      reply = std::move(std::get<HttpReply>(answered));
      finish(std::move(call), fault, reply);
    }
  }
  respond(std::move(reply));
}

void Platform::serve_control(const HttpRequest& request, const std::string& rest,
                             const ApiServer::Respond& respond) {
  std::optional<Document> document;
  ControlRequest wish{request.method, rest, sdk::parse_form(request.query), request.body, {}};
  if (!request.body.empty()) {
    if (auto parsed = Document::parse(request.body)) document.emplace(std::move(*parsed));
  } else if (auto parsed = Document::parse("{}")) {
    document.emplace(std::move(*parsed));
  }
  if (document) wish.json = document->root();
  if (auto reply = common_control(wish)) return respond(std::move(*reply));
  std::optional<Answer> answered;
  {
    const std::lock_guard lock(mutex_);
    answered = control(wish);
  }
  if (!answered) {
    return respond(
        control_error(404, "unknown; GET /_simulate/" + name_ + "/ lists what there is"));
  }
  if (auto* const waiting = std::get_if<Waiting>(&*answered)) {
    sender_.fetch(std::move(waiting->call),
                  [this, respond, then = std::move(waiting->then)](const HttpOutcome& outcome) {
                    HttpReply late;
                    {
                      const std::lock_guard lock(mutex_);
                      late = then(outcome);
                    }
                    respond(std::move(late));
                  });
    return;
  }
  respond(std::move(std::get<HttpReply>(*answered)));
}

std::optional<HttpReply> Platform::common_control(const ControlRequest& request) {
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  const std::int64_t after = number_in(request.query, "after");
  if (get && request.path == "/calls") {
    Writer writer;
    writer.array();
    for (const ApiCall& call : calls(after)) {
      writer.object().member("number", call.number).member("at_ms", call.at_ms);
      writer.member("host", call.host).member("method", call.method).member("path", call.path);
      writer.member("account", call.account).key("body").raw(call.body.empty() ? "{}" : call.body);
      writer.member("status", call.status).member("description", call.description);
      writer.member("fault", call.fault).end();
    }
    return control_json(writer.end().take());
  }
  if (get && request.path == "/sent") {
    Writer writer;
    writer.array();
    for (const Sent& message : sent()) {
      if (message.number <= after) continue;
      writer.object().member("number", message.number).member("platform", message.platform);
      writer.member("account", message.account).member("to", message.to);
      writer.member("id", message.id).member("reply_to", message.reply_to);
      writer.member("kind", message.kind).member("text", message.text);
      writer.member("body", sdk::sanitize(message.body, kShownBytes)).end();
    }
    return control_json(writer.end().take());
  }
  if (get && request.path == "/deliveries") {
    Writer writer;
    writer.array();
    for (const Delivery& delivery : deliveries(after)) {
      writer.object().member("number", delivery.number).member("account", delivery.account);
      writer.member("id", delivery.id).member("kind", delivery.kind);
      writer.member("attempt", delivery.attempt).member("status", delivery.status);
      writer.member("error", delivery.error).member("latency_us", delivery.latency_us).end();
    }
    return control_json(writer.end().take());
  }
  if (get && request.path == "/stats") return control_json(to_json(delivery_stats()));
  if (get && request.path == "/idle") {
    return control_json(delivery_stats().pending == 0 ? "{\"idle\":true}" : "{\"idle\":false}");
  }
  if (request.method == "DELETE" && request.path == "/faults") {
    clear_faults();
    return control_done();
  }
  if (post && request.path == "/reset") {
    reset();
    return control_done();
  }
  if (post && request.path == "/faults") {
    auto fault = parse_fault(request.json);
    if (!fault) return control_error(400, fault.error().message);
    if (auto* const call = std::get_if<CallFault>(&*fault)) {
      inject(std::move(*call));
    } else if (const auto* const delivery = std::get_if<DeliveryFault>(&*fault)) {
      inject(*delivery);
    } else {
      set_down(true);
    }
    return control_done();
  }
  return std::nullopt;
}

}  // namespace gateway::simulate
