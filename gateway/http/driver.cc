#include "gateway/http/driver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include <pistache/reactor.h>

#include "gateway/base/log.h"
#include "gateway/http/conn.h"

namespace gateway::http {

namespace {

using Pistache::Polling::Mode;
using Pistache::Polling::NotifyOn;
using Pistache::Polling::Tag;

constexpr std::size_t kReadBytesPerTurn = 64 << 10;
constexpr int kAcceptsPerTurn = 64;
constexpr long kTickNs = 250'000'000;

UniqueFd make_timer() {
  UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  itimerspec every{};
  every.it_value.tv_nsec = every.it_interval.tv_nsec = kTickNs;
  if (!timer || ::timerfd_settime(timer.get(), 0, &every, nullptr) != 0) {
    throw std::runtime_error("no timer for a reactor");
  }
  return timer;
}

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      ::inet_ntop(AF_INET, &v6.s6_addr[12], text.data(), text.size());
    } else {
      ::inet_ntop(AF_INET6, &v6, text.data(), text.size());
    }
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    ::inet_ntop(AF_INET, &v4, text.data(), text.size());
  }
  return text.data();
}

// Whether the client has ended its side, without reading what comes before that.
bool has_left(int fd) {
  pollfd query{fd, POLLRDHUP, 0};
  return ::poll(&query, 1, 0) > 0 && (query.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

// The one handler of its reactor: with two, Pistache 0.0.5 looks each up in an empty map and
// throws.
class Driver::Poller final : public Pistache::Aio::Handler {
 public:
  explicit Poller(std::shared_ptr<Shard> shard)
      : shard_(std::move(shard)), timer_(make_timer()), buffer_(kReadBytesPerTurn) {}

  // Runs inside Reactor::addHandler.
  void registerPoller(Pistache::Polling::Epoll& poller) override {
    const auto readable = Pistache::Flags<NotifyOn>(NotifyOn::Read);
    poller.addFd(shard_->bell(), readable, tag_of(shard_->bell()));
    poller.addFd(timer_.get(), readable, tag_of(timer_.get()));
  }

  // Nothing may leave: an exception would end the process, a skipped event hang a client.
  void onReady(const Pistache::Aio::FdSet& events) override {
    shard_->read_clock();
    for (const auto& event : events) {
      const int fd = static_cast<int>(event.getTag().value());
      try {
        on_event(fd, event);
      } catch (const std::exception& fault) {
        log::error("http", "fault on a connection", {{"what", fault.what()}});
        if (const auto conn = find(fd)) conn->leave();
      }
    }
  }

  std::shared_ptr<Pistache::Aio::Handler> clone() const override {
    throw std::logic_error("a reactor's driver is not copied");
  }

  void listen(UniqueFd listener, Place place) {
    listener_ = std::move(listener);
    place_ = std::move(place);
    reactor()->registerFd(key(), listener_.get(), NotifyOn::Read);
  }

  void enter(Driver& driver) { shard_->enter(driver); }

  void adopt(UniqueFd socket, std::string peer) {
    const int fd = socket.get();
    const auto index = static_cast<std::size_t>(fd);
    try {
      if (index >= table_.size()) table_.resize(index + index / 2 + 64);
      table_[index] = std::make_shared<Conn>(shard_, fd, std::move(peer));
      socket.release();
    } catch (const std::exception&) {
      uncount();
      throw;
    }
    reactor()->registerFd(key(), fd, kInterest, Mode::Edge);
  }

  void close(Conn& conn) {
    const auto kept = remove(conn);
    ::close(conn.fd());
    conn.gone();
    uncount();
  }

  int detach(Conn& conn) {
    const auto kept = remove(conn);
    conn.gone();
    uncount();
    return conn.fd();
  }

  // MOD arms an edge anew, so that what is left unread is reported again.
  void watch(Conn& conn, Watch watch) {
    const auto interest = watch == Watch::read ? kInterest : kInterest | NotifyOn::Write;
    reactor()->modifyFd(key(), conn.fd(), interest, Mode::Edge);
  }

  void end() {
    shard_->close();
    listener_ = {};
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const auto conn = table_[i];
      if (!conn) continue;
      if (conn->owes_an_answer()) shard_->edge().cut_off.fetch_add(1);
      conn->leave();
    }
  }

 private:
  static constexpr NotifyOn kInterest = static_cast<NotifyOn>(static_cast<int>(NotifyOn::Read) |
                                                              static_cast<int>(NotifyOn::Shutdown));

  static Tag tag_of(int fd) { return Tag(static_cast<std::uint64_t>(fd)); }

  std::shared_ptr<Conn> find(int fd) const {
    const auto index = static_cast<std::size_t>(fd);
    return index < table_.size() ? table_[index] : nullptr;
  }

  void on_event(int fd, const Pistache::Aio::FdSet::Entry& event) {
    if (fd == shard_->bell()) {
      shard_->run_inbox();
      if (shard_->edge().draining.load()) stop_listening();
    } else if (fd == timer_.get()) {
      tick();
    } else if (fd == listener_.get()) {
      accept(kAcceptsPerTurn);
    } else if (const auto conn = find(fd)) {  // else closed earlier in this batch
      if (event.isWritable()) conn->writable();
      if ((event.isReadable() || event.isHangup() || !event.isWritable()) && find(fd) == conn) {
        read(*conn);
      }
    }
  }

  // At most one buffer of one connection in a turn. Until EAGAIN, because a short read is no proof
  // that no FIN came with it, and FdSet::Entry does not show the Shutdown flag.
  void read(Conn& conn) {
    if (!conn.wants_input()) return pause(conn);
    const int fd = conn.fd();
    std::size_t size = 0;
    bool ended = false;
    while (size < buffer_.size()) {
      const auto got = ::recv(fd, buffer_.data() + size, buffer_.size() - size, MSG_DONTWAIT);
      if (got > 0) {
        size += static_cast<std::size_t>(got);
        continue;
      }
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (got < 0) return conn.leave();
      ended = true;
      break;
    }
    if (size > 0) conn.input({buffer_.data(), size});
    const auto still = find(fd);
    if (still.get() != &conn) return;
    if (ended) {
      conn.end_of_input();
    } else if (size == buffer_.size()) {
      pause(conn);
    }
  }

  // Leaves the rest unread: for the next turn, or until the connection wants it. An end that is
  // there already would not be reported once more.
  void pause(Conn& conn) {
    conn.pause();
    if (conn.wants_input()) {
      conn.resume_if_paused();
    } else if (has_left(conn.fd())) {
      conn.end_of_input();
    }
  }

  void accept(int most) {
    auto& edge = shard_->edge();
    for (int i = 0; i < most; ++i) {
      sockaddr_storage address{};
      socklen_t length = sizeof address;
      UniqueFd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) rest();
        return;
      }
      if (edge.is_full(fd.get())) {
        edge.instruments.count_refusal(Refused::connections);
        continue;
      }
      is_short_ = false;
      edge.connections.fetch_add(1);
      edge.instruments.connections.add(1);
      auto& shard = place_();
      if (&shard == shard_.get()) {
        adopt(std::move(fd), address_text(address));
      } else {
        shard.post(
            {.kind = Shard::Item::Kind::adopt, .fd = std::move(fd), .peer = address_text(address)});
      }
    }
  }

  // No descriptors or no memory: the listener stays readable, so it is looked at again only with
  // the next tick.
  void rest() {
    if (!std::exchange(is_short_, true)) {
      log::warn("http", "cannot accept", {{"reason", std::strerror(errno)}});
    }
    reactor()->removeFd(key(), listener_.get());
    resting_ = true;
  }

  void stop_listening() {
    if (!listener_) return;
    // Who was let in by the kernel is served; closing the listener would reset them.
    if (!resting_) accept(std::numeric_limits<int>::max());
    if (!resting_) reactor()->removeFd(key(), listener_.get());
    listener_ = {};
    shard_->edge().listening = false;
    shard_->edge().announce();
  }

  void tick() {
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof expirations) < 0) return;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const auto conn = table_[i];
      if (!conn) continue;
      try {
        conn->tick();
      } catch (const std::exception& fault) {
        log::error("http", "fault on a connection", {{"what", fault.what()}});
        conn->leave();
      }
    }
    if (resting_ && listener_) {
      resting_ = false;
      reactor()->registerFd(key(), listener_.get(), NotifyOn::Read);
    }
  }

  // The table's reference, so that the connection outlives the call.
  std::shared_ptr<Conn> remove(Conn& conn) {
    try {
      reactor()->removeFd(key(), conn.fd());
    } catch (const std::exception& fault) {
      // Closing the descriptor takes it out of epoll in any case.
      log::error("http", "cannot remove a descriptor", {{"what", fault.what()}});
    }
    return std::exchange(table_[static_cast<std::size_t>(conn.fd())], nullptr);
  }

  void uncount() {
    auto& edge = shard_->edge();
    edge.instruments.connections.add(-1);
    if (edge.connections.fetch_sub(1) == 1) edge.announce();
  }

  const std::shared_ptr<Shard> shard_;
  const UniqueFd timer_;
  std::vector<char> buffer_;
  std::vector<std::shared_ptr<Conn>> table_;  // by descriptor
  UniqueFd listener_;
  Place place_;
  bool resting_ = false;
  bool is_short_ = false;  // of descriptors or memory, and said so
};

