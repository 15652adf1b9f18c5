#include <set>
#include <string>
#include <vector>

#include "tests/api/world.h"

namespace {

using api_test::Headers;
using api_test::random_id;
using api_test::Result;
using api_test::World;
using gateway::store::Role;

constexpr const char* kConversations = "/api/v1/conversations/";

struct Fixture : World {
  Result start(const api_test::Person& who, const std::string& more = "") {
    return call("POST", kConversations, who.token,
                R"({"business_id":")" + who.business + "\"" + more + "}");
  }
  Result send(const api_test::Person& who, const std::string& conversation, const std::string& body,
              const std::string& key = "") {
    return call("POST", kConversations + conversation + "/messages", who.token, body,
                key.empty() ? Headers{} : Headers{{"Idempotency-Key", key}});
  }
  static std::vector<std::string> ids_of(const Result& list) {
    std::vector<std::string> found;
    for (const auto one : list.json().elements()) found.emplace_back(one["id"].text_or(""));
    return found;
  }
  // The path and query of rel="next"; empty where there is none.
  static std::string next_of(const Result& list) {
    const auto link = list.header("link");
    if (link.empty()) return {};
    const std::string start = std::string("<") + api_test::kPublicUrl;
    BOOST_TEST(link.starts_with(start));
    BOOST_TEST(link.ends_with(">; rel=\"next\""));
    return link.substr(start.size(), link.find('>') - start.size());
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(conversations_api, Fixture)

// The quickstart's step 5, with its own values.
BOOST_AUTO_TEST_CASE(a_conversation_starts_on_the_widget_channel_with_the_agents_message) {
  const auto ada = owner("free");
  widget(ada);
  const auto made = start(ada, R"(,"initial_message":"Hello, I need help with my order.")");
  BOOST_TEST_REQUIRE(made.status == 201);
  BOOST_TEST(made.text("business_id") == ada.business);
  BOOST_TEST(made.text("status") == "open");
  BOOST_TEST(made.text("channel_type") == "widget");
  BOOST_TEST_REQUIRE(made["messages"].size() == 1u);
  const auto message = made["messages"].at(0);
  BOOST_TEST(message["sender_type"].text().value() == "agent");
  BOOST_TEST(message["sender_id"].text().value() == ada.id.text());
  BOOST_TEST(message["content"].text().value() == "Hello, I need help with my order.");
  BOOST_TEST(message["attachments"].dump() == "[]");
  BOOST_TEST(message["status"].text().value() == "sent");
  BOOST_TEST(made.text("first_response_at") == message["created_at"].text().value());
  BOOST_TEST(made["message_count"].integer().value() == 1);
  BOOST_TEST(made["unread_count"].integer().value() == 0);
  const auto read = call("GET", kConversations + made.text("id"), ada.token);
  BOOST_TEST(read.body == made.body);
  BOOST_TEST(count("outbox") == 0);
  BOOST_TEST(count("realtime_event where kind = 0") == 1);
}

BOOST_AUTO_TEST_CASE(a_conversation_may_start_without_a_message_and_with_a_customer) {
  const auto ada = owner();
  widget(ada);
  const auto empty = start(ada);
  BOOST_TEST(empty.status == 201);
  BOOST_TEST(empty["messages"].size() == 0u);
  BOOST_TEST(empty["first_response_at"].is_null());
  const auto customer = contact(ada);
  const auto known = start(ada, R"(,"customer_id":")" + customer + "\"");
  BOOST_TEST(known.status == 201);
  BOOST_TEST(known.text("customer_id") == customer);
  BOOST_TEST(known["customer"]["name"].text().value() == "Grace");
}

BOOST_AUTO_TEST_CASE(a_start_that_cannot_be_is_refused_and_leaves_nothing) {
  const auto ada = owner();
  BOOST_TEST(start(ada, R"(,"initial_message":"x")").status == 400);  // no widget yet
  widget(ada);
  const auto channel = telegram(ada);
  const auto other = owner();
  const auto other_channel = telegram(other);
  const auto other_customer = contact(other);
  BOOST_TEST(start(ada, R"(,"channel_id":")" + channel + "\"").status == 400);
  for (const auto& id : {other_channel, random_id()}) {
    BOOST_TEST(start(ada, R"(,"channel_id":")" + id + "\"").status == 400);
  }
  for (const auto& id : {other_customer, random_id()}) {
    BOOST_TEST(start(ada, R"(,"customer_id":")" + id + "\"").status == 404);
  }
  BOOST_TEST(start(ada, R"(,"channel_id":"7")").status == 422);
  BOOST_TEST(call("POST", kConversations, ada.token, "{}").status == 422);
  BOOST_TEST(call("POST", kConversations, ada.token, R"({"business_id":"7"})").status == 422);
  for (const auto& business : {other.business, random_id()}) {
    BOOST_TEST(
        call("POST", kConversations, ada.token, R"({"business_id":")" + business + "\"}").status ==
        404);
  }
  BOOST_TEST(
      call("POST", kConversations, person().token, R"({"business_id":")" + ada.business + "\"}")
          .status == 404);
  BOOST_TEST(count("conversation") == 0);
  BOOST_TEST(count("usage_counter where resource like 'messages:%' and used > 0") == 0);
}

