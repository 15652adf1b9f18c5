// SMS for tests and demonstrations: Twilio, Vonage (Messages and SMS API), Telnyx, Plivo, Sinch and
// Bird, each with its own API, signatures, retries and status callbacks.
//
//   SmsSimulator sms;
//   sms.start();
//   sms.add_twilio({.sid = "AC...", .auth_token = "...", .number = "+14155550199"});
//   // the gateway, started with BACKCHANNEL_UPSTREAMS=<upstreams_setting(sms.upstreams())>, sets
//   // the number's SmsUrl
//   sms.say("+14155550199", "ana", "Hola");
//   sms.wait_idle(std::chrono::seconds(10));
//   sms.sent("+14155550199");
//
// An unknown AccountSid with a token of the documented form is an account from its first call on,
// and a number it asks for is its number.
//
// Facts: twilio.com/docs/messaging and /docs/usage/webhooks, developer.vonage.com/messages and
// /messaging/sms, developers.telnyx.com/docs/messaging, docs.plivo.com/messaging,
// developers.sinch.com/docs/sms, docs.bird.com/api/{channels-api,notifications-api}
// (read 2026-11-20).
#ifndef GATEWAY_SIMULATE_SMS_SIMULATOR_H_
#define GATEWAY_SIMULATE_SMS_SIMULATOR_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/simulate/keys.h"
#include "gateway/simulate/members.h"
#include "gateway/simulate/params.h"
#include "gateway/simulate/people.h"
#include "gateway/simulate/platform.h"
#include "gateway/simulate/urls.h"

namespace gateway::simulate {

struct SmsOptions : PlatformOptions {
  UrlRules urls = UrlRules::loopback;
  bool open_accounts = true;
  // OptOutType in Twilio's webhooks.
  bool advanced_opt_out = false;
  // Media can be fetched at once; else its first request is answered 404.
  bool media_at_once = true;
};

// What Twilio's debugger would show: 11200 the webhook answered wrongly, 11205 no connection, 12200
// an answer that is no TwiML, 12300 its content type.
struct TwilioAlert {
  int code = 0;
  std::string url;
};

class SmsSimulator final : public Platform {
 public:
  explicit SmsSimulator(SmsOptions options = {});
  ~SmsSimulator() override;

  // Accounts -------------------------------------------------------------------------------------

  struct NewTwilio {
    std::string sid;
    std::string auth_token;
    std::string number;            // "+14155550199"
    std::string service_sid = {};  // MG...: the number is in this Messaging Service
    bool number_webhook = false;   // of the service: UseInboundWebhookOnNumber
    std::string api_key = {};      // SK...
    std::string api_secret = {};
    std::string application_sid = {};  // SmsApplicationSid: SmsUrl is ignored
  };
  void add_twilio(const NewTwilio& account);
  struct NewVonage {
    std::string api_key;
    std::string api_secret;
    std::string signature_secret;
    std::string application_id;
    std::string number;               // "14155550188"
    std::string public_key_pem = {};  // of the application, for bearer tokens
    bool sms_api = false;             // the account's setting: inbound by the SMS API
    std::string sig_method =
        {};  // of the SMS API: md5hash, md5, sha1, sha256, sha512; empty: unsigned
  };
  void add_vonage(const NewVonage& account);
  struct NewTelnyx {
    std::string api_key;
    std::string profile_id;
    std::string number;  // "+14155550177"
    std::string number_id = {};
  };
  void add_telnyx(const NewTelnyx& account);
  // Base64 of the 32 bytes, as Mission Control shows it.
  std::string telnyx_public_key() const;
  struct NewPlivo {
    std::string auth_id;
    std::string auth_token;
    std::string number;  // "+14155550196"
    bool v3 = true;      // deliveries carry a signature of version 3 beside that of version 2
  };
  void add_plivo(const NewPlivo& account);
  struct NewSinch {
    std::string plan_id;
    std::string token;
    std::string number;               // "+14155550195"
    std::string webhook_secret = {};  // empty: callbacks are not signed
  };
  void add_sinch(const NewSinch& plan);
  // What a person enters for a service plan in Sinch's dashboard; "https://user:password@host/..."
  // is called with that password. Errc::not_found, or Errc::invalid_argument for no URL Sinch would
  // call.
  Result<> set_sinch_callback(const std::string& plan_id, const std::string& url);
  struct NewBird {
    std::string access_key;
    std::string organization_id;
    std::string workspace_id;
    std::string channel_id;
    std::string number;  // "+14155550194"
  };
  void add_bird(const NewBird& channel);

