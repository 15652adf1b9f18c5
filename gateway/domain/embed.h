// What a web page names to embed a conversation: a widget by its UUID, or a webchat by 24 hex
// digits. A value.
#ifndef GATEWAY_DOMAIN_EMBED_H_
#define GATEWAY_DOMAIN_EMBED_H_

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gateway/domain/ids.h"

namespace gateway::domain {

class EmbedId {
 public:
  static constexpr std::size_t kWebchatDigits = 24;

  explicit EmbedId(WidgetId widget) : text_(widget.text()) {}
  // Either form, in either case.
  static std::optional<EmbedId> parse(std::string_view text);

  bool is_webchat() const { return text_.size() == kWebchatDigits; }
  // Of a widget alone.
  std::optional<WidgetId> widget() const { return WidgetId::parse(text_); }
  // Lower case.
  const std::string& text() const { return text_; }
  auto operator<=>(const EmbedId&) const = default;

 private:
  explicit EmbedId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace gateway::domain

#endif  // GATEWAY_DOMAIN_EMBED_H_
