#include <string>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "tests/api/world.h"

namespace {

using api_test::random_id;
using api_test::World;
using gateway::domain::RegistrationState;
using gateway::store::Role;

constexpr const char* kChannels = "/api/v1/channels/";
constexpr const char* kBotToken = "7123456789:AAHxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

std::string telegram_body(const std::string& token = kBotToken, const std::string& more = "") {
  return R"({"type":"telegram","config":{"bot_token":")" + token + "\"}" + more + "}";
}
constexpr const char* kWhatsapp = R"({"type":"whatsapp","config":{
    "phone_number_id":"106540352242922","access_token":"EAAG-long-lived-token-1234",
    "verify_token":"my-verify-token"}})";

struct Fixture : World {
  using World::World;

  // A manual registration, as a Meta channel's: instructions appear in the row.
  void register_manually() {
    outbound.behave = [this](auto, gateway::domain::ChannelId channel, auto done) {
      const auto business = gateway::Uuid::parse(
          value("select tenant_id from channel where id = '" + channel.text() + "'"));
      const auto sealed = vault().seal(
          database.gateway, gateway::domain::BusinessId(*business),
          gateway::store::kChannelInstructions, channel.get(),
          "{\"callback_url\":\"https://hooks.backchannel.test/api/v1/webhooks/whatsapp/" +
              channel.text() +
              "/k3y\",\"verify_token\":\"my-verify-token\",\"next\":\"Switch the webhook on.\"}");
      BOOST_REQUIRE(sealed.has_value());
      value(
          "update channel set registration_state = 3, registration_checked_at = now(),"
          " instructions_sealed = decode('" +
          sdk::hex(sealed->value) + "', 'hex') where id = '" + channel.text() + "' returning 1");
      done({RegistrationState::manual, false, ""});
    };
  }
  void register_as(RegistrationState state, bool refused, const std::string& message) {
    outbound.behave = [this, state, refused, message](auto, gateway::domain::ChannelId channel,
                                                      auto done) {
      if (!refused) {
        value("update channel set registration_state = " + std::to_string(static_cast<int>(state)) +
              ", registration_error = nullif('" + message + "', '') where id = '" + channel.text() +
              "' returning 1");
      }
      done({state, refused, message});
    };
  }
  std::string used() { return value("select used from usage_counter where resource = 'channels'"); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(channels_api, Fixture)

// The example of the documented page, with its own values.
BOOST_AUTO_TEST_CASE(a_telegram_channel_is_created_registered_and_echoed) {
  register_as(RegistrationState::active, false, "");
  const auto ada = owner();
  const auto made =
      call("POST", kChannels, ada.token, telegram_body(kBotToken, ",\"is_active\":true"));
  BOOST_TEST_REQUIRE(made.status == 201);
  BOOST_TEST(made.text("business_id") == ada.business);
  BOOST_TEST(made.text("type") == "telegram");
  BOOST_TEST(made["config"]["bot_token"].text().value() == kBotToken);
  BOOST_TEST(made["is_active"].boolean().value());
  BOOST_TEST(made["registration"]["state"].text().value() == "active");
  BOOST_TEST(outbound.registrations == 1);
  BOOST_TEST(used() == "1");
}

BOOST_AUTO_TEST_CASE(reads_show_masks_and_the_whole_token_is_nowhere_in_the_database) {
  const auto ada = owner();
  const auto id = telegram(ada, kBotToken);
  const auto read = call("GET", kChannels + id, ada.token);
  BOOST_TEST(read.status == 200);
  BOOST_TEST(read["config"]["bot_token"].text().value() == "****xxxx");
  const auto list = call("GET", "/api/v1/channels", ada.token);
  BOOST_TEST(list.body == "[" + read.body + "]");
  BOOST_TEST(value("select position('AAHxxxx' in encode(config_sealed, 'escape')) from channel") ==
             "0");
  // An agent sees masks even where the owner sees secrets.
  value("update business set expose_channel_secrets = true returning 1");
  BOOST_TEST(call("GET", kChannels + id, ada.token)["config"]["bot_token"].text().value() ==
             kBotToken);
  BOOST_TEST(call("GET", kChannels + id, member(ada, Role::agent).token)["config"]["bot_token"]
                 .text()
                 .value() == "****xxxx");
}

BOOST_AUTO_TEST_CASE(a_whatsapp_channel_carries_its_setup_instructions) {
  register_manually();
  const auto ada = owner();
  const auto made = call("POST", kChannels, ada.token, kWhatsapp);
  BOOST_TEST_REQUIRE(made.status == 201);
  const auto id = made.text("id");
  BOOST_TEST(made["config"]["access_token"].text().value() == "EAAG-long-lived-token-1234");
  const auto instructions = made["config"]["_meta_setup_instructions"];
  BOOST_TEST(instructions["callback_url"].text().value() ==
             "https://hooks.backchannel.test/api/v1/webhooks/whatsapp/" + id + "/k3y");
  BOOST_TEST(instructions["verify_token"].text().value() == "my-verify-token");
  BOOST_TEST(made["registration"]["state"].text().value() == "manual");
  // What a read shows may be sent back as it is: nothing changes and nothing is registered again.
  const auto read = call("GET", kChannels + id, ada.token);
  BOOST_TEST(read["config"]["access_token"].text().value() == "****1234");
  BOOST_TEST(read["config"]["verify_token"].text().value() == "****oken");
  BOOST_TEST(read["config"]["phone_number_id"].text().value() == "106540352242922");
  const auto back =
      call("PATCH", kChannels + id, ada.token, "{\"config\":" + read["config"].dump() + "}");
  BOOST_TEST(back.status == 200);
  BOOST_TEST(back["config"]["access_token"].text().value() == "****1234");
  BOOST_TEST(outbound.registrations == 1);
  BOOST_TEST(count("registration_job") == 0);
  value("update business set expose_channel_secrets = true returning 1");
  BOOST_TEST(call("GET", kChannels + id, ada.token)["config"]["access_token"].text().value() ==
             "EAAG-long-lived-token-1234");
}

// Seed 003: creating the channel answers what has to be entered in the Meta app, whatever the
// platform itself has said until then.
BOOST_AUTO_TEST_CASE(setup_instructions_are_there_while_the_platform_has_not_answered) {
  register_as(RegistrationState::pending, false, "the platform could not be reached");
  const auto ada = owner();
  const auto made = call("POST", kChannels, ada.token, kWhatsapp);
  BOOST_TEST_REQUIRE(made.status == 201);
  const auto path = "/api/v1/webhooks/whatsapp/" + made.text("id");
  const auto instructions = made["config"]["_meta_setup_instructions"];
  // Nobody gave an app secret, so the URL itself has to be unguessable: 128 bits.
  const std::string url(instructions["callback_url"].text().value());
  BOOST_TEST(url.starts_with(std::string(api_test::kPublicUrl) + path + "/"));
  BOOST_TEST(url.substr(url.rfind('/') + 1).size() == 22u);
  BOOST_TEST(instructions["verify_token"].text().value() == "my-verify-token");
  const auto agent = call("GET", kChannels + made.text("id"), member(ada, Role::agent).token);
  const auto masked = agent["config"]["_meta_setup_instructions"];
  BOOST_TEST(masked["callback_url"].text().value().find(url.substr(url.rfind('/') + 1)) ==
             std::string_view::npos);
  BOOST_TEST(masked["verify_token"].text().value() == "****oken");

  const auto with_secret = call("POST", kChannels, ada.token, R"({"type":"whatsapp","config":{
      "phone_number_id":"1","access_token":"EAAG-long-lived-token-1234",
      "verify_token":"my-verify-token","app_secret":"0123456789abcdef"}})");
  BOOST_TEST(with_secret["config"]["_meta_setup_instructions"]["callback_url"].text().value() ==
             std::string(api_test::kPublicUrl) + "/api/v1/webhooks/whatsapp/" +
                 with_secret.text("id"));
}

