#include "gateway/api/conversations_api.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <limits>
#include <optional>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/api/attachments.h"
#include "gateway/api/cursors.h"
#include "gateway/api/fields.h"
#include "gateway/outbound/pass_on.h"
#include "gateway/store/conversations.h"
#include "gateway/store/signals.h"
#include "gateway/visitors/visitor_view.h"

namespace gateway::api {
namespace {

constexpr std::size_t kMaxContentBytes = 64u << 10;
constexpr int kDefaultPage = 50;
constexpr int kLargestPage = 100;
// By page number every earlier row is read again; further back `before` goes on.
constexpr std::int64_t kDeepestRow = 10'000;
constexpr int kMostMessages = 10'000;
constexpr int kAttempts = 3;

Answer no_conversation() { return refused(Errc::not_found, "Conversation not found"); }
Answer no_business() { return refused(Errc::not_found, "Business not found"); }

std::optional<std::string> maybe_time(const std::optional<std::int64_t>& ms) {
  return ms ? std::optional<std::string>(iso8601(*ms)) : std::nullopt;
}
template <class IdType>
std::optional<std::string> maybe_text(const std::optional<IdType>& id) {
  return id ? std::optional<std::string>(id->text()) : std::nullopt;
}

void write_message(sdk::json::Writer& out, const store::Message& message,
                   const AttachmentView& attachments) {
  std::optional<std::string> status;
  if (message.status) status = domain::to_string(*message.status);
  out.object()
      .member("id", message.position.id.text())
      .member("conversation_id", message.conversation.text())
      .member("sender_type", domain::to_string(message.sender_type))
      .member("sender_id", maybe_text(message.sender))
      .member("content", message.content)
      .key("attachments")
      .raw(attachments.json(message))
      .member("created_at", iso8601(message.position.sort_us / 1000))
      .member("kind", domain::to_string(message.kind))
      .member("status", status)
      .member("error", message.error)
      .member("reply_to", maybe_text(message.reply_to))
      .member("edited_at", maybe_time(message.edited_ms))
      .member("deleted_at", maybe_time(message.deleted_ms))
      .key("metadata")
      .raw(message.metadata)
      .end();
}

void write_conversation(sdk::json::Writer& out, const store::Conversation& conversation) {
  out.object()
      .member("id", conversation.id.text())
      .member("business_id", conversation.business.text())
      .member("customer_id", maybe_text(conversation.contact_id))
      .member("assignee_id", maybe_text(conversation.assignee))
      .member("status", domain::to_string(conversation.status))
      .member("channel_type", conversation.channel_type)
      .member("channel_id", maybe_text(conversation.channel))
      .member("created_at", iso8601(conversation.created_ms))
      .member("updated_at", iso8601(conversation.updated_ms))
      .member("first_response_at", maybe_time(conversation.first_response_ms))
      .member("resolved_at", maybe_time(conversation.resolved_ms))
      .member("closed_at", maybe_time(conversation.closed_ms))
      .member("handoff_reason", conversation.handoff_reason)
      .member("unreachable_reason", conversation.unreachable_reason)
      .member("unread_count", conversation.unread)
      .member("message_count", conversation.message_count)
      .member("preview", conversation.preview)
      .key("csat");
  if (conversation.csat) {
    visitors::write_csat(out, *conversation.csat);
  } else {
    out.null();
  }
  out.key("customer");
  if (const auto& contact = conversation.contact) {
    out.object()
        .member("id", contact->id.text())
        .member("business_id", contact->business.text())
        .member("name", contact->name)
        .member("email", contact->email)
        .member("external_id", contact->external_id)
        .member("created_at", iso8601(contact->created_ms))
        .end();
  } else {
    out.null();
  }
  out.key("messages").array();
}

// `db`: a Session, or the Transaction that wrote what is shown.
template <class Db>
Result<std::string> message_json(const ApiContext& context, Db& db, domain::BusinessId business,
                                 const store::Message& message) {
  auto attachments = AttachmentView::of(context, db, business, {&message, 1});
  if (!attachments) return std::move(attachments).error();
  sdk::json::Writer out;
  write_message(out, message, *attachments);
  return out.take();
}

template <class Db>
Result<std::string> thread_json(const ApiContext& context, Db& db, const store::Thread& thread) {
  auto attachments = AttachmentView::of(context, db, thread.conversation.business, thread.messages);
  if (!attachments) return std::move(attachments).error();
  sdk::json::Writer out;
  write_conversation(out, thread.conversation);
  for (const auto& message : thread.messages) write_message(out, message, *attachments);
  out.end().end();
  return out.take();
}

std::string read_content(Fields& fields, std::string_view name) {
  const auto value = fields[name];
  if (!value.exists() || value.is_null()) return {};
  const auto text = value.text();
  if (!text) {
    fields.wrong(name, "must be text");
    return {};
  }
  if (text->size() > kMaxContentBytes) {
    fields.wrong(name, "must have at most 64 KiB");
    return {};
  }
  return sdk::sanitize(*text, kMaxContentBytes);
}

std::optional<Uuid> read_id(Fields& fields, std::string_view name) {
  const auto text = fields.maybe_text(name, {1, 64, false});
  if (!text) return std::nullopt;
  const auto id = Uuid::parse(*text);
  if (!id) fields.wrong(name, "must be a UUID");
  return id;
}

// What the connector takes beside the text. What customers do to the message is kept there, too.
std::optional<std::string> read_metadata(Fields& fields) {
  if (fields["metadata"].is_null()) return std::nullopt;
  auto json = fields.maybe_object("metadata");
  if (json && fields["metadata"]["reactions"].exists()) {
    fields.wrong("metadata.reactions", "is kept for what customers react with");
  }
  return json;
}

// Repeats and quota ----------------------------------------------------------------------------

// Of the Idempotency-Key header; no key: every request is its own.
std::optional<store::RepeatKey> read_repeat_key(const Call& call, Fields& fields) {
  const auto key = call.request().header("idempotency-key");
  if (key.empty()) return std::nullopt;
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (key.size() > 255 || !printable) {
    fields.wrong("Idempotency-Key", "must have 1 to 255 visible ASCII characters");
    return std::nullopt;
  }
  std::string request(call.route->operation);
  for (const auto& [name, value] : call.params.all()) request += "\n" + value;
  request += "\n" + call.request().body;
  return store::RepeatKey{*call.identity->business, call.identity->user.id, std::string(key),
                          sdk::sha256(request)};
}

Answer repeated(const store::KeptAnswer& kept) {
  if (!kept.same_request) {
    return refused(Errc::unprocessable,
                   "This Idempotency-Key was used for a different request before");
  }
  auto answer = kept.status == code(Status::created) ? created(kept.body) : ok(kept.body);
  answer.headers.emplace_back("Idempotent-Replayed", "true");
  return answer;
}

struct Month {
  std::string name;  // "2026-11"
  std::int64_t seconds_left = 0;
};

Month month_of(std::int64_t now_ms) {
  const std::time_t now = static_cast<std::time_t>(now_ms / 1000);
  std::tm utc{};
  gmtime_r(&now, &utc);
  Month month{iso8601(now_ms).substr(0, 7), 0};
  utc.tm_mon += 1;
  utc.tm_mday = 1;
  utc.tm_hour = utc.tm_min = utc.tm_sec = 0;
  month.seconds_left = std::max<std::int64_t>(1, static_cast<std::int64_t>(timegm(&utc) - now));
  return month;
}

// Absent: counted.
Result<std::optional<Answer>> use_quota(const ApiContext& context, store::Transaction& transaction,
                                        domain::BusinessId business) {
  auto plan_id = store::plan_of(transaction, business);
  if (!plan_id) return std::move(plan_id).error();
  const auto* plan = context.plans.find(*plan_id);
  if (plan == nullptr) return fail(Errc::internal, "a business has a plan nobody knows");
  const auto month = month_of(context.clock.now_ms());
  auto used = store::count_message(transaction, business, month.name, plan->messages_per_month);
  if (!used) return std::move(used).error();
  if (!*used) return std::optional<Answer>();
  return std::optional<Answer>(over_quota({store::PlanRefusal::Kind::limit_exceeded, plan->display,
                                           "messages", **used, plan->messages_per_month},
                                          month.seconds_left));
}

// Runs `work(Transaction&) -> Result<Answer>`, commits where it succeeded (2xx), and repeats it
// after a deadlock. With a key, an earlier answer is given again instead.
template <class Work>
Answer transact(store::Session& db, domain::BusinessId business,
                const std::optional<store::RepeatKey>& key, Work work) {
  for (int attempt = 1;; ++attempt) {
    auto outcome = [&]() -> Result<Answer> {
      auto transaction = db.begin(store::Scope::of(business));
      if (!transaction) return std::move(transaction).error();
      if (key) {
        auto kept = store::claim_key(*transaction, *key);
        if (!kept) return std::move(kept).error();
        if (*kept) return repeated(**kept);
      }
      auto answer = work(*transaction);
      if (!answer || code(answer->status) >= 400) return answer;
      if (key) {
        auto saved = store::keep_answer(*transaction, *key, code(answer->status), answer->body);
        if (!saved) return std::move(saved).error();
      }
      if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
      return answer;
    }();
    if (outcome) return std::move(*outcome);
    if (attempt == kAttempts || !store::may_repeat(outcome.error())) {
      return failed(outcome.error(), "api");
    }
  }
}

Answer send_refused(store::SendRefusal refusal) {
  switch (refusal) {
    case store::SendRefusal::no_conversation:
      return no_conversation();
    case store::SendRefusal::closed:
      return refused(Errc::conflict,
                     "The conversation is closed; the customer's next message opens a new one");
    case store::SendRefusal::no_channel:
      return refused(Errc::conflict, "The conversation's channel was deleted");
    case store::SendRefusal::channel_off:
      return refused(Errc::conflict, "The conversation's channel is switched off");
    case store::SendRefusal::nothing_to_quote:
      return invalid(
          Errc::unprocessable,
          {{"reply_to",
            "must be a message of this conversation that the channel's platform knows"}});
  }
  return no_conversation();
}

}  // namespace

Result<std::string> shown_message(const ApiContext& context, store::Session& db,
                                  domain::BusinessId business, const store::Message& message) {
  return message_json(context, db, business, message);
}

Answer list_conversations(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  const auto form = sdk::parse_form(call.request().query);
  std::vector<FieldError> errors;
  store::InboxQuery query;
  query.statuses = {domain::ConversationStatus::open, domain::ConversationStatus::pending,
                    domain::ConversationStatus::resolved, domain::ConversationStatus::closed};
  if (const auto text = sdk::find(form, "status"); text && !text->empty()) {
    const auto status = domain::parse_conversation_status(*text);
    if (status) {
      query.statuses = {*status};
    } else {
      errors.push_back({"status", "must be one of open, pending, resolved, closed"});
    }
  }
  if (const auto text = sdk::find(form, "assignee_id"); text && !text->empty()) {
    query.assignee = domain::UserId::parse(*text);
    if (!query.assignee) errors.push_back({"assignee_id", "must be a UUID"});
  }
  std::int64_t limit = kDefaultPage;
  if (const auto text = sdk::find(form, "limit")) {
    limit = parse_number<std::int64_t>(*text).value_or(0);
    if (limit < 1) errors.push_back({"limit", "must be a number from 1 to 100"});
    limit = std::min<std::int64_t>(limit, kLargestPage);
  }
  std::int64_t page = 1;
  if (const auto text = sdk::find(form, "page")) {
    page = parse_number<std::int64_t>(*text).value_or(0);
    if (page < 1) errors.push_back({"page", "must be a number from 1"});
  }
  if (const auto text = sdk::find(form, "before"); text && !text->empty()) {
    query.before = parse_inbox_cursor(*text);
    if (!query.before) errors.push_back({"before", "must be taken from a Link header"});
    page = 1;
  }
  if (errors.empty() && page > kDeepestRow / limit) {
    errors.push_back({"page", "is too deep; follow the Link header instead"});
  }
  if (!errors.empty()) return invalid(Errc::unprocessable, std::move(errors));
  query.limit = static_cast<int>(limit);
  query.skip = static_cast<int>((page - 1) * limit);

  auto conversations = store::list_conversations(db, *call.identity->business, query);
  if (!conversations) return failed(conversations.error(), "api");
  sdk::json::Writer body;
  body.array();
  for (const auto& conversation : *conversations) {
    write_conversation(body, conversation);
    body.end().end();
  }
  auto answer = ok(body.end().take());
  if (conversations->size() == static_cast<std::size_t>(limit)) {
    sdk::Form next;
    for (const std::string_view name : {"status", "assignee_id"}) {
      if (const auto text = sdk::find(form, name); text && !text->empty()) {
        next.emplace_back(name, *text);
      }
    }
    const auto& last = conversations->back();
    next.emplace_back("limit", std::to_string(limit));
    next.emplace_back("before", cursor_of(store::InboxPosition{last.last_message_us, last.id}));
    answer.headers.emplace_back("Link", "<" + context.settings.public_url +
                                            "/api/v1/conversations/?" + sdk::encode_form(next) +
                                            ">; rel=\"next\"");
  }
  return answer;
}

Answer show_conversation(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!id) return no_conversation();
  const auto form = sdk::parse_form(call.request().query);
  std::vector<FieldError> errors;
  int limit = kMostMessages;
  if (const auto text = sdk::find(form, "limit")) {
    limit = parse_number<int>(*text).value_or(0);
    if (limit < 1) errors.push_back({"limit", "must be a number from 1 to 10000"});
    limit = std::min(limit, kMostMessages);
  }
  std::optional<store::MessagePosition> before;
  if (const auto text = sdk::find(form, "before"); text && !text->empty()) {
    before = parse_message_cursor(*text);
    if (!before) errors.push_back({"before", "must be taken from a Link header"});
  }
  if (!errors.empty()) return invalid(Errc::unprocessable, std::move(errors));
  auto thread = store::find_conversation(db, *call.identity->business, *id, limit, before);
  if (!thread) return failed(thread.error(), "api");
  if (!*thread) return no_conversation();
  auto body = thread_json(context, db, **thread);
  if (!body) return failed(body.error(), "api");
  auto answer = ok(*std::move(body));
  if ((*thread)->messages.size() == static_cast<std::size_t>(limit)) {
    const sdk::Form next = {{"limit", std::to_string(limit)},
                            {"before", cursor_of((*thread)->messages.front().position)}};
    answer.headers.emplace_back("Link", "<" + context.settings.public_url +
                                            "/api/v1/conversations/" + id->text() + "?" +
                                            sdk::encode_form(next) + ">; rel=\"next\"");
  }
  return answer;
}