  // Where what is sent to a number goes now; empty: nowhere.
  std::string webhook_of(const std::string& number) const;
  bool wait_webhook(const std::string& number, std::chrono::milliseconds patience) const;
  // Messages to somebody fail by status callback: 30003 of Twilio, or the provider's equal.
  void make_unreachable(const std::string& phone, int twilio_code = 30003);
  std::vector<TwilioAlert> alerts() const;
  bool is_opted_out(const std::string& number, const std::string& phone) const;

  // People ---------------------------------------------------------------------------------------

  // The provider's id of the message; empty where the number is unknown.
  std::string say(const std::string& number, std::string_view who, std::string_view text);
  // Anything else in the control API's shorthand (GET /_simulate/sms/ describes it); JSON with
  // "id".
  Result<std::string> act(std::string_view wish);

 protected:
  Answer answer(const HttpRequest& request, ApiCall& record) override;
  HttpReply refusal(const CallFault& fault, const HttpRequest& request) override;
  std::string account_of(const HttpRequest& request) const override;
  std::optional<Answer> control(const ControlRequest& request) override;
  void forget() override;

 private:
  struct Twilio;
  struct Vonage;
  struct Telnyx;
  struct Plivo;
  struct Sinch;
  struct Bird;
  struct Listed {
    std::string provider;
    std::string account;
    std::string number;
  };
  struct Incoming {
    std::string from;  // E.164 with '+', a short code or a name
    std::string text;
    std::vector<std::string> media;  // content types
  };
  struct File {
    std::string mime_type;
    std::string bytes;
    std::string account;
    int refusals = 0;  // requests that still find it not ready
  };

  void insert(const NewTwilio& wanted);
  void insert(const NewVonage& wanted);
  void insert(const NewTelnyx& wanted);
  void insert(const NewPlivo& wanted);
  void insert(const NewSinch& wanted);
  void insert(const NewBird& wanted);
  Result<std::string> act_locked(sdk::json::Value wish);

  // Twilio (sms_twilio.cc).
  Answer twilio(const HttpRequest& request, ApiCall& record);
  HttpReply twilio_error(int status, int code, std::string_view message) const;
  HttpReply twilio_number(const HttpRequest& request, const Params& params,
                          const std::string& account, const std::string& sid);
  HttpReply twilio_numbers(const Params& params, const std::string& account);
  HttpReply twilio_service(const HttpRequest& request, const Params& params,
                           const std::string& account, const std::vector<std::string>& path);
  HttpReply twilio_send(const Params& params, const std::string& account);
  HttpReply twilio_messages(const HttpRequest& request, const Params& params,
                            const std::string& account, const std::vector<std::string>& path);
  HttpReply twilio_media(const HttpRequest& request, const std::string& account,
                         const std::vector<std::string>& path);
  std::string twilio_receive(const std::string& phone, const Incoming& incoming);
  void twilio_post(const std::string& account, const std::string& id, const std::string& kind,
                   std::string url, std::string method, std::string fallback, sdk::Form fields,
                   std::chrono::milliseconds delay);
  void twilio_statuses(const std::string& account, const std::string& sid);
  void twilio_answered(const std::string& account, const sdk::Form& fields, const std::string& url,
                       const HttpOutcome& outcome);

  // Vonage (sms_vonage.cc).
  Answer vonage(const HttpRequest& request, ApiCall& record);
  HttpReply vonage_error(int status, std::string_view title, std::string_view detail);
  HttpReply vonage_send(sdk::json::Value body, const std::string& api_key);
  HttpReply vonage_sms(const Params& params);
  HttpReply vonage_application(const HttpRequest& request, const std::string& id);
  std::string vonage_receive(const std::string& msisdn, const Incoming& incoming);
  void vonage_post(const std::string& api_key, const std::string& id, const std::string& kind,
                   const std::string& url, std::string body, std::chrono::milliseconds delay);
  void vonage_post_form(const std::string& api_key, const std::string& id, const std::string& kind,
                        const std::string& url, sdk::Form fields, std::chrono::milliseconds delay);