BOOST_AUTO_TEST_CASE(an_answer_on_a_platforms_channel_is_queued_in_the_same_transaction) {
  const auto ada = owner();
  const auto id = inbound_conversation(ada, telegram(ada), "Hello", 2);
  const auto wakes = outbound.wakes.load();
  const auto sent = send(ada, id, R"({"content":"Hi Grace"})");
  BOOST_TEST_REQUIRE(sent.status == 201);
  BOOST_TEST(sent.text("conversation_id") == id);
  BOOST_TEST(sent.text("sender_type") == "agent");
  BOOST_TEST(sent.text("status") == "queued");
  BOOST_TEST(sent.text("kind") == "message");
  BOOST_TEST(sent["error"].is_null());
  BOOST_TEST(value("select message_id::text from outbox") == sent.text("id"));
  BOOST_TEST(count("lane") == 1);
  BOOST_TEST(outbound.wakes == wakes + 1);
  const auto read = call("GET", kConversations + id, ada.token);
  BOOST_TEST_REQUIRE(read["messages"].size() == 2u);
  BOOST_TEST(read["messages"].at(0)["sender_type"].text().value() == "customer");
  BOOST_TEST(read["messages"].at(0)["status"].is_null());
  BOOST_TEST(read["messages"].at(1).dump() == sent.body);
  BOOST_TEST(read.text("first_response_at") == sent.text("created_at"));
  BOOST_TEST(read.text("preview") == "Hi Grace");
  BOOST_TEST(read["message_count"].integer().value() == 2);
  // An answer is not reading.
  BOOST_TEST(read["unread_count"].integer().value() == 1);
  // A second answer leaves the first response's time.
  value("update conversation set first_response_at = '2026-01-01Z' returning 1");
  send(ada, id, R"({"content":"again"})");
  BOOST_TEST(call("GET", kConversations + id, ada.token).text("first_response_at") ==
             "2026-01-01T00:00:00Z");
}

BOOST_AUTO_TEST_CASE(answers_at_once_are_queued_in_the_order_they_are_shown) {
  const auto ada = owner();
  const auto id = inbound_conversation(ada, telegram(ada), "Hello", 2);
  api_test::together(12, [&](int i) {
    const auto sent = send(ada, id, R"({"content":"m)" + std::to_string(i) + "\"}");
    if (sent.status != 201) throw std::runtime_error(sent.body);
  });
  BOOST_TEST(value("select string_agg(message_id::text, ',' order by seq) from outbox") ==
             value("select string_agg(id::text, ',' order by sort_at, sort_seq, id) from message"
                   " where sender_type = 1"));
  BOOST_TEST(value("select message_count from conversation_head") == "13");
}

