// LINE through the whole gateway, against a server that answers as LINE's API does.
//
// Expected payloads and rules: https://developers.line.biz/en/reference/messaging-api/ (read
// 2026-11-21).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "tests/e2e/platforms_chat.h"

using namespace e2e;
using gateway::simulate::json_text;
using gateway::simulate::object;
using test_support::HttpAnswer;
using test_support::HttpRequest;

namespace {

const std::string kAna = "U8189cf6745fc0d808977bdb0b9f22995";

// LINE's API for one account. Its handler runs on the server's threads.
class Line {
 public:
  std::string token = "line-token-" + fresh_digits("");
  std::string secret = "8c570fa6dd201bb328f1c1eac23a" + fresh_digits("");

  Line() {
    ChatPlatforms::instance().line.set_handler(
        [this](const HttpRequest& request) { return answer(request); });
  }
  ~Line() {
    ChatPlatforms::instance().line.set_handler(
        [](const HttpRequest&) { return HttpAnswer{.status = 404}; });
  }

  std::string config() const {
    return object(
        {{"channel_access_token", json_text(token)}, {"channel_secret", json_text(secret)}});
  }
  void use_webhook(bool on) {
    const std::lock_guard lock(mutex_);
    is_active_ = on;
  }
  void refuse(const std::string& other_token) {
    const std::lock_guard lock(mutex_);
    refused_.insert(other_token);
  }
  // The next pushes are answered so, and not done.
  void fail_next(std::vector<HttpAnswer> answers) {
    const std::lock_guard lock(mutex_);
    failures_ = std::move(answers);
  }
  std::string endpoint() {
    const std::lock_guard lock(mutex_);
    return endpoint_;
  }
  // Bodies and retry keys of the pushes that were done.
  std::vector<HttpRequest> pushes() {
    const std::lock_guard lock(mutex_);
    return pushes_;
  }
  std::vector<HttpRequest> asked(const std::string& target) {
    const std::lock_guard lock(mutex_);
    std::vector<HttpRequest> found;
    std::copy_if(asked_.begin(), asked_.end(), std::back_inserter(found),
                 [&](const HttpRequest& one) { return one.target == target; });
    return found;
  }

 private:
  HttpAnswer answer(const HttpRequest& request) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(request);
    const std::string bearer = request.header("authorization");
    if (bearer.rfind("Bearer ", 0) != 0 || refused_.count(bearer.substr(7)) != 0) {
      return {.status = 401,
              .body = R"({"message":"Authentication failed. Confirm that the access token in )"
                      R"(the authorization header is valid."})"};
    }
    if (request.target == "/v2/bot/info") {
      return {.body = R"({"userId":"U4af4980629a7d1c5f0e2b3a4958676c1","basicId":"@216ru",)"
                      R"("displayName":"Shop","chatMode":"chat","markAsReadMode":"manual"})"};
    }
    if (request.target == "/v2/bot/channel/webhook/endpoint" && request.method == "PUT") {
      const auto body = sdk::json::Document::parse(request.body);
      endpoint_ = body->root()["endpoint"].text_or("");
      return {.body = "{}"};
    }
    if (request.target == "/v2/bot/channel/webhook/endpoint") {
      return {.body = object(
                  {{"endpoint", json_text(endpoint_)}, {"active", is_active_ ? "true" : "false"}})};
    }
    if (request.target == "/v2/bot/channel/webhook/test") {
      return {.body = R"({"success":true,"statusCode":200,"reason":"OK","detail":"200"})"};
    }
    if (request.target == "/v2/bot/message/push") return push(request);
    if (request.target == "/v2/bot/message/77/content") {
      return {.headers = {{"Content-Type", "image/jpeg"}}, .body = vase_jpeg()};
    }
    if (request.target == "/v2/bot/chat/loading/start") return {.status = 202, .body = "{}"};
    if (request.target == "/v2/bot/chat/markAsRead") return {.body = "{}"};
    return {.status = 404, .body = R"({"message":"Not found"})"};
  }

  // A retry key is taken once within 24 hours.
  HttpAnswer push(const HttpRequest& request) {
    if (!failures_.empty()) {
      HttpAnswer failure = failures_.front();
      failures_.erase(failures_.begin());
      if (failure.fault != HttpAnswer::Fault::none) done(request);
      return failure;
    }
    if (!keys_.insert(request.header("x-line-retry-key")).second) {
      return {.status = 409,
              .headers = {{"x-line-accepted-request-id", "accepted"}},
              .body = R"({"message":"The retry key is already accepted",)"
                      R"("sentMessages":[{"id":"9001","quoteToken":"q"}]})"};
    }
    pushes_.push_back(request);
    return {.body = R"({"sentMessages":[{"id":")" + std::to_string(9'000 + pushes_.size()) +
                    R"(","quoteToken":"q"}]})"};
  }
  void done(const HttpRequest& request) {
    keys_.insert(request.header("x-line-retry-key"));
    pushes_.push_back(request);
  }

  std::mutex mutex_;
  std::set<std::string> refused_;
  std::set<std::string> keys_;
  std::vector<HttpAnswer> failures_;
  std::vector<HttpRequest> asked_;
  std::vector<HttpRequest> pushes_;
  std::string endpoint_;
  bool is_active_ = true;
};

