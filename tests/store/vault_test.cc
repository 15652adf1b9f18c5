#include "gateway/store/vault.h"

#include <boost/test/unit_test.hpp>
#include <thread>

#include "gateway/store/hooks.h"
#include "tests/support/database.h"
#include "tests/support/postgres.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)

namespace {

struct Fixture : test_support::Database {
  test_support::TempFolder folder{"vault"};
  secrets::Keyring keyring = *secrets::Keyring::load_or_create(folder.path() / "keys");
  Vault vault{keyring};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(vault_suite, Fixture)

BOOST_AUTO_TEST_CASE(what_one_gateway_seals_another_opens) {
  const auto business = make_business();
  const Uuid row = ids.next();
  const auto sealed = vault.seal(gateway, business, kChannelConfig, row, "token");
  BOOST_TEST_REQUIRE(sealed.has_value());
  Vault other(keyring);
  const auto opened = other.open(gateway, business, kChannelConfig, row, sealed->value);
  BOOST_TEST_REQUIRE(opened.has_value());
  BOOST_TEST(opened->reveal() == "token");
}

BOOST_AUTO_TEST_CASE(a_tenant_never_opens_what_another_sealed) {
  const auto mine = make_business();
  const auto theirs = make_business();
  const Uuid row = ids.next();
  const auto sealed = vault.seal(gateway, theirs, kChannelConfig, row, "token");
  BOOST_TEST(vault.seal(gateway, mine, kChannelConfig, row, "mine").has_value());
  BOOST_TEST(!vault.open(gateway, mine, kChannelConfig, row, sealed->value));
}

BOOST_AUTO_TEST_CASE(makers_of_the_first_key_at_once_agree_on_one) {
  const auto business = make_business();
  const Uuid row = ids.next();
  std::vector<std::string> sealed(6);
  std::vector<std::thread> threads;
  for (auto& mine : sealed) {
    threads.emplace_back([this, &mine, business, row] {
      Session db(gateway_options());
      Vault own(keyring);
      const auto done = own.seal(db, business, kChannelConfig, row, "token");
      if (done) mine = done->value;
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& each : sealed) {
    BOOST_TEST(vault.open(gateway, business, kChannelConfig, row, each).has_value());
  }
  BOOST_TEST(value("select count(*) from tenant_key") == "1");
}

BOOST_AUTO_TEST_CASE(a_hook_is_found_across_tenants_with_its_secrets_open) {
  const auto business = make_business();
  const domain::ChannelId channel(ids.next());
  const auto config =
      vault.seal(gateway, business, kChannelConfig, channel.get(), R"({"bot_token":"1:A"})");
  const auto secret = vault.seal(gateway, business, kChannelSecret, channel.get(), "minted");
  static constexpr const char* kInsert =
      "insert into channel (tenant_id, id, type, config_sealed, secret_sealed)"
      " values ($1, $2, 'telegram', $3, $4)";
  BOOST_TEST_REQUIRE(
      gateway.run(Scope::of(business), Query{kInsert, {business, channel, *config, *secret}})
          .has_value());
  const auto hook = resolve_hook(gateway, vault, channel);
  BOOST_TEST_REQUIRE(hook.has_value());
  BOOST_TEST_REQUIRE(hook->has_value());
  BOOST_TEST(((*hook)->tenant == business));
  BOOST_TEST((*hook)->type == "telegram");
  BOOST_TEST((*hook)->config.reveal() == R"({"bot_token":"1:A"})");
  BOOST_TEST((*hook)->secret.reveal() == "minted");
  BOOST_TEST((*hook)->state.empty());
  const auto none = resolve_hook(gateway, vault, domain::ChannelId(ids.next()));
  BOOST_TEST_REQUIRE(none.has_value());
  BOOST_TEST(!none->has_value());
}

BOOST_AUTO_TEST_SUITE_END()
