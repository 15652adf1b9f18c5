#include "gateway/simulate/demo_channels.h"

#include <utility>

#include "gateway/simulate/members.h"
#include "gateway/simulate/morning.h"

namespace gateway::simulate {
namespace {

using sdk::json::Value;

Result<> ok_of(const Result<std::string>& made) {
  if (!made) return made.error();
  return {};
}

// The last `count` digits of a number, with leading zeros.
std::string digits_of(std::int64_t number, std::size_t count) {
  const std::string all = std::string(count, '0') + std::to_string(number);
  return all.substr(all.size() - count);
}

// Plays wishes in the control APIs' shorthand, one after the other.
template <class Platform>
Result<> play_all(Platform& platform, const std::vector<Members>& wishes) {
  for (const Members& wish : wishes) {
    if (auto made = platform.act(object(wish)); !made) return made.error();
  }
  return {};
}

DemoChannel telegram_channel(TelegramSimulator& telegram, std::uint64_t seed, std::int64_t unique) {
  const std::int64_t bot_id = 7'000'000'000 + unique % 1'000'000'000;
  DemoChannel channel;
  channel.type = "telegram";
  channel.title = "Telegram";
  channel.config = object(
      {{"bot_token", json_text(std::to_string(bot_id) + ":AAsimulatedsimulatedsimulatedsimula")}});
  channel.wait_ready = [&telegram, bot_id](std::chrono::milliseconds patience) {
    return telegram.wait_webhook(bot_id, patience);
  };
  channel.customers_write = [&telegram, bot_id, seed]() -> Result<> {
    const auto beats = morning(seed);
    const std::int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
    if (play(telegram, bot_id, beats, now - beats.back().at_s - 60)) return {};
    return fail(Errc::not_found, "the simulated Telegram does not know the bot");
  };
  channel.answers = {
      {"Ana", "¡Hola Ana! Lo siento mucho. El reembolso del pedido 4711 ya está en camino 💙"},
      {"Юлия", "Доброе утро, Юлия! Заказ 1204 уже у курьера, будет сегодня до 14:00."},
      {"Jürgen", "Moin Herr Weiß, die korrigierte Rechnung kommt gleich per E-Mail."},
      {"Tom", "Yes, we do! Two to four days to Ireland."},
      {"さくら", "おはようございます！11時に開店します。お待ちしております。"}};
  channel.arrived = [&telegram, bot_id] { return telegram.sent(bot_id).size(); };
  return channel;
}

DemoChannel whatsapp_channel(MetaSimulator& meta, std::int64_t unique) {
  const std::string id = "1065" + digits_of(unique, 11);
  const std::string waba = "1022" + digits_of(unique, 11);
  const std::string token = "EAAsimulated" + digits_of(unique, 13);
  meta.add_number({.id = id, .token = token, .waba_id = waba});
  DemoChannel channel;
  channel.type = "whatsapp";
  channel.title = "WhatsApp";
  channel.config = object({{"phone_number_id", json_text(id)},
                           {"waba_id", json_text(waba)},
                           {"access_token", json_text(token)},
                           {"verify_token", json_text("blue-vase-verifies")}});
  channel.wait_ready = [&meta, id](std::chrono::milliseconds patience) {
    return meta.wait_webhook(id, patience);
  };
  channel.customers_write = [&meta, id] {
    const auto says = [&id](std::string_view who, std::string_view what, std::string value) {
      return Members{{"number", json_text(id)},
                     {"from", json_text(who)},
                     {std::string(what), std::move(value)}};
    };
    return play_all(
        meta, {says("marie", "text", json_text("Bonjour ! Ma commande 4711 est-elle partie ?")),
               says("marie", "image", json_text("Voici le reçu")),
               says("ahmed", "text", json_text("السلام عليكم، هل يوجد توصيل إلى دبي؟")),
               says("ahmed", "location", "true")});
  };
  channel.answers = {{"Marie", "Bonjour Marie ! Elle est partie ce matin, vous l'aurez demain."}};
  channel.outcome = "read";
  channel.arrived = [&meta, id] { return meta.sent(id).size(); };
  channel.customers_react = [&meta, id]() -> Result<> {
    const auto sent = meta.sent(id);
    if (sent.empty()) return fail(Errc::not_found, "nothing was sent on WhatsApp");
    return ok_of(meta.act(object({{"number", json_text(id)},
                                  {"from", json_text("marie")},
                                  {"reaction", json_text("❤️")},
                                  {"message_id", json_text(sent.back().id)}})));
  };
  return channel;
}

DemoChannel instagram_channel(MetaSimulator& meta, std::int64_t unique) {
  const std::string id = "178414" + digits_of(unique, 11);
  const std::string token = "IGAAsimulated" + digits_of(unique, 13);
  meta.add_instagram({.user_id = id, .token = token});
  DemoChannel channel;
  channel.type = "instagram";
  channel.title = "Instagram";
  channel.config = object({{"access_token", json_text(token)},
                           {"account_id", json_text(id)},
                           {"verify_token", json_text("blue-vase-verifies")}});
  // Meta has no call for it: a person enters the callback URL in the App Dashboard.
  channel.finish = [&meta](Value instructions) -> Result<> {
    const HttpReply reply = meta.subscribe_by_hand(
        "instagram", std::string(instructions["callback_url"].text_or("")),
        std::string(instructions["verify_token"].text_or("")),
        {"messages", "message_reactions", "messaging_seen", "messaging_postbacks", "comments"});
    if (reply.status == 200) return {};
    return fail(Errc::upstream, "the App Dashboard refused the callback URL: " + reply.body);
  };
  channel.wait_ready = [&meta, id](std::chrono::milliseconds patience) {
    return meta.wait_webhook(id, patience);
  };
  channel.customers_write = [&meta, id] {
    const auto says = [&id](std::string_view who, std::string_view what, std::string value) {
      return Members{{"account", json_text(id)},
                     {"from", json_text(who)},
                     {std::string(what), std::move(value)}};
    };
    return play_all(meta, {says("noa", "text", json_text("הי! האגרטל הכחול עוד במלאי?")),
                           says("noa", "image", "true"), says("li", "story_mention", "true")});
  };
  channel.answers = {{"האגרטל", "כן! נשארו שלושה. לשמור לך אחד?"}};
  channel.outcome = "read";
  channel.arrived = [&meta, id] { return meta.sent(id).size(); };
  return channel;
}

DemoChannel x_channel(XSimulator& x, std::int64_t unique) {
  const std::string id = "17300" + digits_of(unique, 14);
  XSimulator::NewApp app;
  app.consumer_key += digits_of(unique, 13);
  app.id = digits_of(unique, 8);
  x.add_app(app);
  XSimulator::NewUser user;
  user.id = id;
  user.username = "bluevase";
  user.name = "Blue Vase";
  user.consumer_key = app.consumer_key;
  user.access_token = id + "-simulatedtoken";
  x.add_user(user);
  DemoChannel channel;
  channel.type = "x";
  channel.title = "X";
  channel.config = object({{"api_key", json_text(app.consumer_key)},
                           {"api_secret", json_text(app.consumer_secret)},
                           {"access_token", json_text(user.access_token)},
                           {"access_token_secret", json_text(user.access_token_secret)}});
  channel.wait_ready = [&x, id](std::chrono::milliseconds patience) {
    return x.wait_subscribed(id, patience);
  };
  channel.customers_write = [&x, id] {
    return play_all(
        x,
        {{{"user", json_text(id)},
          {"from", json_text("tom")},
          {"text", json_text("hey, is the brass lamp back? 🪔")}},
         {{"user", json_text(id)}, {"from", json_text("tom")}, {"image", json_text("this one")}}});
  };
  channel.answers = {{"Tom", "It is, since this morning! We can put one aside for you."}};
  channel.arrived = [&x, id] { return x.sent(id).size(); };
  return channel;
}

DemoChannel sms_channel(SmsSimulator& sms, std::int64_t unique) {
  const std::string sid = "AC" + digits_of(unique, 32);
  const std::string token = "5" + digits_of(unique, 31);
  const std::string number = "+1415" + digits_of(unique, 7);
  sms.add_twilio({.sid = sid, .auth_token = token, .number = number});
  DemoChannel channel;
  channel.type = "sms";
  channel.title = "SMS";
  channel.config = object({{"provider", json_text("twilio")},
                           {"account_sid", json_text(sid)},
                           {"auth_token", json_text(token)},
                           {"from", json_text(number)}});
  channel.wait_ready = [&sms, number](std::chrono::milliseconds patience) {
    return sms.wait_webhook(number, patience);
  };
  channel.customers_write = [&sms, number] {
    return play_all(sms, {{{"number", json_text(number)},
                           {"from", json_text("priya")},
                           {"text", json_text("Hi, is my parcel at the shop? Order 88231")}},
                          {{"number", json_text(number)},
                           {"from", json_text("priya")},
                           {"text", json_text("the slip says this")},
                           {"media", json_text("image/jpeg")}}});
  };
  channel.answers = {{"88231", "Yes, Priya. We keep it until Saturday, 18:00."}};
  channel.outcome = "delivered";
  channel.arrived = [&sms, number] { return sms.sent(number).size(); };
  return channel;
}

DemoChannel email_channel(MailSimulator& mail, std::int64_t unique) {
  const std::string address = "hello-" + digits_of(unique, 13) + "@bluevase.example";
  const std::string user = "bluevase-" + digits_of(unique, 13);
  mail.add_smtp_user(user, "simulated-password");
  DemoChannel channel;
  channel.type = "email";
  channel.title = "Email";
  channel.config = object({{"address", json_text(address)},
                           {"display_name", json_text("Blue Vase")},
                           {"inbound", json_text("raw")},
                           {"smtp", object({{"host", json_text("mail.simulated.example")},
                                            {"port", "587"},
                                            {"tls", json_text("none")},
                                            {"username", json_text(user)},
                                            {"password", json_text("simulated-password")}})}});
  // A mail server that posts each mail is set up by its administrator.
  channel.finish = [&mail, address](Value instructions) -> Result<> {
    const std::string url(instructions["callback_url"].text_or(""));
    if (url.empty()) return fail(Errc::not_found, "the gateway names no callback URL for mail");
    mail.add_raw({.address = address, .url = url});
    return {};
  };
  channel.wait_ready = [&mail, address](std::chrono::milliseconds patience) {
    return mail.wait_webhook(address, patience);
  };
  channel.customers_write = [&mail, address] {
    return play_all(
        mail, {{{"to", json_text(address)},
                {"from", json_text("juergen")},
                {"subject", json_text("Rechnung März – Position 3")},
                {"text", json_text("Moin,\n\ndie Rechnung stimmt nicht, siehe Anhang.\n\nGrüße\n"
                                   "Jürgen Weiß")},
                {"files", array({json_text("application/pdf")})}},
               {{"to", json_text(address)},
                {"from", json_text("yulia")},
                {"subject", json_text("Заказ 1204")},
                {"text", json_text("Здравствуйте! Можно изменить адрес доставки?")}}});
  };
  channel.answers = {{"Jürgen",
                      "Moin Herr Weiß, im Anhang fehlte ein Nachlass. Sie bekommen heute "
                      "eine neue Rechnung."}};
  channel.arrived = [&mail, address] { return mail.sent(address).size(); };
  // An answer to a mail finds the conversation by its references.
  channel.customers_react = [&mail, address]() -> Result<> {
    for (const SentMail& sent : mail.mails()) {
      if (sent.view.header("From").find(address) == std::string::npos) continue;
      if (!mail.reply(sent.number, "juergen", "Danke, das hilft mir weiter.").empty()) return {};
    }
    return fail(Errc::not_found, "no mail was sent");
  };
  return channel;
}

}  // namespace

std::vector<DemoChannel> demo_channels(Simulators& simulators, std::uint64_t seed,
                                       std::int64_t unique) {
  std::vector<DemoChannel> out;
  out.push_back(telegram_channel(*simulators.telegram(), seed, unique));
  out.push_back(whatsapp_channel(*simulators.meta(), unique));
  out.push_back(instagram_channel(*simulators.meta(), unique));
  out.push_back(x_channel(*simulators.x(), unique));
  out.push_back(sms_channel(*simulators.sms(), unique));
  out.push_back(email_channel(*simulators.mail(), unique));
  return out;
}

Result<> wait_delivered(Simulators& simulators, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto stuck = [](std::string_view platform, const auto& one) -> Result<> {
    std::string last;
    for (const Delivery& delivery : one.deliveries()) {
      if (!delivery.error.empty()) last = "; " + delivery.kind + ": " + delivery.error;
    }
    const DeliveryStats stats = one.delivery_stats();
    return fail(Errc::unavailable, std::string(platform) + ": " +
                                       std::to_string(stats.updates - stats.acknowledged) +
                                       " events are not acknowledged" + last);
  };
  const auto check = [&](std::string_view platform, auto& one) -> Result<> {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (!one.wait_idle(std::max(left, std::chrono::milliseconds(0)))) return stuck(platform, one);
    const DeliveryStats stats = one.delivery_stats();
    return stats.acknowledged == stats.updates ? Result<>() : stuck(platform, one);
  };
  Result<> done;
  if (auto* const telegram = simulators.telegram()) done = check("telegram", *telegram);
  const auto next = [&](auto* platform) {
    if (done && platform != nullptr) done = check(platform->name(), *platform);
  };
  next(simulators.meta());
  next(simulators.sms());
  next(simulators.x());
  next(simulators.mail());
  return done;
}

}  // namespace gateway::simulate
