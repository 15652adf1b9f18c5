// Webchat configurations, by the page of PUT /api/webchats/{id} and its neighbours.
#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "connectors/sdk/multipart.h"
#include "tests/api/world.h"

namespace {

using api_test::Person;
using api_test::random_id;
using api_test::Result;
using api_test::World;
using gateway::store::Role;
using namespace std::string_literals;

const std::string kPng = "\x89PNG\r\n\x1a\n"s + std::string(2'000, 'p');

// The stored document of the page, less what cannot be set.
const std::string kFull = R"({
  "name": "Marketing site widget", "description": "Bottom-right widget on the marketing site",
  "starterMessage": "Hi! Looking for pricing?", "backgroundColor": "#FFFFFF",
  "primaryColor": "#1F2937", "secondaryColor": "#3B82F6", "promptId": "65b2a1c3d4e5f6a7b8c9d0e1",
  "allowedDomains": ["https://example.com"], "pipelineId": "66f0a0b0c0d0e0f0a0b0c0d0",
  "initialStage": "new", "isAutopilot": true, "isEnabled": true})";
constexpr const char* kRequired[] = {"name",           "backgroundColor", "primaryColor",
                                     "secondaryColor", "promptId",        "allowedDomains",
                                     "initialStage"};

struct Fixture : World {
  Person ada = owner("pro");

  Result create(const std::string& body = kFull) {
    return call("POST", "/api/webchats", ada.token, body);
  }
  std::string created() {
    const auto made = create();
    BOOST_TEST_REQUIRE(made.status == 201, made.body);
    return std::string(made["data"]["_id"].text_or(""));
  }
  Result get(const std::string& id, const std::string& token) {
    return call("GET", "/api/webchats/" + id, token);
  }
  Result put(const std::string& id, const std::string& body) {
    return call("PUT", "/api/webchats/" + id, ada.token, body);
  }
  Result upload(const std::string& name, const std::string& body, const std::string& token,
                const std::string& webchat = {}) {
    std::vector<sdk::FormPart> parts = {{"file", name, "", body}};
    if (!webchat.empty()) parts.push_back({"webchatConfigId", std::nullopt, "", webchat});
    const auto form = sdk::encode_multipart(parts);
    return call("POST", "/api/messages/upload-attachment", token, form.body,
                {{"Content-Type", form.content_type}});
  }
  std::string key_of(const Result& uploaded) {
    BOOST_TEST_REQUIRE(uploaded.status == 201, uploaded.body);
    return std::string(uploaded["attachment"]["storageKey"].text_or(""));
  }
  static std::string target(const std::string& url) {
    const std::string base = api_test::kPublicUrl;
    BOOST_TEST_REQUIRE(url.starts_with(base + "/api/v1/media/"), url);
    return url.substr(base.size());
  }
};

