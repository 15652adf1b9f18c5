#include "gateway/api/channels_api.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "gateway/api/channel_config.h"
#include "gateway/api/fields.h"
#include "gateway/auth/random.h"
#include "gateway/store/accounts.h"

namespace gateway::api {
namespace {

using domain::RegistrationState;

constexpr int kUpdateAttempts = 3;
constexpr std::size_t kSecretBytes = 32;

Answer no_channel() { return refused(Errc::not_found, "Channel not found"); }
Answer no_business() { return refused(Errc::not_found, "Business not found"); }

// How much of the secrets the reader is shown.
enum class View {
  echo,  // what the caller has just sent, and what belongs to it
  full,  // the business asked to see its secrets
  masked,
};

struct Shown {
  View view = View::masked;
  std::string echo;  // the config, with View::echo
};

connector::Channel values_of(const ApiContext& context, const store::Channel& channel) {
  connector::Channel values;
  const auto config = sdk::json::Document::parse(channel.config.reveal(), sdk::json::kApiLimits);
  if (config) values.config = plugins::flatten(config->root());
  if (const auto* connector = context.registry.find(channel.type)) {
    connector->fill_defaults(context.deployment, values.config);
  }
  values.webhook_url =
      context.settings.public_url + "/api/v1/webhooks/" + channel.type + "/" + channel.id.text();
  values.secret = channel.secret.reveal();
  return values;
}

// What a human enters at the platform: as the registration found it, else what the schema says the
// platform asks for. No value is secret from a reader who sees the channel's secrets.
connector::Pairs instructions_of(const ApiContext& context, const store::Channel& channel,
                                 const plugins::ConfigSchema* schema) {
  connector::Pairs instructions;
  if (channel.instructions) {
    const auto stored =
        sdk::json::Document::parse(channel.instructions->reveal(), sdk::json::kApiLimits);
    if (stored) instructions = plugins::flatten(stored->root());
  }
  if (!instructions.empty() || schema == nullptr || !schema->manual_setup()) return instructions;
  const auto& setup = *schema->manual_setup();
  const connector::Channel values = values_of(context, channel);
  const bool keyed = !setup.keyed_unless.empty() && values.setting(setup.keyed_unless).empty();
  instructions.emplace_back("callback_url",
                            keyed ? connector::keyed_webhook_url(values) : values.webhook_url);
  for (const auto& field : setup.fields) instructions.emplace_back(field, values.setting(field));
  return instructions;
}

// Whether a text holds one of the channel's secrets; where nobody knows which settings are secret,
// it may. A sentence that says what to do holds none.
bool holds_secret(const connector::Channel& values, const plugins::ConfigSchema* schema,
                  std::string_view text) {
  if (schema == nullptr) return true;
  const auto& secrets = schema->secret_fields();
  return std::any_of(secrets.begin(), secrets.end(), [&](const auto& field) {
    const std::string_view secret = values.setting(field);
    return !secret.empty() && text.find(secret) != std::string_view::npos;
  });
}

void write_instructions(sdk::json::Writer& out, const ApiContext& context,
                        const store::Channel& channel, const plugins::ConfigSchema* schema,
                        const connector::Pairs& instructions, View view) {
  const connector::Channel values = values_of(context, channel);
  // The key in a callback URL is as good as a signature.
  const std::string keyed = connector::keyed_webhook_url(values);
  const auto key_at = keyed.rfind('/') + 1;
  out.object();
  for (const auto& [name, value] : instructions) {
    if (view != View::masked) {
      out.member(name, value);
    } else if (value == keyed) {
      out.member(name, keyed.substr(0, key_at) + mask(keyed.substr(key_at)));
    } else {
      const bool shows = name.ends_with("_url") || !holds_secret(values, schema, value);
      out.member(name, shows ? value : mask(value));
    }
  }
  out.end();
}

// config, with the instructions a Meta channel carries there.
std::string config_json(const ApiContext& context, const store::Channel& channel,
                        const Shown& shown, const plugins::ConfigSchema* schema,
                        const connector::Pairs& instructions) {
  std::string config = shown.view == View::echo   ? shown.echo
                       : shown.view == View::full ? channel.config.reveal()
                                                  : masked_config(schema, channel.config.reveal());
  if (schema == nullptr || !schema->manual_setup()) return config;
  const auto document = sdk::json::Document::parse(config, sdk::json::kApiLimits);
  if (!document) return config;
  sdk::json::Writer out;
  out.object();
  for (const auto& [name, member] : document->root().members()) out.member(name, member);
  out.key(kSetupInstructions);
  write_instructions(out, context, channel, schema, instructions, shown.view);
  return out.end().take();
}

void write_channel(sdk::json::Writer& out, const ApiContext& context, const store::Channel& channel,
                   const Shown& shown) {
  const auto* schema = schema_of(context.registry, channel.type);
  const auto instructions = instructions_of(context, channel, schema);
  out.object()
      .member("id", channel.id.text())
      .member("business_id", channel.business.text())
      .member("type", channel.type)
      .key("config")
      .raw(config_json(context, channel, shown, schema, instructions))
      .member("is_active", channel.is_active)
      .member("created_at", iso8601(channel.created_ms))
      .key("registration")
      .object()
      .member("state", domain::to_string(channel.registration))
      .member("last_error", channel.registration_error)
      .key("checked_at");
  if (channel.registration_checked_ms) {
    out.value(iso8601(*channel.registration_checked_ms));
  } else {
    out.null();
  }
  if (channel.registration == RegistrationState::manual && !instructions.empty()) {
    out.key("instructions");
    write_instructions(out, context, channel, schema, instructions, shown.view);
  }
  out.end().end();
}

std::string channel_json(const ApiContext& context, const store::Channel& channel,
                         const Shown& shown) {
  sdk::json::Writer out;
  write_channel(out, context, channel, shown);
  return out.take();
}

// Agents and admins always see masks; for the owner the deployment or the business may have asked
// for more.
Result<Shown> reading_view(const ApiContext& context, store::Session& db,
                           const auth::Identity& identity) {
  if (identity.role != store::Role::owner) return Shown{};
  if (context.settings.expose_channel_secrets) return Shown{View::full, {}};
  auto business = store::find_business(db, *identity.business);
  if (!business) return std::move(business).error();
  return Shown{*business && (*business)->expose_channel_secrets ? View::full : View::masked, {}};
}

// The documented types, then those that only a connector of this server adds.
std::vector<std::string_view> all_types(const plugins::Registry& registry) {
  const auto documented = domain::channel_types();
  std::vector<std::string_view> types(documented.begin(), documented.end());
  for (const auto* connector : registry.all()) {
    if (!domain::is_channel_type(connector->type())) types.push_back(connector->type());
  }
  return types;
}

std::string known_types(const plugins::Registry& registry) {
  std::string list;
  for (const auto type : all_types(registry)) {
    list += (list.empty() ? "" : ", ") + std::string(type);
  }
  return list;
}

Answer not_installed(std::string_view type) {
  return invalid(Errc::invalid_argument,
                 {{"type", "is known, but the connector for " + std::string(type) +
                               " is not installed on this server"}});
}

// The checks that come before any work on a channel; absent: go on.
std::optional<Answer> refuse_stranger(const auth::Identity& identity) {
  if (!identity.business) return no_business();
  if (identity.role != store::Role::owner) {
    return refused(Errc::forbidden, "Only the owner of the business manages channels");
  }
  return std::nullopt;
}

std::string read_type(Fields& fields, const plugins::Registry& registry) {
  const auto type = fields.text("type", {1, 50, false});
  if (!type.empty() && !domain::is_channel_type(type) && registry.find(type) == nullptr) {
    fields.wrong("type", "must be one of " + known_types(registry));
    return {};
  }
  return type;
}

// A widget channel may only name a widget of its own business; others are as good as none.
Result<bool> names_foreign_widget(store::Session& db, domain::BusinessId business,
                                  std::string_view type, std::string_view config) {
  if (type != "widget") return false;
  const auto document = sdk::json::Document::parse(config, sdk::json::kApiLimits);
  if (!document || !document->root()["widget_id"].exists()) return false;
  const auto widget = domain::WidgetId::parse(document->root()["widget_id"].text_or(""));
  if (!widget) return true;
  auto owned = store::has_widget(db, business, *widget);
  if (!owned) return std::move(owned).error();
  return !*owned;
}

Answer foreign_widget() {
  return invalid(Errc::invalid_argument, {{"config.widget_id", "is no widget of this business"}});
}

// The platform's words, for the client.
std::string words_of(std::string_view type, const outbound::RegistrationOutcome& outcome) {
  std::string words = "The " + std::string(type) + " platform refused the channel";
  if (!outcome.message.empty()) words += ": " + outcome.message;
  return words;
}

// Where the outcome of a registration finds its way back to the client. It is owned by the
// callback; should that be dropped unrun (the process stops), the channel exists and the answer
// says so.
class Registering {
 public:
  Registering(const ApiContext& context, CallPtr call, store::Channel channel, Shown shown,
              Status success)
      : context_(context),
        call_(std::move(call)),
        channel_(std::move(channel)),
        shown_(std::move(shown)),
        success_(success) {}
  ~Registering() {
    if (call_) answer(channel_);
  }
  Registering(const Registering&) = delete;
  Registering& operator=(const Registering&) = delete;

