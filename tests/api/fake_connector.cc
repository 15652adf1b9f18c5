// Connectors without a platform: their types and their config schemas are what the API looks at.
#include "connectors/sdk/connector.h"

namespace {

#ifdef FAKE_telegram
constexpr const char* kType = "telegram";
constexpr auto kAccounts = nullptr;
constexpr std::uint64_t kMaxBody = 0;
constexpr const char* kSchema = R"({
  "type": "object",
  "properties": {
    "bot_token": {"type": "string", "minLength": 1, "maxLength": 256,
                  "pattern": "^[0-9]+:[A-Za-z0-9_-]+$", "writeOnly": true}
  },
  "required": ["bot_token"],
  "additionalProperties": false
})";
#elif defined(FAKE_pigeon)
constexpr const char* kType = "pigeon";
constexpr auto kAccounts = nullptr;
constexpr std::uint64_t kMaxBody = 0;
constexpr const char* kSchema = R"({
  "title": "Carrier pigeon",
  "description": "One loft.",
  "type": "object",
  "properties": {"loft": {"type": "string", "minLength": 1, "maxLength": 64}},
  "required": ["loft"],
  "additionalProperties": false
})";
#else
constexpr const char* kType = "whatsapp";
std::vector<std::string> accounts(const connector::Request&) { return {}; }
constexpr auto kAccounts = accounts;
constexpr std::uint64_t kMaxBody = 5u << 20;
constexpr const char* kSchema = R"({
  "type": "object",
  "x-setup": {"fields": ["verify_token"], "keyed_unless": "app_secret"},
  "properties": {
    "phone_number_id": {"type": "string", "minLength": 1, "maxLength": 64},
    "access_token": {"type": "string", "minLength": 1, "maxLength": 512, "writeOnly": true},
    "verify_token": {"type": "string", "minLength": 1, "maxLength": 256, "writeOnly": true},
    "app_secret": {"type": "string", "minLength": 1, "maxLength": 256, "writeOnly": true,
                   "x-deployment-default": "meta_app_secret"}
  },
  "required": ["phone_number_id", "access_token", "verify_token"],
  "additionalProperties": false
})";
#endif

connector::Verdict verify(const connector::Channel&, const connector::Request&) {
  return connector::Verdict::refuse;
}
connector::ReceiveResult receive(const connector::Channel&, const connector::Request&) {
  return connector::Received{};
}
connector::Step plan(const connector::Channel&, connector::Operation, const connector::Event&,
                     std::span<const connector::Response>) {
  return connector::Done{};
}

constexpr connector::Connector kFake{.type = kType,
                                     .config_schema = kSchema,
                                     .verify = verify,
                                     .receive = receive,
                                     .plan = plan,
                                     .accounts = kAccounts,
                                     .polling = connector::Polling::no,
                                     .documents = nullptr,
                                     .max_body_bytes = kMaxBody};

}  // namespace

EXPORT_CONNECTOR(kFake)
