#include <chrono>
#include <string>
#include <vector>

#include "tests/api/world.h"

namespace {

using api_test::Result;
using api_test::World;
using api_test::WorldOptions;

std::string registration(const std::string& email, const std::string& password = "supersecret123") {
  return R"({"email":")" + email + R"(","full_name":"Ada Lovelace","password":")" + password +
         "\"}";
}
std::string login(const std::string& email, const std::string& password = "supersecret123") {
  return R"({"email":")" + email + R"(","password":")" + password + "\"}";
}

bool names_field(const Result& result, std::string_view field) {
  for (const auto error : result["errors"].elements()) {
    if (error["field"].text() == field) return true;
  }
  return false;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(auth_api, World)

// The quickstart, steps 1 to 3, with its own values.
BOOST_AUTO_TEST_CASE(register_log_in_and_create_a_business_as_the_quickstart_does) {
  const auto registered =
      call("POST", "/api/v1/auth/register", "", registration("you@example.com"));
  BOOST_TEST_REQUIRE(registered.status == 201);
  BOOST_TEST(registered.text("token_type") == "bearer");

  const auto before = call("GET", "/api/v1/auth/me", registered.text("access_token"));
  BOOST_TEST(before.status == 200);
  BOOST_TEST(before["business"].is_null());
  BOOST_TEST(before["team_role"].is_null());
  BOOST_TEST(before["onboarding_complete"].boolean().value() == false);

  const auto logged_in = call("POST", "/api/v1/auth/login", "", login("you@example.com"));
  BOOST_TEST_REQUIRE(logged_in.status == 200);
  const auto token = logged_in.text("access_token");
  const auto created = call("POST", "/api/v1/auth/business/create", token, R"({
    "name": "Acme Support", "website": "https://acme.com", "industry": "E-commerce",
    "team_size": "1-10", "goal": "Improve customer response time"})");
  BOOST_TEST_REQUIRE(created.status == 201);
  BOOST_TEST(created["user"]["email"].text().value() == "you@example.com");
  BOOST_TEST(created["user"]["full_name"].text().value() == "Ada Lovelace");
  BOOST_TEST(created["user"]["is_verified"].boolean().value() == true);
  BOOST_TEST(created["user"]["is_google_account"].boolean().value() == false);
  BOOST_TEST(created["user"]["avatar_url"].is_null());
  BOOST_TEST(created["business"]["name"].text().value() == "Acme Support");
  BOOST_TEST(created["business"]["website"].text().value() == "https://acme.com");
  BOOST_TEST(created["business"]["industry"].text().value() == "E-commerce");
  BOOST_TEST(created["business"]["team_size"].text().value() == "1-10");
  BOOST_TEST(created["business"]["goal"].text().value() == "Improve customer response time");
  BOOST_TEST(created["onboarding_complete"].boolean().value() == true);
  BOOST_TEST(created.text("team_role") == "owner");

  // Both older tokens know the business at once.
  for (const auto& old : {token, registered.text("access_token")}) {
    const auto me = call("GET", "/api/v1/auth/me", old);
    BOOST_TEST(me.body == created.body);
  }
}

BOOST_AUTO_TEST_CASE(an_email_is_taken_whatever_its_case) {
  BOOST_TEST(call("POST", "/api/v1/auth/register", "", registration("Ada@Acme.test")).status ==
             201);
  const auto again = call("POST", "/api/v1/auth/register", "", registration("ada@ACME.test"));
  BOOST_TEST(again.status == 400);
  BOOST_TEST(again.text("detail") == "Email already registered");
  BOOST_TEST(call("POST", "/api/v1/auth/login", "", login("ADA@acme.TEST")).status == 200);
  BOOST_TEST(count("app_user") == 1);
}

BOOST_AUTO_TEST_CASE(one_of_many_registrations_of_one_email_at_once_succeeds) {
  std::atomic<int> created{0};
  std::atomic<int> taken{0};
  api_test::together(4, [&](int) {
    const auto status =
        call("POST", "/api/v1/auth/register", "", registration("race@acme.test")).status;
    if (status == 201) ++created;
    if (status == 400) ++taken;
  });
  BOOST_TEST(created == 1);
  BOOST_TEST(taken == 3);
}

