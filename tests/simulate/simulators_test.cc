#include "gateway/simulate/simulators.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <iostream>
#include <set>
#include <sstream>

#include "connectors/sdk/crypto.h"
#include "gateway/simulate/simulate.h"
#include "tests/simulate/callback.h"
#include "tests/support/http_client.h"

using namespace gateway::simulate;
using namespace std::chrono_literals;
using test_support::Callback;
using test_support::HttpClient;
using test_support::Json;

namespace {

std::uint16_t port_of(const std::string& origin) {
  return static_cast<std::uint16_t>(std::stoi(origin.substr(origin.rfind(':') + 1)));
}

// Started simulators, and their control API.
struct Running {
  explicit Running(std::vector<std::string> only = {}) {
    SimulatorsOptions options;
    options.only = std::move(only);
    options.time_scale = 0.001;
    auto created = Simulators::create(options);
    BOOST_TEST_REQUIRE(created.has_value());
    all = std::move(*created);
    const auto started = all->start();
    BOOST_TEST_REQUIRE(started.has_value());
    client = std::make_unique<HttpClient>(port_of(all->control_origin()));
  }

  HttpClient::Answer get(const std::string& path) { return client->call("GET", path); }
  HttpClient::Answer post(const std::string& path, const std::string& body) {
    return client->call("POST", path, {{"Content-Type", "application/json"}}, body);
  }

