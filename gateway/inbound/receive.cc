#include "gateway/inbound/receive.h"

#include <algorithm>
#include <mutex>
#include <random>
#include <set>
#include <utility>

#include "gateway/base/log.h"

namespace gateway::inbound {
namespace {

using connector::Verdict;

constexpr std::size_t kAccountsNamed = 5;  // in the reason of a quarantine
constexpr std::size_t kAccountShown = 100;

http::Response refusal(int status, const char* detail) {
  return http::Response::json(status, std::string(R"({"detail":")") + detail + R"("})");
}

http::Response unauthentic() { return refusal(401, "The delivery is not authentic."); }
http::Response no_channel() { return refusal(404, "There is no such channel."); }

// 5 to 15 s: senders that were refused together must not come back together.
http::Response try_later() {
  thread_local std::minstd_rand random{std::random_device{}()};
  auto response = refusal(503, "The message cannot be stored at the moment. Send it again later.");
  response.headers.emplace_back("Retry-After", std::to_string(5 + random() % 11));
  return response;
}

http::Response answer_of(const connector::Response& reply) {
  http::Response response;
  response.status = reply.status;
  response.body = reply.body;
  for (const auto& [name, value] : reply.headers) response.headers.emplace_back(name, value);
  return response;
}

connector::Request values_of(http::Request&& request) {
  connector::Request seen;
  seen.method = std::move(request.method);
  seen.target = std::move(request.target);
  seen.query = std::move(request.query);
  seen.headers = std::move(request.headers);
  seen.body = std::move(request.body);
  return seen;
}

// The one answer to a delivery that several channels store: the worst of theirs. The committer's
// acknowledgements meet here those of a queue that was full.
class Answering {
 public:
  Answering(http::Reply reply, http::Response good, std::size_t awaited, bool come_back)
      : reply_(std::move(reply)), good_(std::move(good)), awaited_(awaited) {
    if (come_back) worst_ = Ack::unavailable;
  }
  void acknowledge(Ack ack) {
    {
      const std::lock_guard lock(mutex_);
      if (worst_ != Ack::unavailable && ack != Ack::committed) worst_ = ack;
      if (--awaited_ > 0) return;
    }
    switch (worst_) {
      case Ack::committed:
        return reply_.send(std::move(good_));
      case Ack::unavailable:
        return reply_.send(try_later());
      case Ack::gone:
        return reply_.send(no_channel());
    }
  }

 private:
  std::mutex mutex_;
  http::Reply reply_;
  http::Response good_;
  std::size_t awaited_;
  Ack worst_ = Ack::committed;
};

}  // namespace

// A channel that a delivery may be for.
struct Receiver::Target {
  std::shared_ptr<const LiveChannel> channel;
  connector::Channel values;
  connector::Received received;
  std::optional<std::string> not_understood;
};

struct Receiver::Arrival {
  std::string type;
  const plugins::Connector* connector = nullptr;
  std::optional<domain::ChannelId> named;  // by the URL
  connector::Request request;
  http::Reply reply;
  std::int64_t now_ms = 0;

  std::vector<store::AccountChannel> claims;  // who stands for the accounts it names
  std::vector<domain::ChannelId> candidates;  // the URL's first
  std::size_t next = 0;
  std::vector<std::shared_ptr<Target>> verified;
  bool come_back = false;  // a channel could not tell or not be looked up
  bool undecided = false;  // a connector said so
};

Receiver::Receiver(HookCache& hooks, Batcher& batcher, DocumentCache* documents, const Clock& clock,
                   Uuid7& ids, Metrics& metrics, OnTyping on_typing)
    : hooks_(hooks),
      batcher_(batcher),
      documents_(documents),
      clock_(clock),
      ids_(ids),
      on_typing_(std::move(on_typing)),
      accepted_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                                {{"outcome", "verified"}})),
      refused_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                               {{"outcome", "unauthentic"}})),
      unknown_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                               {{"outcome", "unknown_channel"}})),
      later_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                             {{"outcome", "try_later"}})),
      unclaimed_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                                 {{"outcome", "unclaimed"}})),
      too_many_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                                {{"outcome", "too_many_channels"}})) {}

void Receiver::channel_changed(domain::ChannelId channel) { hooks_.forget(channel); }

void Receiver::receive(std::string_view type, domain::ChannelId channel, http::Request&& request,
                       http::Reply&& reply) {
  const auto arrival = std::make_shared<Arrival>();
  arrival->type = type;
  arrival->named = channel;
  arrival->request = values_of(std::move(request));
  arrival->reply = std::move(reply);
  hooks_.find(channel, [this, arrival](const HookCache::Found& found) {
    if (!found) {
      arrival->reply.send(try_later());
    } else if (*found == nullptr || (*found)->type != arrival->type ||
               (*found)->connector == nullptr) {
      unknown_.add();
      arrival->reply.send(no_channel());
    } else {
      arrival->connector = (*found)->connector;
      find_targets(arrival);
    }
  });
}

