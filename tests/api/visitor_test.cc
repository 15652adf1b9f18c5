// Visitors of widgets and webchats over HTTP, and what agents see of them.
#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/multipart.h"
#include "gateway/store/visitors.h"
#include "tests/api/world.h"

namespace {

using api_test::Headers;
using api_test::Person;
using api_test::random_id;
using api_test::Result;
using api_test::World;
using gateway::store::Role;
using namespace std::string_literals;

constexpr std::int64_t kDayMs = 24 * 3600'000;
const std::string kPng = "\x89PNG\r\n\x1a\n"s + std::string(2'000, 'p');

struct Visitor {
  std::string id;
  std::string token;
};

struct Fixture : World {
  explicit Fixture(const api_test::WorldOptions& options = {}) : World(options) {}

  Person ada = owner("pro");
  std::string acme = widget(ada, "acme.com");

  std::string path(const std::string& what, const std::string& embed = {}) const {
    return "/api/v1/widget/" + (embed.empty() ? acme : embed) + "/" + what;
  }
  Result session(const std::string& body = {}, const std::string& embed = {},
                 const Headers& headers = {}) {
    return call("POST", path("session", embed), "", body, headers);
  }
  Visitor visitor(const std::string& embed = {}) {
    const auto opened = session({}, embed);
    BOOST_TEST_REQUIRE(opened.status == 201, opened.body);
    return {opened.text("visitor_id"), opened.text("token")};
  }
  Result write(const Visitor& who, const std::string& body) {
    return call("POST", path("messages"), who.token, body);
  }
  Result say(const Visitor& who, const std::string& content) {
    const auto wrote = write(who, "{\"content\":\"" + content + "\"}");
    BOOST_TEST_REQUIRE(wrote.status == 201, wrote.body);
    return wrote;
  }
  Result history(const Visitor& who, const std::string& query = {}) {
    return call("GET", path("conversation") + query, who.token);
  }
  Result agent(const std::string& method, const std::string& conversation,
               const std::string& what = {}, const std::string& body = {}) {
    return call(method, "/api/v1/conversations/" + conversation + what, ada.token, body);
  }
  Result answer(const std::string& conversation, const std::string& content) {
    const auto sent = agent("POST", conversation, "/messages", "{\"content\":\"" + content + "\"}");
    BOOST_TEST_REQUIRE(sent.status == 201, sent.body);
    return sent;
  }
  std::string webchat(const std::string& domains, const std::string& more = {}) {
    const auto made = call("POST", "/api/webchats", ada.token,
                           R"({"name":"Chat","backgroundColor":"#FFFFFF","primaryColor":"#1F2937",
                               "secondaryColor":"#3B82F6","promptId":"p1","initialStage":"new",
                               "starterMessage":"Hi!","statusText":"Here",
                               "allowedDomains":)" +
                               domains + more + "}");
    BOOST_TEST_REQUIRE(made.status == 201, made.body);
    return std::string(made["data"]["_id"].text_or(""));
  }
  Result upload(const Visitor& who, const std::string& name, const std::string& body) {
    const std::vector<sdk::FormPart> parts = {{"file", name, "", body}};
    const auto form = sdk::encode_multipart(parts);
    return call("POST", path("upload"), who.token, form.body,
                {{"Content-Type", form.content_type}});
  }
  std::string secret() {
    const auto minted = call("POST", "/api/v1/widget/" + acme + "/identity-secret", ada.token);
    BOOST_TEST_REQUIRE(minted.status == 201, minted.body);
    return minted.text("identity_secret");
  }
  static std::string proof(const std::string& key, const std::string& user) {
    return sdk::hex(sdk::hmac_sha256(key, user));
  }
  std::string named(const std::string& user, const std::string& hash,
                    const std::string& token = {}) {
    return R"({"user_id":")" + user + R"(","user_hash":")" + hash + R"(","name":"Grace Hopper",)" +
           R"("email":"grace@navy.example","token":")" + token + "\"}";
  }
};

std::vector<std::string> contents(const Result& history) {
  std::vector<std::string> all;
  for (const auto message : history["messages"].elements()) {
    all.emplace_back(message["content"].text_or(""));
  }
  return all;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(visitors_api, Fixture)

// Embeds -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_widgets_embed_is_what_its_script_shows) {
  const auto shown = call("GET", path("embed"), "", "", {{"Origin", "https://acme.com"}});
  BOOST_TEST_REQUIRE(shown.status == 200, shown.body);
  BOOST_TEST(shown.text("kind") == "widget");
  BOOST_TEST(shown.text("id") == acme);
  BOOST_TEST(shown.text("business_id") == ada.business);
  BOOST_TEST(shown.text("welcome_heading") == "Hi there!");
  BOOST_TEST(!shown["online"].boolean().value());
  BOOST_TEST(shown["config"].dump() == "{}");
  BOOST_TEST(shown["channels"].dump() == "[]");
  BOOST_TEST(shown.header("access-control-allow-origin") == "*");
  BOOST_TEST(shown.header("access-control-allow-credentials").empty());
  value("update membership set status = 'live' returning 1");
  BOOST_TEST(call("GET", path("embed"))["online"].boolean().value());
}

