// WhatsApp and Instagram for tests and demonstrations: Meta's Graph API on one side, signed and
// retried webhooks on the other.
//
//   MetaSimulator meta;
//   meta.start();
//   meta.add_number({.id = "7794189252778687", .token = "EAA..."});
//   // the gateway, started with BACKCHANNEL_UPSTREAMS=<upstreams_setting(meta.upstreams())>,
//   // subscribes: the callback is asked for the challenge while the registering call is open
//   meta.whatsapp_says("7794189252778687", "ana", "Hola");
//   meta.wait_idle(std::chrono::seconds(10));
//   meta.sent("7794189252778687");
//
// An unknown token makes the account its first call is about, of the default app: on
// graph.facebook.com a phone number, on graph.instagram.com an Instagram account.
//
// Facts: https://developers.facebook.com/documentation/business-messaging/whatsapp and
// /documentation/instagram-platform, https://developers.facebook.com/docs/graph-api/webhooks
// (Graph v26.0, read 2026-11-20).
#ifndef GATEWAY_SIMULATE_META_SIMULATOR_H_
#define GATEWAY_SIMULATE_META_SIMULATOR_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/members.h"
#include "gateway/simulate/meta_world.h"
#include "gateway/simulate/params.h"
#include "gateway/simulate/people.h"
#include "gateway/simulate/platform.h"
#include "gateway/simulate/sample_file.h"
#include "gateway/simulate/urls.h"

namespace gateway::simulate {

inline constexpr std::string_view kMetaAppId = "1234567890123456";
inline constexpr std::string_view kMetaAppSecret = "0123456789abcdef0123456789abcdef";

struct MetaOptions : PlatformOptions {
  UrlRules urls = UrlRules::loopback;
  // Unknown tokens make accounts.
  bool open_accounts = true;
  // Media given by URL is fetched, as the platform does it, and refused where that fails.
  bool fetches_media = false;
  // What becomes of a message that was taken; "read" last.
  std::vector<std::string> statuses = {"sent", "delivered", "read"};
};

class MetaSimulator final : public Platform {
 public:
  explicit MetaSimulator(MetaOptions options = {});
  ~MetaSimulator() override;

  // Accounts -------------------------------------------------------------------------------------

  void add_app(const std::string& id, const std::string& secret, bool requires_proof = false);
  struct NewNumber {
    std::string id;
    std::string token = {};
    std::string waba_id = {};  // empty: made of the number's id
    std::string display_number = {};
    std::string app_id = std::string(kMetaAppId);
    bool registered = true;
    bool manages = true;  // the token has whatsapp_business_management
  };
  void add_number(const NewNumber& number);
  struct NewInstagram {
    std::string user_id;
    std::string token = {};
    std::string username = "blue_vase";
    std::string page_id = {};  // empty: Instagram Login on graph.instagram.com
    std::string app_id = std::string(kMetaAppId);
    std::string app_scoped_id = {};
  };
  void add_instagram(const NewInstagram& account);
  void revoke(const std::string& token);
  // Messages to it fail with 131026.
  void make_undeliverable(const std::string& number_id, const std::string& wa_id);

  // Where events of this number or account go now, and as which fields; empty: nowhere.
  std::string webhook_of(const std::string& id) const;
  std::optional<MetaSubscription> subscription(
      const std::string& object, const std::string& app_id = std::string(kMetaAppId)) const;
  std::optional<WhatsAppNumber> number(const std::string& id) const;
  std::optional<InstagramAccount> instagram(const std::string& user_id) const;
  bool wait_webhook(const std::string& id, std::chrono::milliseconds patience) const;
  // What a developer does by hand in the App Dashboard; the callback is asked for its challenge.
  // Returns the platform's answer.
  HttpReply subscribe_by_hand(const std::string& object, const std::string& callback_url,
                              const std::string& verify_token,
                              const std::vector<std::string>& fields,
                              std::chrono::milliseconds patience = std::chrono::seconds(30));

  // People ---------------------------------------------------------------------------------------

  // Ids of the messages; empty where the account is unknown. `who` is a key of the cast, or any.
  std::string whatsapp_says(const std::string& number_id, std::string_view who,
                            std::string_view text);
  std::string instagram_says(const std::string& user_id, std::string_view who,
                             std::string_view text);
  // Anything else, in the control API's shorthand (GET /_simulate/meta/ describes it). The answer
  // is JSON: {"ids": [...]}.
  Result<std::string> act(std::string_view wish);

