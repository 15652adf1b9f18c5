// The X connector with channels as they are in use, so that the walks through X's lists, the
// registration in several runs and the uploads are reached, which connector_fuzz's configuration of
// canaries does not do.
//
// Input that begins like JSON is a delivery; input that begins with '?' is the query of a
// challenge. Any other input is: operation, variant of the channel, then fields separated by byte
// 0x1e: thread, text, media id, URL, then answers, each a status byte and a body.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/text.h"
#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"

extern "C" const gwc_connector* gwc_connector_x(void);

namespace {

using connector::Channel;
using connector::Event;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Step;

constexpr char kSeparator = '\x1e';

void require(bool holds) {
  if (!holds) std::abort();
}

const gateway::plugins::Connector& x_connector() {
  static const auto* made = [] {
    const gwc_connector* table = gwc_connector_x();
    return new gateway::plugins::Connector(
        *table, gateway::plugins::ConfigSchema::parse(table->config_schema).value(), "linked");
  }();
  return *made;
}

Channel channel_of(unsigned variant) {
  constexpr const char* kIngest[] = {"xaa", "aaa", "poll"};
  Channel channel{.config = {{"api_key", "canary-api-key-1"},
                             {"api_secret", "canary-api-secret-2"},
                             {"ingest", kIngest[variant % 3]}},
                  .state = {},
                  .webhook_url = "https://gw.example.com/api/v1/webhooks/x/1",
                  .secret = std::string(64, 'a'),
                  .now_ms = 1'795'165'300'000};
  if ((variant & 4u) != 0) {
    channel.config.insert(channel.config.end(), {{"access_token", "canary-access-token-3"},
                                                 {"client_id", "canary-client-id-4"},
                                                 {"refresh_token", "canary-refresh-token-5"}});
  } else {
    channel.config.insert(channel.config.end(), {{"access_token", "1730000000000000001-canary-6"},
                                                 {"access_token_secret", "canary-token-secret-7"}});
  }
  if ((variant & 8u) != 0) channel.config.emplace_back("bearer_token", "canary-bearer-8");
  if ((variant & 16u) != 0) channel.config.emplace_back("mentions", "false");
  if ((variant & 32u) != 0) {
    channel.state = {{"account", "1730000000000000001"}, {"since_ms", "1795100000000"}};
  }
  if ((variant & 64u) != 0) {
    channel.state.insert(channel.state.end(), {{"webhook_id", "1985000000000000000"},
                                               {"registering", "1"},
                                               {"replay_from_ms", "1795150000000"},
                                               {"replay_until_ms", "1795160000000"},
                                               {"dm_cursor", "2080765999999999999"},
                                               {"dm_page", "b26v89c19zqg8o3f"}});
  }
  return channel;
}

void check_text(std::string_view text) {
  require(sdk::is_valid_utf8(text) && text.find('\0') == std::string_view::npos);
}

void check_events(const std::vector<Event>& events) {
  for (const Event& event : events) {
    require(!event.key.empty());
    check_text(event.text);
    check_text(event.contact_name);
    // What can be answered has a thread this connector reads again.
    const bool is_message =
        event.kind == connector::EventKind::message || event.kind == connector::EventKind::echo;
    require(!is_message || (!event.thread.empty() && !event.message.empty()));
  }
}

void check_delivery(std::string_view body) {
  const Request request{.method = "POST", .target = "/h", .query = {}, .body = std::string(body)};
  for (const unsigned variant : {0u, 20u, 32u}) {
    const Channel channel = channel_of(variant);
    require(x_connector().verify(channel, request) != connector::Verdict::accept);
    const auto received = x_connector().receive(channel, request);
    if (received) check_events(received->events);
  }
  (void)x_connector().accounts(request);
}

void check_challenge(std::string_view query) {
  const Request request{.method = "GET", .target = "/h", .query = std::string(query)};
  const Channel channel = channel_of(0);
  if (x_connector().verify(channel, request) != connector::Verdict::accept) return;
  const auto received = x_connector().receive(channel, request);
  require(received && received->reply && received->reply->status == 200);
}

std::string_view next_field(std::string_view& data) {
  const std::string_view field = data.substr(0, data.find(kSeparator));
  data.remove_prefix(std::min(data.size(), field.size() + 1));
  return field;
}

Response answer_of(std::string_view field) {
  constexpr std::int32_t kStatuses[] = {200, 201, 204, 400, 401, 402, 403, 404, 409, 429, 503, 0};
  const auto choice = field.empty() ? 0u : static_cast<unsigned char>(field[0]) % 12u;
  const std::string body(field.substr(std::min<std::size_t>(field.size(), 1)));
  return {.status = kStatuses[choice],
          .headers = {{"content-type", "image/png"}, {"x-rate-limit-reset", body.substr(0, 12)}},
          .body = body};
}

void check_words(const Channel& channel, std::string_view words) {
  check_text(words);
  for (const auto& [name, value] : channel.config) {
    require(!value.starts_with("canary") || words.find(value) == std::string_view::npos);
  }
}

void check_step(const Channel& channel, const Step& step) {
  if (const auto* call = std::get_if<connector::Call>(&step)) {
    const bool is_ours = call->url.starts_with("https://api.x.com/");
    const bool is_authorized = connector::find(call->headers, "authorization").has_value();
    const std::string_view authorization =
        connector::find(call->headers, "authorization").value_or("");
    // Tokens that are themselves the secret go to the API only.
    require(is_ours || !is_authorized || authorization.starts_with("OAuth "));
  } else if (const auto* fail = std::get_if<connector::Fail>(&step)) {
    require(fail->platform_code != "connector_fault");
    check_words(channel, fail->why);
    check_words(channel, fail->platform_code);
  } else {
    const auto& done = *std::get_if<connector::Done>(&step);
    check_events(done.events);
    for (const auto& [name, value] : done.results) check_words(channel, value);
  }
}

void check_operation(std::string_view data) {
  const auto byte = [&data] {
    const auto value = data.empty() ? 0u : static_cast<unsigned char>(data[0]);
    data.remove_prefix(std::min<std::size_t>(data.size(), 1));
    return value;
  };
  const auto operation = static_cast<Operation>(byte() % 8 + 1);
  const Channel channel = channel_of(byte());
  Event input{.kind = connector::EventKind::message};
  input.thread = next_field(data);
  input.contact = "1600000000000000007";
  input.text = next_field(data);
  connector::Attachment attachment{.kind = "image"};
  attachment.media_id = next_field(data);
  attachment.url = next_field(data);
  if (!attachment.media_id.empty() || !attachment.url.empty()) {
    input.attachments.push_back(attachment);
  }
  const bool is_long = operation == Operation::send || operation == Operation::poll;
  const std::size_t most = is_long ? GWC_MAX_SEND_ANSWERS : GWC_MAX_ANSWERS;
  std::vector<Response> answers;
  for (;;) {
    const Step step = x_connector().plan(channel, operation, input, answers);
    check_step(channel, step);
    if (!std::holds_alternative<connector::Call>(step)) break;
    require(answers.size() < most);
    if (data.empty()) break;
    answers.push_back(answer_of(next_field(data)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  if (data.starts_with('{') || data.starts_with('[')) {
    check_delivery(data);
  } else if (data.starts_with('?')) {
    check_challenge(data.substr(1));
  } else {
    check_operation(data);
  }
  return 0;
}