BOOST_AUTO_TEST_CASE(a_webchats_embed_shows_its_public_fields_and_no_others) {
  const auto id = webchat("[]", R"(,"pipelineId":"secret-pipeline")");
  const auto shown = call("GET", path("embed", id));
  BOOST_TEST_REQUIRE(shown.status == 200, shown.body);
  BOOST_TEST(shown.text("kind") == "webchat");
  BOOST_TEST(shown.text("id") == id);
  BOOST_TEST(shown["webchat"]["starterMessage"].text_or("") == "Hi!");
  BOOST_TEST(shown["webchat"]["statusText"].text_or("") == "Here");
  BOOST_TEST(shown["webchat"]["position"].text_or("") == "bottom-right");
  BOOST_TEST(shown["webchat"]["icon"].is_null());
  for (const char* hidden : {"secret-pipeline", "promptId", "allowedDomains", "createdBy"}) {
    BOOST_TEST(shown.body.find(hidden) == std::string::npos, hidden);
  }
}

BOOST_AUTO_TEST_CASE(an_embed_that_is_none_or_takes_nobody_is_404) {
  for (const std::string& id :
       {random_id(), std::string("67d3a0b0c0d0e0f0a0b0c0d0"), std::string("x")}) {
    BOOST_TEST(call("GET", path("embed", id)).status == 404, id);
    BOOST_TEST(session({}, id).status == 404, id);
  }
  const auto id = webchat("[]", R"(,"isEnabled":false)");
  BOOST_TEST(call("GET", path("embed", id)).status == 404);
  // Its channel switched off.
  const auto who = visitor();
  const auto channel = value("select id from channel where type = 'widget'");
  call("PATCH", "/api/v1/channels/" + channel, ada.token, R"({"is_active":false})");
  BOOST_TEST(call("GET", path("embed")).status == 404);
  BOOST_TEST(history(who).status == 404);
  BOOST_TEST(write(who, R"({"content":"x"})").status == 404);
}

BOOST_AUTO_TEST_CASE(only_pages_of_the_embed_may_use_it) {
  const auto open = webchat("[]");
  const auto listed = webchat(R"(["https://example.com","*.acme.com"])");
  const auto status = [&](const std::string& embed, const std::string& origin) {
    return call("GET", path("embed", embed), "", "", {{"Origin", origin}}).status;
  };
  BOOST_TEST(status(acme, "https://acme.com") == 200);
  BOOST_TEST(status(acme, "https://evil.example") == 403);
  BOOST_TEST(status(acme, "null") == 403);
  BOOST_TEST(status(acme, "http://localhost:3000") == 403);
  BOOST_TEST(status(listed, "https://example.com") == 200);
  BOOST_TEST(status(listed, "http://example.com") == 403);
  BOOST_TEST(status(listed, "https://www.acme.com") == 200);
  BOOST_TEST(status(open, "https://anywhere.example") == 200);
  BOOST_TEST(status(open, "null") == 200);
  BOOST_TEST(status(widget(ada, "localhost"), "http://127.0.0.1:3000") == 200);
  // No browser, no page.
  BOOST_TEST(call("GET", path("embed", listed)).status == 200);

  const auto who = visitor();
  const Headers evil = {{"Origin", "https://evil.example"}};
  BOOST_TEST(session({}, {}, evil).status == 403);
  const auto refused = call("POST", path("messages"), who.token, R"({"content":"x"})", evil);
  BOOST_TEST(refused.status == 403);
  BOOST_TEST(!refused.text("detail").empty());
  // So that the page's script can say why.
  BOOST_TEST(refused.header("access-control-allow-origin") == "*");
  BOOST_TEST(value("select count(*) from message") == "0");
}

BOOST_AUTO_TEST_CASE(browsers_may_send_the_token_from_any_page) {
  const auto asked = call("OPTIONS", path("messages"), "", "",
                          {{"Origin", "https://acme.com"},
                           {"Access-Control-Request-Method", "POST"},
                           {"Access-Control-Request-Headers", "authorization,content-type"}});
  BOOST_TEST(asked.status == 204);
  BOOST_TEST(asked.header("access-control-allow-origin") == "*");
  BOOST_TEST(asked.header("access-control-allow-methods") == "POST");
  BOOST_TEST(asked.header("access-control-allow-headers").find("Authorization") !=
             std::string::npos);
}

// Sessions ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_session_makes_a_visitor_and_leaves_no_row) {
  const auto opened = session();
  BOOST_TEST_REQUIRE(opened.status == 201, opened.body);
  BOOST_TEST(opened.text("business_id") == ada.business);
  BOOST_TEST(opened["conversation_id"].is_null());
  BOOST_TEST(opened.header("cache-control") == "no-store");
  const auto another = session();
  BOOST_TEST(opened.text("visitor_id") != another.text("visitor_id"));
  BOOST_TEST(value("select count(*) from visitor") == "0");
  BOOST_TEST(value("select count(*) from contact") == "0");
}

