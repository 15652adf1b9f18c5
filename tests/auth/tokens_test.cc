#include "gateway/auth/tokens.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/auth/manual_clock.h"
#include "tests/support/database.h"
#include "tests/support/result.h"

namespace {

using auth_test::ManualClock;
using gateway::Errc;
using gateway::Secret;
using gateway::Uuid7;
using gateway::auth::Jwt;
using gateway::auth::Tokens;
using gateway::domain::BusinessId;
using gateway::domain::UserId;
using gateway::store::NewBusiness;
using gateway::store::Role;
using test_support::why;

struct Fixture {
  test_support::Database database;
  ManualClock clock;
  Uuid7 ids{clock};
  // Two gateways beside each other.
  Tokens here{jwt(), clock, ids, {}};
  Tokens there{jwt(), clock, ids, {}};
  UserId user{ids.next()};

  Fixture() {
    const auto made = gateway::store::register_user(
        database.gateway, {user, "ada@acme.test", "ada@acme.test", "Ada", "$scrypt$none"});
    BOOST_TEST_REQUIRE(made.has_value(), why(made));
    BOOST_TEST_REQUIRE(*made);
  }
  static Jwt jwt() { return Jwt({{"k1", Secret(std::string(32, 'k'))}}, "k1"); }

  BusinessId make_business() {
    const BusinessId id(ids.next());
    const auto made = gateway::store::create_business(database.gateway, user, ids.next(),
                                                      NewBusiness{id, "Acme"});
    BOOST_TEST_REQUIRE(made.has_value(), why(made));
    BOOST_TEST_REQUIRE(*made);
    return id;
  }
  gateway::auth::Claims claims_of(const std::string& token) {
    return here.verify("Bearer " + token).value();
  }
  bool valid(Tokens& tokens, const gateway::auth::Claims& claims) {
    const auto identity = tokens.resolve(database.gateway, claims);
    if (!identity) BOOST_TEST((identity.error().code == Errc::unauthorized), why(identity));
    return identity.has_value();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(tokens, Fixture)

BOOST_AUTO_TEST_CASE(a_token_is_its_user_before_and_after_there_is_a_business) {
  const auto claims = claims_of(here.issue(user, std::nullopt, 1));
  auto before = here.resolve(database.gateway, claims);
  BOOST_TEST_REQUIRE(before.has_value(), why(before));
  BOOST_TEST(before->user.email == "ada@acme.test");
  BOOST_TEST(!before->business.has_value());

  const auto business = make_business();
  // The same token, and on a gateway that knows nothing of the change.
  auto after = there.resolve(database.gateway, claims);
  BOOST_TEST_REQUIRE(after.has_value(), why(after));
  BOOST_TEST((after->business == business));
  BOOST_TEST((after->role == Role::owner));
  BOOST_TEST((here.resolve(database.gateway, claims)->business == business));
}

BOOST_AUTO_TEST_CASE(a_logout_ends_one_token_here_at_once_and_elsewhere_within_five_seconds) {
  const auto business = make_business();
  const auto claims = claims_of(here.issue(user, business, 1));
  const auto other = claims_of(here.issue(user, business, 1));
  BOOST_TEST(valid(there, claims));
  const auto revoked = here.revoke(database.gateway, claims);
  BOOST_TEST_REQUIRE(revoked.has_value(), why(revoked));
  BOOST_TEST(!valid(here, claims));
  clock.advance(5'000);
  BOOST_TEST(!valid(there, claims));
  BOOST_TEST(valid(there, other));
}

BOOST_AUTO_TEST_CASE(logging_out_everywhere_ends_every_token_within_five_seconds) {
  const auto business = make_business();
  const auto first = claims_of(here.issue(user, business, 1));
  const auto second = claims_of(here.issue(user, business, 1));
  BOOST_TEST(valid(there, first));
  BOOST_TEST(valid(there, second));
  const auto revoked = here.revoke_all(database.gateway, user);
  BOOST_TEST_REQUIRE(revoked.has_value(), why(revoked));
  BOOST_TEST(!valid(here, first));
  clock.advance(5'000);
  BOOST_TEST(!valid(there, first));
  BOOST_TEST(!valid(there, second));
  BOOST_TEST(valid(here, claims_of(here.issue(user, business, 2))));
}

BOOST_AUTO_TEST_CASE(a_disabled_or_deleted_user_has_no_valid_token) {
  const auto claims = claims_of(here.issue(user, std::nullopt, 1));
  database.value("update backchannel.app_user set disabled_at = now() returning 1::text");
  BOOST_TEST(!valid(here, claims));
  database.value("delete from backchannel.app_user returning 1::text");
  BOOST_TEST(!valid(there, claims));
}

BOOST_AUTO_TEST_CASE(a_token_of_another_business_is_refused) {
  make_business();
  BOOST_TEST(!valid(here, claims_of(here.issue(user, BusinessId(ids.next()), 1))));
}

BOOST_AUTO_TEST_CASE(a_member_who_was_removed_is_out_within_five_seconds) {
  const auto business = make_business();
  const auto claims = claims_of(here.issue(user, business, 1));
  BOOST_TEST(valid(here, claims));
  database.value("update backchannel.membership set is_active = false returning 1::text");
  clock.advance(5'000);
  BOOST_TEST(!valid(here, claims));
}

BOOST_AUTO_TEST_CASE(only_the_bearer_scheme_is_read) {
  const auto token = here.issue(user, std::nullopt, 1);
  BOOST_TEST(here.verify("bearer " + token).has_value());
  for (const std::string& text :
       std::vector<std::string>{"", token, "Basic " + token, "Bearer", "Bearer  " + token,
                                "Bearer " + token + " ", "Token " + token}) {
    BOOST_TEST(!here.verify(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(the_gateway_itself_cannot_read_people_or_revocations) {
  static constexpr const char* kPeople = "select count(*) from app_user";
  static constexpr const char* kRevoked = "select count(*) from revoked_token";
  for (const char* sql : {kPeople, kRevoked}) {
    const auto rows = database.gateway.run({}, gateway::store::Query{sql, {}});
    BOOST_TEST(!rows.has_value(), sql);
  }
}

BOOST_AUTO_TEST_SUITE_END()
