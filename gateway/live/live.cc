#include "gateway/live/live.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/base/log.h"
#include "gateway/outbound/pass_on.h"
#include "gateway/store/conversations.h"
#include "gateway/store/signals.h"
#include "gateway/store/visitors.h"

namespace gateway::live {
namespace {

using realtime::Emission;
using sdk::json::Writer;

constexpr std::int64_t kRenewMs = 30'000;
constexpr std::chrono::milliseconds kArmPatience{3'000};
constexpr std::chrono::milliseconds kPlacePatience{2'000};
constexpr std::size_t kMaxPid = 64;
constexpr std::size_t kTypingRemembered = 10'000;
// Tokens that are asked about at once, and at most in a second.
constexpr std::size_t kTokensAtOnce = 1'000;
constexpr std::size_t kTokensASecond = 10'000;
// A revocation is dated by the beginning of its transaction, and a socket may have been admitted
// while that was open.
constexpr int kRevocationSlackS = 60;

realtime::ServerOptions with_recovery(realtime::ServerOptions options) {
  options.hub.recovery = true;
  return options;
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPid &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '-' || c == '_';
         });
}

// Worth nothing late.
bool is_fleeting(std::string_view event) { return event == "typing"; }

// The client hears of an event it has missed, of which those between have been said here, or never
// will be, or are in `said.open`.
void hear(Heard& heard, Offset offset, const Place& said) {
  const auto last = heard.place.last;
  const auto from = std::upper_bound(said.open.begin(), said.open.end(), last);
  const auto to = std::lower_bound(from, said.open.end(), offset.seq);
  heard.place.open.insert(heard.place.open.end(), from, to);
  heard.place.add(offset.seq);
  heard.at = offset;
}

std::string failure(std::string_view code, std::string_view message, std::string_view field = {}) {
  Writer out;
  out.object()
      .member("ok", false)
      .key("error")
      .object()
      .member("code", code)
      .member("message", message);
  if (!field.empty()) out.member("field", field);
  out.end().end();
  return out.take();
}

std::string success(std::string_view name = {}, std::string_view json = {}) {
  Writer out;
  out.object().member("ok", true);
  if (!name.empty()) out.key(name).raw(json);
  out.end();
  return out.take();
}

std::string_view code_of(Errc code) {
  switch (code) {
    case Errc::not_found:
      return "NOT_FOUND";
    case Errc::unauthorized:
      return "TOKEN_INVALID";
    case Errc::conflict:
      return "CONFLICT";
    case Errc::forbidden:
      return "FORBIDDEN";
    default:
      return "INVALID";
  }
}

}  // namespace

// Who is here, by business: others' events are not told, and without anybody the log is not read.
struct Live::Census {
  std::mutex mutex;
  std::size_t seats = 0;
  std::map<domain::BusinessId, std::size_t> businesses;

  bool is_empty() {
    const std::lock_guard lock(mutex);
    return seats == 0;
  }
  bool has(domain::BusinessId business) {
    const std::lock_guard lock(mutex);
    return businesses.contains(business);
  }
};

class Live::Seat {
 public:
  explicit Seat(std::shared_ptr<Census> census) : census_(std::move(census)) {
    const std::lock_guard lock(census_->mutex);
    ++census_->seats;
  }
  ~Seat() {
    const std::lock_guard lock(census_->mutex);
    --census_->seats;
    if (!business_) return;
    const auto at = census_->businesses.find(*business_);
    if (--at->second == 0) census_->businesses.erase(at);
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  // Once.
  void take(domain::BusinessId business) {
    const std::lock_guard lock(census_->mutex);
    ++census_->businesses[business];
    business_ = business;
  }

 private:
  const std::shared_ptr<Census> census_;
  std::optional<domain::BusinessId> business_;
};

// Loop's thread, except `principal`, which nobody changes.
struct Live::Guest {
  std::unique_ptr<Seat> seat;
  std::shared_ptr<const Principal> principal;
  std::optional<visitors::OpenedSession> session;
  std::set<domain::ConversationId> visible;  // has been looked up
  std::map<domain::ConversationId, std::int64_t> typed_ms;
};

struct Live::Asked {
  std::string socket;
  std::shared_ptr<const Principal> principal;
  std::string name;
  sdk::json::Document data;
  std::optional<domain::ConversationId> conversation;  // named by the client
  bool is_visible = false;                             // and known to be theirs
  realtime::Ack ack;

