#include "gateway/simulate/simulators.h"

#include <algorithm>
#include <array>
#include <optional>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/control.h"
#include "gateway/simulate/members.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Writer;

// Where each platform's ports begin behind the control API's.
constexpr std::uint16_t kTelegramPort = 1;
constexpr std::uint16_t kMetaPort = 2;
constexpr std::uint16_t kSmsPort = 5;
constexpr std::uint16_t kXPort = 11;
constexpr std::uint16_t kMailPort = 13;
constexpr std::uint16_t kSmtpPort = 17;
constexpr std::uint16_t kImapPort = 18;
constexpr std::uint16_t kLastPort = kImapPort;

constexpr std::array<std::string_view, 5> kPlatforms = {"telegram", "meta", "sms", "x", "mail"};
// Types of channels that are called otherwise than their platform here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kTypes = {
    {{"whatsapp", "meta"}, {"instagram", "meta"}, {"email", "mail"}}};

// Accounts that exist from the start. All of it is made up; the numbers are reserved for stories.
constexpr std::string_view kBotToken = "7012345678:AAsimulatedsimulatedsimulatedsimula";
constexpr std::string_view kWhatsAppNumber = "106540352242922";
constexpr std::string_view kWhatsAppBusiness = "102290129340398";
constexpr std::string_view kWhatsAppToken = "EAAsimulatedWhatsApp";
constexpr std::string_view kInstagramAccount = "17841400000000001";
constexpr std::string_view kInstagramToken = "IGAAsimulatedInstagram";
constexpr std::string_view kVerifyToken = "simulated-verify-token";
constexpr std::string_view kTwilioSid = "AC00000000000000000000000000000001";
constexpr std::string_view kTwilioToken = "0000000000000000000000simulated1";
constexpr std::string_view kTwilioNumber = "+14155550199";
constexpr std::string_view kVonageKey = "simu1234";
constexpr std::string_view kVonageSecret = "simulatedSecret1";
constexpr std::string_view kVonageSignature = "simulatedSignatureSecret0123456789";
constexpr std::string_view kVonageApplication = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab";
constexpr std::string_view kVonageNumber = "14155550198";
constexpr std::string_view kTelnyxKey = "KEYsimulated0123456789";
constexpr std::string_view kTelnyxProfile = "40000000-0000-4000-8000-000000000001";
constexpr std::string_view kTelnyxNumber = "+14155550197";
constexpr std::string_view kPlivoId = "MASIMULATED000000001";
constexpr std::string_view kPlivoToken = "simulatedPlivoToken0123456789";
constexpr std::string_view kPlivoNumber = "+14155550196";
constexpr std::string_view kSinchPlan = "simulatedplan0000000000000000001";
constexpr std::string_view kSinchToken = "simulatedSinchToken0123456789";
constexpr std::string_view kSinchSecret = "simulatedSinchSecret0123456789";
constexpr std::string_view kSinchNumber = "+14155550195";
constexpr std::string_view kBirdKey = "simulatedBirdAccessKey0123456789";
constexpr std::string_view kBirdOrganization = "50000000-0000-4000-8000-000000000001";
constexpr std::string_view kBirdWorkspace = "50000000-0000-4000-8000-000000000002";
constexpr std::string_view kBirdChannel = "50000000-0000-4000-8000-000000000003";
constexpr std::string_view kBirdNumber = "+14155550194";
constexpr std::string_view kXUser = "1730000000000000001";
constexpr std::string_view kMailHost = "mail.simulated.example";
constexpr std::string_view kMailPassword = "simulated-password";
constexpr std::string_view kImapAddress = "support@acme.example";
constexpr std::string_view kRawAddress = "office@acme.example";
constexpr std::string_view kPostmarkAddress = "care@acme.example";
constexpr std::string_view kPostmarkToken = "00000000-0000-4000-8000-000000000002";
constexpr std::string_view kMailgunDomain = "mg.acme.example";
constexpr std::string_view kMailgunKey = "key-simulated0123456789abcdef";
constexpr std::string_view kMailgunSigningKey = "simulatedsigningkey0123456789";
constexpr std::string_view kSendGridKey = "SG.simulated.0123456789";
constexpr std::string_view kSendGridHost = "parse.acme.example";