BOOST_AUTO_TEST_CASE(an_earlier_token_keeps_the_visitor_and_slides_by_thirty_days) {
  auto who = visitor();
  for (int month = 0; month < 3; ++month) {
    clock.advance(29 * kDayMs);
    const auto again = session(R"({"token":")" + who.token + "\"}");
    BOOST_TEST(again.text("visitor_id") == who.id);
    who.token = again.text("token");
    BOOST_TEST(history(who).status == 200);
  }
  clock.advance(31 * kDayMs);
  BOOST_TEST(history(who).status == 401);
  const auto anew = session(R"({"token":")" + who.token + "\"}");
  BOOST_TEST(anew.status == 201);
  BOOST_TEST(anew.text("visitor_id") != who.id);
}

BOOST_AUTO_TEST_CASE(a_token_of_another_embed_counts_as_none) {
  const auto who = visitor(widget(ada, "shop.acme.com"));
  const auto here = session(R"({"token":")" + who.token + "\"}");
  BOOST_TEST(here.status == 201);
  BOOST_TEST(here.text("visitor_id") != who.id);
}

BOOST_AUTO_TEST_CASE(a_revoked_visitor_is_out_and_begins_anew) {
  const auto who = visitor();
  say(who, "hello");
  const auto business = *gateway::domain::BusinessId::parse(ada.business);
  const auto done =
      gateway::store::revoke_visitor(database.gateway, business, *gateway::Uuid::parse(who.id));
  BOOST_TEST_REQUIRE((done.has_value() && *done));
  BOOST_TEST(history(who).status == 401);
  BOOST_TEST(write(who, R"({"content":"still here"})").status == 401);
  const auto again = session(R"({"token":")" + who.token + R"(","name":"Eve"})");
  BOOST_TEST(again.status == 201);
  BOOST_TEST(again.text("visitor_id") != who.id);
  BOOST_TEST(again["conversation_id"].is_null());
}

BOOST_AUTO_TEST_CASE(owner_and_admins_revoke_the_visitor_of_a_conversation_and_agents_do_not) {
  const auto who = visitor();
  const auto path = "/api/v1/conversations/" + say(who, "hello").text("conversation_id");
  BOOST_TEST(call("POST", path + "/revoke-visitor", member(ada, Role::agent).token).status == 403);
  BOOST_TEST(call("POST", path + "/revoke-visitor", owner().token).status == 404);
  BOOST_TEST(history(who).status == 200);
  BOOST_TEST(call("POST", path + "/revoke-visitor", member(ada, Role::admin).token).status == 204);
  BOOST_TEST(history(who).status == 401);
  BOOST_TEST(write(who, R"({"content":"still here"})").status == 401);
  // Said again it is as it was, and the conversation stays.
  BOOST_TEST(call("POST", path + "/revoke-visitor", ada.token).status == 204);
  BOOST_TEST(call("GET", path, ada.token).status == 200);
}

BOOST_AUTO_TEST_CASE(a_platforms_contact_is_no_visitor_and_cannot_be_revoked) {
  const auto shop = owner("pro");
  const auto conversation = inbound_conversation(shop, telegram(shop));
  BOOST_TEST(call("POST", "/api/v1/conversations/" + conversation + "/revoke-visitor", shop.token)
                 .status == 404);
}

BOOST_AUTO_TEST_CASE(what_a_page_says_of_its_visitor_is_what_agents_read) {
  const auto opened = session(R"({"name":"Grace","email":"Grace@Navy.example"})");
  BOOST_TEST_REQUIRE(opened.status == 201, opened.body);
  const Visitor who{opened.text("visitor_id"), opened.text("token")};
  const auto conversation = say(who, "hello").text("conversation_id");
  const auto read = agent("GET", conversation);
  BOOST_TEST(read["customer"]["name"].text_or("") == "Grace");
  BOOST_TEST(read["customer"]["email"].text_or("") == "Grace@navy.example");
  // Said later, it changes.
  session(R"({"name":"Grace Hopper","token":")" + who.token + "\"}");
  BOOST_TEST(agent("GET", conversation)["customer"]["name"].text_or("") == "Grace Hopper");
  for (const char* wrong : {R"({"email":"nobody"})", R"({"name":""})", R"({"name":7})",
                            R"({"user_id":"u1"})", R"({"user_hash":"00"})", "[]"}) {
    BOOST_TEST(session(wrong).status == 422, wrong);
  }
}

