// Rows of visitors: whose they are, who may take which file, and what a reading covers.
#include "gateway/store/visitors.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "gateway/store/ingest.h"
#include "gateway/store/webchats.h"
#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)
using test_support::why;

namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message + " " + result.error().cause);
  return *std::move(result);
}

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business, "widget");
  domain::EmbedId embed = widget_of(business, "acme.com");

  domain::EmbedId widget_of(domain::BusinessId of, const std::string& host) {
    const domain::WidgetId id(ids.next());
    value(
        "insert into widget (tenant_id, id, domain, name, welcome_heading, welcome_tagline,"
        " primary_color, show_online_badge, config) values ('" +
        of.text() + "', '" + id.text() + "', '" + host +
        "', 'n', 'h', 't', '#fff', true, '{}') returning 1");
    return domain::EmbedId(id);
  }
  Visitor described(const Uuid& id, const VisitorDetails& details) {
    auto visitor = must(describe_visitor(gateway, business, embed, id, ids.next(), details));
    if (!visitor) throw std::runtime_error("no visitor");
    return *visitor;
  }
  Transaction begin() { return must(gateway.begin(Scope::of(business))); }

  // A message by the inbound transaction, as the visitor's.
  Resolved wrote(const Uuid& visitor) {
    InboundMessage row;
    row.channel = channel;
    row.key = ids.next();
    row.id = domain::MessageId(ids.next());
    row.conversation = domain::ConversationId(ids.next());
    row.contact = domain::ContactId(ids.next());
    row.sort_at_ms = clock.now_ms();
    row.content = "hello";
    row.contact_remote = row.thread = visitor.text();
    const InboundMessage* const rows[] = {&row};
    auto transaction = begin();
    const auto taken = must(take_visitor(transaction, business, embed, visitor));
    const auto stored = must(ingest_resolve(transaction, rows));
    const auto noted =
        visitor_wrote(transaction, business, *taken, stored[0].contact, stored[0].conversation);
    BOOST_TEST_REQUIRE(noted.has_value(), why(noted));
    BOOST_TEST_REQUIRE(transaction.commit().has_value());
    return stored[0];
  }
  Uuid upload(const std::optional<Uuid>& visitor, const domain::EmbedId& of,
              const std::string& body = "x") {
    const Uuid id = ids.next();
    const NewMedia file{id, "text/plain", "a.txt", body};
    const PageUploader uploader{of, visitor, id};
    BOOST_TEST_REQUIRE(
        must(insert_page_uploads(gateway, business, uploader, {&file, 1}, {1'000, 100})));
    return id;
  }
  std::size_t takes(const Uuid& visitor, const Uuid& file) {
    auto transaction = begin();
    const auto taken =
        must(take_page_media(transaction, business, {embed.text(), visitor}, {&file, 1}));
    BOOST_TEST_REQUIRE(transaction.commit().has_value());
    return taken.size();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(visitors_store, Fixture)

BOOST_AUTO_TEST_CASE(an_embed_is_found_by_its_id_alone_and_only_in_its_business) {
  const auto found = must(find_embed(gateway, embed));
  BOOST_TEST_REQUIRE(found.has_value());
  BOOST_TEST((found->business == business));
  BOOST_TEST((found->channel == channel));
  BOOST_TEST((found->domains == std::vector<std::string>{"acme.com"}));
  BOOST_TEST(!must(find_embed(gateway, make_business(), embed)).has_value());
  BOOST_TEST(!must(find_embed(gateway, domain::EmbedId(domain::WidgetId(ids.next())))).has_value());
  BOOST_TEST(
      !must(find_embed(gateway, *domain::EmbedId::parse("67d3a0b0c0d0e0f0a0b0c0d0"))).has_value());
}

BOOST_AUTO_TEST_CASE(a_widget_without_an_active_channel_has_none) {
  value("update channel set is_active = false returning 1");
  BOOST_TEST(!must(find_embed(gateway, embed))->channel.has_value());
}

BOOST_AUTO_TEST_CASE(a_visitor_of_one_embed_is_nobody_at_another) {
  const auto other = widget_of(business, "shop.acme.com");
  const Uuid id = ids.next();
  described(id, {"Grace", std::nullopt, std::nullopt});
  BOOST_TEST(must(find_visitor(gateway, business, embed, id)).has_value());
  BOOST_TEST(!must(find_visitor(gateway, business, other, id)).has_value());
  auto transaction = begin();
  BOOST_TEST(!must(take_visitor(transaction, business, other, id)).has_value());
}

BOOST_AUTO_TEST_CASE(details_that_are_left_out_stay) {
  const Uuid id = ids.next();
  described(id, {"Grace", "grace@navy.example", std::nullopt});
  const auto later = described(id, {std::nullopt, "g@navy.example", std::nullopt});
  BOOST_TEST(later.name.value() == "Grace");
  BOOST_TEST(later.email.value() == "g@navy.example");
}

BOOST_AUTO_TEST_CASE(an_identity_finds_its_visitor_again_and_never_moves_to_another) {
  const auto grace = described(ids.next(), {{}, {}, "u-1"});
  BOOST_TEST((described(ids.next(), {{}, {}, "u-1"}).id == grace.id));
  // Who logs in as another on the same machine gets an id of their own.
  const auto ada = described(grace.id, {{}, {}, "u-2"});
  BOOST_TEST((ada.id != grace.id));
  BOOST_TEST(must(find_visitor(gateway, business, embed, grace.id))->external_id.value() == "u-1");
}

BOOST_AUTO_TEST_CASE(a_revoked_visitor_gives_their_identity_free) {
  const auto grace = described(ids.next(), {{}, {}, "u-1"});
  BOOST_TEST(must(revoke_visitor(gateway, business, grace.id)));
  BOOST_TEST(!must(revoke_visitor(gateway, business, ids.next())));
  BOOST_TEST(!must(revoke_visitor(gateway, make_business(), grace.id)));
  const auto anew = described(ids.next(), {{}, {}, "u-1"});
  BOOST_TEST((anew.id != grace.id));
  BOOST_TEST(!anew.is_revoked);
}

BOOST_AUTO_TEST_CASE(an_upload_may_be_sent_by_whoever_made_it_and_a_nobodys_once) {
  const Uuid mine = ids.next();
  const Uuid eve = ids.next();
  const auto file = upload(mine, embed);
  BOOST_TEST(takes(eve, file) == 0u);
  BOOST_TEST(takes(mine, file) == 1u);
  BOOST_TEST(takes(mine, file) == 1u);
  const auto nobodys = upload(std::nullopt, embed);
  BOOST_TEST(takes(mine, nobodys) == 1u);
  BOOST_TEST(takes(eve, nobodys) == 0u);
  BOOST_TEST(takes(mine, upload(std::nullopt, widget_of(business, "shop.acme.com"))) == 0u);
}

BOOST_AUTO_TEST_CASE(what_is_not_sent_is_bounded_for_a_visitor_and_for_an_embed) {
  const std::string hundred(100, 'x');
  const auto fits = [&](const std::optional<Uuid>& visitor, std::string_view body) {
    const NewMedia file{ids.next(), "text/plain", "a.txt", body};
    return must(
        insert_page_uploads(gateway, business, {embed, visitor, file.id}, {&file, 1}, {250, 100}));
  };
  const Uuid mine = ids.next();
  BOOST_TEST(fits(mine, hundred));
  BOOST_TEST(!fits(mine, "x"));
  BOOST_TEST(fits(ids.next(), hundred));
  BOOST_TEST(!fits(ids.next(), hundred));
  BOOST_TEST(fits(std::nullopt, hundred.substr(50)));
  BOOST_TEST(!fits(std::nullopt, "x"));
  value("with sent as (update media set used_at = now() returning 1) select count(*) from sent");
  BOOST_TEST(fits(mine, hundred));
}

BOOST_AUTO_TEST_CASE(a_reading_covers_answers_up_to_its_place_and_nothing_of_the_visitors) {
  const Uuid mine = ids.next();
  const auto place = wrote(mine);
  std::vector<domain::MessageId> answers;
  for (int i = 0; i < 3; ++i) {
    auto transaction = begin();
    const domain::MessageId id(ids.next());
    const auto sent = must(send_message(
        transaction, {id, place.conversation, business, domain::UserId(ids.next()), "a", "[]"}));
    BOOST_TEST(!sent.refusal.has_value());
    BOOST_TEST_REQUIRE(transaction.commit().has_value());
    answers.push_back(id);
    // Places are milliseconds: the next answer has another one.
    value("select 1 from pg_sleep(0.002)");
  }
  const auto unread = [&] {
    return must(
        visitor_unread(gateway, business, *must(find_visitor(gateway, business, embed, mine))));
  };
  BOOST_TEST(unread() == 3);
  const auto first = must(mark_read_by_visitor(gateway, business, mine, answers[1]));
  BOOST_TEST((first == std::vector<domain::MessageId>{answers[0], answers[1]}));
  BOOST_TEST(unread() == 1);
  // Back again, or of somebody else's, moves nothing.
  BOOST_TEST(must(mark_read_by_visitor(gateway, business, mine, answers[0])).empty());
  BOOST_TEST(
      must(mark_read_by_visitor(gateway, business, mine, domain::MessageId(ids.next()))).empty());
  BOOST_TEST(must(mark_read_by_visitor(gateway, business, ids.next(), std::nullopt)).empty());
  BOOST_TEST(unread() == 1);
  const auto rest = must(mark_read_by_visitor(gateway, business, mine, std::nullopt));
  BOOST_TEST((rest == std::vector<domain::MessageId>{answers[2]}));
  BOOST_TEST(unread() == 0);
  BOOST_TEST(value("select count(*) from realtime_event where kind = 3") == "3");
  BOOST_TEST(value("select count(*) from message where status is not null") == "3");
}

BOOST_AUTO_TEST_CASE(an_open_conversation_is_not_rated) {
  const auto place = wrote(ids.next());
  const Csat csat{5, "fine", clock.now_ms()};
  BOOST_TEST(!must(rate_conversation(gateway, business, place.conversation, csat)));
  must(settle_conversation(gateway, business, place.conversation, Settling::resolve));
  BOOST_TEST(!must(rate_conversation(gateway, make_business(), place.conversation, csat)));
  BOOST_TEST(must(rate_conversation(gateway, business, place.conversation, csat)));
  const auto thread =
      must(find_conversation(gateway, business, place.conversation, 1, std::nullopt));
  BOOST_TEST(thread->conversation.csat->score == 5);
  BOOST_TEST(thread->conversation.csat->comment.value() == "fine");
}

BOOST_AUTO_TEST_CASE(a_webchat_stands_and_falls_with_its_channel) {
  const auto id = *domain::EmbedId::parse("67d3a0b0c0d0e0f0a0b0c0d0");
  value("insert into usage_counter (tenant_id, resource, used) values ('" + business.text() +
        "', 'channels', 1) returning 1");
  NewWebchat webchat{.id = id,
                     .channel = {.id = domain::ChannelId(ids.next()),
                                 .business = business,
                                 .type = "webchat",
                                 .config_sealed = {},
                                 .secret_sealed = {}},
                     .created_by = domain::UserId(ids.next()),
                     .allowed_domains = {"acme.com"},
                     .fields = R"({"name":"Chat","description":null})"};
  const auto made = must(create_webchat(gateway, domain::Plans::built_in(), webchat, std::nullopt));
  BOOST_TEST_REQUIRE(made.webchat.has_value());
  BOOST_TEST(made.webchat->fields == R"({"name": "Chat"})");
  const auto found = must(find_embed(gateway, id));
  BOOST_TEST((found->channel == webchat.channel.id));
  BOOST_TEST((found->domains == std::vector<std::string>{"acme.com"}));
  BOOST_TEST(must(put_embed_secret(gateway, business, id, {ids.next(), {"sealed"}})));
  BOOST_TEST(must(delete_channel(gateway, business, webchat.channel.id)));
  BOOST_TEST(!must(find_embed(gateway, id)).has_value());
  BOOST_TEST(value("select count(*) from embed_secret") == "0");
}

BOOST_AUTO_TEST_SUITE_END()
