#include "gateway/realtime/hub.h"

#include <algorithm>
#include <utility>

#include "gateway/base/log.h"

namespace gateway::realtime {

namespace {

constexpr double kBorne = 10;  // times the rate, until the connection is closed

const Refusal kInvalidNamespace{"Invalid namespace"};
const Refusal kUnanswered{"Internal error"};
const Refusal kGroupIsFull{"Too many connections", R"({"code":"TOO_MANY_CONNECTIONS"})"};
constexpr std::string_view kTooFast =
    R"({"ok":false,"error":{"code":"RATE_LIMITED","message":"Too many events; slow down"}})";

std::string json_of(const Refusal& refusal) {
  sdk::json::Writer out;
  out.object().member("message", refusal.message);
  if (!refusal.data.empty()) out.key("data").raw(refusal.data);
  return out.end().take();
}

std::size_t bytes_of(const Parcel& parcel) {
  std::size_t bytes = 0;
  for (const auto& frame : parcel.frames) bytes += frame.bytes->size();
  return bytes;
}

}  // namespace

Connect& Connect::operator=(Connect&& other) noexcept {
  if (this != &other) {
    const Connect previous(std::move(*this));
    hub_ = std::exchange(other.hub_, nullptr);
    socket_ = std::move(other.socket_);
  }
  return *this;
}

Connect::~Connect() {
  if (hub_ == nullptr || socket_.expired()) return;
  log::error("realtime", "a CONNECT was dropped by its handler");
  refuse(kUnanswered);
}

void Connect::listen(std::vector<std::string> rooms) {
  if (hub_ == nullptr || socket_.expired()) return;
  hub_->on_loop_([socket = socket_, rooms = std::move(rooms)] {
    if (const auto self = socket.lock()) self->listen(rooms);
  });
}

void Connect::accept(Permission permission) {
  Hub* hub = std::exchange(hub_, nullptr);
  if (hub == nullptr || socket_.expired()) return;
  hub->on_loop_([socket = std::move(socket_), permission = std::move(permission)]() mutable {
    if (const auto self = socket.lock()) self->accept(std::move(permission));
  });
}

void Connect::refuse(Refusal refusal) {
  Hub* hub = std::exchange(hub_, nullptr);
  if (hub == nullptr || socket_.expired()) return;
  hub->on_loop_([socket = std::move(socket_), refusal = std::move(refusal)] {
    if (const auto self = socket.lock()) self->refuse(refusal);
  });
}

void Ack::send(std::string arguments, std::vector<std::string> attachments) {
  Hub* hub = std::exchange(hub_, nullptr);
  if (hub == nullptr || socket_.expired()) return;
  hub->on_loop_([socket = std::move(socket_), id = id_, arguments = std::move(arguments),
                 attachments = std::move(attachments)] {
    const auto self = socket.lock();
    if (self && self->is_connected()) {
      self->send(ack_frames(self->nsp(), id, arguments, attachments), false);
    }
  });
}

Hub::Hub(HubOptions options, App& app, OnLoop on_loop, NewId new_id)
    : options_(std::move(options)),
      app_(app),
      on_loop_(std::move(on_loop)),
      new_id_(std::move(new_id)) {
  // Sockets point into it: it does not grow later.
  namespaces_.reserve(options_.namespaces.size());
  for (const auto& name : options_.namespaces) namespaces_.push_back({name, {}});
}

std::unique_ptr<EngineHandler> Hub::open(EngineConnection& connection, std::int64_t now_ms) {
  return std::make_unique<Client>(*this, connection, now_ms);
}

Parcel Hub::encode(const Emission& emission) const {
  std::string arguments = emission.arguments;
  if (options_.recovery && !emission.offset.empty()) {
    sdk::json::Writer offset;
    if (!arguments.empty()) arguments.append(",");
    const auto& quoted = emission.resume.empty() ? emission.offset : emission.resume;
    arguments.append(offset.value(quoted).take());
  }
  return {event_frames(emission.nsp, emission.event, arguments, std::nullopt, emission.attachments),
          emission.is_volatile, emission.offset};
}

void Hub::emit(const std::string& nsp, std::span<const std::string> rooms, const Parcel& parcel,
               std::string_view except) {
  ++round_;
  for (const auto& name : rooms) {
    const Room* room = find_room(nsp, name);
    if (room == nullptr) continue;
    for (Socket* socket : room->members) {
      if (std::exchange(socket->round_, round_) == round_) continue;
      if (!except.empty() && socket->id_ == except) continue;
      socket->deliver(parcel);
    }
  }
}

std::shared_ptr<Socket> Hub::find(const std::string& id) const {
  const auto found = sockets_.find(id);
  return found == sockets_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Socket>> Hub::members(const std::string& nsp,
                                                  const std::string& room) const {
  std::vector<std::shared_ptr<Socket>> members;
  if (const Room* found = find_room(nsp, room)) {
    for (Socket* socket : found->members) members.push_back(socket->shared_from_this());
  }
  return members;
}

Hub::Namespace* Hub::find_namespace(std::string_view name) {
  const auto found = std::find_if(namespaces_.begin(), namespaces_.end(),
                                  [&](const Namespace& nsp) { return nsp.name == name; });
  return found == namespaces_.end() ? nullptr : &*found;
}

const Hub::Room* Hub::find_room(const std::string& nsp, const std::string& room) const {
  for (const auto& each : namespaces_) {
    if (each.name != nsp) continue;
    const auto found = each.rooms.find(room);
    return found == each.rooms.end() ? nullptr : found->second.get();
  }
  return nullptr;
}

bool Socket::Bucket::take(double rate, double burst, std::int64_t now_ms) {
  const auto passed = static_cast<double>(std::max<std::int64_t>(now_ms - filled_ms, 0));
  tokens = std::min(burst, tokens + passed * rate / 1000);
  filled_ms = now_ms;
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

Socket::Socket(Hub& hub, Client& client, Hub::Namespace& nsp, const Handshake& handshake)
    : hub_(hub), client_(&client), namespace_(nsp), handshake_(handshake) {}

bool Socket::join(const std::string& room) {
  if (state_ == State::gone) return false;
  if (is_in(room)) return true;
  if (state_ == State::connected && rooms_.size() >= max_rooms_) return false;
  auto& entry = namespace_.rooms[room];
  if (!entry) entry = std::make_unique<Hub::Room>(Hub::Room{room, {}});
  entry->members.push_back(this);
  rooms_.push_back(entry.get());
  return true;
}

void Socket::leave(std::string_view room) {
  const auto found = std::find_if(rooms_.begin(), rooms_.end(),
                                  [&](const Hub::Room* each) { return each->name == room; });
  if (found == rooms_.end()) return;
  Hub::Room* left = *found;
  rooms_.erase(found);
  auto& members = left->members;
  const auto place = std::find(members.begin(), members.end(), this);
  *place = members.back();
  members.pop_back();
  if (members.empty()) namespace_.rooms.erase(std::string(left->name));
}

void Socket::leave_rooms() {
  while (!rooms_.empty()) leave(rooms_.back()->name);
}

bool Socket::is_in(std::string_view room) const {
  return std::any_of(rooms_.begin(), rooms_.end(),
                     [&](const Hub::Room* each) { return each->name == room; });
}

std::vector<std::string> Socket::rooms() const {
  std::vector<std::string> names;
  for (const auto* room : rooms_) names.push_back(room->name);
  return names;
}

void Socket::emit(const Emission& emission) {
  Emission own = emission;
  own.nsp = namespace_.name;
  deliver(hub_.encode(own));
}

bool Socket::emit_with_ack(const Emission& emission, std::int64_t timeout_ms,
                           AckCallback callback) {
  if (state_ != State::connected || acks_.size() >= hub_.options_.limits.acks) return false;
  const std::uint64_t id = next_ack_++;
  acks_.push_back({id, client_->connection_.now_ms() + timeout_ms, std::move(callback)});
  send(event_frames(namespace_.name, emission.event, emission.arguments, id, emission.attachments),
       false);
  client_->connection_.wake();
  return true;
}

void Socket::deliver(const Parcel& parcel) {
  switch (state_) {
    case State::connected:
      return send(parcel.frames, parcel.is_volatile);
    case State::connecting: {
      if (parcel.is_volatile) return;
      waiting_bytes_ += bytes_of(parcel);
      const auto& limits = hub_.options_.limits;
      if (waiting_.size() >= limits.pending_packets || waiting_bytes_ > limits.pending_bytes) {
        return client_->fail(Reason::too_slow);
      }
      waiting_.push_back(parcel);
      return;
    }
    case State::gone:
      return;
  }
}

void Socket::send(std::span<const Frame> frames, bool is_volatile) {
  if (client_ == nullptr) return;
  client_->connection_.send(frames,
                            is_volatile ? Session::Delivery::may_drop : Session::Delivery::must);
}

void Socket::disconnect(Disconnect how, Reason reason) {
  if (state_ == State::gone) return;
  if (how == Disconnect::close_transport) {
    client_->connection_.close(reason, Session::Flush::yes);
    return;
  }
  const auto self = shared_from_this();
  const Frame frame = disconnect_frame(namespace_.name);
  send(std::span(&frame, 1), false);
  client_->remove(*this);
  end(reason);
}

void Socket::set_lifetime(std::optional<std::int64_t> lifetime_ms) {
  if (client_ == nullptr) return;
  expires_ms_ = lifetime_ms ? client_->connection_.now_ms() + *lifetime_ms : INT64_MAX;
  client_->connection_.wake();
}

void Socket::listen(const std::vector<std::string>& rooms) {
  if (state_ != State::connecting) return;
  for (const auto& room : rooms) join(room);
}

void Socket::accept(Permission permission) {
  if (state_ != State::connecting) return;
  if (!permission.group.empty()) {
    auto& count = hub_.groups_[permission.group];
    if (count >= hub_.options_.limits.sockets_per_group) return refuse(kGroupIsFull);
    ++count;
    group_ = std::move(permission.group);
  }
  const auto self = shared_from_this();
  if (permission.recovered) {
    id_ = permission.recovered->id.empty() ? hub_.new_id_() : std::move(permission.recovered->id);
    pid_ = std::move(permission.recovered->pid);
    // The connection it had before may not have been noticed to be gone.
    if (const auto before = hub_.find(id_)) {
      before->client_->connection_.close(Reason::transport_close, Session::Flush::no);
      before->client_->remove(*before);
      before->end(Reason::transport_close);
    }
  } else {
    id_ = hub_.new_id_();
    if (hub_.options_.recovery) pid_ = hub_.new_id_();
  }
  context_ = std::move(permission.context);
  attachments_ = permission.attachments;
  rate_ = permission.events_per_second;
  burst_ = permission.event_burst;
  const std::int64_t now = client_->connection_.now_ms();
  served_ = {burst_, now};
  borne_ = {burst_ * kBorne, now};
  set_lifetime(permission.lifetime_ms);
  // What it listened to while it was undecided, and may not.
  for (const auto& room : rooms()) {
    const auto& allowed = permission.rooms;
    if (std::find(allowed.begin(), allowed.end(), room) == allowed.end()) leave(room);
  }
  for (const auto& room : permission.rooms) join(room);
  max_rooms_ = std::max(permission.max_rooms, rooms_.size());
  state_ = State::connected;
  hub_.sockets_[id_] = self;
  client_->failures_ = 0;

  for (auto& emission : permission.missed) {
    emission.nsp = namespace_.name;
    send(hub_.encode(emission).frames, false);
  }
  sdk::json::Writer reply;
  reply.object().member("sid", id_);
  if (!pid_.empty()) reply.member("pid", pid_);
  const Frame frame = connect_frame(namespace_.name, reply.end().take());
  send(std::span(&frame, 1), false);
  for (const auto& parcel : std::exchange(waiting_, {})) {
    const bool was_missed =
        !parcel.offset.empty() &&
        std::any_of(permission.missed.begin(), permission.missed.end(),
                    [&](const Emission& missed) { return missed.offset == parcel.offset; });
    if (!was_missed) send(parcel.frames, parcel.is_volatile);
  }
  hub_.app_.on_connected(*this);
}

void Socket::refuse(const Refusal& refusal) {
  if (state_ != State::connecting) return;
  const auto self = shared_from_this();
  Client& client = *client_;
  client.remove(*this);
  end(Reason::server_leave);
  client.refuse(namespace_.name, refusal);
}

void Socket::end(Reason reason) {
  if (state_ == State::gone) return;
  const bool was_connected = std::exchange(state_, State::gone) == State::connected;
  leave_rooms();
  waiting_ = {};
  client_ = nullptr;
  if (!group_.empty()) {
    const auto group = hub_.groups_.find(group_);
    if (--group->second == 0) hub_.groups_.erase(group);
  }
  for (const auto& ack : std::exchange(acks_, {})) ack.callback(nullptr);
  if (!was_connected) return;
  hub_.sockets_.erase(id_);
  hub_.app_.on_disconnect(*this, reason);
}

void Socket::on_ack(std::uint64_t id, const sdk::json::Document& answer) {
  const auto found =
      std::find_if(acks_.begin(), acks_.end(), [id](const Pending& ack) { return ack.id == id; });
  // One that came too late, or was invented.
  if (found == acks_.end()) return;
  const auto callback = std::move(found->callback);
  acks_.erase(found);
  callback(&answer);
}

void Socket::tick(std::int64_t now_ms) {
  if (now_ms >= expires_ms_) {
    expires_ms_ = INT64_MAX;
    return disconnect(Disconnect::close_transport, Reason::expired);
  }
  std::vector<AckCallback> late;
  std::erase_if(acks_, [&](Pending& ack) {
    if (now_ms < ack.deadline_ms) return false;
    late.push_back(std::move(ack.callback));
    return true;
  });
  for (const auto& callback : late) callback(nullptr);
}

std::int64_t Socket::deadline() const {
  std::int64_t first = expires_ms_;
  for (const auto& ack : acks_) first = std::min(first, ack.deadline_ms);
  return first;
}

Client::Client(Hub& hub, EngineConnection& connection, std::int64_t now_ms)
    : hub_(hub),
      connection_(connection),
      decoder_(hub.options_.limits.codec),
      connect_deadline_ms_(now_ms + hub.options_.limits.connect_timeout_ms) {}

Client::~Client() {
  // The server ends without having closed everybody.
  for (const auto& socket : std::exchange(sockets_, {})) socket->end(Reason::shutting_down);
}

void Client::on_message(bool is_binary, std::string_view data, std::int64_t now_ms) {
  if (is_failed_) return;
  now_ms_ = now_ms;
  switch (is_binary ? decoder_.binary(data) : decoder_.text(data)) {
    case SocketDecoder::Step::packet:
      return on_packet(decoder_.take());
    case SocketDecoder::Step::more:
      return;
    case SocketDecoder::Step::failed:
      return fail(Reason::parse_error);
  }
}

void Client::on_packet(SocketPacket packet) {
  if (packet.type == SocketPacketType::connect) return on_connect(std::move(packet));
  const auto socket = find(packet.nsp);
  if (!socket || !socket->is_connected()) return fail(Reason::parse_error);
  switch (packet.type) {
    case SocketPacketType::event:
      return on_event(socket, std::move(packet));
    case SocketPacketType::ack:
      if (packet.id) socket->on_ack(*packet.id, *packet.data);
      return;
    case SocketPacketType::disconnect:
      remove(*socket);
      return socket->end(Reason::client_leave);
    case SocketPacketType::connect:
    case SocketPacketType::connect_error:
      return;
  }
}

void Client::on_connect(SocketPacket packet) {
  if (find(packet.nsp)) return fail(Reason::parse_error);
  auto* const nsp = hub_.find_namespace(packet.nsp);
  if (nsp == nullptr) return refuse(packet.nsp, kInvalidNamespace);
  const auto& handshake = connection_.handshake();
  const auto socket = std::make_shared<Socket>(hub_, *this, *nsp, handshake);
  sockets_.push_back(socket);
  ConnectRequest request{
      std::move(packet.nsp), std::move(packet.data), handshake.ip, handshake.origin, {}, {}};
  if (hub_.options_.recovery && request.auth) {
    const auto auth = request.auth->root();
    request.pid = auth["pid"].text_or({});
    request.offset = auth["offset"].text_or({});
  }
  connect_deadline_ms_ = INT64_MAX;
  hub_.app_.on_connect(std::move(request), Connect(hub_, socket));
}

void Client::on_event(const std::shared_ptr<Socket>& socket, SocketPacket packet) {
  if (packet.attachments.size() > socket->attachments_) return fail(Reason::parse_error);
  if (!socket->served_.take(socket->rate_, socket->burst_, now_ms_)) {
    if (!socket->borne_.take(socket->rate_ * kBorne, socket->burst_ * kBorne, now_ms_)) {
      return fail(Reason::too_fast);
    }
    if (packet.id) socket->send(ack_frames(packet.nsp, *packet.id, kTooFast), false);
    return;
  }
  const auto name = packet.data->root().at(0);
  Event event{std::string(name.digits().value_or(std::string_view())),
              *std::move(packet.data),
              std::move(packet.attachments),
              {}};
  if (packet.id) event.ack = Ack(hub_, socket, *packet.id);
  hub_.app_.on_event(*socket, std::move(event));
}

std::shared_ptr<Socket> Client::find(std::string_view nsp) const {
  for (const auto& socket : sockets_) {
    if (socket->nsp() == nsp) return socket;
  }
  return nullptr;
}

void Client::remove(const Socket& socket) {
  std::erase_if(sockets_, [&](const auto& each) { return each.get() == &socket; });
  if (sockets_.empty()) {
    connect_deadline_ms_ = connection_.now_ms() + hub_.options_.limits.connect_timeout_ms;
    connection_.wake();
  }
}

void Client::refuse(const std::string& nsp, const Refusal& refusal) {
  const Frame frame = connect_error_frame(nsp, json_of(refusal));
  connection_.send(std::span(&frame, 1), Session::Delivery::must);
  if (++failures_ < hub_.options_.limits.connect_failures) return;
  is_failed_ = true;
  connection_.close(Reason::forced_close, Session::Flush::yes);
}

void Client::fail(Reason reason) {
  is_failed_ = true;
  connection_.close(reason, Session::Flush::no);
}

void Client::on_closed(Reason reason) {
  is_failed_ = true;
  for (const auto& socket : std::exchange(sockets_, {})) socket->end(reason);
}

void Client::tick(std::int64_t now_ms) {
  if (now_ms >= connect_deadline_ms_) {
    connect_deadline_ms_ = INT64_MAX;
    return connection_.close(Reason::connect_timeout, Session::Flush::yes);
  }
  // A callback may end sockets.
  const auto sockets = sockets_;
  for (const auto& socket : sockets) socket->tick(now_ms);
}

std::int64_t Client::deadline() const {
  std::int64_t first = connect_deadline_ms_;
  for (const auto& socket : sockets_) first = std::min(first, socket->deadline());
  return first;
}

}  // namespace gateway::realtime