// Identities -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_proven_person_is_the_same_visitor_on_every_device) {
  const auto key = secret();
  BOOST_TEST(key.size() == 64u);
  const auto phone = session(named("u-1", proof(key, "u-1")));
  BOOST_TEST_REQUIRE(phone.status == 201, phone.body);
  const Visitor who{phone.text("visitor_id"), phone.text("token")};
  const auto conversation = say(who, "hello").text("conversation_id");
  const auto desk = session(named("u-1", proof(key, "u-1")));
  BOOST_TEST(desk.text("visitor_id") == who.id);
  BOOST_TEST(desk.text("conversation_id") == conversation);
  BOOST_TEST(session(named("u-2", proof(key, "u-2"))).text("visitor_id") != who.id);
  const auto read = agent("GET", conversation);
  BOOST_TEST(read["customer"]["external_id"].text_or("") == "u-1");
  BOOST_TEST(read["customer"]["email"].text_or("") == "grace@navy.example");
}

BOOST_AUTO_TEST_CASE(whoever_cannot_prove_it_is_refused_and_nothing_is_written) {
  BOOST_TEST(session(named("u-1", proof("guess", "u-1"))).status == 403);  // no secret yet
  const auto old_key = secret();
  const auto key = secret();
  for (const std::string& hash : {proof("guess", "u-1"), proof(key, "u-2"), proof(old_key, "u-1"),
                                  std::string("00"), proof(key, "u-1") + "0"}) {
    const auto refused = session(named("u-1", hash));
    BOOST_TEST(refused.status == 401, hash);
    BOOST_TEST(refused["errors"].at(0)["field"].text_or("") == "user_hash");
  }
  BOOST_TEST(value("select count(*) from visitor") == "0");
  auto upper = proof(key, "u-1");
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
  BOOST_TEST(session(named("u-1", upper)).status == 201);
}

BOOST_AUTO_TEST_CASE(an_anonymous_visitor_becomes_a_new_person_and_never_somebody_else) {
  const auto key = secret();
  const auto who = visitor();
  const auto conversation = say(who, "hello").text("conversation_id");
  const auto first = session(named("u-1", proof(key, "u-1"), who.token));
  BOOST_TEST(first.text("visitor_id") == who.id);
  BOOST_TEST(first.text("conversation_id") == conversation);
  BOOST_TEST(agent("GET", conversation)["customer"]["external_id"].text_or("") == "u-1");
  // Another person logs in on the same machine.
  const auto second = session(named("u-2", proof(key, "u-2"), first.text("token")));
  BOOST_TEST(second.text("visitor_id") != who.id);
  BOOST_TEST(second["conversation_id"].is_null());
  BOOST_TEST(agent("GET", conversation)["customer"]["external_id"].text_or("") == "u-1");
}

BOOST_AUTO_TEST_CASE(sessions_of_one_person_at_once_are_one_visitor) {
  const auto key = secret();
  std::mutex mutex;
  std::set<std::string> seen;
  api_test::together(8, [&](int) {
    const auto opened = session(named("u-1", proof(key, "u-1")));
    const std::lock_guard lock(mutex);
    seen.insert(opened.text("visitor_id"));
  });
  BOOST_TEST(seen.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_person_who_writes_by_two_embeds_is_one_contact) {
  const auto chat = webchat("[]");
  const auto key = secret();
  const auto minted = call("POST", path("identity-secret", chat), ada.token);
  BOOST_TEST_REQUIRE(minted.status == 201, minted.body);
  const auto chat_key = minted.text("identity_secret");
  const auto here = session(named("u-1", proof(key, "u-1")));
  const auto there = session(named("u-1", proof(chat_key, "u-1")), chat);
  BOOST_TEST(here.text("visitor_id") != there.text("visitor_id"));
  say({here.text("visitor_id"), here.text("token")}, "by the widget");
  BOOST_TEST(
      call("POST", path("messages", chat), there.text("token"), R"({"content":"by the webchat"})")
          .status == 201);
  BOOST_TEST(value("select count(*) from contact") == "1");
  BOOST_TEST(value("select count(*) from conversation") == "2");
}

BOOST_AUTO_TEST_CASE(the_secret_is_the_owners_and_sealed_at_rest) {
  const auto path_of = [](const std::string& id) {
    return "/api/v1/widget/" + id + "/identity-secret";
  };
  const auto key = secret();
  BOOST_TEST(call("POST", path_of(acme), member(ada, Role::agent).token).status == 403);
  BOOST_TEST(call("POST", path_of(acme), owner("pro").token).status == 404);
  BOOST_TEST(call("POST", path_of(random_id()), ada.token).status == 404);
  BOOST_TEST(
      value("select position('" + key + "' in encode(sealed, 'escape')) from embed_secret") == "0");
}

// Writing ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_visitors_message_is_in_the_inbox_like_any_other) {
  const auto who = visitor();
  const auto wrote = write(who, R"({"content":"Hello <b>there</b>","client_id":"c-1"})");
  BOOST_TEST_REQUIRE(wrote.status == 201, wrote.body);
  BOOST_TEST(wrote.text("content") == "Hello <b>there</b>");
  BOOST_TEST(wrote.text("sender_type") == "customer");
  BOOST_TEST(wrote.text("client_id") == "c-1");
  BOOST_TEST(wrote.text("status") == "sent");
  const auto inbox = call("GET", "/api/v1/conversations/", ada.token);
  BOOST_TEST_REQUIRE(inbox.json().size() == 1u);
  const auto conversation = inbox.json().at(0);
  BOOST_TEST(conversation["id"].text_or("") == wrote.text("conversation_id"));
  BOOST_TEST(conversation["channel_type"].text_or("") == "widget");
  BOOST_TEST(conversation["status"].text_or("") == "open");
  BOOST_TEST(conversation["unread_count"].integer().value() == 1);
  BOOST_TEST(conversation["preview"].text_or("") == "Hello <b>there</b>");
  BOOST_TEST(conversation["customer"]["name"].text_or("") == "Visitor " + who.id.substr(0, 4));
  BOOST_TEST(conversation["csat"].is_null());
  const auto shown = agent("GET", wrote.text("conversation_id"));
  BOOST_TEST(shown["messages"].at(0)["id"].text_or("") == wrote.text("id"));
  // Live clients hear of it in the same transaction.
  BOOST_TEST(value("select count(*) from realtime_event where kind = 0 and message_id = '" +
                   wrote.text("id") + "'") == "1");
}