// What a person has to do is no secret, and has to be read more often than once.
BOOST_AUTO_TEST_CASE(instructions_are_readable_later_and_only_their_secrets_masked) {
  register_manually();
  const auto ada = owner();
  const auto made = call("POST", kChannels, ada.token, kWhatsapp);
  const auto later = call("GET", kChannels + made.text("id"), ada.token);
  const auto instructions = later["registration"]["instructions"];
  BOOST_TEST(instructions["next"].text_or("") == "Switch the webhook on.");
  BOOST_TEST(instructions["verify_token"].text_or("") == "****oken");
}

BOOST_AUTO_TEST_CASE(a_manual_registration_tells_what_a_person_has_to_do) {
  register_manually();
  const auto made = call("POST", kChannels, owner().token, kWhatsapp);
  BOOST_TEST(made["registration"]["instructions"]["verify_token"].text().value() ==
             "my-verify-token");
}

BOOST_AUTO_TEST_CASE(a_connector_of_a_type_nobody_documented_makes_channels) {
  register_as(RegistrationState::active, false, "");
  const auto ada = owner();
  const auto made =
      call("POST", kChannels, ada.token, R"({"type":"pigeon","config":{"loft":"north"}})");
  BOOST_TEST_REQUIRE(made.status == 201);
  BOOST_TEST(made.text("type") == "pigeon");
  const auto wrong = call("POST", kChannels, ada.token, R"({"type":"fax","config":{}})");
  BOOST_TEST(wrong.status == 400);
  BOOST_TEST(wrong.body.find("sms, pigeon") != std::string::npos, wrong.body);
}

