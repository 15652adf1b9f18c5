// A loaded connector: the C table of its shared object as C++ values.
//
// All methods are pure functions of their arguments and may be called from any thread at once.
// What a connector throws or returns wrongly is fenced here and becomes a value: verify refuses,
// receive fails, plan yields Fail{permanent}.
#ifndef GATEWAY_PLUGINS_CONNECTOR_H_
#define GATEWAY_PLUGINS_CONNECTOR_H_

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/json.h"
#include "connectors/sdk/values.h"
#include "gateway/base/result.h"

struct gwc_connector;

namespace gateway::plugins {

struct FieldError {
  std::string field;  // "config.bot_token"
  std::string message;
};

// What a human enters at the platform beside the callback URL, where the platform may not let the
// gateway do it: the schema's "x-setup".
struct ManualSetup {
  std::vector<std::string> fields;  // of the config
  std::string keyed_unless;         // without this field the keyed callback URL is the right one
};

// A connector's configuration schema (the subset of JSON Schema named in docs/CONNECTORS.md).
class ConfigSchema {
 public:
  static Result<ConfigSchema> parse(std::string_view json_schema);
  // Empty when `config` is valid. Unknown keys are errors. Fields are named "config.<key>".
  std::vector<FieldError> validate(sdk::json::Value config) const;
  // Top-level or dotted names marked writeOnly.
  const std::vector<std::string>& secret_fields() const { return secret_fields_; }
  // Fields marked "x-deployment-default", each with the setting's name.
  const connector::Pairs& deployment_defaults() const { return deployment_defaults_; }
  const std::optional<ManualSetup>& manual_setup() const { return manual_setup_; }
  std::string_view text() const { return text_; }

 private:
  std::string text_;
  std::shared_ptr<const sdk::json::Document> document_;
  std::vector<std::string> secret_fields_;
  connector::Pairs deployment_defaults_;
  std::optional<ManualSetup> manual_setup_;
};

// Settings of the deployment that stand in where a channel's config has no value of its own, by
// name ("meta_app_secret").
using Deployment = connector::Pairs;

// Nested objects become dotted names ("smtp.host"); booleans and numbers their JSON text.
connector::Pairs flatten(sdk::json::Value config);

class Connector {
 public:
  Connector(const gwc_connector& table, ConfigSchema schema, std::string path);

  const std::string& type() const { return type_; }
  const std::string& path() const { return path_; }  // of the shared object
  const ConfigSchema& schema() const { return schema_; }
  std::string version() const;           // "1.0": the ABI it was built for
  bool polls() const;                    // plan(poll) is to be called from time to time
  bool shares_callback_urls() const;     // accounts() can tell what a request is addressed to
  std::uint64_t max_body_bytes() const;  // of a delivery

  connector::Verdict verify(const connector::Channel& channel,
                            const connector::Request& request) const;
  // Only after verify accepted. Errc::invalid_argument: well signed, but not understood.
  Result<connector::Received> receive(const connector::Channel& channel,
                                      const connector::Request& request) const;
  connector::Step plan(const connector::Channel& channel, connector::Operation operation,
                       const connector::Event& input,
                       std::span<const connector::Response> so_far) const;
  // Platform accounts an unverified request is addressed to; nothing else may be concluded from it.
  std::vector<std::string> accounts(const connector::Request& request) const;
  // https URLs of the documents verify needs for an unverified request; at most 4.
  std::vector<std::string> documents(const connector::Channel& channel,
                                     const connector::Request& request) const;
  // Adds what the deployment knows and the channel's config lacks.
  void fill_defaults(const Deployment& deployment, connector::Pairs& config) const;

 private:
  const gwc_connector* table_;  // lives as long as the process; never unloaded
  ConfigSchema schema_;
  std::string type_;
  std::string path_;
};

// A shared object that was left out.
struct Refusal {
  std::string path;
  std::string reason;  // with the remedy
};

// Immutable after load; const methods from any thread.
class Registry {
 public:
  // Loads every *.so of the folders in order. What is refused is logged with the reason and left
  // out; start goes on. Fails only where a folder cannot be read.
  static Result<Registry> load(std::span<const std::string> folders);
  const Connector* find(std::string_view type) const;
  std::vector<const Connector*> all() const;
  const std::vector<Refusal>& refused() const { return refused_; }

 private:
  std::map<std::string, std::unique_ptr<Connector>, std::less<>> by_type_;
  std::vector<Refusal> refused_;
};

// One shared object, with every check of docs/CONNECTORS.md; the error says which failed.
Result<std::unique_ptr<Connector>> load_connector(const std::string& path);

// "last.<name>" for the metadata of the contact's latest message, a JSON object or empty.
connector::Pairs last_facts(std::string_view metadata);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_CONNECTOR_H_