BOOST_AUTO_TEST_CASE(a_repeat_of_a_client_id_is_the_message_it_became) {
  const auto who = visitor();
  const auto first = write(who, R"({"content":"once","client_id":"c-1"})");
  const auto again = write(who, R"({"content":"once","client_id":"c-1"})");
  BOOST_TEST(again.status == 201);
  BOOST_TEST(again.body == first.body);
  // Without one each request is a message; another visitor's name is another's.
  say(who, "twice");
  say(who, "twice");
  const auto other = visitor();
  write(other, R"({"content":"once","client_id":"c-1"})");
  BOOST_TEST(value("select count(*) from message") == "4");
  // Also behind a new conversation.
  agent("PUT", first.text("conversation_id"), "/close");
  say(who, "more");
  BOOST_TEST(write(who, R"({"content":"once","client_id":"c-1"})").body == first.body);
}

BOOST_AUTO_TEST_CASE(repeats_at_once_are_one_message_in_one_conversation) {
  const auto who = visitor();
  std::atomic<int> created{0};
  api_test::together(8, [&](int i) {
    const auto body = R"({"content":"x","client_id":"c-)" + std::to_string(i / 2) + "\"}";
    if (write(who, body).status == 201) ++created;
  });
  BOOST_TEST(created == 8);
  BOOST_TEST(value("select count(*) from message") == "4");
  BOOST_TEST(value("select count(*) from conversation") == "1");
  BOOST_TEST(value("select message_count from conversation_head") == "4");
}

// Decision 20 of the contract: open and pending go on, resolved opens again, closed begins anew.
BOOST_AUTO_TEST_CASE(a_resolved_conversation_opens_again_and_a_closed_one_stays_closed) {
  const auto who = visitor();
  const auto first = say(who, "one").text("conversation_id");
  BOOST_TEST(say(who, "two").text("conversation_id") == first);
  agent("PUT", first, "/resolve");
  BOOST_TEST(say(who, "three").text("conversation_id") == first);
  BOOST_TEST(agent("GET", first).text("status") == "open");
  agent("PUT", first, "/close");
  BOOST_TEST(history(who)["conversation"]["status"].text_or("") == "closed");
  const auto second = say(who, "four").text("conversation_id");
  BOOST_TEST(second != first);
  BOOST_TEST(agent("GET", first).text("status") == "closed");
  BOOST_TEST((contents(history(who)) == std::vector<std::string>{"four"}));
  BOOST_TEST(value("select count(*) from contact") == "1");
}

BOOST_AUTO_TEST_CASE(what_is_no_message_is_refused_by_name) {
  const auto who = visitor();
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"{}", "content"},
      {R"({"content":"  \n "})", "content"},
      {R"({"content":7})", "content"},
      {"{\"content\":\"" + std::string((16u << 10) + 1, 'x') + "\"}", "content"},
      {R"({"content":"x","client_id":7})", "client_id"},
      {"{\"content\":\"x\",\"client_id\":\"" + std::string(129, 'x') + "\"}", "client_id"},
      {R"({"attachments":"x"})", "attachments"},
      {R"({"attachments":["https://evil.example/pixel.png"]})", "attachments.0"},
      {R"({"attachments":[{"id":")" + random_id() + "\"}]}", "attachments"},
      {"[]", "body"}};
  for (const auto& [body, field] : wrong) {
    const auto refused = write(who, body);
    BOOST_TEST(refused.status == 422, body.substr(0, 60));
    BOOST_TEST(refused["errors"].at(0)["field"].text_or("") == field, refused.body);
  }
  BOOST_TEST(value("select count(*) from visitor") == "0");
}

