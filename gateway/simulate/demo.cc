#include "gateway/simulate/demo.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/simulate/demo_channels.h"
#include "gateway/simulate/program.h"
#include "gateway/simulate/rest_client.h"
#include "gateway/simulate/simulators.h"
#include "gateway/simulate/terminal_text.h"

namespace gateway::simulate {
namespace {

using sdk::json::Value;
using Steady = std::chrono::steady_clock;

constexpr int kSteps = 7;

void step(int number, const std::string& what) {
  std::cout << "[" << number << "/" << kSteps << "] " << what << std::endl;
}

std::string self_path() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::string milliseconds(std::int64_t us) {
  std::string hundredths = std::to_string(100 + us / 10 % 100).substr(1);
  return std::to_string(us / 1'000) + "." + hundredths + " ms";
}

struct Shown {
  std::string id;
  std::string channel_id;
  std::string channel;  // as it is called here
  std::string name;
  std::string status;
  std::string said;  // all that was written, for a search
  std::string last;
  std::int64_t unread = 0;
  std::size_t messages = 0;
  std::string answer;  // what became of the agent's
  std::size_t files_ready = 0;
  std::size_t files_pending = 0;
  std::size_t files_failed = 0;
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
  explicit Demo(const SimulateOptions& options) : options_(options) {}

  // False where something failed; the reason is printed.
  bool run() {
    return start_simulators() && start_gateway() && sign_up() && connect_channels() &&
           play_morning() && answer_some() && show() && stop();
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

  bool start_simulators() {
    SimulatorsOptions chosen;
    chosen.seed = options_.seed;
    auto simulators = Simulators::create(chosen);
    if (!simulators) return failed(simulators.error().message);
    simulators_ = std::move(*simulators);
    if (const auto started = simulators_->start(); !started) {
      return failed(started.error().message);
    }
    std::string names;
    for (const auto& [name, upstreams] : simulators_->platforms()) {
      names += (names.empty() ? "" : ", ") + name;
    }
    step(1, "simulated platforms (" + names + "), controlled at " + simulators_->control_origin());
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
    environment_ = {{"BACKCHANNEL_HTTP", base_.substr(7)},     {"BACKCHANNEL_PUBLIC_URL", base_},
                    {"BACKCHANNEL_DATA_DIR", folder.string()}, {"BACKCHANNEL_KEYS", ""},
                    {"BACKCHANNEL_MIGRATE_URL", ""},           {"DATABASE_URL", ""}};
    for (auto& setting : simulators_->settings()) environment_.push_back(std::move(setting));
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
    step(3, "Ada registers, opens \"Blue Vase\" and takes the plan Pro");
    const std::int64_t now =
        std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(1);
    email_ = "ada+" + std::to_string(now) + "@example.com";
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
    auto plan = Program::start({{program_, "plan", "set", id, "pro"}, environment_, log_});
    if (!plan) return failed(plan.error().message);
    const auto status = plan->wait(std::chrono::seconds(60));
    if (!status || *status != 0) return failed("`backchannel plan set " + id + " pro` failed");
    channels_ = demo_channels(*simulators_, options_.seed, now);
    return true;
  }

  bool connect_channels() {
    step(4, std::to_string(channels_.size()) + " channels are connected: POST /api/v1/channels/");
    for (const DemoChannel& channel : channels_) {
      const auto made =
          ask(201, "POST", "/api/v1/channels/",
              object({{"type", json_text(channel.type)}, {"config", channel.config}}));
      if (!made) return false;
      const Value registration = made->json()["registration"];
      std::string how(registration["state"].text_or("?"));
      if (channel.finish) {
        if (const auto finished = channel.finish(registration["instructions"]); !finished) {
          return failed(channel.title + ": " + finished.error().message);
        }
        how += ", finished by hand";
      }
      if (!channel.wait_ready(std::chrono::seconds(20))) {
        return failed(channel.title + ": the platform has no callback URL after 20 s");
      }
      std::cout << "      " << fit(channel.title, 10) << how << std::endl;
      titles_.emplace_back(made->json()["id"].text_or(""), channel.title);
    }
    return true;
  }

  bool play_morning() {
    step(5, "a morning of messages (seed " + std::to_string(options_.seed) + ")");
    for (const DemoChannel& channel : channels_) {
      if (const auto written = channel.customers_write(); !written) {
        return failed(channel.title + ": " + written.error().message);
      }
    }
    if (const auto done = wait_delivered(*simulators_, std::chrono::seconds(60)); !done) {
      return failed(done.error().message);
    }
    const auto tell = [](const std::string& name, const DeliveryStats& stats) {
      std::cout << "      " << fit(name, 10) << stats.acknowledged << " events acknowledged in "
                << stats.attempts << " deliveries, p50 " << milliseconds(stats.p50_us) << ", p99 "
                << milliseconds(stats.p99_us) << std::endl;
    };
    tell("telegram", simulators_->telegram()->delivery_stats());
    tell("meta", simulators_->meta()->delivery_stats());
    tell("sms", simulators_->sms()->delivery_stats());
    tell("x", simulators_->x()->delivery_stats());
    tell("mail", simulators_->mail()->delivery_stats());
    return fetch_files();
  }

  // Files are fetched behind the acknowledgement.
  bool fetch_files() {
    std::size_t ready = 0, pending = 0, failures = 0;
    const bool settled = wait(std::chrono::seconds(60), [&] {
      ready = pending = failures = 0;
      for (const Shown& shown : inbox_) {
        ready += shown.files_ready;
        pending += shown.files_pending;
        failures += shown.files_failed;
      }
      return pending == 0;
    });
    if (!settled) return failed(std::to_string(pending) + " files are not fetched after a minute");
    std::cout << "      " << ready << " files were fetched, " << failures
              << " the platforms do not give out" << std::endl;
    return true;
  }

  bool load_inbox() {
    const auto list = ask(200, "GET", "/api/v1/conversations/?limit=100");
    if (!list) return false;
    inbox_.clear();
    for (const Value item : list->json().elements()) {
      Shown shown;
      shown.id = item["id"].text_or("");
      shown.channel_id = item["channel_id"].text_or("");
      for (const auto& [id, title] : titles_) {
        if (id == shown.channel_id) shown.channel = title;
      }
      shown.name = item["customer"]["name"].text_or("");
      if (shown.name.empty()) shown.name = item["customer"]["external_id"].text_or("");
      shown.status = item["status"].text_or("");
      shown.unread = item["unread_count"].integer().value_or(0);
      const auto whole = ask(200, "GET", "/api/v1/conversations/" + shown.id);
      if (!whole) return false;
      const auto messages = whole->json()["messages"].elements();
      shown.messages = messages.size();
      if (!messages.empty()) shown.last = message_text(messages.back());
      for (const Value message : messages) {
        shown.said += message["content"].text_or("");
        shown.said += '\n';
        if (message["sender_type"].text_or("") == "agent") {
          shown.answer = message["status"].text_or("");
        }
        for (const Value file : message["attachments"].elements()) {
          const std::string_view state = file["state"].text_or("");
          shown.files_ready += state == "ready" && file["url"].text() ? 1 : 0;
          shown.files_pending += state == "pending" ? 1 : 0;
          shown.files_failed += state == "failed" ? 1 : 0;
        }
      }
      inbox_.push_back(std::move(shown));
    }
    return true;
  }

  // Loads the inbox until it is as wanted; false where it is not in time or cannot be had.
  template <class Wanted>
  bool wait(std::chrono::seconds patience, Wanted&& wanted) {
    const auto deadline = Steady::now() + patience;
    while (true) {
      if (!load_inbox()) return false;
      if (wanted()) return true;
      if (Steady::now() >= deadline) return false;
      poll(nullptr, 0, 100);
    }
  }

  struct Answered {
    std::string conversation;
    std::string outcome;
  };

  bool answer_some() {
    if (!load_inbox()) return false;
    std::vector<Answered> answered;
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      for (const auto& [name, text] : channels_[i].answers) {
        const auto at =
            std::find_if(inbox_.begin(), inbox_.end(), [&, part = name](const Shown& shown) {
              return shown.channel_id == titles_[i].first &&
                     (shown.name.find(part) != std::string::npos ||
                      shown.said.find(part) != std::string::npos);
            });
        if (at == inbox_.end()) {
          return failed(channels_[i].title + ": nobody is called or has said \"" + name + "\"");
        }
        if (!ask(201, "POST", "/api/v1/conversations/" + at->id + "/messages",
                 object({{"content", json_text(text)}}))) {
          return false;
        }
        answered.push_back({at->id, channels_[i].outcome});
      }
    }
    step(6, "Ada answers " + std::to_string(answered.size()) + " of " +
                std::to_string(inbox_.size()) + " conversations");
    transcript_ = answered.front().conversation;
    // A status may be ahead of what is waited for, never behind.
    const bool settled = wait(std::chrono::seconds(60), [&] {
      return std::all_of(answered.begin(), answered.end(), [&](const Answered& one) {
        return std::any_of(inbox_.begin(), inbox_.end(), [&](const Shown& shown) {
          return shown.id == one.conversation && shown.answer == one.outcome;
        });
      });
    });
    if (!settled) return failed("not every answer came to its end within a minute: " + outcomes());
    for (const DemoChannel& channel : channels_) {
      const std::size_t arrived = channel.arrived();
      if (arrived < channel.answers.size()) {
        return failed(channel.title + ": only " + std::to_string(arrived) + " answers arrived");
      }
      std::cout << "      " << fit(channel.title, 10) << channel.answers.size()
                << (channel.answers.size() == 1 ? " answer" : " answers") << " `" << channel.outcome
                << "`" << std::endl;
    }
    return customers_react();
  }

  std::string outcomes() const {
    std::string out;
    for (const Shown& shown : inbox_) {
      if (shown.answer.empty()) continue;
      out += (out.empty() ? "" : ", ") + shown.channel + " " + shown.answer;
    }
    return out;
  }

  bool customers_react() {
    const std::size_t before = inbox_.size();
    for (const DemoChannel& channel : channels_) {
      if (!channel.customers_react) continue;
      if (const auto done = channel.customers_react(); !done) {
        return failed(channel.title + ": " + done.error().message);
      }
    }
    if (const auto done = wait_delivered(*simulators_, std::chrono::seconds(60)); !done) {
      return failed(done.error().message);
    }
    if (!load_inbox()) return false;
    return inbox_.size() == before || failed("a customer's answer has opened a new conversation");
  }

  bool show() {
    step(7, "the inbox");
    std::cout << "\n  " << fit("CHANNEL", 11) << fit("CONTACT", 22) << fit("STATUS", 8)
              << fit("UNREAD", 8) << fit("MSGS", 6) << fit("ANSWER", 11) << "LAST MESSAGE\n";
    for (const Shown& shown : inbox_) {
      std::cout << "  " << fit(shown.channel, 11)
                << fit(shown.name.empty() ? "(no name)" : shown.name, 21) << " "
                << fit(shown.status, 8) << fit(std::to_string(shown.unread), 8)
                << fit(std::to_string(shown.messages), 6) << fit(shown.answer, 11)
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
              << "    " << program_
              << " simulate      the simulated platforms alone, for a gateway of your own; "
              << "docs/SIMULATION.md\n"
              << "    make run      the gateway for real, with the quickstart's lines\n"
              << std::endl;
    return true;
  }

  bool stop() {
    gateway_->signal(SIGTERM);
    const auto status = gateway_->wait(std::chrono::seconds(60));
    simulators_->stop();
    if (!status) return failed("the gateway does not stop");
    return *status == 0 || failed("the gateway ended with status " + std::to_string(*status));
  }

  static constexpr std::string_view kPassword = "supersecret123";
  SimulateOptions options_;
  std::unique_ptr<Simulators> simulators_;
  std::vector<DemoChannel> channels_;
  std::vector<std::pair<std::string, std::string>> titles_;  // channel id and title, as channels_
  std::string program_;
  std::string base_;
  std::string log_;
  std::vector<std::pair<std::string, std::string>> environment_;
  std::optional<Program> gateway_;
  std::unique_ptr<RestClient> rest_;
  std::string email_;
  std::vector<Shown> inbox_;
  std::string transcript_;
};

}  // namespace

int run_demo(const SimulateOptions& options) {
  signal(SIGPIPE, SIG_IGN);
  Demo demo(options);
  return demo.run() ? 0 : 1;
}

}  // namespace gateway::simulate
