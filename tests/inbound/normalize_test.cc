#include "gateway/inbound/normalize.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"

using namespace gateway;           // NOLINT(google-build-using-namespace)
using namespace gateway::inbound;  // NOLINT(google-build-using-namespace)
using connector::Event;
using connector::EventKind;

namespace {

constexpr std::int64_t kSent = 1'763'600'000'000;
constexpr std::int64_t kNow = 1'763'600'009'000;

struct Fixture {
  SystemClock clock;
  Uuid7 ids{clock};
  NormalizeContext context{domain::ChannelId(ids.next()), kNow, true};

  Event event(EventKind kind) const {
    Event e;
    e.kind = kind;
    e.thread = "55";
    e.message = "55:12";
    e.key = "701:message:55:12";
    e.contact = "55";
    e.contact_name = "Ana";
    e.text = "hello";
    e.sent_ms = kSent;
    e.sequence = 12;
    return e;
  }
  store::InboundMessage message(const Event& e) {
    return std::get<store::InboundMessage>(*normalize(e, context, ids));
  }
  store::InboundChange change(const Event& e) {
    return std::get<store::InboundChange>(*normalize(e, context, ids));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(normalize_suite, Fixture)

BOOST_AUTO_TEST_CASE(the_key_is_platform_seconds_and_the_digest_of_the_identity) {
  // SHA-256("abc") begins ba7816bf 8f01cfea 414140de (FIPS 180-4); 1763600960 is 0x691e6a40.
  BOOST_TEST(event_key("abc", 1'763'600'960'123).text() == "691e6a40-ba78-16bf-8f01-cfea414140de");
  BOOST_TEST(event_key("abc", 0).text() == "00000000-ba78-16bf-8f01-cfea414140de");
  BOOST_TEST(event_key("abc", -5).text() == "00000000-ba78-16bf-8f01-cfea414140de");
}

BOOST_AUTO_TEST_CASE(a_redelivery_has_the_same_key_whenever_it_arrives) {
  const auto first = message(event(EventKind::message));
  context.now_ms += 3'600'000;
  const auto later = message(event(EventKind::message));
  BOOST_TEST((first.key == later.key));
  auto other = event(EventKind::message);
  other.key = "702:message:55:12";
  BOOST_TEST((first.key != message(other).key));
}

BOOST_AUTO_TEST_CASE(an_event_without_identity_is_known_by_its_delivery_and_its_place) {
  std::vector<Event> events(3);
  events[1].key = "its own";
  give_keys(events, "body");
  BOOST_TEST(events[0].key == "body#0");
  BOOST_TEST(events[1].key == "its own");
  BOOST_TEST(events[2].key == "body#2");
}

BOOST_AUTO_TEST_CASE(a_text_becomes_a_message_of_the_contact) {
  const auto row = message(event(EventKind::message));
  BOOST_TEST(row.content == "hello");
  BOOST_TEST(row.sort_at_ms == kSent);
  BOOST_TEST(row.sort_seq == 12);
  BOOST_TEST((row.sender_type == domain::SenderType::customer));
  BOOST_TEST(row.remote_id.value_or("") == "55:12");
  BOOST_TEST(!row.metadata.has_value());
  BOOST_TEST(!row.attachments.has_value());
}

BOOST_AUTO_TEST_CASE(a_message_without_a_time_counts_from_its_arrival) {
  auto e = event(EventKind::message);
  e.sent_ms = 0;
  BOOST_TEST(message(e).sort_at_ms == kNow);
}

// Twilio's deliveries tell no time and its list does: one message, whichever comes first.
BOOST_AUTO_TEST_CASE(a_time_that_is_no_part_of_the_identity_orders_a_message_and_leaves_its_key) {
  auto delivered = event(EventKind::message);
  delivered.sent_ms = 0;
  auto listed = delivered;
  listed.extra = {{"order_ms", std::to_string(kSent)}, {"recovered", "1"}};
  BOOST_TEST(message(listed).sort_at_ms == kSent);
  BOOST_TEST((message(listed).key == message(delivered).key));
  BOOST_TEST(message(listed).metadata.value_or("") == R"({"recovered":"1"})");
  for (const char* nonsense : {"", "x", "-5", "12x", "99999999999999999999"}) {
    listed.extra = {{"order_ms", nonsense}};
    BOOST_TEST(message(listed).sort_at_ms == kNow, nonsense);
  }
}

// And a redelivery, when that day has come nearer, is the same event.
BOOST_AUTO_TEST_CASE(a_time_more_than_a_day_ahead_counts_as_arrival_and_stays_in_the_key) {
  constexpr std::int64_t kDayMs = 86'400'000;
  auto e = event(EventKind::message);
  for (const std::int64_t ahead : {kNow + kDayMs + 1, std::numeric_limits<std::int64_t>::max()}) {
    e.sent_ms = ahead;
    BOOST_TEST(message(e).sort_at_ms == kNow);
    BOOST_TEST((message(e).key == event_key(e.key, ahead)));
  }
  e.sent_ms = kNow + kDayMs;
  BOOST_TEST(message(e).sort_at_ms == kNow + kDayMs);
}

BOOST_AUTO_TEST_CASE(a_person_in_a_group_is_named_beside_the_group) {
  auto e = event(EventKind::message);
  e.contact = "-100";
  e.sender = "55";
  e.sender_name = "Ana";
  const auto row = message(e);
  BOOST_TEST(row.contact_remote == "-100");
  BOOST_TEST(row.metadata.value_or("") == R"({"sender":{"id":"55","name":"Ana"}})");
}

BOOST_AUTO_TEST_CASE(an_attachment_has_the_fields_of_the_contract) {
  auto e = event(EventKind::message);
  connector::Attachment photo;
  photo.kind = "image";
  photo.media_id = "AgAC";
  photo.mime_type = "image/jpeg";
  photo.size = 3'221'225'472;
  photo.extra = {{"width", "1280"}};
  e.attachments.push_back(photo);
  const auto row = message(e);
  const auto json = sdk::json::Document::parse(*row.attachments);
  BOOST_TEST_REQUIRE(json.has_value());
  const auto first = json->root().at(0);
  BOOST_TEST(Uuid::parse(first["id"].text_or("")).has_value());
  BOOST_TEST(first["type"].text_or("") == "image");
  BOOST_TEST(first["url"].is_null());
  BOOST_TEST(first["content_type"].text_or("") == "image/jpeg");
  BOOST_TEST(first["size"].integer().value_or(0) == 3'221'225'472);
  BOOST_TEST(first["name"].is_null());
  BOOST_TEST(first["state"].text_or("") == "pending");
  BOOST_TEST(first["width"].text_or("") == "1280");
}

// The media of X's messages have an id of X's.
BOOST_AUTO_TEST_CASE(what_a_platform_adds_to_an_attachment_hides_none_of_our_own_members) {
  auto e = event(EventKind::message);
  e.attachments = {
      {.kind = "image",
       .media_id = "https://ton.twitter.com/1.1/ton/data/dm/1/2/a.jpg",
       .extra = {{"id", "2124168024850090734"}, {"state", "ready"}, {"width", "680"}}}};
  const auto row = message(e);
  const auto json = sdk::json::Document::parse(*row.attachments);
  BOOST_TEST_REQUIRE(json.has_value());
  const auto members = json->root().at(0).members();
  const auto count = [&](std::string_view name) {
    return std::count_if(members.begin(), members.end(),
                         [&](const auto& member) { return member.first == name; });
  };
  BOOST_TEST(count("id") == 1);
  BOOST_TEST(count("state") == 1);
  BOOST_TEST(json->root().at(0)["id"].text_or("") == row.media.at(0).id.text());
  BOOST_TEST(json->root().at(0)["state"].text_or("") == "pending");
  BOOST_TEST(json->root().at(0)["width"].text_or("") == "680");
}

BOOST_AUTO_TEST_CASE(an_attachment_keeps_its_id_through_every_redelivery_and_shares_it_with_none) {
  auto e = event(EventKind::message);
  e.attachments = {{.kind = "image", .media_id = "a"}, {.kind = "image", .media_id = "a"}};
  const auto ids_of = [&] {
    const auto row = message(e);
    return std::vector<Uuid>{row.media.at(0).id, row.media.at(1).id};
  };
  const auto first = ids_of();
  context.now_ms += 3'600'000;
  BOOST_TEST((ids_of() == first));
  BOOST_TEST((first[0] != first[1]));
  // Version 8 and the variant of RFC 9562.
  BOOST_TEST(first[0].text()[14] == '8');
  BOOST_TEST(std::string("89ab").find(first[0].text()[19]) != std::string::npos);
  const auto channel = context.channel;
  context.channel = domain::ChannelId(ids.next());
  BOOST_TEST((ids_of()[0] != first[0]));
  context.channel = channel;
  e.key = "another event";
  BOOST_TEST((ids_of()[0] != first[0]));
}

BOOST_AUTO_TEST_CASE(bytes_that_came_go_beside_the_message_and_never_into_it) {
  auto e = event(EventKind::message);
  e.attachments = {{.kind = "file",
                    .url = "https://cdn.example/x",
                    .mime_type = "application/pdf",
                    .file_name = "bill.pdf",
                    .size = 7,
                    .extra = {{"content_id", "c1"}},
                    .content = "%PDF bytes"}};
  const auto row = message(e);
  BOOST_TEST_REQUIRE(row.media.size() == 1u);
  BOOST_TEST(*row.media[0].body == "%PDF bytes");
  BOOST_TEST(row.media[0].source ==
             R"({"kind":"file","media_id":"","mime_type":"application/pdf","file_name":"bill.pdf",)"
             R"("size":10,"extra":{"content_id":"c1"}})");
  BOOST_TEST(*row.attachments ==
             R"([{"id":")" + row.media[0].id.text() +
                 R"(","type":"file","url":null,"content_type":"application/pdf","size":10,)"
                 R"("name":"bill.pdf","state":"ready","content_id":"c1"}])");
}

BOOST_AUTO_TEST_CASE(what_has_a_public_url_or_no_bytes_is_shown_as_it_is) {
  auto e = event(EventKind::message);
  e.attachments = {{.kind = "image", .url = "https://cdn.example/x", .media_id = "m"},
                   {.kind = "location", .extra = {{"latitude", "1.5"}}}};
  const auto row = message(e);
  BOOST_TEST(row.media.empty());
  const auto json = sdk::json::Document::parse(*row.attachments);
  BOOST_TEST(json->root().at(0)["state"].text_or("") == "ready");
  BOOST_TEST(json->root().at(0)["url"].text_or("") == "https://cdn.example/x");
  BOOST_TEST(json->root().at(1)["state"].text_or("") == "ready");
  BOOST_TEST(json->root().at(1)["url"].is_null());
}

BOOST_AUTO_TEST_CASE(a_status_may_name_our_message_and_all_before_it) {
  auto status = event(EventKind::status);
  status.state = "read";
  BOOST_TEST(!change(status).message_key.has_value());
  BOOST_TEST(!change(status).up_to);
  status.extra = {{"message_key", "0199a1b2-0000-7000-8000-000000000001"}, {"up_to", "1"}};
  BOOST_TEST(change(status).message_key->text() == "0199a1b2-0000-7000-8000-000000000001");
  BOOST_TEST(change(status).up_to);
  status.extra = {{"message_key", "' or true --"}, {"up_to", "true"}};
  BOOST_TEST(!change(status).message_key.has_value());
  BOOST_TEST(!change(status).up_to);
  // Only a status means it so.
  auto reaction = event(EventKind::reaction);
  reaction.extra = {{"message_key", "0199a1b2-0000-7000-8000-000000000001"}, {"up_to", "1"}};
  BOOST_TEST(!change(reaction).message_key.has_value());
  BOOST_TEST(!change(reaction).up_to);
}

BOOST_AUTO_TEST_CASE(references_belong_to_messages_echoes_and_notices) {
  for (const auto kind : {EventKind::message, EventKind::echo, EventKind::notice}) {
    auto e = event(kind);
    e.references = {"<2@x>", "<1@x>"};
    BOOST_TEST(message(e).references == e.references, boost::test_tools::per_element());
  }
  auto pressed = event(EventKind::callback);
  pressed.references = {"<1@x>"};
  BOOST_TEST(message(pressed).references.empty());
}

BOOST_AUTO_TEST_CASE(who_speaks_follows_from_the_kind) {
  BOOST_TEST((message(event(EventKind::echo)).sender_type == domain::SenderType::agent));
  BOOST_TEST((message(event(EventKind::notice)).sender_type == domain::SenderType::system));
  BOOST_TEST((message(event(EventKind::notice)).kind == domain::MessageKind::notice));
  const auto pressed = message(event(EventKind::callback));
  BOOST_TEST((pressed.kind == domain::MessageKind::callback));
  BOOST_TEST(!pressed.remote_id.has_value());
  BOOST_TEST(pressed.reply_to.value_or("") == "55:12");
}

BOOST_AUTO_TEST_CASE(unsupported_content_is_marked_and_kept) {
  auto e = event(EventKind::message);
  e.extra = {{"unsupported", "poll"}};
  const auto row = message(e);
  BOOST_TEST((row.kind == domain::MessageKind::unsupported));
  BOOST_TEST(row.metadata.value_or("") == R"({"unsupported":"poll"})");
}

BOOST_AUTO_TEST_CASE(what_comes_for_an_inactive_channel_is_marked) {
  context.channel_is_active = false;
  BOOST_TEST(message(event(EventKind::message)).metadata.value_or("") ==
             R"({"channel_inactive":true})");
}

BOOST_AUTO_TEST_CASE(changes_name_their_target_actor_and_state) {
  auto reaction = event(EventKind::reaction);
  reaction.sender = "77";
  BOOST_TEST(change(reaction).target == "55:12");
  BOOST_TEST(change(reaction).actor == "77");
  auto status = event(EventKind::status);
  status.state = "read";
  BOOST_TEST(change(status).state.value_or(-1) == static_cast<int>(domain::MessageStatus::read));
  status.state = "warning-of-2030";
  BOOST_TEST(!change(status).state.has_value());
  auto contact = event(EventKind::contact_state);
  contact.state = "blocked";
  BOOST_TEST(change(contact).state.value_or(-1) == 1);
  BOOST_TEST(change(contact).content == "blocked");
  contact.state = "active";
  BOOST_TEST(change(contact).state.value_or(-1) == 0);
}

BOOST_AUTO_TEST_CASE(typing_is_never_stored) {
  BOOST_TEST(!normalize(event(EventKind::typing), context, ids).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