BOOST_AUTO_TEST_CASE(content_and_attachments_are_checked) {
  const auto ada = owner();
  widget(ada);
  const auto id = start(ada).text("id");
  for (const std::string& body : std::vector<std::string>{
           std::string("{}"), std::string(R"({"content":""})"), std::string(R"({"content":null})"),
           std::string(R"({"content":7})"),
           R"({"content":")" + std::string((64 << 10) + 1, 'x') + "\"}",
           std::string(R"({"content":"x","attachments":"https://a.test/x.png"})"),
           std::string(R"({"content":"x","attachments":["http://a.test/x.png"]})"),
           std::string(R"j({"content":"x","attachments":["javascript:alert(1)"]})j"),
           std::string(R"({"content":"x","attachments":[{"type":"image"}]})"),
           std::string(
               R"({"content":"x","attachments":[{"url":"https://a.test/x","type":"virus"}]})"),
           std::string(R"({"content":"x","attachments":[{"url":"https://a.test/x","size":-1}]})"),
           std::string(R"({"content":"x","attachments":[7]})"),
           R"({"content":"x","attachments":[)" +
               [] {
                 std::string many;
                 for (int i = 0; i < 11; ++i)
                   many += (i ? "," : "") + std::string("\"https://a.test/x\"");
                 return many;
               }() +
               "]}"}) {
    BOOST_TEST(send(ada, id, body).status == 422, body.substr(0, 100));
  }
  BOOST_TEST(count("message") == 0);
  BOOST_TEST(send(ada, id, R"({"content":")" + std::string(64 << 10, 'x') + "\"}").status == 201);
  const auto sent = send(ada, id, R"({"attachments":["https://a.test/photo.JPG?x=1",
      {"url":"https://a.test/doc","type":"file","name":"Invoice.pdf","size":12,
       "content_type":"application/pdf"}]})");
  BOOST_TEST_REQUIRE(sent.status == 201);
  BOOST_TEST(sent.text("content").empty());
  const auto first = sent["attachments"].at(0);
  BOOST_TEST(first["type"].text().value() == "image");
  BOOST_TEST(first["url"].text().value() == "https://a.test/photo.JPG?x=1");
  BOOST_TEST(first["state"].text().value() == "ready");
  const auto second = sent["attachments"].at(1);
  BOOST_TEST(second["type"].text().value() == "file");
  BOOST_TEST(second["name"].text().value() == "Invoice.pdf");
  BOOST_TEST(second["size"].integer().value() == 12);
  BOOST_TEST(call("GET", kConversations + id, ada.token)["messages"].at(1)["attachments"].size() ==
             2u);
}

BOOST_AUTO_TEST_CASE(an_answer_may_quote_a_message_and_carry_metadata) {
  const auto ada = owner("mini");
  widget(ada);
  const auto id = std::string(start(ada, R"(,"initial_message":"first")").text("id"));
  const auto other = std::string(start(ada, R"(,"initial_message":"elsewhere")").text("id"));
  const auto first = [&](const std::string& conversation) {
    return std::string(
        call("GET", kConversations + conversation, ada.token)["messages"].at(0)["id"].text_or(""));
  };
  const auto quote = [&](const std::string& message) {
    return send(ada, id, R"({"content":"x","reply_to":")" + message + "\"}");
  };
  // No platform knows it yet.
  BOOST_TEST(quote(first(id)).status == 422);
  value(
      "with named as (update message set remote_id = 'r:' || id returning 1)"
      " select count(*) from named");
  const auto quoted = quote(first(id));
  BOOST_TEST_REQUIRE(quoted.status == 201);
  BOOST_TEST(quoted.text("reply_to") == first(id));
  BOOST_TEST(quote(first(other)).status == 422);
  BOOST_TEST(quote(random_id()).status == 422);
  BOOST_TEST(quote("7").status == 422);
  BOOST_TEST(send(ada, id, R"({"content":"x","reply_to":null,"metadata":null})").status == 201);

  const auto with = [&](const std::string& metadata) {
    return send(ada, id, R"({"content":"x","metadata":)" + metadata + "}");
  };
  const auto template_sent = with(R"({"template":{"name":"order_shipped","language":"en_US"}})");
  BOOST_TEST_REQUIRE(template_sent.status == 201);
  BOOST_TEST(template_sent["metadata"]["template"]["name"].text_or("") == "order_shipped");
  BOOST_TEST(with("[]").status == 422);
  BOOST_TEST(with(R"("template")").status == 422);
  BOOST_TEST(with(R"({"reactions":{"me":"x"}})").status == 422);
  BOOST_TEST(with(R"({"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{}}}}}}}}})").status == 422);
  BOOST_TEST(with(R"({"a":")" + std::string(16 << 10, 'x') + "\"}").status == 422);
  BOOST_TEST(with(R"({"a":"nul \u0000 inside"})").status != 500);
}