  sdk::json::Value argument() const { return data.root().at(1); }
};

Live::Live(LiveOptions options, LiveContext context)
    : options_(std::move(options)),
      context_(std::move(context)),
      admit_context_{context_.tokens, context_.visitor_tokens, context_.throttle, context_.visitors,
                     context_.clock},
      tell_context_{context_.media_urls, context_.clock, context_.agent_message},
      server_(with_recovery(options_.server), *this, context_.metrics),
      feed_({.session = options_.session, .node = options_.node}, context_.clock, context_.metrics,
            {.is_wanted = [this] { return !census_->is_empty(); },
             .on_events =
                 [this](store::Session& db, std::span<const store::LiveEvent> events) {
                   return tell(db, events);
                 },
             .on_signal = [this](std::string_view signal) { heard(signal); },
             .on_look = [this](store::Session& db) { look(db); }}),
      census_(std::make_shared<Census>()) {}

Live::~Live() = default;

Result<> Live::start() {
  auto session = options_.session;
  session.application_name += " worker";
  // What a visitor writes or reads here is heard by everybody.
  session.committed = [this] { ring(); };
  workers_ = std::make_unique<store::Workers>("live", options_.workers, options_.queued, session);
  if (auto started = feed_.start(); !started) return started;
  server_.start();
  return {};
}

void Live::stop(std::chrono::milliseconds spread) {
  std::unique_ptr<store::Workers> stopped;
  server_.stop(spread);
  {
    const std::unique_lock lock(workers_mutex_);
    stopped = std::move(workers_);
  }
  stopped.reset();
  feed_.stop();
}

bool Live::post(Work work) {
  const std::shared_lock lock(workers_mutex_);
  return workers_ && workers_->post(std::move(work));
}

// Connecting -------------------------------------------------------------------------------------

void Live::on_connect(realtime::ConnectRequest&& request, realtime::Connect&& connect) {
  // Held by pointer, so that a full queue leaves the connect to be answered here.
  auto held = std::make_shared<realtime::Connect>(std::move(connect));
  auto asked = std::make_shared<realtime::ConnectRequest>(std::move(request));
  if (!post(
          [this, asked, held, seat = std::make_unique<Seat>(census_)](store::Session& db) mutable {
            decide(db, std::move(*asked), std::move(*held), std::move(seat));
          })) {
    held->refuse(refusal("too much to do; try again", "BUSY"));
  }
}

void Live::decide(store::Session& db, realtime::ConnectRequest request, realtime::Connect connect,
                  std::unique_ptr<Seat> seat) {
  auto admission = admit(admit_context_, db, request);
  const auto trouble = [&] {
    connect.refuse(refusal("the service is not available; try again", "UNAVAILABLE"));
  };
  if (!admission) return trouble();
  if (auto* refused = std::get_if<realtime::Refusal>(&*admission)) {
    return connect.refuse(std::move(*refused));
  }
  auto& admitted = std::get<Admitted>(*admission);
  const Principal& principal = *admitted.principal;
  seat->take(principal.business);
  if (!feed_.arm(kArmPatience)) return trouble();

  realtime::Permission permission;
  permission.rooms = principal.rooms();
  permission.group = principal.business.text();
  permission.lifetime_ms = std::max<std::int64_t>(admitted.expires_ms - context_.clock.now_ms(), 0);
  if (principal.is_agent()) {
    permission.events_per_second = 50;
    permission.event_burst = 100;
    permission.max_rooms = 500;
    permission.attachments = 2;
  } else {
    permission.event_burst = 30;
  }
  auto guest = std::make_shared<Guest>();
  guest->seat = std::move(seat);
  guest->principal = admitted.principal;
  guest->session = std::move(admitted.session);
  permission.context = guest;
  // A new visitor has missed nothing and must not believe to be the one before.
  if (!guest->session && is_id(request.pid)) {
    if (auto events = missed(db, principal, request.offset, connect)) {
      permission.missed = *std::move(events);
      permission.recovered = {{.id = {}, .pid = request.pid}};
    }
  }
  connect.accept(std::move(permission));
}

std::optional<std::vector<Emission>> Live::missed(store::Session& db, const Principal& principal,
                                                  const std::string& offset,
                                                  realtime::Connect& connect) {
  auto heard = Heard::parse(offset);
  if (!heard) return std::nullopt;
  const auto rooms = principal.rooms();
  // The client may have heard on another gateway what has not been said here yet.
  const auto place = feed_.place(heard->place.last, kPlacePatience, [&] { connect.listen(rooms); });
  if (!place) return std::nullopt;
  auto events =
      store::missed_live_events(db, principal.business, heard->at.seq, heard->place.last,
                                heard->place.open, static_cast<int>(options_.missed_events));
  if (!events || !*events) return std::nullopt;
  // What has not been said here yet will be, behind the answer.
  std::erase_if(**events, [&](const auto& event) { return !place->has(event.seq); });
  auto told = live::tell(tell_context_, db, principal.business, **events);
  if (!told) return std::nullopt;
  const Offset before = heard->at;
  std::vector<Emission> emissions;
  for (auto& item : *told) {
    if (item.offset.seq == before.seq && item.offset.part <= before.part) continue;
    hear(*heard, item.offset, *place);
    item.emission.resume = heard->text();
    const bool is_theirs = std::any_of(item.rooms.begin(), item.rooms.end(), [&](const auto& room) {
      return std::find(rooms.begin(), rooms.end(), room) != rooms.end();
    });
    if (is_theirs) emissions.push_back(std::move(item.emission));
  }
  return emissions;
}

void Live::on_connected(realtime::Socket& socket) {
  auto* guest = socket.context<Guest>();
  const Principal& principal = *guest->principal;
  if (guest->session) {
    const auto& opened = *guest->session;
    Writer out;
    out.object()
        .member("visitor_id", opened.visitor.text())
        .member("token", opened.token)
        .member("expires_at", iso8601(opened.expires_ms))
        .member("conversation_id", opened.conversation
                                       ? std::optional<std::string>(opened.conversation->text())
                                       : std::nullopt)
        .end();
    socket.emit({.event = "visitor_session", .arguments = out.take()});
    guest->session.reset();
  }
  if (!principal.is_agent()) return;
  const store::Presence who{principal.business, principal.agent->user};
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    agent_sockets_.emplace(socket.id(),
                           store::TokenInUse{principal.agent->id, principal.agent->user,
                                             principal.agent->version, principal.business});
    auto& connected = agents_[{who.business, who.user}];
    is_first = connected.sockets == 0 && connected.left_ms == 0;
    ++connected.sockets;
    connected.left_ms = 0;
  }
  // Where it cannot be said now, the next renewal says it.
  if (is_first) {
    (void)post([this, who](store::Session& db) {
      auto status = store::agent_arrived(db, who, options_.node);
      if (status && *status) status_changed(db, who, **status);
    });
  }
}

void Live::on_disconnect(realtime::Socket& socket, realtime::Reason) {
  const Principal& principal = *socket.context<Guest>()->principal;
  if (!principal.is_agent()) return;
  const std::lock_guard lock(mutex_);
  agent_sockets_.erase(socket.id());
  const auto at = agents_.find({principal.business, principal.agent->user});
  if (at != agents_.end() && at->second.sockets > 0 && --at->second.sockets == 0) {
    at->second.left_ms = context_.clock.now_ms();
  }
}

// What clients say -------------------------------------------------------------------------------

void Live::on_event(realtime::Socket& socket, realtime::Event&& event) {
  auto* guest = socket.context<Guest>();
  Asked asked{.socket = socket.id(),
              .principal = guest->principal,
              .name = event.name,
              .data = std::move(event.data),
              .conversation = std::nullopt,
              .is_visible = false,
              .ack = std::move(event.ack)};
  const auto named = asked.argument()["conversation_id"];
  if (named.exists() && !named.is_null()) {
    asked.conversation = domain::ConversationId::parse(named.text_or(""));
    if (!asked.conversation) {
      // Unknown and forbidden look the same, and so does what is no id of ours.
      if (asked.name == "join_conversation") return join(std::move(asked));
      return asked.ack.send(failure("NOT_FOUND", "no such conversation", "conversation_id"));
    }
    asked.is_visible = guest->visible.contains(*asked.conversation);
  }
  if (asked.name == "typing") {
    // At most one in a while, but the end of typing is always said.
    const auto key = asked.conversation.value_or(domain::ConversationId());
    const std::int64_t now = context_.clock.now_ms();
    auto& last = guest->typed_ms[key];
    const bool begins = asked.argument()["is_typing"].boolean().value_or(true);
    if (begins && now - last < options_.typing_every_ms) return asked.ack.send(success());
    last = begins ? now : 0;
    if (guest->typed_ms.size() > 500) guest->typed_ms.clear();
    return typing(std::move(asked));
  }
  if (asked.name == "join_conversation") return join(std::move(asked));
  if (asked.name == "leave_conversation") return leave(std::move(asked));
  if (asked.name == "client_message") return write(std::move(asked));
  if (asked.name == "read") return read(std::move(asked));
  if (asked.name == "agent_status") return agent_status(std::move(asked));
  asked.ack.send(failure("UNKNOWN_EVENT", "this event is not known here"));
}

Result<bool> Live::may_see(store::Session& db, const Principal& principal,
                           domain::ConversationId conversation) const {
  if (!principal.is_agent()) return context_.visitors.owns(db, *principal.visitor, conversation);
  auto target = store::signal_target(db, principal.business, conversation);
  if (!target) return std::move(target).error();
  return target->has_value();
}

void Live::join(Asked asked) {
  auto held = std::make_shared<Asked>(std::move(asked));
  const auto answer = [this](Asked& to, bool joined, std::string_view code,
                             std::string_view message) {
    if (to.ack.is_wanted()) {
      return to.ack.send(joined ? success() : failure(code, message));
    }
    if (joined) return;
    Writer out;
    out.object()
        .member("conversation_id", to.argument()["conversation_id"])
        .member("error", sdk::lower_ascii(code))
        .end();
    server_.emit_to(to.socket, {.event = "join_error", .arguments = out.take()});
  };
  if (!held->conversation) return answer(*held, false, "NOT_FOUND", "no such conversation");
  if (!post([this, held, answer](store::Session& db) {
        auto seen = may_see(db, *held->principal, *held->conversation);
        if (!seen) return answer(*held, false, "UNAVAILABLE", "try again");
        if (!*seen) return answer(*held, false, "NOT_FOUND", "no such conversation");
        server_.run([this, held, answer] {
          const auto socket = server_.hub().find(held->socket);
          if (!socket) return;
          auto* guest = socket->context<Guest>();
          if (guest->visible.size() < 10'000) guest->visible.insert(*held->conversation);
          // A visitor hears everything in their own room already.
          if (held->principal->is_agent() &&
              !socket->join(conversation_room(*held->conversation))) {
            return answer(*held, false, "TOO_MANY", "too many conversations are joined");
          }
          answer(*held, true, {}, {});
        });
      })) {
    answer(*held, false, "BUSY", "try again");
  }
}

void Live::leave(Asked asked) {
  if (asked.conversation && asked.principal->is_agent()) {
    server_.leave(asked.socket, conversation_room(*asked.conversation));
  }
  asked.ack.send(success());
}

void Live::typing(Asked asked) {
  const bool is_typing = asked.argument()["is_typing"].boolean().value_or(true);
  if (asked.principal->is_agent() && !asked.conversation) {
    return asked.ack.send(failure("INVALID", "is required", "conversation_id"));
  }
  auto held = std::make_shared<Asked>(std::move(asked));
  if (!post([this, held, is_typing](store::Session& db) {
        const Principal& principal = *held->principal;
        auto conversation = held->conversation;
        if (!principal.is_agent() && !conversation) {
          // It may have begun since they connected.
          const auto& guest = *principal.visitor;
          auto visitor =
              store::find_visitor(db, principal.business, guest.door.embed.id, guest.visitor.id);
          if (visitor && *visitor) conversation = (*visitor)->conversation;
          held->is_visible = conversation.has_value();
          // Before the first message there is nobody to tell.
          if (!conversation) return held->ack.send(success());
        }
        if (!held->is_visible) {
          auto seen = may_see(db, principal, *conversation);
          if (!seen || !*seen) {
            return held->ack.send(failure("NOT_FOUND", "no such conversation", "conversation_id"));
          }
        }
        if (principal.is_agent()) {
          auto target = store::signal_target(db, principal.business, *conversation);
          const bool is_known = target && *target;
          if (is_known) {
            outbound::pass_on_typing(context_.outbound, principal.business, **target, is_typing);
          }
          says_typing(principal, *conversation, held->socket, is_typing,
                      is_known ? (*target)->thread : std::string());
        } else {
          says_typing(principal, *conversation, held->socket, is_typing, {});
        }
        held->ack.send(success());
      })) {
    held->ack.send(failure("BUSY", "try again"));
  }
}

void Live::says_typing(const Principal& principal, domain::ConversationId conversation,
                       const std::string& except, bool is_typing, const std::string& thread) {
  say({business_room(principal.business), conversation_room(conversation)}, "typing",
      typing_json(conversation, principal.id(), is_typing), except, true);
  const auto visitor = Uuid::parse(thread);
  if (!principal.is_agent() || !visitor) return;
  // Which agent it is is none of the visitor's business.
  say({visitor_room(*visitor)}, "typing", typing_json(conversation, "agent", is_typing), {}, true);
}

void Live::agent_types(domain::BusinessId business, domain::ConversationId conversation,
                       domain::UserId agent, bool is_typing) {
  (void)post([=, this](store::Session& db) {
    auto target = store::signal_target(db, business, conversation);
    Principal principal;
    principal.business = business;
    principal.agent = auth::Claims{};
    principal.agent->user = agent;
    says_typing(principal, conversation, {}, is_typing,
                target && *target ? (*target)->thread : std::string());
  });
}

void Live::contact_types(domain::BusinessId business, domain::ChannelId channel,
                         const connector::Event& event) {
  if (event.thread.empty()) return;
  const bool is_typing = event.state != "off";
  {
    // Platforms repeat it with every few letters.
    const std::lock_guard lock(mutex_);
    const std::int64_t now = context_.clock.steady_ms();
    if (contacts_typed_ms_.size() > kTypingRemembered) contacts_typed_ms_.clear();
    const auto [last, is_new] = contacts_typed_ms_.try_emplace({channel, event.thread}, 0);
    if (is_typing && !is_new && now - last->second < options_.typing_every_ms) return;
    if (is_typing) last->second = now;
    if (!is_typing) contacts_typed_ms_.erase(last);
  }
  (void)post([this, business, channel, is_typing, thread = event.thread](store::Session& db) {
    auto found = store::find_live_thread(db, business, channel, thread);
    if (!found || !*found) return;
    const auto& [conversation, contact] = **found;
    say({business_room(business), conversation_room(conversation)}, "typing",
        typing_json(conversation, contact ? contact->text() : std::string(), is_typing), {}, true);
  });
}

void Live::read(Asked asked) {
  if (asked.principal->is_agent() && !asked.conversation) {
    return asked.ack.send(failure("INVALID", "is required", "conversation_id"));
  }
  std::optional<domain::MessageId> up_to;
  const auto named = asked.argument()["message_id"];
  if (named.exists() && !named.is_null()) {
    up_to = domain::MessageId::parse(named.text_or(""));
    if (!up_to) return asked.ack.send(failure("NOT_FOUND", "no such message", "message_id"));
  }
  auto held = std::make_shared<Asked>(std::move(asked));
  if (!post([this, held, up_to](store::Session& db) {
        const Principal& principal = *held->principal;
        if (!principal.is_agent()) {
          auto done = context_.visitors.read(db, *principal.visitor, up_to);
          return held->ack.send(done ? success() : failure("UNAVAILABLE", "try again"));
        }
        auto target = store::mark_read(db, principal.business, *held->conversation);
        if (!target) return held->ack.send(failure("UNAVAILABLE", "try again"));
        if (!*target) {
          return held->ack.send(failure("NOT_FOUND", "no such conversation", "conversation_id"));
        }
        outbound::pass_on_read(context_.outbound, principal.business, **target);
        held->ack.send(success());
      })) {
    held->ack.send(failure("BUSY", "try again"));
  }
}

void Live::write(Asked asked) {
  if (asked.principal->is_agent()) {
    return asked.ack.send(failure(
        "FORBIDDEN", "agents answer by POST /api/v1/conversations/{conversation_id}/messages"));
  }
  const auto argument = asked.argument();
  visitors::NewMessage message;
  message.content = argument["content"].text_or("");
  message.client_id = argument["client_id"].text_or("");
  for (const auto attachment : argument["attachments"].elements()) {
    const auto id = Uuid::parse(attachment.text_or(attachment["id"].text_or("")));
    if (!id) {
      return asked.ack.send(failure("INVALID", "must be files that were uploaded", "attachments"));
    }
    message.files.push_back(*id);
  }
  auto held = std::make_shared<Asked>(std::move(asked));
  if (!post([this, held, message = std::move(message)](store::Session& db) {
        const auto& guest = *held->principal->visitor;
        if (held->conversation && !held->is_visible) {
          auto owns = context_.visitors.owns(db, guest, *held->conversation);
          if (!owns || !*owns) {
            return held->ack.send(failure("NOT_FOUND", "no such conversation", "conversation_id"));
          }
        }
        auto written = context_.visitors.write(db, guest, message);
        if (!written) return held->ack.send(failure("UNAVAILABLE", "try again"));
        if (!*written) {
          const auto& why = written->refusal();
          return held->ack.send(failure(code_of(why.code), why.detail, why.field));
        }
        if (!held->ack.is_wanted()) return;
        auto shown = context_.visitors.message_json(db, held->principal->business, **written);
        held->ack.send(shown ? success("message", *shown) : success());
      })) {
    held->ack.send(failure("BUSY", "try again"));
  }
}

void Live::agent_status(Asked asked) {
  if (!asked.principal->is_agent()) {
    return asked.ack.send(failure("FORBIDDEN", "agents only"));
  }
  const std::string status(asked.argument()["status"].text_or(""));
  if (status != "live" && status != "away" && status != "offline") {
    return asked.ack.send(failure("INVALID", "must be live, away or offline", "status"));
  }
  auto held = std::make_shared<Asked>(std::move(asked));
  if (!post([this, held, status](store::Session& db) {
        const store::Presence who{held->principal->business, held->principal->agent->user};
        auto changed = store::set_agent_status(db, who, status);
        if (!changed) return held->ack.send(failure("UNAVAILABLE", "try again"));
        if (!*changed) return held->ack.send(failure("FORBIDDEN", "you are no active member"));
        if (**changed) status_changed(db, who, status);
        held->ack.send(success());
      })) {
    held->ack.send(failure("BUSY", "try again"));
  }
}

// What clients hear ------------------------------------------------------------------------------

void Live::status_changed(store::Session& db, const store::Presence& who, std::string_view status) {
  say({business_room(who.business)}, "agent_status_changed", agent_status_json(who.user, status),
      {}, true);
  // Visitors see whether anybody is there, and not who.
  auto online = store::is_online(db, who.business);
  if (!online) return;
  Writer out;
  out.object().member("status", *online ? "online" : "offline").end();
  say({visitors_room(who.business)}, "agent_status_changed", out.take(), {}, true);
}

// A signal to the other gateways is {"rooms":[...],"event":...,"data":{...}}.
void Live::say(std::vector<std::string> rooms, const char* event, std::string payload,
               const std::string& except, bool to_others) {
  if (to_others) {
    Writer out;
    out.object().key("rooms").array();
    for (const auto& room : rooms) out.value(room);
    out.end().member("event", event).key("data").raw(payload).end();
    feed_.signal(out.take());
  }
  server_.emit(std::move(rooms),
               {.event = event, .arguments = std::move(payload), .is_volatile = is_fleeting(event)},
               except);
}

void Live::heard(std::string_view signal) {
  const auto document = sdk::json::Document::parse(signal, sdk::json::kApiLimits);
  if (!document) return;
  std::vector<std::string> rooms;
  for (const auto room : document->root()["rooms"].elements()) {
    rooms.emplace_back(room.text_or(""));
  }
  const std::string event(document->root()["event"].text_or(""));
  constexpr std::array<std::string_view, 2> kKnown{"typing", "agent_status_changed"};
  if (std::find(kKnown.begin(), kKnown.end(), event) == kKnown.end()) return;
  server_.emit(std::move(rooms), {.event = event,
                                  .arguments = document->root()["data"].dump(),
                                  .is_volatile = is_fleeting(event)});
}

Feed::Callbacks::Say Live::tell(store::Session& db, std::span<const store::LiveEvent> events) {
  std::map<domain::BusinessId, std::vector<store::LiveEvent>> by_business;
  for (const auto& event : events) {
    if (census_->has(event.business)) by_business[event.business].push_back(event);
  }
  std::vector<Told> all;
  for (const auto& [business, own] : by_business) {
    auto told = live::tell(tell_context_, db, business, own);
    if (!told) {
      // All or nothing, so that nothing is said twice when they come again.
      if (told.error().code == Errc::unavailable) return {};
      log::warn("live", "events could not be told",
                {{"business", business.text()}, {"cause", told.error().cause}});
      continue;
    }
    std::move(told->begin(), told->end(), std::back_inserter(all));
  }
  std::sort(all.begin(), all.end(),
            [](const Told& a, const Told& b) { return a.offset < b.offset; });
  return [this, all = std::move(all), next = std::size_t{0}](const store::LiveEvent& event,
                                                             const Place& place) mutable {
    for (; next < all.size() && all[next].offset.seq == event.seq; ++next) {
      all[next].emission.resume = Heard{all[next].offset, place}.text();
      server_.emit(std::move(all[next].rooms), all[next].emission);
    }
  };
}

void Live::look(store::Session& db) {
  look_at_presence(db);
  put_out_the_revoked(db);
}

void Live::look_at_presence(store::Session& db) {
  const std::int64_t now = context_.clock.now_ms();
  std::vector<store::Presence> left, here;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = agents_.begin(); at != agents_.end();) {
      const auto& [key, connected] = *at;
      if (connected.sockets > 0) {
        here.push_back({key.first, key.second});
      } else if (now - connected.left_ms >= options_.leave_after_ms) {
        left.push_back({key.first, key.second});
        at = agents_.erase(at);
        continue;
      }
      ++at;
    }
  }
  for (const auto& who : left) {
    auto status = store::agent_left(db, who, options_.node);
    if (status && *status) status_changed(db, who, **status);
    bool is_back = false;
    {
      const std::lock_guard lock(mutex_);
      is_back = agents_.contains({who.business, who.user});
    }
    // Came while this was written, and may have been written before it.
    if (!is_back) continue;
    status = store::agent_arrived(db, who, options_.node);
    if (status && *status) status_changed(db, who, **status);
  }
  if (now - renewed_ms_ < kRenewMs) return;
  renewed_ms_ = now;
  if (auto renewed = store::renew_presence(db, here, options_.node); !renewed) {
    log::warn("live", "the presence of agents cannot be stored",
              {{"cause", renewed.error().cause}});
  }
  auto gone = store::end_stale_presence(db);
  if (!gone) return;
  for (const auto& who : *gone) status_changed(db, who, "offline");
}

