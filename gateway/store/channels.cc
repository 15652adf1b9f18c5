#include "gateway/store/channels.h"

#include <array>

namespace gateway::store {
namespace {

// The columns of read(), in its order.
#define CHANNEL_COLUMNS                                                                     \
  "id, tenant_id, type, config_sealed, is_active, revision, registration_state,"            \
  " registration_error, floor(extract(epoch from registration_checked_at) * 1000)::bigint," \
  " instructions_sealed, floor(extract(epoch from created_at) * 1000)::bigint,"             \
  " secret_sealed"

constexpr int kConfigColumn = 3;
constexpr int kInstructionsColumn = 9;
constexpr int kSecretColumn = 11;

Channel read(const Rows& rows, int row) {
  Channel channel;
  channel.id = rows.id<domain::ChannelId>(row, 0);
  channel.business = rows.id<domain::BusinessId>(row, 1);
  channel.type = rows.text(row, 2);
  channel.is_active = rows.boolean(row, 4);
  channel.revision = rows.integer(row, 5);
  channel.registration = static_cast<domain::RegistrationState>(rows.integer(row, 6));
  channel.registration_error = rows.maybe_text(row, 7);
  channel.registration_checked_ms = rows.maybe_integer(row, 8);
  channel.created_ms = rows.integer(row, 10);
  return channel;
}

Result<> open_secrets(Session& db, Vault& vault, const Rows& rows, int row, Channel& channel) {
  auto config = vault.open(db, channel.business, kChannelConfig, channel.id.get(),
                           rows.bytes(row, kConfigColumn));
  if (!config) return std::move(config).error();
  channel.config = std::move(*config);
  auto secret = vault.open(db, channel.business, kChannelSecret, channel.id.get(),
                           rows.bytes(row, kSecretColumn));
  if (!secret) return std::move(secret).error();
  channel.secret = std::move(*secret);
  if (!rows.is_null(row, kInstructionsColumn)) {
    auto instructions = vault.open(db, channel.business, kChannelInstructions, channel.id.get(),
                                   rows.bytes(row, kInstructionsColumn));
    if (!instructions) return std::move(instructions).error();
    channel.instructions = std::move(*instructions);
  }
  return {};
}

struct Subscription {
  const domain::Plan* plan = nullptr;
  std::int64_t channels = 0;
};

constexpr const char* kSubscription =
    "select b.plan, coalesce(u.used, 0) from business b"
    " left join usage_counter u on u.tenant_id = b.tenant_id and u.resource = 'channels'"
    " where b.tenant_id = $1";

Result<Subscription> subscription_of(const Rows& rows, const domain::Plans& plans) {
  if (rows.empty()) return fail(Errc::not_found, "no such business");
  const auto* plan = plans.find(rows.text(0, 0));
  if (plan == nullptr) return fail(Errc::internal, "a business has a plan nobody knows");
  return Subscription{plan, rows.integer(0, 1)};
}

std::optional<PlanRefusal> refuse_type(const domain::Plan& plan, std::string_view type) {
  if (plan.covers(type)) return std::nullopt;
  return PlanRefusal{PlanRefusal::Kind::feature_locked, plan.display, "integrations", 0, 0};
}

PlanRefusal refuse_count(const Subscription& subscription) {
  return {PlanRefusal::Kind::limit_exceeded, subscription.plan->display, "channels",
          subscription.channels, subscription.plan->channels};
}

// The counter never falls below zero by its own check; a business without one counts from zero.
constexpr const char* kUncount =
    "update usage_counter set used = used - 1 where tenant_id = $1 and resource = 'channels'"
    " and used > 0";

}  // namespace

Result<> insert_channel(Transaction& transaction, const NewChannel& channel) {
  static constexpr const char* kInsert =
      "insert into channel (tenant_id, id, type, config_sealed, secret_sealed, is_active,"
      " registration_state) values ($1, $2, $3, $4, $5, $6, $7::integer::smallint)";
  auto rows = transaction.run(
      {kInsert,
       {channel.business, channel.id, channel.type, channel.config_sealed, channel.secret_sealed,
        channel.is_active, static_cast<int>(channel.registration)}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<std::optional<PlanRefusal>> check_channel_type(Session& db, const domain::Plans& plans,
                                                      domain::BusinessId business,
                                                      std::string_view type) {
  auto rows = db.run(Scope::of(business), Query{kSubscription, {business}});
  if (!rows) return std::move(rows).error();
  auto subscription = subscription_of(*rows, plans);
  if (!subscription) return std::move(subscription).error();
  return refuse_type(*subscription->plan, type);
}

Result<std::optional<PlanRefusal>> create_channel(Transaction& transaction,
                                                  const domain::Plans& plans,
                                                  const NewChannel& channel) {
  static constexpr const char* kCount =
      "update usage_counter set used = used + 1"
      " where tenant_id = $1 and resource = 'channels' and used < $2::integer";
  auto rows = transaction.run({kSubscription, {channel.business}});
  if (!rows) return std::move(rows).error();
  auto subscription = subscription_of(*rows, plans);
  if (!subscription) return std::move(subscription).error();
  if (auto refusal = refuse_type(*subscription->plan, channel.type)) return refusal;
  auto counted = transaction.run({kCount, {channel.business, subscription->plan->channels}});
  if (!counted) return std::move(counted).error();
  if (counted->affected() != 1) {
    // What was read first may be older than what the update waited for.
    auto again = transaction.run({kSubscription, {channel.business}});
    if (!again) return std::move(again).error();
    if (auto now = subscription_of(*again, plans)) subscription->channels = now->channels;
    return std::optional<PlanRefusal>(refuse_count(*subscription));
  }
  if (auto inserted = insert_channel(transaction, channel); !inserted) {
    return std::move(inserted).error();
  }
  return std::optional<PlanRefusal>();
}

Result<std::optional<PlanRefusal>> create_channel(Session& db, const domain::Plans& plans,
                                                  const NewChannel& channel) {
  auto transaction = db.begin(Scope::of(channel.business));
  if (!transaction) return std::move(transaction).error();
  auto refusal = create_channel(*transaction, plans, channel);
  if (!refusal || *refusal) return refusal;
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return refusal;
}

Result<std::vector<Channel>> list_channels(Session& db, Vault& vault, domain::BusinessId business) {
  static constexpr const char* kSelect =
      "select " CHANNEL_COLUMNS " from channel where tenant_id = $1 order by created_at, id";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business}});
  if (!rows) return std::move(rows).error();
  std::vector<Channel> channels;
  for (int row = 0; row < rows->size(); ++row) {
    channels.push_back(read(*rows, row));
    if (auto opened = open_secrets(db, vault, *rows, row, channels.back()); !opened) {
      return std::move(opened).error();
    }
  }
  return channels;
}

Result<std::vector<ChannelFace>> list_channel_faces(Session& db, Vault& vault,
                                                    domain::BusinessId business) {
  static constexpr const char* kSelect =
      "select id, type, config_sealed, state_sealed from channel"
      " where tenant_id = $1 and is_active and type not in ('widget', 'webchat')"
      " order by created_at, id";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business}});
  if (!rows) return std::move(rows).error();
  std::vector<ChannelFace> faces;
  for (int row = 0; row < rows->size(); ++row) {
    const auto id = rows->uuid(row, 0);
    ChannelFace face;
    face.type = rows->text(row, 1);
    auto config = vault.open(db, business, kChannelConfig, id, rows->bytes(row, 2));
    if (!config) return std::move(config).error();
    face.config = *std::move(config);
    if (!rows->is_null(row, 3)) {
      auto state = vault.open(db, business, kChannelState, id, rows->bytes(row, 3));
      if (!state) return std::move(state).error();
      face.state = *std::move(state);
    }
    faces.push_back(std::move(face));
  }
  return faces;
}