BOOST_AUTO_TEST_CASE(hostile_text_is_stored_byte_for_byte_and_comes_back_the_same) {
  const auto ada = owner();
  widget(ada);
  const auto id = start(ada).text("id");
  for (const std::string& text : std::vector<std::string>{
           "'; drop table message; --", "\\'; select pg_sleep(9) --", "$1 $2 %s {{7*7}}",
           "</script><img src=x onerror=alert(1)>", "\xF0\x9F\x98\x80 \xE2\x80\xA8 end",
           "\" or \"\"=\"", "line one\nline two\ttab"}) {
    sdk::json::Writer body;
    body.object().member("content", text).end();
    const auto sent = send(ada, id, body.take());
    BOOST_TEST_REQUIRE(sent.status == 201);
    BOOST_TEST(sent.text("content") == text);
    BOOST_TEST(sent.body.find('<') == std::string::npos);
    BOOST_TEST(call("GET", kConversations + id, ada.token).text("preview") == text);
  }
}

BOOST_AUTO_TEST_CASE(the_monthly_quota_is_429_with_the_plans_body) {
  const auto ada = owner("free");
  widget(ada);
  const auto id = start(ada).text("id");
  const auto month = gateway::iso8601(clock.now_ms()).substr(0, 7);
  value("insert into usage_counter values ('" + ada.business + "', 'messages:" + month +
        "', 998) returning 1");
  std::atomic<int> created{0};
  std::atomic<int> refused{0};
  api_test::together(8, [&](int) {
    const auto sent = send(ada, id, R"({"content":"x"})");
    ++(sent.status == 201 ? created : refused);
  });
  BOOST_TEST(created == 2);
  BOOST_TEST(refused == 6);
  const auto result = send(ada, id, R"({"content":"x"})");
  BOOST_TEST(result.status == 429);
  BOOST_TEST(result.text("error") == "limit_exceeded");
  BOOST_TEST(result.text("plan") == "Free");
  BOOST_TEST(result.text("feature") == "messages");
  BOOST_TEST(result["current"].integer().value() == 1000);
  BOOST_TEST(result["limit"].integer().value() == 1000);
  BOOST_TEST(std::stoll(result.header("retry-after")) > 0);
  BOOST_TEST(start(ada, R"(,"initial_message":"x")").status == 429);
  BOOST_TEST(start(ada).status == 201);
  BOOST_TEST(count("message") == 2);
}

BOOST_AUTO_TEST_CASE(a_repeated_request_has_one_effect_and_one_answer) {
  const auto ada = owner();
  const auto id = inbound_conversation(ada, telegram(ada));
  std::mutex mutex;
  std::set<std::string> bodies;
  std::atomic<int> replayed{0};
  api_test::together(32, [&](int) {
    const auto sent = send(ada, id, R"({"content":"once"})", "key-1");
    if (sent.status != 201) throw std::runtime_error(sent.body);
    if (sent.header("idempotent-replayed") == "true") ++replayed;
    const std::lock_guard lock(mutex);
    bodies.insert(sent.body);
  });
  BOOST_TEST(bodies.size() == 1u);
  BOOST_TEST(replayed == 31);
  BOOST_TEST(count("message where sender_type = 1") == 1);
  BOOST_TEST(count("outbox") == 1);
  BOOST_TEST(value("select used from usage_counter where resource like 'messages:%'") == "1");

  BOOST_TEST(send(ada, id, R"({"content":"other"})", "key-1").status == 422);
  const auto elsewhere = inbound_conversation(ada, telegram(ada));
  BOOST_TEST(send(ada, elsewhere, R"({"content":"once"})", "key-1").status == 422);
  BOOST_TEST(send(ada, id, R"({"content":"once"})", "key-2").status == 201);
  // Another person's key of the same name is another key.
  BOOST_TEST(send(member(ada, Role::agent), id, R"({"content":"once"})", "key-1").status == 201);
  BOOST_TEST(send(ada, id, R"({"content":"x"})", std::string(256, 'k')).status == 422);
  // After a day the key is free again.
  value(
      "update idempotency_key set created_at = now() - interval '25 hours' where key = 'key-1'"
      " and user_id = '" +
      ada.id.text() + "' returning 1");
  BOOST_TEST(send(ada, id, R"({"content":"other"})", "key-1").status == 201);
}