// Customers are never refused by a plan.
BOOST_AUTO_TEST_CASE(visitors_write_on_after_the_month_is_used_up) {
  value("insert into usage_counter (tenant_id, resource, used) values ('" + ada.business +
        "', 'messages:' || to_char(now() at time zone 'utc', 'YYYY-MM'), 100000) returning 1");
  const auto who = visitor();
  const auto conversation = say(who, "hello").text("conversation_id");
  BOOST_TEST(agent("POST", conversation, "/messages", R"({"content":"x"})").status == 429);
  say(who, "still there?");
}

// Files ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_file_is_uploaded_sent_and_seen_by_both_sides) {
  const auto who = visitor();
  const auto uploaded = upload(who, "p.png", kPng);
  BOOST_TEST_REQUIRE(uploaded.status == 201, uploaded.body);
  const std::string id(uploaded["attachments"].at(0)["id"].text_or(""));
  const auto wrote = write(who, R"({"attachments":[{"id":")" + id + "\"}]}");
  BOOST_TEST_REQUIRE(wrote.status == 201, wrote.body);
  const auto mine = wrote["attachments"].at(0);
  BOOST_TEST(mine["type"].text_or("") == "image");
  BOOST_TEST(mine["name"].text_or("") == "p.png");
  BOOST_TEST(mine["size"].integer().value() == static_cast<std::int64_t>(kPng.size()));
  BOOST_TEST(mine["state"].text_or("") == "ready");
  const std::string url(mine["url"].text_or(""));
  BOOST_TEST((call("GET", url.substr(std::string(api_test::kPublicUrl).size())).body == kPng));
  const auto seen = agent("GET", wrote.text("conversation_id"));
  const auto theirs = seen["messages"].at(0)["attachments"].at(0);
  BOOST_TEST(theirs["id"].text_or("") == id);
  BOOST_TEST(theirs["url"].text_or("") == url);
  // It stays as long as its message.
  value(
      "with aged as (update media set created_at = now() - interval '9 days', checked_at = now()"
      " - interval '9 days' returning 1) select count(*) from aged");
  value("select sweep_media(24, 24, 100)");
  BOOST_TEST(value("select count(*) from media") == "1");
  // By its address too, and in the conversation that there is now.
  const auto second = upload(who, "q.txt", "hello");
  const auto by_url =
      write(who, R"({"attachments":[")" + std::string(second["urls"].at(0).text_or("")) + "\"]}");
  BOOST_TEST(by_url.status == 201, by_url.body);
}

BOOST_AUTO_TEST_CASE(other_peoples_files_are_not_a_visitors_to_send) {
  const auto who = visitor();
  const auto eve = visitor();
  const auto conversation = say(who, "hello").text("conversation_id");
  const auto mine = upload(who, "secret.txt", "secret");
  const std::vector<sdk::FormPart> parts = {{"file", "agent.txt", "", "secret"}};
  const auto form = sdk::encode_multipart(parts);
  const auto agents = call("POST", "/api/v1/conversations/" + conversation + "/upload", ada.token,
                           form.body, {{"Content-Type", form.content_type}});
  BOOST_TEST_REQUIRE(agents.status == 201);
  for (const auto* uploaded : {&mine, &agents}) {
    const std::string id((*uploaded)["attachments"].at(0)["id"].text_or(""));
    const auto refused = write(eve, R"({"attachments":[{"id":")" + id + "\"}]}");
    BOOST_TEST(refused.status == 422);
    BOOST_TEST(refused.body.find("secret") == std::string::npos);
  }
  BOOST_TEST(value("select count(*) from message") == "1");
}

BOOST_AUTO_TEST_CASE(what_a_visitor_uploads_and_does_not_send_is_bounded_and_goes) {
  const auto who = visitor();
  const std::string large(24u << 20, 'x');
  BOOST_TEST(upload(who, "1.bin", large).status == 201);
  BOOST_TEST(upload(who, "2.bin", large).status == 201);
  BOOST_TEST(upload(who, "3.bin", large).status == 429);
  // Another visitor still may, and agents do not pay for it.
  BOOST_TEST(upload(visitor(), "a.txt", "a").status == 201);
  value(
      "with aged as (update media set created_at = now() - interval '25 hours' returning 1)"
      " select count(*) from aged");
  value("select sweep_media(24, 24, 100)");
  BOOST_TEST(value("select count(*) from media") == "0");
}

// Reading ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_visitor_sees_the_answers_and_nothing_that_is_for_agents) {
  const auto who = visitor();
  const auto conversation = say(who, "hello").text("conversation_id");
  answer(conversation, "How can I help?");
  const auto seen = history(who);
  BOOST_TEST_REQUIRE(seen.status == 200, seen.body);
  BOOST_TEST((contents(seen) == std::vector<std::string>{"hello", "How can I help?"}));
  BOOST_TEST(seen["messages"].at(1)["sender_type"].text_or("") == "agent");
  BOOST_TEST(seen["conversation"]["id"].text_or("") == conversation);
  BOOST_TEST(seen["conversation"]["unread"].integer().value() == 1);
  for (const std::string& hidden :
       {ada.id.text(), ada.email, "sender_id"s, "metadata"s, "assignee"s}) {
    BOOST_TEST(seen.body.find(hidden) == std::string::npos, hidden);
  }
  // A notice is for agents; what was taken back has no text any more.
  value(
      "with n as (update message set kind = 3 where content = 'hello' returning 1),"
      " d as (update message set deleted_at = now() where content like 'How%' returning 1)"
      " select 1");
  const auto later = history(who);
  BOOST_TEST((contents(later) == std::vector<std::string>{""}));
  BOOST_TEST(later["messages"].at(0)["deleted_at"].is_string());
}

