// Nobody reaches, changes, or learns of another business's things: the matrix is made from the URL
// table, and a route without a row in it fails.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "gateway/api/routes.h"
#include "tests/api/world.h"

namespace {

using api_test::Person;
using api_test::random_id;
using api_test::Result;
using api_test::World;
using gateway::api::Access;
using gateway::api::Route;
using gateway::api::routes;
using gateway::store::Role;

// Things of one business.
struct Things {
  Person owner;
  std::string widget, channel, conversation, contact, webchat;
  // Of a visitor of the widget, who has written.
  std::string visitor_token, visitor_conversation;
};

constexpr const char* kWebchat = R"({"name":"Chat","backgroundColor":"#FFFFFF",
  "primaryColor":"#1F2937","secondaryColor":"#3B82F6","promptId":"p1","allowedDomains":[],
  "initialStage":"new"})";

struct Fixture : World {
  std::string webchat(const Person& of) {
    const auto made = call("POST", "/api/webchats", of.token, kWebchat);
    BOOST_TEST_REQUIRE(made.status == 201, made.body);
    return std::string(made["data"]["_id"].text_or(""));
  }
  Result visitor(const std::string& embed) {
    const auto opened = call("POST", "/api/v1/widget/" + embed + "/session");
    BOOST_TEST_REQUIRE(opened.status == 201, opened.body);
    return opened;
  }
  static std::string random_webchat() {
    auto id = random_id();
    id.erase(std::remove(id.begin(), id.end(), '-'), id.end());
    return id.substr(8);
  }

  Things make(const std::string& domain) {
    Things things;
    things.owner = owner("pro");
    things.widget = widget(things.owner, domain);
    things.channel = telegram(things.owner);
    things.conversation = inbound_conversation(things.owner, things.channel, "canary-of-" + domain);
    things.contact = contact(things.owner);
    things.webchat = webchat(things.owner);
    const auto visitor = this->visitor(things.widget);
    things.visitor_token = visitor.text("token");
    const auto wrote = call("POST", "/api/v1/widget/" + things.widget + "/messages",
                            things.visitor_token, "{\"content\":\"canary-of-" + domain + "\"}");
    BOOST_TEST_REQUIRE(wrote.status == 201, wrote.body);
    things.visitor_conversation = wrote.text("conversation_id");
    return things;
  }

  // Everything of a business, as one digest.
  std::string digest(const Things& things) {
    std::string query = "select md5(concat_ws('|'";
    for (const std::string& table : std::vector<std::string>{
             "business", "membership", "usage_counter", "widget", "channel", "contact",
             "conversation", "conversation_head", "message", "media", "media_use", "outbox",
             "registration_job", "realtime_event", "idempotency_key", "webchat", "embed_secret",
             "visitor"}) {
      query += ", (select string_agg(t::text, ',' order by t::text) from " + table +
               " t where tenant_id = '" + things.owner.business + "')";
    }
    return value(query + "))");
  }

  // The path with the ids of `things`, or random ones.
  static std::string path(const Route& route, const Things* things) {
    const std::map<std::string, std::string> ids = {
        {"widget_id", things ? things->widget : random_id()},
        {"channel_id", things ? things->channel : random_id()},
        {"conversation_id", things ? things->conversation : random_id()},
        {"webchat_id", things ? things->webchat : random_webchat()},
        {"agent_id", things ? things->owner.id.text() : random_id()},
        {"business_id", things ? things->owner.business : random_id()},
        {"type", "telegram"},
        {"key", "k"}};
    std::string made(route.pattern);
    // That is for conversations with visitors.
    if (route.operation == "revokeVisitor" && things) {
      made.replace(made.find("{conversation_id}"), 17, things->visitor_conversation);
    }
    for (auto at = made.find('{'); at != std::string::npos; at = made.find('{')) {
      const auto end = made.find('}', at);
      made.replace(at, end - at + 1, ids.at(made.substr(at + 1, end - at - 1)));
    }
    return made;
  }

