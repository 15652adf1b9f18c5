#include "gateway/simulate/demo.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/simulate/morning.h"
#include "gateway/simulate/program.h"
#include "gateway/simulate/rest_client.h"
#include "gateway/simulate/telegram_simulator.h"

namespace gateway::simulate {
namespace {

using sdk::json::Value;
using Steady = std::chrono::steady_clock;

constexpr int kSteps = 7;

// How the agent answers whom: part of the contact's name and the answer.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kAnswers = {
    {{"Ana", "¡Hola Ana! Lo siento mucho. El reembolso del pedido 4711 ya está en camino 💙"},
     {"Юлия", "Доброе утро, Юлия! Заказ 1204 уже у курьера, будет сегодня до 14:00."},
     {"Jürgen", "Moin Herr Weiß, die korrigierte Rechnung kommt gleich per E-Mail."},
     {"Tom", "Yes, we do! Two to four days to Ireland."},
     {"さくら", "おはようございます！11時に開店します。お待ちしております。"}}};

void step(int number, const std::string& what) {
  std::cout << "[" << number << "/" << kSteps << "] " << what << std::endl;
}

std::string self_path() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

struct Shown {
  std::string id;
  std::string name;
  std::string status;
  std::string last;
  std::int64_t unread = 0;
  std::size_t messages = 0;
  std::string delivery;  // of the agent's answer
};

std::string attachment_text(Value attachment) {
  std::string out = "[" + std::string(attachment["type"].text_or("file"));
  if (const auto name = attachment["name"].text(); name && !name->empty()) {
    out += " " + std::string(*name);
  }
  return out + "]";
}

std::string message_text(Value message) {
  std::string out;
  for (const Value attachment : message["attachments"].elements()) {
    out += attachment_text(attachment) + " ";
  }
  out += message["content"].text_or("");
  if (message["deleted_at"].text()) return "(taken back) " + out;
  return message["edited_at"].text() ? out + " (edited)" : out;
}

class Demo {
 public:
  explicit Demo(const SimulateOptions& options)
      : options_(options), telegram_([&] {
          TelegramOptions chosen;
          chosen.seed = options.seed;
          return chosen;
        }()) {}

  // False where something failed; the reason is printed.
  bool run() {
    return start_telegram() && start_gateway() && sign_up() && connect_bot() && play_morning() &&
           answer_some() && show() && stop();
  }

 private:
  bool failed(const std::string& what) {
    std::cout.flush();
    std::cerr << "\nThe demonstration failed: " << what << "\n";
    if (const std::string tail = tail_of(log_, 25); !tail.empty()) {
      std::cerr << "\nThe gateway's last words (" << log_ << "):\n" << tail << "\n";
    }
    return false;
  }

  // The answer where it has the status that is due; else the failure is printed.
  std::optional<RestAnswer> ask(int status, const std::string& method, const std::string& path,
                                const std::string& body = {}) {
    auto answer = rest_->call(method, path, body);
    if (!answer) {
      failed(answer.error().message);
      return std::nullopt;
    }
    if (answer->status != status) {
      failed(method + " " + path + " was answered " + std::to_string(answer->status) + ": " +
             answer->body.substr(0, 500));
      return std::nullopt;
    }
    return std::move(*answer);
  }

  bool start_telegram() {
    if (const auto started = telegram_.start(); !started) return failed(started.error().message);
    step(1, "simulated Telegram at " + telegram_.origin());
    return true;
  }