BOOST_AUTO_TEST_CASE(agents_names_are_shown_where_the_embed_says_so_and_nowhere_else) {
  const auto bob = member(ada, Role::agent);
  const auto answered_by_bob = [&](const Visitor& who) {
    const auto conversation = say(who, "hello").text("conversation_id");
    const auto sent = call("POST", "/api/v1/conversations/" + conversation + "/messages", bob.token,
                           R"({"content":"Hi"})");
    BOOST_TEST_REQUIRE(sent.status == 201, sent.body);
  };
  const auto shown_to = [&](const Visitor& who, const std::string& embed) {
    const auto seen = call("GET", path("conversation", embed), who.token);
    BOOST_TEST_REQUIRE(seen.status == 200, seen.body);
    BOOST_TEST(seen["messages"].at(0)["sender_name"].text_or("-") == "-");
    return std::string(seen["messages"].at(1)["sender_name"].text_or("-"));
  };
  const auto update = [&](const std::string& config) {
    const auto done =
        call("PUT", "/api/v1/widget/update/" + acme, ada.token, "{\"config\":" + config + "}");
    BOOST_TEST_REQUIRE(done.status == 200, done.body);
  };
  const auto who = visitor();
  answered_by_bob(who);
  BOOST_TEST(shown_to(who, acme) == "-");
  update(R"({"show_agent_names":"true"})");
  BOOST_TEST(shown_to(who, acme) == "-");
  update(R"({"show_agent_names":true})");
  const auto name = value("select full_name from app_user where id = '" + bob.id.text() + "'");
  BOOST_TEST(shown_to(who, acme) == name);

  const auto chat = webchat("[]");
  const auto guest = visitor(chat);
  const auto wrote = call("POST", path("messages", chat), guest.token, R"({"content":"hello"})");
  BOOST_TEST_REQUIRE(wrote.status == 201, wrote.body);
  answer(wrote.text("conversation_id"), "Hi");
  BOOST_TEST(shown_to(guest, chat) == "-");
  const auto done =
      call("PUT", "/api/webchats/" + chat, ada.token, R"({"showSenderNameInWebchat":true})");
  BOOST_TEST_REQUIRE(done.status == 200, done.body);
  BOOST_TEST(shown_to(guest, chat) ==
             value("select full_name from app_user where id = '" + ada.id.text() + "'"));

  // Who no longer works there is nobody the business names.
  value("with d as (delete from membership where user_id = '" + bob.id.text() +
        "' returning 1) select 1");
  BOOST_TEST(shown_to(who, acme) == "-");
}

BOOST_AUTO_TEST_CASE(earlier_messages_come_by_link_and_by_a_messages_id) {
  const auto who = visitor();
  std::vector<std::string> said;
  for (int i = 0; i < 5; ++i) said.push_back(say(who, std::to_string(i)).text("id"));
  const auto newest = history(who, "?limit=2");
  BOOST_TEST((contents(newest) == std::vector<std::string>{"3", "4"}));
  const auto link = newest.header("link");
  const auto begin = link.find("/conversation?") + 13;
  const auto older = history(who, link.substr(begin, link.find('>') - begin));
  BOOST_TEST((contents(older) == std::vector<std::string>{"1", "2"}));
  BOOST_TEST(
      (contents(history(who, "?limit=2&before=" + said[3])) == std::vector<std::string>{"1", "2"}));
  BOOST_TEST(history(who, "?before=" + said[0]).body.find("\"messages\":[]") != std::string::npos);
  BOOST_TEST(history(who).header("link").empty());
  for (const std::string query : {"?limit=0", "?limit=x", "?before=x"}) {
    BOOST_TEST(history(who, query).status == 422, query);
  }
  BOOST_TEST(history(who, "?before=" + random_id()).status == 422);
}

