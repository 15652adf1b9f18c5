#include "tests/e2e/platforms_chat.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <utility>

#include "gateway/simulate/members.h"
#include "gateway/simulate/sample_file.h"

namespace e2e {
namespace {

using gateway::simulate::json_text;
using gateway::simulate::object;

template <class Options>
Options hurried() {
  Options options;
  options.time_scale = 0.02;
  return options;
}

test_support::HttpAnswer file_answer(const test_support::HttpRequest& request) {
  if (request.target != "/vase.jpg") return {.status = 404};
  return {.headers = {{"Content-Type", "image/jpeg"}}, .body = vase_jpeg()};
}

void require_started(gateway::simulate::Platform& platform) {
  if (const auto started = platform.start(); !started) {
    throw std::runtime_error(started.error().message);
  }
}

}  // namespace

ChatPlatforms& ChatPlatforms::instance() {
  static ChatPlatforms platforms;
  return platforms;
}

ChatPlatforms::ChatPlatforms()
    : meta(hurried<gateway::simulate::MetaOptions>()),
      x(hurried<gateway::simulate::XOptions>()),
      line(
          [](const test_support::HttpRequest&) { return test_support::HttpAnswer{.status = 404}; }),
      files_(file_answer) {
  meta.add_app(std::string(gateway::simulate::kMetaAppId), kDeploymentSecret);
  require_started(meta);
  require_started(x);
}

std::string ChatPlatforms::upstreams() const {
  return gateway::simulate::upstreams_setting(meta.upstreams()) + "," +
         gateway::simulate::upstreams_setting(x.upstreams()) + "," +
         gateway::simulate::upstreams_setting({{"https://api.line.me", line.origin()},
                                               {"https://api-data.line.me", line.origin()},
                                               {std::string(kFilesOrigin), files_.origin()}});
}

std::string vase_jpeg() { return gateway::simulate::sample_file("image/jpeg", 30'000); }

std::string fresh_digits(std::string_view prefix) {
  static int last = 1'000;
  return std::string(prefix) + std::to_string(++last);
}

std::string text_json(std::string_view text) { return object({{"content", json_text(text)}}); }

// ---- a channel

Answer Connection::create(const Tenant& tenant, const std::string& type,
                          const std::string& config) {
  return Gateway::instance().call("POST", "/api/v1/channels/", tenant.token,
                                  object({{"type", json_text(type)}, {"config", config}}));
}

Connection Connection::make(const Tenant& tenant, const std::string& type,
                            const std::string& config, const std::string& state) {
  const Answer created = create(tenant, type, config);
  BOOST_REQUIRE_MESSAGE(created.status == 201, created.body);
  const Connection channel = of(tenant, type, created);
  BOOST_REQUIRE_MESSAGE(channel.comes_to(state), channel.shown().body);
  return channel;
}

Connection Connection::of(const Tenant& tenant, const std::string& type, const Answer& created) {
  const std::string id(created.json()["id"].text_or(""));
  return {tenant, type, id, "/api/v1/webhooks/" + type + "/" + id};
}

Answer Connection::shown() const {
  return Gateway::instance().call("GET", "/api/v1/channels/" + id, tenant.token);
}

std::string Connection::state() const {
  return std::string(shown().json()["registration"]["state"].text_or(""));
}

std::string Connection::last_error() const {
  return std::string(shown().json()["registration"]["last_error"].text_or(""));
}

bool Connection::comes_to(const std::string& wanted, std::chrono::milliseconds patience) const {
  return eventually([&] { return state() == wanted; }, patience);
}

int Connection::post(const std::string& body, const HttpClient::Headers& headers,
                     const std::string& where) const {
  HttpClient client(Gateway::instance().port());
  HttpClient::Headers all = headers;
  all.emplace_back("Content-Type", "application/json");
  return client.call("POST", where.empty() ? path : where, all, body).status;
}

std::string Connection::rows(const std::string& table) const {
  return Gateway::instance().query("select count(*) from backchannel." + table +
                                   " where channel_id = '" + id + "'");
}

std::string Connection::traces() const {
  std::string all;
  for (const char* table : {"event_key", "raw_event", "message", "conversation", "quarantine"}) {
    all += (all.empty() ? "" : " ") + rows(table);
  }
  return all;
}

std::vector<std::string> Connection::conversations() const {
  Answer keep;
  std::vector<std::string> ids;
  for (const auto item : e2e::conversations(keep, tenant)) {
    if (item["channel_id"].text_or("") == id) ids.emplace_back(item["id"].text_or(""));
  }
  return ids;
}

std::string Connection::conversation_with(std::size_t messages) const {
  std::string found;
  const bool came = eventually([&] {
    const auto all = conversations();
    if (all.size() != 1) return false;
    found = all.front();
    return conversation(tenant, found).json()["messages"].size() == messages;
  });
  BOOST_REQUIRE_MESSAGE(came, conversation(tenant, found).body);
  return found;
}

// ---- an agent

void fault_of_sends(gateway::simulate::Platform& platform, const std::string& account,
                    gateway::simulate::CallFault fault) {
  fault.method = "/messages";
  fault.account = account;
  platform.inject(fault);
}

std::size_t calls_with(const gateway::simulate::Platform& platform, const std::string& account,
                       const std::string& words) {
  const auto calls = platform.calls();
  return static_cast<std::size_t>(std::count_if(calls.begin(), calls.end(), [&](const auto& one) {
    return one.account == account && one.body.find(words) != std::string::npos;
  }));
}

Desk::Desk(Connection channel, std::string conversation)
    : channel_(std::move(channel)), id_(std::move(conversation)) {
  BOOST_REQUIRE(!id_.empty());
}

Answer Desk::with(std::size_t messages) const {
  Answer last;
  const bool came = eventually([&] {
    last = shown();
    return last.json()["messages"].size() == messages;
  });
  BOOST_REQUIRE_MESSAGE(came, last.body);
  return last;
}

std::string Desk::send(const std::string& json) {
  const Answer sent = Gateway::instance().call("POST", "/api/v1/conversations/" + id_ + "/messages",
                                               channel_.tenant.token, json);
  BOOST_REQUIRE_MESSAGE(sent.status == 201, sent.body);
  return std::string(sent.json()["id"].text_or(""));
}

void Desk::typing() {
  BOOST_TEST(Gateway::instance()
                 .call("POST", "/api/v1/conversations/" + id_ + "/typing", channel_.tenant.token,
                       R"({"is_typing":true})")
                 .status == 204);
}

void Desk::read() {
  BOOST_TEST(Gateway::instance()
                 .call("POST", "/api/v1/conversations/" + id_ + "/read", channel_.tenant.token)
                 .status == 204);
}

std::string Desk::status_of(const std::string& message) const {
  const Answer all = shown();
  for (const auto item : all.json()["messages"].elements()) {
    if (item["id"].text_or("") == message) return std::string(item["status"].text_or(""));
  }
  return "absent";
}

std::string Desk::error_of(const std::string& message) const {
  const Answer all = shown();
  for (const auto item : all.json()["messages"].elements()) {
    if (item["id"].text_or("") == message) return std::string(item["error"].text_or(""));
  }
  return "absent";
}

bool Desk::becomes(const std::string& message, const std::string& status,
                   std::chrono::milliseconds patience) const {
  std::string last;
  const bool came = eventually([&] { return (last = status_of(message)) == status; }, patience);
  if (!came) BOOST_TEST_MESSAGE("the status is " << last << ": " << error_of(message));
  return came;
}

std::string Desk::file_of(std::size_t index) const {
  std::string url;
  const bool came = eventually(
      [&] {
        const Answer all = shown();
        const auto file = all.json()["messages"].at(index)["attachments"].at(0);
        url = file["url"].text_or("");
        return file["state"].text_or("") == "ready" && !url.empty();
      },
      120s);
  BOOST_REQUIRE_MESSAGE(came, shown().body);
  const std::string base = "http://127.0.0.1:" + std::to_string(Gateway::instance().port());
  BOOST_REQUIRE_MESSAGE(url.rfind(base, 0) == 0, url);
  // The signature in the address is all that is needed.
  const Answer file = Gateway::instance().call("GET", url.substr(base.size()));
  BOOST_TEST(file.status == 200);
  return file.body;
}

std::string text_of(const Answer& conversation, std::size_t index, std::string_view member) {
  return std::string(conversation.json()["messages"].at(index)[member].text_or(""));
}

}  // namespace e2e