Result<std::vector<Channel>> list_active_channels(Session& db, domain::BusinessId business) {
  static constexpr const char* kSelect =
      "select " CHANNEL_COLUMNS
      " from channel where tenant_id = $1 and is_active order by created_at, id";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business}});
  if (!rows) return std::move(rows).error();
  std::vector<Channel> channels;
  for (int row = 0; row < rows->size(); ++row) channels.push_back(read(*rows, row));
  return channels;
}

Result<std::optional<Channel>> find_channel(Session& db, Vault& vault, domain::BusinessId business,
                                            domain::ChannelId id) {
  static constexpr const char* kSelect =
      "select " CHANNEL_COLUMNS " from channel where tenant_id = $1 and id = $2";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, id}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Channel>();
  auto channel = read(*rows, 0);
  if (auto opened = open_secrets(db, vault, *rows, 0, channel); !opened) {
    return std::move(opened).error();
  }
  return std::optional<Channel>(std::move(channel));
}

Result<ChannelUpdated> update_channel(Session& db, const domain::Plans& plans,
                                      const Channel& present, const ChannelEdit& change) {
  static constexpr const char* kLock =
      "select revision from channel where tenant_id = $1 and id = $2 for update";
  static constexpr const char* kUnregister = "select registration_enqueue_unregister($1)";
  static constexpr const char* kUpdate =
      "update channel set type = $3, config_sealed = coalesce($4, config_sealed), is_active = $5,"
      " revision = revision + 1,"
      " registration_state = case when $7 then registration_state"
      "                           else $6::integer::smallint end,"
      " registration_error = case when $7 then registration_error end,"
      " registration_checked_at = case when $7 then registration_checked_at end,"
      " instructions_sealed = case when $7 then instructions_sealed end,"
      // What a connector kept belongs to the platform account it was kept for.
      " state_sealed = case when type = $3 then state_sealed end"
      " where tenant_id = $1 and id = $2";
  auto transaction = db.begin(Scope::of(present.business));
  if (!transaction) return std::move(transaction).error();
  auto locked = transaction->run({kLock, {present.business, present.id}});
  if (!locked) return std::move(locked).error();
  if (locked->empty()) return ChannelUpdated{ChannelUpdate::gone, std::nullopt};
  if (locked->integer(0, 0) != present.revision) {
    return ChannelUpdated{ChannelUpdate::changed_meanwhile, std::nullopt};
  }
  if (change.checks_plan) {
    auto rows = transaction->run({kSubscription, {present.business}});
    if (!rows) return std::move(rows).error();
    auto subscription = subscription_of(*rows, plans);
    if (!subscription) return std::move(subscription).error();
    if (auto refusal = refuse_type(*subscription->plan, change.type)) {
      return ChannelUpdated{ChannelUpdate::done, std::move(refusal)};
    }
    // This channel is counted already, so standing at the limit is no reason to refuse.
    if (subscription->channels > subscription->plan->channels) {
      return ChannelUpdated{ChannelUpdate::done, refuse_count(*subscription)};
    }
  }
  if (change.unregister_old) {
    auto queued = transaction->run({kUnregister, {present.id}});
    if (!queued) return std::move(queued).error();
  }
  auto updated = transaction->run(
      {kUpdate,
       {present.business, present.id, change.type, change.config_sealed, change.is_active,
        static_cast<int>(change.registration), change.keeps_registration}});
  if (!updated) return std::move(updated).error();
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return ChannelUpdated{};
}