Answer create_conversation(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  const auto business = *call.identity->business;
  Fields fields(call.request());
  if (fields.valid() && (!fields.has("business_id") || fields["business_id"].is_null())) {
    fields.wrong("business_id", "is required");
  }
  const auto named_business = read_id(fields, "business_id");
  const auto customer = read_id(fields, "customer_id");
  const auto named_channel = read_id(fields, "channel_id");
  const auto content = read_content(fields, "initial_message");
  const auto key = read_repeat_key(call, fields);
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  if (*named_business != business.get()) return no_business();

  const domain::ConversationId id(context.ids.next());
  const domain::MessageId message_id(context.ids.next());
  auto answer = transact(db, business, key, [&](store::Transaction& transaction) -> Result<Answer> {
    std::optional<domain::ChannelId> wanted;
    if (named_channel) wanted = domain::ChannelId(*named_channel);
    if (!content.empty()) {
      auto over = use_quota(context, transaction, business);
      if (!over) return std::move(over).error();
      if (*over) return std::move(**over);
    }
    auto channel = store::choose_channel(transaction, business, wanted);
    if (!channel) return std::move(channel).error();
    if (!*channel) {
      return refused(Errc::invalid_argument,
                     wanted ? "Invalid channel"
                            : "There is no widget channel to start the conversation on; "
                              "create a widget first");
    }
    if (!domain::is_built_in_channel_type((*channel)->type)) {
      return refused(Errc::invalid_argument,
                     "Invalid channel: on a platform's channel the customer writes first");
    }
    if (!(*channel)->is_active) {
      return refused(Errc::invalid_argument, "Invalid channel: it is switched off");
    }
    std::optional<domain::ContactId> contact;
    if (customer) {
      contact = domain::ContactId(*customer);
      auto known = store::has_contact(transaction, business, *contact);
      if (!known) return std::move(known).error();
      if (!*known) return refused(Errc::not_found, "Customer not found");
    }
    auto inserted = store::insert_conversation(transaction, {id, business, **channel, contact});
    if (!inserted) return std::move(inserted).error();
    if (!content.empty()) {
      auto sent = store::send_message(
          transaction, {message_id, id, business, call.identity->user.id, content, "[]"});
      if (!sent) return std::move(sent).error();
      if (sent->refusal) return send_refused(*sent->refusal);
    }
    auto thread = store::find_conversation(transaction, business, id);
    if (!thread) return std::move(thread).error();
    auto body = thread_json(context, transaction, *thread);
    if (!body) return std::move(body).error();
    return created(*std::move(body));
  });
  return answer;
}

