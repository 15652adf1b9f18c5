#include "gateway/simulate/morning.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <tuple>
#include <utility>

namespace gateway::simulate {
namespace {

// Message ids by name, so that a later beat can answer, edit or react to an earlier one.
using Ids = std::map<std::string, std::int64_t>;

const User& person(std::string_view key) {
  static const User kStranger{1, "Stranger", "", "", "", false};
  const User* const user = find_person(key);
  return user != nullptr ? *user : kStranger;
}

class Story {
 public:
  explicit Story(std::uint64_t seed) : random_(seed), ids_(std::make_shared<Ids>()) {}

  // Begins the thread of one person or chat.
  void begin(std::int64_t at_s) { at_s_ = at_s + pick(90); }

  void beat(std::string label, TelegramSimulator::Act act) {
    beats_.push_back({at_s_, std::move(label), std::move(act)});
    at_s_ += 20 + pick(140);
  }

  // A message in the private chat with `who`, remembered as `name`.
  void says(std::string_view who, std::string label, std::string name,
            std::function<Incoming(World&, Bot&, Ids&)> write) {
    const User from = person(who);
    beat(std::string(who) + ": " + label,
         [ids = ids_, from, name, write = std::move(write)](World& world, Bot& bot) {
           Incoming incoming = write(world, bot, *ids);
           if (!incoming.from && !incoming.chat) incoming.from = from;
           Update update = world.message(bot, incoming);
           if (!name.empty()) (*ids)[name] = update.message_id;
           return std::vector<Update>{std::move(update)};
         });
  }

  void text(std::string_view who, std::string what, std::string name = {}) {
    says(who, "text", std::move(name), [what](World& world, Bot&, Ids&) {
      Incoming incoming;
      incoming.content = world.text(what);
      return incoming;
    });
  }

  void content(std::string_view who, std::string label, std::function<Members(World&, Bot&)> make,
               std::string name = {}) {
    says(who, std::move(label), std::move(name),
         [make = std::move(make)](World& world, Bot& bot, Ids&) {
           Incoming incoming;
           incoming.content = make(world, bot);
           return incoming;
         });
  }