  bool start_gateway() {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::absolute(options_.data_dir, error);
    std::filesystem::create_directories(folder, error);
    if (error) return failed("cannot make " + folder.string() + ": " + error.message());
    log_ = (folder / "gateway.log").string();
    std::filesystem::remove(log_, error);
    program_ = options_.program.empty() ? self_path() : options_.program;
    base_ = "http://127.0.0.1:" + std::to_string(free_port());
    environment_ = {{"BACKCHANNEL_HTTP", base_.substr(7)},
                    {"BACKCHANNEL_PUBLIC_URL", base_},
                    {"BACKCHANNEL_DATA_DIR", folder.string()},
                    {"BACKCHANNEL_UPSTREAMS", "https://api.telegram.org=" + telegram_.origin()},
                    {"BACKCHANNEL_KEYS", ""},
                    {"BACKCHANNEL_MIGRATE_URL", ""},
                    {"DATABASE_URL", ""}};
    step(2, "gateway at " + base_ + " with its own Postgres in " + folder.string());
    auto started = Program::start({{program_, "serve"}, environment_, log_});
    if (!started) return failed(started.error().message);
    gateway_.emplace(std::move(*started));
    rest_ = std::make_unique<RestClient>(base_);
    const auto begin = Steady::now();
    for (int dots = 0; Steady::now() - begin < std::chrono::minutes(3); ++dots) {
      if (gateway_->wait(std::chrono::milliseconds(100))) {
        return failed("the gateway has ended before it was ready");
      }
      const auto answer = rest_->call("GET", "/readyz", {}, std::chrono::seconds(2));
      if (answer && answer->status == 200) {
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begin);
        std::cout << (dots >= 10 ? "\n" : "") << "      ready after "
                  << static_cast<double>(took.count() / 100) / 10 << " s" << std::endl;
        return true;
      }
      if (dots % 10 == 9) std::cout << (dots == 9 ? "      waiting ." : ".") << std::flush;
    }
    return failed("the gateway is not ready after 3 minutes");
  }

  bool sign_up() {
    step(3, "Ada registers, opens \"Blue Vase\" and takes the plan Mini");
    const auto unique = std::to_string(std::chrono::system_clock::now().time_since_epoch() /
                                       std::chrono::milliseconds(1));
    email_ = "ada+" + unique + "@example.com";
    const auto token = ask(201, "POST", "/api/v1/auth/register",
                           object({{"email", json_text(email_)},
                                   {"full_name", json_text("Ada Lovelace")},
                                   {"password", json_text(kPassword)}}));
    if (!token) return false;
    rest_->set_token(std::string(token->json()["access_token"].text_or("")));
    const auto business = ask(201, "POST", "/api/v1/auth/business/create",
                              object({{"name", json_text("Blue Vase")},
                                      {"website", json_text("https://bluevase.example")}}));
    if (!business) return false;
    const std::string id(business->json()["business"]["id"].text_or(""));
    auto plan = Program::start({{program_, "plan", "set", id, "mini"}, environment_, log_});
    if (!plan) return failed(plan.error().message);
    const auto status = plan->wait(std::chrono::seconds(60));
    if (!status || *status != 0) return failed("`backchannel plan set " + id + " mini` failed");
    // A token of its own per run: one platform bot belongs to one channel.
    bot_id_ = 7'000'000'000 + std::stoll(unique) % 1'000'000'000;
    return true;
  }

  bool connect_bot() {
    step(4, "the Telegram bot is connected: POST /api/v1/channels/");
    const std::string token = std::to_string(bot_id_) + ":AAsimulatedsimulatedsimulatedsimula";
    const auto channel = ask(201, "POST", "/api/v1/channels/",
                             object({{"type", json_text("telegram")},
                                     {"config", object({{"bot_token", json_text(token)}})}}));
    if (!channel) return false;
    if (!telegram_.wait_webhook(bot_id_, std::chrono::seconds(20))) {
      return failed("the gateway has not registered its webhook");
    }
    std::cout << "      webhook registered: " << telegram_.bot(bot_id_)->webhook->url << std::endl;
    return true;
  }