Answer send_message(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  const auto business = *call.identity->business;
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!id) return no_conversation();
  Fields fields(call.request());
  const auto content = read_content(fields, "content");
  const auto attachments = read_attachments(context, fields);
  const auto reply_to = read_id(fields, "reply_to");
  const auto metadata = read_metadata(fields);
  if (fields.valid() && content.empty() && attachments.empty()) {
    fields.wrong("content", "is required where there are no attachments");
  }
  const auto key = read_repeat_key(call, fields);
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());

  const domain::MessageId message_id(context.ids.next());
  bool queued = false;
  auto answer = transact(db, business, key, [&](store::Transaction& transaction) -> Result<Answer> {
    auto over = use_quota(context, transaction, business);
    if (!over) return std::move(over).error();
    if (*over) return std::move(**over);
    auto taken = take_attachments(context, transaction, business, attachments);
    if (!taken) return std::move(taken).error();
    if (!taken->errors.empty()) return invalid(Errc::unprocessable, std::move(taken->errors));
    store::NewMessage message{message_id, *id,         business, call.identity->user.id,
                              content,    taken->json, metadata};
    if (reply_to) message.reply_to = domain::MessageId(*reply_to);
    auto sent = store::send_message(transaction, message);
    if (!sent) return std::move(sent).error();
    if (sent->refusal) return send_refused(*sent->refusal);
    if (!taken->files.empty()) {
      const auto& at = sent->message.position;
      auto used = store::use_media(transaction, business, {*id, at.sort_us, at.sort_seq, at.id},
                                   taken->files);
      if (!used) return std::move(used).error();
    }
    queued = sent->queued;
    auto body = message_json(context, transaction, business, sent->message);
    if (!body) return std::move(body).error();
    return created(*std::move(body));
  });
  if (queued && answer.status == Status::created) context.outbound.wake();
  return answer;
}