std::string listed(std::string_view joint) {
  std::string out;
  for (const std::string_view name : kPlatforms) {
    out += (out.empty() ? "" : std::string(joint)) + std::string(name);
  }
  return out;
}

Members texts(std::initializer_list<std::pair<std::string, std::string_view>> pairs) {
  Members members;
  for (const auto& [name, value] : pairs) members.emplace_back(name, json_text(value));
  return members;
}

std::string mail_server(int port) {
  return object({{"host", json_text(kMailHost)},
                 {"port", std::to_string(port)},
                 {"tls", json_text("none")},
                 {"username", json_text("acme")},
                 {"password", json_text(kMailPassword)}});
}

// What every platform's simulator is asked, Telegram's included.
struct Figures {
  std::string name;
  DeliveryStats stats;
};

void write_sent(Writer& writer, const Sent& message) {
  writer.object().member("platform", message.platform).member("number", message.number);
  writer.member("account", message.account).member("to", message.to).member("id", message.id);
  writer.member("reply_to", message.reply_to).member("kind", message.kind);
  writer.member("text", message.text).end();
}

// As the other platforms show theirs; the kind is the method without "send".
Sent common_form(const SentMessage& message) {
  Sent out;
  out.platform = "telegram";
  out.number = message.number;
  out.account = std::to_string(message.bot_id);
  out.to = std::to_string(message.chat_id);
  out.id = std::to_string(message.message_id);
  if (message.reply_to != 0) out.reply_to = std::to_string(message.reply_to);
  out.kind = message.method == "sendMessage"        ? "text"
             : message.method.rfind("send", 0) == 0 ? sdk::lower_ascii(message.method.substr(4))
                                                    : message.method;
  out.text = message.text;
  return out;
}

template <class Options>
Options with_common(const SimulatorsOptions& options, const std::shared_ptr<ControlDesk>& desk,
                    std::uint16_t offset) {
  Options out;
  out.address = options.address;
  out.port =
      options.port == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(options.port + offset);
  out.seed = options.seed;
  out.time_scale = options.time_scale;
  out.urls = options.urls;
  out.replies = options.replies;
  out.desk = desk;
  return out;
}

std::uint16_t behind(std::uint16_t port, std::uint16_t offset) {
  return port == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(port + offset);
}

}  // namespace

Result<std::string> simulator_named(std::string_view name) {
  for (const std::string_view known : kPlatforms) {
    if (known == name) return std::string(name);
  }
  for (const auto& [type, platform] : kTypes) {
    if (type == name) return std::string(platform);
  }
  return fail(Errc::invalid_argument, "there is no simulated platform \"" + std::string(name) +
                                          "\"; there are " + listed(", ") +
                                          " (whatsapp and instagram are of meta, email of mail)");
}

std::string SampleChannel::body() const {
  return object({{"type", json_text(type)}, {"config", config}});
}