BOOST_AUTO_TEST_CASE(a_refused_request_does_not_use_up_its_key) {
  const auto ada = owner();
  BOOST_TEST(call("POST", kConversations, ada.token, R"({"business_id":")" + ada.business + "\"}",
                  {{"Idempotency-Key", "k"}})
                 .status == 400);
  widget(ada);
  const auto first = call("POST", kConversations, ada.token,
                          R"({"business_id":")" + ada.business + "\"}", {{"Idempotency-Key", "k"}});
  const auto again = call("POST", kConversations, ada.token,
                          R"({"business_id":")" + ada.business + "\"}", {{"Idempotency-Key", "k"}});
  BOOST_TEST(first.status == 201);
  BOOST_TEST(again.body == first.body);
  BOOST_TEST(count("conversation") == 1);
}

BOOST_AUTO_TEST_CASE(resolving_and_closing_are_idempotent) {
  const auto ada = owner();
  const auto id = inbound_conversation(ada, telegram(ada));
  const auto resolve = kConversations + id + "/resolve";
  const auto close = kConversations + id + "/close";
  const auto resolved = call("PUT", resolve, ada.token);
  BOOST_TEST(resolved.status == 200);
  BOOST_TEST(!resolved.text("resolved_at").empty());
  BOOST_TEST(call("PUT", resolve, ada.token).body == R"({"detail":"Already resolved"})");
  auto read = call("GET", kConversations + id, ada.token);
  BOOST_TEST(read.text("status") == "resolved");
  BOOST_TEST(read.text("resolved_at") == resolved.text("resolved_at"));
  BOOST_TEST(read["unread_count"].integer().value() == 0);

  // An agent's word opens it again.
  BOOST_TEST(send(ada, id, R"({"content":"one more thing"})").status == 201);
  read = call("GET", kConversations + id, ada.token);
  BOOST_TEST(read.text("status") == "open");
  BOOST_TEST(read["resolved_at"].is_null());

  std::atomic<int> closed{0};
  api_test::together(6, [&](int) {
    if (!call("PUT", close, ada.token).text("closed_at").empty()) ++closed;
  });
  BOOST_TEST(closed == 1);
  BOOST_TEST(call("PUT", close, ada.token).body == R"({"detail":"Already closed"})");
  BOOST_TEST(call("PUT", resolve, ada.token).body == R"({"detail":"Already closed"})");
  BOOST_TEST(call("GET", kConversations + id, ada.token).text("status") == "closed");
  BOOST_TEST(send(ada, id, R"({"content":"x"})").status == 409);
  BOOST_TEST(call("PUT", kConversations + random_id() + "/close", ada.token).status == 404);
}

BOOST_AUTO_TEST_CASE(typing_is_passed_on_and_changes_nothing_here) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  const auto id = inbound_conversation(ada, channel);
  const auto thread = value("select remote_thread from conversation where id = '" + id + "'");
  const auto last = value("select coalesce(remote_id, '') from message where conversation_id = '" +
                          id + "' and sender_type = 0");
  const auto events = value("select count(*) from realtime_event");
  const auto path = "/api/v1/conversations/" + id + "/typing";
  BOOST_TEST(call("POST", path, ada.token, R"({"is_typing":true})").status == 204);
  BOOST_TEST(call("POST", path, ada.token, R"({"is_typing":false})").status == 204);
  for (const char* wrong : {"{}", R"({"is_typing":"yes"})", R"({"is_typing":null})", "[]"}) {
    BOOST_TEST(call("POST", path, ada.token, wrong).status == 422, wrong);
  }
  // 11 is connector::EventKind::typing.
  const auto begin = ada.business + " " + channel + " 11 ";
  const std::lock_guard lock(outbound.mutex);
  BOOST_TEST_REQUIRE(outbound.signals.size() == 2u);
  BOOST_TEST(outbound.signals[0] == begin + "on " + thread + " " + last);
  BOOST_TEST(outbound.signals[1] == begin + "off " + thread + " " + last);
  BOOST_TEST(value("select count(*) from realtime_event") == events);
}

