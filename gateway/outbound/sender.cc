#include "gateway/outbound/sender.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/base/log.h"
#include "gateway/outbound/mail_transfer.h"
#include "gateway/outbound/transcript.h"

namespace gateway::outbound {
namespace {

constexpr std::size_t kMaxIdBytes = 1024;
constexpr std::int64_t kMeasureMs = 10'000;
constexpr std::int64_t kInactivePauseMs = 10 * 60'000;
constexpr std::int64_t kNoConnectorMs = 60'000;
constexpr std::int64_t kRepeatMs = 500;
constexpr std::int64_t kBigWaitMs = 500;  // before another message may hold big answers

const std::vector<double> kSecondsBounds = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15};

std::string expired(const std::string& last_error) {
  std::string text = "not sent within 24 hours";
  if (!last_error.empty()) text += ": " + last_error;
  return text;
}

}  // namespace

struct Sender::Loaded {
  store::Head head;
  connector::Channel channel;
  std::vector<connector::Response> answers;
  bool is_open = false;       // the channel's secrets and the transcript could be read
  std::shared_ptr<void> big;  // held where the answers are big
  bool must_wait = false;     // they are, and too many others hold such
};

struct Sender::Asked {
  store::Asked asked;
  std::optional<connector::Response> local;  // the answer, where the URL is one of our own
};

struct Sender::Send {
  store::Lane lane;
  std::int64_t claimed_ms = 0;  // when the lease was asked for: it began no earlier
  std::int64_t lease_ms = 0;
  store::Head head;
  std::int64_t loaded_ms = 0;
  std::unique_ptr<Run> run;
  int attempt = 1;
  int recorded = 0;       // answers the stored transcript has
  bool settles = false;   // counted among the unsaved
  bool began = false;     // the attempt has made a call
  bool only_read = true;  // so did the last one, and no more
  std::shared_ptr<void> big;
};

Sender::Sender(Context& context)
    : context_(context),
      sent_(context.metrics.counter("backchannel_messages_out_total", "Agents' messages by outcome",
                                    {{"outcome", "sent"}})),
      failed_(context.metrics.counter("backchannel_messages_out_total",
                                      "Agents' messages by outcome", {{"outcome", "failed"}})),
      uncertain_(context.metrics.counter("backchannel_messages_out_total",
                                         "Agents' messages by outcome",
                                         {{"outcome", "uncertain"}})),
      retried_(context.metrics.counter("backchannel_messages_retried_total",
                                       "Attempts that were put back into the queue")),
      waiting_(context.metrics.gauge("backchannel_outbox_messages", "Messages not settled yet")),
      oldest_(context.metrics.gauge("backchannel_outbox_oldest_seconds",
                                    "Age of the oldest message not settled yet")),
      seconds_(context.metrics.histogram("backchannel_platform_call_seconds",
                                         "Duration of calls that send messages", kSecondsBounds)) {}

void Sender::tick() {
  if (now() >= next_measure_ms_ && !stopping_) measure();
  // What is known but not stored goes first: a claim might otherwise call it uncertain.
  if (stopping_ || claiming_ || unsaved_ > 0 || sends_ >= context_.options.lanes_in_flight) return;
  if (now() >= next_claim_ms_) claim();
}

void Sender::measure() {
  next_measure_ms_ = now() + kMeasureMs;
  context_.loop.query<store::Depth>([](store::Session& db) { return store::outbox_depth(db); },
                                    [this](Result<store::Depth> depth) {
                                      if (!depth) return;
                                      waiting_.set(static_cast<double>(depth->waiting));
                                      oldest_.set(static_cast<double>(depth->oldest_ms) / 1000);
                                    });
}

void Sender::claim() {
  claiming_ = true;
  const std::int64_t asked_ms = now();
  next_claim_ms_ = asked_ms + context_.options.claim_interval_ms;
  const store::ClaimOptions options{context_.owner,
                                    std::max(1, context_.options.lanes_in_flight - sends_),
                                    context_.options.tenant_cap, context_.options.lease_ms};
  context_.loop.query<std::vector<store::Lane>>(
      [options](store::Session& db) { return store::claim_lanes(db, options); },
      [this, asked_ms](Result<std::vector<store::Lane>> lanes) {
        claiming_ = false;
        if (!lanes) {
          context_.health.bad(lanes.error());
          next_claim_ms_ = now() + context_.health.delay_ms(context_.rng);
          return;
        }
        context_.health.good();
        for (const store::Lane& lane : *lanes) {
          auto send = std::make_shared<Send>();
          send->lane = lane;
          send->claimed_ms = asked_ms;
          send->lease_ms = context_.options.lease_ms;
          ++sends_;
          load(std::move(send));
        }
      });
}

