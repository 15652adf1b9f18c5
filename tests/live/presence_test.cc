// Whether agents are there, and who has to go: the statements behind live connections.
#include <algorithm>

#include "gateway/store/accounts.h"
#include "gateway/store/live.h"
#include "gateway/store/visitors.h"
#include "tests/api/world.h"

using namespace gateway::store;  // NOLINT(google-build-using-namespace)
using gateway::Uuid;
using test_support::why;

namespace {

template <class T>
T must(gateway::Result<T> result) {
  BOOST_REQUIRE_MESSAGE(result, why(result));
  return *std::move(result);
}

struct Fixture : api_test::World {
  api_test::Person shop = owner();
  Session& db = database.gateway;
  gateway::domain::BusinessId business = *gateway::domain::BusinessId::parse(shop.business);
  Presence ada{business, shop.id};

  std::string status() {
    return value("select status from membership where user_id = '" + shop.id.text() + "'");
  }
  TokenInUse token_of(const api_test::Person& who) {
    const auto claims = tokens->verify("Bearer " + who.token);
    BOOST_REQUIRE(claims);
    return {claims->id, claims->user, claims->version, business};
  }
  bool is_ended(const TokenInUse& token) {
    const TokenInUse all[] = {token_of(shop), token};
    const auto ended = must(ended_tokens(db, all));
    return std::find(ended.begin(), ended.end(), token.token) != ended.end();
  }
};

using Status = std::optional<std::string>;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(presence, Fixture)

BOOST_AUTO_TEST_CASE(without_a_choice_the_status_follows_the_connections_of_all_gateways) {
  BOOST_TEST(status() == "offline");
  BOOST_TEST((must(agent_arrived(db, ada, "a")) == Status("live")));
  BOOST_TEST((must(agent_arrived(db, ada, "b")) == Status()));
  BOOST_TEST((must(agent_left(db, ada, "a")) == Status()));
  BOOST_TEST(status() == "live");
  BOOST_TEST((must(agent_left(db, ada, "b")) == Status("offline")));
  BOOST_TEST(status() == "offline");
}

BOOST_AUTO_TEST_CASE(away_and_offline_that_were_chosen_stay_while_connections_come_and_go) {
  for (const char* chosen : {"away", "offline"}) {
    must(agent_arrived(db, ada, "a"));
    BOOST_TEST((must(set_agent_status(db, ada, chosen)) == std::optional(true)));
    BOOST_TEST((must(agent_left(db, ada, "a")) == Status()));
    BOOST_TEST(status() == chosen);
    BOOST_TEST((must(agent_arrived(db, ada, "a")) == Status()));
    BOOST_TEST(status() == chosen);
    BOOST_TEST((must(set_agent_status(db, ada, "live")) == std::optional(true)));
    BOOST_TEST((must(agent_left(db, ada, "a")) == Status("offline")));
  }
}

BOOST_AUTO_TEST_CASE(a_choice_without_any_connection_holds_and_live_then_follows_the_next_one) {
  BOOST_TEST((must(set_agent_status(db, ada, "offline")) == std::optional(false)));
  BOOST_TEST((must(agent_arrived(db, ada, "a")) == Status()));
  BOOST_TEST(status() == "offline");
  must(agent_left(db, ada, "a"));
  BOOST_TEST((must(set_agent_status(db, ada, "live")) == std::optional(true)));
  BOOST_TEST(status() == "live");
  BOOST_TEST((must(agent_arrived(db, ada, "a")) == Status()));
  BOOST_TEST((must(agent_left(db, ada, "a")) == Status("offline")));
}

BOOST_AUTO_TEST_CASE(only_active_members_have_a_status) {
  BOOST_TEST(!must(set_agent_status(db, {business, person().id}, "live")).has_value());
  const auto agent = member(shop, Role::agent);
  value("update membership set is_active = false where user_id = '" + agent.id.text() +
        "' returning 1");
  BOOST_TEST(!must(set_agent_status(db, {business, agent.id}, "live")).has_value());
}

BOOST_AUTO_TEST_CASE(who_was_connected_to_a_killed_gateway_is_offline_unless_they_chose_otherwise) {
  const auto agent = member(shop, Role::agent);
  const Presence away{business, agent.id};
  must(agent_arrived(db, ada, "killed"));
  must(agent_arrived(db, away, "killed"));
  must(set_agent_status(db, away, "away"));
  value(
      "with old as (update agent_presence set seen_at = now() - interval '2 minutes' returning 1)"
      " select count(*) from old");
  const auto gone = must(end_stale_presence(db));
  BOOST_REQUIRE(gone.size() == 1u);
  BOOST_TEST(gone[0].user.text() == shop.id.text());
  BOOST_TEST(status() == "offline");
  BOOST_TEST(value("select status from membership where user_id = '" + agent.id.text() + "'") ==
             "away");
}

BOOST_AUTO_TEST_CASE(a_token_ends_by_its_logout_or_all_its_users_and_no_other_does) {
  const auto agent = member(shop, Role::agent);
  const auto first = token_of(agent);
  const auto claims = tokens->verify("Bearer " + agent.token);
  auto second = first;
  second.token = ids.next();
  BOOST_TEST(!is_ended(first));
  BOOST_REQUIRE(tokens->revoke(db, *claims));
  BOOST_TEST(is_ended(first));
  BOOST_TEST(!is_ended(second));
  BOOST_REQUIRE(revoke_all_tokens(db, agent.id));
  BOOST_TEST(is_ended(second));
  BOOST_TEST(!is_ended(token_of(shop)));
}

BOOST_AUTO_TEST_CASE(a_token_ends_with_its_user_and_with_their_place_in_the_business) {
  for (const std::string& sql :
       {std::string("update app_user set disabled_at = now() where id = "),
        std::string("delete from membership where user_id = "),
        std::string("update membership set is_active = false where user_id = ")}) {
    const auto agent = member(shop, Role::agent);
    const auto token = token_of(agent);
    BOOST_TEST(!is_ended(token));
    value(sql + "'" + agent.id.text() + "' returning 1");
    BOOST_TEST(is_ended(token), sql);
  }
  auto elsewhere = token_of(shop);
  elsewhere.token = ids.next();
  elsewhere.business = *gateway::domain::BusinessId::parse(owner().business);
  BOOST_TEST(is_ended(elsewhere));
}

BOOST_AUTO_TEST_CASE(visitors_that_were_revoked_lately_are_named_with_their_business) {
  const auto embed = *gateway::domain::EmbedId::parse(widget(shop));
  const auto make = [&] {
    const Uuid id = ids.next();
    auto transaction = db.begin(Scope::of(business));
    BOOST_REQUIRE(transaction);
    BOOST_REQUIRE(must(take_visitor(*transaction, business, embed, id)).has_value());
    BOOST_REQUIRE(transaction->commit());
    return id;
  };
  const auto lately = make(), before = make();
  make();
  BOOST_TEST(must(visitors_revoked_within(db, 60)).empty());
  BOOST_TEST(must(revoke_visitor(db, business, lately)));
  BOOST_TEST(must(revoke_visitor(db, business, before)));
  value("update visitor set revoked_at = now() - interval '2 minutes' where id = '" +
        before.text() + "' returning 1");
  const auto revoked = must(visitors_revoked_within(db, 60));
  BOOST_REQUIRE(revoked.size() == 1u);
  BOOST_TEST(revoked[0].visitor.text() == lately.text());
  BOOST_TEST(revoked[0].business.text() == shop.business);
  BOOST_TEST(must(visitors_revoked_within(db, 180)).size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
