#include "gateway/live/telling.h"

#include <algorithm>
#include <map>
#include <utility>

#include "connectors/sdk/json.h"
#include "gateway/base/clock.h"
#include "gateway/live/principals.h"
#include "gateway/visitors/visitor_view.h"

namespace gateway::live {
namespace {

using domain::MessageStatus;
using sdk::json::Writer;
using store::LiveKind;

bool is_of_page(const store::Conversation& conversation) {
  return conversation.channel_type == "widget" || conversation.channel_type == "webchat";
}

// Who the conversation is with, where that is somebody on a web page.
std::optional<Uuid> visitor_of(const store::Conversation& conversation) {
  if (!is_of_page(conversation)) return std::nullopt;
  return Uuid::parse(conversation.remote_thread);
}

// The documented members first; a message that is nothing but a file has its address for content.
std::string agent_payload(const store::Conversation& conversation, const std::string& rest) {
  const auto document = sdk::json::Document::parse(rest);
  if (!document) return "null";
  const auto message = document->root();
  const auto attachments = message["attachments"];
  auto content = message["content"];
  if (content.text_or("").empty() && attachments.at(0)["url"].is_string()) {
    content = attachments.at(0)["url"];
  }
  Writer out;
  out.object()
      .member("id", message["id"])
      .member("content", content)
      .member("sender_type", message["sender_type"])
      .member("conversation_id", message["conversation_id"])
      .member("created_at", message["created_at"])
      .member("attachments", attachments)
      .member("status", message["status"])
      .member("channel_type", conversation.channel_type)
      .key("customer");
  if (conversation.contact) {
    out.object()
        .member("id", conversation.contact->id.text())
        .member("name", conversation.contact->name)
        .end();
  } else {
    out.null();
  }
  out.key("message").raw(rest).end();
  return out.take();
}

std::string conversation_payload(const store::Conversation& conversation, bool for_agents) {
  Writer out;
  out.object()
      .member("conversation_id", conversation.id.text())
      .member("status", domain::to_string(conversation.status));
  if (for_agents) {
    out.member("assignee_id", conversation.assignee
                                  ? std::optional<std::string>(conversation.assignee->text())
                                  : std::nullopt)
        .member("unread_count", conversation.unread)
        .member("message_count", conversation.message_count)
        .member("preview", conversation.preview)
        .member("channel_type", conversation.channel_type)
        .member("unreachable_reason", conversation.unreachable_reason)
        .member("updated_at", iso8601(conversation.updated_ms));
  }
  out.end();
  return out.take();
}

// What the log says of one business, read in as few statements as there are kinds of things.
class Teller {
 public:
  Teller(const TellContext& context, store::Session& db, domain::BusinessId business)
      : context_(context), db_(db), business_(business) {}

  Result<> read(std::span<const store::LiveEvent> events) {
    std::vector<store::MessageName> names;
    std::vector<domain::ConversationId> conversations;
    for (const auto& event : events) {
      conversations.push_back(event.conversation);
      if (event.message) names.push_back({event.conversation, *event.message});
    }
    std::sort(conversations.begin(), conversations.end());
    conversations.erase(std::unique(conversations.begin(), conversations.end()),
                        conversations.end());
    std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    names.erase(std::unique(names.begin(), names.end(),
                            [](const auto& a, const auto& b) { return a.id == b.id; }),
                names.end());
    auto found = store::find_conversations(db_, business_, conversations);
    if (!found) return std::move(found).error();
    for (auto& conversation : *found) {
      conversations_.emplace(conversation.id, std::move(conversation));
    }
    if (names.empty()) return {};
    auto messages = store::find_messages(db_, business_, names);
    if (!messages) return std::move(messages).error();
    std::vector<store::Message> of_pages;
    for (auto& message : *messages) {
      auto rest = context_.agent_message(db_, business_, message);
      if (!rest) return std::move(rest).error();
      const auto conversation = conversations_.find(message.conversation);
      if (conversation == conversations_.end()) continue;
      payloads_[message.position.id].agents = agent_payload(conversation->second, *rest);
      if (visitor_of(conversation->second) && visitors::is_for_visitors(message)) {
        of_pages.push_back(message);
      }
      messages_.emplace(message.position.id, std::move(message));
    }
    if (of_pages.empty()) return {};
    auto views = visitors::MessageViews::of(context_.media_urls, context_.clock.now_ms(), db_,
                                            business_, of_pages);
    if (!views) return std::move(views).error();
    for (const auto& message : of_pages) {
      payloads_[message.position.id].visitor = views->json(message);
    }
    return {};
  }

