#include "gateway/domain/conversation.h"

namespace gateway::domain {

std::string_view to_string(ConversationStatus status) {
  switch (status) {
    case ConversationStatus::open:
      return "open";
    case ConversationStatus::pending:
      return "pending";
    case ConversationStatus::resolved:
      return "resolved";
    case ConversationStatus::closed:
      return "closed";
  }
  return "open";
}

std::string_view to_string(SenderType type) {
  switch (type) {
    case SenderType::customer:
      return "customer";
    case SenderType::agent:
      return "agent";
    case SenderType::assistant:
      return "assistant";
    case SenderType::system:
      return "system";
  }
  return "system";
}

std::string_view to_string(MessageStatus status) {
  switch (status) {
    case MessageStatus::queued:
      return "queued";
    case MessageStatus::sending:
      return "sending";
    case MessageStatus::sent:
      return "sent";
    case MessageStatus::delivered:
      return "delivered";
    case MessageStatus::read:
      return "read";
    case MessageStatus::failed:
      return "failed";
    case MessageStatus::uncertain:
      return "uncertain";
  }
  return "uncertain";
}

std::string_view to_string(MessageKind kind) {
  switch (kind) {
    case MessageKind::message:
      return "message";
    case MessageKind::callback:
      return "callback";
    case MessageKind::unsupported:
      return "unsupported";
    case MessageKind::notice:
      return "notice";
  }
  return "unsupported";
}

std::string_view to_string(RegistrationState state) {
  switch (state) {
    case RegistrationState::pending:
      return "pending";
    case RegistrationState::active:
      return "active";
    case RegistrationState::failed:
      return "failed";
    case RegistrationState::manual:
      return "manual";
    case RegistrationState::inactive:
      return "inactive";
  }
  return "pending";
}

std::optional<ConversationStatus> parse_conversation_status(std::string_view text) {
  for (const auto status : {ConversationStatus::open, ConversationStatus::pending,
                            ConversationStatus::resolved, ConversationStatus::closed}) {
    if (text == to_string(status)) return status;
  }
  return std::nullopt;
}

}  // namespace gateway::domain
