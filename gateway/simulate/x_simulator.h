// X for tests and demonstrations: API v2 on one side, webhooks of the Activity API (XAA) and the
// older Account Activity API (AAA) on the other.
//
//   XSimulator x;
//   x.start();
//   x.add_app({});
//   x.add_user({.id = "1730000000000000001", .username = "acmecare"});
//   // the gateway, started with BACKCHANNEL_UPSTREAMS=<upstreams_setting(x.upstreams())>, adds its
//   // webhook: it is asked for the CRC token while the adding call is open
//   x.say("1730000000000000001", "ana", "Hola");
//   x.wait_idle(std::chrono::seconds(10));
//   x.sent("1730000000000000001");
//
// Facts: docs.x.com x-api/webhooks, x-api/activity, x-api/account-activity, x-api/direct-messages,
// fundamentals/authentication (github.com/xdevplatform/docs, snapshot of 2026-08-22).
#ifndef GATEWAY_SIMULATE_X_SIMULATOR_H_
#define GATEWAY_SIMULATE_X_SIMULATOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/simulate/members.h"
#include "gateway/simulate/params.h"
#include "gateway/simulate/people.h"
#include "gateway/simulate/platform.h"
#include "gateway/simulate/urls.h"

namespace gateway::simulate {

struct XOptions : PlatformOptions {
  UrlRules urls = UrlRules::loopback;
  std::size_t webhooks_per_app = 1;
  // Calls beyond a window's limit are answered 429; else the counters are only shown.
  bool enforces_limits = false;
};

class XSimulator final : public Platform {
 public:
  explicit XSimulator(XOptions options = {});
  ~XSimulator() override;

  // Accounts -------------------------------------------------------------------------------------

  struct NewApp {
    std::string consumer_key = "ck_simulated";
    std::string consumer_secret = "cs_simulated_0123456789";
    std::string bearer = "AAAAsimulatedbearer";
    std::string id = "29820954";
  };
  void add_app(const NewApp& app);
  struct NewUser {
    std::string id;
    std::string username = "acmecare";
    std::string name = "Acme Care";
    std::string consumer_key = "ck_simulated";
    std::string access_token = {};  // OAuth 1.0a; empty: "<id>-simulatedtoken"
    std::string access_token_secret = "ts_simulated";
    std::string oauth2_token = {};  // a user token of OAuth 2.0, with the DM scopes
    std::string refresh_token = {};
  };
  void add_user(const NewUser& user);
  // All tokens of the user are refused from now on; the app is told by oauth.revoke.
  void revoke(const std::string& user_id);
  // Nobody may write to this person: 403.
  void close_messages(const std::string& person_id);

  struct Webhook {
    std::string id;
    std::string app;  // consumer key
    std::string url;
    bool valid = true;
    std::int64_t created_ms = 0;
  };
  std::vector<Webhook> webhooks() const;
  // Event types of XAA a user is subscribed to, "aaa" for the older API.
  std::set<std::string> subscriptions(const std::string& user_id) const;
  bool wait_subscribed(const std::string& user_id, std::chrono::milliseconds patience) const;
  // Asks every webhook for its CRC token again, as the platform does from time to time; a wrong
  // answer makes it invalid, and it gets nothing more.
  void check_webhooks();

  // People ---------------------------------------------------------------------------------------

  // Id of the message; empty where the user is unknown.
  std::string say(const std::string& user_id, std::string_view who, std::string_view text);
  // Anything else in the control API's shorthand (GET /_simulate/x/ describes it); JSON with "ids".
  Result<std::string> act(std::string_view wish);

 protected:
  Answer answer(const HttpRequest& request, ApiCall& record) override;
  HttpReply refusal(const CallFault& fault, const HttpRequest& request) override;
  std::string account_of(const HttpRequest& request) const override;
  std::optional<Answer> control(const ControlRequest& request) override;
  void forget() override;

