#include "gateway/outbound/pass_on.h"

#include <utility>

#include "gateway/plugins/connector.h"

namespace gateway::outbound {
namespace {

void pass_on(Outbound& outbound, domain::BusinessId business, const store::SignalTarget& target,
             connector::Event event) {
  if (!target.channel || target.thread.empty()) return;
  event.thread = target.thread;
  event.contact = target.contact;
  event.contact_name = target.contact_name;
  event.message = target.last_remote_id;
  event.extra = plugins::last_facts(target.last_metadata);
  outbound.signal(business, *target.channel, std::move(event));
}

}  // namespace

void pass_on_typing(Outbound& outbound, domain::BusinessId business,
                    const store::SignalTarget& target, bool is_typing) {
  connector::Event event;
  event.kind = connector::EventKind::typing;
  event.state = is_typing ? "on" : "off";
  pass_on(outbound, business, target, std::move(event));
}

void pass_on_read(Outbound& outbound, domain::BusinessId business,
                  const store::SignalTarget& target) {
  if (target.last_remote_id.empty()) return;
  connector::Event event;
  event.kind = connector::EventKind::status;
  event.state = "read";
  pass_on(outbound, business, target, std::move(event));
}

}  // namespace gateway::outbound
