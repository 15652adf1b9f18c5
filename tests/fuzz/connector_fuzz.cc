// Every connector of this build behind the gateway's border, with hostile deliveries and hostile
// answers. A connector may refuse anything; it may not crash, throw, call strange places, emit what
// Postgres could not store, or answer the same question differently.
//
// Input that begins with a byte below 8 is an operation: its number, the kind of event, then fields
// separated by byte 0x1e: thread, text, reply_to, attachment kind, media id, url, extra value, then
// answers, each a status byte and a body. Any other input is a delivery as it stands, so that
// fixtures are seeds.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/all.h"
#include "connectors/sdk/text.h"
#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"
#include "gateway/plugins/fixtures.h"

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

void require(bool holds) {
  if (!holds) std::abort();
}

// A connector with the settings of one set of its fixtures: of each provider, where it has several.
struct Subject {
  std::shared_ptr<const Connector> connector;
  Channel channel;
  Pairs headers;  // of its deliveries, without the proof
  bool proved_by_headers = false;
  std::vector<std::string> secrets;
};

Subject subject_of(std::shared_ptr<const Connector> connector,
                   const gateway::plugins::Fixtures& fixtures) {
  Subject subject{.connector = std::move(connector), .channel = fixtures.channel};
  if (!fixtures.cases.empty()) subject.headers = fixtures.cases[0].request.headers;
  subject.proved_by_headers = std::erase_if(subject.headers, [&](const auto& header) {
                                return header.first == fixtures.proof;
                              }) > 0;
  for (const auto& field : subject.connector->schema().secret_fields()) {
    const std::string secret(subject.channel.setting(field));
    if (secret.size() >= 6) subject.secrets.push_back(secret);
  }
  return subject;
}

const std::vector<Subject>& subjects() {
  static const std::vector<Subject>* all = [] {
    auto* made = new std::vector<Subject>();
    for (const gwc_connector* table : connector::all()) {
      auto schema = gateway::plugins::ConfigSchema::parse(table->config_schema).value();
      const auto connector = std::make_shared<Connector>(*table, std::move(schema), "linked");
      const std::string folder =
          std::string(BACKCHANNEL_SOURCE_DIR) + "/tests/fixtures/" + connector->type();
      for (const std::string& set : gateway::plugins::fixture_sets(folder)) {
        made->push_back(subject_of(connector, gateway::plugins::read_fixtures(set).value()));
      }
    }
    return made;
  }();
  return *all;
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
  for (const std::string* text :
       {&event.account, &event.thread, &event.message, &event.key, &event.contact,
        &event.contact_name, &event.sender, &event.sender_name, &event.text, &event.reply_to,
        &event.state, &event.code}) {
    check_text(*text);
  }
  require(!event.key.empty());
  check_pairs(event.extra);
  for (const connector::Attachment& attachment : event.attachments) check_pairs(attachment.extra);
}

void check_delivery(const Subject& subject, std::string_view body) {
  Request request{.method = "POST",
                  .target = "/h",
                  .query = {},
                  .headers = subject.headers,
                  .body = std::string(body)};
  const auto verdict = subject.connector->verify(subject.channel, request);
  require(!subject.proved_by_headers || verdict != connector::Verdict::accept);
  const auto received = subject.connector->receive(subject.channel, request);
  const auto again = subject.connector->receive(subject.channel, request);
  require(received.has_value() == again.has_value());
  if (!received) {
    require(received.error().code == gateway::Errc::invalid_argument);
    check_text(received.error().message);
    return;
  }
  require(received->events == again->events);
  for (const Event& event : received->events) check_event(event);
  (void)subject.connector->accounts(request);
}

std::string_view next_field(std::string_view& data) {
  const std::string_view field = data.substr(0, data.find(kSeparator));
  data.remove_prefix(std::min(data.size(), field.size() + 1));
  return field;
}

Response answer_of(std::string_view field) {
  constexpr std::int32_t kStatuses[] = {200, 201, 400, 401, 403, 404, 409, 429, 500, 502, 0, 0};
  const auto choice = field.empty() ? 0u : static_cast<unsigned char>(field[0]) % 12u;
  return {.status = kStatuses[choice],
          .headers = {{"retry-after", std::string(field.substr(0, 40))}},
          .body = std::string(field.substr(field.empty() ? 0 : 1)),
          .not_sent = choice == 11};
}

// Sentences that people will read.
void check_words(const Subject& subject, std::string_view words) {
  check_text(words);
  for (const std::string& secret : subject.secrets) {
    require(words.find(secret) == std::string_view::npos);
  }
}

void check_step(const Subject& subject, const Step& step) {
  if (const auto* fail = std::get_if<connector::Fail>(&step)) {
    require(fail->platform_code != "connector_fault");
    check_words(subject, fail->why);
  } else if (const auto* done = std::get_if<connector::Done>(&step)) {
    check_pairs(done->state);
    check_pairs(done->results);
    for (const auto& [name, value] : done->results) {
      if (name == "problem" || name == "warning") check_words(subject, value);
    }
    for (const Event& event : done->events) check_event(event);
  }
}

void check_operation(const Subject& subject, std::string_view data) {
  const auto byte = [&data] {
    const auto value = data.empty() ? 0u : static_cast<unsigned char>(data[0]);
    data.remove_prefix(std::min<std::size_t>(data.size(), 1));
    return value;
  };
  const auto operation = static_cast<Operation>(byte() % 8 + 1);
  Event input{.kind = static_cast<connector::EventKind>(byte() % 13 + 1)};
  input.thread = next_field(data);
  input.message = input.thread + ":31";
  input.text = next_field(data);
  input.reply_to = next_field(data);
  connector::Attachment attachment{.kind = std::string(next_field(data))};
  attachment.media_id = next_field(data);
  attachment.url = next_field(data);
  const std::string extra(next_field(data));
  attachment.extra = {{"latitude", extra},   {"longitude", extra}, {"phone_number", extra},
                      {"first_name", extra}, {"title", extra},     {"address", extra}};
  input.extra = {{"callback_query_id", extra}};
  if (!attachment.kind.empty()) input.attachments.push_back(attachment);
  std::vector<Response> answers;
  for (;;) {
    const Step step = subject.connector->plan(subject.channel, operation, input, answers);
    require(gateway::plugins::describe(step) == gateway::plugins::describe(subject.connector->plan(
                                                    subject.channel, operation, input, answers)));
    check_step(subject, step);
    if (!std::holds_alternative<connector::Call>(step)) break;
    const bool is_long = operation == Operation::send || operation == Operation::poll;
    const std::size_t most = is_long ? GWC_MAX_SEND_ANSWERS : GWC_MAX_ANSWERS;
    require(answers.size() < most);
    if (data.empty()) break;
    answers.push_back(answer_of(next_field(data)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  for (const Subject& subject : subjects()) {
    if (!data.empty() && static_cast<unsigned char>(data[0]) < 8) {
      check_operation(subject, data);
    } else {
      check_delivery(subject, data);
    }
  }
  return 0;
}
