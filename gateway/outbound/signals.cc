#include "gateway/outbound/signals.h"

#include "gateway/base/log.h"
#include "gateway/store/registrations.h"
#include "gateway/store/signals.h"

namespace gateway::outbound {

struct Signals::Errand {
  domain::BusinessId business;
  domain::ChannelId channel;
  connector::Operation operation = connector::Operation::acknowledge;
  connector::Event event;
  std::optional<ThreadKey> thread;  // of a signal
  std::unique_ptr<Run> run;
  std::shared_ptr<void> big;
};

Signals::Signals(Context& context)
    : context_(context),
      dropped_(context.metrics.counter("backchannel_signals_dropped_total",
                                       "Acknowledgements and signals there was no room for")) {}

void Signals::acknowledge(domain::BusinessId business, domain::ChannelId channel,
                          connector::Event event) {
  if (stopping_ || acknowledgements_.size() >= kWaiting) return dropped_.add();
  acknowledgements_.push_back(std::make_shared<Errand>(
      Errand{business, channel, connector::Operation::acknowledge, std::move(event), {}, {}, {}}));
  begin_waiting();
}

void Signals::signal(domain::BusinessId business, domain::ChannelId channel,
                     connector::Event event) {
  const ThreadKey key{channel, event.thread};
  const auto known = threads_.find(key);
  if (stopping_ || (known == threads_.end() && threads_.size() >= kWaiting)) return dropped_.add();
  const bool is_idle = known == threads_.end();
  Thread& thread = is_idle ? threads_[key] : known->second;
  thread.business = business;
  (event.kind == connector::EventKind::typing ? thread.typing : thread.other) = std::move(event);
  if (!is_idle) return;  // it is looked at when the one under way has ended, or has its place
  ready_.push_back(key);
  begin_waiting();
}

void Signals::begin_waiting() {
  while (running_ < kAtOnce && !stopping_) {
    if (!acknowledgements_.empty()) {
      ErrandPtr errand = std::move(acknowledgements_.front());
      acknowledgements_.pop_front();
      begin(std::move(errand));
    } else if (!ready_.empty()) {
      const ThreadKey key = std::move(ready_.front());
      ready_.pop_front();
      if (!next_signal(key)) threads_.erase(key);
    } else {
      return;
    }
  }
}

// False where nothing waits.
bool Signals::next_signal(const ThreadKey& key) {
  Thread& thread = threads_.at(key);
  auto& next = thread.typing ? thread.typing : thread.other;
  if (!next) return false;
  auto event = std::exchange(next, std::nullopt);
  auto errand = std::make_shared<Errand>(Errand{
      thread.business, key.first, connector::Operation::signal, *std::move(event), key, {}, {}});
  begin(std::move(errand));
  return true;
}

void Signals::begin(ErrandPtr errand) {
  ++running_;
  struct Opened {
    std::string type;
    connector::Channel channel;
    std::optional<std::string> contact_name;
  };
  const bool asks_name = errand->operation == connector::Operation::acknowledge;
  using Answer = std::optional<Opened>;
  context_.loop.query<Answer>(
      [this, business = errand->business, channel = errand->channel,
       contact = asks_name ? errand->event.contact
                           : std::string()](store::Session& db) -> Result<Answer> {
        auto sealed = store::sealed_channel(db, business, channel);
        if (!sealed) return std::move(sealed).error();
        if (!*sealed || !(*sealed)->is_active) return Answer();
        auto opened = open_channel(context_, db, business, **sealed,
                                   context_.webhook_url((*sealed)->type, channel));
        if (!opened) return std::move(opened).error();
        Opened all{(*sealed)->type, *std::move(opened), std::nullopt};
        if (!contact.empty()) {
          auto name = store::contact_name(db, business, channel, contact);
          if (!name) return std::move(name).error();
          all.contact_name = *std::move(name);
        }
        return Answer(std::move(all));
      },
      [this, errand](Result<Answer> opened) {
        const plugins::Connector* type =
            opened && *opened ? context_.registry.find((*opened)->type) : nullptr;
        if (type == nullptr) return leave(errand);
        if ((*opened)->contact_name) errand->event.contact_name = *(*opened)->contact_name;
        errand->run = std::make_unique<Run>(*type, errand->operation, std::move((*opened)->channel),
                                            std::move(errand->event));
        advance(errand);
      });
}

void Signals::advance(ErrandPtr errand) {
  connector::Step step = errand->run->next(context_.clock.now_ms());
  if (auto* finished = std::get_if<connector::Done>(&step)) {
    return done(std::move(errand), std::move(*finished));
  }
  if (auto* call = std::get_if<connector::Call>(&step)) {
    const bool is_big = context_.http.answer_limit(*call) > kBigAnswerBytes;
    if (is_big && errand->big == nullptr) errand->big = context_.big.take();
    if (is_big && errand->big == nullptr) {
      dropped_.add();
      return leave(errand);
    }
    context_.budget.first_try(context_.http.host_of(*call), context_.clock.steady_ms());
    auto started =
        context_.http.start(std::move(*call), [this, errand](connector::Response response) {
          errand->run->answered(std::move(response));
          advance(errand);
        });
    if (started) return;
  } else if (const auto* failure = std::get_if<connector::Fail>(&step)) {
    log::debug("outbound", "a platform could not be told something",
               {{"type", errand->run->type().type()}, {"reason", failure->why}});
  }
  leave(errand);
}

void Signals::done(ErrandPtr errand, connector::Done result) {
  if (result.events.empty() && result.state.empty()) return leave(errand);
  Brought brought{errand->business, errand->channel, std::move(result.events),
                  std::move(result.state)};
  context_.loop.query<bool>(
      [this, brought = std::move(brought)](store::Session& db) {
        return store_brought(context_, db, brought);
      },
      [this, errand](Result<bool> stored) {
        if (!stored) {
          log::warn("outbound", "what an acknowledgement brought could not be stored",
                    {{"channel", errand->channel.text()}, {"reason", stored.error().message}});
        } else if (*stored) {
          context_.channel_changed(errand->channel);
        }
        leave(errand);
      });
}

void Signals::leave(const ErrandPtr& errand) {
  --running_;
  errand->run.reset();
  errand->big.reset();
  // Behind whoever waits already, so that one conversation cannot keep a place for itself.
  if (errand->thread) ready_.push_back(*errand->thread);
  begin_waiting();
}

}  // namespace gateway::outbound
