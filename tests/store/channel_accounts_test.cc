#include "gateway/store/channel_accounts.h"

#include <boost/test/unit_test.hpp>
#include <memory>

#include "gateway/store/ingest.h"
#include "tests/support/database.h"
#include "tests/support/result.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

namespace {

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business, "whatsapp");

  Result<> replace(domain::BusinessId tenant, domain::ChannelId of,
                   const std::vector<std::string>& accounts, const std::string& type = "whatsapp") {
    auto transaction = gateway.begin(Scope::of(tenant));
    if (!transaction) return std::move(transaction).error();
    if (auto done = replace_channel_accounts(*transaction, of, type, accounts); !done) return done;
    return transaction->commit();
  }
  // "account:n" of each, where n is 1 for `channel` and 2 for another.
  std::string resolve(const std::vector<std::string>& accounts,
                      const std::string& type = "whatsapp") {
    const auto found = resolve_accounts(gateway, type, accounts);
    if (!found) return found.error().message;
    std::string text;
    for (const auto& one : *found) {
      text += (text.empty() ? "" : " ") + one.account + (one.channel == channel ? ":1" : ":2");
    }
    return text;
  }
  void script(const std::string& sql) {
    const auto done = owner.script(sql);
    BOOST_TEST_REQUIRE(done.has_value(), test_support::why(done));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(channel_accounts, Fixture)

BOOST_AUTO_TEST_CASE(a_channel_stands_for_the_accounts_told_last_and_no_others) {
  BOOST_TEST(replace(business, channel, {"1", "2", "2"}).has_value());
  BOOST_TEST(resolve({"1", "2", "3"}) == "1:1 2:1");
  BOOST_TEST(replace(business, channel, {"2", "3"}).has_value());
  BOOST_TEST(resolve({"1", "2", "3"}) == "2:1 3:1");
  BOOST_TEST(replace(business, channel, {}).has_value());
  BOOST_TEST(resolve({"1", "2", "3"}) == "");
}

BOOST_AUTO_TEST_CASE(an_account_is_found_by_its_type_whatever_the_tenant) {
  const auto other = make_business();
  const auto theirs = make_channel(other, "whatsapp");
  const auto instagram = make_channel(other, "instagram");
  BOOST_TEST(replace(business, channel, {"1"}).has_value());
  BOOST_TEST(replace(other, theirs, {"1", "5"}).has_value());
  BOOST_TEST(replace(other, instagram, {"1"}, "instagram").has_value());
  BOOST_TEST(resolve({"1", "5"}) == "1:1 1:2 5:2");
  BOOST_TEST(resolve({"1"}, "instagram") == "1:2");
  BOOST_TEST(resolve({}) == "");
}

BOOST_AUTO_TEST_CASE(a_channel_that_changed_its_type_stands_for_nothing_until_told) {
  BOOST_TEST(replace(business, channel, {"1"}).has_value());
  script("update backchannel.channel set type = 'instagram'");
  BOOST_TEST(resolve({"1"}) == "");
  BOOST_TEST(resolve({"1"}, "instagram") == "");
  BOOST_TEST(replace(business, channel, {"1"}, "instagram").has_value());
  BOOST_TEST(resolve({"1"}, "instagram") == "1:1");
}

BOOST_AUTO_TEST_CASE(the_accounts_go_with_their_channel) {
  BOOST_TEST(replace(business, channel, {"1"}).has_value());
  static constexpr const char* kDelete = "delete from channel where id = $1";
  BOOST_TEST(gateway.run(Scope::of(business), Query{kDelete, {channel}}).has_value());
  BOOST_TEST(value("select count(*) from channel_account") == "0");
  // A registration that ends later changes nothing and is no error.
  BOOST_TEST(replace(business, channel, {"1"}).has_value());
  BOOST_TEST(value("select count(*) from channel_account") == "0");
}

BOOST_AUTO_TEST_CASE(accounts_of_another_tenants_channel_cannot_be_told) {
  const auto other = make_business();
  BOOST_TEST(replace(other, channel, {"stolen"}).has_value());
  BOOST_TEST(value("select count(*) from channel_account") == "0");
  BOOST_TEST(replace(business, channel, {"1"}).has_value());
  BOOST_TEST(replace(other, channel, {}).has_value());
  BOOST_TEST(resolve({"1"}) == "1:1");
}

// Row-level security of the tables of 0004_channels.sql: what a tenant's transaction sees of
// another's rows, and what it can do to them.
BOOST_AUTO_TEST_CASE(each_tenant_sees_and_changes_its_own_rows_alone) {
  const auto other = make_business();
  const auto theirs = make_channel(other, "whatsapp");
  int n = 0;
  for (const auto& [tenant, of] : {std::pair{business, channel}, std::pair{other, theirs}}) {
    const std::string owned = "'" + tenant.text() + "', '" + of.text() + "'";
    const std::string id = "'" + ids.next().text() + "'";
    script("insert into backchannel.channel_account values (" + owned + ", 'whatsapp', '" +
           std::to_string(++n) + "');" + " insert into backchannel.message_alias values (" + owned +
           ", 'r', " + id + ", now(), 0, " + id + ");" +
           " insert into backchannel.early_change (tenant_id, channel_id, slot, target, turn, kind,"
           " at, actor, content, code, up_to) values (" +
           owned + ", 1, 't', 1, 5, now(), '', '', '', false);" +
           " insert into backchannel.media (tenant_id, channel_id, id) values (" + owned + ", " +
           id + ")");
  }
  for (const std::string table : {"channel_account", "message_alias", "early_change", "media"}) {
    // Statements are made here for each table; a prepared one is named by where its text stands.
    const auto count = std::make_unique<std::string>("select count(*) from " + table);
    const auto wipe = std::make_unique<std::string>("delete from " + table +
                                                    " where tenant_id = '" + other.text() + "'");
    const auto steal = std::make_unique<std::string>("update " + table + " set tenant_id = '" +
                                                     other.text() + "'");
    const auto rows = [&](const Scope& scope) {
      return gateway.run(scope, Query{*count, {}})->integer(0, 0);
    };
    BOOST_TEST(rows(Scope::of(business)) == 1, table);
    BOOST_TEST(rows(Scope::none()) == 0, table);
    BOOST_TEST(gateway.run(Scope::of(business), Query{*wipe, {}})->affected() == 0, table);
    BOOST_TEST(!gateway.run(Scope::of(business), Query{*steal, {}}).has_value(), table);
    BOOST_TEST(value("select count(*) from " + table) == "2");
    gateway.disconnect();
  }
  // A write under another's tenant is refused, not silently moved.
  static constexpr const char* kForge =
      "insert into channel_account (tenant_id, channel_id, type, account) values ($1, $2, 'x', "
      "'y')";
  BOOST_TEST(!gateway.run(Scope::of(business), Query{kForge, {other, theirs}}).has_value());
}

BOOST_AUTO_TEST_CASE(the_doors_of_the_inbound_side_are_the_definers_and_the_gateways_alone) {
  BOOST_TEST(
      value("select string_agg(p.proname || ':' || pg_get_userbyid(p.proowner) || ':' ||"
            " has_function_privilege('public', p.oid, 'execute') || ':' ||"
            " has_function_privilege('backchannel_gateway', p.oid, 'execute'), ' '"
            " order by p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            " where n.nspname = 'backchannel' and p.prosecdef and p.proname in ('resolve_accounts',"
            " 'thread_of_references', 'ingest_change_locks', 'ingest_known', 'ingest_resolve',"
            " 'ingest_change')") ==
      "ingest_change:backchannel_definer:false:true "
      "ingest_change_locks:backchannel_definer:false:true "
      "ingest_known:backchannel_definer:false:true "
      "ingest_resolve:backchannel_definer:false:true "
      "resolve_accounts:backchannel_definer:false:true "
      "thread_of_references:backchannel_definer:false:true");
}

BOOST_AUTO_TEST_SUITE_END()
