// What a provider of text messages supplies; sms.cc chooses one by the setting `provider`. Each is
// one constant of pure functions in a file of its own, any thread.
#ifndef CONNECTORS_SMS_PROVIDER_H_
#define CONNECTORS_SMS_PROVIDER_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector.h"

namespace sms {

// One message as a provider takes it: within its limits, to one number.
struct Outgoing {
  std::string to;  // E.164, a short code, or a prefixed address where the provider has those
  std::string text;
  std::vector<connector::Attachment> media;  // with public https URLs
  std::string key;                           // to be repeated in reports; "" for further pieces
  std::string answered;  // our number or address the contact last wrote to, "" unknown
};

// What a provider calls a message it took.
struct Accepted {
  std::string id;
  std::vector<std::string> aliases;  // further ids its reports may name
};

struct Provider {
  std::string_view name;

  // What the settings lack, as a sentence that names the field; empty where nothing. Nothing else
  // is called before it is content.
  std::string (*complaint)(const connector::Channel& channel);

  connector::Verdict (*verify)(const connector::Channel& channel,
                               const connector::Request& request);
  connector::ReceiveResult (*receive)(const connector::Channel& channel,
                                      const connector::Request& request);

  connector::Step (*register_webhook)(const connector::Channel& channel,
                                      std::span<const connector::Response> so_far);
  connector::Step (*unregister_webhook)(const connector::Channel& channel,
                                        std::span<const connector::Response> so_far);
  connector::Step (*check)(const connector::Channel& channel,
                           std::span<const connector::Response> so_far);
  // Null where nothing can be asked for.
  connector::Step (*poll)(const connector::Channel& channel,
                          std::span<const connector::Response> so_far);

  // The longest text of one message, in UTF-16 units and in segments; the shorter one counts.
  std::size_t text_units;
  std::size_t text_segments;
  // Files one message to `to` may carry; 0: they go as links in the text.
  std::size_t (*media_count)(const connector::Channel& channel, std::string_view to);
  connector::Call (*message)(const connector::Channel& channel, const Outgoing& outgoing);
  // What became of what `message` asked for.
  sdk::Expected<Accepted, connector::Fail> (*accepted)(const connector::Channel& channel,
                                                       const connector::Response& response);

  // Credentials for a file at one of the provider's own hosts; absent for any other host.
  std::optional<connector::Pair> (*media_credentials)(const connector::Channel& channel,
                                                      std::string_view host);
};

extern const Provider kTwilio;
extern const Provider kVonage;
extern const Provider kVonageSms;
extern const Provider kTelnyx;
extern const Provider kPlivo;
extern const Provider kBird;
extern const Provider kMessageBird;
extern const Provider kSinch;

// By the setting `provider`, Twilio where there is none; null for a name that is none of ours.
const Provider* provider_of(const connector::Channel& channel);

// Parts of `complaint`.
std::string missing(const connector::Channel& channel,
                    std::initializer_list<std::string_view> required);

// The setting `from` as it is sent and searched: E.164, a short code, or a name.
std::string own_number(const connector::Channel& channel);

// Operations that are alike everywhere.
connector::Step send(const Provider& provider, const connector::Channel& channel,
                     const connector::Event& input, std::span<const connector::Response> so_far);
connector::Step fetch_media(const Provider& provider, const connector::Channel& channel,
                            const connector::Event& input,
                            std::span<const connector::Response> so_far);

}  // namespace sms

#endif  // CONNECTORS_SMS_PROVIDER_H_
