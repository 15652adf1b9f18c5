// Answers a connector's GET for a file of ours from the table, so that a connector which needs an
// attachment's bytes gets them without the network, and also where the public address cannot be
// reached from here.
#ifndef GATEWAY_OUTBOUND_MEDIA_LOCAL_H_
#define GATEWAY_OUTBOUND_MEDIA_LOCAL_H_

#include <functional>
#include <optional>

#include "connectors/sdk/values.h"
#include "gateway/base/clock.h"
#include "gateway/store/media_url.h"
#include "gateway/store/pg.h"

namespace gateway::outbound {

using LocalAnswer = std::function<Result<std::optional<connector::Response>>(
    store::Session&, const connector::Call&)>;

// For OutboundOptions::local_answer. Absent: not an address of ours. 200 with Content-Type, the
// body whole; 404 for a wrong or expired signature and a file that is not there; 413 where the file
// is longer than the answer the call would keep, for half a file is none. Any thread; the arguments
// outlive the function.
LocalAnswer local_media(const store::MediaUrls& urls, const Clock& clock);

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_MEDIA_LOCAL_H_
