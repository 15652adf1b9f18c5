#include "gateway/outbound/media_local.h"

#include <boost/test/unit_test.hpp>
#include <string>

#include "gateway/secrets/keyring.h"
#include "tests/support/database.h"
#include "tests/support/postgres.h"
#include "tests/support/result.h"

namespace {

using gateway::Uuid;
using gateway::domain::BusinessId;
using gateway::store::MediaUrls;

struct Fixture {
  test_support::Database db;
  test_support::TempFolder folder{"media_local"};
  gateway::secrets::Keyring keyring =
      *gateway::secrets::Keyring::load_or_create((folder.path() / "keys").string());
  MediaUrls urls = *MediaUrls::from(keyring, "https://gateway.example");
  gateway::outbound::LocalAnswer local = gateway::outbound::local_media(urls, db.clock);
  BusinessId business = db.make_business();

  Uuid file(const std::string& body_sql, const std::string& type, int state = 1) {
    const Uuid id = db.ids.next();
    db.value(
        "insert into media (tenant_id, id, state, content_type, file_name, size, body) values ('" +
        business.text() + "', '" + id.text() + "', " + std::to_string(state) + ", '" + type +
        "', 'f', octet_length(" + body_sql + "), " + body_sql + ") returning 1");
    return id;
  }
  std::string url(const Uuid& id, std::int64_t age_ms = 0) {
    return urls.make(business, id, "f", db.clock.now_ms() - age_ms);
  }
  std::optional<connector::Response> ask(const std::string& address, std::int64_t answer_bytes = 0,
                                         const std::string& method = "GET") {
    connector::Call call;
    call.method = method;
    call.url = address;
    call.answer_bytes = answer_bytes;
    auto answer = local(db.gateway, call);
    BOOST_TEST_REQUIRE(answer.has_value(), test_support::why(answer));
    return *answer;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(media_local, Fixture)

BOOST_AUTO_TEST_CASE(a_signed_address_of_ours_is_answered_from_the_table) {
  const auto id = file("'\\x89504e470d0a1a0a'::bytea", "text/html");
  const auto answer = ask(url(id));
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 200);
  BOOST_TEST(answer->body == "\x89PNG\r\n\x1a\n");
  BOOST_TEST(answer->header("content-type") == "image/png");
  BOOST_TEST(answer->header("content-length") == "8");
  BOOST_TEST(!answer->not_sent);
}

BOOST_AUTO_TEST_CASE(other_calls_go_their_way) {
  const auto id = file("'x'::bytea", "text/plain");
  BOOST_TEST(!ask("https://platform.example/api/v1/media/" + id.text() + "/f").has_value());
  BOOST_TEST(!ask("https://gateway.example/api/v1/channels/").has_value());
  BOOST_TEST(!ask(url(id), 0, "POST").has_value());
}

BOOST_AUTO_TEST_CASE(what_the_address_does_not_open_is_404_and_no_network) {
  const auto ready = file("'x'::bytea", "text/plain");
  const auto status = [&](const std::string& address) { return ask(address)->status; };
  BOOST_TEST(status(url(ready)) == 200);
  BOOST_TEST(status(url(ready) + "A") == 404);
  BOOST_TEST(status(url(ready, 9 * 24 * 3'600'000LL)) == 404);
  BOOST_TEST(status("https://gateway.example/api/v1/media/" + ready.text() + "/f") == 404);
  BOOST_TEST(status(url(db.ids.next())) == 404);
  BOOST_TEST(status(url(file("'x'::bytea", "text/plain", 0))) == 404);
  BOOST_TEST(status(url(file("'x'::bytea", "text/plain", 2))) == 404);
  const auto other = db.make_business();
  BOOST_TEST(status(urls.make(other, ready, "f", db.clock.now_ms())) == 404);
}

BOOST_AUTO_TEST_CASE(a_file_longer_than_the_answer_kept_is_none) {
  const auto id = file("convert_to(repeat('x', 1048577), 'UTF8')", "text/plain");
  BOOST_TEST(ask(url(id))->status == 413);
  BOOST_TEST(ask(url(id))->body.empty());
  BOOST_TEST(ask(url(id), 1'048'576)->status == 413);
  const auto whole = ask(url(id), 1'048'577);
  BOOST_TEST(whole->status == 200);
  BOOST_TEST(whole->body.size() == 1'048'577u);
}

BOOST_AUTO_TEST_SUITE_END()