void Receiver::receive_shared(std::string_view type, http::Request&& request, http::Reply&& reply) {
  const auto* connector = hooks_.context().registry.find(type);
  if (connector == nullptr || !connector->shares_callback_urls()) {
    unknown_.add();
    reply.send(no_channel());
    return;
  }
  const auto arrival = std::make_shared<Arrival>();
  arrival->type = type;
  arrival->connector = connector;
  arrival->request = values_of(std::move(request));
  arrival->reply = std::move(reply);
  find_targets(arrival);
}

void Receiver::find_targets(const ArrivalPtr& arrival) {
  arrival->now_ms = clock_.now_ms();
  if (arrival->named) arrival->candidates.push_back(*arrival->named);
  std::vector<std::string> accounts;
  if (arrival->connector->shares_callback_urls()) {
    accounts = arrival->connector->accounts(arrival->request);
    std::sort(accounts.begin(), accounts.end());
    accounts.erase(std::unique(accounts.begin(), accounts.end()), accounts.end());
  }
  if (accounts.empty()) return look_at_next(arrival);
  hooks_.find_accounts(
      arrival->type, std::move(accounts), [this, arrival](const HookCache::FoundAccounts& found) {
        if (!found) return arrival->reply.send(try_later());
        arrival->claims = *found;
        auto& candidates = arrival->candidates;
        for (const auto& claim : arrival->claims) {
          if (std::find(candidates.begin(), candidates.end(), claim.channel) == candidates.end()) {
            candidates.push_back(claim.channel);
          }
          if (candidates.size() > kMaxTargets) {
            // Storing a part and saying 200 would lose the rest.
            too_many_.add();
            log::error("inbound", "a delivery is for more channels than one may be",
                       {{"type", arrival->type}, {"most", std::to_string(kMaxTargets)}});
            return arrival->reply.send(try_later());
          }
        }
        look_at_next(arrival);
      });
}

void Receiver::look_at_next(const ArrivalPtr& arrival) {
  if (arrival->next == arrival->candidates.size()) return conclude(arrival);
  const auto channel = arrival->candidates[arrival->next++];
  hooks_.find(channel, [this, arrival](const HookCache::Found& found) {
    if (!found) arrival->come_back = true;
    // One that is gone or of another type by now stands for nothing.
    if (!found || *found == nullptr || (*found)->type != arrival->type ||
        (*found)->connector == nullptr) {
      return look_at_next(arrival);
    }
    const auto target = std::make_shared<Target>();
    target->channel = *found;
    target->values = target->channel->values;
    target->values.now_ms = arrival->now_ms;
    gather_documents(arrival, target,
                     arrival->connector->documents(target->values, arrival->request));
  });
}

void Receiver::gather_documents(const ArrivalPtr& arrival, const std::shared_ptr<Target>& target,
                                std::vector<std::string> urls) {
  if (urls.empty() || documents_ == nullptr) return verify(arrival, target);
  const std::string url = std::move(urls.back());
  urls.pop_back();
  documents_->find(url, [this, arrival, target, url,
                         urls = std::move(urls)](const DocumentCache::Document& document) mutable {
    if (document) target->values.documents.emplace_back(url, *document);
    gather_documents(arrival, target, std::move(urls));
  });
}

void Receiver::verify(const ArrivalPtr& arrival, const std::shared_ptr<Target>& target) {
  switch (arrival->connector->verify(target->values, arrival->request)) {
    case Verdict::accept:
      arrival->verified.push_back(target);
      break;
    case Verdict::try_later:
      arrival->come_back = arrival->undecided = true;
      break;
    case Verdict::refuse:
      break;
  }
  look_at_next(arrival);
}

void Receiver::conclude(const ArrivalPtr& arrival) {
  if (arrival->undecided) later_.add();
  if (arrival->verified.empty()) return refuse(arrival);
  if (!arrival->undecided) accepted_.add();
  for (const auto& target : arrival->verified) {
    auto received = arrival->connector->receive(target->values, arrival->request);
    if (received) {
      target->received = *std::move(received);
      give_keys(target->received.events, arrival->request.body);
    } else {
      target->not_understood = received.error().message;
    }
  }
  hand_over(arrival);
}

void Receiver::refuse(const ArrivalPtr& arrival) {
  if (arrival->come_back) return arrival->reply.send(try_later());
  if (arrival->candidates.empty() && is_from_the_deployment(*arrival)) {
    // Of an account that nobody has connected, or has no more: the platform would repeat it for
    // days, and there is nobody whose quarantine it could go to.
    unclaimed_.add();
    return arrival->reply.send(http::Response{});
  }
  refused_.add();
  arrival->reply.send(unauthentic());
}

