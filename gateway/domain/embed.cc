#include "gateway/domain/embed.h"

#include <utility>

#include "connectors/sdk/crypto.h"

namespace gateway::domain {

std::optional<EmbedId> EmbedId::parse(std::string_view text) {
  if (const auto widget = WidgetId::parse(text)) return EmbedId(*widget);
  if (text.size() != kWebchatDigits) return std::nullopt;
  const auto bytes = sdk::from_hex(text);
  if (!bytes) return std::nullopt;
  return EmbedId(sdk::hex(*bytes));
}

}  // namespace gateway::domain