std::string without(const std::string& name) {
  return std::regex_replace(kFull, std::regex("\"" + name + "\""), "\"x-" + name + "\"");
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(webchats_api, Fixture)

BOOST_AUTO_TEST_CASE(a_webchat_is_answered_as_the_page_shows_it) {
  const auto made = create();
  BOOST_TEST_REQUIRE(made.status == 201, made.body);
  BOOST_TEST(made.text("message") == "Webchat configuration created");
  const auto data = made["data"];
  const auto text = [&](const char* name) { return std::string(data[name].text_or("-")); };
  BOOST_TEST(std::regex_match(text("_id"), std::regex("[0-9a-f]{24}")));
  BOOST_TEST(text("organizationId") == ada.business);
  BOOST_TEST(text("userId") == ada.id.text());
  BOOST_TEST(text("createdBy") == ada.id.text());
  BOOST_TEST(text("name") == "Marketing site widget");
  BOOST_TEST(text("description") == "Bottom-right widget on the marketing site");
  BOOST_TEST(text("starterMessage") == "Hi! Looking for pricing?");
  BOOST_TEST(text("backgroundColor") == "#FFFFFF");
  BOOST_TEST(text("primaryColor") == "#1F2937");
  BOOST_TEST(text("secondaryColor") == "#3B82F6");
  BOOST_TEST(data["icon"].is_null());
  BOOST_TEST(text("promptId") == "65b2a1c3d4e5f6a7b8c9d0e1");
  BOOST_TEST(data["allowedDomains"].dump() == R"(["https://example.com"])");
  BOOST_TEST(text("pipelineId") == "66f0a0b0c0d0e0f0a0b0c0d0");
  BOOST_TEST(text("initialStage") == "new");
  BOOST_TEST(data["isAutopilot"].boolean().value());
  BOOST_TEST(data["isEnabled"].boolean().value());
  BOOST_TEST(text("position") == "bottom-right");
  BOOST_TEST(data["offsetX"].integer().value() == 24);
  BOOST_TEST(data["offsetY"].integer().value() == 24);
  BOOST_TEST(data["zIndex"].integer().value() == 9999);
  BOOST_TEST(text("createdAt") == text("updatedAt"));

  const auto read = get(text("_id"), ada.token);
  BOOST_TEST(read.status == 200);
  BOOST_TEST(read["data"].dump() == data.dump());
  BOOST_TEST(!read["message"].exists());
  BOOST_TEST(get(text("_id"), member(ada, Role::agent).token).status == 200);
}

BOOST_AUTO_TEST_CASE(what_is_required_is_asked_for_by_name) {
  for (const std::string name : kRequired) {
    const auto result = create(without(name));
    BOOST_TEST(result.status == 400, name);
    BOOST_TEST(result["errors"].at(0)["field"].text_or("") == name);
  }
  BOOST_TEST(value("select count(*) from webchat") == "0");
  BOOST_TEST(value("select used from usage_counter where resource = 'channels'") == "0");
}

// The example request of the page.
BOOST_AUTO_TEST_CASE(an_update_changes_what_it_names_and_keeps_the_rest) {
  const auto id = created();
  clock.advance(10'000);
  const auto done = put(id, R"({"starterMessage": "Hi! Looking for help today?", "isEnabled": true,
    "allowedDomains": ["https://example.com", "https://help.example.com"]})");
  BOOST_TEST_REQUIRE(done.status == 200, done.body);
  BOOST_TEST(done.text("message") == "Webchat configuration updated");
  const auto data = done["data"];
  BOOST_TEST(data["starterMessage"].text_or("") == "Hi! Looking for help today?");
  BOOST_TEST(data["allowedDomains"].dump() ==
             R"(["https://example.com","https://help.example.com"])");
  BOOST_TEST(data["name"].text_or("") == "Marketing site widget");
  BOOST_TEST(data["isAutopilot"].boolean().value());
  BOOST_TEST(data["promptId"].text_or("") == "65b2a1c3d4e5f6a7b8c9d0e1");
}

BOOST_AUTO_TEST_CASE(every_field_of_the_page_can_be_set) {
  const auto id = created();
  for (const char* name :
       {"name", "description", "starterMessage", "statusText", "csatThankYouMessage", "promptId",
        "pipelineId", "pipelineStage", "initialStage"}) {
    const auto done = put(id, "{\""s + name + "\":\"Other words\"}");
    BOOST_TEST(done["data"][name].text_or("") == "Other words", name);
  }
  for (const char* name :
       {"backgroundColor", "primaryColor", "secondaryColor", "headerTextColor", "statusTextColor",
        "timestampColor", "csatBackgroundColor", "csatTextColor"}) {
    BOOST_TEST(put(id, "{\""s + name + "\":\"#0a0B0c\"}")["data"][name].text_or("") == "#0a0B0c",
               name);
    const auto wrong = put(id, "{\""s + name + "\":\"blue\"}");
    BOOST_TEST(wrong.status == 400, name);
    BOOST_TEST(wrong["errors"].at(0)["field"].text_or("") == name);
  }
  for (const char* name : {"isAutopilot", "isEnabled", "showSenderNameInWebchat"}) {
    BOOST_TEST(put(id, "{\""s + name + "\":true}")["data"][name].boolean().value(), name);
    BOOST_TEST(!put(id, "{\""s + name + "\":false}")["data"][name].boolean().value(), name);
    BOOST_TEST(put(id, "{\""s + name + "\":\"no\"}").status == 400, name);
  }
  // Answered, and not to be set.
  BOOST_TEST(put(id, R"({"position":"top","zIndex":1})")["data"]["zIndex"].integer().value() ==
             9999);
}

BOOST_AUTO_TEST_CASE(null_empties_what_may_be_empty_and_nothing_else) {
  const auto id = created();
  BOOST_TEST(put(id, R"({"description":null,"pipelineId":null})")["data"]["description"].is_null());
  BOOST_TEST(get(id, ada.token)["data"]["pipelineId"].is_null());
  for (const std::string name : kRequired) {
    BOOST_TEST(put(id, "{\"" + name + "\":null}").status == 400, name);
  }
}

BOOST_AUTO_TEST_CASE(domains_are_kept_as_browsers_write_them_and_nonsense_is_named) {
  const auto id = created();
  const auto done = put(id, R"({"allowedDomains":["https://Bücher.example/shop","*.Acme.com",
                                "acme.com:8443","http://[::1]:3000"]})");
  BOOST_TEST(
      done["data"]["allowedDomains"].dump() ==
      R"(["https://xn--bcher-kva.example","*.acme.com","acme.com:8443","http://[::1]:3000"])");
  for (const std::string domain : {"", "ftp://acme.com", "*", "*.com", "a b", "https://u@acme.com",
                                   "acme.com:", "acme.com:123456", "https://"}) {
    const auto wrong = put(id, "{\"allowedDomains\":[\"ok.example\",\"" + domain + "\"]}");
    BOOST_TEST(wrong.status == 400, domain);
    BOOST_TEST(wrong["errors"].at(0)["field"].text_or("") == "allowedDomains.1", domain);
  }
  BOOST_TEST(put(id, R"({"allowedDomains":"acme.com"})").status == 400);
  std::string many;
  for (int i = 0; i < 101; ++i) many += (i > 0 ? "," : "") + "\"h"s + std::to_string(i) + ".de\"";
  BOOST_TEST(put(id, "{\"allowedDomains\":[" + many + "]}").status == 400);
}

BOOST_AUTO_TEST_CASE(a_webchat_owns_a_channel_and_goes_with_it) {
  const auto id = created();
  const auto channels = call("GET", "/api/v1/channels/", ada.token);
  BOOST_TEST_REQUIRE(channels.json().size() == 1u);
  const auto channel = channels.json().at(0);
  BOOST_TEST(channel["type"].text_or("") == "webchat");
  BOOST_TEST(channel["registration"]["state"].text_or("") == "active");
  BOOST_TEST(value("select used from usage_counter where resource = 'channels'") == "1");

  const auto key = key_of(upload("i.png", kPng, ada.token));
  BOOST_TEST_REQUIRE(put(id, "{\"icon\":\"" + key + "\"}").status == 200);
  const auto path = "/api/v1/channels/" + std::string(channel["id"].text_or(""));
  BOOST_TEST(call("DELETE", path, ada.token).status == 200);
  BOOST_TEST(get(id, ada.token).status == 404);
  // The upload is still there, the configuration's own copy is not.
  BOOST_TEST(value("select count(*) from media") == "1");
}

// Free has the widget alone.
BOOST_AUTO_TEST_CASE(a_plan_without_webchats_answers_402_and_makes_nothing) {
  const auto poor = owner("free");
  const auto refused = call("POST", "/api/webchats", poor.token, kFull);
  BOOST_TEST(refused.status == 402);
  BOOST_TEST(refused.text("error") == "feature_locked");
  BOOST_TEST(refused.text("plan") == "Free");
  BOOST_TEST(value("select count(*) from webchat") == "0");
}

BOOST_AUTO_TEST_CASE(webchats_made_at_once_never_pass_the_plans_number_of_channels) {
  const auto mini = owner("mini");
  std::atomic<int> made{0};
  std::atomic<int> refused{0};
  api_test::together(8, [&](int) {
    const auto result = call("POST", "/api/webchats", mini.token, kFull);
    if (result.status == 201) ++made;
    if (result.status == 402 && result.text("error") == "limit_exceeded") ++refused;
  });
  BOOST_TEST(made == 3);
  BOOST_TEST(refused == 5);
  BOOST_TEST(value("select count(*) from webchat") == "3");
}

BOOST_AUTO_TEST_CASE(only_the_owner_writes_and_other_businesses_see_nothing) {
  const auto id = created();
  const auto agent = member(ada, Role::agent);
  BOOST_TEST(call("PUT", "/api/webchats/" + id, agent.token, "{}").status == 403);
  BOOST_TEST(call("POST", "/api/webchats", agent.token, kFull).status == 403);
  const auto eve = owner("pro");
  BOOST_TEST(get(id, eve.token).status == 404);
  BOOST_TEST(call("PUT", "/api/webchats/" + id, eve.token, "{}").status == 404);
  for (const std::string& other :
       {std::string("67d3a0b0c0d0e0f0a0b0c0d0"), random_id(), std::string("x")}) {
    BOOST_TEST(get(other, ada.token).status == 404, other);
  }
}

// Icons ------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_icon_is_a_copy_served_by_an_address_that_expires) {
  const auto id = created();
  const auto uploaded = upload("logo.png", kPng, ada.token);
  BOOST_TEST(uploaded["success"].boolean().value());
  BOOST_TEST(uploaded["attachment"]["filename"].text_or("") == "logo.png");
  BOOST_TEST(uploaded["attachment"]["contentType"].text_or("") == "image/png");
  BOOST_TEST(uploaded["attachment"]["size"].integer().value() ==
             static_cast<std::int64_t>(kPng.size()));
  const auto done = put(id, "{\"icon\":\"" + key_of(uploaded) + "\"}");
  BOOST_TEST_REQUIRE(done.status == 200, done.body);
  const std::string url(done["data"]["icon"].text_or(""));
  BOOST_TEST((call("GET", target(url)).body == kPng));

  // The address that was answered, sent back, keeps it.
  BOOST_TEST(put(id, "{\"icon\":\"" + url + "\"}")["data"]["icon"].text_or("") == url);
  clock.advance(8LL * 24 * 3600'000);
  BOOST_TEST(call("GET", target(url)).status == 404);
  const auto again = call("GET", "/api/webchats/" + id, tokens->issue(ada.id, std::nullopt, 1));
  BOOST_TEST(again["data"]["icon"].text_or("") != url);
  BOOST_TEST(call("GET", target(std::string(again["data"]["icon"].text_or("")))).status == 200);
}

BOOST_AUTO_TEST_CASE(an_icon_outlives_the_sweep_of_uploads_and_no_longer_than_it_is_named) {
  const auto id = created();
  const auto key = key_of(upload("logo.png", kPng, ada.token));
  put(id, "{\"icon\":\"" + key + "\"}");
  const auto age = [this] {
    value(
        "with aged as (update media set created_at = now() - interval '9 days', checked_at ="
        " now() - interval '9 days' returning 1) select count(*) from aged");
    value("select sweep_media(24, 24, 100)");
  };
  age();
  BOOST_TEST(value("select count(*) from media") == "1");
  BOOST_TEST(get(id, ada.token)["data"]["icon"].is_string());
  for (const char* nothing : {"\"\"", "null"}) {
    const auto other = key_of(upload("logo.png", kPng, ada.token));
    put(id, "{\"icon\":\"" + other + "\"}");
    BOOST_TEST(put(id, "{\"icon\":"s + nothing + "}")["data"]["icon"].is_null());
    age();
    BOOST_TEST(value("select count(*) from media") == "0");
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_picture_of_this_business_is_no_icon) {
  const auto id = created();
  const auto eve = owner("pro");
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"someone else's", key_of(upload("e.png", kPng, eve.token))},
      {"nobody's", random_id()},
      {"no picture", key_of(upload("a.txt", "hello", ada.token))},
      {"script", key_of(upload("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", ada.token))},
      {"too large", key_of(upload("l.png", kPng + std::string(1u << 20, 'x'), ada.token))},
      {"elsewhere", "https://r2.example.com/icon.png"},
      {"nonsense", "icon.png"}};
  for (const auto& [what, icon] : wrong) {
    const auto result = put(id, "{\"icon\":\"" + icon + "\"}");
    BOOST_TEST(result.status == 400, what);
    BOOST_TEST(result["errors"].at(0)["field"].text_or("") == "icon", what);
  }
  BOOST_TEST(put(id, R"({"icon":7})").status == 400);
}

// Uploads ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_page_uploads_without_a_token_for_a_webchat_that_takes_visitors) {
  const auto id = created();
  BOOST_TEST(upload("a.txt", "hello", "", id).status == 201);
  BOOST_TEST(upload("a.txt", "hello", "").status == 422);
  BOOST_TEST(upload("a.txt", "hello", "", "67d3a0b0c0d0e0f0a0b0c0d0").status == 404);
  BOOST_TEST(upload("a.txt", "hello", "", widget(ada)).status == 404);
  BOOST_TEST(upload("a.txt", "hello", "x", id).status == 401);
  put(id, R"({"isEnabled":false})");
  BOOST_TEST(upload("a.txt", "hello", "", id).status == 404);
  BOOST_TEST(value("select count(*) from media where embed_id = '" + id + "'") == "1");
}

