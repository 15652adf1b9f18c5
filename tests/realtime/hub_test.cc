// Socket.IO without sockets: who is connected, what they may say, rooms, acks, recovery. The state
// rules are those of socket.io 4.8 (packages/socket.io/lib/{client,socket,namespace}.ts of
// https://github.com/socketio/socket.io, read 2026-11-21).
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "gateway/base/log.h"
#include "gateway/realtime/hub.h"

namespace {

using namespace gateway::realtime;

// One engine session, as the hub sees it.
class Line final : public EngineConnection {
 public:
  Line(Hub& hub, const std::int64_t& now) : now_(now), handler(hub.open(*this, now)) {}
  const Handshake& handshake() const override { return handshake_; }
  bool send(std::span<const Frame> frames, Session::Delivery delivery) override {
    if (closed) return false;
    if (stalls && delivery == Session::Delivery::may_drop) return false;
    for (const auto& frame : frames) {
      if (!out_.empty()) out_.push_back(' ');
      out_.append(frame.is_binary ? "+" : "").append(*frame.bytes);
    }
    return true;
  }
  void close(Reason reason, Session::Flush) override {
    if (!closed) closed = reason;
  }

  std::int64_t now_ms() const override { return now_; }
  void wake() override {}

  void say(std::string_view message) { handler->on_message(false, message, now_); }
  void bytes(std::string_view message) { handler->on_message(true, message, now_); }
  // What the server does after a close.
  void end(Reason reason) {
    closed = reason;
    handler->on_closed(reason);
    handler = nullptr;
  }
  std::string take() { return std::exchange(out_, {}); }
  bool is_closed(Reason reason) const { return closed == reason; }

 private:
  const Handshake handshake_{"192.0.2.1", "https://shop.example"};
  const std::int64_t& now_;
  std::string out_;

 public:
  bool stalls = false;
  std::optional<Reason> closed;
  std::unique_ptr<EngineHandler> handler;
};

struct Fixture : App {
  Fixture() { gateway::log::set_level(gateway::log::Level::off); }

  void on_connect(ConnectRequest&& request, Connect&& connect) override {
    request_.emplace(std::move(request));
    if (defer) {
      pending.push_back(std::move(connect));
    } else if (refusal) {
      connect.refuse(*refusal);
    } else {
      connect.accept(permission);
    }
  }
  void on_connected(Socket& socket) override {
    socket_ = socket.shared_from_this();
    if (!greeting.empty()) socket.emit({greeting, ""});
  }
  void on_event(Socket& socket, Event&& event) override {
    events.append(event.name).append(event.arguments() > 0 ? event.argument(0).dump() : "");
    for (const auto& bytes : event.attachments) events.append("+").append(bytes);
    events.append(";");
    if (event.ack.is_wanted()) acks.push_back(std::move(event.ack));
    if (hears) hears(socket);
  }
  void on_disconnect(Socket& socket, Reason reason) override {
    ends.append(to_string(reason)).append(";");
    BOOST_TEST(socket.rooms().empty());
  }

  Hub& hub() {
    if (!hub_) {
      hub_ = std::make_unique<Hub>(
          options, *this, [](gateway::Task<void()> work) { work(); },
          [this] { return "id" + std::to_string(++ids_); });
    }
    return *hub_;
  }
  std::unique_ptr<Line> line() { return std::make_unique<Line>(hub(), now); }
  // Connected, with nothing to read.
  std::unique_ptr<Line> connected(std::vector<std::string> rooms = {}) {
    permission.rooms = std::move(rooms);
    auto made = line();
    made->say("0");
    made->take();
    return made;
  }
  void emit(std::vector<std::string> rooms, const Emission& emission, std::string except = {}) {
    hub().emit("/", rooms, hub().encode(emission), except);
  }