BOOST_AUTO_TEST_CASE(reading_makes_answers_read_for_agents_too) {
  const auto who = visitor();
  const auto conversation = say(who, "hello").text("conversation_id");
  const auto first = answer(conversation, "one").text("id");
  const auto second = answer(conversation, "two").text("id");
  const auto statuses = [&] {
    std::vector<std::string> all;
    const auto shown = agent("GET", conversation);
    for (const auto message : shown["messages"].elements()) {
      all.emplace_back(message["status"].text_or("-"));
    }
    return all;
  };
  const auto read = [&](const std::string& body) {
    return call("POST", path("read"), who.token, body).status;
  };
  BOOST_TEST(read("{\"message_id\":\"" + first + "\"}") == 204);
  BOOST_TEST((statuses() == std::vector<std::string>{"-", "read", "sent"}));
  BOOST_TEST(history(who)["conversation"]["unread"].integer().value() == 1);
  BOOST_TEST(read("") == 204);
  BOOST_TEST(read("") == 204);
  BOOST_TEST((statuses() == std::vector<std::string>{"-", "read", "read"}));
  BOOST_TEST(history(who)["conversation"]["unread"].integer().value() == 0);
  // Live clients hear of each once.
  BOOST_TEST(value("select count(*) from realtime_event where kind = 3") == "2");
  BOOST_TEST(read(R"({"message_id":"x"})") == 422);
  answer(conversation, "three");
  BOOST_TEST(history(who)["conversation"]["unread"].integer().value() == 1);
  (void)second;
}

// Rating -----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_conversation_is_rated_once_it_is_resolved_or_closed) {
  const auto who = visitor();
  const auto rate = [&](const std::string& body) {
    return call("POST", path("csat"), who.token, body);
  };
  BOOST_TEST(rate(R"({"score":5})").status == 404);
  const auto conversation = say(who, "hello").text("conversation_id");
  BOOST_TEST(rate(R"({"score":5})").status == 409);
  agent("PUT", conversation, "/resolve");
  const auto rated = rate(R"({"score":4,"comment":"Quick,\nand kind"})");
  BOOST_TEST_REQUIRE(rated.status == 201, rated.body);
  BOOST_TEST(rated["score"].integer().value() == 4);
  const auto seen = agent("GET", conversation);
  BOOST_TEST(seen["csat"]["score"].integer().value() == 4);
  BOOST_TEST(seen["csat"]["comment"].text_or("") == "Quick,\nand kind");
  BOOST_TEST(seen["csat"]["at"].text_or("") == rated.text("at"));
  BOOST_TEST(history(who)["conversation"]["csat"]["score"].integer().value() == 4);
  agent("PUT", conversation, "/close");
  BOOST_TEST(rate(R"({"score":2})").status == 201);
  BOOST_TEST(agent("GET", conversation)["csat"]["score"].integer().value() == 2);
  BOOST_TEST(agent("GET", conversation)["csat"]["comment"].is_null());
  for (const char* wrong : {"{}", R"({"score":0})", R"({"score":6})", R"({"score":"5"})",
                            R"({"score":4.5})", R"({"score":5,"comment":7})"}) {
    BOOST_TEST(rate(wrong).status == 422, wrong);
  }
  BOOST_TEST(rate("{\"score\":5,\"comment\":\"" + std::string(2001, 'x') + "\"}").status == 422);
}

// Links ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_channel_without_a_known_address_gives_no_link_and_no_secret) {
  telegram(ada, "7123456789:AAHx-secret-1");
  const auto shown = call("GET", path("embed"));
  BOOST_TEST(shown["channels"].dump() == "[]");
  BOOST_TEST(shown.body.find("AAHx") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

// Throttles --------------------------------------------------------------------------------------

namespace {

struct BehindProxy : Fixture {
  BehindProxy() : Fixture(api_test::WorldOptions{.trusted_proxies = {"127.0.0.1"}}) {}
  Result from(const std::string& address, const std::string& body = {}) {
    return session(body, {}, {{"X-Forwarded-For", address}});
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(visitors_behind_a_proxy, BehindProxy)

BOOST_AUTO_TEST_CASE(an_address_makes_forty_visitors_at_once_and_old_ones_cost_nothing) {
  std::string token;
  for (int i = 0; i < 40; ++i) {
    const auto opened = from("192.0.2.1");
    BOOST_TEST_REQUIRE(opened.status == 201);
    token = opened.text("token");
  }
  const auto refused = from("192.0.2.1");
  BOOST_TEST(refused.status == 429);
  BOOST_TEST(refused.header("retry-after") == "3");
  BOOST_TEST(from("192.0.2.1", R"({"token":")" + token + "\"}").status == 201);
  BOOST_TEST(from("192.0.2.2").status == 201);
  clock.advance(3'000);
  BOOST_TEST(from("192.0.2.1").status == 201);
}

BOOST_AUTO_TEST_CASE(a_visitor_sends_thirty_things_at_once_wherever_they_come_from) {
  const auto who = visitor();
  int stored = 0;
  for (int i = 0; i < 60; ++i) {
    const auto wrote = call("POST", path("messages"), who.token, R"({"content":"x"})",
                            {{"X-Forwarded-For", "192.0.2." + std::to_string(i + 1)}});
    stored += wrote.status == 201 ? 1 : 0;
    if (wrote.status == 429) break;
  }
  // Ten a second come back while it runs.
  BOOST_TEST(stored >= 30);
  BOOST_TEST(stored < 60);
}

BOOST_AUTO_TEST_SUITE_END()