BOOST_AUTO_TEST_CASE(reading_clears_what_is_unread_and_tells_the_platform_of_the_latest_message) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  const auto id = inbound_conversation(ada, channel);
  const auto path = "/api/v1/conversations/" + id;
  value("update message set remote_id = 'r7' where sender_type = 0 returning 1");
  BOOST_TEST(call("GET", path, ada.token)["unread_count"].integer().value_or(-1) == 1);
  const auto status = call("GET", path, ada.token).text("status");
  const auto events = std::stoi(value("select count(*) from realtime_event"));
  BOOST_TEST(call("POST", path + "/read", ada.token).status == 204);
  BOOST_TEST(call("GET", path, ada.token)["unread_count"].integer().value_or(-1) == 0);
  BOOST_TEST(call("GET", path, ada.token).text("status") == status);
  // Whoever watches the conversation hears of it once.
  BOOST_TEST(std::stoi(value("select count(*) from realtime_event")) == events + 1);
  BOOST_TEST(call("POST", path + "/read", ada.token).status == 204);
  BOOST_TEST(std::stoi(value("select count(*) from realtime_event")) == events + 1);
  // 6 is connector::EventKind::status.
  const auto thread = value("select remote_thread from conversation where id = '" + id + "'");
  const std::lock_guard lock(outbound.mutex);
  BOOST_TEST_REQUIRE(!outbound.signals.empty());
  BOOST_TEST(outbound.signals[0] == ada.business + " " + channel + " 6 read " + thread + " r7");
}

BOOST_AUTO_TEST_CASE(a_conversation_whose_channel_is_gone_is_read_and_nobody_is_told) {
  const auto ada = owner();
  const auto id = inbound_conversation(ada, telegram(ada));
  value("update conversation set channel_id = null returning 1");
  const auto path = "/api/v1/conversations/" + id;
  BOOST_TEST(call("POST", path + "/read", ada.token).status == 204);
  BOOST_TEST(call("POST", path + "/typing", ada.token, R"({"is_typing":true})").status == 204);
  const std::lock_guard lock(outbound.mutex);
  BOOST_TEST(outbound.signals.empty());
}

BOOST_AUTO_TEST_CASE(a_switched_off_channel_takes_no_answers) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  const auto id = inbound_conversation(ada, channel);
  call("PATCH", "/api/v1/channels/" + channel, ada.token, R"({"is_active":false})");
  BOOST_TEST(send(ada, id, R"({"content":"x"})").status == 409);
  BOOST_TEST(count("outbox") == 0);
}

BOOST_AUTO_TEST_CASE(conversations_go_to_active_members_only_and_by_owner_or_admin) {
  const auto ada = owner();
  const auto id = inbound_conversation(ada, telegram(ada));
  const auto agent = member(ada, Role::agent);
  const auto target = [&](const std::string& user) {
    return kConversations + id + "/assign/" + user;
  };
  const auto assigned = call("PUT", target(agent.id.text()), ada.token);
  BOOST_TEST(assigned.status == 200);
  BOOST_TEST(assigned.text("assignee_id") == agent.id.text());
  BOOST_TEST(call("GET", kConversations + id, agent.token).text("assignee_id") == agent.id.text());
  BOOST_TEST(call("PUT", target(ada.id.text()), member(ada, Role::admin).token).status == 200);
  BOOST_TEST(call("PUT", target(ada.id.text()), agent.token).status == 403);
  for (const auto& user : {owner().id.text(), random_id(), std::string("7")}) {
    BOOST_TEST(call("PUT", target(user), ada.token).status == 404, user);
  }
  value("update membership set is_active = false where user_id = '" + agent.id.text() +
        "' returning 1");
  BOOST_TEST(call("PUT", target(agent.id.text()), ada.token).status == 404);
}