BOOST_AUTO_TEST_CASE(wrong_fields_are_422_and_all_of_them_are_named) {
  const auto nothing = call("POST", "/api/v1/auth/register", "", "{}");
  BOOST_TEST(nothing.status == 422);
  for (const auto* field : {"email", "full_name", "password"}) {
    BOOST_TEST(names_field(nothing, field), field);
  }
  const auto wrong = call("POST", "/api/v1/auth/register", "",
                          R"({"email":"nobody","full_name":"","password":"short12"})");
  BOOST_TEST(wrong.status == 422);
  BOOST_TEST(wrong["errors"].size() == 3u);
  for (const std::string& body : std::vector<std::string>{
           "", "{", "[]", "\"x\"", "null", R"({"email":"a@b.test","email":"c@d.test"})"}) {
    BOOST_TEST(call("POST", "/api/v1/auth/login", "", body).status == 422, body);
  }
  BOOST_TEST(call("POST", "/api/v1/auth/login", "", R"({"email":"a@b.test"})").status == 422);
  const auto longest = call("POST", "/api/v1/auth/register", "",
                            registration("long@acme.test", std::string(1025, 'x')));
  BOOST_TEST(longest.status == 422);
}

BOOST_AUTO_TEST_CASE(a_wrong_password_and_an_unknown_user_answer_the_same) {
  call("POST", "/api/v1/auth/register", "", registration("ada@acme.test"));
  auto wrong = call("POST", "/api/v1/auth/login", "", login("ada@acme.test", "wrongsecret"));
  auto unknown = call("POST", "/api/v1/auth/login", "", login("eve@acme.test", "wrongsecret"));
  auto nonsense = call("POST", "/api/v1/auth/login", "", login("nobody", "x"));
  BOOST_TEST(wrong.status == 401);
  BOOST_TEST(unknown.status == 401);
  BOOST_TEST(nonsense.status == 401);
  BOOST_TEST(wrong.text("detail") == unknown.text("detail"));
  BOOST_TEST(wrong.text("detail") == nonsense.text("detail"));
}