  // Something the bot said before the morning began.
  void bot_said(std::string_view who, std::string what, std::string name) {
    const User from = person(who);
    beat(std::string(who) + ": earlier answer of the bot", [ids = ids_, from, what, name](
                                                               World& world, Bot& bot) {
      (*ids)[name] = world.earlier_bot_message(bot, private_chat(from), what, world.now() - 50'000);
      return std::vector<Update>{};
    });
  }

  std::string one_of(std::vector<std::string> texts) {
    return std::move(
        texts[static_cast<std::size_t>(pick(static_cast<std::int64_t>(texts.size())))]);
  }

  std::int64_t pick(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }

  std::shared_ptr<Ids> ids() const { return ids_; }

  std::vector<Beat> take() {
    std::stable_sort(beats_.begin(), beats_.end(),
                     [](const Beat& a, const Beat& b) { return a.at_s < b.at_s; });
    return std::move(beats_);
  }

 private:
  std::mt19937_64 random_;
  std::shared_ptr<Ids> ids_;
  std::vector<Beat> beats_;
  std::int64_t at_s_ = 0;
};

void ana(Story& story) {
  story.begin(0);
  story.text("ana", "/start order-99A_x");
  story.bot_said("ana", "How can we help?", "greeting");
  story.text("ana",
             story.one_of({"¡Hola! 👋 Mi pedido llegó roto 😢",
                           "Buenos días ☀️ el jarrón vino roto 😢",
                           "👨‍👩‍👧 hola, otra vez yo con el jarrón 😅"}),
             "ana_text");
  const std::int64_t photos = 2 + story.pick(3);
  for (std::int64_t i = 0; i < photos; ++i) {
    story.says("ana", "photo album", "", [i](World& world, Bot& bot, Ids& ids) {
      Incoming incoming;
      if (i == 0) ids["album"] = static_cast<std::int64_t>(world.below(1u << 30)) + 1;
      incoming.content = world.photo(bot, i == 0 ? "Mira, aquí a la izquierda" : "");
      incoming.content.emplace_back("media_group_id",
                                    json_text("1398765" + std::to_string(ids["album"])));
      return incoming;
    });
  }
  story.says("ana", "reply with quote", "", [](World& world, Bot&, Ids& ids) {
    Incoming incoming;
    incoming.reply_to = ids["greeting"];
    incoming.quote = "help";
    incoming.content = world.text("Un reembolso, por favor. Pedido 4711.");
    return incoming;
  });
  story.says("ana", "edited", "", [](World& world, Bot&, Ids& ids) {
    Incoming incoming;
    incoming.kind = "edited_message";
    incoming.message_id = ids["ana_text"];
    incoming.content = world.text("¡Hola! 👋 Mi pedido 4711 llegó roto 😢 (el jarrón azul)");
    return incoming;
  });
  const User from = person("ana");
  for (const auto& [label, before, after] :
       {std::tuple("reaction set", "", "❤"), std::tuple("reaction removed", "❤", "")}) {
    story.beat(std::string("ana: ") + label, [ids = story.ids(), from, b = std::string(before),
                                              a = std::string(after)](World& world, Bot& bot) {
      return std::vector<Update>{world.reaction(bot, from, from.id, (*ids)["greeting"], b, a)};
    });
  }
}

void others(Story& story) {
  story.begin(200);
  story.text("yulia", story.one_of({"Доброе утро! Где мой заказ №1204?",
                                    "Здравствуйте, заказ 1204 не пришёл"}));
  story.content("yulia", "voice", [](World& world, Bot& bot) { return world.voice(bot, 11); });
  story.content("yulia", "sticker", [](World& world, Bot& bot) { return world.sticker(bot, "🙏"); });

  story.begin(400);
  story.text("sakura", "おはようございます。お店はどこですか？");
  story.content(
      "sakura", "location", [](World& world, Bot&) { return world.location(35.6595, 139.7005); },
      "place");
  story.content("sakura", "venue", [](World& world, Bot&) {
    return world.venue(35.6586, 139.7454, "東京タワー", "芝公園4-2-8\n港区");
  });
  story.says("sakura", "live location moved", "", [](World& world, Bot&, Ids& ids) {
    Incoming incoming;
    incoming.kind = "edited_message";
    incoming.message_id = ids["place"];
    incoming.content = world.location(35.6601, 139.7020);
    return incoming;
  });

  story.begin(600);
  story.text("ahmed", story.one_of({"صباح الخير، هل المنتج متوفر؟", "السلام عليكم، كم السعر؟"}));
  story.content("ahmed", "contact, own number", [](World& world, Bot&) {
    return world.contact("971501112233", "أحمد", person("ahmed").id);
  });

  story.begin(700);
  story.text("juergen", "Moin! Die Rechnung stimmt nicht – siehe Anhang. Grüße & <b>Dank</b>",
             "juergen_text");
  story.content("juergen", "document", [](World& world, Bot& bot) {
    return world.document(bot, "Rechnung_März.pdf", "application/pdf", 183'422, "Position 3");
  });
  story.content("juergen", "document too big to fetch",
                [](World& world, Bot& bot) { return world.document(bot, "", "", 3'221'225'472); });
  story.content("juergen", "animation",
                [](World& world, Bot& bot) { return world.animation(bot); });
  story.content("juergen", "video",
                [](World& world, Bot& bot) { return world.video(bot, "So kam es an"); });

  story.begin(900);
  story.bot_said("marie", "Livraison demain matin ou après-midi ?", "offer");
  story.text("marie", "Bonjour, on peut changer le créneau ?");
  const User marie = person("marie");
  story.beat("marie: callback", [ids = story.ids(), marie](World& world, Bot& bot) {
    return std::vector<Update>{
        world.callback(bot, marie, marie.id, (*ids)["offer"], "slot:afternoon")};
  });
  story.beat("marie: callback of a message that is gone", [marie](World& world, Bot& bot) {
    return std::vector<Update>{world.callback(bot, marie, marie.id, 1, "close:42")};
  });
  story.beat("marie: blocked", [marie](World& world, Bot& bot) {
    return std::vector<Update>{world.membership(bot, marie, marie.id, "member", "kicked")};
  });
  story.beat("marie: unblocked", [marie](World& world, Bot& bot) {
    return std::vector<Update>{world.membership(bot, marie, marie.id, "kicked", "member")};
  });
  story.text("marie", "Pardon, mauvais bouton 🙈");

  story.begin(1'000);
  story.content("nobody", "sticker of a deleted account",
                [](World& world, Bot& bot) { return world.sticker(bot, ""); });

  story.begin(1'100);
  story.text("tom", story.one_of({"hey, do you ship to Ireland?", "hi! shipping to Ireland?"}));
  story.content("tom", "audio",
                [](World& world, Bot& bot) { return world.audio(bot, "Morning", "The Kettles"); });
  story.content("tom", "video note",
                [](World& world, Bot& bot) { return world.video_note(bot, 5); });
  story.content("tom", "poll", [](World& world, Bot&) {
    return world.poll("Which colour?", {"red", "blue"});
  });
  story.content("tom", "dice", [](World& world, Bot&) {
    return Members{{"dice", object({{"emoji", json_text("🎲")},
                                    {"value", std::to_string(1 + world.below(6))}})}};
  });

  story.begin(1'300);
  story.text("li", "你好，请问什么时候发货？");
  story.text("li", "订单号 88231 谢谢🙏");
  story.begin(1'500);
  story.text("priya", "नमस्ते! क्या COD उपलब्ध है?");
  story.begin(1'600);
  story.text("noa", "בוקר טוב, אפשר להחליף מידה? (M → L)");
  story.beat("noa: unknown kind of update", [](World& world, Bot& bot) {
    return std::vector<Update>{
        world.other(bot, "holo_message",
                    object({{"message_id", "1"},
                            {"chat", to_json(private_chat(person("noa")))},
                            {"date", std::to_string(world.now())},
                            {"beam", object({{"depth", "9007199254740993"}, {"note", "null"}})}}),
                    "holo")};
  });
}

void group(Story& story) {
  const Chat team{-512345678, "group", "Neighbours 12b 🏠", "", "", ""};
  story.begin(300);
  story.beat("group: bot added", [team](World& world, Bot& bot) {
    world.chat(bot, team);
    return std::vector<Update>{world.membership(bot, person("ana"), team.id, "left", "member")};
  });
  const auto in_group = [team](std::string_view who, std::string what) {
    return [team, who = std::string(who), what = std::move(what)](World& world, Bot&, Ids&) {
      Incoming incoming;
      incoming.from = person(who);
      incoming.chat = team;
      incoming.content = world.text(what);
      return incoming;
    };
  };
  story.says("group", "text", "", in_group("ana", "@shop_help_bot ¿compramos todos juntos?"));
  story.says("group", "text", "", in_group("juergen", "/prices@shop_help_bot"));
  story.says("group", "somebody joined", "", [team](World&, Bot&, Ids&) {
    Incoming incoming;
    incoming.from = person("tom");
    incoming.chat = team;
    incoming.content = {{"new_chat_participant", to_json(person("tom"))},
                        {"new_chat_member", to_json(person("tom"))},
                        {"new_chat_members", "[" + to_json(person("tom")) + "]"}};
    return incoming;
  });
  story.beat("group: becomes a supergroup", [team](World& world, Bot& bot) {
    auto [old_side, new_side] = world.migrate(bot, person("ana"), team.id, -1002233445566);
    return std::vector<Update>{std::move(old_side), std::move(new_side)};
  });
  Chat successor = team;
  successor.id = -1002233445566;
  successor.type = "supergroup";
  story.says("group", "text in the supergroup", "", [successor](World& world, Bot&, Ids&) {
    Incoming incoming;
    incoming.from = person("tom");
    incoming.chat = successor;
    incoming.content = world.text("so who takes the blue one?");
    return incoming;
  });
  const Chat vip{-1002147483648123, "supergroup", "VIP 👑", "", "", ""};
  for (const bool edited : {false, true}) {
    story.says("group", edited ? "anonymous administrator edits" : "anonymous administrator", "",
               [vip, edited](World& world, Bot&, Ids&) {
                 Incoming incoming;
                 incoming.kind = edited ? "edited_message" : "message";
                 incoming.from = User{1087968824, "Group", "", "GroupAnonymousBot", "", true};
                 incoming.chat = vip;
                 incoming.message_id = 2147483646;
                 incoming.content = world.text(edited ? "House rules, edited" : "House rules");
                 incoming.content.emplace_back("sender_chat", to_json(vip));
                 return incoming;
               });
  }
}

void channel(Story& story) {
  const Chat news{-1001999888777, "channel", "Shop News", "shop_news", "", ""};
  story.begin(500);
  for (const bool edited : {false, true}) {
    story.says("channel", edited ? "edited post" : "post", "post",
               [news, edited](World& world, Bot&, Ids& ids) {
                 Incoming incoming;
                 incoming.kind = edited ? "edited_channel_post" : "channel_post";
                 incoming.chat = news;
                 incoming.message_id = edited ? ids["post"] : 0;
                 incoming.content =
                     world.text(edited ? "Sale! -25 % until noon" : "Sale! -20 % until noon");
                 incoming.content.emplace_back("author_signature", json_text("Ops"));
                 incoming.content.emplace_back("sender_chat", to_json(news));
                 return incoming;
               });
  }
}

void business(Story& story) {
  const std::string connection = "simBizConn_01";
  const Chat where = private_chat(person("priya"));
  story.begin(800);
  story.beat("business: connected", [connection](World& world, Bot& bot) {
    return std::vector<Update>{world.business_connection(bot, person("owner"), connection, true)};
  });
  const auto message = [&](std::string label, std::string name, std::string kind,
                           std::string_view who, std::string what) {
    story.says("business", std::move(label), name,
               [connection, where, kind, who = std::string(who), what, name](World& world, Bot&,
                                                                             Ids& ids) {
                 Incoming incoming;
                 incoming.kind = kind;
                 incoming.from = person(who);
                 incoming.chat = where;
                 if (kind != "business_message") incoming.message_id = ids[name];
                 incoming.content = world.text(what);
                 incoming.content.emplace_back("business_connection_id", json_text(connection));
                 return incoming;
               });
  };
  message("customer writes", "biz", "business_message", "priya", "Hi, is the brass lamp back?");
  message("customer edits", "biz", "edited_business_message", "priya",
          "Hi, is the brass lamp (large) back?");
  message("owner answers from the phone", "owner_says", "business_message", "owner",
          "Tomorrow, Priya!");
  message("customer writes again", "oops", "business_message", "priya", "wrong chat, sorry");
  story.beat("business: message deleted", [connection, where, ids = story.ids()](World& world,
                                                                                 Bot& bot) {
    return std::vector<Update>{world.business_deleted(bot, connection, where.id, {(*ids)["oops"]})};
  });
}

}  // namespace

std::vector<Beat> morning(std::uint64_t seed) {
  Story story(seed);
  ana(story);
  others(story);
  group(story);
  channel(story);
  business(story);
  return story.take();
}

bool play(TelegramSimulator& telegram, std::int64_t bot_id, const std::vector<Beat>& beats,
          std::int64_t begin, double pace) {
  for (const Beat& beat : beats) {
    const auto delay = std::chrono::milliseconds(
        static_cast<std::int64_t>(static_cast<double>(beat.at_s) * 1'000 * pace));
    const bool known = telegram.act(
        bot_id,
        [&](World& world, Bot& bot) {
          world.pretend(begin + beat.at_s);
          std::vector<Update> updates = beat.act(world, bot);
          world.pretend(0);
          return updates;
        },
        delay);
    if (!known) return false;
  }
  return true;
}

}  // namespace gateway::simulate