 protected:
  Answer answer(const HttpRequest& request, ApiCall& record) override;
  HttpReply refusal(const CallFault& fault, const HttpRequest& request) override;
  std::string account_of(const HttpRequest& request) const override;
  std::optional<Answer> control(const ControlRequest& request) override;
  void forget() override;

 private:
  struct Call;
  struct Change;
  struct Outgoing;
  struct Body;
  enum class Party { none, number, waba, instagram, page, app, media };

  void insert_number(const NewNumber& wanted);
  void insert_instagram(const NewInstagram& wanted);

  // The Graph API (meta_graph.cc).
  Answer route(Call& call);
  std::optional<HttpReply> authenticate(Call& call);
  MetaToken* token_of(const std::string& token);
  bool open_account(const Call& call);
  bool may_touch(const Call& call, const std::string& asset) const;
  Answer app_subscriptions(Call& call, MetaApp& app);
  Answer subscribe(const std::string& app_id, const std::string& object,
                   const std::string& callback_url, const std::string& verify_token,
                   std::set<std::string> fields);
  Answer handshake(const std::string& url, const std::string& verify_token,
                   std::function<HttpReply()> passed);
  std::optional<HttpReply> refuse_managing(const Call& call);
  Answer waba_edges(Call& call, WhatsAppAccount& account);
  Answer number_edges(Call& call, WhatsAppNumber& number);
  Answer override_number(Call& call, WhatsAppNumber& number);
  Answer instagram_edges(Call& call, InstagramAccount& account);
  Answer oauth(Call& call);
  HttpReply debug_token(Call& call);
  HttpReply upload_media(Call& call, WhatsAppNumber& number);
  HttpReply media_edges(Call& call, const std::string& id);
  HttpReply download(const HttpRequest& request);
  HttpReply profile(Call& call, const std::string& igsid);
  HttpReply error(int status, int code, std::string_view message, int subcode = 0,
                  std::string_view details = {});
  HttpReply fields_of(Call& call, const Members& all);

  // What is sent (meta_messages.cc).
  Answer whatsapp_message(Call& call, WhatsAppNumber& number);
  HttpReply whatsapp_read(WhatsAppNumber& number, sdk::json::Value body);
  Answer instagram_message(Call& call, InstagramAccount& account);
  std::optional<HttpReply> refuse_whatsapp(const WhatsAppNumber& number, sdk::json::Value body);
  std::optional<HttpReply> refuse_interactive(sdk::json::Value interactive);
  std::optional<HttpReply> refuse_instagram(const InstagramAccount& account, sdk::json::Value body);
  void settle_whatsapp(const std::string& number_id, const std::string& wamid,
                       const std::string& to, std::string_view tracker, int failure);
  void answer_whatsapp(const std::string& number_id, const std::string& to);
  void settle_instagram(InstagramAccount& account, const std::string& igsid, const std::string& mid,
                        sdk::json::Value message);

  // What people do (meta_events.cc).
  Result<std::vector<Change>> changes_of(sdk::json::Value wish, std::vector<std::string>& ids);
  Result<std::vector<Change>> whatsapp_changes(sdk::json::Value wish,
                                               std::vector<std::string>& ids);
  Result<std::vector<Change>> instagram_changes(sdk::json::Value wish,
                                                std::vector<std::string>& ids);
  Change whatsapp_status(const WhatsAppNumber& number, const std::string& wamid,
                         std::string_view status, const std::string& to, std::string_view tracker,
                         int failure);
  Members whatsapp_content(sdk::json::Value wish, WhatsAppNumber& number, std::string& type,
                           std::string& text);
  Members instagram_content(sdk::json::Value wish);
  std::string attachment_url(std::string_view mime_type, std::size_t bytes);
  Members whatsapp_media(WhatsAppNumber& number, std::string_view mime_type, std::size_t bytes);
  void deliver(std::vector<Change> changes, std::chrono::milliseconds delay = {});
  void deliver_body(const std::string& account, const std::string& kind, const std::string& url,
                    const std::string& app_id, std::string body, bool instagram,
                    std::chrono::milliseconds delay);
  std::optional<Outgoing> destination(const Change& change) const;
  std::string act_locked(sdk::json::Value wish, std::string& refused);
  std::string accounts_json() const;
  std::string mint_wamid(const std::string& wa_id);
  std::string mint_mid();
  std::string only_number() const;
  std::string only_instagram() const;
  std::string say(std::string_view wish_json);

  const MetaOptions meta_;
  MetaWorld world_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_META_SIMULATOR_H_
