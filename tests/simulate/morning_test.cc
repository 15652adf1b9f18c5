#include "gateway/simulate/morning.h"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

using namespace gateway::simulate;
using sdk::json::Document;

namespace {

struct FixedClock final : gateway::Clock {
  std::int64_t now_ms() const override { return 1'763'600'000'000; }
  std::int64_t steady_ms() const override { return 0; }
};

// Every update of the morning, made in a World of the same seed.
std::vector<Update> played(std::uint64_t seed) {
  const FixedClock clock;
  World world(seed, clock);
  Bot& bot = *world.authenticate("7012345678:AAF-x_0123456789abcdefghijklmnopqrs");
  std::vector<Update> out;
  for (const Beat& beat : morning(seed)) {
    world.pretend(1'763'590'000 + beat.at_s);
    for (Update& update : beat.act(world, bot)) out.push_back(std::move(update));
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(morning_scenario)

BOOST_AUTO_TEST_CASE(a_seed_gives_the_same_bytes_and_another_seed_others) {
  const auto first = played(42);
  const auto second = played(42);
  const auto other = played(43);
  BOOST_REQUIRE(first.size() == second.size());
  bool differs = first.size() != other.size();
  for (std::size_t i = 0; i < first.size(); ++i) {
    BOOST_TEST(first[i].body == second[i].body);
    differs = differs || first[i].body != other[i].body;
  }
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_CASE(every_update_kind_and_content_is_there) {
  std::set<std::string> kinds, contents;
  for (const Update& update : played(1)) {
    kinds.insert(update.kind);
    const auto body = Document::parse(update.body);
    BOOST_REQUIRE(body);
    for (const auto& [name, value] : body->root()[update.kind].members()) {
      contents.insert(std::string(name));
    }
  }
  // telegram.md section 3, table of kinds: those a customer channel subscribes to.
  for (const char* kind :
       {"message", "edited_message", "channel_post", "edited_channel_post", "callback_query",
        "my_chat_member", "message_reaction", "business_connection", "business_message",
        "edited_business_message", "deleted_business_messages", "holo_message"}) {
    BOOST_TEST(kinds.count(kind) == 1u, kind);
  }
  for (const char* content : {"text",
                              "photo",
                              "media_group_id",
                              "caption",
                              "video",
                              "animation",
                              "document",
                              "audio",
                              "voice",
                              "video_note",
                              "sticker",
                              "location",
                              "venue",
                              "contact",
                              "poll",
                              "dice",
                              "reply_to_message",
                              "quote",
                              "new_chat_members",
                              "migrate_to_chat_id",
                              "migrate_from_chat_id",
                              "sender_chat",
                              "author_signature",
                              "entities"}) {
    BOOST_TEST(contents.count(content) == 1u, content);
  }
}

BOOST_AUTO_TEST_CASE(updates_are_ascii_and_rise_by_one) {
  std::int64_t last = 0;
  for (const Update& update : played(7)) {
    for (const char c : update.body) BOOST_REQUIRE(static_cast<unsigned char>(c) < 0x80);
    const auto body = Document::parse(update.body);
    const std::int64_t id = body->root()["update_id"].integer().value();
    if (last != 0) BOOST_TEST(id == last + 1);
    last = id;
  }
}

BOOST_AUTO_TEST_CASE(a_reply_is_never_nested_and_its_quote_has_a_place) {
  bool seen = false;
  for (const Update& update : played(1)) {
    const auto body = Document::parse(update.body);
    const auto reply = body->root()["message"]["reply_to_message"];
    if (!reply.exists()) continue;
    seen = true;
    BOOST_TEST(!reply["reply_to_message"].exists());
    BOOST_TEST(reply["from"]["is_bot"].boolean().value());
    const auto quote = body->root()["message"]["quote"];
    const std::string text(reply["text"].text_or(""));
    const auto position = static_cast<std::size_t>(quote["position"].integer().value());
    BOOST_TEST(
        text.substr(sdk::utf16_offset(text, position)).rfind(quote["text"].text_or("?"), 0) == 0u);
  }
  BOOST_TEST(seen);
}

BOOST_AUTO_TEST_CASE(ascii_json_means_the_same) {
  const std::string json = R"({"a":"é😀田\n\"","b":1})";
  const std::string ascii = ascii_json(json);
  BOOST_TEST(ascii == R"({"a":"\u00e9\ud83d\ude00\u7530\n\"","b":1})");
  BOOST_TEST(Document::parse(ascii)->root()["a"].text_or("") == "é😀田\n\"");
}

BOOST_AUTO_TEST_SUITE_END()
