#include "gateway/outbound/media_fetcher.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"
#include "gateway/base/log.h"
#include "gateway/domain/media_type.h"
#include "gateway/outbound/run.h"
#include "gateway/store/media_jobs.h"

namespace gateway::outbound {
namespace {

using connector::Failure;

constexpr std::int64_t kBackoffFirstMs = 5'000;
constexpr std::int64_t kBackoffLongestMs = 10 * 60'000;
constexpr std::int64_t kMeasureMs = 10'000;
constexpr std::int64_t kRepeatMs = 500;
constexpr std::int64_t kRestMs = 1'000;  // between two rounds of housekeeping
constexpr int kEraseAtOnce = 200;

// A longer file is noticed by one byte more than may be kept, and that byte has to be asked for.
MediaFetcherOptions within_answers(MediaFetcherOptions options) {
  options.max_bytes = std::min(options.max_bytes, kMaxAnswerBytes - 1);
  return options;
}

std::string megabytes(std::int64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

std::string_view result_of(const connector::Done& done, std::string_view name) {
  return connector::find(done.results, name).value_or(std::string_view());
}

// plan(fetch_media)'s input, of the JSON that was stored with the message.
connector::Event fetch_input(const store::MediaLease& lease, const store::LoadedMedia& file) {
  connector::Event event;
  event.kind = connector::EventKind::message;
  event.message = file.message_remote_id;
  event.key = lease.id.text();
  connector::Attachment attachment;
  if (const auto document = sdk::json::Document::parse(file.source)) {
    const auto root = document->root();
    attachment.kind = root["kind"].text_or("");
    attachment.media_id = root["media_id"].text_or("");
    attachment.mime_type = root["mime_type"].text_or("");
    attachment.file_name = root["file_name"].text_or("");
    attachment.size = root["size"].integer().value_or(-1);
    attachment.extra = plugins::flatten(root["extra"]);
  }
  event.attachments.push_back(std::move(attachment));
  return event;
}

class MediaFetcher final : public Worker {
 public:
  MediaFetcher(Context& context, MediaFetcherOptions options);
  void tick() override;
  void wake() override { next_claim_ms_ = 0; }
  void stop() override { stopping_ = true; }
  int in_flight() const override { return fetches_; }

 private:
  struct Loaded;
  struct Fetch;
  using FetchPtr = std::shared_ptr<Fetch>;

  void claim();
  void measure();
  void erase();
  void sweep();
  void load(FetchPtr fetch);
  void begin(FetchPtr fetch, Loaded loaded);
  void advance(FetchPtr fetch);
  void hold(FetchPtr fetch, std::shared_ptr<connector::Call> call);
  void call(FetchPtr fetch, const std::shared_ptr<connector::Call>& call);
  void answered(FetchPtr fetch, bool is_media, connector::Response response);
  void done(FetchPtr fetch, connector::Done result);
  void failed(FetchPtr fetch, const connector::Fail& failure);
  void store(FetchPtr fetch, store::FetchedMedia&& file);
  void store_next();
  void give_up(FetchPtr fetch, std::string why);
  void again(FetchPtr fetch, store::MediaAgain later);
  void interrupted(FetchPtr fetch, const Error& error);
  void save_state(const Fetch& fetch, connector::Pairs changes);
  void settled(const FetchPtr& fetch, const Result<store::MediaOutcome>& outcome, Counter& counter);
  void leave(const FetchPtr& fetch);
  // The database is away: whether the outcome of a lease that still holds may be written again.
  bool may_write_again(const Fetch& fetch, const Error& error) const;
  std::int64_t now() const { return context_.clock.steady_ms(); }

  Context& context_;
  const MediaFetcherOptions options_;
  int fetches_ = 0;
  // Fetched, and to be stored one after the other: what is being stored is in memory twice.
  std::deque<FetchPtr> to_store_;
  bool claiming_ = false;
  bool erasing_ = false;
  bool sweeping_ = false;
  bool storing_ = false;
  bool stopping_ = false;
  std::int64_t next_claim_ms_ = 0;
  std::int64_t next_measure_ms_ = 0;
  std::int64_t next_erase_ms_ = 0;
  std::int64_t next_sweep_ms_ = 0;
  Counter& ready_;
  Counter& failed_;
  Counter& retried_;
  Counter& erased_;
  Counter& bytes_;
  Gauge& waiting_;
  Gauge& oldest_;
};

struct MediaFetcher::Loaded {
  store::LoadedMedia file;
  connector::Channel channel;
  bool is_open = false;
};

struct MediaFetcher::Fetch {
  store::MediaLease lease;
  std::int64_t lease_end_ms = 0;
  int attempt = 1;
  std::int64_t deadline_ms = 0;
  domain::ChannelId channel;
  std::string type;
  connector::Attachment source;
  std::unique_ptr<Run> run;
  std::string body;
  std::size_t bytes = 0;              // of a body that is stored
  std::optional<store::Query> ready;  // the body is in it then
  std::string answered_type;          // the answer's own word for it
};

MediaFetcher::MediaFetcher(Context& context, MediaFetcherOptions options)
    : context_(context),
      options_(within_answers(options)),
      ready_(context.metrics.counter("backchannel_media_total", "Files of messages by outcome",
                                     {{"outcome", "ready"}})),
      failed_(context.metrics.counter("backchannel_media_total", "Files of messages by outcome",
                                      {{"outcome", "failed"}})),
      retried_(context.metrics.counter("backchannel_media_retried_total",
                                       "Fetches that will be tried again")),
      erased_(context.metrics.counter("backchannel_media_erased_total",
                                      "Messages taken back whose files were erased")),
      bytes_(context.metrics.counter("backchannel_media_bytes_total", "Bytes of fetched files")),
      waiting_(context.metrics.gauge("backchannel_media_waiting", "Files not fetched yet")),
      oldest_(context.metrics.gauge("backchannel_media_oldest_seconds",
                                    "Age of the oldest file not fetched yet")) {}

void MediaFetcher::tick() {
  if (stopping_) return;
  if (!claiming_ && fetches_ < options_.at_once && now() >= next_claim_ms_) claim();
  if (now() >= next_measure_ms_) measure();
  if (!erasing_ && now() >= next_erase_ms_) erase();
  if (!sweeping_ && now() >= next_sweep_ms_) sweep();
}

void MediaFetcher::measure() {
  next_measure_ms_ = now() + kMeasureMs;
  context_.loop.query<store::Depth>([](store::Session& db) { return store::media_depth(db); },
                                    [this](Result<store::Depth> depth) {
                                      if (!depth) return;
                                      waiting_.set(static_cast<double>(depth->waiting));
                                      oldest_.set(static_cast<double>(depth->oldest_ms) / 1000);
                                    });
}

void MediaFetcher::erase() {
  erasing_ = true;
  context_.loop.query<int>([](store::Session& db) { return store::erase_media(db, kEraseAtOnce); },
                           [this](Result<int> erased) {
                             erasing_ = false;
                             next_erase_ms_ = now() + options_.erase_interval_ms;
                             if (!erased) {
                               context_.health.bad(erased.error());
                               return;
                             }
                             erased_.add(*erased);
                             if (*erased >= kEraseAtOnce) next_erase_ms_ = now() + kRestMs;
                           });
}

void MediaFetcher::sweep() {
  sweeping_ = true;
  const store::MediaSweep bounds;
  context_.loop.query<int>([bounds](store::Session& db) { return store::sweep_media(db, bounds); },
                           [this, bounds](Result<int> seen) {
                             sweeping_ = false;
                             next_sweep_ms_ = now() + options_.sweep_interval_ms;
                             if (!seen) {
                               context_.health.bad(seen.error());
                             } else if (*seen >= bounds.limit) {
                               next_sweep_ms_ = now() + kRestMs;
                             }
                           });
}

void MediaFetcher::claim() {
  claiming_ = true;
  const std::int64_t asked_ms = now();
  next_claim_ms_ = asked_ms + context_.options.claim_interval_ms;
  const store::ClaimOptions options{context_.owner, options_.at_once - fetches_,
                                    options_.tenant_cap, context_.options.lease_ms};
  context_.loop.query<std::vector<store::MediaLease>>(
      [options](store::Session& db) { return store::claim_media(db, options); },
      [this, asked_ms](Result<std::vector<store::MediaLease>> leases) {
        claiming_ = false;
        if (!leases) {
          context_.health.bad(leases.error());
          next_claim_ms_ = now() + context_.health.delay_ms(context_.rng);
          return;
        }
        context_.health.good();
        for (const store::MediaLease& lease : *leases) {
          auto fetch = std::make_shared<Fetch>();
          fetch->lease = lease;
          fetch->lease_end_ms = asked_ms + context_.options.lease_ms;
          ++fetches_;
          load(std::move(fetch));
        }
      });
}

void MediaFetcher::load(FetchPtr fetch) {
  using Answer = std::optional<Loaded>;
  context_.loop.query<Answer>(
      [this, lease = fetch->lease](store::Session& db) -> Result<Answer> {
        auto file = store::load_media(db, lease, options_.keep_ms);
        if (!file) return std::move(file).error();
        if (!*file) return Answer();
        Loaded loaded;
        loaded.file = **std::move(file);
        if (!loaded.file.channel) return Answer(std::move(loaded));
        const store::SealedChannel& sealed = *loaded.file.channel;
        auto channel = open_channel(context_, db, lease.tenant, sealed,
                                    context_.webhook_url(sealed.type, sealed.id));
        if (!channel && may_repeat(channel.error())) return std::move(channel).error();
        loaded.is_open = channel.has_value();
        if (channel) loaded.channel = *std::move(channel);
        return Answer(std::move(loaded));
      },
      [this, fetch](Result<Answer> loaded) {
        if (!loaded) {
          return interrupted(fetch, loaded.error());
        }
        if (!*loaded) return leave(fetch);
        begin(fetch, **std::move(loaded));
      });
}

void MediaFetcher::begin(FetchPtr fetch, Loaded loaded) {
  const store::LoadedMedia& file = loaded.file;
  fetch->attempt = file.attempt;
  fetch->deadline_ms = now() + file.left_ms;
  fetch->channel = file.channel_id;
  const auto wait = [&](std::string why) {
    store::MediaAgain later;
    later.delay_ms = kBackoffLongestMs;
    later.error = std::move(why);
    later.counts = false;
    again(fetch, std::move(later));
  };
  if (file.is_deleted) return give_up(fetch, "deleted");
  if (!file.channel) return give_up(fetch, "the channel was removed");
  if (file.left_ms <= 0) return give_up(fetch, "it could not be fetched within a day");
  if (file.attempt > kMaxMediaAttempts)
    return give_up(fetch, "it could not be fetched in ten attempts");
  if (stopping_) return again(fetch, {.delay_ms = 0, .error = "", .counts = false});
  if (!file.channel->is_active) return wait("the channel is switched off");
  const plugins::Connector* type = context_.registry.find(file.channel->type);
  if (type == nullptr) return wait("no connector for " + file.channel->type + " is loaded");
  if (!loaded.is_open) {
    log::error("outbound", "a channel's secrets cannot be opened",
               {{"channel", file.channel_id.text()}});
    return wait("the channel's secrets cannot be opened");
  }
  fetch->type = file.channel->type;
  connector::Event input = fetch_input(fetch->lease, file);
  fetch->source = input.attachments.front();
  if (fetch->source.size > options_.max_bytes) {
    return give_up(fetch, "it is larger than " + megabytes(options_.max_bytes));
  }
  fetch->run = std::make_unique<Run>(*type, connector::Operation::fetch_media,
                                     std::move(loaded.channel), std::move(input));
  advance(std::move(fetch));
}

void MediaFetcher::advance(FetchPtr fetch) {
  connector::Step step = fetch->run->next(context_.clock.now_ms());
  if (auto* asked = std::get_if<connector::Call>(&step)) {
    hold(std::move(fetch), std::make_shared<connector::Call>(std::move(*asked)));
  } else if (auto* finished = std::get_if<connector::Done>(&step)) {
    done(std::move(fetch), std::move(*finished));
  } else {
    failed(std::move(fetch), *std::get_if<connector::Fail>(&step));
  }
}

// Before a call leaves its lease is made long enough for it.
void MediaFetcher::hold(FetchPtr fetch, std::shared_ptr<connector::Call> call_to_make) {
  if (fetch->run->answers().empty()) {
    const std::string host = context_.http.host_of(*call_to_make);
    if (fetch->attempt == 1) {
      context_.budget.first_try(host, now());
    } else if (const auto wait_ms = context_.budget.wait_ms(host, now()); wait_ms > 0) {
      return again(std::move(fetch), {.delay_ms = wait_ms, .error = "", .counts = false});
    }
  }
  // One byte more than may be kept, so that a longer file is noticed.
  if (call_to_make->answer_is_media) call_to_make->answer_bytes = options_.max_bytes + 1;
  const std::int64_t asked_ms = now();
  const std::int64_t lease_ms = context_.lease_ms(*call_to_make);
  context_.loop.query<bool>(
      [lease = fetch->lease, lease_ms](store::Session& db) {
        return store::hold_media(db, lease, lease_ms);
      },
      [this, fetch, call_to_make, end_ms = asked_ms + lease_ms](Result<bool> held) {
        if (!held) return interrupted(fetch, held.error());
        if (!*held) return leave(fetch);
        fetch->lease_end_ms = end_ms;
        if (stopping_) return again(fetch, {.delay_ms = 0, .error = "", .counts = false});
        call(fetch, call_to_make);
      });
}

// The database did not take a step before a call. Perhaps it did, with its answer lost: then the
// lease is as long as a slow call, which nobody should have to wait for.
void MediaFetcher::interrupted(FetchPtr fetch, const Error& error) {
  if (may_repeat(error)) context_.health.bad(error);
  log::warn("outbound", "a file's fetch was interrupted by the database and is put back",
            {{"file", fetch->lease.id.text()}, {"reason", error.message}, {"cause", error.cause}});
  const std::int64_t delay_ms = may_repeat(error) ? kBackoffFirstMs : kBackoffLongestMs;
  again(std::move(fetch), {.delay_ms = delay_ms, .error = "", .counts = false});
}

void MediaFetcher::call(FetchPtr fetch, const std::shared_ptr<connector::Call>& call_to_make) {
  const bool is_media = call_to_make->answer_is_media;
  auto started = context_.http.start(std::move(*call_to_make),
                                     [this, fetch, is_media](connector::Response response) {
                                       answered(fetch, is_media, std::move(response));
                                     });
  if (!started) {
    failed(fetch, {.code = Failure::permanent,
                   .why = "the call cannot be made: " + started.error().message});
  }
}

void MediaFetcher::answered(FetchPtr fetch, bool is_media, connector::Response response) {
  if (stopping_ && response.status == 0) {
    return again(std::move(fetch), {.delay_ms = 0, .error = "", .counts = false});
  }
  // What is no file is an error's words, which the plan reads.
  if (is_media && connector::is_success(response)) {
    if (response.body.size() > static_cast<std::size_t>(options_.max_bytes)) {
      return give_up(std::move(fetch), "it is larger than " + megabytes(options_.max_bytes));
    }
    fetch->answered_type = response.header("content-type");
    fetch->body = std::exchange(response.body, {});
  }
  fetch->run->answered(std::move(response));
  advance(std::move(fetch));
}

void MediaFetcher::done(FetchPtr fetch, connector::Done result) {
  if (!result.state.empty()) save_state(*fetch, std::move(result.state));
  if (fetch->body.empty()) {
    return give_up(std::move(fetch), "the platform gave an empty file");
  }
  std::string_view declared = result_of(result, "mime_type");
  if (declared.empty()) declared = fetch->source.mime_type;
  if (declared.empty()) declared = fetch->answered_type;
  std::string_view name = result_of(result, "file_name");
  if (name.empty()) name = fetch->source.file_name;
  store::FetchedMedia file;
  file.content_type = domain::media_type(fetch->body, declared);
  file.file_name = domain::file_name(name, file.content_type);
  file.body = std::exchange(fetch->body, {});
  fetch->run.reset();
  store(std::move(fetch), std::move(file));
}

void MediaFetcher::failed(FetchPtr fetch, const connector::Fail& failure) {
  store::MediaAgain later;
  later.error = failure.why;
  later.delay_ms = media_backoff_ms(fetch->attempt, context_.rng);
  switch (failure.code) {
    case Failure::permanent:
    case Failure::unreachable:
      return give_up(std::move(fetch), failure.why);
    case Failure::config:
    case Failure::auth:
      // Not the file's fault: it waits for somebody to repair the channel.
      later.delay_ms = kBackoffLongestMs;
      later.counts = false;
      break;
    case Failure::rate:
      later.delay_ms = std::max(later.delay_ms, rate_pause_ms(failure.retry_after_ms));
      later.counts = false;
      break;
    case Failure::retry:
    case Failure::uncertain: {
      // Nothing is done by reading, so what is uncertain may be repeated. A platform that does not
      // answer at all costs time, and no attempt.
      const auto& answers = fetch->run->answers();
      later.counts = answers.empty() || answers.back().status != 0;
      if (later.counts && fetch->attempt >= kMaxMediaAttempts) {
        return give_up(std::move(fetch), failure.why);
      }
      break;
    }
  }
  if (now() >= fetch->deadline_ms) return give_up(std::move(fetch), failure.why);
  // Not beyond the deadline: then it is told as failed.
  later.delay_ms = std::min(later.delay_ms, fetch->deadline_ms - now());
  retried_.add();
  again(std::move(fetch), std::move(later));
}

bool MediaFetcher::may_write_again(const Fetch& fetch, const Error& error) const {
  if (!may_repeat(error)) return false;
  context_.health.bad(error);
  return now() + kRepeatMs < fetch.lease_end_ms;
}

void MediaFetcher::settled(const FetchPtr& fetch, const Result<store::MediaOutcome>& outcome,
                           Counter& counter) {
  if (!outcome) {
    log::error("outbound", "a file's outcome cannot be stored",
               {{"file", fetch->lease.id.text()},
                {"reason", outcome.error().message},
                {"cause", outcome.error().cause}});
  } else if (*outcome == store::MediaOutcome::settled) {
    counter.add();
    bytes_.add(static_cast<double>(fetch->bytes));
  } else if (*outcome == store::MediaOutcome::lost) {
    log::warn("outbound", "another gateway took over a file before it was stored",
              {{"file", fetch->lease.id.text()}});
  }
  leave(fetch);
}

void MediaFetcher::store(FetchPtr fetch, store::FetchedMedia&& file) {
  fetch->bytes = file.body.size();
  fetch->ready = store::media_ready_query(fetch->lease, std::move(file));
  to_store_.push_back(std::move(fetch));
  store_next();
}

void MediaFetcher::store_next() {
  if (storing_ || to_store_.empty()) return;
  storing_ = true;
  const FetchPtr fetch = to_store_.front();
  context_.loop.query<store::MediaOutcome>(
      [fetch](store::Session& db) { return store::media_ready(db, fetch->lease, *fetch->ready); },
      [this, fetch](Result<store::MediaOutcome> outcome) {
        storing_ = false;
        if (!outcome && may_write_again(*fetch, outcome.error())) {
          context_.loop.after(kRepeatMs, [this] { store_next(); });
          return;
        }
        to_store_.pop_front();
        settled(fetch, outcome, ready_);
        store_next();
      });
}

void MediaFetcher::give_up(FetchPtr fetch, std::string why) {
  log::info("outbound", "a file cannot be fetched",
            {{"type", fetch->type}, {"channel", fetch->channel.text()}, {"reason", why}});
  fetch->body = {};
  context_.loop.query<store::MediaOutcome>(
      [lease = fetch->lease, why](store::Session& db) {
        return store::media_failed(db, lease, why);
      },
      [this, fetch, why](Result<store::MediaOutcome> outcome) {
        if (!outcome && may_write_again(*fetch, outcome.error())) {
          context_.loop.after(kRepeatMs, [this, fetch, why] { give_up(fetch, why); });
          return;
        }
        settled(fetch, outcome, failed_);
      });
}

void MediaFetcher::again(FetchPtr fetch, store::MediaAgain later) {
  fetch->body = {};
  context_.loop.query<bool>(
      [lease = fetch->lease, later](store::Session& db) {
        return store::media_again(db, lease, later);
      },
      [this, fetch, later](Result<bool> held) {
        if (!held && !stopping_ && may_write_again(*fetch, held.error())) {
          context_.loop.after(kRepeatMs, [this, fetch, later] { again(fetch, later); });
          return;
        }
        // Where it could not be written the lease runs out, which is the same a little later.
        leave(fetch);
      });
}

void MediaFetcher::save_state(const Fetch& fetch, connector::Pairs changes) {
  context_.loop.query<bool>(
      [this, tenant = fetch.lease.tenant, channel = fetch.channel,
       changes = std::move(changes)](store::Session& db) {
        return merge_channel_state(db, context_.vault, tenant, channel, changes);
      },
      [this, channel = fetch.channel](Result<bool> changed) {
        if (!changed) {
          log::error("outbound", "a channel's state cannot be stored",
                     {{"channel", channel.text()}, {"cause", changed.error().cause}});
        } else if (*changed) {
          context_.channel_changed(channel);
        }
      });
}

void MediaFetcher::leave(const FetchPtr& fetch) {
  fetch->run.reset();
  fetch->body = {};
  fetch->ready.reset();
  --fetches_;
  next_claim_ms_ = 0;  // more may wait
}

}  // namespace

std::int64_t media_backoff_ms(int attempt, Rng& rng) {
  const int doublings = std::clamp(attempt - 1, 0, 10);
  const std::int64_t delay = std::min(kBackoffLongestMs, kBackoffFirstMs << doublings);
  return uniform_ms(delay / 2, delay, rng);
}

std::unique_ptr<Worker> make_media_fetcher(Context& context, MediaFetcherOptions options) {
  return std::make_unique<MediaFetcher>(context, options);
}

}  // namespace gateway::outbound
