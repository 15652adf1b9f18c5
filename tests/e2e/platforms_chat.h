// The simulated Meta and X beside the gateway of the end-to-end tests, the channels connected to
// them, and what an agent does in a conversation.
//
// Everything belongs to the main thread; failed expectations fail the running test.
#ifndef TESTS_E2E_PLATFORMS_CHAT_H_
#define TESTS_E2E_PLATFORMS_CHAT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/meta_simulator.h"
#include "gateway/simulate/x_simulator.h"
#include "tests/e2e/gateway.h"
#include "tests/support/http_server.h"

namespace e2e {

inline constexpr std::string_view kFilesOrigin = "https://files.example.com";

// One for the test program, started before the gateway, which is told of it by upstreams().
class ChatPlatforms {
 public:
  static ChatPlatforms& instance();

  gateway::simulate::MetaSimulator meta;
  gateway::simulate::XSimulator x;
  // LINE's API and its files; what it answers is the tests' own.
  test_support::HttpServer line;
  std::string upstreams() const;

 private:
  ChatPlatforms();
  // A public server with one picture, as https://files.example.com/vase.jpg.
  test_support::HttpServer files_;
};

std::string vase_jpeg();

// So many digits, which nobody has used yet.
std::string fresh_digits(std::string_view prefix);

// What goes wrong with the next calls by which an account sends messages.
void fault_of_sends(gateway::simulate::Platform& platform, const std::string& account,
                    gateway::simulate::CallFault fault);
// How many of an account's calls had these words in their body.
std::size_t calls_with(const gateway::simulate::Platform& platform, const std::string& account,
                       const std::string& words);

// JSON of an agent's message.
std::string text_json(std::string_view text);

// A channel of any type, connected through the REST API.
struct Connection {
  Tenant tenant;
  std::string type;
  std::string id;
  std::string path;  // of its webhook

  static Answer create(const Tenant& tenant, const std::string& type, const std::string& config);
  static Connection of(const Tenant& tenant, const std::string& type, const Answer& created);
  // Waits until its registration is in the given state.
  static Connection make(const Tenant& tenant, const std::string& type, const std::string& config,
                         const std::string& state = "active");

  Answer shown() const;
  std::string state() const;
  std::string last_error() const;
  bool comes_to(const std::string& wanted, std::chrono::milliseconds patience = 60s) const;

  // The status of an answer to these bytes at the channel's own address, or at `where`.
  int post(const std::string& body, const HttpClient::Headers& headers,
           const std::string& where = {}) const;
  std::string rows(const std::string& table) const;
  // All that a delivery could leave behind.
  std::string traces() const;

  // Ids of the channel's conversations, newest message first.
  std::vector<std::string> conversations() const;
  // Waits until there is one conversation with so many messages; its id.
  std::string conversation_with(std::size_t messages) const;
};

// What an agent sees and does in one conversation.
class Desk {
 public:
  Desk(Connection channel, std::string conversation);

  const Connection& channel() const { return channel_; }
  const std::string& id() const { return id_; }

  Answer shown() const { return conversation(channel_.tenant, id_); }
  // Waits until it has so many messages.
  Answer with(std::size_t messages) const;

  // The message's id.
  std::string answer(std::string_view text) { return send(text_json(text)); }
  std::string send(const std::string& json);
  void typing();
  void read();

  std::string status_of(const std::string& message) const;
  std::string error_of(const std::string& message) const;
  bool becomes(const std::string& message, const std::string& status,
               std::chrono::milliseconds patience = 60s) const;
  // Waits until the first attachment of the message at `index` is here; its bytes at its address.
  std::string file_of(std::size_t index) const;

 private:
  Connection channel_;
  std::string id_;
};

// One member of a message in an answer.
std::string text_of(const Answer& conversation, std::size_t index, std::string_view member);

}  // namespace e2e

#endif  // TESTS_E2E_PLATFORMS_CHAT_H_