  void tell(const store::LiveEvent& event, std::vector<Told>& told) {
    const auto at = conversations_.find(event.conversation);
    if (at == conversations_.end()) return;
    const store::Conversation& conversation = at->second;
    part_ = 0;
    event_ = &event;
    told_ = &told;
    agents_ = {business_room(business_), conversation_room(event.conversation)};
    visitor_.clear();
    if (const auto visitor = visitor_of(conversation)) visitor_ = {visitor_room(*visitor)};
    switch (event.kind) {
      case LiveKind::message:
        return message("new_message");
      case LiveKind::changed:
        return message("message_updated");
      case LiveKind::status:
        message("message_updated");
        return mark();
      case LiveKind::assigned: {
        Writer out;
        out.object()
            .member("conversation_id", event.conversation.text())
            .member("assigned_by",
                    event.actor ? std::optional<std::string>(event.actor->text()) : std::nullopt)
            .member("assignee_id", conversation.assignee
                                       ? std::optional<std::string>(conversation.assignee->text())
                                       : std::nullopt)
            .end();
        say(agents_, "conversation_assigned", out.take());
        return say(agents_, "conversation_updated", conversation_payload(conversation, true));
      }
      case LiveKind::conversation:
        say(agents_, "conversation_updated", conversation_payload(conversation, true));
        return say(visitor_, "conversation_updated", conversation_payload(conversation, false));
    }
  }

 private:
  struct Payloads {
    std::string agents, visitor;
  };

  void message(const char* name) {
    if (!event_->message) return;
    const auto payload = payloads_.find(*event_->message);
    if (payload == payloads_.end()) return;
    if (!payload->second.agents.empty()) say(agents_, name, payload->second.agents);
    if (!payload->second.visitor.empty()) say(visitor_, name, payload->second.visitor);
  }

  void mark() {
    const bool is_read = event_->state == MessageStatus::read;
    if (!is_read && event_->state != MessageStatus::delivered) return;
    const auto at = event_->message ? messages_.find(*event_->message) : messages_.end();
    if (at == messages_.end()) return;
    Writer out;
    out.object()
        .member("message_id", event_->message->text())
        .member(is_read ? "read_at" : "delivered_at", iso8601(event_->at_ms))
        .member("conversation_id", event_->conversation.text())
        .end();
    const std::string payload = out.take();
    const char* name = is_read ? "read" : "delivered";
    say(agents_, name, payload);
    say(visitor_, name, payload);
  }

  void say(const std::vector<std::string>& rooms, const char* name, std::string payload) {
    if (rooms.empty()) return;
    Told told;
    told.offset = {event_->seq, part_++};
    told.rooms = rooms;
    told.business = business_;
    told.emission.event = name;
    told.emission.arguments = std::move(payload);
    told.emission.offset = told.offset.text();
    told_->push_back(std::move(told));
  }

  const TellContext& context_;
  store::Session& db_;
  const domain::BusinessId business_;
  std::map<domain::ConversationId, store::Conversation> conversations_;
  std::map<domain::MessageId, store::Message> messages_;
  std::map<domain::MessageId, Payloads> payloads_;

  // Of the event being told.
  const store::LiveEvent* event_ = nullptr;
  std::vector<Told>* told_ = nullptr;
  std::vector<std::string> agents_, visitor_;
  int part_ = 0;
};

}  // namespace

Result<std::vector<Told>> tell(const TellContext& context, store::Session& db,
                               domain::BusinessId business,
                               std::span<const store::LiveEvent> events) {
  Teller teller(context, db, business);
  if (auto done = teller.read(events); !done) return std::move(done).error();
  std::vector<Told> told;
  for (const auto& event : events) teller.tell(event, told);
  return told;
}

std::string typing_json(domain::ConversationId conversation, std::string_view user,
                        bool is_typing) {
  Writer out;
  out.object()
      .member("conversation_id", conversation.text())
      .member("user_id", user)
      .member("is_typing", is_typing)
      .end();
  return out.take();
}

std::string agent_status_json(domain::UserId agent, std::string_view status) {
  Writer out;
  out.object().member("agent_id", agent.text()).member("status", status).end();
  return out.take();
}

}  // namespace gateway::live