BOOST_AUTO_TEST_CASE(without_a_token_an_upload_is_smaller_and_there_are_fewer) {
  World slow(api_test::WorldOptions{.trusted_proxies = {"127.0.0.1"}});
  const auto bob = slow.owner("pro");
  const auto made = slow.call("POST", "/api/webchats", bob.token, kFull);
  const std::string id(made["data"]["_id"].text_or(""));
  const auto send = [&](std::size_t bytes, const std::string& token) {
    const std::string file(bytes, 'x');
    const std::vector<sdk::FormPart> parts = {{"file", "a.bin", "", file},
                                              {"webchatConfigId", std::nullopt, "", id}};
    const auto form = sdk::encode_multipart(parts);
    return slow
        .call("POST", "/api/messages/upload-attachment", token, form.body,
              {{"Content-Type", form.content_type}, {"X-Forwarded-For", "192.0.2.7"}})
        .status;
  };
  BOOST_TEST(send(5u << 20, "") == 413);
  BOOST_TEST(send(5u << 20, bob.token) == 201);
  int large = 0;
  for (int i = 0; i < 12; ++i) large += send(300u << 10, "") == 201 ? 1 : 0;
  // One of ten went to the refusal above.
  BOOST_TEST(large == 9);
}

BOOST_AUTO_TEST_SUITE_END()