BOOST_AUTO_TEST_CASE(what_is_missing_or_wrong_is_400_and_named) {
  const auto ada = owner();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}", "type"},
      {R"({"type":"fax","config":{}})", "type"},
      {R"({"type":null,"config":{}})", "type"},
      {R"({"type":"telegram"})", "config"},
      {R"({"type":"telegram","config":null})", "config"},
      {R"({"type":"telegram","config":[]})", "config"},
      {R"({"type":"telegram","config":{}})", "config.bot_token"},
      {R"({"type":"telegram","config":{"bot_token":7}})", "config.bot_token"},
      {R"({"type":"telegram","config":{"bot_token":"no token"}})", "config.bot_token"},
      {R"({"type":"telegram","config":{"bot_token":"****xxxx"}})", "config.bot_token"},
      {telegram_body(kBotToken, R"(,"is_active":"yes")"), "is_active"},
      {R"({"type":"telegram","config":{"bot_token":"1:a","extra":"x"}})", "config.extra"},
      {R"({"type":"widget","config":{"widget_id":")" + random_id() + "\"}}", "config.widget_id"},
      {R"({"type":"sms","config":{}})", "type"},
  };
  for (const auto& [body, field] : cases) {
    const auto result = call("POST", kChannels, ada.token, body);
    BOOST_TEST(result.status == 400, body);
    BOOST_TEST(result["errors"].at(0)["field"].text_or("") == field, result.body);
  }
  BOOST_TEST(call("POST", kChannels, ada.token, R"({"type":"fax","config":{}})")
                 .body.find("webchat, widget, email, whatsapp, telegram, instagram, x, sms") !=
             std::string::npos);
  BOOST_TEST(call("POST", kChannels, ada.token, R"({"type":"sms","config":{}})")
                 .body.find("connector for sms is not installed") != std::string::npos);
  BOOST_TEST(count("channel") == 0);
  BOOST_TEST(used() == "0");
}

BOOST_AUTO_TEST_CASE(a_platform_that_refuses_takes_the_channel_away_again) {
  register_as(RegistrationState::failed, true, "Unauthorized");
  const auto ada = owner();
  const auto refused = call("POST", kChannels, ada.token, telegram_body());
  BOOST_TEST(refused.status == 400);
  BOOST_TEST(refused.text("detail").find("Unauthorized") != std::string::npos);
  BOOST_TEST(refused.body.find(kBotToken) == std::string::npos);
  BOOST_TEST(count("channel") == 0);
  BOOST_TEST(used() == "0");
}