  // Telnyx (sms_telnyx.cc).
  Answer telnyx(const HttpRequest& request, ApiCall& record);
  HttpReply telnyx_error(int status, std::string_view code, std::string_view title,
                         std::string_view detail);
  HttpReply telnyx_send(sdk::json::Value body, const std::string& api_key);
  std::string telnyx_receive(const std::string& phone, const Incoming& incoming);
  void telnyx_post(const std::string& account, const std::string& event_type,
                   const std::string& payload, const std::string& url, const std::string& failover,
                   std::chrono::milliseconds delay);

  // Plivo (sms_plivo.cc).
  Answer plivo(const HttpRequest& request, ApiCall& record);
  HttpReply plivo_error(int status, const std::string& error_json);
  HttpReply plivo_done(int status, std::string_view message);
  HttpReply plivo_number(const HttpRequest& request, sdk::json::Value wish,
                         const std::string& auth_id, const std::string& digits);
  HttpReply plivo_application(const HttpRequest& request, sdk::json::Value wish,
                              const std::string& auth_id, const std::string& id);
  HttpReply plivo_send(sdk::json::Value body, const std::string& auth_id);
  void plivo_statuses(const std::string& auth_id, const std::string& id, const std::string& from,
                      const std::string& to, std::string_view text, const std::string& url,
                      const std::string& method);
  std::string plivo_receive(const std::string& phone, const Incoming& incoming);
  void plivo_post(const std::string& auth_id, const std::string& id, const std::string& kind,
                  const std::string& url, const std::string& method, sdk::Form fields,
                  std::chrono::milliseconds delay);
  void plivo_answered(const sdk::Form& fields, const HttpOutcome& outcome);

  // Sinch (sms_sinch.cc).
  Answer sinch(const HttpRequest& request, ApiCall& record);
  HttpReply sinch_error(int status, std::string_view code, std::string_view text) const;
  HttpReply sinch_batches(const std::string& plan_id, const sdk::Form& query) const;
  HttpReply sinch_send(sdk::json::Value body, const std::string& plan_id);
  void sinch_reports(const std::string& plan_id, const std::string& batch,
                     const std::vector<std::string>& recipients, sdk::json::Value body);
  std::string sinch_receive(const std::string& phone, const Incoming& incoming);
  void sinch_post(const std::string& plan_id, const std::string& id, const std::string& kind,
                  const std::string& url, const std::string& body, std::chrono::milliseconds delay);

  // Bird (sms_bird.cc).
  Answer bird(const HttpRequest& request, ApiCall& record);
  HttpReply bird_error(int status, std::string_view code, std::string_view message) const;
  HttpReply bird_subscriptions(const HttpRequest& request, sdk::json::Value wish,
                               const std::string& workspace, const std::string& id);
  std::optional<HttpReply> bird_refuses(sdk::json::Value wish, const std::string& workspace,
                                        const std::string& id) const;
  HttpReply bird_send(sdk::json::Value body, const std::string& channel);
  std::string bird_receive(const std::string& phone, const Incoming& incoming);
  void bird_post(const std::string& channel, const std::string& id, const std::string& event,
                 const std::string& payload, std::chrono::milliseconds delay);

  std::string receive(const std::string& number, const Incoming& incoming);
  std::string webhook_locked(const std::string& number) const;
  void settle_opt(const std::string& number, const std::string& phone, std::string_view text);
  void answer_back(const std::string& number, const std::string& phone);
  std::string mint_file(const std::string& account, std::string_view mime_type);
  HttpReply file_reply(const std::string& path);
  std::string only_number() const;
  std::vector<Listed> listed() const;  // every number
  Result<> set_sinch_callback_locked(const std::string& plan_id, const std::string& url);

  const SmsOptions sms_;
  std::unique_ptr<Twilio> twilio_;
  std::unique_ptr<Vonage> vonage_;
  std::unique_ptr<Telnyx> telnyx_;
  std::unique_ptr<Plivo> plivo_;
  std::unique_ptr<Sinch> sinch_;
  std::unique_ptr<Bird> bird_;
  std::map<std::string, int> unreachable_;                   // phone -> Twilio's code
  std::set<std::pair<std::string, std::string>> opted_out_;  // number, phone
  std::map<std::string, File> files_;                        // by path
  std::vector<TwilioAlert> alerts_;
};

}  // namespace gateway::simulate

#endif  // GATEWAY_SIMULATE_SMS_SIMULATOR_H_