// Each socket's right to be here is looked at again, wherever it was taken away.
void Live::put_out_the_revoked(store::Session& db) {
  const std::int64_t now = context_.clock.steady_ms();
  std::map<Uuid, std::vector<std::string>> sockets;  // by token: tabs of a browser share one
  std::vector<store::TokenInUse> tokens;
  {
    const std::lock_guard lock(mutex_);
    const auto between = std::max<std::int64_t>(
        options_.recheck_ms,
        static_cast<std::int64_t>(agent_sockets_.size() * 1'000 / kTokensASecond));
    if (rechecked_ms_ && now - *rechecked_ms_ < between) return;
    for (const auto& [id, agent] : agent_sockets_) {
      auto& of_token = sockets[agent.token];
      if (of_token.empty()) tokens.push_back(agent);
      of_token.push_back(id);
    }
  }
  for (std::size_t i = 0; i < tokens.size(); i += kTokensAtOnce) {
    const auto some = std::span(tokens).subspan(i, std::min(kTokensAtOnce, tokens.size() - i));
    const auto ended = store::ended_tokens(db, some);
    if (!ended) return;
    for (const auto& token : some) {
      if (std::find(ended->begin(), ended->end(), token.token) == ended->end()) continue;
      // What is remembered of them would let them in again.
      context_.tokens.forget(token.user);
      for (const auto& id : sockets[token.token]) {
        server_.disconnect(id, realtime::Disconnect::leave_namespace,
                           realtime::Reason::server_leave);
      }
    }
  }
  const auto since_s = rechecked_ms_ ? (now - *rechecked_ms_) / 1'000 : 0;
  const auto revoked = store::visitors_revoked_within(
      db, kRevocationSlackS + static_cast<int>(std::min<std::int64_t>(since_s, INT32_MAX / 2)));
  if (!revoked) return;
  for (const auto& [business, visitor] : *revoked) {
    server_.disconnect_room("/", visitor_room(visitor), realtime::Disconnect::leave_namespace,
                            realtime::Reason::server_leave);
  }
  rechecked_ms_ = now;
}

}  // namespace gateway::live
