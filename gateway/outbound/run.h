// One operation of a connector on its way from question to result: asks plan what comes next, keeps
// the answers, and puts bounds around a connector that never ends or says too much.
//
// The channel's secrets are in memory only as long as the Run. Thread-confined; no I/O.
#ifndef GATEWAY_OUTBOUND_RUN_H_
#define GATEWAY_OUTBOUND_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/outbound/context.h"
#include "gateway/plugins/connector.h"
#include "gateway/store/outbox.h"
#include "gateway/store/registrations.h"
#include "gateway/store/vault.h"

namespace gateway::outbound {

// Calls of one operation; a long text is sent in pieces, and a mailbox read in messages, one call
// each.
inline constexpr std::size_t kMaxSteps = 8;
inline constexpr std::size_t kMaxSendSteps = 32;
inline constexpr std::size_t kMaxPollSteps = 32;

class Run {
 public:
  // `type` lives as long as the process.
  Run(const plugins::Connector& type, connector::Operation operation, connector::Channel channel,
      connector::Event input);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // What comes after the answers so far. A Fail's words carry no secret and are cut to a sentence.
  connector::Step next(std::int64_t now_ms);
  void answered(connector::Response response);
  // The last answer was a refusal that may be repeated: the question will be asked again.
  void drop_last_answer();

  const std::vector<connector::Response>& answers() const { return answers_; }
  void resume(std::vector<connector::Response> answers) { answers_ = std::move(answers); }
  // Whether the answers so far count as big, see BigAnswers.
  bool is_big() const;
  const plugins::Connector& type() const { return type_; }
  const connector::Channel& channel() const { return channel_; }
  // Words from elsewhere (a poll's sink, a Done's results), without the channel's secrets: those of
  // its configuration, and what its state keeps under names such as "access_token".
  std::string clean(std::string_view text) const;

 private:
  const plugins::Connector& type_;
  connector::Operation operation_;
  connector::Channel channel_;
  connector::Event input_;
  std::vector<connector::Response> answers_;
};

// Whether it can be made twice without harm: it asks an HTTP server for something.
bool only_reads(const connector::Call& call);

// Opens a row's secrets and adds what the deployment stands in for. Uses `db` for the tenant's key;
// no transaction is left open. Any thread.
Result<connector::Channel> open_channel(const Context& context, store::Session& db,
                                        domain::BusinessId tenant,
                                        const store::SealedChannel& sealed,
                                        std::string webhook_url);
// Merges what a connector asked to keep; says whether anything changed.
bool merge_state(connector::Pairs& state, const connector::Pairs& changes);
std::string state_json(const connector::Pairs& state);

// The channel's state with `changes` merged in, sealed; absent where nothing changed. Where the row
// is gone `known` is what it was: an unregistration still needs what a registration made.
Result<std::optional<store::Bytes>> merged_state(store::Session& db, store::Vault& vault,
                                                 domain::BusinessId tenant,
                                                 domain::ChannelId channel, connector::Pairs known,
                                                 const connector::Pairs& changes);
// Merges into the stored state whatever else changed it meanwhile; true where it has changed.
Result<bool> merge_channel_state(store::Session& db, store::Vault& vault, domain::BusinessId tenant,
                                 domain::ChannelId channel, const connector::Pairs& changes);

// What a run brought: events, and changes to the channel's state. In one transaction, with the
// check that `job`, where there is one, is still ours (otherwise the error's cause is kJobLost).
// True where the state has changed. On a database thread.
struct Brought {
  domain::BusinessId tenant;
  domain::ChannelId channel;
  std::vector<connector::Event> events;
  connector::Pairs state;
  std::optional<store::Job> job = {};
};
Result<bool> store_brought(const Context& context, store::Session& db, const Brought& brought);

// plan(send)'s input.
connector::Event send_input(const store::Head& head);

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_RUN_H_