BOOST_AUTO_TEST_CASE(a_platform_that_does_not_answer_leaves_the_channel_pending) {
  register_as(RegistrationState::pending, false, "no answer");
  const auto made = call("POST", kChannels, owner().token, telegram_body());
  BOOST_TEST(made.status == 201);
  BOOST_TEST(made["registration"]["state"].text().value() == "pending");
  BOOST_TEST(made["registration"]["last_error"].text().value() == "no answer");
  BOOST_TEST(count("channel") == 1);
}

BOOST_AUTO_TEST_CASE(no_worker_and_no_transaction_waits_for_the_platform) {
  std::mutex mutex;
  std::vector<api_test::FakeOutbound::Done> waiting;
  outbound.behave = [&](auto, auto, auto done) {
    const std::lock_guard lock(mutex);
    waiting.push_back(std::move(done));
  };
  const auto ada = owner("pro");
  std::vector<std::thread> creating;
  std::atomic<int> created{0};
  // More than there are workers.
  for (int i = 0; i < 12; ++i) {
    creating.emplace_back([&, i] {
      const auto result =
          call("POST", kChannels, ada.token, telegram_body(std::to_string(i) + ":aaa"));
      if (result.status == 201) ++created;
    });
  }
  const auto all_wait = [&] {
    const std::lock_guard lock(mutex);
    return waiting.size() == 12;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!all_wait() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  BOOST_TEST(all_wait());
  // All rows are committed, nothing is open, and others are served.
  BOOST_TEST(count("channel") == 12);
  BOOST_TEST(value("select count(*) from pg_stat_activity where datname = current_database()"
                   " and state like 'idle in transaction%'") == "0");
  BOOST_TEST(call("GET", "/api/v1/auth/me", ada.token).status == 200);
  for (auto& done : waiting) done({RegistrationState::active, false, ""});
  for (auto& thread : creating) thread.join();
  BOOST_TEST(created == 12);
}

BOOST_AUTO_TEST_CASE(a_registration_that_is_dropped_still_answers) {
  outbound.behave = [](auto, auto, auto) {};
  const auto made = call("POST", kChannels, owner().token, telegram_body());
  BOOST_TEST(made.status == 201);
  BOOST_TEST(made["registration"]["state"].text().value() == "pending");
}

BOOST_AUTO_TEST_CASE(an_inactive_channel_is_stored_and_not_registered) {
  const auto made =
      call("POST", kChannels, owner().token, telegram_body(kBotToken, ",\"is_active\":false"));
  BOOST_TEST(made.status == 201);
  BOOST_TEST(!made["is_active"].boolean().value());
  BOOST_TEST(made["registration"]["state"].text().value() == "inactive");
  BOOST_TEST(outbound.registrations == 0);
}

BOOST_AUTO_TEST_CASE(the_minted_secret_is_of_this_channel_and_sealed) {
  const auto ada = owner();
  telegram(ada);
  telegram(ada);
  BOOST_TEST(value("select count(distinct secret_sealed) from channel") == "2");
  // 1 + 4 + 12 + 64 hex digits + 16.
  BOOST_TEST(value("select min(octet_length(secret_sealed)) from channel") == "97");
}

BOOST_AUTO_TEST_CASE(switching_off_unregisters_and_switching_on_registers_again) {
  register_as(RegistrationState::active, false, "");
  const auto ada = owner();
  const auto id = telegram(ada);
  const auto off = call("PATCH", kChannels + id, ada.token, R"({"is_active":false})");
  BOOST_TEST(off.status == 200);
  BOOST_TEST(!off["is_active"].boolean().value());
  BOOST_TEST(off["registration"]["state"].text().value() == "inactive");
  BOOST_TEST(off["config"]["bot_token"].text().value() == "****et-1");
  BOOST_TEST(count("registration_job where operation = 2") == 1);
  BOOST_TEST(outbound.wakes == 1);
  BOOST_TEST(outbound.registrations == 1);
  const auto on = call("PATCH", kChannels + id, ada.token, R"({"is_active":true})");
  BOOST_TEST(on.status == 200);
  BOOST_TEST(on["registration"]["state"].text().value() == "active");
  BOOST_TEST(outbound.registrations == 2);
  BOOST_TEST(count("registration_job where operation = 2") == 1);
}

BOOST_AUTO_TEST_CASE(other_credentials_unregister_the_old_webhook_and_register_the_new_one) {
  register_as(RegistrationState::active, false, "");
  const auto ada = owner();
  const auto id = telegram(ada);
  const auto before = value("select encode(config_sealed, 'hex') from channel");
  const auto changed =
      call("PATCH", kChannels + id, ada.token, R"({"config":{"bot_token":"7999:other-token"}})");
  BOOST_TEST(changed.status == 200);
  BOOST_TEST(changed["config"]["bot_token"].text().value() == "7999:other-token");
  // The job carries what the platform still knows.
  BOOST_TEST(value("select encode(config_sealed, 'hex') from registration_job") == before);
  BOOST_TEST(outbound.registrations == 2);
  BOOST_TEST(value("select revision from channel") == "2");
  BOOST_TEST(receiver.changes >= 2);
}

BOOST_AUTO_TEST_CASE(a_change_that_the_platform_refuses_stays_and_says_so) {
  register_as(RegistrationState::active, false, "");
  const auto ada = owner();
  const auto id = telegram(ada);
  outbound.behave = [this](auto, gateway::domain::ChannelId channel, auto done) {
    value(
        "update channel set registration_state = 2, registration_error = 'Unauthorized'"
        " where id = '" +
        channel.text() + "' returning 1");
    done({RegistrationState::failed, true, "Unauthorized"});
  };
  const auto changed =
      call("PATCH", kChannels + id, ada.token, R"({"config":{"bot_token":"7999:wrong"}})");
  BOOST_TEST(changed.status == 200);
  BOOST_TEST(changed["registration"]["state"].text().value() == "failed");
  BOOST_TEST(changed["registration"]["last_error"].text().value() == "Unauthorized");
  BOOST_TEST(count("channel") == 1);
}

BOOST_AUTO_TEST_CASE(a_change_of_type_is_judged_by_the_other_types_rules) {
  const auto ada = owner();
  const auto id = telegram(ada);
  const auto without = call("PATCH", kChannels + id, ada.token, R"({"type":"whatsapp"})");
  BOOST_TEST(without.status == 400);
  const auto masked = call("PATCH", kChannels + id, ada.token, R"({"type":"whatsapp","config":{
      "phone_number_id":"1","access_token":"****et-1","verify_token":"v"}})");
  BOOST_TEST(masked.status == 400);
  const auto changed = call("PATCH", kChannels + id, ada.token, kWhatsapp);
  BOOST_TEST(changed.status == 200);
  BOOST_TEST(changed.text("type") == "whatsapp");
  BOOST_TEST(value("select channel_type from registration_job") == "telegram");
  BOOST_TEST(used() == "1");
  BOOST_TEST(call("PATCH", kChannels + id, ada.token, R"({"type":"fax"})").status == 400);
  BOOST_TEST(call("PATCH", kChannels + id, ada.token, R"({"is_active":null})").status == 400);
  BOOST_TEST(call("PATCH", kChannels + id, ada.token, "[]").status == 400);
}