Result<std::unique_ptr<Simulators>> Simulators::create(const SimulatorsOptions& options) {
  SimulatorsOptions chosen = options;
  for (std::string& name : chosen.only) {
    auto known = simulator_named(name);
    if (!known) return known.error();
    name = std::move(*known);
  }
  if (options.port > 65'535 - kLastPort) {
    return fail(Errc::invalid_argument, "port " + std::to_string(options.port) +
                                            " is too high: " + std::to_string(kLastPort) +
                                            " more behind it are used; take one up to " +
                                            std::to_string(65'535 - kLastPort));
  }
  return std::unique_ptr<Simulators>(new Simulators(chosen));
}

Simulators::Simulators(const SimulatorsOptions& options)
    : options_(options),
      wanted_(options.only),
      desk_(std::make_shared<ControlDesk>()),
      control_({[](const HttpRequest&) { return true; },
                [this](const HttpRequest& request, const ApiServer::Respond& respond) {
                  control(request, respond);
                }}) {
  if (wants("telegram")) {
    TelegramOptions telegram;
    telegram.address = options.address;
    telegram.port = behind(options.port, kTelegramPort);
    telegram.seed = options.seed;
    telegram.time_scale = options.time_scale;
    telegram.urls = options.urls;
    telegram_ = std::make_unique<TelegramSimulator>(telegram);
    desk_->add(
        "telegram", telegram_help("/_simulate/telegram/"),
        [this](const HttpRequest& request, std::string rest, const ApiServer::Respond& respond) {
          respond(simulate::control(*telegram_, request, std::move(rest)));
        });
  }
  if (wants("meta")) {
    meta_ = std::make_unique<MetaSimulator>(with_common<MetaOptions>(options, desk_, kMetaPort));
  }
  if (wants("sms")) {
    sms_ = std::make_unique<SmsSimulator>(with_common<SmsOptions>(options, desk_, kSmsPort));
  }
  if (wants("x")) {
    x_ = std::make_unique<XSimulator>(with_common<XOptions>(options, desk_, kXPort));
  }
  if (wants("mail")) {
    auto mail = with_common<MailOptions>(options, desk_, kMailPort);
    mail.smtp_port = behind(options.port, kSmtpPort);
    mail.imap_port = behind(options.port, kImapPort);
    mail.host = kMailHost;
    mail_ = std::make_unique<MailSimulator>(mail);
  }
  make_accounts();
}

Simulators::~Simulators() { stop(); }

bool Simulators::wants(std::string_view name) const {
  return wanted_.empty() || std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
}

void Simulators::make_accounts() {
  const auto sample = [this](std::string name, std::string type, const Members& config,
                             std::string by_hand = {}) {
    samples_.push_back({std::move(name), std::move(type), object(config), std::move(by_hand)});
  };
  if (telegram_) sample("telegram", "telegram", texts({{"bot_token", kBotToken}}));
  if (meta_) {
    meta_->add_number({.id = std::string(kWhatsAppNumber),
                       .token = std::string(kWhatsAppToken),
                       .waba_id = std::string(kWhatsAppBusiness)});
    sample("whatsapp", "whatsapp",
           texts({{"phone_number_id", kWhatsAppNumber},
                  {"waba_id", kWhatsAppBusiness},
                  {"access_token", kWhatsAppToken},
                  {"verify_token", kVerifyToken}}));
    meta_->add_instagram(
        {.user_id = std::string(kInstagramAccount), .token = std::string(kInstagramToken)});
    sample("instagram", "instagram",
           texts({{"access_token", kInstagramToken},
                  {"account_id", kInstagramAccount},
                  {"verify_token", kVerifyToken}}),
           "enter registration.instructions of the answer in the App Dashboard: POST "
           "/_simulate/meta/dashboard {\"object\": \"instagram\", \"callback_url\", "
           "\"verify_token\", \"fields\": [\"messages\", \"messaging_seen\", "
           "\"message_reactions\", \"messaging_postbacks\", \"comments\"]}");
  }
  if (x_) {
    const XSimulator::NewApp app;
    x_->add_app(app);
    x_->add_user({.id = std::string(kXUser)});
    sample("x", "x",
           texts({{"api_key", app.consumer_key},
                  {"api_secret", app.consumer_secret},
                  {"access_token", std::string(kXUser) + "-simulatedtoken"},
                  {"access_token_secret", "ts_simulated"}}));
  }
  if (sms_) {
    sms_->add_twilio({.sid = std::string(kTwilioSid),
                      .auth_token = std::string(kTwilioToken),
                      .number = std::string(kTwilioNumber)});
    sample(
        "sms", "sms",
        texts(
            {{"account_sid", kTwilioSid}, {"auth_token", kTwilioToken}, {"from", kTwilioNumber}}));
    sms_->add_vonage({.api_key = std::string(kVonageKey),
                      .api_secret = std::string(kVonageSecret),
                      .signature_secret = std::string(kVonageSignature),
                      .application_id = std::string(kVonageApplication),
                      .number = std::string(kVonageNumber)});
    sample("sms-vonage", "sms",
           texts({{"provider", "vonage"},
                  {"api_key", kVonageKey},
                  {"api_secret", kVonageSecret},
                  {"signature_secret", kVonageSignature},
                  {"application_id", kVonageApplication},
                  {"from", "+" + std::string(kVonageNumber)}}));
    sms_->add_telnyx({.api_key = std::string(kTelnyxKey),
                      .profile_id = std::string(kTelnyxProfile),
                      .number = std::string(kTelnyxNumber)});
    sample("sms-telnyx", "sms",
           texts({{"provider", "telnyx"},
                  {"telnyx_api_key", kTelnyxKey},
                  {"telnyx_public_key", sms_->telnyx_public_key()},
                  {"messaging_profile_id", kTelnyxProfile},
                  {"from", kTelnyxNumber}}));
    sms_->add_plivo({.auth_id = std::string(kPlivoId),
                     .auth_token = std::string(kPlivoToken),
                     .number = std::string(kPlivoNumber)});
    sample("sms-plivo", "sms",
           texts({{"provider", "plivo"},
                  {"plivo_auth_id", kPlivoId},
                  {"plivo_auth_token", kPlivoToken},
                  {"from", kPlivoNumber}}));
    sms_->add_sinch({.plan_id = std::string(kSinchPlan),
                     .token = std::string(kSinchToken),
                     .number = std::string(kSinchNumber),
                     .webhook_secret = std::string(kSinchSecret)});
    sample("sms-sinch", "sms",
           texts({{"provider", "sinch"},
                  {"sinch_plan_id", kSinchPlan},
                  {"sinch_token", kSinchToken},
                  {"webhook_secret", kSinchSecret},
                  {"from", kSinchNumber}}),
           "enter registration.instructions.callback_url of the answer in Sinch's dashboard: POST "
           "/_simulate/sms/sinch/callback {\"plan_id\": \"" +
               std::string(kSinchPlan) + "\", \"callback_url\"}");
    sms_->add_bird({.access_key = std::string(kBirdKey),
                    .organization_id = std::string(kBirdOrganization),
                    .workspace_id = std::string(kBirdWorkspace),
                    .channel_id = std::string(kBirdChannel),
                    .number = std::string(kBirdNumber)});
    sample("sms-bird", "sms",
           texts({{"provider", "bird"},
                  {"bird_access_key", kBirdKey},
                  {"organization_id", kBirdOrganization},
                  {"workspace_id", kBirdWorkspace},
                  {"channel_id", kBirdChannel}}));
  }
  if (mail_) {
    mail_->add_smtp_user("acme", std::string(kMailPassword));
    mail_->add_imap({std::string(kImapAddress), "acme", std::string(kMailPassword)});
    const auto address = [](std::string_view own, std::string_view inbound) {
      return texts({{"address", own}, {"display_name", "Acme"}, {"inbound", inbound}});
    };
    Members imap = address(kImapAddress, "imap");
    imap.emplace_back("imap", mail_server(143));
    imap.emplace_back("smtp", mail_server(587));
    sample("email", "email", imap);
    Members raw = address(kRawAddress, "raw");
    raw.emplace_back("smtp", mail_server(587));
    sample("email-raw", "email", raw,
           "tell the mail server where mail for the address goes: POST /_simulate/mail/raw "
           "{\"address\": \"" +
               std::string(kRawAddress) +
               "\", \"url\": registration.instructions.callback_url of the answer}");
    mail_->add_postmark({std::string(kPostmarkToken), std::string(kPostmarkAddress)});
    Members postmark = address(kPostmarkAddress, "postmark");
    postmark.emplace_back("outbound", json_text("postmark"));
    postmark.emplace_back("postmark", object(texts({{"server_token", kPostmarkToken}})));
    sample("email-postmark", "email", postmark);
    mail_->add_mailgun(
        {std::string(kMailgunKey), std::string(kMailgunSigningKey), std::string(kMailgunDomain)});
    Members mailgun = address("help@" + std::string(kMailgunDomain), "mailgun");
    mailgun.emplace_back("outbound", json_text("mailgun"));
    mailgun.emplace_back("mailgun", object(texts({{"domain", kMailgunDomain},
                                                  {"api_key", kMailgunKey},
                                                  {"signing_key", kMailgunSigningKey}})));
    sample("email-mailgun", "email", mailgun);
    mail_->add_sendgrid({std::string(kSendGridKey)});
    Members sendgrid = address("team@" + std::string(kSendGridHost), "sendgrid");
    sendgrid.emplace_back("outbound", json_text("sendgrid"));
    sendgrid.emplace_back("sendgrid",
                          object(texts({{"api_key", kSendGridKey}, {"hostname", kSendGridHost}})));
    sample("email-sendgrid", "email", sendgrid);
  }
}

std::vector<Platform*> Simulators::others() const {
  std::vector<Platform*> out;
  for (Platform* const platform :
       std::initializer_list<Platform*>{meta_.get(), sms_.get(), x_.get(), mail_.get()}) {
    if (platform != nullptr) out.push_back(platform);
  }
  return out;
}

Result<> Simulators::start() {
  const auto checked = [this](std::string_view what, const Result<>& started) -> Result<> {
    if (started) return {};
    Error error = started.error();
    error.message = std::string(what) + ": " + error.message;
    if (error.code == Errc::unavailable) {
      error.message += "; --listen " + options_.address + ":0 takes ports that are free, another " +
                       "port moves all " + std::to_string(kLastPort + 1);
    }
    return error;
  };
  auto started = checked("control", control_.start({{"control", options_.address, options_.port}}));
  if (started && telegram_) started = checked("telegram", telegram_->start());
  for (Platform* const platform : others()) {
    if (started) started = checked(platform->name(), platform->start());
  }
  if (!started) stop();
  return started;
}

void Simulators::stop() {
  // First, so that no request of it meets a platform that is gone.
  control_.stop();
  if (telegram_) telegram_->stop();
  for (Platform* const platform : others()) platform->stop();
}

std::string Simulators::control_origin() const {
  return "http://" + options_.address + ":" + std::to_string(control_.port());
}

std::vector<std::pair<std::string, Upstreams>> Simulators::platforms() const {
  std::vector<std::pair<std::string, Upstreams>> out;
  if (telegram_) out.push_back({"telegram", {{"https://api.telegram.org", telegram_->origin()}}});
  for (const Platform* const platform : others()) {
    out.emplace_back(platform->name(), platform->upstreams());
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> Simulators::settings() const {
  Upstreams all;
  for (const auto& [name, upstreams] : platforms()) {
    all.insert(all.end(), upstreams.begin(), upstreams.end());
  }
  std::vector<std::pair<std::string, std::string>> out = {
      {"BACKCHANNEL_UPSTREAMS", upstreams_setting(all)}};
  if (meta_) out.emplace_back("BACKCHANNEL_META_APP_SECRET", kMetaAppSecret);
  return out;
}

// The control API ---------------------------------------------------------------------------------

std::string Simulators::help() const {
  std::string out =
      "Simulated platforms: control API\n\n"
      "GET    /_simulate/platforms        those that run, and the origins they stand for\n"
      "GET    /_simulate/settings         what a gateway needs to meet them, as a shell's exports\n"
      "GET    /_simulate/channels         channels they accept\n"
      "GET    /_simulate/channels/NAME    one of them, as POST /api/v1/channels/ takes it\n"
      "GET    /_simulate/sent             messages the platforms were given to send\n"
      "GET    /_simulate/stats            figures of deliveries, by platform\n"
      "GET    /_simulate/idle             {\"idle\": true} when no platform has an event waiting\n"
      "POST   /_simulate/faults           a fault for each platform; see below\n"
      "DELETE /_simulate/faults           ends all faults of all platforms\n"
      "POST   /_simulate/reset            forgets everything but accounts and webhooks\n\n";
  return out + desk_->help();
}

void Simulators::control(const HttpRequest& request, const ApiServer::Respond& respond) {
  if (request.path.rfind(kControlPath, 0) != 0) {
    return respond(control_error(
        404, "this is the simulators' control API; GET /_simulate/ lists what there is"));
  }
  if (desk_->handle(request, respond)) return;
  respond(common(request));
}

HttpReply Simulators::common(const HttpRequest& request) {
  std::string path = request.path.substr(kControlPath.size());
  while (!path.empty() && path.back() == '/') path.pop_back();
  const bool get = request.method == "GET";
  HttpReply text;
  text.content_type = "text/plain; charset=utf-8";
  Writer writer;
  if (get && path.empty()) {
    text.body = help();
    return text;
  }
  if (get && path == "/settings") {
    for (const auto& [name, value] : settings()) text.body += "export " + name + "=" + value + "\n";
    return text;
  }
  if (get && path == "/platforms") {
    writer.array();
    for (const auto& [name, upstreams] : platforms()) {
      writer.object().member("name", name).member("control", "/_simulate/" + name + "/");
      writer.key("origins").object();
      for (const auto& [from, to] : upstreams) writer.member(from, to);
      writer.end().end();
    }
    return control_json(writer.end().take());
  }
  if (get && path == "/channels") {
    writer.array();
    for (const SampleChannel& sample : samples_) {
      writer.object().member("name", sample.name).key("body").raw(sample.body());
      writer.member("by_hand", sample.by_hand).end();
    }
    return control_json(writer.end().take());
  }
  if (get && path.rfind("/channels/", 0) == 0) {
    for (const SampleChannel& sample : samples_) {
      if (path.substr(10) == sample.name) return control_json(sample.body());
    }
    return control_error(404, "no such channel; GET /_simulate/channels lists them");
  }
  if (get && path == "/sent") {
    writer.array();
    if (telegram_) {
      for (const SentMessage& message : telegram_->sent()) write_sent(writer, common_form(message));
    }
    for (const Platform* const platform : others()) {
      for (const Sent& message : platform->sent()) write_sent(writer, message);
    }
    return control_json(writer.end().take());
  }
  if (get && (path == "/stats" || path == "/idle")) {
    std::vector<Figures> all;
    if (telegram_) all.push_back({"telegram", telegram_->delivery_stats()});
    for (const Platform* const platform : others()) {
      all.push_back({platform->name(), platform->delivery_stats()});
    }
    if (path == "/idle") {
      const bool idle = std::all_of(all.begin(), all.end(),
                                    [](const Figures& one) { return one.stats.pending == 0; });
      return control_json(idle ? "{\"idle\":true}" : "{\"idle\":false}");
    }
    writer.object();
    for (const Figures& one : all) writer.key(one.name).raw(to_json(one.stats));
    return control_json(writer.end().take());
  }
  if (request.method == "DELETE" && path == "/faults") {
    if (telegram_) telegram_->clear_faults();
    for (Platform* const platform : others()) platform->clear_faults();
    return control_done();
  }
  if (request.method == "POST" && path == "/reset") {
    if (telegram_) telegram_->reset();
    for (Platform* const platform : others()) platform->reset();
    return control_done();
  }
  if (request.method == "POST" && path == "/faults") return inject(request.body);
  return control_error(404, "unknown; GET /_simulate/ lists what there is");
}

HttpReply Simulators::inject(const std::string& body) {
  const auto document = Document::parse(body);
  if (!document) return control_error(400, "the body is no JSON: " + document.error().reason);
  const auto fault = parse_fault(document->root());
  if (!fault) return control_error(400, fault.error().message);
  const auto to = [&fault](auto& platform, auto call_fault) {
    if (const auto* const call = std::get_if<CallFault>(&*fault)) {
      platform.inject(call_fault(*call));
    } else if (const auto* const delivery = std::get_if<DeliveryFault>(&*fault)) {
      platform.inject(*delivery);
    } else {
      platform.set_down(true);
    }
  };
  if (telegram_) to(*telegram_, [](const CallFault& call) { return ApiFault{call}; });
  for (Platform* const platform : others()) {
    to(*platform, [](const CallFault& call) { return call; });
  }
  return control_done();
}

}  // namespace gateway::simulate
