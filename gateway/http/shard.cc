#include "gateway/http/shard.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <ctime>
#include <exception>
#include <stdexcept>

#include "gateway/base/log.h"
#include "gateway/http/conn.h"
#include "gateway/http/driver.h"

namespace gateway::http {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

Instruments::Instruments(Metrics& metrics)
    : dropped(metrics.counter("backchannel_http_replies_dropped_total",
                              "Requests whose handler gave up the reply without answering")),
      connections(metrics.gauge("backchannel_http_connections", "Open connections at the edge")) {
  const std::array<const char*, 6> classes = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    answers_[i] =
        &metrics.counter("backchannel_http_requests_total", "Requests answered, by class of status",
                         {{"class", classes[i]}});
  }
  const std::array<const char*, 5> reasons = {"framing", "size", "timeout", "busy", "connections"};
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    refusals_[i] =
        &metrics.counter("backchannel_http_refused_total",
                         "Requests and connections the edge turned away", {{"reason", reasons[i]}});
  }
}

Shard::Shard(std::shared_ptr<Edge> edge)
    : edge_(std::move(edge)), bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!bell_) throw std::runtime_error("no descriptor for an inbox");
  read_clock();
}

void Shard::post(Item item) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    inbox_.push_back(std::move(item));
    if (inbox_.size() > 1) return;
  }
  ::eventfd_write(bell_.get(), 1);
}

void Shard::enter(Driver& driver) {
  driver_ = &driver;
  thread_ = std::this_thread::get_id();
}

void Shard::run_inbox() {
  // The bell first, then the inbox: an item posted between the two rings again.
  eventfd_t rings = 0;
  ::eventfd_read(bell_.get(), &rings);
  working_.clear();
  {
    const std::lock_guard lock(mutex_);
    working_.swap(inbox_);
  }
  for (auto& item : working_) {
    try {
      switch (item.kind) {
        case Item::Kind::kick:
          break;
        case Item::Kind::adopt:
          driver_->adopt(std::move(item.fd), std::move(item.peer));
          break;
        case Item::Kind::go_on:
          item.conn->go_on();
          break;
        case Item::Kind::answer:
          item.conn->answer(item.number, std::move(item.response));
          item.conn->go_on();
          break;
        case Item::Kind::drop:
          item.conn->answer_dropped(item.number);
          item.conn->go_on();
          break;
      }
    } catch (const std::exception& fault) {
      log::error("http", "fault while an answer was delivered", {{"what", fault.what()}});
      if (item.conn) item.conn->leave();
    }
  }
  working_.clear();
}

void Shard::read_clock() {
  now_ms_ = edge_->clock.steady_ms();
  const std::int64_t second = edge_->clock.now_ms() / 1000;
  if (second == date_second_) return;
  date_second_ = second;
  // IMF-fixdate of RFC 9110, 5.6.7, whatever the locale.
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = second;
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y %H:%M:%S GMT", &utc);
  const std::string day = std::to_string(100 + utc.tm_mday).substr(1);
  date_ = std::string(kDays.at(static_cast<std::size_t>(utc.tm_wday))) + ", " + day + " " +
          kMonths.at(static_cast<std::size_t>(utc.tm_mon)) + " " + text.data();
}

void Shard::close() {
  std::vector<Item> rest;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    rest.swap(inbox_);
  }
  // An adopted descriptor that nobody has taken still counts as a connection.
  for (const auto& item : rest) {
    if (item.kind != Item::Kind::adopt) continue;
    edge_->connections.fetch_sub(1);
    edge_->instruments.connections.add(-1);
  }
}

}  // namespace gateway::http