BOOST_AUTO_TEST_CASE(the_inbox_is_newest_first_and_pages_without_gaps_or_repeats) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  std::vector<std::string> expected;
  for (int i = 0; i < 25; ++i) {
    expected.push_back(inbound_conversation(ada, channel, "m" + std::to_string(i), i));
  }
  const auto all = call("GET", kConversations, ada.token);
  BOOST_TEST(ids_of(all) == expected, boost::test_tools::per_element());
  BOOST_TEST(all.header("link").empty());
  for (const auto one : all.json().elements()) {
    BOOST_TEST(one["messages"].size() == 0u);
    BOOST_TEST(one["customer"]["name"].text().value() == "Grace");
  }
  std::vector<std::string> walked;
  std::string next = "/api/v1/conversations?limit=7";
  while (!next.empty()) {
    const auto page = call("GET", next, ada.token);
    BOOST_TEST_REQUIRE(page.status == 200);
    for (const auto& id : ids_of(page)) walked.push_back(id);
    next = next_of(page);
  }
  BOOST_TEST(walked == expected, boost::test_tools::per_element());
  std::vector<std::string> paged;
  for (int page = 1; page <= 4; ++page) {
    for (const auto& id : ids_of(call(
             "GET", "/api/v1/conversations/?limit=7&page=" + std::to_string(page), ada.token))) {
      paged.push_back(id);
    }
  }
  BOOST_TEST(paged == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_order_is_exact_although_its_index_lags) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  std::vector<std::pair<std::string, int>> made;
  for (int i = 0; i < 40; ++i) {
    const auto id = inbound_conversation(ada, channel, "m", 10);
    // The key of the index lags by up to 15 s, each by another amount.
    const int last_ms = (i * 7919) % 30'000;
    const int lag_ms = std::min((i * 104'729) % 15'000, last_ms);
    value("update conversation_head set last_message_at = timestamptz '2026-11-01Z' + interval '" +
          std::to_string(last_ms) + " ms', inbox_at = timestamptz '2026-11-01Z' + interval '" +
          std::to_string(last_ms - lag_ms) + " ms', status = " + std::to_string(i % 3) +
          " where conversation_id = '" + id + "' returning 1");
    made.emplace_back(id, last_ms);
  }
  std::sort(made.begin(), made.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> expected;
  for (const auto& [id, unused] : made) expected.push_back(id);
  for (const std::string& limit : std::vector<std::string>{"1", "3", "7", "39", "40", "100"}) {
    std::vector<std::string> walked;
    std::string next = "/api/v1/conversations/?limit=" + limit;
    while (!next.empty()) {
      const auto page = call("GET", next, ada.token);
      BOOST_TEST_REQUIRE(page.status == 200);
      for (const auto& id : ids_of(page)) walked.push_back(id);
      next = next_of(page);
    }
    BOOST_TEST(walked == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(the_inbox_is_filtered_by_status_and_assignee) {
  const auto ada = owner();
  const auto agent = member(ada, Role::agent);
  const auto channel = telegram(ada);
  const auto open = inbound_conversation(ada, channel, "a", 1);
  const auto resolved = inbound_conversation(ada, channel, "b", 2);
  const auto closed = inbound_conversation(ada, channel, "c", 3);
  call("PUT", kConversations + resolved + "/resolve", ada.token);
  call("PUT", kConversations + closed + "/close", ada.token);
  call("PUT", kConversations + closed + "/assign/" + agent.id.text(), ada.token);
  const auto list = [&](const std::string& query) {
    return ids_of(call("GET", "/api/v1/conversations/?" + query, ada.token));
  };
  BOOST_TEST(list("").size() == 3u);
  BOOST_TEST(list("status=open") == std::vector{open});
  BOOST_TEST(list("status=resolved") == std::vector{resolved});
  BOOST_TEST(list("status=closed") == std::vector{closed});
  BOOST_TEST(list("status=pending").empty());
  BOOST_TEST(list("assignee_id=" + agent.id.text()) == std::vector{closed});
  BOOST_TEST(list("assignee_id=" + agent.id.text() + "&status=open").empty());
  BOOST_TEST(list("assignee_id=" + random_id()).empty());
  for (const std::string& query : std::vector<std::string>{
           "status=weird", "assignee_id=7", "limit=0", "limit=-1", "limit=x", "page=0", "page=x",
           "page=1000000000", "before=x", "before=99999999999999999999_" + std::string(36, '0'),
           "before=1_2", "limit=1e3"}) {
    BOOST_TEST(call("GET", "/api/v1/conversations/?" + query, ada.token).status == 422, query);
  }
  BOOST_TEST(call("GET", "/api/v1/conversations/?limit=1000", ada.token).status == 200);
}

BOOST_AUTO_TEST_CASE(messages_come_in_platform_order_and_in_pieces_if_asked) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  const auto id = inbound_conversation(ada, channel, "first", 30);
  std::vector<std::string> expected = {
      std::string(call("GET", kConversations + id, ada.token)["messages"].at(0)["id"].text_or(""))};
  // Same second, by sequence; equal sequence, by id; arrival does not count.
  std::vector<std::string> later;
  for (int i = 0; i < 9; ++i) later.push_back(ids.next().text());
  for (int i = 8; i >= 0; --i) {
    value(
        "insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
        " sender_type, content) values ('" +
        ada.business + "', '" + id + "', '2026-11-20T10:00:0" + std::to_string(i / 3) + "Z', " +
        std::to_string(i % 3 == 0 ? 0 : 5) + ", '" + later[static_cast<std::size_t>(i)] + "', '" +
        channel + "', 0, 'm') returning 1");
  }
  value("update message set sort_at = '2026-11-19Z' where content = 'first' returning 1");
  expected.insert(expected.end(), later.begin(), later.end());
  const auto message_ids = [](const Result& result) {
    std::vector<std::string> found;
    for (const auto one : result["messages"].elements()) found.emplace_back(one["id"].text_or(""));
    return found;
  };
  const auto whole = call("GET", kConversations + id, ada.token);
  BOOST_TEST(message_ids(whole) == expected, boost::test_tools::per_element());
  BOOST_TEST(whole["messages"].at(1)["created_at"].text().value() == "2026-11-20T10:00:00Z");

  std::vector<std::string> walked;
  std::string next = kConversations + id + "?limit=4";
  while (!next.empty()) {
    const auto piece = call("GET", next, ada.token);
    BOOST_TEST_REQUIRE(piece.status == 200);
    auto found = message_ids(piece);
    walked.insert(walked.begin(), found.begin(), found.end());
    next = next_of(piece);
  }
  BOOST_TEST(walked == expected, boost::test_tools::per_element());
  for (const std::string& query :
       std::vector<std::string>{"limit=0", "limit=x", "before=x", "before=1_2_3"}) {
    BOOST_TEST(call("GET", kConversations + id + "?" + query, ada.token).status == 422, query);
  }
}

BOOST_AUTO_TEST_CASE(a_reply_names_the_message_it_answers) {
  const auto ada = owner();
  const auto channel = telegram(ada);
  const auto id = inbound_conversation(ada, channel);
  value("update message set remote_id = '41' returning 1");
  value(
      "insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
      " sender_type, content, reply_to, metadata) values ('" +
      ada.business + "', '" + id + "', now(), 1, '" + ids.next().text() + "', '" + channel +
      "', 0, 'm', '41', '{\"a\": 1}') returning 1");
  const auto read = call("GET", kConversations + id, ada.token);
  BOOST_TEST(read["messages"].at(1)["reply_to"].text().value() ==
             read["messages"].at(0)["id"].text().value());
  BOOST_TEST(read["messages"].at(1)["metadata"]["a"].integer().value() == 1);
}

BOOST_AUTO_TEST_CASE(without_a_business_there_are_no_conversations) {
  const auto eve = person();
  BOOST_TEST(call("GET", kConversations, eve.token).status == 404);
  BOOST_TEST(call("GET", kConversations + random_id(), eve.token).status == 404);
}

BOOST_AUTO_TEST_SUITE_END()