  bool play_morning() {
    const auto beats = morning(options_.seed);
    step(5, "a morning of messages (seed " + std::to_string(options_.seed) + ")");
    const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    play(telegram_, bot_id_, beats, now - beats.back().at_s - 60);
    if (!telegram_.wait_idle(std::chrono::seconds(60))) {
      const auto stats = telegram_.delivery_stats();
      std::string last;
      for (const Delivery& delivery : telegram_.deliveries()) {
        if (!delivery.error.empty()) last = delivery.kind + ": " + delivery.error;
      }
      return failed(std::to_string(stats.pending) + " updates are not acknowledged; " + last);
    }
    const auto stats = telegram_.delivery_stats();
    std::cout << "      " << stats.acknowledged << " updates acknowledged in " << stats.attempts
              << " deliveries, p50 " << static_cast<double>(stats.p50_us / 10) / 100 << " ms, p99 "
              << static_cast<double>(stats.p99_us / 10) / 100 << " ms" << std::endl;
    return stats.acknowledged == stats.updates ||
           failed("only " + std::to_string(stats.acknowledged) + " of " +
                  std::to_string(stats.updates) + " updates were acknowledged");
  }

  bool load_inbox() {
    const auto list = ask(200, "GET", "/api/v1/conversations/?limit=100");
    if (!list) return false;
    inbox_.clear();
    for (const Value item : list->json().elements()) {
      Shown shown;
      shown.id = item["id"].text_or("");
      shown.name = item["customer"]["name"].text_or("");
      shown.status = item["status"].text_or("");
      shown.unread = item["unread_count"].integer().value_or(0);
      const auto whole = ask(200, "GET", "/api/v1/conversations/" + shown.id);
      if (!whole) return false;
      const auto messages = whole->json()["messages"].elements();
      shown.messages = messages.size();
      if (!messages.empty()) shown.last = message_text(messages.back());
      for (const Value message : messages) {
        if (message["sender_type"].text_or("") == "agent") {
          shown.delivery = message["status"].text_or("");
        }
      }
      inbox_.push_back(std::move(shown));
    }
    return true;
  }

  bool answer_some() {
    if (!load_inbox()) return false;
    std::vector<std::string> answered;
    for (const auto& [name, text] : kAnswers) {
      const auto at =
          std::find_if(inbox_.begin(), inbox_.end(), [&, part = name](const Shown& shown) {
            return shown.name.find(part) != std::string::npos;
          });
      if (at == inbox_.end()) continue;
      const auto sent = ask(201, "POST", "/api/v1/conversations/" + at->id + "/messages",
                            object({{"content", json_text(text)}}));
      if (!sent) return false;
      answered.push_back(at->id);
    }
    step(6, "Ada answers " + std::to_string(answered.size()) + " of " +
                std::to_string(inbox_.size()) + " conversations");
    if (answered.empty()) return failed("no conversation to answer was found");
    transcript_ = answered.front();
    const auto deadline = Steady::now() + std::chrono::seconds(60);
    std::size_t settled = 0;
    while (settled < answered.size() && Steady::now() < deadline) {
      if (!load_inbox()) return false;
      settled = static_cast<std::size_t>(
          std::count_if(inbox_.begin(), inbox_.end(), [&](const Shown& shown) {
            return std::find(answered.begin(), answered.end(), shown.id) != answered.end() &&
                   shown.delivery == "sent";
          }));
      if (settled < answered.size()) poll(nullptr, 0, 100);
    }
    const std::size_t arrived = telegram_.sent(bot_id_).size();
    std::cout << "      " << settled << " answers are `sent`, " << arrived
              << " arrived at the simulated Telegram" << std::endl;
    if (settled < answered.size()) return failed("not every answer was sent within a minute");
    return arrived >= answered.size() || failed("not every answer arrived");
  }

