#include <string>
#include <vector>

#include "tests/api/world.h"

namespace {

using api_test::random_id;
using api_test::World;
using gateway::store::Role;

constexpr const char* kCreate = "/api/v1/widget/create";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(widget_api, World)

// The example of the documented page, with its own values.
BOOST_AUTO_TEST_CASE(a_widget_is_created_with_what_was_sent) {
  const auto ada = owner("free");
  const auto made = call("POST", kCreate, ada.token, R"({
    "domain": "acme.com", "name": "Acme Support", "welcome_heading": "Welcome to Acme!",
    "welcome_tagline": "How can we help you today?", "primary_color": "#E63946",
    "show_online_badge": true})");
  BOOST_TEST_REQUIRE(made.status == 201);
  BOOST_TEST(made.text("business_id") == ada.business);
  BOOST_TEST(made.text("name") == "Acme Support");
  BOOST_TEST(made.text("domain") == "acme.com");
  BOOST_TEST(made.text("welcome_heading") == "Welcome to Acme!");
  BOOST_TEST(made.text("welcome_tagline") == "How can we help you today?");
  BOOST_TEST(made.text("primary_color") == "#E63946");
  BOOST_TEST(made["show_online_badge"].boolean().value());
  BOOST_TEST(made["logo_url"].is_null());
  BOOST_TEST(made["config"].dump() == "{}");
  BOOST_TEST(made.text("created_at") == made.text("updated_at"));
}

BOOST_AUTO_TEST_CASE(what_is_left_out_has_the_documented_default) {
  const auto made = call("POST", kCreate, owner().token, R"({"domain":"acme.com"})");
  BOOST_TEST_REQUIRE(made.status == 201);
  BOOST_TEST(made.text("name") == "PingBack Support");
  BOOST_TEST(made.text("welcome_heading") == "Hi there!");
  BOOST_TEST(made.text("welcome_tagline") ==
             "We make it simple to connect with us. Ask us anything, or share your feedback.");
  BOOST_TEST(made.text("primary_color") == "#7650FF");
  BOOST_TEST(made["show_online_badge"].boolean().value());
}

BOOST_AUTO_TEST_CASE(a_domain_has_one_widget_in_whatever_form_it_is_written) {
  const auto ada = owner();
  BOOST_TEST(call("POST", kCreate, ada.token, R"({"domain":"https://Bücher.example:8443/"})")
                 .text("domain") == "xn--bcher-kva.example");
  for (const std::string& domain :
       std::vector<std::string>{"bücher.example", "XN--BCHER-KVA.example", "bücher.example."}) {
    const auto again = call("POST", kCreate, ada.token, R"({"domain":")" + domain + "\"}");
    BOOST_TEST(again.status == 400, domain);
    BOOST_TEST(again.text("detail") == "A widget for this domain already exists");
  }
  BOOST_TEST(call("POST", kCreate, ada.token, R"({"domain":"www.acme.com"})").status == 201);
  BOOST_TEST(call("POST", kCreate, ada.token, R"({"domain":"acme.com"})").status == 201);
  // Another business may have a widget for the same domain.
  BOOST_TEST(call("POST", kCreate, owner().token, R"({"domain":"acme.com"})").status == 201);
}

BOOST_AUTO_TEST_CASE(the_first_widget_makes_the_one_widget_channel) {
  const auto ada = owner("free");
  const auto first = widget(ada, "acme.com");
  widget(ada, "shop.acme.com");
  const auto channels = call("GET", "/api/v1/channels/", ada.token);
  BOOST_TEST_REQUIRE(channels.json().size() == 1u);
  BOOST_TEST(channels.json().at(0)["type"].text().value() == "widget");
  BOOST_TEST(channels.json().at(0)["config"]["widget_id"].text().value() == first);
  BOOST_TEST(channels.json().at(0)["registration"]["state"].text().value() == "active");
  BOOST_TEST(value("select used from usage_counter where resource = 'channels'") == "1");
}

BOOST_AUTO_TEST_CASE(widgets_made_at_once_share_one_channel_and_no_limit_refuses_them) {
  const auto ada = owner("free");
  std::atomic<int> created{0};
  api_test::together(8, [&](int i) {
    const auto body = R"({"domain":"s)" + std::to_string(i) + ".acme.com\"}";
    if (call("POST", kCreate, ada.token, body).status == 201) ++created;
  });
  BOOST_TEST(created == 8);
  BOOST_TEST(count("channel") == 1);
  BOOST_TEST(value("select used from usage_counter where resource = 'channels'") == "1");
}

BOOST_AUTO_TEST_CASE(a_widget_is_public_and_readable_from_every_origin) {
  const auto ada = owner();
  const auto id = widget(ada);
  const auto read =
      call("GET", "/api/v1/widget/" + id, "", "", {{"Origin", "https://shop.example"}});
  BOOST_TEST(read.status == 200);
  BOOST_TEST(read.text("id") == id);
  BOOST_TEST(read.header("access-control-allow-origin") == "*");
  BOOST_TEST(read.header("access-control-allow-credentials").empty());
  for (const std::string& other :
       std::vector<std::string>{random_id(), std::string("7"), std::string("x' or 1=1")}) {
    std::string target = "/api/v1/widget/";
    for (const char c : other) target += c == ' ' ? std::string("%20") : std::string(1, c);
    BOOST_TEST(call("GET", target).status == 404, other);
  }
}