struct Driver::Impl {
  std::shared_ptr<Poller> poller;
  // The handler holds only a bare pointer to it.
  std::shared_ptr<Pistache::Aio::Reactor> reactor;
};

Driver::Driver(std::shared_ptr<Shard> shard) : impl_(std::make_unique<Impl>()) {
  impl_->poller = std::make_shared<Poller>(std::move(shard));
  impl_->reactor = Pistache::Aio::Reactor::create();
  impl_->reactor->init();
  impl_->reactor->addHandler(impl_->poller);
}

Driver::~Driver() = default;

void Driver::listen(UniqueFd listener, Place place) {
  impl_->poller->listen(std::move(listener), std::move(place));
}
void Driver::run() {
  impl_->poller->enter(*this);
  impl_->reactor->run();
  impl_->poller->end();
}
void Driver::stop() { impl_->reactor->shutdown(); }
void Driver::adopt(UniqueFd fd, std::string peer) {
  impl_->poller->adopt(std::move(fd), std::move(peer));
}
void Driver::close(Conn& conn) { impl_->poller->close(conn); }
int Driver::detach(Conn& conn) { return impl_->poller->detach(conn); }
void Driver::watch(Conn& conn, Watch watch) { impl_->poller->watch(conn, watch); }

}  // namespace gateway::http
