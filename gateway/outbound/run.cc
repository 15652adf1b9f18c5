#include "gateway/outbound/run.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/outbound/transcript.h"
#include "gateway/store/registrations.h"

namespace gateway::outbound {
namespace {

constexpr std::size_t kMaxWordsBytes = 500;
constexpr int kStateAttempts = 5;

void wipe(std::string& text) {
  if (!text.empty()) explicit_bzero(text.data(), text.size());
  text.clear();
}

void wipe(connector::Pairs& pairs) {
  for (auto& [name, value] : pairs) wipe(value);
}

connector::Pairs read_pairs(const Secret& json) {
  const auto document = sdk::json::Document::parse(json.reveal());
  return document ? plugins::flatten(document->root()) : connector::Pairs();
}

Result<connector::Pairs> open_state(store::Session& db, store::Vault& vault,
                                    domain::BusinessId tenant, const store::SealedChannel& sealed) {
  if (sealed.state.empty()) return connector::Pairs();
  auto state = vault.open(db, tenant, store::kChannelState, sealed.id.get(), sealed.state);
  if (!state) return std::move(state).error();
  return read_pairs(*state);
}

std::size_t bytes_of(const std::vector<connector::Response>& answers) {
  std::size_t bytes = 0;
  for (const auto& answer : answers) {
    bytes += answer.body.size();
    for (const auto& [name, value] : answer.headers) bytes += name.size() + value.size();
  }
  return bytes;
}

std::size_t steps_of(connector::Operation operation) {
  if (operation == connector::Operation::send) return kMaxSendSteps;
  return operation == connector::Operation::poll ? kMaxPollSteps : kMaxSteps;
}

bool sounds_secret(std::string_view name) {
  const std::string lower = sdk::lower_ascii(name);
  for (const std::string_view end : {"token", "secret", "key", "password"}) {
    if (lower.ends_with(end)) return true;
  }
  return false;
}

connector::Fail impossible(const char* why) {
  return {.code = connector::Failure::permanent, .why = why};
}

}  // namespace

Run::Run(const plugins::Connector& type, connector::Operation operation, connector::Channel channel,
         connector::Event input)
    : type_(type), operation_(operation), channel_(std::move(channel)), input_(std::move(input)) {}

Run::~Run() {
  wipe(channel_.config);
  wipe(channel_.state);
  wipe(channel_.secret);
}

connector::Step Run::next(std::int64_t now_ms) {
  channel_.now_ms = now_ms;
  if (bytes_of(answers_) > kMaxTranscriptBytes) {
    return impossible("the platform's answers are too long");
  }
  connector::Step step = type_.plan(channel_, operation_, input_, answers_);
  if (auto* failed = std::get_if<connector::Fail>(&step)) {
    failed->why = clean(failed->why);
    failed->platform_code = sdk::sanitize(failed->platform_code, 64);
  } else if (std::holds_alternative<connector::Call>(step) &&
             answers_.size() >= steps_of(operation_)) {
    return impossible("the connector asks for more calls than an operation may have");
  }
  return step;
}

void Run::answered(connector::Response response) { answers_.push_back(std::move(response)); }

void Run::drop_last_answer() {
  if (!answers_.empty()) answers_.pop_back();
}

bool Run::is_big() const { return bytes_of(answers_) > static_cast<std::size_t>(kBigAnswerBytes); }

std::string Run::clean(std::string_view text) const {
  std::vector<std::string_view> secrets{channel_.secret};
  for (const auto& field : type_.schema().secret_fields()) {
    secrets.push_back(channel_.setting(field));
  }
  for (const auto& [name, value] : channel_.state) {
    if (sounds_secret(name)) secrets.push_back(value);
  }
  return sdk::sanitize(connector::without_secrets(text, secrets), kMaxWordsBytes);
}

bool only_reads(const connector::Call& call) {
  return (call.method == "GET" || call.method == "HEAD") && call.body.empty() &&
         sdk::lower_ascii(call.url.substr(0, 6)) == "https:";
}

Result<connector::Channel> open_channel(const Context& context, store::Session& db,
                                        domain::BusinessId tenant,
                                        const store::SealedChannel& sealed,
                                        std::string webhook_url) {
  const Uuid& row = sealed.id.get();
  store::Vault& vault = context.vault;
  connector::Channel channel;
  auto config = vault.open(db, tenant, store::kChannelConfig, row, sealed.config);
  if (!config) return std::move(config).error();
  channel.config = read_pairs(*config);
  if (const auto* type = context.registry.find(sealed.type)) {
    type->fill_defaults(context.options.deployment, channel.config);
  }
  auto secret = vault.open(db, tenant, store::kChannelSecret, row, sealed.secret);
  if (!secret) return std::move(secret).error();
  channel.secret = secret->reveal();
  auto state = open_state(db, vault, tenant, sealed);
  if (!state) return std::move(state).error();
  channel.state = *std::move(state);
  channel.webhook_url = std::move(webhook_url);
  return channel;
}

bool merge_state(connector::Pairs& state, const connector::Pairs& changes) {
  const connector::Pairs before = state;
  for (const auto& [name, value] : changes) {
    const auto named = [&, key = name](const connector::Pair& pair) { return pair.first == key; };
    const auto found = std::find_if(state.begin(), state.end(), named);
    if (value.empty()) {
      if (found != state.end()) state.erase(found);
    } else if (found != state.end()) {
      found->second = value;
    } else {
      state.emplace_back(name, value);
    }
  }
  return state != before;
}

std::string state_json(const connector::Pairs& state) {
  sdk::json::Writer json;
  json.object();
  for (const auto& [name, value] : state) json.member(name, value);
  json.end();
  return json.take();
}

Result<std::optional<store::Bytes>> merged_state(store::Session& db, store::Vault& vault,
                                                 domain::BusinessId tenant,
                                                 domain::ChannelId channel, connector::Pairs known,
                                                 const connector::Pairs& changes) {
  auto sealed = store::sealed_channel(db, tenant, channel);
  if (!sealed) return std::move(sealed).error();
  if (*sealed) {
    auto stored = open_state(db, vault, tenant, **sealed);
    if (!stored) return std::move(stored).error();
    known = *std::move(stored);
  }
  if (!merge_state(known, changes)) return std::optional<store::Bytes>();
  auto bytes = vault.seal(db, tenant, store::kChannelState, channel.get(), state_json(known));
  if (!bytes) return std::move(bytes).error();
  return std::optional<store::Bytes>(*std::move(bytes));
}

Result<bool> merge_channel_state(store::Session& db, store::Vault& vault, domain::BusinessId tenant,
                                 domain::ChannelId channel, const connector::Pairs& changes) {
  for (int attempt = 0; attempt < kStateAttempts; ++attempt) {
    auto sealed = store::sealed_channel(db, tenant, channel);
    if (!sealed) return std::move(sealed).error();
    if (!*sealed) return false;
    auto state = open_state(db, vault, tenant, **sealed);
    if (!state) return std::move(state).error();
    if (!merge_state(*state, changes)) return false;
    auto bytes = vault.seal(db, tenant, store::kChannelState, channel.get(), state_json(*state));
    if (!bytes) return std::move(bytes).error();
    auto saved = store::save_state(db, tenant, channel, (*sealed)->revision, *bytes);
    if (!saved || *saved) return saved;
  }
  return fail(Errc::conflict, "a channel changes faster than its state can be stored");
}

Result<bool> store_brought(const Context& context, store::Session& db, const Brought& brought) {
  Error last = fail(Errc::conflict, "a channel changes faster than its state can be stored");
  for (int attempt = 0; attempt < kStateAttempts; ++attempt) {
    std::vector<store::Query> also;
    const auto append = [&](std::vector<store::Query> more) {
      for (auto& query : more) also.push_back(std::move(query));
    };
    if (brought.job) append(store::hold_job(*brought.job));
    bool changes = false;
    if (!brought.state.empty()) {
      auto sealed = store::sealed_channel(db, brought.tenant, brought.channel);
      if (!sealed) return std::move(sealed).error();
      if (!*sealed) return fail(Errc::not_found, "the channel was removed");
      auto state = open_state(db, context.vault, brought.tenant, **sealed);
      if (!state) return std::move(state).error();
      changes = merge_state(*state, brought.state);
      if (changes) {
        auto bytes = context.vault.seal(db, brought.tenant, store::kChannelState,
                                        brought.channel.get(), state_json(*state));
        if (!bytes) return std::move(bytes).error();
        append(store::move_state(brought.tenant, brought.channel, (*sealed)->revision, *bytes));
      }
    }
    Result<> stored;
    if (!brought.events.empty()) {
      if (!context.options.store_events) {
        return fail(Errc::internal, "nothing stores what was brought");
      }
      stored =
          context.options.store_events(db, brought.tenant, brought.channel, brought.events, also);
    } else if (!also.empty()) {
      auto done = db.run(store::Scope::of(brought.tenant), also);
      if (!done) stored = std::move(done).error();
    }
    if (stored) return changes;
    last = std::move(stored).error();
    if (!last.cause.starts_with(store::kChannelChanged)) break;
  }
  return last;
}

namespace {

// The facts about the latest message of the contact: what a platform's window for answers, or a
// thread's subject, is made of.
void add_last(const store::Head& head, connector::Pairs& extra) {
  if (!head.has_last) return;
  if (!head.last_remote_id.empty()) extra.emplace_back("last.message", head.last_remote_id);
  extra.emplace_back("last.sent_ms", std::to_string(head.last_sent_ms));
  for (auto& fact : plugins::last_facts(head.last_metadata)) extra.push_back(std::move(fact));
}

}  // namespace

connector::Event send_input(const store::Head& head) {
  connector::Event event;
  event.kind = connector::EventKind::message;
  event.thread = head.thread;
  event.key = head.message.text();
  event.contact = head.contact;
  event.contact_name = head.contact_name;
  event.text = head.content;
  event.reply_to = head.reply_to;
  if (const auto document = sdk::json::Document::parse(head.attachments)) {
    for (const auto& item : document->root().elements()) {
      connector::Attachment attachment;
      for (const auto& [name, value] : item.members()) {
        const std::string_view text = value.text_or("");
        if (name == "type") {
          attachment.kind = text;
        } else if (name == "url") {
          attachment.url = text;
        } else if (name == "media_id") {
          attachment.media_id = text;
        } else if (name == "content_type") {
          attachment.mime_type = text;
        } else if (name == "name") {
          attachment.file_name = text;
        } else if (name == "size") {
          attachment.size = value.integer().value_or(-1);
        } else if (value.is_string()) {
          attachment.extra.emplace_back(name, text);
        } else if (value.is_number()) {
          attachment.extra.emplace_back(name, value.digits().value_or(""));
        }
      }
      event.attachments.push_back(std::move(attachment));
    }
  }
  if (const auto document = sdk::json::Document::parse(head.metadata)) {
    event.extra = plugins::flatten(document->root());
    std::erase_if(event.extra, [](const auto& pair) { return pair.first.starts_with("last."); });
  }
  add_last(head, event.extra);
  return event;
}

}  // namespace gateway::outbound
