#include "gateway/secrets/keyring.h"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "connectors/sdk/crypto.h"
#include "tests/support/postgres.h"

using namespace gateway;           // NOLINT(google-build-using-namespace)
using namespace gateway::secrets;  // NOLINT(google-build-using-namespace)

namespace {

struct Fixture {
  test_support::TempFolder folder{"keyring"};
  std::string path = folder.path() / "keys";
  Uuid tenant = *Uuid::parse("0193d3a0-0000-7000-8000-000000000001");
  Uuid other_tenant = *Uuid::parse("0193d3a0-0000-7000-8000-000000000002");
  Uuid row = *Uuid::parse("0193d3a0-0000-7000-8000-00000000000a");
  Uuid other_row = *Uuid::parse("0193d3a0-0000-7000-8000-00000000000b");
  Secret key{std::string(32, 'k')};

  void write(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
  }
  static std::string line(const std::string& id, char fill) {
    return id + " " + sdk::base64(std::string(32, fill)) + "\n";
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(keyring, Fixture)

BOOST_AUTO_TEST_CASE(what_is_sealed_opens_with_the_same_binding) {
  const std::string text("7123:AA\0xyz", 11);
  const auto sealed = seal(key, 7, {"channel.config", tenant, row}, text);
  BOOST_TEST_REQUIRE(sealed.has_value());
  BOOST_TEST(sealed->find("7123") == std::string::npos);
  BOOST_TEST(key_id_of(*sealed).value() == 7U);
  const auto opened = secrets::open(key, {"channel.config", tenant, row}, *sealed);
  BOOST_TEST_REQUIRE(opened.has_value());
  BOOST_TEST(opened->reveal() == text);
}

BOOST_AUTO_TEST_CASE(a_ciphertext_moved_to_another_place_does_not_open) {
  const auto sealed = seal(key, 1, {"channel.config", tenant, row}, "secret");
  BOOST_TEST(!secrets::open(key, {"channel.secret", tenant, row}, *sealed));
  BOOST_TEST(!secrets::open(key, {"channel.config", other_tenant, row}, *sealed));
  BOOST_TEST(!secrets::open(key, {"channel.config", tenant, other_row}, *sealed));
  BOOST_TEST(
      !secrets::open(Secret(std::string(32, 'x')), {"channel.config", tenant, row}, *sealed));
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_of_nonce_text_or_tag_does_not_open) {
  const auto sealed = seal(key, 1, {"channel.config", tenant, row}, "secret");
  for (std::size_t byte = 5; byte < sealed->size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bent = *sealed;
      bent[byte] = static_cast<char>(bent[byte] ^ (1 << bit));
      BOOST_TEST_REQUIRE(!secrets::open(key, {"channel.config", tenant, row}, bent));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_shortened_or_foreign_value_is_an_error_and_no_crash) {
  const auto sealed = seal(key, 1, {"channel.config", tenant, row}, "secret");
  for (std::size_t length = 0; length < sealed->size(); ++length) {
    BOOST_TEST_REQUIRE(
        !secrets::open(key, {"channel.config", tenant, row}, sealed->substr(0, length)));
  }
  BOOST_TEST(!secrets::open(key, {"channel.config", tenant, row}, std::string(100, 'z')));
}

BOOST_AUTO_TEST_CASE(equal_texts_have_different_ciphertexts) {
  const Binding binding{"channel.config", tenant, row};
  BOOST_TEST(*seal(key, 1, binding, "same") != *seal(key, 1, binding, "same"));
}

BOOST_AUTO_TEST_CASE(an_absent_key_file_is_made_readable_by_its_owner_alone) {
  const auto ring = Keyring::load_or_create(path);
  BOOST_TEST_REQUIRE(ring.has_value());
  struct stat info {};
  BOOST_TEST_REQUIRE(stat(path.c_str(), &info) == 0);
  BOOST_TEST((info.st_mode & 0777) == 0600U);
  const auto again = Keyring::load_or_create(path);
  BOOST_TEST_REQUIRE(again.has_value());
  BOOST_TEST(again->derive("k1", "jwt")->reveal() == ring->derive("k1", "jwt")->reveal());
}

BOOST_AUTO_TEST_CASE(a_file_that_others_may_read_is_refused_with_the_remedy) {
  write(line("k1", 'a'), 0644);
  const auto ring = Keyring::load(path);
  BOOST_TEST_REQUIRE(!ring);
  BOOST_TEST(ring.error().message.find("chmod 600") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_wrong_line_is_named_by_number_and_never_shown) {
  write(line("k1", 'a') + "k2 notbase64canary\n");
  const auto ring = Keyring::load(path);
  BOOST_TEST_REQUIRE(!ring);
  BOOST_TEST(ring.error().message.find("line 2") != std::string::npos);
  BOOST_TEST(ring.error().message.find("canary") == std::string::npos);
  write(line("k1", 'a') + line("k1", 'b'));
  BOOST_TEST(!Keyring::load(path));
  write("");
  BOOST_TEST(!Keyring::load(path));
}

BOOST_AUTO_TEST_CASE(the_first_key_wraps_and_older_ones_still_unwrap) {
  write(line("k1", 'a'));
  const auto old_ring = Keyring::load(path);
  const auto made = old_ring->new_data_key(tenant, 1);
  BOOST_TEST_REQUIRE(made.has_value());
  write(line("k2", 'b') + line("k1", 'a'));
  const auto ring = Keyring::load(path);
  BOOST_TEST(ring->current_id() == "k2");
  const auto opened = ring->unwrap(tenant, 1, made->master_key, made->wrapped);
  BOOST_TEST_REQUIRE(opened.has_value());
  BOOST_TEST(opened->reveal() == made->plain.reveal());
  BOOST_TEST(!ring->unwrap(other_tenant, 1, made->master_key, made->wrapped));
  BOOST_TEST(!ring->unwrap(tenant, 2, made->master_key, made->wrapped));
  BOOST_TEST(!ring->unwrap(tenant, 1, "k2", made->wrapped));
  BOOST_TEST(!ring->unwrap(tenant, 1, "k9", made->wrapped));
}

BOOST_AUTO_TEST_CASE(purposes_have_different_keys) {
  write(line("k1", 'a'));
  const auto ring = Keyring::load(path);
  BOOST_TEST(ring->derive("k1", "jwt")->reveal() != ring->derive("k1", "url")->reveal());
  BOOST_TEST(ring->derive("k1", "jwt")->size() == 32U);
  BOOST_TEST(!ring->derive("k2", "jwt"));
}

BOOST_AUTO_TEST_SUITE_END()