void Sender::load(SendPtr send) {
  using Answer = std::optional<Loaded>;
  const store::Lane lane = send->lane;
  context_.loop.query<Answer>(
      [this, lane](store::Session& db) -> Result<Answer> {
        auto head = store::load_head(db, lane, kBigAnswerBytes);
        if (!head) return std::move(head).error();
        if (!*head) return Answer();
        Loaded loaded;
        loaded.head = *std::move(*head);
        if (!loaded.head.channel) return Answer(std::move(loaded));
        auto channel =
            open_channel(context_, db, lane.tenant, *loaded.head.channel,
                         context_.webhook_url(loaded.head.channel->type, loaded.head.channel_id));
        if (!channel && may_repeat(channel.error())) return std::move(channel).error();
        loaded.is_open = channel.has_value();
        if (channel) loaded.channel = *std::move(channel);
        if (loaded.head.transcript_bytes > kBigAnswerBytes) {
          loaded.big = context_.big.take();
          loaded.must_wait = loaded.big == nullptr;
          if (loaded.must_wait) return Answer(std::move(loaded));
          auto transcript = store::load_transcript(db, lane, loaded.head.message);
          if (!transcript) return std::move(transcript).error();
          loaded.head.transcript = *std::move(transcript);
        }
        if (!loaded.head.transcript.empty()) {
          auto bytes = context_.vault.open(db, lane.tenant, store::kOutboxTranscript,
                                           loaded.head.message.get(), loaded.head.transcript);
          if (!bytes && may_repeat(bytes.error())) return std::move(bytes).error();
          auto answers = bytes ? decode_transcript(bytes->reveal()) : std::nullopt;
          loaded.is_open = loaded.is_open && answers.has_value();
          if (answers) loaded.answers = *std::move(answers);
        }
        return Answer(std::move(loaded));
      },
      [this, send](Result<Answer> loaded) {
        if (!loaded) {
          if (may_repeat(loaded.error())) context_.health.bad(loaded.error());
          // Nothing was asked: while the lease lasts it may be tried again, then another claims it.
          if (!stopping_ && now() + kRepeatMs < send->claimed_ms + context_.options.lease_ms / 2) {
            context_.loop.after(kRepeatMs, [this, send] { load(send); });
          } else {
            leave(send);
          }
          return;
        }
        if (!*loaded) return leave(send);
        begin(send, *std::move(*loaded));
      });
}

std::int64_t Sender::left_ms(const Send& send) const {
  return send.head.left_ms - (now() - send.loaded_ms);
}

void Sender::begin(SendPtr send, Loaded loaded) {
  send->head = std::move(loaded.head);
  send->loaded_ms = now();
  const store::Head& head = send->head;
  const auto give_up = [&](domain::MessageStatus status, std::string why) {
    store::Settled settled;
    settled.status = status;
    settled.error = std::move(why);
    settle(send, std::move(settled));
  };
  const auto wait = [&](std::int64_t delay_ms, std::int64_t pause_ms, store::PauseReason reason,
                        std::optional<std::string> why) {
    store::Again later;
    later.attempt = head.attempt;
    later.answered = head.answered;
    later.delay_ms = delay_ms;
    later.pause_ms = pause_ms;
    later.reason = reason;
    later.error = std::move(why);
    again(send, std::move(later));
  };
  if (head.asked > head.answered) {
    return give_up(domain::MessageStatus::uncertain,
                   "the gateway was interrupted while it sent this; it may have arrived");
  }
  if (!head.channel) {
    return give_up(domain::MessageStatus::failed, "the channel was removed");
  }
  if (head.left_ms <= 0) return give_up(domain::MessageStatus::failed, expired(head.last_error));
  if (head.thread.empty()) {
    return give_up(domain::MessageStatus::failed, "the conversation has no address to write to");
  }
  if (stopping_) return wait(0, 0, store::PauseReason::none, std::nullopt);
  if (head.paused_ms > 0) {
    return wait(head.paused_ms, 0, store::PauseReason::none, std::nullopt);
  }
  if (!head.channel->is_active) {
    return wait(kInactivePauseMs, kInactivePauseMs, store::PauseReason::inactive,
                "the channel is switched off");
  }
  const plugins::Connector* type = context_.registry.find(head.channel->type);
  if (type == nullptr) {
    return wait(kNoConnectorMs, 0, store::PauseReason::none,
                "no connector for " + head.channel->type + " is loaded");
  }
  if (!loaded.is_open) {
    log::error("outbound", "a channel's secrets cannot be opened",
               {{"channel", head.channel_id.text()}});
    return wait(kNoConnectorMs, 0, store::PauseReason::none,
                "the channel's secrets cannot be opened");
  }
  if (const auto silent_ms = breaker_.wait_ms(head.channel_id, now()); silent_ms > 0) {
    return wait(silent_ms, silent_ms, store::PauseReason::silent, std::nullopt);
  }
  if (loaded.must_wait) return wait(kBigWaitMs, 0, store::PauseReason::none, std::nullopt);
  send->head.transcript.clear();
  send->big = std::move(loaded.big);
  send->attempt = head.attempt + 1;
  send->recorded = head.answered;
  send->run = std::make_unique<Run>(*type, connector::Operation::send, std::move(loaded.channel),
                                    send_input(head));
  send->run->resume(std::move(loaded.answers));
  advance(std::move(send));
}

