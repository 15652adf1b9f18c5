// Text messages through one of several providers. README.md says what each covers.
#include "connectors/sdk/connector.h"

#include <algorithm>
#include <array>

#include "connectors/sms/api.h"
#include "connectors/sms/config_schema.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"

namespace sms {

using connector::Channel;
using connector::Done;
using connector::Event;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;

const Provider* provider_of(const Channel& channel) {
  static constexpr std::array<const Provider*, 8> kProviders{
      &kTwilio, &kVonage, &kVonageSms, &kTelnyx, &kPlivo, &kBird, &kMessageBird, &kSinch};
  const std::string_view name = channel.setting("provider");
  if (name.empty()) return &kTwilio;
  const auto found = std::find_if(kProviders.begin(), kProviders.end(),
                                  [&](const Provider* one) { return one->name == name; });
  return found == kProviders.end() ? nullptr : *found;
}

std::string missing(const Channel& channel, std::initializer_list<std::string_view> required) {
  for (const std::string_view name : required) {
    if (channel.setting(name).empty()) {
      return "config." + std::string(name) + " is required for the provider " +
             std::string(provider_of(channel)->name);
    }
  }
  return {};
}

std::string own_number(const Channel& channel) {
  const std::string_view from = channel.setting("from");
  if (is_short_code(from)) return std::string(from);
  auto number = to_e164(from, channel.setting("region"));
  return number ? *std::move(number) : std::string(from);
}

namespace {

// What no provider could work with; which fields one needs cannot be said in the schema.
std::string complaint_about(const Channel& channel) {
  const Provider* provider = provider_of(channel);
  if (provider == nullptr) return "config.provider is none of this gateway's";
  const std::string_view region = channel.setting("region");
  if (!region.empty() && !is_region(region)) return "config.region is no region of ISO 3166";
  const std::string_view from = channel.setting("from");
  if (!from.empty() && !is_short_code(from) && !is_alphanumeric(from) && !to_e164(from, region)) {
    return "config.from is no phone number in international form, no short code and no name of "
           "up to 11 characters";
  }
  return provider->complaint(channel);
}

// A channel whose settings are incomplete has nothing to compare with, so nothing is accepted.
Verdict verify(const Channel& channel, const Request& request) {
  const Provider* provider = provider_of(channel);
  if (provider == nullptr || !provider->complaint(channel).empty()) return Verdict::refuse;
  return provider->verify(channel, request);
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const Provider* provider = provider_of(channel);
  if (provider == nullptr) {
    return connector::Fail{.why = "config.provider is none of this gateway's"};
  }
  return provider->receive(channel, request);
}

Step plan(const Channel& channel, Operation operation, const Event& input,
          std::span<const Response> so_far) {
  if (std::string words = complaint_about(channel); !words.empty()) {
    return config_fail(std::move(words));
  }
  const Provider& provider = *provider_of(channel);
  using enum Operation;
  switch (operation) {
    case register_webhook:
      return provider.register_webhook(channel, so_far);
    case unregister_webhook:
      return provider.unregister_webhook(channel, so_far);
    case check:
      return provider.check(channel, so_far);
    case poll:
      return provider.poll == nullptr ? Done{} : provider.poll(channel, so_far);
    case send:
      return sms::send(provider, channel, input, so_far);
    case fetch_media:
      return sms::fetch_media(provider, channel, input, so_far);
    case signal:
      // Text messages know neither typing nor reading.
      return Done{};
    case acknowledge:
      break;
  }
  return permanent_fail("text messages have nothing to acknowledge");
}

constexpr connector::Connector kSms{.type = "sms",
                                    .config_schema = kConfigSchema,
                                    .verify = verify,
                                    .receive = receive,
                                    .plan = plan,
                                    .polling = connector::Polling::yes};

}  // namespace
}  // namespace sms

using sms::kSms;
EXPORT_CONNECTOR(kSms)
