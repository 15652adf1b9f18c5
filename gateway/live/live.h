// Live traffic of agents and visitors: who may connect, what they may say, and what they hear.
//
// Threads. The realtime server's loop calls the App half, which never waits: what needs the
// database goes to workers of its own. The feed's thread turns the log of events into emissions.
// Everything public may be called from any thread; start and stop from one.
//
// Agents hear everything of their business; a visitor hears of their own conversation, in words for
// visitors (telling.h). Clients never name rooms.
#ifndef GATEWAY_LIVE_LIVE_H_
#define GATEWAY_LIVE_LIVE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "connectors/sdk/values.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/live/feed.h"
#include "gateway/live/principals.h"
#include "gateway/live/telling.h"
#include "gateway/outbound/outbound.h"
#include "gateway/realtime/server.h"
#include "gateway/store/workers.h"

namespace gateway::live {

struct LiveOptions {
  store::SessionOptions session;  // of the workers and the feed
  std::string node;               // this gateway's name on its database
  realtime::ServerOptions server;
  int workers = 2;
  std::size_t queued = 1'000;
  std::size_t missed_events = 500;       // above: the client asks the REST API again
  std::int64_t typing_every_ms = 2'000;  // of one socket in one conversation
  // How long after an agent's last connection they count as gone: a reload is no departure.
  std::int64_t leave_after_ms = 5'000;
  // Whether the tokens of those who are connected still hold. With the feed's second between two
  // looks that is less than the 5 s within which a logout holds.
  std::int64_t recheck_ms = 2'000;
};

struct LiveContext {
  auth::Tokens& tokens;
  const auth::VisitorTokens& visitor_tokens;
  auth::VisitorThrottle& throttle;
  const visitors::Visitors& visitors;
  const store::MediaUrls& media_urls;
  outbound::Outbound& outbound;
  const Clock& clock;
  Metrics& metrics;
  AgentMessage agent_message;
};

class Live final : public realtime::App {
 public:
  Live(LiveOptions options, LiveContext context);
  ~Live() override;

  Result<> start();
  // Closes the sessions spread over that time. Held polls are answered, so before the edge's drain.
  void stop(std::chrono::milliseconds spread);
  realtime::Server& server() { return server_; }

  // Something was committed by this process.
  void ring() noexcept { feed_.ring(); }
  // An agent types; said to the others who see the conversation, on every gateway.
  void agent_types(domain::BusinessId business, domain::ConversationId conversation,
                   domain::UserId agent, bool is_typing);

  // A contact of a platform types; said to the agents likewise.
  void contact_types(domain::BusinessId business, domain::ChannelId channel,
                     const connector::Event& event);
  // An agent's status is another one, and that is committed; said to the business, on every
  // gateway. Asks the database whether anybody is there.
  void status_changed(store::Session& db, const store::Presence& who, std::string_view status);

  void on_connect(realtime::ConnectRequest&& request, realtime::Connect&& connect) override;
  void on_connected(realtime::Socket& socket) override;
  void on_event(realtime::Socket& socket, realtime::Event&& event) override;
  void on_disconnect(realtime::Socket& socket, realtime::Reason reason) override;

 private:
  class Seat;    // of somebody who is connected or wants to be; counted while it lives
  struct Guest;  // of a socket: its principal, and what it has been allowed already
  struct Asked;  // an event that is being answered
  using Work = Task<void(store::Session&)>;

  void decide(store::Session& db, realtime::ConnectRequest request, realtime::Connect connect,
              std::unique_ptr<Seat> seat);
  // Absent: it cannot be told.
  std::optional<std::vector<realtime::Emission>> missed(store::Session& db,
                                                        const Principal& principal,
                                                        const std::string& offset,
                                                        realtime::Connect& connect);
  bool post(Work work);

  // Events of clients; on the loop, then on a worker.
  void join(Asked asked);
  void leave(Asked asked);
  void typing(Asked asked);
  void read(Asked asked);
  void write(Asked asked);
  void agent_status(Asked asked);
  // Whether the principal may see the conversation; a visitor's own, an agent's business's.
  Result<bool> may_see(store::Session& db, const Principal& principal,
                       domain::ConversationId conversation) const;
  void says_typing(const Principal& principal, domain::ConversationId conversation,
                   const std::string& except, bool is_typing, const std::string& thread);

  // What is told to rooms here and, where it is in no log, on the other gateways.
  void say(std::vector<std::string> rooms, const char* event, std::string payload,
           const std::string& except, bool to_others);
  void heard(std::string_view signal);
  Feed::Callbacks::Say tell(store::Session& db, std::span<const store::LiveEvent> events);
  void look(store::Session& db);
  void look_at_presence(store::Session& db);
  void put_out_the_revoked(store::Session& db);

  const LiveOptions options_;
  LiveContext context_;
  AdmitContext admit_context_;
  TellContext tell_context_;
  realtime::Server server_;
  Feed feed_;
  std::shared_mutex workers_mutex_;  // the API posts until it has been drained
  std::unique_ptr<store::Workers> workers_;
  struct Census;
  const std::shared_ptr<Census> census_;  // seats may outlive this
  std::mutex mutex_;
  struct Connected {
    std::size_t sockets = 0;
    std::int64_t left_ms = 0;  // since when there are none
  };
  std::map<std::pair<domain::BusinessId, domain::UserId>, Connected> agents_;
  std::map<std::string, store::TokenInUse> agent_sockets_;  // by socket id
  // When it was last passed on, by channel and thread.
  std::map<std::pair<domain::ChannelId, std::string>, std::int64_t> contacts_typed_ms_;
  // Of the feed's thread.
  std::optional<std::int64_t> rechecked_ms_;
  std::int64_t renewed_ms_ = 0;
};

}  // namespace gateway::live

#endif  // GATEWAY_LIVE_LIVE_H_
