// The SMS connector with each provider's settings, which the generic target cannot choose, behind
// the gateway's border: deliveries that are well signed and nonsense, and answers of an API that
// lost its mind. Then what it computes by itself: numbers, segments, moments, tokens.
//
// Input: a digit for the provider, a letter for what follows, and that.
//   g, p, j  a delivery: query of a GET, form or JSON of a POST
//   o        an operation (one digit), then fields separated by byte 0x1e: thread, text, media id,
//            attachment's url, a kept value, then answers, each a status letter and a body
//   h        text for the helpers
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/text.h"
#include "connectors/sms/jwt.h"
#include "connectors/sms/moment.h"
#include "connectors/sms/number.h"
#include "connectors/sms/opt_out.h"
#include "connectors/sms/segments.h"
#include "connectors/sms/twilio_signature.h"
#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"

extern "C" const gwc_connector* gwc_connector_sms(void);

namespace {

using connector::Channel;
using connector::Event;
using connector::Operation;
using connector::Pairs;
using connector::Request;
using connector::Response;
using connector::Step;
using gateway::plugins::Connector;

constexpr char kSeparator = '\x1e';
constexpr std::string_view kCanary = "canary-Zz9";

void require(bool holds) {
  if (!holds) std::abort();
}

const Connector& sms() {
  static const Connector* one = [] {
    const gwc_connector* table = gwc_connector_sms();
    return new Connector(
        *table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked");
  }();
  return *one;
}

Channel channel_of(std::size_t provider) {
  constexpr std::array<std::string_view, 8> kNames{"twilio", "vonage", "vonage_sms",  "telnyx",
                                                   "plivo",  "bird",   "messagebird", "sinch"};
  Pairs config{{"provider", std::string(kNames[provider % kNames.size()])},
               {"from", "+14155550199"},
               {"region", "US"},
               {"account_sid", "AC00112233445566778899aabbccddeeff"},
               {"api_key", "abcd1234"},
               {"application_id", "aaaaaaaa-1111"},
               {"telnyx_public_key", "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="},
               {"plivo_auth_id", "MA1"},
               {"organization_id", "o1"},
               {"workspace_id", "w1"},
               {"channel_id", "c1"},
               {"sinch_plan_id", "p1"}};
  for (const std::string_view name :
       {"auth_token", "api_secret", "signature_secret", "telnyx_api_key", "plivo_auth_token",
        "bird_access_key", "signing_key", "access_key", "sinch_token", "webhook_secret"}) {
    config.emplace_back(name, std::string(kCanary) + "-" + std::string(name));
  }
  return {.config = std::move(config),
          .state = {},
          .webhook_url = "https://gw.example.com/api/v1/webhooks/sms/1",
          .secret = std::string(64, 'a'),
          .now_ms = 1'795'165'200'000};
}

void check_text(std::string_view text) {
  require(sdk::is_valid_utf8(text) && text.find('\0') == std::string_view::npos);
}

void check_pairs(const Pairs& pairs) {
  for (const auto& [name, value] : pairs) {
    check_text(name);
    check_text(value);
  }
}

void check_event(const Event& event) {
  for (const std::string* text : {&event.thread, &event.message, &event.key, &event.contact,
                                  &event.contact_name, &event.text, &event.state, &event.code}) {
    check_text(*text);
  }
  require(!event.key.empty());
  require(event.kind != connector::EventKind::message ||
          (!event.thread.empty() && !event.contact.empty() && !event.message.empty()));
  check_pairs(event.extra);
}

void check_delivery(const Channel& channel, char kind, std::string_view data) {
  Request request{.method = kind == 'g' ? "GET" : "POST", .target = "/api/v1/webhooks/sms/1"};
  if (kind == 'g') {
    request.query = data;
    request.target += "?" + request.query;
  } else {
    request.body = data;
    request.headers = {
        {"content-type", kind == 'j' ? "application/json" : "application/x-www-form-urlencoded"}};
  }
  require(sms().verify(channel, request) != connector::Verdict::accept);
  const auto received = sms().receive(channel, request);
  if (!received) {
    require(received.error().code == gateway::Errc::invalid_argument);
    return check_text(received.error().message);
  }
  for (const Event& event : received->events) check_event(event);
}

std::string_view next_field(std::string_view& data) {
  const std::string_view field = data.substr(0, data.find(kSeparator));
  data.remove_prefix(std::min(data.size(), field.size() + 1));
  return field;
}

Response answer_of(std::string_view field) {
  constexpr std::array<std::int32_t, 14> kStatuses{200, 201, 202, 204, 307, 400, 401,
                                                   402, 404, 422, 429, 500, 0,   0};
  const std::size_t choice =
      field.empty() ? 0 : static_cast<unsigned char>(field[0]) % kStatuses.size();
  const std::string body(field.substr(field.empty() ? 0 : 1));
  return {.status = kStatuses[choice],
          .headers = {{"retry-after", body.substr(0, 40)}, {"location", body}},
          .body = body,
          .not_sent = choice == 13};
}

void check_words(std::string_view words) {
  check_text(words);
  require(words.find(kCanary) == std::string_view::npos);
}

void check_step(const Step& step) {
  if (const auto* fail = std::get_if<connector::Fail>(&step)) {
    require(fail->platform_code != "connector_fault");
    check_words(fail->why);
    check_words(fail->platform_code);
  } else if (const auto* done = std::get_if<connector::Done>(&step)) {
    check_pairs(done->state);
    check_pairs(done->results);
    for (const Event& event : done->events) check_event(event);
  } else {
    const auto& call = std::get<connector::Call>(step);
    require(call.url.starts_with("https://"));
    require(call.url.find(kCanary) == std::string::npos);
  }
}

void check_operation(Channel channel, std::string_view data) {
  const auto operation =
      static_cast<Operation>(data.empty() ? 5 : static_cast<unsigned char>(data[0]) % 8 + 1);
  data.remove_prefix(std::min<std::size_t>(data.size(), 1));
  Event input{.kind = connector::EventKind::message};
  input.thread = next_field(data);
  input.text = sdk::sanitize(next_field(data));
  connector::Attachment attachment{.kind = "image"};
  attachment.media_id = next_field(data);
  attachment.url = next_field(data);
  if (!attachment.media_id.empty() || !attachment.url.empty()) {
    input.attachments.push_back(attachment);
  }
  input.key = "0193a000-0000-7000-8000-000000000001";
  const std::string kept = sdk::sanitize(next_field(data));
  for (const std::string_view name :
       {"resource", "profile", "application", "previous.application", "poll.page", "linked",
        "previous.mo_http_url", "subscription.sms.inbound"}) {
    channel.state.emplace_back(name, kept);
  }
  channel.state.emplace_back("poll.listed", "1795162200000");
  channel.state.emplace_back("poll.seen", "1795162200000");
  const std::size_t most = operation == Operation::send || operation == Operation::poll
                               ? GWC_MAX_SEND_ANSWERS
                               : GWC_MAX_ANSWERS;
  std::vector<Response> answers;
  for (;;) {
    const Step step = sms().plan(channel, operation, input, answers);
    check_step(step);
    if (!std::holds_alternative<connector::Call>(step)) break;
    require(answers.size() < most);
    if (data.empty()) break;
    answers.push_back(answer_of(next_field(data)));
  }
  // An operation ends even where every answer is the last one again. That takes long to try, so
  // only some inputs do.
  if (answers.empty() || answers.back().body.size() % 8 != 0) return;
  const Response last = answers.back();
  while (answers.size() < most) {
    const Step step = sms().plan(channel, operation, input, answers);
    if (!std::holds_alternative<connector::Call>(step)) return;
    answers.push_back(last);
  }
  require(!std::holds_alternative<connector::Call>(sms().plan(channel, operation, input, answers)));
}

void check_helpers(std::string_view text) {
  const sms::Address address = sms::address_of(text);
  if (address.party == sms::Party::number) {
    require(address.text.starts_with('+'));
    require(sms::address_of(address.text).text == address.text);
  }
  if (const auto number = sms::to_e164(text, "US")) {
    require(sms::to_e164(*number, "") == number);
  }
  (void)sms::region_of(text);
  (void)sms::is_region(text);
  (void)sms::intent_of(text, text);
  (void)sms::iso_ms(text);
  (void)sms::mail_date_ms(text);
  (void)sms::unix_ms(text);
  require(!sms::url_spellings(text).empty());
  constexpr std::array kAll{sms::JwtAlgorithm::hs256, sms::JwtAlgorithm::hs384,
                            sms::JwtAlgorithm::hs512};
  require(!sms::verified_claims(text, "a secret nobody signed with", kAll).has_value());
  const std::string clean = sdk::sanitize(text);
  const sms::Segments segments = sms::segments_of(clean);
  const bool gsm = segments.alphabet == sms::Alphabet::gsm7;
  require((segments.count == 0) == clean.empty());
  require(segments.units <= segments.count * (gsm ? 160 : 70));
  require(segments.count <= 1 || segments.units > (gsm ? 160u : 70u));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::string_view data(reinterpret_cast<const char*>(bytes), size);
  // What the input itself says is no secret that was given away.
  if (data.size() < 2 || data.find(kCanary) != std::string_view::npos) return 0;
  const Channel channel = channel_of(static_cast<unsigned char>(data[0]));
  const char kind = data[1];
  data.remove_prefix(2);
  if (kind == 'h') {
    check_helpers(data);
  } else if (kind == 'o') {
    check_operation(channel, data);
  } else {
    check_delivery(channel, kind, data);
  }
  return 0;
}
