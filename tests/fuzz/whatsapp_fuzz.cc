// What the common connector target does not reach of WhatsApp: handshakes, signed deliveries,
// threads, and messages with metadata. The first byte chooses.
//   0  the query of a handshake
//   1  the body of a delivery, signed as Meta does; a flipped bit of it must be refused
//   2  a thread
//   3  a message of ours: fields separated by byte 0x1e, which are text, attachment kind, MIME
//   type,
//      and then names and values of metadata
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "connectors/sdk/connector.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/plan.h"
#include "connectors/whatsapp/receive.h"
#include "connectors/whatsapp/verify.h"

namespace {

using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Request;
using connector::Response;
using connector::Verdict;

constexpr char kSeparator = '\x1e';
constexpr std::string_view kToken = "verify-me-7f3a";

void require(bool holds) {
  if (!holds) std::abort();
}

const Channel& a_channel() {
  static const Channel channel{.config = {{"phone_number_id", "7794189252778687"},
                                          {"access_token", "EAATESTTOKEN"},
                                          {"verify_token", std::string(kToken)},
                                          {"app_secret", "0123456789abcdef0123456789abcdef"}},
                               .state = {},
                               .webhook_url = "https://gw.example.com/h",
                               .secret = std::string(64, 'a'),
                               .now_ms = 1763600200000,
                               .documents = {}};
  return channel;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

void check_handshake(std::string_view query) {
  const Request request{.method = "GET",
                        .target = "/h?" + std::string(query),
                        .query = std::string(query),
                        .headers = {},
                        .body = {}};
  (void)whatsapp::accounts(request);
  const bool accepted = whatsapp::verify(a_channel(), request) == Verdict::accept;
  const auto received = whatsapp::receive(a_channel(), request);
  require(received.has_value() && received->events.empty() && received->reply.has_value());
  if (!accepted) return;
  const auto form = sdk::parse_form(query);
  require(sdk::find(form, "hub.verify_token") == kToken);
  const std::string& echo = received->reply->body;
  require(!echo.empty() && echo.size() <= 256 && std::all_of(echo.begin(), echo.end(), is_plain));
}

void check_event(const Event& event) {
  require(!event.key.empty());
  const bool in_thread = event.kind == EventKind::message || event.kind == EventKind::echo ||
                         event.kind == EventKind::edited || event.kind == EventKind::notice;
  require(!in_thread || whatsapp::parse_thread(event.thread).has_value());
  if (event.kind == EventKind::thread_moved) {
    require(whatsapp::parse_thread(event.thread).has_value());
    require(whatsapp::parse_thread(event.text).has_value());
    require(event.thread != event.text);
  }
  const bool of_message = event.kind == EventKind::message || event.kind == EventKind::echo ||
                          event.kind == EventKind::edited || event.kind == EventKind::deleted ||
                          event.kind == EventKind::reaction || event.kind == EventKind::status;
  require(!of_message || whatsapp::is_opaque_id(event.message));
  for (const auto& attachment : event.attachments) require(attachment.url.empty());
}

void check_delivery(std::string_view body) {
  Request request{.method = "POST", .target = "/h", .query = {}, .headers = {}, .body = {}};
  request.body = body;
  const std::string digest =
      sdk::hex(sdk::hmac_sha256(a_channel().setting("app_secret"), request.body));
  request.headers = {{"x-hub-signature-256", "sha256=" + digest}};
  require(whatsapp::verify(a_channel(), request) == Verdict::accept);
  (void)whatsapp::accounts(request);
  const auto received = whatsapp::receive(a_channel(), request);
  if (received) {
    require(received->events.size() <= 1000);
    std::set<std::string> keys;
    for (const Event& event : received->events) {
      check_event(event);
      require(keys.insert(event.key).second);
    }
  }
  if (!request.body.empty()) {
    request.body[request.body.size() / 2] ^= 1;
    require(whatsapp::verify(a_channel(), request) == Verdict::refuse);
  }
}

void check_thread(std::string_view text) {
  const auto recipient = whatsapp::parse_thread(text);
  if (!recipient) return;
  const int set = (recipient->wa_id.empty() ? 0 : 1) + (recipient->user_id.empty() ? 0 : 1) +
                  (recipient->group.empty() ? 0 : 1);
  require(set == 1);
  const std::string back = recipient->group.empty() ? recipient->wa_id + recipient->user_id
                                                    : whatsapp::group_thread(recipient->group);
  require(back == text);
}

std::string next_field(std::string_view& data) {
  const std::string_view field = data.substr(0, data.find(kSeparator));
  data.remove_prefix(std::min(data.size(), field.size() + 1));
  // What the API takes is valid UTF-8 without control characters.
  return sdk::sanitize(field);
}

void check_message(std::string_view data) {
  Event input{.kind = EventKind::message, .thread = "15552223333", .key = "key"};
  input.text = next_field(data);
  connector::Attachment attachment{.kind = next_field(data)};
  attachment.mime_type = next_field(data);
  attachment.url = "https://cdn.example.com/x";
  while (!data.empty() && input.extra.size() < 50) {
    std::string name = next_field(data);
    input.extra.emplace_back(std::move(name), next_field(data));
  }
  attachment.extra = input.extra;
  if (!attachment.kind.empty()) input.attachments.push_back(std::move(attachment));
  std::vector<Response> answers;
  for (;;) {
    const auto step = whatsapp::plan(a_channel(), connector::Operation::send, input, answers);
    const auto* call = std::get_if<connector::Call>(&step);
    if (call == nullptr) return;
    require(answers.size() < 32);
    const auto body = sdk::json::Document::parse(call->body);
    require(body.has_value());
    const std::string type(body->root()["type"].text_or(""));
    require(!type.empty() && body->root()[type].exists());
    require(sdk::utf16_length(body->root()["text"]["body"].text_or("")) <= 4096);
    const std::string id = "wamid." + std::to_string(answers.size());
    answers.push_back({.status = 200, .body = R"({"messages":[{"id":")" + id + "\"}]}"});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view data(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 4) {
    case 0:
      check_handshake(data);
      break;
    case 1:
      check_delivery(data);
      break;
    case 2:
      check_thread(data);
      break;
    default:
      check_message(data);
  }
  return 0;
}
