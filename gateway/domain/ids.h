// Ids that cannot be mixed up. All are UUIDs; a BusinessId is the tenant of every row.
#ifndef GATEWAY_DOMAIN_IDS_H_
#define GATEWAY_DOMAIN_IDS_H_

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/base/uuid.h"

namespace gateway::domain {

template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(Uuid value) : value_(value) {}
  auto operator<=>(const Id&) const = default;
  const Uuid& get() const { return value_; }
  std::string text() const { return value_.text(); }
  static std::optional<Id> parse(std::string_view text) {
    const auto uuid = Uuid::parse(text);
    return uuid ? std::optional<Id>(Id(*uuid)) : std::nullopt;
  }

 private:
  Uuid value_;
};

using UserId = Id<struct UserTag>;
using BusinessId = Id<struct BusinessTag>;
using WidgetId = Id<struct WidgetTag>;
using ChannelId = Id<struct ChannelTag>;
using ContactId = Id<struct ContactTag>;
using ConversationId = Id<struct ConversationTag>;
using MessageId = Id<struct MessageTag>;

}  // namespace gateway::domain

template <class Tag>
struct std::hash<gateway::domain::Id<Tag>> {
  std::size_t operator()(const gateway::domain::Id<Tag>& id) const noexcept {
    return std::hash<gateway::Uuid>{}(id.get());
  }
};

#endif  // GATEWAY_DOMAIN_IDS_H_