  // A body that would succeed on one's own thing; ids in bodies are those of `named`.
  static std::string body(const Route& route, const Things& named) {
    static const std::map<std::string_view, std::string> bodies = {
        {"createBusiness", R"({"name":"Acme"})"},
        {"createWidget", R"({"domain":"new.example"})"},
        {"updateWidget", R"({"name":"changed"})"},
        {"createChannel", R"({"type":"widget","config":{"widget_id":"$widget"}})"},
        {"updateChannel", R"({"is_active":false})"},
        {"createConversation", R"({"business_id":"$business","customer_id":"$contact"})"},
        {"sendMessage", R"({"content":"hello"})"},
        {"createWebchat", kWebchat},
        {"updateWebchat", R"({"name":"changed"})"},
        {"sendVisitorMessage", R"({"content":"hello"})"},
        {"rateConversation", R"({"score":5})"},
        {"uploadVisitorFiles",
         "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--"},
        {"uploadFiles",
         "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--"},
        {"signalTyping", R"({"is_typing":true})"},
        {"setOwnStatus", R"({"status":"away"})"},
        {"setPlan", R"({"plan":"pro"})"},
    };
    const auto found = bodies.find(route.operation);
    if (found == bodies.end()) return {};
    std::string text = found->second;
    const auto put = [&text](const std::string& name, const std::string& id) {
      if (const auto at = text.find(name); at != std::string::npos)
        text.replace(at, name.size(), id);
    };
    put("$widget", named.widget);
    put("$business", named.owner.business);
    put("$contact", named.contact);
    return text;
  }

  // An answer without what differs by nature.
  static std::string shape(const Result& result) {
    std::string text = std::to_string(result.status) + " " + result.body;
    const auto at = text.find("\"request_id\":\"");
    if (at != std::string::npos) text.erase(at, 14 + 36);
    return text;
  }
};

gateway::http::Headers headers(const Route& route) {
  if (route.accepts == gateway::api::Accepts::json) return {};
  return {{"Content-Type", "multipart/form-data; boundary=b"}};
}

bool has_ids(const Route& route) { return route.pattern.find('{') != std::string_view::npos; }

// The one exception: widgets are public, so 403 on another's tells nothing new.
constexpr std::string_view kTellsForbidden = "updateWidget";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(bola, Fixture)

BOOST_AUTO_TEST_CASE(every_route_for_people_refuses_every_wrong_token_before_anything_else) {
  const auto things = make("a.example");
  const std::string expired = tokens->issue(things.owner.id, std::nullopt, 0);
  const std::string stranger = tokens->issue(gateway::domain::UserId(ids.next()), std::nullopt, 1);
  const auto before = digest(things);
  for (const auto& route : routes()) {
    if (route.access != Access::user) continue;
    for (const std::string& token : std::vector<std::string>{
             std::string(), std::string("x"), std::string("eyJhbGciOiJub25lIn0.e30."),
             std::string(api_test::kOperatorToken), expired, stranger}) {
      for (const auto* named : {&things, static_cast<const Things*>(nullptr)}) {
        const auto result = call(std::string(route.method), path(route, named), token,
                                 body(route, things), headers(route));
        BOOST_TEST(result.status == 401, route.operation << " with " << token);
        BOOST_TEST(result.header("www-authenticate") == "Bearer");
      }
    }
  }
  BOOST_TEST(digest(things) == before);
}

BOOST_AUTO_TEST_CASE(another_business_things_answer_as_if_they_did_not_exist) {
  const auto mine = make("a.example");
  const auto theirs = make("b.example");
  const auto before = digest(theirs);
  const auto agent = member(mine.owner, Role::agent);
  const auto nobody = person();
  int rows = 0;
  for (const auto& route : routes()) {
    if (route.access != Access::user || !has_ids(route)) continue;
    ++rows;
    for (const auto& caller : {mine.owner, agent, nobody}) {
      const auto method = std::string(route.method);
      const auto foreign =
          call(method, path(route, &theirs), caller.token, body(route, mine), headers(route));
      const auto random =
          call(method, path(route, nullptr), caller.token, body(route, mine), headers(route));
      BOOST_TEST(foreign.status >= 400, route.operation);
      BOOST_TEST(foreign.body.find("canary") == std::string::npos);
      if (route.operation == kTellsForbidden && caller.token != nobody.token) {
        BOOST_TEST(foreign.status == 403);
        BOOST_TEST(random.status == 404);
        continue;
      }
      BOOST_TEST(shape(foreign) == shape(random), route.operation);
    }
  }
  BOOST_TEST(rows >= 9);
  BOOST_TEST(digest(theirs) == before);
}