 private:
  struct App {
    NewApp given;
  };
  struct User {
    NewUser given;
    bool revoked = false;
  };
  struct Subscription {  // of XAA
    std::string id;
    std::string event_type;
    std::string user_id;
    std::string direction;
    std::string webhook_id;
    std::string tag;
    std::string app;
  };
  struct Dm {
    std::string id;
    std::string user_id;  // ours
    std::string person_id;
    std::string sender_id;
    std::string text;
    std::string media_id;
    std::int64_t at_ms = 0;
    std::string json;  // the message_create of AAA and XAA
  };
  struct Media {
    std::string owner;
    std::string category;
    std::string type;
    std::string bytes;
    std::size_t total = 0;
    bool finalized = false;
    int pending = 0;  // STATUS calls that still find it processing
  };
  struct Caller {
    const App* app = nullptr;
    const User* user = nullptr;  // null: the app alone
  };
  struct Window {
    std::int64_t resets_s = 0;
    int used = 0;
  };
  // What has happened, in both dialects' terms.
  struct Happened {
    std::string user_id;
    std::string event_type;  // of XAA: "dm.received"
    std::string id;
    std::string aaa_name;      // "direct_message_events"; empty: AAA does not tell it
    std::string aaa_item;      // JSON
    std::string xaa_payload;   // JSON
    std::string xaa_includes;  // JSON; empty: none
    std::set<std::string> people;
  };
  struct Told {  // for the replay
    std::int64_t at_ms = 0;
    std::string webhook_id;
    std::string body;
    std::string kind;
    std::string account;
  };

  // x_api.cc
  Answer route(const HttpRequest& request, const std::vector<std::string>& path, ApiCall& record);
  Result<Caller> authenticate(const HttpRequest& request);
  Answer webhooks_api(const HttpRequest& request, const std::vector<std::string>& path,
                      const Caller& caller);
  Answer add_webhook(const App& app, const std::string& url);
  Waiting crc(const App& app, const std::string& url,
              std::function<HttpReply(std::string problem, bool transient)> then);
  HttpReply replay(const HttpRequest& request, const Caller& caller);
  HttpReply aaa_api(const HttpRequest& request, const std::vector<std::string>& path,
                    const Caller& caller);
  HttpReply xaa_api(const HttpRequest& request, const std::vector<std::string>& path,
                    const Caller& caller);
  HttpReply dm_api(const HttpRequest& request, const std::vector<std::string>& path,
                   const Caller& caller);
  HttpReply send_dm(const HttpRequest& request, const Caller& caller, const std::string& person_id);
  HttpReply list_dms(const HttpRequest& request, const Caller& caller);
  HttpReply media_api(const HttpRequest& request, const std::vector<std::string>& path,
                      const Caller& caller);
  HttpReply post_api(const HttpRequest& request, const Caller& caller);
  HttpReply token_api(const HttpRequest& request);
  HttpReply dm_media(const std::string& dm_id, const std::string& media_id, const User& user);
  HttpReply problem(int status, std::string_view title, std::string_view detail,
                    std::string_view type = "about:blank", int code = 0) const;
  // Counts a call in its window; the refusal where the window is full.
  std::optional<HttpReply> count(const std::string& key, int limit, std::int64_t window_s,
                                 Headers& headers);

  // x_events.cc
  Result<std::vector<Happened>> make(sdk::json::Value wish, std::vector<std::string>& ids);
  Happened direct_message(const std::string& user_id, const std::string& person_id, bool from_us,
                          const std::string& source_app, const Dm& dm, const Members& extra);
  void tell(const std::vector<Happened>& all, std::chrono::milliseconds delay = {});
  void post(const Webhook& webhook, const std::string& account, const std::string& kind,
            std::string body, bool retries, std::chrono::milliseconds delay);
  std::string users_v1(const std::set<std::string>& ids) const;
  std::string users_v2(const std::set<std::string>& ids) const;
  std::pair<std::string, std::string> name_of(const std::string& id) const;
  Result<std::string> act_locked(sdk::json::Value wish);
  std::string mint_snowflake();
  std::string only_user() const;
  const Webhook* find_webhook(const std::string& id) const;
  std::string conversation_of(const std::string& a, const std::string& b) const;

  const XOptions x_;
  std::map<std::string, App> apps_;  // by consumer key
  std::map<std::string, User> users_;
  std::vector<Webhook> webhooks_;
  std::set<std::pair<std::string, std::string>> aaa_;  // webhook id, user id
  std::vector<Subscription> xaa_;
  std::vector<Dm> dms_;
  std::map<std::string, Media> media_;
  std::map<std::string, std::pair<std::string, std::string>>
      posts_;  // id -> author, mentioned user
  std::set<std::string> closed_;
  std::set<std::pair<std::string, std::string>> nonces_;  // timestamp, nonce
  std::map<std::string, std::string> people_;             // id -> key of the person
  std::map<std::string, Window> windows_;
  std::vector<Told> told_;
  std::int64_t last_snowflake_ = 0;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_X_SIMULATOR_H_