void Sender::advance(SendPtr send) {
  connector::Step step = send->run->next(context_.clock.now_ms());
  if (auto* asked = std::get_if<connector::Call>(&step)) {
    if (!may_ask(send, *asked)) return;
    ask(std::move(send), std::make_shared<connector::Call>(std::move(*asked)));
  } else if (auto* finished = std::get_if<connector::Done>(&step)) {
    done(std::move(send), std::move(*finished));
  } else {
    failed(std::move(send), std::move(*std::get_if<connector::Fail>(&step)));
  }
}

// Back into the queue as it is: the attempt has not begun, or goes on later.
void Sender::put_back(const SendPtr& send, std::int64_t delay_ms) {
  store::Again later;
  later.attempt = send->attempt - 1;
  later.answered = static_cast<int>(send->run->answers().size());
  later.delay_ms = delay_ms;
  again(send, std::move(later));
}

// False: it was put back.
bool Sender::may_ask(const SendPtr& send, const connector::Call& call_to_make) {
  const bool is_big =
      context_.http.answer_limit(call_to_make) > kBigAnswerBytes || send->run->is_big();
  if (is_big && send->big == nullptr) {
    send->big = context_.big.take();
    if (send->big == nullptr) {
      put_back(send, kBigWaitMs);
      return false;
    }
  }
  const std::string host = context_.http.host_of(call_to_make);
  if (std::exchange(send->began, true) || send->attempt <= 1) {
    context_.budget.first_try(host, now());
  } else if (const auto wait_ms = context_.budget.wait_ms(host, now()); wait_ms > 0) {
    put_back(send, wait_ms + uniform_ms(0, 1'000, context_.rng));
    return false;
  }
  return true;
}

void Sender::ask(SendPtr send, std::shared_ptr<connector::Call> call_to_make) {
  const std::int64_t asked_ms = now();
  const bool reads = only_reads(*call_to_make);
  const int answered = static_cast<int>(send->run->answers().size());
  const std::string answers =
      answered == send->recorded ? std::string() : encode_transcript(send->run->answers());
  context_.loop.query<Asked>(
      [this, lane = send->lane, message = send->head.message, attempt = send->attempt, answers,
       reads, call_to_make, lease_ms = context_.lease_ms(*call_to_make),
       answered](store::Session& db) -> Result<Asked> {
        if (reads && context_.options.local_answer) {
          auto local = context_.options.local_answer(db, *call_to_make);
          if (!local) return std::move(local).error();
          if (*local) return Asked{{store::AskOutcome::go, 0}, *std::move(local)};
        }
        store::Ask ask;
        ask.attempt = attempt;
        ask.answered = answered;
        ask.asked = reads ? answered : answered + 1;
        ask.lease_ms = lease_ms;
        if (!answers.empty()) {
          auto sealed = context_.vault.seal(db, lane.tenant, store::kOutboxTranscript,
                                            message.get(), answers);
          if (!sealed) return std::move(sealed).error();
          ask.transcript = *std::move(sealed);
        }
        auto asked = store::ask(db, lane, message, ask);
        if (!asked) return std::move(asked).error();
        return Asked{*asked, std::nullopt};
      },
      [this, send, call_to_make, asked_ms, reads, answered](Result<Asked> answer) {
        if (!answer) {
          if (may_repeat(answer.error())) context_.health.bad(answer.error());
          // Unknown or not, the same row may be written again: nothing has left yet.
          const std::int64_t half_ms = send->lease_ms - context_.options.lease_ms / 2;
          if (now() + kRepeatMs < send->claimed_ms + half_ms) {
            context_.loop.after(kRepeatMs, [this, send, call_to_make] { ask(send, call_to_make); });
          } else {
            // What was answered before is known here and nowhere else: left to the lease's end, a
            // message whose calls were all answered would be called uncertain.
            log::warn("outbound", "a message's next call could not be recorded and is put back",
                      {{"message", send->head.message.text()},
                       {"reason", answer.error().message},
                       {"cause", answer.error().cause}});
            put_back(send, kRepeatMs);
          }
          return;
        }
        const store::Asked& asked = answer->asked;
        if (asked.outcome == store::AskOutcome::lost) return leave(send);
        send->only_read = reads;
        if (answer->local) {
          connector::Response local = *std::move(answer->local);
          const std::size_t most = context_.http.answer_limit(*call_to_make);
          if (local.body.size() > most) local.body.resize(most);
          send->run->answered(std::move(local));
          return advance(send);
        }
        if (asked.outcome == store::AskOutcome::paused) return put_back(send, asked.paused_ms);
        send->recorded = answered;
        send->claimed_ms = asked_ms;
        send->lease_ms = context_.lease_ms(*call_to_make);
        // The call must end well inside the lease; where the database took too long, or we are
        // about to stop, it is not begun.
        const std::int64_t latest = context_.options.lease_ms - context_.options.http.total.count();
        if (stopping_ || now() - asked_ms >= latest) return put_back(send, 0);
        call(send, call_to_make);
      });
}

void Sender::call(SendPtr send, const std::shared_ptr<connector::Call>& call_to_make) {
  const std::int64_t started_ms = now();
  const bool is_mail = is_mail_scheme(call_to_make->url.substr(0, call_to_make->url.find(':')));
  auto started = context_.http.start(
      std::move(*call_to_make), [this, send, started_ms, is_mail](connector::Response response) {
        seconds_.observe(static_cast<double>(now() - started_ms) / 1000);
        // A mail server that refuses a recipient with 550 is in good health.
        if (response.status == 0 || (response.status >= 500 && !is_mail)) {
          breaker_.silent(send->head.channel_id);
        } else {
          breaker_.answered(send->head.channel_id);
        }
        send->run->answered(std::move(response));
        advance(send);
      });
  if (!started) {
    failed(send, {.code = connector::Failure::permanent,
                  .why = "the call cannot be made: " + started.error().message});
  }
}

void Sender::failed(SendPtr send, connector::Fail failure) {
  using connector::Failure;
  // What left this machine without an answer is never repeated, whatever the connector makes of it;
  // what certainly did not leave, or only read, is never in doubt.
  const auto& answers = send->run->answers();
  if (!answers.empty() && answers.back().status == 0 && send->only_read) {
    if (failure.code == Failure::uncertain) failure.code = Failure::retry;
  } else if (!answers.empty() && answers.back().status == 0) {
    const bool repeats = failure.code == Failure::retry || failure.code == Failure::rate;
    if (!answers.back().not_sent && repeats) failure.code = Failure::uncertain;
    if (answers.back().not_sent && failure.code == Failure::uncertain) {
      failure.code = Failure::retry;
    }
  }
  const SendDecision decision = decide_send(failure, send->attempt, left_ms(*send), context_.rng);
  if (decision.kind == SendDecision::Kind::again) {
    send->run->drop_last_answer();
    store::Again later;
    later.attempt = send->attempt;
    later.answered = static_cast<int>(send->run->answers().size());
    later.delay_ms = decision.delay_ms;
    later.pause_ms = decision.pause_ms;
    later.error = failure.why;
    if (decision.credentials_refused) {
      later.reason = store::PauseReason::credentials;
      later.channel_error = failure.why;
    } else if (decision.pause_ms > 0) {
      later.reason = store::PauseReason::rate;
    }
    retried_.add();
    return again(std::move(send), std::move(later));
  }
  store::Settled settled;
  settled.status = decision.kind == SendDecision::Kind::uncertain ? domain::MessageStatus::uncertain
                                                                  : domain::MessageStatus::failed;
  settled.error = failure.why;
  if (!failure.platform_code.empty()) {
    sdk::json::Writer json;
    settled.metadata = json.object().member("error_code", failure.platform_code).end().take();
  }
  if (decision.unreachable) settled.unreachable = failure.why;
  settle(std::move(send), std::move(settled));
}

void Sender::done(SendPtr send, connector::Done result) {
  store::Settled settled;
  settled.status = domain::MessageStatus::sent;
  std::vector<std::string> ids;      // one per piece
  std::vector<std::string> aliases;  // of the first piece
  for (const auto& [name, value] : result.results) {
    // Opaque to us, but Postgres takes no NUL and nothing that is not UTF-8.
    if (name == "message" && !value.empty()) ids.push_back(sdk::sanitize(value, kMaxIdBytes));
    if (name == "alias" && !value.empty()) aliases.push_back(sdk::sanitize(value, kMaxIdBytes));
    if (name == "moved_to" && !value.empty()) {
      settled.moved_to = sdk::sanitize(value, kMaxIdBytes);
    }
  }
  settled.remote_ids = ids;
  settled.remote_ids.insert(settled.remote_ids.end(), aliases.begin(), aliases.end());
  if (ids.size() > 1) {
    sdk::json::Writer json;
    json.object().key("remote_ids").array();
    for (const auto& id : ids) json.value(id);
    settled.metadata = json.end().end().take();
  }
  if (!result.state.empty()) save_state(*send, std::move(result.state));
  settle(std::move(send), std::move(settled));
}

void Sender::settle(SendPtr send, store::Settled settled) {
  if (!std::exchange(send->settles, true)) ++unsaved_;
  context_.loop.query<bool>(
      [lane = send->lane, message = send->head.message, settled](store::Session& db) {
        return store::settle(db, lane, message, settled);
      },
      [this, send, settled](Result<bool> held) mutable {
        if (!held && may_repeat(held.error())) {
          context_.health.bad(held.error());
          context_.loop.after(kRepeatMs, [this, send, settled] { settle(send, settled); });
          return;
        }
        if (!held) {
          log::error("outbound", "a message's outcome cannot be stored",
                     {{"message", send->head.message.text()}, {"cause", held.error().cause}});
        } else if (*held) {
          switch (settled.status) {
            case domain::MessageStatus::sent:
              sent_.add();
              break;
            case domain::MessageStatus::failed:
              failed_.add();
              break;
            default:
              uncertain_.add();
              break;
          }
        } else {
          log::warn("outbound", "another gateway took over a message before its outcome was stored",
                    {{"message", send->head.message.text()}});
        }
        next_claim_ms_ = 0;  // its conversation may have more
        leave(send);
      });
}

void Sender::again(SendPtr send, store::Again later) {
  if (!std::exchange(send->settles, true)) ++unsaved_;
  // Without a run, and without further answers, the stored ones stay as they are.
  std::string answers;
  if (send->run != nullptr && later.answered != send->recorded) {
    answers = encode_transcript(send->run->answers());
  }
  context_.loop.query<bool>(
      [this, lane = send->lane, message = send->head.message, channel = send->head.channel_id,
       later, answers](store::Session& db) mutable -> Result<bool> {
        if (!answers.empty()) {
          auto sealed = context_.vault.seal(db, lane.tenant, store::kOutboxTranscript,
                                            message.get(), answers);
          if (!sealed) return std::move(sealed).error();
          later.transcript = *std::move(sealed);
        }
        return store::again(db, lane, message, channel, later);
      },
      [this, send, later](Result<bool> held) mutable {
        if (!held && may_repeat(held.error())) {
          context_.health.bad(held.error());
          context_.loop.after(kRepeatMs, [this, send, later] { again(send, later); });
          return;
        }
        if (!held) {
          log::error("outbound", "a message cannot be put back into the queue",
                     {{"message", send->head.message.text()}, {"cause", held.error().cause}});
        } else if (later.channel_error) {
          context_.channel_changed(send->head.channel_id);
        }
        leave(send);
      });
}

void Sender::save_state(const Send& send, connector::Pairs changes) {
  context_.loop.query<bool>(
      [this, tenant = send.lane.tenant, channel = send.head.channel_id,
       changes = std::move(changes)](store::Session& db) {
        return merge_channel_state(db, context_.vault, tenant, channel, changes);
      },
      [this, channel = send.head.channel_id](Result<bool> changed) {
        if (!changed) {
          log::error("outbound", "a channel's state cannot be stored",
                     {{"channel", channel.text()}, {"cause", changed.error().cause}});
        } else if (*changed) {
          context_.channel_changed(channel);
        }
      });
}

void Sender::leave(const SendPtr& send) {
  if (std::exchange(send->settles, false)) --unsaved_;
  send->run.reset();
  send->big.reset();
  --sends_;
}

}  // namespace gateway::outbound