HttpClient::Headers signed_by(const std::string& secret, const std::string& body) {
  return {{"x-line-signature", sdk::base64(sdk::hmac_sha256(secret, body))}};
}

std::string event(const std::string& id, const std::string& message) {
  return R"({"type":"message","webhookEventId":")" + id +
         R"(","deliveryContext":{"isRedelivery":false},"timestamp":1763600101000,"source":{)" +
         R"("type":"user","userId":")" + kAna +
         R"("},"mode":"active","replyToken":"r","message":)" + message + "}";
}

std::string text(const std::string& id, const std::string& words) {
  return R"({"id":")" + id + R"(","type":"text","quoteToken":"q)" + id +
         R"(","markAsReadToken":"m)" + id + R"(","text":)" + json_text(words) + "}";
}

std::string delivery(const std::string& events) {
  return R"({"destination":"U4af4980629a7d1c5f0e2b3a4958676c1","events":[)" + events + "]}";
}

struct Shop {
  Line line;
  Tenant tenant = Tenant::make();
  Connection channel = Connection::make(tenant, "line", line.config());

  void deliver(const std::string& events) const {
    const std::string body = delivery(events);
    BOOST_TEST(channel.post(body, signed_by(line.secret, body)) == 200);
  }
  Desk talk() const {
    deliver(event("01KAF8Z0QX01", text("468789577898262530", "こんにちは")));
    return {channel, channel.conversation_with(1)};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(line)

BOOST_AUTO_TEST_CASE(an_account_is_registered_and_a_switched_off_webhook_is_told) {
  Shop shop;
  BOOST_TEST(shop.line.endpoint() ==
             "http://127.0.0.1:" + std::to_string(Gateway::instance().port()) + shop.channel.path);
  BOOST_TEST(shop.channel.last_error().empty());
  shop.line.use_webhook(false);
  const Connection other = Connection::make(Tenant::make(), "line", shop.line.config(), "manual");
  BOOST_TEST(other.shown().body.find("Use webhook") != std::string::npos, other.shown().body);
  shop.line.refuse(shop.line.token);
  const Answer refused = Connection::create(Tenant::make(), "line", shop.line.config());
  BOOST_TEST(refused.status == 400);
  BOOST_TEST(refused.body.find("Authentication failed") != std::string::npos, refused.body);
  BOOST_TEST(refused.body.find(shop.line.secret) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(deliveries_are_stored_once_and_forged_ones_not_at_all) {
  Shop shop;
  const std::string body = delivery(event("01KAF8Z0QX10", text("11", "Hola")) + "," +
                                    event("01KAF8Z0QX11", text("12", "again")));
  const std::string none = shop.channel.traces();
  const auto genuine = signed_by(shop.line.secret, body);
  std::string flipped = body;
  flipped[body.find("Hola")] ^= 1;
  BOOST_TEST(shop.channel.post(flipped, genuine) == 401);
  BOOST_TEST(shop.channel.post(body.substr(0, body.size() - 1), genuine) == 401);
  BOOST_TEST(shop.channel.post(body, {}) == 401);
  BOOST_TEST(shop.channel.post(body, signed_by("another secret", body)) == 401);
  BOOST_TEST(shop.channel.traces() == none);
  for (int i = 0; i < 3; ++i) BOOST_TEST(shop.channel.post(body, genuine) == 200);
  const Desk desk(shop.channel, shop.channel.conversation_with(2));
  BOOST_TEST(shop.channel.rows("message") == "2");
  const std::string nonsense = "no JSON";
  BOOST_TEST(shop.channel.post(nonsense, signed_by(shop.line.secret, nonsense)) == 200);
  BOOST_TEST(shop.channel.rows("quarantine") == "1");
  // Taken back.
  shop.deliver(R"({"type":"unsend","webhookEventId":"01KAF8Z0QX12","deliveryContext":{)"
               R"("isRedelivery":false},"timestamp":1763600109000,"source":{"type":"user",)"
               R"("userId":")" +
               kAna + R"("},"mode":"active","unsend":{"messageId":"12"}})");
  BOOST_TEST(!text_of(desk.shown(), 1, "deleted_at").empty());
  BOOST_TEST(text_of(desk.shown(), 0, "deleted_at").empty());
}

BOOST_AUTO_TEST_CASE(files_are_fetched_and_read_at_their_signed_address) {
  Shop shop;
  shop.deliver(event("01KAF8Z0QX20", R"({"id":"77","type":"image","quoteToken":"q",)"
                                     R"("contentProvider":{"type":"line"}})"));
  const Desk desk(shop.channel, shop.channel.conversation_with(1));
  BOOST_TEST((desk.file_of(0) == vase_jpeg()));
}

BOOST_AUTO_TEST_CASE(an_answer_is_pushed_and_quotes_the_latest_message) {
  Shop shop;
  Desk desk = shop.talk();
  const std::string message =
      desk.send(object({{"content", json_text("いらっしゃいませ 😀")},
                        {"reply_to", json_text(text_of(desk.shown(), 0, "id"))}}));
  BOOST_TEST(desk.becomes(message, "sent"));
  BOOST_REQUIRE(shop.line.pushes().size() == 1u);
  const auto body = sdk::json::Document::parse(shop.line.pushes()[0].body);
  BOOST_TEST(body->root()["to"].text_or("") == kAna);
  BOOST_TEST(body->root()["messages"].at(0)["text"].text_or("") == "いらっしゃいませ 😀");
  BOOST_TEST(body->root()["messages"].at(0)["quoteToken"].text_or("") == "q468789577898262530");
}

// A read mark gives back the token that came with the message.
BOOST_AUTO_TEST_CASE(typing_and_reading_are_passed_on) {
  Shop shop;
  Desk desk = shop.talk();
  desk.typing();
  BOOST_TEST(
      eventually([&] { return shop.line.asked("/v2/bot/chat/loading/start").size() == 1u; }));
  desk.read();
  BOOST_REQUIRE(
      eventually([&] { return shop.line.asked("/v2/bot/chat/markAsRead").size() == 1u; }));
  BOOST_TEST(shop.line.asked("/v2/bot/chat/markAsRead")[0].body ==
             R"({"markAsReadToken":"m468789577898262530"})");
}

// What was refused is repeated under the same retry key; what left without an answer is in doubt,
// and the gateway repeats nothing that is.
BOOST_AUTO_TEST_CASE(trouble_is_retried_and_never_ends_in_two_messages) {
  Shop shop;
  Desk desk = shop.talk();
  shop.line.fail_next({{.status = 500, .body = R"({"message":"Internal error"})"},
                       {.status = 429, .body = R"({"message":"Too many requests"})"}});
  BOOST_TEST(desk.becomes(desk.answer("patience"), "sent"));
  BOOST_TEST(shop.line.pushes().size() == 1u);
  HttpAnswer reset;
  reset.fault = HttpAnswer::Fault::reset;
  shop.line.fail_next({reset});
  BOOST_TEST(desk.becomes(desk.answer("did it arrive?"), "uncertain"));
  BOOST_TEST(shop.line.pushes().size() == 2u);
  shop.line.fail_next({{.status = 400, .body = R"({"message":"Failed to send messages"})"}});
  const std::string refused = desk.answer("nobody there");
  BOOST_TEST(desk.becomes(refused, "failed"));
  BOOST_TEST(desk.error_of(refused).find("Failed to send messages") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_refused_token_is_a_problem_of_the_channel_and_the_message_waits) {
  Shop shop;
  Desk desk = shop.talk();
  shop.line.refuse(shop.line.token);
  const std::string message = desk.answer("later");
  BOOST_TEST(eventually([&] { return shop.channel.state() == "failed"; }));
  BOOST_TEST(shop.channel.last_error().find("Authentication failed") != std::string::npos,
             shop.channel.last_error());
  BOOST_TEST(desk.becomes(message, "queued"));
  shop.line.token += "-renewed";
  const Answer changed =
      Gateway::instance().call("PATCH", "/api/v1/channels/" + shop.channel.id, shop.tenant.token,
                               object({{"config", shop.line.config()}}));
  BOOST_TEST(changed.status == 200, changed.body);
  BOOST_TEST(desk.becomes(message, "sent"));
}

BOOST_AUTO_TEST_SUITE_END()