  // On the outbound thread: only posts.
  static void finish(const std::shared_ptr<Registering>& self,
                     const outbound::RegistrationOutcome& outcome) {
    self->channel_.registration = outcome.state;
    if (!outcome.message.empty()) self->channel_.registration_error = outcome.message;
    const bool posted = self->context_.workers.post(
        [self, outcome](store::Session& db) { self->conclude(db, outcome); });
    // The channel exists and its row tells the state; only the reading again has no room now.
    if (!posted) self->answer(self->channel_);
  }

 private:
  void conclude(store::Session& db, const outbound::RegistrationOutcome& outcome) {
    // Only a new channel goes when it is refused; a changed one stays, with the reason shown.
    if (outcome.refused && success_ == Status::created) {
      auto deleted =
          store::delete_refused_channel(db, channel_.business, channel_.id, channel_.revision);
      if (deleted && *deleted) {
        context_.receiver.channel_changed(channel_.id);
        std::exchange(call_, nullptr)
            ->answer(refused(Errc::invalid_argument, words_of(channel_.type, outcome)));
        return;
      }
    }
    auto stored = store::find_channel(db, context_.vault, channel_.business, channel_.id);
    answer(stored && *stored ? **stored : channel_);
  }

  void answer(const store::Channel& channel) {
    auto result = ok(channel_json(context_, channel, shown_));
    result.status = success_;
    std::exchange(call_, nullptr)->answer(std::move(result));
  }