BOOST_AUTO_TEST_CASE(the_public_list_shows_active_channels_and_no_configuration) {
  const auto ada = owner();
  const auto id = widget(ada);
  const auto telegram_id = telegram(ada, "7123456789:canary-secret-token");
  const auto off = telegram(ada, "7123456780:another-secret");
  call("PATCH", "/api/v1/channels/" + off, ada.token, R"({"is_active":false})");
  const auto list = call("GET", "/api/v1/widget/" + id + "/channels", "");
  BOOST_TEST(list.status == 200);
  BOOST_TEST_REQUIRE(list.json().size() == 2u);
  BOOST_TEST(list.json().at(0)["type"].text().value() == "widget");
  BOOST_TEST(list.json().at(1)["id"].text().value() == telegram_id);
  for (const auto channel : list.json().elements()) BOOST_TEST(channel["config"].dump() == "{}");
  BOOST_TEST(list.header("access-control-allow-origin") == "*");
  BOOST_TEST(call("GET", "/api/v1/widget/" + random_id() + "/channels").status == 404);
}

BOOST_AUTO_TEST_CASE(an_update_changes_what_it_names_and_nothing_else) {
  const auto ada = owner();
  const auto created = call("POST", kCreate, ada.token,
                            R"({"domain":"acme.com","logo_url":"https://acme.com/l.png",
                                "config":{"a":1}})");
  const auto target = "/api/v1/widget/update/" + created.text("id");
  const auto updated =
      call("PUT", target, ada.token, R"({"primary_color":"#2B9348","show_online_badge":false})");
  BOOST_TEST_REQUIRE(updated.status == 200);
  BOOST_TEST(updated.text("primary_color") == "#2B9348");
  BOOST_TEST(!updated["show_online_badge"].boolean().value());
  for (const auto* field :
       {"id", "name", "domain", "welcome_heading", "welcome_tagline", "logo_url", "created_at"}) {
    BOOST_TEST(updated.text(field) == created.text(field), field);
  }
  BOOST_TEST(updated["config"].dump() == R"({"a":1})");
  BOOST_TEST(call("PUT", target, ada.token, R"({"logo_url":null})")["logo_url"].is_null());
  BOOST_TEST(call("PUT", target, ada.token, "{}").status == 200);
  widget(ada, "other.com");
  BOOST_TEST(call("PUT", target, ada.token, R"({"domain":"OTHER.com"})").status == 400);
  BOOST_TEST(call("PUT", target, ada.token, R"({"domain":"acme.com"})").status == 200);
}

BOOST_AUTO_TEST_CASE(only_the_owner_of_its_business_updates_a_widget) {
  const auto ada = owner();
  const auto id = widget(ada);
  const auto body = R"({"name":"Mine"})";
  const auto target = "/api/v1/widget/update/" + id;
  BOOST_TEST(call("PUT", target, member(ada, Role::admin).token, body).status == 403);
  BOOST_TEST(call("PUT", target, member(ada, Role::agent).token, body).status == 403);
  BOOST_TEST(call("PUT", target, owner().token, body).status == 403);
  BOOST_TEST(call("PUT", target, person().token, body).status == 400);
  BOOST_TEST(call("PUT", "/api/v1/widget/update/" + random_id(), ada.token, body).status == 404);
  BOOST_TEST(call("PUT", target, "", body).status == 401);
  BOOST_TEST(call("GET", "/api/v1/widget/" + id).text("name") == "PingBack Support");
  BOOST_TEST(
      call("POST", kCreate, member(ada, Role::agent).token, R"({"domain":"x.com"})").status == 403);
}

BOOST_AUTO_TEST_CASE(without_a_business_there_is_no_organization) {
  const auto result = call("POST", kCreate, person().token, R"({"domain":"acme.com"})");
  BOOST_TEST(result.status == 400);
  BOOST_TEST(result.text("detail").starts_with("Organization not found"));
}

BOOST_AUTO_TEST_CASE(wrong_values_are_400_and_named) {
  const auto ada = owner();
  std::string deep;
  for (int i = 0; i < 9; ++i) deep += R"({"a":)";
  deep += "1" + std::string(9, '}');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({})", "domain"},
      {R"({"domain":null})", "domain"},
      {R"({"domain":""})", "domain"},
      {R"({"domain":"not a host"})", "domain"},
      {R"({"domain":7})", "domain"},
      {R"({"domain":"a.com","primary_color":"red"})", "primary_color"},
      {R"({"domain":"a.com","primary_color":"#12345"})", "primary_color"},
      {R"({"domain":"a.com","primary_color":"#1234567"})", "primary_color"},
      {R"({"domain":"a.com","primary_color":"#GGGGGG"})", "primary_color"},
      {R"({"domain":"a.com","primary_color":"#7650FF;}"})", "primary_color"},
      {R"({"domain":"a.com","logo_url":"http://acme.com/l.png"})", "logo_url"},
      {R"j({"domain":"a.com","logo_url":"javascript:alert(1)"})j", "logo_url"},
      {R"({"domain":"a.com","show_online_badge":"yes"})", "show_online_badge"},
      {R"({"domain":"a.com","name":""})", "name"},
      {R"({"domain":"a.com","name":"a\u0007b"})", "name"},
      {R"({"domain":"a.com","config":[]})", "config"},
      {R"({"domain":"a.com","config":)" + deep + "}", "config"},
      {R"({"domain":"a.com","config":{"a":")" + std::string(17 << 10, 'x') + "\"}}", "config"},
      {R"(no json)", "body"},
  };
  for (const auto& [body, field] : cases) {
    const auto result = call("POST", kCreate, ada.token, body);
    BOOST_TEST(result.status == 400, body);
    BOOST_TEST(result["errors"].at(0)["field"].text_or("") == field, body);
  }
  BOOST_TEST(count("widget") == 0);
  BOOST_TEST(
      call("POST", kCreate, ada.token, R"({"domain":"a.com","primary_color":"#fff"})").status ==
      201);
}

BOOST_AUTO_TEST_SUITE_END()
