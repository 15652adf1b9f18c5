// What a visitor is shown of a conversation: a list of what may be said, not the agents' view with
// things left out. No ids of agents, no notes, no metadata, no other people; agents' names only
// where the embed shows them.
//
// Values of one request, on its thread.
#ifndef GATEWAY_VISITORS_VISITOR_VIEW_H_
#define GATEWAY_VISITORS_VISITOR_VIEW_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/store/conversations.h"
#include "gateway/store/media.h"
#include "gateway/store/media_url.h"
#include "gateway/store/visitors.h"

namespace gateway::visitors {

// Notices of platforms and the like are for agents.
bool is_for_visitors(const store::Message& message);

// Messages of one business as JSON objects ("VisitorMessage" of schemas/api/openapi.json).
class MessageViews {
 public:
  static Result<MessageViews> of(const store::MediaUrls& urls, std::int64_t now_ms,
                                 store::Session& db, domain::BusinessId business,
                                 std::span<const store::Message> messages);
  static Result<MessageViews> of(const store::MediaUrls& urls, std::int64_t now_ms,
                                 store::Transaction& transaction, domain::BusinessId business,
                                 std::span<const store::Message> messages);
  std::string json(const store::Message& message) const;

 private:
  MessageViews(const store::MediaUrls& urls, std::int64_t now_ms, domain::BusinessId business,
               std::vector<store::Media> files, store::SenderNames names);
  template <class Database>
  static Result<MessageViews> read_views(const store::MediaUrls& urls, std::int64_t now_ms,
                                         Database& db, domain::BusinessId business,
                                         std::span<const store::Message> messages);
  void write_attachment(sdk::json::Writer& out, sdk::json::Value attachment) const;

  const store::MediaUrls& urls_;
  std::int64_t now_ms_;
  domain::BusinessId business_;
  std::map<Uuid, store::Media> files_;
  store::SenderNames names_;
};

// The rating as agents and visitors see it.
void write_csat(sdk::json::Writer& out, const store::Csat& csat);

}  // namespace gateway::visitors

#endif  // GATEWAY_VISITORS_VISITOR_VIEW_H_