BOOST_AUTO_TEST_CASE(my_conversation_with_their_agent_and_theirs_with_mine_are_both_nobodys) {
  const auto mine = make("a.example");
  const auto theirs = make("b.example");
  const auto before = digest(theirs);
  const auto assign = [&](const std::string& conversation, const std::string& agent) {
    return shape(call("PUT", "/api/v1/conversations/" + conversation + "/assign/" + agent,
                      mine.owner.token));
  };
  const auto nobody = assign(mine.conversation, random_id());
  BOOST_TEST(nobody.starts_with("404"));
  BOOST_TEST(assign(mine.conversation, theirs.owner.id.text()) == nobody);
  BOOST_TEST(assign(theirs.conversation, mine.owner.id.text()) == nobody);
  BOOST_TEST(digest(theirs) == before);
}

BOOST_AUTO_TEST_CASE(ids_in_bodies_of_another_business_answer_like_random_ones) {
  const auto mine = make("a.example");
  const auto theirs = make("b.example");
  const auto before = digest(theirs);
  int rows = 0;
  for (const auto& route : routes()) {
    if (route.access != Access::user) continue;
    Things nothing;
    nothing.owner.business = random_id();
    nothing.widget = random_id();
    nothing.contact = random_id();
    if (body(route, theirs) == body(route, mine)) continue;  // no id in the body
    ++rows;
    const auto method = std::string(route.method);
    const auto foreign = call(method, path(route, &mine), mine.owner.token, body(route, theirs));
    const auto random = call(method, path(route, &mine), mine.owner.token, body(route, nothing));
    BOOST_TEST(foreign.status >= 400, route.operation);
    BOOST_TEST(shape(foreign) == shape(random), route.operation);
  }
  BOOST_TEST(rows == 2);
  // One's own business with their customer.
  const auto with_customer = [&](const std::string& customer) {
    return shape(call(
        "POST", "/api/v1/conversations/", mine.owner.token,
        R"({"business_id":")" + mine.owner.business + R"(","customer_id":")" + customer + "\"}"));
  };
  BOOST_TEST(with_customer(theirs.contact) == with_customer(random_id()));
  BOOST_TEST(digest(theirs) == before);
}

BOOST_AUTO_TEST_CASE(lists_show_ones_own_and_nothing_else) {
  const auto mine = make("a.example");
  const auto theirs = make("b.example");
  for (const std::string& target : std::vector<std::string>{
           std::string("/api/v1/channels/"), std::string("/api/v1/conversations/"),
           "/api/v1/conversations/?assignee_id=" + theirs.owner.id.text(),
           std::string("/api/v1/auth/me")}) {
    const auto result = call("GET", target, mine.owner.token);
    BOOST_TEST(result.status == 200);
    for (const auto& id : {theirs.owner.business, theirs.channel, theirs.conversation,
                           theirs.contact, theirs.owner.id.text()}) {
      BOOST_TEST(result.body.find(id) == std::string::npos, target);
    }
  }
}

BOOST_AUTO_TEST_CASE(ones_own_things_do_answer) {
  const auto mine = make("a.example");
  int rows = 0;
  for (const auto& route : routes()) {
    // These end the token or the things the others need.
    if (route.access != Access::user || route.operation.starts_with("logout") ||
        route.operation == "deleteChannel" || route.operation == "updateChannel" ||
        route.operation == "createBusiness" || route.operation == "closeConversation") {
      continue;
    }
    ++rows;
    const auto result = call(std::string(route.method), path(route, &mine), mine.owner.token,
                             body(route, mine), headers(route));
    BOOST_TEST(result.status / 100 == 2, route.operation << " " << result.body);
  }
  BOOST_TEST(rows >= 12);
}