  std::unique_ptr<Simulators> all;
  std::unique_ptr<HttpClient> client;
};

// What a command prints to standard error.
class Spoken {
 public:
  Spoken() : before_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~Spoken() { std::cerr.rdbuf(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* before_;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simulators)

// The origins the READMEs of the connectors name for the providers that are simulated.
BOOST_AUTO_TEST_CASE(the_setting_covers_each_origin_of_the_simulated_platforms_once) {
  const Running running;
  std::set<std::string> origins;
  for (const auto& [name, upstreams] : running.all->platforms()) {
    for (const auto& [from, to] : upstreams) {
      BOOST_TEST(origins.insert(from).second, from << " is there twice");
    }
  }
  for (const char* origin : {"https://api.telegram.org",
                             "https://graph.facebook.com",
                             "https://graph.instagram.com",
                             "https://lookaside.fbsbx.com",
                             "https://api.twilio.com",
                             "https://messaging.twilio.com",
                             "https://mms.twiliocdn.com",
                             "https://api.nexmo.com",
                             "https://rest.nexmo.com",
                             "https://api.telnyx.com",
                             "https://api.plivo.com",
                             "https://us.sms.api.sinch.com",
                             "https://eu.sms.api.sinch.com",
                             "https://au.sms.api.sinch.com",
                             "https://br.sms.api.sinch.com",
                             "https://ca.sms.api.sinch.com",
                             "https://api.bird.com",
                             "https://media.api.bird.com",
                             "https://api.x.com",
                             "https://ton.twitter.com",
                             "https://api.mailgun.net",
                             "https://api.eu.mailgun.net",
                             "https://api.postmarkapp.com",
                             "https://api.sendgrid.com",
                             "https://email.us-east-1.amazonaws.com",
                             "https://sns.us-east-1.amazonaws.com",
                             "https://simulated-mail.s3.us-east-1.amazonaws.com",
                             "smtp://mail.simulated.example:587",
                             "imap://mail.simulated.example:143"}) {
    BOOST_TEST(origins.count(origin) == 1u, origin);
  }
  const auto settings = running.all->settings();
  BOOST_TEST_REQUIRE(settings.size() == 2u);
  BOOST_TEST(settings[0].first == "BACKCHANNEL_UPSTREAMS");
  BOOST_TEST(std::count(settings[0].second.begin(), settings[0].second.end(), ',') ==
             static_cast<std::ptrdiff_t>(origins.size()) - 1);
  BOOST_TEST(settings[1].first == "BACKCHANNEL_META_APP_SECRET");
  BOOST_TEST(settings[1].second == kMetaAppSecret);
}

BOOST_AUTO_TEST_CASE(only_those_named_run_and_a_type_of_channel_is_a_name_too) {
  Running running({"telegram", "email"});
  BOOST_TEST(running.all->telegram() != nullptr);
  BOOST_TEST(running.all->mail() != nullptr);
  BOOST_TEST(running.all->meta() == nullptr);
  BOOST_TEST(running.all->sms() == nullptr);
  BOOST_TEST(running.all->x() == nullptr);
  const Json list(running.get("/_simulate/platforms").body);
  BOOST_TEST(list.root().elements().size() == 2u);
  BOOST_TEST(list.root().at(0)["name"].text_or("") == "telegram");
  BOOST_TEST(list.root().at(1)["control"].text_or("") == "/_simulate/mail/");
  BOOST_TEST(running.get("/_simulate/meta/").status == 404);
  for (const SampleChannel& sample : running.all->samples()) {
    BOOST_TEST((sample.type == "telegram" || sample.type == "email"), sample.name);
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_platform_is_answered_with_those_that_exist) {
  SimulatorsOptions options;
  options.only = {"meta", "telegarm"};
  const auto refused = Simulators::create(options);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(contains(refused.error().message, "\"telegarm\""), refused.error().message);
  BOOST_TEST(contains(refused.error().message, "telegram, meta, sms, x, mail"));
}

BOOST_AUTO_TEST_CASE(ports_that_would_end_behind_65535_are_refused) {
  SimulatorsOptions options;
  options.port = 65'518;
  const auto refused = Simulators::create(options);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(contains(refused.error().message, "up to 65517"), refused.error().message);
  options.port = 65'517;
  BOOST_TEST(Simulators::create(options).has_value());
}

BOOST_AUTO_TEST_CASE(a_port_that_is_taken_is_named_with_what_helps) {
  SimulatorsOptions options;
  options.only = {"meta"};
  // graph.instagram.com is the second of meta's, which begin two behind the control API's. Somebody
  // else may have one of those before it at this moment.
  std::string message;
  std::string taken;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const Callback other;
    const std::uint16_t port = port_of(other.url(""));
    options.port = static_cast<std::uint16_t>(port - 3);
    auto created = Simulators::create(options);
    if (!created) continue;
    const auto started = (*created)->start();
    BOOST_TEST_REQUIRE(!started.has_value());
    message = started.error().message;
    taken = "meta: cannot listen on 127.0.0.1:" + std::to_string(port);
    if (contains(message, taken)) break;
  }
  BOOST_TEST(contains(message, taken), message);
  BOOST_TEST(contains(message, "--listen 127.0.0.1:0"), message);
}

BOOST_AUTO_TEST_CASE(each_sample_is_the_body_of_a_request) {
  Running running;
  const Json list(running.get("/_simulate/channels").body);
  BOOST_TEST(list.root().elements().size() == running.all->samples().size());
  std::set<std::string> types;
  for (const SampleChannel& sample : running.all->samples()) {
    types.insert(sample.type);
    const auto answer = running.get("/_simulate/channels/" + sample.name);
    BOOST_TEST(answer.status == 200, sample.name);
    const Json body(answer.body);
    BOOST_TEST(body["type"].text_or("") == sample.type);
    BOOST_TEST(body["config"].is_object());
  }
  BOOST_TEST(
      (types == std::set<std::string>{"telegram", "whatsapp", "instagram", "x", "sms", "email"}));
  BOOST_TEST(running.get("/_simulate/channels/fax").status == 404);
}

BOOST_AUTO_TEST_CASE(the_settings_are_a_shells_exports) {
  Running running({"telegram"});
  const auto answer = running.get("/_simulate/settings");
  BOOST_TEST(answer.body == "export BACKCHANNEL_UPSTREAMS=https://api.telegram.org=" +
                                running.all->telegram()->origin() + "\n");
}

BOOST_AUTO_TEST_CASE(the_help_lists_the_common_paths_and_every_platform) {
  Running running;
  const std::string help = running.get("/_simulate/").body;
  for (const char* part : {"/_simulate/platforms", "/_simulate/telegram/", "/_simulate/meta/",
                           "/_simulate/sms/", "/_simulate/x/", "/_simulate/mail/",
                           "wrong_signature", "story_mention", "drops_after_dot"}) {
    BOOST_TEST(contains(help, part), part);
  }
  BOOST_TEST(contains(running.get("/_simulate/telegram").body, "bots/ID/revoke"));
  BOOST_TEST(running.get("/_simulate/nothing").status == 404);
  BOOST_TEST(running.get("/").status == 404);
}

BOOST_AUTO_TEST_CASE(people_write_on_every_platform_by_the_same_path) {
  Running running;
  Callback hook;
  TelegramSimulator& telegram = *running.all->telegram();
  HttpClient bot(telegram.port());
  bot.call("POST", "/bot7012345678:AAsimulatedsimulatedsimulatedsimula/setWebhook",
           {{"Content-Type", "application/json"}}, "{\"url\":\"" + hook.url() + "\"}");
  BOOST_TEST(running.post("/_simulate/telegram/events", R"({"from":"ana","text":"Hola"})").status ==
             200);
  BOOST_TEST(Json(running.get("/_simulate/telegram/accounts").body)
                 .root()
                 .at(0)["id"]
                 .integer()
                 .value_or(0) == 7'012'345'678);
  BOOST_TEST(running
                 .post("/_simulate/meta/dashboard",
                       R"({"object":"instagram","verify_token":"v","fields":["messages"],)"
                       R"("callback_url":")" +
                           hook.url() + "\"}")
                 .status == 200);
  BOOST_TEST(running
                 .post("/_simulate/meta/events",
                       R"({"account":"17841400000000001","from":"ana","text":"Hola"})")
                 .status == 200);
  BOOST_TEST(running
                 .post("/_simulate/mail/raw",
                       R"({"address":"office@acme.example","url":")" + hook.url() + "\"}")
                 .status == 200);
  BOOST_TEST(running
                 .post("/_simulate/mail/events",
                       R"({"to":"office@acme.example","from":"ana","text":"Hola"})")
                 .status == 200);
  BOOST_TEST(
      running
          .post("/_simulate/sms/events", R"({"number":"+14155550199","from":"ana","text":"Hola"})")
          .status == 200);
  BOOST_TEST(running.post("/_simulate/x/events", R"({"from":"ana","text":"Hola"})").status == 200);
  // Telegram's and mail's; nobody has subscribed to the others.
  BOOST_TEST(hook.posts(2).size() >= 2u);
  BOOST_TEST(running.post("/_simulate/x/events", R"({"from":"ana"})").status == 400);
}

BOOST_AUTO_TEST_CASE(what_was_sent_is_listed_over_all_platforms) {
  Running running({"telegram", "sms"});
  HttpClient bot(running.all->telegram()->port());
  const std::string prefix = "/bot7012345678:AAsimulatedsimulatedsimulatedsimula/";
  bot.call("POST", prefix + "getMe");
  running.post("/_simulate/telegram/events", R"({"from":"tom","text":"hi"})");
  bot.call("POST", prefix + "sendMessage", {{"Content-Type", "application/json"}},
           R"({"chat_id":812345,"text":"from the bot"})");
  HttpClient twilio(running.all->sms()->port("api.twilio.com"));
  twilio.call("POST", "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json",
              {{"Content-Type", "application/x-www-form-urlencoded"},
               {"Authorization", "Basic " + sdk::base64("AC00000000000000000000000000000001:"
                                                        "0000000000000000000000simulated1")}},
              "From=%2B14155550199&To=%2B14155550100&Body=from+the+number");
  const Json sent(running.get("/_simulate/sent").body);
  BOOST_TEST_REQUIRE(sent.root().elements().size() == 2u);
  BOOST_TEST(sent.root().at(0)["platform"].text_or("") == "telegram");
  BOOST_TEST(sent.root().at(0)["to"].text_or("") == "812345");
  BOOST_TEST(sent.root().at(0)["kind"].text_or("") == "text");
  BOOST_TEST(sent.root().at(0)["text"].text_or("") == "from the bot");
  BOOST_TEST(sent.root().at(1)["platform"].text_or("") == "twilio");
  BOOST_TEST(sent.root().at(1)["text"].text_or("") == "from the number");
  BOOST_TEST(running.post("/_simulate/reset", "").status == 200);
  BOOST_TEST(Json(running.get("/_simulate/sent").body).root().elements().empty());
}

BOOST_AUTO_TEST_CASE(a_fault_for_all_strikes_each_platform_until_it_is_ended) {
  Running running;
  BOOST_TEST(running.post("/_simulate/faults", R"({"kind":"server_error","count":9})").status ==
             200);
  HttpClient bot(running.all->telegram()->port());
  const std::string get_me = "/bot7012345678:AAsimulatedsimulatedsimulatedsimula/getMe";
  BOOST_TEST(bot.call("GET", get_me).status == 500);
  HttpClient graph(running.all->meta()->port("graph.facebook.com"));
  BOOST_TEST(graph.call("GET", "/v26.0/me?access_token=EAAsimulatedWhatsApp").status == 500);
  HttpClient x(running.all->x()->port("api.x.com"));
  BOOST_TEST(x.call("GET", "/2/users/me").status == 503);  // as X says it
  HttpClient postmark(running.all->mail()->port("api.postmarkapp.com"));
  BOOST_TEST(postmark.call("GET", "/server").status == 500);
  HttpClient telnyx(running.all->sms()->port("api.telnyx.com"));
  BOOST_TEST(telnyx.call("GET", "/v2/messages").status == 500);
  BOOST_TEST(running.client->call("DELETE", "/_simulate/faults").status == 200);
  BOOST_TEST(bot.call("GET", get_me).status == 200);
  BOOST_TEST(postmark.call("GET", "/server").status == 401);
  BOOST_TEST(running.post("/_simulate/faults", R"({"kind":"rain"})").status == 400);
  BOOST_TEST(running.post("/_simulate/faults", "{").status == 400);
}

BOOST_AUTO_TEST_CASE(down_for_all_resets_connections_and_leaves_the_control_api_alone) {
  Running running({"telegram", "x"});
  BOOST_TEST(running.post("/_simulate/faults", R"({"kind":"down"})").status == 200);
  HttpClient x(running.all->x()->port("api.x.com"));
  BOOST_CHECK_THROW(x.call("GET", "/2/users/me"), HttpClient::Error);
  BOOST_TEST(running.get("/_simulate/idle").body == "{\"idle\":true}");
  BOOST_TEST(running.client->call("DELETE", "/_simulate/faults").status == 200);
  HttpClient again(running.all->x()->port("api.x.com"));
  BOOST_TEST(again.call("GET", "/2/users/me").status == 401);
}

BOOST_AUTO_TEST_CASE(figures_are_told_by_platform) {
  Running running({"x", "sms"});
  const Json stats(running.get("/_simulate/stats").body);
  BOOST_TEST(stats["x"]["pending"].integer().value_or(-1) == 0);
  BOOST_TEST(stats["sms"]["attempts"].integer().value_or(-1) == 0);
  BOOST_TEST(!stats["telegram"].exists());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(simulate_command)

BOOST_AUTO_TEST_CASE(wrong_options_are_refused_with_the_option_and_what_it_takes) {
  struct Case {
    SimulateOptions options;
    std::vector<std::string> words;
  };
  std::vector<Case> cases(7);
  cases[0].options.only = {"telegarm"};
  cases[0].words = {"--only", "telegarm", "telegram, meta"};
  cases[1].options.listen = "9000";
  cases[1].words = {"--listen", "ADDRESS:PORT"};
  cases[2].options.listen = "127.0.0.1:65530";
  cases[2].words = {"--listen", "65517"};
  cases[3].options.scenario = "evening";
  cases[3].words = {"morning", "evening"};
  cases[4].options.scenario = "morning";
  cases[4].options.only = {"sms"};
  cases[4].words = {"--scenario", "Telegram"};
  cases[5].options.urls = "some";
  cases[5].words = {"--urls", "loopback", "some"};
  cases[6].options.demo = true;
  cases[6].options.only = {"sms"};
  cases[6].words = {"--demo", "--only"};
  for (const Case& one : cases) {
    const Spoken spoken;
    BOOST_TEST(run_simulate(one.options) == 2);
    for (const std::string& word : one.words) {
      BOOST_TEST(contains(spoken.text(), word), word << " in: " << spoken.text());
    }
  }
}

BOOST_AUTO_TEST_CASE(an_address_that_is_none_is_wrong_use_and_a_taken_port_a_failure) {
  SimulateOptions options;
  options.listen = "nowhere:9000";
  {
    const Spoken spoken;
    BOOST_TEST(run_simulate(options) == 2);
    BOOST_TEST(contains(spoken.text(), "nowhere"), spoken.text());
  }
  const Callback other;
  const std::string taken = other.url("").substr(7);
  options.listen = taken;
  const Spoken spoken;
  BOOST_TEST(run_simulate(options) == 1);
  BOOST_TEST(contains(spoken.text(), taken), spoken.text());
  BOOST_TEST(contains(spoken.text(), "--listen"), spoken.text());
}

BOOST_AUTO_TEST_SUITE_END()