  bool show() {
    step(7, "the inbox");
    std::cout << "\n  " << fit("CONTACT", 22) << fit("STATUS", 10) << fit("UNREAD", 8)
              << fit("MSGS", 6) << fit("ANSWER", 8) << "LAST MESSAGE\n";
    for (const Shown& shown : inbox_) {
      std::cout << "  " << fit(shown.name.empty() ? "(no name)" : shown.name, 21) << " "
                << fit(shown.status, 10) << fit(std::to_string(shown.unread), 8)
                << fit(std::to_string(shown.messages), 6) << fit(shown.delivery, 8)
                << fit(shown.last, 50) << "\n";
    }
    const auto whole = ask(200, "GET", "/api/v1/conversations/" + transcript_);
    if (!whole) return false;
    const Value conversation = whole->json();
    std::cout << "\n  The conversation with " << conversation["customer"]["name"].text_or("?")
              << ", " << transcript_ << "\n";
    for (const Value message : conversation["messages"].elements()) {
      const std::string_view time = message["created_at"].text_or("");
      std::cout << "  " << (time.size() >= 19 ? time.substr(11, 8) : time) << "  "
                << fit(message["sender_type"].text_or(""), 9) << " " << message_text(message);
      if (const auto status = message["status"].text()) std::cout << "  (" << *status << ")";
      std::cout << "\n";
    }
    std::cout << "\n  What to look at next\n"
              << "    BACKCHANNEL_DATA_DIR=" << options_.data_dir << " " << program_
              << " serve      the same inbox over REST: log in as\n"
              << "      " << email_ << " / " << kPassword << "\n"
              << "    " << program_ << " simulate      the simulated Telegram alone; its "
              << "GET /_simulate/ lists what can go wrong\n"
              << "    make run      the gateway for real, with the quickstart's lines\n"
              << std::endl;
    return true;
  }

  bool stop() {
    gateway_->signal(SIGTERM);
    const auto status = gateway_->wait(std::chrono::seconds(60));
    telegram_.stop();
    if (!status) return failed("the gateway does not stop");
    return *status == 0 || failed("the gateway ended with status " + std::to_string(*status));
  }

  static constexpr std::string_view kPassword = "supersecret123";
  SimulateOptions options_;
  TelegramSimulator telegram_;
  std::string program_;
  std::string base_;
  std::string log_;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::optional<Program> gateway_;
  std::unique_ptr<RestClient> rest_;
  std::string email_;
  std::int64_t bot_id_ = 0;
  std::vector<Shown> inbox_;
  std::string transcript_;
};

// One code point at `at`, which moves behind it.
unsigned next_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned point = length == 1 ? lead : lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length && at + i < text.size(); ++i) {
    point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
  }
  at = std::min(text.size(), at + length);
  return point;
}

// Ranges of Unicode 15 that terminals draw without and with double width.
std::size_t width_of(unsigned point) {
  const auto in = [&](unsigned low, unsigned high) { return point >= low && point <= high; };
  if (point < 0x20 || in(0x300, 0x36F) || in(0x93C, 0x93C) || in(0x941, 0x948) || point == 0x94D ||
      in(0x200B, 0x200F) || in(0x202A, 0x202E) || in(0xFE00, 0xFE0F) || in(0x1F3FB, 0x1F3FF)) {
    return 0;
  }
  if (in(0x1100, 0x115F) || in(0x2E80, 0xA4CF) || in(0xAC00, 0xD7A3) || in(0xF900, 0xFAFF) ||
      in(0xFE30, 0xFE6F) || in(0xFF00, 0xFF60) || in(0xFFE0, 0xFFE6) || in(0x1F300, 0x1F64F) ||
      in(0x1F680, 0x1F6FF) || in(0x1F900, 0x1F9FF) || in(0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) width += width_of(next_point(utf8, at));
  return width;
}

std::string fit(std::string_view utf8, std::size_t columns) {
  std::string out;
  std::size_t width = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    const unsigned point = next_point(utf8, at);
    const std::size_t wide = point == '\n' ? 1 : width_of(point);
    if (width + wide > columns) break;
    if (point == '\n') {
      out += ' ';
    } else if (point >= 0x20) {
      out += utf8.substr(begin, at - begin);
    }
    width += wide;
  }
  return out + std::string(columns - width, ' ');
}

int run_demo(const SimulateOptions& options) {
  signal(SIGPIPE, SIG_IGN);
  Demo demo(options);
  return demo.run() ? 0 : 1;
}

}  // namespace gateway::simulate