Answer signal_typing(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!id) return no_conversation();
  Fields fields(call.request());
  const auto is_typing = fields.maybe_boolean("is_typing");
  if (fields.valid() && !is_typing) fields.wrong("is_typing", "is required");
  if (!fields.valid()) return invalid(Errc::unprocessable, fields.take_errors());
  auto target = store::signal_target(db, *call.identity->business, *id);
  if (!target) return failed(target.error(), "api");
  if (!*target) return no_conversation();
  if (context.typing) {
    context.typing(*call.identity->business, *id, call.identity->user.id, *is_typing);
  }
  outbound::pass_on_typing(context.outbound, *call.identity->business, **target, *is_typing);
  return no_content();
}

Answer mark_read(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!id) return no_conversation();
  auto target = store::mark_read(db, *call.identity->business, *id);
  if (!target) return failed(target.error(), "api");
  if (!*target) return no_conversation();
  outbound::pass_on_read(context.outbound, *call.identity->business, **target);
  return no_content();
}

namespace {

Answer settle(store::Session& db, const Call& call, store::Settling settling) {
  if (!call.identity->business) return no_business();
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!id) return no_conversation();
  auto settled = store::settle_conversation(db, *call.identity->business, *id, settling);
  if (!settled) return failed(settled.error(), "api");
  if (!*settled) return no_conversation();
  const bool closed = (*settled)->status == domain::ConversationStatus::closed;
  sdk::json::Writer body;
  body.object();
  if ((*settled)->already) {
    body.member("detail", closed ? "Already closed" : "Already resolved");
  } else {
    body.member(closed ? "closed_at" : "resolved_at", iso8601((*settled)->at_ms));
  }
  return ok(body.end().take());
}

}  // namespace

Answer resolve_conversation(const ApiContext&, store::Session& db, const Call& call) {
  return settle(db, call, store::Settling::resolve);
}

Answer close_conversation(const ApiContext&, store::Session& db, const Call& call) {
  return settle(db, call, store::Settling::close);
}

Answer assign_conversation(const ApiContext&, store::Session& db, const Call& call) {
  if (!call.identity->business) return no_business();
  if (call.identity->role == store::Role::agent) {
    return refused(Errc::forbidden, "Only the owner and admins assign conversations");
  }
  const auto id = domain::ConversationId::parse(call.params["conversation_id"]);
  const auto agent = domain::UserId::parse(call.params["agent_id"]);
  const auto nobody = refused(Errc::not_found, "Conversation or agent not found");
  if (!id || !agent) return nobody;
  auto assigned =
      store::assign_conversation(db, *call.identity->business, *id, *agent, call.identity->user.id);
  if (!assigned) return failed(assigned.error(), "api");
  if (!*assigned) return nobody;
  sdk::json::Writer body;
  body.object().member("assignee_id", agent->text()).end();
  return ok(body.take());
}

}  // namespace gateway::api