Result<bool> delete_channel(Session& db, domain::BusinessId business, domain::ChannelId id) {
  static constexpr const char* kLock =
      "select type from channel where tenant_id = $1 and id = $2 for update";
  static constexpr const char* kUnregister = "select registration_enqueue_unregister($1)";
  // A webchat's configuration goes with its channel, by the foreign key; these are its other rows.
  static constexpr const char* kForgetWebchat =
      "with w as (select id, icon from webchat where tenant_id = $1 and channel_id = $2),"
      " secret as (delete from embed_secret s using w where s.tenant_id = $1 and s.embed_id = w.id)"
      " delete from media f using w where f.tenant_id = $1 and f.id = w.icon";
  static constexpr const char* kDelete = "delete from channel where tenant_id = $1 and id = $2";
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  auto locked = transaction->run({kLock, {business, id}});
  if (!locked) return std::move(locked).error();
  if (locked->empty()) return false;
  if (!domain::is_built_in_channel_type(locked->text(0, 0))) {
    auto queued = transaction->run({kUnregister, {id}});
    if (!queued) return std::move(queued).error();
  }
  auto forgotten = transaction->run({kForgetWebchat, {business, id}});
  if (!forgotten) return std::move(forgotten).error();
  auto deleted = transaction->run({kDelete, {business, id}});
  if (!deleted) return std::move(deleted).error();
  auto uncounted = transaction->run({kUncount, {business}});
  if (!uncounted) return std::move(uncounted).error();
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return true;
}

Result<bool> delete_refused_channel(Session& db, domain::BusinessId business, domain::ChannelId id,
                                    std::int64_t revision) {
  static constexpr const char* kDelete =
      "delete from channel where tenant_id = $1 and id = $2 and revision = $3::bigint";
  auto transaction = db.begin(Scope::of(business));
  if (!transaction) return std::move(transaction).error();
  auto deleted = transaction->run({kDelete, {business, id, revision}});
  if (!deleted) return std::move(deleted).error();
  if (deleted->affected() != 1) return false;
  auto uncounted = transaction->run({kUncount, {business}});
  if (!uncounted) return std::move(uncounted).error();
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  return true;
}

Result<bool> has_widget(Session& db, domain::BusinessId business, domain::WidgetId id) {
  static constexpr const char* kSelect =
      "select exists (select from widget where tenant_id = $1 and id = $2)";
  auto rows = db.run(Scope::of(business), Query{kSelect, {business, id}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

}  // namespace gateway::store