  const ApiContext& context_;
  CallPtr call_;
  store::Channel channel_;
  const Shown shown_;
  const Status success_;
};

void register_and_answer(const ApiContext& context, const CallPtr& call,
                         const store::Channel& channel, Shown shown, Status success) {
  const auto business = channel.business;
  const auto id = channel.id;
  auto registering =
      std::make_shared<Registering>(context, call, channel, std::move(shown), success);
  context.outbound.register_channel(business, id,
                                    [registering](const outbound::RegistrationOutcome& outcome) {
                                      Registering::finish(registering, outcome);
                                    });
}

// What a PATCH makes of the channel it found.
struct Planned {
  store::ChannelEdit change;
  std::string echo;  // absent config: empty
  bool needs_registration = false;
};

}  // namespace

Result<store::NewChannel> seal_channel(const ApiContext& context, store::Session& db,
                                       domain::BusinessId business, std::string_view type,
                                       std::string_view config) {
  store::NewChannel channel;
  channel.id = domain::ChannelId(context.ids.next());
  channel.business = business;
  channel.type = type;
  auto sealed = context.vault.seal(db, business, store::kChannelConfig, channel.id.get(), config);
  if (!sealed) return std::move(sealed).error();
  channel.config_sealed = std::move(*sealed);
  auto random = auth::random_bytes(kSecretBytes);
  if (!random) return std::move(random).error();
  auto secret =
      context.vault.seal(db, business, store::kChannelSecret, channel.id.get(), sdk::hex(*random));
  if (!secret) return std::move(secret).error();
  channel.secret_sealed = std::move(*secret);
  return channel;
}

Answer list_channels(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (!identity.business) return no_business();
  auto shown = reading_view(context, db, identity);
  if (!shown) return failed(shown.error(), "api");
  auto channels = store::list_channels(db, context.vault, *identity.business);
  if (!channels) return failed(channels.error(), "api");
  sdk::json::Writer body;
  body.array();
  for (const auto& channel : *channels) write_channel(body, context, channel, *shown);
  return ok(body.end().take());
}

Answer list_channel_types(const ApiContext& context, store::Session&, const Call&) {
  sdk::json::Writer body;
  body.array();
  for (const auto type : all_types(context.registry)) {
    const auto* schema = schema_of(context.registry, type);
    const auto document = sdk::json::Document::parse(schema == nullptr ? "null" : schema->text(),
                                                     sdk::json::kWebhookLimits);
    const auto root = document ? document->root() : sdk::json::Value();
    body.object()
        .member("type", type)
        .member("title", root["title"].text_or(type))
        .member("description", root["description"].text_or(""))
        .member("installed", root.is_object())
        .key("config_schema");
    root.is_object() ? body.value(root) : body.null();
    body.end();
  }
  return ok(body.end().take());
}

Answer show_channel(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (!identity.business) return no_business();
  const auto id = domain::ChannelId::parse(call.params["channel_id"]);
  if (!id) return no_channel();
  auto shown = reading_view(context, db, identity);
  if (!shown) return failed(shown.error(), "api");
  auto channel = store::find_channel(db, context.vault, *identity.business, *id);
  if (!channel) return failed(channel.error(), "api");
  if (!*channel) return no_channel();
  return ok(channel_json(context, **channel, *shown));
}

void create_channel(const ApiContext& context, store::Session& db, const CallPtr& call) {
  const auto& identity = *call->identity;
  if (auto stranger = refuse_stranger(identity)) return call->answer(std::move(*stranger));
  const auto business = *identity.business;

  Fields fields(call->request());
  const auto type = read_type(fields, context.registry);
  if (fields.valid() && !fields["config"].exists()) fields.wrong("config", "is required");
  const bool is_active = fields.maybe_boolean("is_active").value_or(true);
  const auto* schema = schema_of(context.registry, type);
  if (fields.valid() && schema == nullptr) {
    // Nothing can judge the config; what the plan says is still worth knowing first.
    auto refusal = store::check_channel_type(db, context.plans, business, type);
    if (!refusal) return call->answer(failed(refusal.error(), "api"));
    return call->answer(*refusal ? over_plan(**refusal) : not_installed(type));
  }
  CheckedConfig config;
  if (schema != nullptr && fields["config"].exists()) {
    config = check_config(*schema, fields["config"], {});
    fields.add(std::move(config.errors));
  }
  if (!fields.valid()) {
    return call->answer(invalid(Errc::invalid_argument, fields.take_errors()));
  }
  auto foreign = names_foreign_widget(db, business, type, config.json);
  if (!foreign) return call->answer(failed(foreign.error(), "api"));
  if (*foreign) return call->answer(foreign_widget());

  auto sealed = seal_channel(context, db, business, type, config.json);
  if (!sealed) return call->answer(failed(sealed.error(), "api"));
  const bool built_in = domain::is_built_in_channel_type(type);
  sealed->is_active = is_active;
  sealed->registration = !is_active ? RegistrationState::inactive
                         : built_in ? RegistrationState::active
                                    : RegistrationState::pending;
  auto refusal = store::create_channel(db, context.plans, *sealed);
  if (!refusal) return call->answer(failed(refusal.error(), "api"));
  if (*refusal) return call->answer(over_plan(**refusal));

  context.receiver.channel_changed(sealed->id);
  auto stored = store::find_channel(db, context.vault, business, sealed->id);
  if (!stored) return call->answer(failed(stored.error(), "api"));
  if (!*stored) return call->answer(no_channel());
  Shown shown{View::echo, config.echo};
  if (built_in || !is_active) {
    return call->answer(created(channel_json(context, **stored, shown)));
  }
  register_and_answer(context, call, **stored, std::move(shown), Status::created);
}

namespace {

// The change a request asks for, or the answer that refuses it.
std::optional<Answer> plan_update(const ApiContext& context, store::Session& db, Fields& fields,
                                  const store::Channel& present, Planned& planned) {
  const auto business = present.business;
  std::string type = fields.has("type") ? read_type(fields, context.registry) : present.type;
  const bool is_active = fields.maybe_boolean("is_active").value_or(present.is_active);
  if (!fields.valid()) return invalid(Errc::invalid_argument, fields.take_errors());
  const bool other_type = type != present.type;
  const bool activates = is_active && !present.is_active;

  const auto* schema = schema_of(context.registry, type);
  const auto present_config =
      sdk::json::Document::parse(present.config.reveal(), sdk::json::kApiLimits);
  if (!present_config) return failed(fail(Errc::internal, "a stored config is damaged"), "api");
  std::string config = present.config.reveal();
  if (fields.has("config") || other_type) {
    if (schema == nullptr) {
      auto refusal = store::check_channel_type(db, context.plans, business, type);
      if (!refusal) return failed(refusal.error(), "api");
      return *refusal ? over_plan(**refusal) : not_installed(type);
    }
    const auto given = fields.has("config") ? fields["config"] : present_config->root();
    auto checked =
        check_config(*schema, given, other_type ? sdk::json::Value() : present_config->root());
    if (!checked.errors.empty()) {
      return invalid(Errc::invalid_argument, std::move(checked.errors));
    }
    config = std::move(checked.json);
    if (fields.has("config")) planned.echo = std::move(checked.echo);
  } else if (schema == nullptr && activates) {
    return not_installed(type);
  }
  auto foreign = names_foreign_widget(db, business, type, config);
  if (!foreign) return failed(foreign.error(), "api");
  if (*foreign) return foreign_widget();

  const bool other_config = !same_config(config, present.config.reveal());
  const bool was_registered = present.is_active && !domain::is_built_in_channel_type(present.type);
  const bool built_in = domain::is_built_in_channel_type(type);
  // A registration that failed or still waits is tried again when its channel is written to.
  const bool unsettled = present.registration == RegistrationState::pending ||
                         present.registration == RegistrationState::failed;
  auto& change = planned.change;
  planned.needs_registration =
      is_active && !built_in && (other_type || other_config || activates || unsettled);
  change.type = std::move(type);
  change.is_active = is_active;
  change.unregister_old = was_registered && (other_type || other_config || !is_active);
  change.checks_plan = other_type || activates;
  change.keeps_registration =
      !planned.needs_registration && !other_type && is_active == present.is_active;
  change.registration = !is_active ? RegistrationState::inactive
                        : built_in ? RegistrationState::active
                                   : RegistrationState::pending;
  if (other_config) {
    auto sealed = context.vault.seal(db, business, store::kChannelConfig, present.id.get(), config);
    if (!sealed) return failed(sealed.error(), "api");
    change.config_sealed = std::move(*sealed);
  }
  return std::nullopt;
}

}  // namespace

void update_channel(const ApiContext& context, store::Session& db, const CallPtr& call) {
  const auto& identity = *call->identity;
  if (auto stranger = refuse_stranger(identity)) return call->answer(std::move(*stranger));
  const auto id = domain::ChannelId::parse(call->params["channel_id"]);
  if (!id) return call->answer(no_channel());
  for (int attempt = 0; attempt < kUpdateAttempts; ++attempt) {
    auto present = store::find_channel(db, context.vault, *identity.business, *id);
    if (!present) return call->answer(failed(present.error(), "api"));
    if (!*present) return call->answer(no_channel());
    Fields fields(call->request());
    Planned planned;
    if (auto refusal = plan_update(context, db, fields, **present, planned)) {
      return call->answer(std::move(*refusal));
    }
    auto updated = store::update_channel(db, context.plans, **present, planned.change);
    if (!updated) return call->answer(failed(updated.error(), "api"));
    if (updated->refusal) return call->answer(over_plan(*updated->refusal));
    if (updated->outcome == store::ChannelUpdate::gone) return call->answer(no_channel());
    if (updated->outcome == store::ChannelUpdate::changed_meanwhile) continue;

    context.receiver.channel_changed(*id);
    if (planned.change.unregister_old) context.outbound.wake();
    auto stored = store::find_channel(db, context.vault, *identity.business, *id);
    if (!stored) return call->answer(failed(stored.error(), "api"));
    if (!*stored) return call->answer(no_channel());
    Shown shown{View::echo, planned.echo};
    if (shown.echo.empty()) {
      auto reading = reading_view(context, db, identity);
      if (!reading) return call->answer(failed(reading.error(), "api"));
      shown = std::move(*reading);
    }
    if (planned.needs_registration) {
      return register_and_answer(context, call, **stored, std::move(shown), Status::ok);
    }
    return call->answer(ok(channel_json(context, **stored, shown)));
  }
  call->answer(refused(Errc::conflict, "The channel is being changed by others; try again"));
}

Answer delete_channel(const ApiContext& context, store::Session& db, const Call& call) {
  const auto& identity = *call.identity;
  if (auto stranger = refuse_stranger(identity)) return std::move(*stranger);
  const auto id = domain::ChannelId::parse(call.params["channel_id"]);
  if (!id) return no_channel();
  auto deleted = store::delete_channel(db, *identity.business, *id);
  if (!deleted) return failed(deleted.error(), "api");
  if (!*deleted) return no_channel();
  context.receiver.channel_changed(*id);
  context.outbound.wake();
  return ok(sdk::json::Writer().object().member("message", "Channel deleted").end().take());
}

}  // namespace gateway::api