  std::int64_t now = 1000;
  HubOptions options;
  Permission permission;
  std::optional<Refusal> refusal;
  bool defer = false;
  std::string greeting;
  std::function<void(Socket&)> hears;
  std::vector<Connect> pending;
  std::vector<Ack> acks;
  std::string events;
  std::string ends;
  std::optional<ConnectRequest> request_;
  std::shared_ptr<Socket> socket_;
  int ids_ = 0;
  std::unique_ptr<Hub> hub_;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hub, Fixture)

// --- CONNECT.

BOOST_AUTO_TEST_CASE(a_connect_is_decided_by_the_application_and_answered_with_an_id) {
  greeting = "hello";
  auto client = line();
  client->say(R"(0{"token":"x"})");
  BOOST_TEST(request_->auth->root()["token"].text_or("") == "x");
  BOOST_TEST(request_->ip == "192.0.2.1");
  BOOST_TEST(request_->origin == "https://shop.example");
  BOOST_TEST(client->take() == R"(40{"sid":"id1"} 42["hello"])");
}

BOOST_AUTO_TEST_CASE(a_refusal_says_why_and_leaves_the_connection_open) {
  refusal = Refusal{"unauthorized", R"({"code":"AUTH_REQUIRED"})"};
  auto client = line();
  client->say("0");
  BOOST_TEST(client->take() == R"(44{"message":"unauthorized","data":{"code":"AUTH_REQUIRED"}})");
  BOOST_TEST(!client->closed);
  BOOST_TEST(ends == "");
  refusal.reset();
  client->say("0");
  BOOST_TEST(client->take() == R"(40{"sid":"id1"})");
}

BOOST_AUTO_TEST_CASE(three_refusals_close_the_connection) {
  refusal = Refusal{"unauthorized"};
  auto client = line();
  client->say("0");
  client->say("0/random,");
  BOOST_TEST(!client->closed);
  client->say("0");
  BOOST_TEST(client->is_closed(Reason::forced_close));
}

BOOST_AUTO_TEST_CASE(an_unknown_namespace_is_refused) {
  auto client = line();
  client->say("0/random");
  BOOST_TEST(client->take() == R"(44/random,{"message":"Invalid namespace"})");
  BOOST_TEST(!request_);
}

BOOST_AUTO_TEST_CASE(one_namespace_is_joined_once) {
  auto client = connected();
  client->say("0");
  BOOST_TEST(client->is_closed(Reason::parse_error));
}

BOOST_AUTO_TEST_CASE(only_one_attempt_may_wait_for_its_answer) {
  defer = true;
  auto client = line();
  client->say("0");
  BOOST_TEST(client->take() == "");
  client->say("0");
  BOOST_TEST(client->is_closed(Reason::parse_error));
  pending.front().accept({});
}

BOOST_AUTO_TEST_CASE(an_answer_may_come_later_and_for_a_client_that_is_gone) {
  defer = true;
  auto client = line();
  client->say("0");
  auto gone = line();
  gone->say("0");
  gone->end(Reason::transport_close);
  pending[1].accept({});
  pending[0].accept({});
  BOOST_TEST(client->take() == R"(40{"sid":"id1"})");
  BOOST_TEST(ends == "");
  BOOST_TEST(hub().sockets() == 1u);
}

BOOST_AUTO_TEST_CASE(a_connect_that_nobody_answers_is_refused) {
  defer = true;
  auto client = line();
  client->say("0");
  pending.clear();
  BOOST_TEST(client->take() == R"(44{"message":"Internal error"})");
}

BOOST_AUTO_TEST_CASE(who_joins_no_namespace_in_time_is_closed) {
  auto client = line();
  BOOST_TEST(client->handler->deadline() == 11'000);
  client->handler->tick(11'000);
  BOOST_TEST(client->is_closed(Reason::connect_timeout));
  auto other = connected();
  BOOST_TEST(other->handler->deadline() == INT64_MAX);
  other->say("1");
  BOOST_TEST(other->handler->deadline() == 11'000);
}

BOOST_AUTO_TEST_CASE(a_group_has_so_many_sockets) {
  options.limits.sockets_per_group = 2;
  permission.group = "business";
  auto a = connected();
  auto b = connected();
  auto c = line();
  c->say("0");
  BOOST_TEST(c->take() ==
             R"(44{"message":"Too many connections","data":{"code":"TOO_MANY_CONNECTIONS"}})");
  a->end(Reason::transport_close);
  c->say("0");
  BOOST_TEST(c->take() == R"(40{"sid":"id3"})");
}

// --- Events.

BOOST_AUTO_TEST_CASE(events_reach_the_application_and_acks_the_client) {
  auto client = connected();
  client->say(R"(2["a",{"x":1}])");
  client->say(R"(212["b",2])");
  BOOST_TEST(events == R"(a{"x":1};b2;)");
  BOOST_TEST_REQUIRE(acks.size() == 1u);
  acks[0].send(R"({"ok":true})");
  BOOST_TEST(client->take() == R"(4312[{"ok":true}])");
  acks[0].send("2");
  BOOST_TEST(client->take() == "");
}

BOOST_AUTO_TEST_CASE(an_ack_for_a_client_that_left_goes_nowhere) {
  auto client = connected();
  client->say(R"(21["a"])");
  client->say("1");
  acks[0].send("1");
  BOOST_TEST(client->take() == "");
}

BOOST_AUTO_TEST_CASE(binary_is_for_those_who_may_send_it) {
  permission.attachments = 1;
  auto agent = connected();
  agent->say(R"(51-["a",{"_placeholder":true,"num":0}])");
  agent->bytes("xyz");
  BOOST_TEST(events == R"(a{"_placeholder":true,"num":0}+xyz;)");
  permission.attachments = 0;
  auto visitor = connected();
  visitor->say(R"(51-["a",{"_placeholder":true,"num":0}])");
  visitor->bytes("xyz");
  BOOST_TEST(visitor->is_closed(Reason::parse_error));
}

BOOST_AUTO_TEST_CASE(what_may_not_come_now_closes_the_connection) {
  for (const char* message : {"2[\"a\"]", "1", "3[]", "4{\"message\":\"x\"}", "junk", "2{}"}) {
    auto client = line();
    client->say(message);
    BOOST_TEST(client->is_closed(Reason::parse_error), message);
  }
  auto client = connected();
  client->say("1");
  BOOST_TEST(ends == "client namespace disconnect;");
  BOOST_TEST(client->take() == "");
  BOOST_TEST(!client->closed);
  client->say(R"(2["a"])");
  BOOST_TEST(client->is_closed(Reason::parse_error));
  BOOST_TEST(events == "");
}

BOOST_AUTO_TEST_CASE(too_many_events_are_dropped_and_far_too_many_close_the_connection) {
  permission.events_per_second = 10;
  permission.event_burst = 3;
  auto client = connected();
  for (int i = 0; i < 3; ++i) client->say(R"(2["a"])");
  client->say(R"(25["a"])");
  BOOST_TEST(events == "a;a;a;");
  BOOST_TEST(
      client->take() ==
      R"(435[{"ok":false,"error":{"code":"RATE_LIMITED","message":"Too many events; slow down"}}])");
  now += 100;
  client->say(R"(2["b"])");
  BOOST_TEST(events == "a;a;a;b;");
  for (int i = 0; i < 29; ++i) client->say(R"(2["c"])");
  BOOST_TEST(!client->closed);
  client->say(R"(2["c"])");
  client->say(R"(2["c"])");
  BOOST_TEST(client->is_closed(Reason::too_fast));
  BOOST_TEST(events == "a;a;a;b;");
}

BOOST_AUTO_TEST_CASE(the_servers_own_acks_count_up_and_time_out) {
  auto client = connected();
  std::string got;
  const auto callback = [&](const sdk::json::Document* answer) {
    got.append(answer != nullptr ? answer->root().dump() : "none").append(";");
  };
  BOOST_TEST(socket_->emit_with_ack({"ask", "1"}, 500, callback));
  BOOST_TEST(socket_->emit_with_ack({"ask", "2"}, 800, callback));
  BOOST_TEST(client->take() == R"(420["ask",1] 421["ask",2])");
  client->say("37[0]");
  client->say(R"(31["yes"])");
  client->say(R"(31["again"])");
  BOOST_TEST(got == R"(["yes"];)");
  BOOST_TEST(client->handler->deadline() == 1500);
  client->handler->tick(1500);
  BOOST_TEST(got == R"(["yes"];none;)");
  socket_->emit_with_ack({"ask", "3"}, 500, callback);
  client->end(Reason::transport_close);
  BOOST_TEST(got == R"(["yes"];none;none;)");
}

BOOST_AUTO_TEST_CASE(a_socket_owes_so_many_acks) {
  options.limits.acks = 2;
  auto client = connected();
  const auto nothing = [](const sdk::json::Document*) {};
  BOOST_TEST(socket_->emit_with_ack({"a", ""}, 1, nothing));
  BOOST_TEST(socket_->emit_with_ack({"a", ""}, 1, nothing));
  BOOST_TEST(!socket_->emit_with_ack({"a", ""}, 1, nothing));
}

// --- Rooms.

BOOST_AUTO_TEST_CASE(a_room_hears_what_is_said_in_it_once) {
  auto a = connected({"one", "two"});
  auto b = connected({"one"});
  auto c = connected({"two"});
  auto d = connected({"three"});
  emit({"one", "two", "none"}, {"news", "1"});
  for (auto* each : {a.get(), b.get(), c.get()}) BOOST_TEST(each->take() == R"(42["news",1])");
  BOOST_TEST(d->take() == "");
  emit({"one"}, {"news", "2"}, socket_->id());
  BOOST_TEST(a->take() == R"(42["news",2])");
  emit({"one"}, {"news", "3"}, "id2");
  BOOST_TEST(b->take() == R"(42["news",2])");
}

BOOST_AUTO_TEST_CASE(what_is_said_to_many_is_encoded_once) {
  const auto parcel = hub().encode({"news", "1"});
  BOOST_TEST(parcel.frames.front().bytes.use_count() == 1);
  struct Keeper final : EngineConnection {
    const Handshake& handshake() const override { return shake; }
    bool send(std::span<const Frame> frames, Session::Delivery) override {
      kept.push_back(frames.front().bytes.get());
      return true;
    }
    void close(Reason, Session::Flush) override {}
    std::int64_t now_ms() const override { return 0; }
    void wake() override {}
    Handshake shake;
    std::vector<const std::string*> kept;
  } keeper;
  permission.rooms = {"one"};
  auto first = hub().open(keeper, 0);
  auto second = hub().open(keeper, 0);
  first->on_message(false, "0", 0);
  second->on_message(false, "0", 0);
  keeper.kept.clear();
  hub().emit("/", permission.rooms, parcel);
  BOOST_TEST(keeper.kept.size() == 2u);
  BOOST_TEST((keeper.kept[0] == keeper.kept[1] && keeper.kept[0] == parcel.frames[0].bytes.get()));
}

BOOST_AUTO_TEST_CASE(who_left_a_room_hears_it_no_more) {
  auto client = connected({"one"});
  socket_->leave("one");
  socket_->leave("one");
  emit({"one"}, {"news", "1"});
  BOOST_TEST(client->take() == "");
  socket_->join("one");
  BOOST_TEST(socket_->join("one"));
  emit({"one"}, {"news", "2"});
  BOOST_TEST(client->take() == R"(42["news",2])");
  client->end(Reason::ping_timeout);
  BOOST_TEST(ends == "ping timeout;");
  BOOST_TEST(hub().members("/", "one").empty());
  BOOST_TEST(hub().sockets() == 0u);
}

BOOST_AUTO_TEST_CASE(a_socket_is_in_so_many_rooms) {
  permission.max_rooms = 2;
  auto client = connected({"one"});
  BOOST_TEST(socket_->join("two"));
  BOOST_TEST(!socket_->join("three"));
  BOOST_TEST(socket_->join("two"));
  socket_->leave("one");
  BOOST_TEST(socket_->join("three"));
}

BOOST_AUTO_TEST_CASE(namespaces_have_rooms_of_their_own) {
  options.namespaces = {"/", "/desk"};
  permission.rooms = {"one"};
  auto client = line();
  client->say("0");
  client->say("0/desk,");
  BOOST_TEST(client->take() == R"(40{"sid":"id1"} 40/desk,{"sid":"id2"})");
  emit({"one"}, {"news", "1"});
  BOOST_TEST(client->take() == R"(42["news",1])");
  hub().emit("/desk", permission.rooms,
             hub().encode({.event = "news", .arguments = "2", .nsp = "/desk"}));
  BOOST_TEST(client->take() == R"(42/desk,["news",2])");
  client->say("1/desk,");
  client->say(R"(2["a"])");
  BOOST_TEST(events == "a;");
}

BOOST_AUTO_TEST_CASE(volatile_news_is_not_kept_for_who_is_behind) {
  auto client = connected({"one"});
  client->stalls = true;
  emit({"one"}, {.event = "typing", .arguments = "1", .is_volatile = true});
  BOOST_TEST(client->take() == "");
  emit({"one"}, {"news", "1"});
  BOOST_TEST(client->take() == R"(42["news",1])");
}

// --- Ends.

BOOST_AUTO_TEST_CASE(a_client_that_is_put_out_hears_it_and_keeps_its_connection) {
  auto client = connected({"one"});
  socket_->disconnect(Disconnect::leave_namespace, Reason::server_leave);
  BOOST_TEST(client->take() == "41");
  BOOST_TEST(!client->closed);
  BOOST_TEST(ends == "server namespace disconnect;");
}

BOOST_AUTO_TEST_CASE(a_client_is_put_out_from_inside_its_own_event) {
  auto client = connected({"one"});
  hears = [](Socket& socket) {
    socket.disconnect(Disconnect::leave_namespace, Reason::server_leave);
  };
  client->say(R"(21["a"])");
  acks[0].send("1");
  BOOST_TEST(client->take() == "41");
}

BOOST_AUTO_TEST_CASE(a_permission_that_ends_closes_the_transport) {
  permission.lifetime_ms = 5000;
  auto client = connected();
  BOOST_TEST(client->handler->deadline() == 6000);
  client->handler->tick(6000);
  BOOST_TEST(client->is_closed(Reason::expired));
  BOOST_TEST(client->take() == "");
  auto other = connected();
  socket_->set_lifetime(std::nullopt);
  BOOST_TEST(other->handler->deadline() == INT64_MAX);
}

BOOST_AUTO_TEST_CASE(only_who_left_on_purpose_may_not_take_up_again) {
  BOOST_TEST(!is_recoverable(Reason::client_leave));
  BOOST_TEST(!is_recoverable(Reason::server_leave));
  BOOST_TEST(is_recoverable(Reason::transport_close));
  BOOST_TEST(is_recoverable(Reason::transport_error));
  BOOST_TEST(is_recoverable(Reason::ping_timeout));
  BOOST_TEST(is_recoverable(Reason::forced_close));
  BOOST_TEST(is_recoverable(Reason::shutting_down));
  BOOST_TEST(is_recoverable(Reason::too_slow));
}

// --- Recovery.

BOOST_AUTO_TEST_CASE(without_recovery_nobody_hears_of_it) {
  auto client = line();
  client->say(R"(0{"pid":"p","offset":"7"})");
  BOOST_TEST(request_->pid == "");
  BOOST_TEST(client->take() == R"(40{"sid":"id1"})");
  permission.rooms = {"one"};
  auto other = connected({"one"});
  emit({"one"}, {.event = "news", .arguments = "1", .offset = "8"});
  BOOST_TEST(other->take() == R"(42["news",1])");
}

BOOST_AUTO_TEST_CASE(with_recovery_events_of_the_log_end_with_their_offset) {
  options.recovery = true;
  permission.rooms = {"one"};
  auto client = line();
  client->say("0");
  BOOST_TEST(client->take() == R"(40{"sid":"id1","pid":"id2"})");
  emit({"one"}, {.event = "news", .arguments = "1", .offset = "8"});
  emit({"one"}, {.event = "typing", .arguments = "{}"});
  BOOST_TEST(client->take() == R"(42["news",1,"8"] 42["typing",{}])");
}

BOOST_AUTO_TEST_CASE(what_is_said_out_of_turn_ends_with_the_place_to_take_up_from) {
  options.recovery = true;
  permission.rooms = {"one"};
  auto client = line();
  client->say("0");
  client->take();
  emit({"one"}, {.event = "news", .arguments = "1", .offset = "7", .resume = "9"});
  BOOST_TEST(client->take() == R"(42["news",1,"9"])");
}

BOOST_AUTO_TEST_CASE(who_takes_up_again_without_an_id_of_before_gets_a_new_one) {
  options.recovery = true;
  permission.recovered = Permission::Recovered{"", "old-pid"};
  auto client = line();
  client->say(R"(0{"pid":"old-pid","offset":"7"})");
  BOOST_TEST(client->take() == R"(40{"sid":"id1","pid":"old-pid"})");
}

BOOST_AUTO_TEST_CASE(what_was_missed_comes_before_the_answer_with_the_ids_of_before) {
  options.recovery = true;
  permission.recovered = Permission::Recovered{"old-id", "old-pid"};
  permission.missed = {{.event = "news", .arguments = "1", .offset = "8"},
                       {.event = "news", .arguments = "2", .offset = "9"}};
  auto client = line();
  client->say(R"(0{"pid":"old-pid","offset":"7","token":"x"})");
  BOOST_TEST(request_->pid == "old-pid");
  BOOST_TEST(request_->offset == "7");
  BOOST_TEST(client->take() == R"(42["news",1,"8"] 42["news",2,"9"] )"
                               R"(40{"sid":"old-id","pid":"old-pid"})");
}

BOOST_AUTO_TEST_CASE(what_is_said_while_the_log_is_read_is_neither_lost_nor_doubled) {
  options.recovery = true;
  defer = true;
  auto client = line();
  client->say(R"(0{"pid":"old-pid","offset":"7"})");
  pending[0].listen({"one", "secret"});
  emit({"one"}, {.event = "news", .arguments = "1", .offset = "8"});
  emit({"one"}, {.event = "news", .arguments = "2", .offset = "9"});
  emit({"one"}, {.event = "typing", .arguments = "{}", .is_volatile = true});
  BOOST_TEST(client->take() == "");
  Permission answer;
  answer.rooms = {"one"};
  answer.recovered = Permission::Recovered{"old-id", "old-pid"};
  answer.missed = {{.event = "news", .arguments = "1", .offset = "8"}};
  pending[0].accept(answer);
  BOOST_TEST(client->take() == R"(42["news",1,"8"] 40{"sid":"old-id","pid":"old-pid"} )"
                               R"(42["news",2,"9"])");
  BOOST_TEST(!socket_->is_in("secret"));
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_decision_is_bounded) {
  options.limits.pending_packets = 3;
  defer = true;
  auto client = line();
  client->say("0");
  pending[0].listen({"one"});
  for (int i = 0; i < 3; ++i) emit({"one"}, {"news", "1"});
  BOOST_TEST(!client->closed);
  emit({"one"}, {"news", "1"});
  BOOST_TEST(client->is_closed(Reason::too_slow));
  client->end(Reason::too_slow);
}

BOOST_AUTO_TEST_CASE(a_client_that_comes_back_takes_the_place_of_its_old_connection) {
  options.recovery = true;
  auto before = connected({"one"});
  const std::string id = socket_->id();
  permission.recovered = Permission::Recovered{id, socket_->pid()};
  auto after = line();
  after->say("0");
  BOOST_TEST(before->is_closed(Reason::transport_close));
  BOOST_TEST(ends == "transport close;");
  BOOST_TEST((hub().find(id) == socket_));
  after->take();
  emit({"one"}, {"news", "1"});
  BOOST_TEST(after->take() == R"(42["news",1])");
  before->end(Reason::transport_close);
  BOOST_TEST((hub().find(id) == socket_));
}

BOOST_AUTO_TEST_SUITE_END()