BOOST_AUTO_TEST_CASE(a_stored_password_is_a_phc_string_and_nowhere_in_clear) {
  call("POST", "/api/v1/auth/register", "", registration("ada@acme.test", "canary-password-77"));
  BOOST_TEST(value("select password_hash from app_user").starts_with("$scrypt$ln=17,r=8,p=1$"));
  BOOST_TEST(value("select (app_user.*)::text from app_user").find("canary") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(after_ten_wrong_passwords_even_the_right_one_waits) {
  call("POST", "/api/v1/auth/register", "", registration("ada@acme.test"));
  for (int i = 0; i < 10; ++i) {
    BOOST_TEST(
        call("POST", "/api/v1/auth/login", "", login("ada@acme.test", "wrongsecret")).status ==
        401);
  }
  const auto refused = call("POST", "/api/v1/auth/login", "", login("Ada@acme.test"));
  BOOST_TEST(refused.status == 429);
  const int wait = std::stoi(refused.header("retry-after"));
  BOOST_TEST(wait > 0);
  BOOST_TEST(wait <= 60);
  clock.advance(60'000);
  BOOST_TEST(call("POST", "/api/v1/auth/login", "", login("ada@acme.test")).status == 200);
}

BOOST_AUTO_TEST_CASE(logging_out_ends_this_token_and_logging_out_everywhere_all) {
  auto ada = owner();
  const auto other = tokens->issue(ada.id, std::nullopt, 1);
  BOOST_TEST(call("POST", "/api/v1/auth/logout", ada.token).status == 200);
  BOOST_TEST(call("GET", "/api/v1/auth/me", ada.token).status == 401);
  BOOST_TEST(call("GET", "/api/v1/auth/me", other).status == 200);
  BOOST_TEST(call("POST", "/api/v1/auth/logout-all", other).status == 200);
  BOOST_TEST(call("GET", "/api/v1/auth/me", other).status == 401);
}

BOOST_AUTO_TEST_CASE(a_second_business_is_refused_also_of_two_at_once) {
  const auto ada = person();
  std::atomic<int> created{0};
  std::atomic<int> refused{0};
  api_test::together(6, [&](int) {
    const auto status =
        call("POST", "/api/v1/auth/business/create", ada.token, R"({"name":"Acme"})").status;
    if (status == 201) ++created;
    if (status == 400) ++refused;
  });
  BOOST_TEST(created == 1);
  BOOST_TEST(refused == 5);
  BOOST_TEST(count("business") == 1);
  BOOST_TEST(count("usage_counter where resource = 'channels' and used = 0") == 1);
}

BOOST_AUTO_TEST_CASE(a_business_needs_a_name_and_no_script_as_website) {
  const auto ada = person();
  const auto nameless = call("POST", "/api/v1/auth/business/create", ada.token, "{}");
  BOOST_TEST(nameless.status == 422);
  BOOST_TEST(names_field(nameless, "name"));
  for (const std::string& website :
       std::vector<std::string>{"javascript:alert(1)", "data:text/html,x", "ftp://acme.com"}) {
    const auto result = call("POST", "/api/v1/auth/business/create", ada.token,
                             R"({"name":"Acme","website":")" + website + "\"}");
    BOOST_TEST(result.status == 422, website);
  }
  const auto named = call("POST", "/api/v1/auth/business/create", ada.token,
                          R"({"name":"Acme","website":"acme.com","plan":"pro","id":"x",
                              "owner_id":"x","tenant_id":"x","created_at":"2000-01-01"})");
  BOOST_TEST(named.status == 201);
  BOOST_TEST(named["business"]["industry"].is_null());
  // Fields that are not asked for are never stored.
  BOOST_TEST(value("select plan from business") == "free");
  BOOST_TEST(value("select created_at > now() - interval '1 day' from business") == "t");
}

BOOST_AUTO_TEST_CASE(text_of_people_comes_back_escaped_for_html) {
  const auto ada = person();
  const auto made = call("POST", "/api/v1/auth/business/create", ada.token,
                         R"j({"name":"</script><script>alert(1)</script>"})j");
  BOOST_TEST(made.body.find('<') == std::string::npos);
  BOOST_TEST(made["business"]["name"].text().value() == "</script><script>alert(1)</script>");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(auth_limits)

BOOST_AUTO_TEST_CASE(an_address_behind_a_trusted_proxy_registers_as_often_as_it_may) {
  WorldOptions options;
  options.limits.registrations_per_hour = 2;
  options.trusted_proxies = {"127.0.0.1"};
  World world(options);
  const auto from = [&](const std::string& address, int number) {
    return world
        .call("POST", "/api/v1/auth/register", "",
              registration("n" + std::to_string(number) + "@acme.test"),
              {{"X-Forwarded-For", "203.0.113.9, " + address}})
        .status;
  };
  BOOST_TEST(from("198.51.100.1", 1) == 201);
  BOOST_TEST(from("198.51.100.1", 2) == 201);
  BOOST_TEST(from("198.51.100.1", 3) == 429);
  BOOST_TEST(from("198.51.100.2", 4) == 201);
}

BOOST_AUTO_TEST_CASE(an_untrusted_peer_cannot_change_its_address) {
  WorldOptions options;
  options.limits.registrations_per_hour_loopback = 1;
  World world(options);
  const auto from = [&](const std::string& address, int number) {
    return world
        .call(
            "POST", "/api/v1/auth/register", "",
            registration("n" + std::to_string(number) + "@acme.test"),
            {{"X-Forwarded-For", address}, {"Forwarded", "for=" + address}, {"X-Real-IP", address}})
        .status;
  };
  BOOST_TEST(from("198.51.100.1", 1) == 201);
  BOOST_TEST(from("198.51.100.2", 2) == 429);
}

BOOST_AUTO_TEST_CASE(more_logins_than_the_queue_holds_are_503_and_not_counted) {
  WorldOptions options;
  options.limits.failures_per_account = 1000;
  World world(options);
  std::atomic<int> wrong{0};
  std::atomic<int> busy{0};
  api_test::together(60, [&](int i) {
    const auto result =
        world.call("POST", "/api/v1/auth/login", "", login("n" + std::to_string(i) + "@acme.test"));
    if (result.status == 401) ++wrong;
    if (result.status == 503) {
      ++busy;
      if (result.header("retry-after").empty()) throw std::runtime_error("no Retry-After");
    }
  });
  BOOST_TEST(wrong + busy == 60);
  // Two run and sixteen wait; more finish while the sixty arrive.
  BOOST_TEST(wrong >= 18);
  BOOST_TEST(busy > 0);
}

BOOST_AUTO_TEST_SUITE_END()