bool Receiver::is_from_the_deployment(const Arrival& arrival) const {
  connector::Channel nobody;
  nobody.now_ms = arrival.now_ms;
  arrival.connector->fill_defaults(hooks_.context().deployment, nobody.config);
  return !nobody.config.empty() &&
         arrival.connector->verify(nobody, arrival.request) == Verdict::accept;
}

namespace {

// Accounts that a delivery to the URL of one channel has events for, though no channel that has
// verified it stands for them.
std::set<std::string> accounts_of_nobody(const std::vector<connector::Event>& events,
                                         const std::set<std::string>& claimed) {
  std::set<std::string> accounts;
  for (const connector::Event& event : events) {
    if (!event.account.empty() && event.kind != connector::EventKind::typing &&
        !claimed.contains(event.account)) {
      accounts.insert(event.account);
    }
  }
  return accounts;
}

std::string reason_of(const std::set<std::string>& accounts) {
  std::string reason = "no channel stands for account";
  std::size_t named = 0;
  for (const std::string& account : accounts) {
    if (named == kAccountsNamed) return reason + " and others";
    reason += (named++ == 0 ? " " : ", ") + account.substr(0, kAccountShown);
  }
  return reason;
}

}  // namespace

std::unique_ptr<Delivery> Receiver::delivery_of(
    const Arrival& arrival, Target& target, const std::shared_ptr<const store::RawDelivery>& raw) {
  auto delivery = std::make_unique<Delivery>();
  delivery->business = target.channel->business;
  delivery->channel = target.channel->id;
  delivery->raw = raw;
  if (target.not_understood) {
    delivery->quarantine = std::move(target.not_understood);
    return delivery;
  }
  const NormalizeContext context{target.channel->id, arrival.now_ms, target.channel->is_active};
  for (connector::Event& event : target.received.events) {
    if (!event.account.empty()) continue;
    if (event.kind == connector::EventKind::typing) {
      if (on_typing_ && target.channel->is_active) {
        on_typing_(target.channel->business, target.channel->id, event);
      }
      continue;
    }
    auto row = normalize(event, context, ids_);
    if (!row) continue;
    const auto* kept = delivery->rows.empty() ? raw.get() : nullptr;
    std::visit([&](auto& stored) { stored.raw = kept; }, *row);
    std::optional<store::InboundMessage> as_message;
    if (event.kind == connector::EventKind::edited) {
      as_message = message_of_edit(event, context, ids_);
      as_message->raw = kept;
    }
    delivery->rows.push_back(std::move(*row));
    delivery->as_message.push_back(std::move(as_message));
    if (connector::find(event.extra, "acknowledge")) {
      delivery->acknowledge.push_back(std::move(event));
    }
  }
  return delivery;
}

void Receiver::hand_over(const ArrivalPtr& arrival) {
  const auto raw = std::make_shared<const store::RawDelivery>(
      store::RawDelivery{std::move(arrival->request.body),
                         std::string(arrival->request.header("content-type").substr(0, 200))});
  std::set<domain::ChannelId> verified;
  for (const auto& target : arrival->verified) verified.insert(target->channel->id);
  std::set<std::string> claimed;
  for (const auto& claim : arrival->claims) {
    if (verified.contains(claim.channel)) claimed.insert(claim.account);
  }

  std::optional<http::Response> reply;
  std::vector<std::unique_ptr<Delivery>> deliveries;
  for (const auto& target : arrival->verified) {
    if (!reply && target->received.reply) reply = answer_of(*target->received.reply);
    const bool is_named = arrival->named == target->channel->id;
    const auto strangers = is_named && !arrival->come_back
                               ? accounts_of_nobody(target->received.events, claimed)
                               : std::set<std::string>();
    auto delivery = delivery_of(*arrival, *target, raw);
    if (!strangers.empty()) delivery->quarantine = reason_of(strangers);
    if (!delivery->rows.empty() || delivery->quarantine) deliveries.push_back(std::move(delivery));
  }
  http::Response good = reply ? std::move(*reply) : http::Response{};
  if (deliveries.empty()) {
    // A handshake, or nothing worth a row.
    return arrival->reply.send(arrival->come_back ? try_later() : std::move(good));
  }
  const auto answering = std::make_shared<Answering>(std::move(arrival->reply), std::move(good),
                                                     deliveries.size(), arrival->come_back);
  for (auto& delivery : deliveries) {
    const auto channel = delivery->channel;
    const bool is_named = arrival->named == channel;
    delivery->done = [this, answering, channel, is_named](Ack ack) {
      if (ack == Ack::gone) {
        hooks_.forget(channel);
        // Who stands for the account now is looked up when the platform sends it again.
        if (!is_named) ack = Ack::unavailable;
      }
      answering->acknowledge(ack);
    };
    // A delivery the queue refuses comes back.
    if (!batcher_.submit(delivery)) delivery->done(Ack::unavailable);
  }
}

}  // namespace gateway::inbound
