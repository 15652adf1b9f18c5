// The words of the public API for conversations and messages, and how the database writes them.
//
// Closed sets: the number is what is stored and never changes; the text is what the API shows.
#ifndef GATEWAY_DOMAIN_CONVERSATION_H_
#define GATEWAY_DOMAIN_CONVERSATION_H_

#include <optional>
#include <string_view>

namespace gateway::domain {

enum class ConversationStatus { open = 0, pending = 1, resolved = 2, closed = 3 };
enum class SenderType { customer = 0, agent = 1, assistant = 2, system = 3 };
// What became of an agent's message. `uncertain`: the request left and no answer came, and the
// platform offers no way to ask; it is shown, never blindly repeated.
enum class MessageStatus {
  queued = 0,
  sending = 1,
  sent = 2,
  delivered = 3,
  read = 4,
  failed = 5,
  uncertain = 6
};
// `unsupported`: content this version does not understand; the raw event is kept.
enum class MessageKind {
  message = 0,
  callback = 1,
  unsupported = 2,
  notice = 3,
};
enum class RegistrationState { pending = 0, active = 1, failed = 2, manual = 3, inactive = 4 };

std::string_view to_string(ConversationStatus status);
std::string_view to_string(SenderType type);
std::string_view to_string(MessageStatus status);
std::string_view to_string(MessageKind kind);
std::string_view to_string(RegistrationState state);
std::optional<ConversationStatus> parse_conversation_status(std::string_view text);

}  // namespace gateway::domain

#endif  // GATEWAY_DOMAIN_CONVERSATION_H_