BOOST_AUTO_TEST_CASE(every_route_for_visitors_refuses_every_wrong_token_before_anything_else) {
  const auto mine = make("a.example");
  const auto theirs = make("b.example");
  const auto before = digest(mine);
  const auto webchat_token = visitor(mine.webchat).text("token");
  int rows = 0;
  for (const auto& route : routes()) {
    if (route.access != Access::visitor) continue;
    ++rows;
    // Nothing, nonsense, a person's token, another business's visitor, another embed's visitor.
    for (const std::string& token :
         std::vector<std::string>{std::string(), std::string("a.b"), mine.owner.token,
                                  theirs.visitor_token, webchat_token}) {
      for (const auto* named : {&mine, static_cast<const Things*>(nullptr)}) {
        const auto result = call(std::string(route.method), path(route, named), token,
                                 body(route, mine), headers(route));
        BOOST_TEST(result.status == 401, route.operation << " with " << token);
        BOOST_TEST(result.header("www-authenticate") == "Bearer");
        BOOST_TEST(result.body.find("canary") == std::string::npos);
      }
    }
  }
  BOOST_TEST(rows >= 5);
  BOOST_TEST(digest(mine) == before);
}

BOOST_AUTO_TEST_CASE(a_visitors_token_opens_no_door_for_people) {
  const auto mine = make("a.example");
  for (const auto& route : routes()) {
    if (route.access != Access::user) continue;
    const auto result = call(std::string(route.method), path(route, &mine), mine.visitor_token,
                             body(route, mine), headers(route));
    BOOST_TEST(result.status == 401, route.operation);
  }
}

BOOST_AUTO_TEST_CASE(visitors_of_one_widget_see_nothing_of_each_other) {
  const auto mine = make("a.example");
  const auto before = digest(mine);
  const auto other = visitor(mine.widget).text("token");
  const std::string base = "/api/v1/widget/" + mine.widget;
  const auto seen = call("GET", base + "/conversation", other);
  BOOST_TEST(seen.status == 200);
  BOOST_TEST(seen.body == R"({"conversation":null,"messages":[]})");
  BOOST_TEST(call("POST", base + "/read", other).status == 204);
  BOOST_TEST(call("POST", base + "/csat", other, R"({"score":1})").status == 404);
  BOOST_TEST(digest(mine) == before);
}

BOOST_AUTO_TEST_CASE(the_database_itself_shows_nothing_without_a_tenant) {
  make("a.example");
  for (const char* sql : {"select count(*) from channel", "select count(*) from conversation",
                          "select count(*) from message", "select count(*) from widget",
                          "select count(*) from business", "select count(*) from membership",
                          "select count(*) from usage_counter",
                          "select count(*) from idempotency_key", "select count(*) from webchat",
                          "select count(*) from visitor", "select count(*) from embed_secret"}) {
    const auto rows = database.gateway.run({}, gateway::store::Query{sql, {}});
    BOOST_TEST_REQUIRE(rows.has_value(), test_support::why(rows));
    BOOST_TEST(rows->integer(0, 0) == 0, sql);
  }
}

BOOST_AUTO_TEST_CASE(a_removed_member_is_out_and_a_demoted_owner_manages_nothing) {
  const auto mine = make("a.example");
  const auto agent = member(mine.owner, Role::agent);
  BOOST_TEST(call("GET", "/api/v1/conversations/", agent.token).status == 200);
  value("update membership set is_active = false where user_id = '" + agent.id.text() +
        "' returning 1");
  value("update membership set role = 'agent' where user_id = '" + mine.owner.id.text() +
        "' returning 1");
  clock.advance(5'000);
  BOOST_TEST(call("GET", "/api/v1/conversations/", agent.token).status == 404);
  BOOST_TEST(call("DELETE", "/api/v1/channels/" + mine.channel, mine.owner.token).status == 403);
}

BOOST_AUTO_TEST_SUITE_END()