BOOST_AUTO_TEST_CASE(a_deleted_channel_is_gone_counted_back_and_unregistered) {
  const auto ada = owner();
  const auto id = telegram(ada);
  const auto conversation = inbound_conversation(ada, id);
  const auto deleted = call("DELETE", kChannels + id, ada.token);
  BOOST_TEST(deleted.status == 200);
  BOOST_TEST(deleted.body == R"({"message":"Channel deleted"})");
  BOOST_TEST(call("GET", kChannels + id, ada.token).status == 404);
  BOOST_TEST(call("DELETE", kChannels + id, ada.token).status == 404);
  BOOST_TEST(used() == "0");
  BOOST_TEST(count("registration_job where operation = 2 and config_sealed is not null") == 1);
  BOOST_TEST(outbound.wakes == 1);
  // Its conversations stay, without a channel.
  const auto kept = call("GET", "/api/v1/conversations/" + conversation, ada.token);
  BOOST_TEST(kept.status == 200);
  BOOST_TEST(kept["channel_id"].is_null());
  BOOST_TEST(kept.text("channel_type") == "telegram");
  BOOST_TEST(kept["messages"].size() == 1u);
  const auto answer = call("POST", "/api/v1/conversations/" + conversation + "/messages", ada.token,
                           R"({"content":"hi"})");
  BOOST_TEST(answer.status == 409);
}

