// The five steps of the quickstart, word for word as a newcomer sends them.
#include <boost/test/unit_test.hpp>
#include <regex>
#include <string>

#include "tests/e2e/gateway.h"

using namespace e2e;

namespace {

bool is_uuid(std::string_view text) {
  static const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  return std::regex_match(text.begin(), text.end(), form);
}
bool is_time(std::string_view text) {
  static const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)");
  return std::regex_match(text.begin(), text.end(), form);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quickstart)

BOOST_AUTO_TEST_CASE(every_step_answers_what_the_page_shows) {
  Gateway& gateway = Gateway::instance();
  const Answer registered = gateway.call("POST", "/api/v1/auth/register", {}, R"({
    "email": "you@example.com", "full_name": "Ada Lovelace", "password": "supersecret123"})");
  BOOST_TEST(registered.status == 201);
  BOOST_TEST(registered.json()["token_type"].text_or("") == "bearer");
  BOOST_TEST(registered.json()["access_token"].text_or("").substr(0, 2) == "ey");

  const Answer login = gateway.call("POST", "/api/v1/auth/login", {},
                                    R"({"email":"you@example.com","password":"supersecret123"})");
  BOOST_TEST(login.status == 200);
  BOOST_TEST(login.json()["token_type"].text_or("") == "bearer");
  const std::string token(login.json()["access_token"].text_or(""));

  const Answer created = gateway.call("POST", "/api/v1/auth/business/create", token, R"({
    "name": "Acme Support", "website": "https://acme.com", "industry": "E-commerce",
    "team_size": "1-10", "goal": "Improve customer response time"})");
  BOOST_TEST(created.status == 201);
  const auto user = created.json()["user"];
  BOOST_TEST(is_uuid(user["id"].text_or("")));
  BOOST_TEST(user["email"].text_or("") == "you@example.com");
  BOOST_TEST(user["full_name"].text_or("") == "Ada Lovelace");
  BOOST_TEST(user["is_verified"].boolean().value() == true);
  BOOST_TEST(user["is_google_account"].boolean().value() == false);
  BOOST_TEST(user["avatar_url"].is_null());
  const auto business = created.json()["business"];
  BOOST_TEST(is_uuid(business["id"].text_or("")));
  BOOST_TEST(business["name"].text_or("") == "Acme Support");
  BOOST_TEST(business["website"].text_or("") == "https://acme.com");
  BOOST_TEST(business["industry"].text_or("") == "E-commerce");
  BOOST_TEST(business["team_size"].text_or("") == "1-10");
  BOOST_TEST(business["goal"].text_or("") == "Improve customer response time");
  BOOST_TEST(is_time(business["created_at"].text_or("")));
  BOOST_TEST(created.json()["onboarding_complete"].boolean().value() == true);
  BOOST_TEST(created.json()["team_role"].text_or("") == "owner");
  const std::string business_id(business["id"].text_or(""));

  const Answer widget = gateway.call("POST", "/api/v1/widget/create", token, R"({
    "domain": "acme.com", "name": "Acme Support", "welcome_heading": "Hi there!",
    "welcome_tagline": "Ask us anything — we usually reply in minutes.",
    "primary_color": "#7650FF"})");
  BOOST_TEST(widget.status == 201);
  BOOST_TEST(widget.json()["business_id"].text_or("") == business_id);
  BOOST_TEST(widget.json()["domain"].text_or("") == "acme.com");

  const Answer conversation =
      gateway.call("POST", "/api/v1/conversations/", token,
                   R"({"business_id":")" + business_id +
                       R"(","initial_message":"Hello, I need help with my order."})");
  BOOST_TEST(conversation.status == 201);
  BOOST_TEST(is_uuid(conversation.json()["id"].text_or("")));
  BOOST_TEST(conversation.json()["business_id"].text_or("") == business_id);
  BOOST_TEST(conversation.json()["status"].text_or("") == "open");
  BOOST_TEST(conversation.json()["channel_type"].text_or("") == "widget");
  BOOST_TEST(is_time(conversation.json()["created_at"].text_or("")));
  BOOST_REQUIRE(conversation.json()["messages"].size() == 1u);
  const auto message = conversation.json()["messages"].at(0);
  BOOST_TEST(is_uuid(message["id"].text_or("")));
  BOOST_TEST(message["sender_type"].text_or("") == "agent");
  BOOST_TEST(message["content"].text_or("") == "Hello, I need help with my order.");
  BOOST_TEST(message["attachments"].is_array());
  BOOST_TEST(message["attachments"].size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
