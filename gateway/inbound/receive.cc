#include "gateway/inbound/receive.h"

#include <random>
#include <utility>

#include "gateway/base/log.h"

namespace gateway::inbound {
namespace {

http::Response refusal(int status, const char* detail) {
  return http::Response::json(status, std::string(R"({"detail":")") + detail + R"("})");
}

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

}  // namespace

Receiver::Receiver(HookCache& hooks, Batcher& batcher, const Clock& clock, Uuid7& ids,
                   Metrics& metrics)
    : hooks_(hooks),
      batcher_(batcher),
      clock_(clock),
      ids_(ids),
      accepted_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                                {{"outcome", "verified"}})),
      refused_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                               {{"outcome", "unauthentic"}})),
      unknown_(metrics.counter("backchannel_webhooks_total", "Webhook deliveries by outcome",
                               {{"outcome", "unknown_channel"}})) {}

void Receiver::channel_changed(domain::ChannelId channel) { hooks_.forget(channel); }

void Receiver::receive(std::string_view type, domain::ChannelId channel, http::Request&& request,
                       http::Reply&& reply) {
  hooks_.find(channel, [this, type = std::string(type), request = std::move(request),
                        reply = std::move(reply)](const HookCache::Found& found) mutable {
    if (!found) {
      reply.send(try_later());
    } else if (*found == nullptr || (*found)->type != type || (*found)->connector == nullptr) {
      unknown_.add();
      reply.send(refusal(404, "There is no such channel."));
    } else {
      process(**found, std::move(request), std::move(reply));
    }
  });
}

void Receiver::process(const LiveChannel& channel, http::Request&& request, http::Reply&& reply) {
  connector::Request seen;
  seen.method = std::move(request.method);
  seen.target = std::move(request.target);
  seen.query = std::move(request.query);
  seen.headers = std::move(request.headers);
  seen.body = std::move(request.body);
  connector::Channel values = channel.values;
  values.now_ms = clock_.now_ms();
  if (channel.connector->verify(values, seen) != connector::Verdict::accept) {
    refused_.add();
    reply.send(refusal(401, "The delivery is not authentic."));
    return;
  }
  accepted_.add();
  auto received = channel.connector->receive(values, seen);
  if (received && received->events.empty() && received->reply) {
    reply.send(answer_of(*received->reply));  // a handshake: nothing to store
    return;
  }
  auto delivery = std::make_unique<Delivery>();
  delivery->business = channel.business;
  delivery->channel = channel.id;
  delivery->raw.content_type = std::string(seen.header("content-type").substr(0, 200));
  delivery->raw.body = std::move(seen.body);
  if (!received) {
    delivery->quarantine = received.error().message;
  } else {
    const NormalizeContext context{channel.id, values.now_ms, channel.is_active};
    give_keys(received->events, delivery->raw.body);
    for (connector::Event& event : received->events) {
      auto row = normalize(event, context, ids_);
      if (!row) continue;
      std::visit(
          [&](auto& stored) { stored.raw = delivery->rows.empty() ? &delivery->raw : nullptr; },
          *row);
      std::optional<store::InboundMessage> as_message;
      if (event.kind == connector::EventKind::edited) {
        as_message = message_of_edit(event, context, ids_);
        as_message->raw = delivery->rows.empty() ? &delivery->raw : nullptr;
      }
      delivery->rows.push_back(std::move(*row));
      delivery->as_message.push_back(std::move(as_message));
      if (connector::find(event.extra, "acknowledge")) {
        delivery->acknowledge.push_back(std::move(event));
      }
    }
    if (delivery->rows.empty()) {
      reply.send(received->reply ? answer_of(*received->reply) : http::Response{});
      return;
    }
  }
  http::Response answer;
  if (received && received->reply) answer = answer_of(*received->reply);
  // The answer waits in a place both ways can reach: a delivery the queue refuses comes back.
  auto held = std::make_shared<http::Reply>(std::move(reply));
  delivery->done = [held, answer = std::move(answer)](Ack ack) mutable {
    switch (ack) {
      case Ack::committed:
        held->send(std::move(answer));
        return;
      case Ack::unavailable:
        held->send(try_later());
        return;
      case Ack::gone:
        held->send(refusal(404, "There is no such channel."));
        return;
    }
  };
  if (!batcher_.submit(delivery)) held->send(try_later());
}

}  // namespace gateway::inbound