BOOST_AUTO_TEST_CASE(only_the_owner_manages_channels) {
  const auto ada = owner();
  const auto id = telegram(ada);
  for (const auto role : {Role::admin, Role::agent}) {
    const auto other = member(ada, role);
    BOOST_TEST(call("POST", kChannels, other.token, telegram_body()).status == 403);
    BOOST_TEST(call("PATCH", kChannels + id, other.token, R"({"is_active":false})").status == 403);
    BOOST_TEST(call("DELETE", kChannels + id, other.token).status == 403);
    BOOST_TEST(call("GET", kChannels, other.token).json().size() == 1u);
  }
  BOOST_TEST(call("POST", kChannels, person().token, telegram_body()).status == 404);
  BOOST_TEST(call("GET", kChannels, person().token).status == 404);
}

BOOST_AUTO_TEST_CASE(the_types_tell_their_schemas_and_whether_they_are_installed) {
  const auto types = call("GET", "/api/v1/channels/types", person().token);
  BOOST_TEST_REQUIRE(types.json().size() == 9u);
  const auto pigeon = types.json().at(8);
  BOOST_TEST(pigeon["type"].text().value() == "pigeon");
  BOOST_TEST(pigeon["title"].text().value() == "Carrier pigeon");
  BOOST_TEST(pigeon["description"].text().value() == "One loft.");
  int installed = 0;
  for (const auto type : types.json().elements()) {
    BOOST_TEST(type["installed"].boolean().value() == type["config_schema"].is_object());
    if (type["installed"].boolean().value()) ++installed;
  }
  BOOST_TEST(installed == 5);  // webchat and widget, and the three connectors of this test
}

BOOST_AUTO_TEST_CASE(patches_at_once_all_end_in_one_of_their_states) {
  const auto ada = owner();
  const auto id = telegram(ada);
  std::atomic<int> strange{0};
  api_test::together(8, [&](int i) {
    const auto status = call("PATCH", kChannels + id, ada.token,
                             R"({"config":{"bot_token":"7:token-)" + std::to_string(i) + "\"}}")
                            .status;
    if (status != 200 && status != 409) ++strange;
  });
  BOOST_TEST(strange == 0);
  value("update business set expose_channel_secrets = true returning 1");
  const auto read = call("GET", kChannels + id, ada.token);
  BOOST_TEST(read["config"]["bot_token"].text().value().starts_with("7:token-"));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

struct ExposingFixture : Fixture {
  ExposingFixture() : Fixture(api_test::WorldOptions{.expose_channel_secrets = true}) {}
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(exposed_channels, ExposingFixture)

BOOST_AUTO_TEST_CASE(a_deployment_may_show_owners_their_secrets_and_never_agents) {
  const auto ada = owner();
  const auto id = telegram(ada, kBotToken);
  BOOST_TEST(call("GET", kChannels + id, ada.token)["config"]["bot_token"].text().value() ==
             kBotToken);
  BOOST_TEST(call("GET", kChannels + id, member(ada, Role::agent).token)["config"]["bot_token"]
                 .text()
                 .value() == "****xxxx");
}

BOOST_AUTO_TEST_SUITE_END()
