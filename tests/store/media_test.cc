#include "gateway/store/media.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "connectors/sdk/crypto.h"
#include "gateway/store/media_jobs.h"
#include "gateway/store/media_url.h"
#include "tests/support/database.h"
#include "tests/support/postgres.h"
#include "tests/support/result.h"

using namespace gateway;         // NOLINT(google-build-using-namespace)
using namespace gateway::store;  // NOLINT(google-build-using-namespace)
using test_support::why;

namespace {

constexpr std::int64_t kDay = 24 * 3600'000;

struct Fixture : test_support::Database {
  domain::BusinessId business = make_business();
  domain::ChannelId channel = make_channel(business);

  void change(const std::string& sql) {
    const auto done = owner.script("set search_path = backchannel; " + sql);
    if (!done) throw std::runtime_error(sql + ": " + done.error().message);
  }

  domain::ConversationId conversation_of(domain::BusinessId of) {
    const domain::ConversationId id(ids.next());
    change("insert into conversation (tenant_id, id, channel_id, channel_type) values ('" +
           of.text() + "', '" + id.text() + "', '" + channel.text() + "', 'telegram')");
    return id;
  }

  // A message with these attachments, as a delivery stores it, or an agent's.
  MessageKey message(domain::BusinessId of, domain::ChannelId in, const std::string& remote_id,
                     const std::string& attachments, int sender_type = 0) {
    const MessageKey placed{conversation_of(of), clock.now_ms() * 1000, 7,
                            domain::MessageId(ids.next())};
    change(
        "insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,"
        " sender_type, content, attachments, remote_id) values ('" +
        of.text() + "', '" + placed.conversation.text() + "', timestamptz 'epoch' + " +
        std::to_string(placed.sort_us) + " * interval '1 microsecond', 7, '" + placed.id.text() +
        "', '" + in.text() + "', " + std::to_string(sender_type) + ", '', '" + attachments +
        "', nullif('" + remote_id + "', ''))");
    return placed;
  }

  static std::string attachment(const Uuid& id, const std::string& state = "pending") {
    return R"({"id":")" + id.text() + R"(","type":"image","url":null,"content_type":null,)" +
           R"("size":null,"name":null,"state":")" + state + R"(","media_id":"platform-7"})";
  }

  // A pending file and the message that waits for it.
  struct Pending {
    Uuid id;
    MessageKey placed;
  };
  Pending pending(domain::BusinessId of, domain::ChannelId in, const std::string& remote_id) {
    Pending made{ids.next(), {}};
    made.placed = message(of, in, remote_id, "[" + attachment(made.id) + "]");
    change(
        "insert into media (tenant_id, id, channel_id, message_remote_id, state, source) values "
        "('" +
        of.text() + "', '" + made.id.text() + "', '" + in.text() + "', '" + remote_id +
        R"(', 0, '{"kind":"image","media_id":"platform-7"}'))");
    return made;
  }
  Pending pending(const std::string& remote_id) { return pending(business, channel, remote_id); }

  std::vector<MediaLease> claim(int limit = 10, int tenant_cap = 10,
                                std::int64_t lease_ms = 60'000) {
    auto leases = claim_media(gateway, {ids.next(), limit, tenant_cap, lease_ms});
    if (!leases) throw std::runtime_error(leases.error().message);
    return *std::move(leases);
  }
  MediaLease claim_one() {
    const auto leases = claim(1);
    if (leases.size() != 1) throw std::runtime_error("nothing to claim");
    return leases.front();
  }

  static FetchedMedia fetched(const std::string& body = "\x89PNG") {
    return {"image/png", "a.png", body};
  }
  Result<MediaOutcome> media_ready(Session& db, const MediaLease& lease, FetchedMedia file) {
    return store::media_ready(db, lease, media_ready_query(lease, std::move(file)));
  }

  Uuid upload(domain::BusinessId of, domain::ConversationId conversation, const std::string& body) {
    const Uuid id = ids.next();
    const NewMedia file{id, "image/png", "u.png", body};
    const auto outcome = insert_uploads(gateway, of, conversation, {&file, 1}, 1 << 30);
    BOOST_TEST_REQUIRE(outcome.has_value(), why(outcome));
    BOOST_TEST_REQUIRE((*outcome == UploadOutcome::stored));
    return id;
  }

  // An agent's message with this file, as the API sends it.
  MessageKey carry(const Uuid& file) {
    const auto placed = message(business, channel, "", "[" + attachment(file, "ready") + "]", 1);
    auto transaction = gateway.begin(Scope::of(business));
    BOOST_TEST_REQUIRE(transaction.has_value());
    const auto taken = take_media(*transaction, business, {&file, 1});
    BOOST_TEST_REQUIRE(taken.has_value(), why(taken));
    BOOST_TEST_REQUIRE(taken->size() == 1u);
    const auto used = use_media(*transaction, business, placed, {&file, 1});
    BOOST_TEST_REQUIRE(used.has_value(), why(used));
    BOOST_TEST_REQUIRE(transaction->commit().has_value());
    return placed;
  }

  void take_back(const MessageKey& placed) {
    change("update message set deleted_at = now() - interval '3 hours' where id = '" +
           placed.id.text() + "'");
  }
  std::string attachments_of(const MessageKey& placed) {
    return value("select attachments::text from message where id = '" + placed.id.text() + "'");
  }
  std::string row(const Uuid& id, const std::string& column) {
    return value("select coalesce((select coalesce(" + column +
                 "::text, 'null') from media where id = '" + id.text() + "'), 'gone')");
  }
  int events_of(const MessageKey& placed) {
    return std::stoi(value("select count(*) from realtime_event where kind = 1 and message_id = '" +
                           placed.id.text() + "'"));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(media_suite, Fixture)

BOOST_AUTO_TEST_CASE(a_fetched_file_is_ready_and_its_message_says_so) {
  const auto file = pending("m1");
  const auto lease = claim_one();
  BOOST_TEST((lease.id == file.id));
  const auto loaded = load_media(gateway, lease, kDay);
  BOOST_TEST_REQUIRE(loaded.has_value(), why(loaded));
  BOOST_TEST_REQUIRE(loaded->has_value());
  BOOST_TEST((*loaded)->source.find("platform-7") != std::string::npos);
  BOOST_TEST((*loaded)->message_remote_id == "m1");
  BOOST_TEST((*loaded)->attempt == 1);
  BOOST_TEST((*loaded)->left_ms > kDay - 60'000);
  BOOST_TEST(!(*loaded)->is_deleted);
  BOOST_TEST(((*loaded)->channel->id == channel));

  const std::string body(3'000, 'x');
  const auto outcome = media_ready(gateway, lease, fetched(body));
  BOOST_TEST_REQUIRE(outcome.has_value(), why(outcome));
  BOOST_TEST((*outcome == MediaOutcome::settled));
  const auto stored = find_media(gateway, business, file.id, 4);
  BOOST_TEST_REQUIRE(stored.has_value(), why(stored));
  BOOST_TEST_REQUIRE(stored->has_value());
  BOOST_TEST(((*stored)->state == MediaState::ready));
  BOOST_TEST((*stored)->content_type == "image/png");
  BOOST_TEST((*stored)->file_name == "a.png");
  BOOST_TEST((*stored)->size.value() == 3'000);
  BOOST_TEST(((*stored)->sha256 == sdk::sha256(body)));
  BOOST_TEST((*stored)->head == "xxxx");
  BOOST_TEST(attachments_of(file.placed) ==
             R"([{"id": ")" + file.id.text() +
                 R"(", "url": null, "name": "a.png", "size": 3000, "type": "image", )" +
                 R"("state": "ready", "media_id": "platform-7", "content_type": "image/png"}])");
  BOOST_TEST(events_of(file.placed) == 1);
  // The answer to the commit may have been lost: the same again is the same.
  BOOST_TEST((*media_ready(gateway, lease, fetched(body)) == MediaOutcome::settled));
  BOOST_TEST(events_of(file.placed) == 1);
  BOOST_TEST(claim().empty());
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_fetched_fails_with_its_reason) {
  const auto file = pending("m1");
  const auto outcome = media_failed(gateway, claim_one(), "the platform has no such file");
  BOOST_TEST_REQUIRE(outcome.has_value(), why(outcome));
  BOOST_TEST(row(file.id, "state") == "2");
  BOOST_TEST(row(file.id, "error") == "the platform has no such file");
  const auto attachments = attachments_of(file.placed);
  BOOST_TEST(attachments.find(R"("state": "failed")") != std::string::npos);
  BOOST_TEST(attachments.find(R"("error": "the platform has no such file")") != std::string::npos);
  BOOST_TEST(events_of(file.placed) == 1);
  BOOST_TEST(claim().empty());
}

BOOST_AUTO_TEST_CASE(only_the_named_attachment_changes) {
  const auto one = pending("m1");
  const Uuid other = ids.next();
  change("update message set attachments = '[{\"id\":\"" + other.text() +
         "\",\"state\":\"ready\",\"url\":\"https://a.example/x\"}," + attachment(one.id) +
         ",{\"type\":\"location\",\"state\":\"ready\"}]'");
  BOOST_TEST((*media_ready(gateway, claim_one(), fetched()) == MediaOutcome::settled));
  BOOST_TEST(value("select (attachments -> 0) ->> 'url' || ' ' || ((attachments -> 1) ->> 'state')"
                   " || ' ' || ((attachments -> 2)::text) from message") ==
             R"(https://a.example/x ready {"type": "location", "state": "ready"})");
}

BOOST_AUTO_TEST_CASE(a_file_of_an_edit_finds_its_message_by_a_further_remote_id) {
  const auto file = pending("piece-2");
  change("update message set remote_id = 'piece-1'");
  change(
      "insert into message_alias (tenant_id, channel_id, remote_id, conversation_id, sort_at,"
      " sort_seq, message_id) select tenant_id, channel_id, 'piece-2', conversation_id, sort_at,"
      " sort_seq, id from message");
  BOOST_TEST((*media_ready(gateway, claim_one(), fetched()) == MediaOutcome::settled));
  BOOST_TEST(attachments_of(file.placed).find(R"("state": "ready")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_lease_belongs_to_one_and_ends) {
  const auto file = pending("m1");
  const auto mine = claim(1, 10, 300).front();
  BOOST_TEST(claim().empty());
  // It ends by the database's clock, and somebody else takes over.
  MediaLease theirs;
  for (int i = 0; i < 1'000 && theirs.fence == 0; ++i) {
    const auto leases = claim();
    if (!leases.empty()) theirs = leases.front();
  }
  BOOST_TEST_REQUIRE(theirs.fence > mine.fence);
  BOOST_TEST(row(file.id, "attempt") == "2");
  BOOST_TEST(!*hold_media(gateway, mine, 60'000));
  BOOST_TEST(!load_media(gateway, mine, kDay)->has_value());
  BOOST_TEST(!*media_again(gateway, mine, {}));
  BOOST_TEST((*media_ready(gateway, mine, fetched("late")) == MediaOutcome::lost));
  BOOST_TEST((*media_failed(gateway, mine, "late") == MediaOutcome::lost));
  BOOST_TEST(row(file.id, "state") == "0");
  BOOST_TEST(*hold_media(gateway, theirs, 60'000));
  BOOST_TEST((*media_ready(gateway, theirs, fetched("in time")) == MediaOutcome::settled));
  BOOST_TEST((*media_failed(gateway, theirs, "then not") == MediaOutcome::lost));
  BOOST_TEST(*read_media(gateway, business, file.id, 0, 7)->operator->() == "in time");
}

BOOST_AUTO_TEST_CASE(what_did_not_count_is_no_attempt) {
  const auto file = pending("m1");
  for (const bool counts : {true, false, false, true}) {
    const auto lease = claim_one();
    BOOST_TEST(*media_again(gateway, lease, {.delay_ms = 0, .error = "slow", .counts = counts}));
  }
  BOOST_TEST(row(file.id, "attempt") == "2");
  BOOST_TEST(row(file.id, "error") == "slow");
  BOOST_TEST(*media_again(gateway, claim_one(), {.delay_ms = 3'600'000}));
  BOOST_TEST(claim().empty());
}

BOOST_AUTO_TEST_CASE(tenants_take_turns_and_none_has_more_than_its_share) {
  const auto other = make_business();
  const auto others = make_channel(other);
  for (int i = 0; i < 20; ++i) pending("m" + std::to_string(i));
  change("update media set next_at = now() - interval '1 hour'");
  for (int i = 0; i < 2; ++i) pending(other, others, "m" + std::to_string(i));
  const auto first = claim(4, 3);
  std::map<std::string, int> got;
  for (const auto& lease : first) ++got[lease.tenant.text()];
  BOOST_TEST(got[business.text()] == 2);
  BOOST_TEST(got[other.text()] == 2);
  // One place is left for the busy tenant, whatever the limit.
  BOOST_TEST(claim(10, 3).size() == 1u);
  BOOST_TEST(claim(10, 3).empty());
}

BOOST_AUTO_TEST_CASE(gateways_that_claim_at_once_get_different_files) {
  for (int i = 0; i < 40; ++i) pending("m" + std::to_string(i));
  std::vector<std::vector<MediaLease>> got(4);
  std::vector<std::thread> threads;
  for (auto& mine : got) {
    threads.emplace_back([this, &mine] {
      Session db(gateway_options());
      for (int i = 0; i < 10; ++i) {
        auto leases = claim_media(db, {ids.next(), 3, 100, 60'000});
        if (leases) mine.insert(mine.end(), leases->begin(), leases->end());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> seen;
  std::size_t count = 0;
  for (const auto& mine : got) {
    for (const auto& lease : mine) seen.insert(lease.id.text());
    count += mine.size();
  }
  BOOST_TEST(seen.size() == count);
  BOOST_TEST(count + claim(100, 100).size() == 40u);
}

BOOST_AUTO_TEST_CASE(a_body_is_read_in_any_range_and_not_beyond_its_end) {
  const auto file = pending("m1");
  std::string body;
  while (body.size() < (3u << 20)) body += std::to_string(body.size()) + ",";
  BOOST_TEST((*media_ready(gateway, claim_one(), fetched(body)) == MediaOutcome::settled));
  const auto read = [&](std::size_t begin, std::size_t count) {
    return *read_media(gateway, business, file.id, begin, count);
  };
  BOOST_TEST((read(0, body.size()) == body));
  BOOST_TEST((read(0, 1) == body.substr(0, 1)));
  BOOST_TEST((read((1u << 20) - 3, 2'000'000) == body.substr((1u << 20) - 3, 2'000'000)));
  BOOST_TEST((read(body.size() - 1, 1) == body.substr(body.size() - 1)));
  BOOST_TEST((read(body.size(), 0) == ""));
  BOOST_TEST(!read(body.size() - 1, 2).has_value());
  BOOST_TEST(!read(body.size(), 1).has_value());
}

BOOST_AUTO_TEST_CASE(a_tenant_sees_its_own_files_and_no_others) {
  const auto file = pending("m1");
  BOOST_TEST((*media_ready(gateway, claim_one(), fetched()) == MediaOutcome::settled));
  const auto other = make_business();
  BOOST_TEST(find_media(gateway, business, file.id, 1)->has_value());
  BOOST_TEST(!find_media(gateway, other, file.id, 1)->has_value());
  BOOST_TEST(media_of(gateway, business, {&file.id, 1})->size() == 1u);
  BOOST_TEST(media_of(gateway, other, {&file.id, 1})->empty());
  BOOST_TEST(!read_media(gateway, other, file.id, 0, 1)->has_value());
  auto transaction = gateway.begin(Scope::of(other));
  BOOST_TEST(take_media(*transaction, other, {&file.id, 1})->empty());
  BOOST_TEST_REQUIRE(transaction->commit().has_value());
  BOOST_TEST(row(file.id, "used_at") == "null");
  BOOST_TEST((*media_ready(gateway, {other, file.id, 1}, fetched("theirs")) == MediaOutcome::lost));
  // Row-level security itself, without the conditions of our statements.
  carry(file.id);
  static constexpr const char* kAll =
      "select (select count(*) from media) || ' ' ||"
      " (select count(*) from media_use)";
  const auto count = [&](const Scope& scope) {
    return std::string(gateway.run(scope, Query{kAll, {}})->text(0, 0));
  };
  BOOST_TEST(count(Scope::of(business)) == "1 1");
  BOOST_TEST(count(Scope::of(other)) == "0 0");
  BOOST_TEST(count(Scope::none()) == "0 0");
}

BOOST_AUTO_TEST_CASE(uploads_belong_to_a_conversation_and_are_bounded) {
  const auto conversation = conversation_of(business);
  const auto other = make_business();
  const std::string body(1'000, 'x');
  const NewMedia files[] = {{ids.next(), "image/png", "1.png", body},
                            {ids.next(), "text/plain", "2.txt", body}};
  const auto outcome = [&](domain::BusinessId of, std::int64_t most) {
    auto stored = insert_uploads(gateway, of, conversation, files, most);
    BOOST_TEST_REQUIRE(stored.has_value(), why(stored));
    return *stored;
  };
  BOOST_TEST((outcome(other, 10'000) == UploadOutcome::no_conversation));
  BOOST_TEST((outcome(business, 1'999) == UploadOutcome::too_much));
  BOOST_TEST(value("select count(*) from media") == "0");
  BOOST_TEST((outcome(business, 2'000) == UploadOutcome::stored));
  BOOST_TEST(value("select count(*) from media where state = 1 and octet_length(body) = 1000"
                   " and sha256 = sha256(body)") == "2");
  const NewMedia more{ids.next(), "image/png", "3.png", "x"};
  BOOST_TEST((*insert_uploads(gateway, business, conversation, {&more, 1}, 2'000) ==
              UploadOutcome::too_much));
  // What has been sent does not count any more.
  carry(files[0].id);
  BOOST_TEST((*insert_uploads(gateway, business, conversation, {&more, 1}, 2'000) ==
              UploadOutcome::stored));
}

BOOST_AUTO_TEST_CASE(only_ready_files_can_be_sent) {
  const auto waiting = pending("m1");
  const Uuid ready = upload(business, conversation_of(business), "x");
  auto transaction = gateway.begin(Scope::of(business));
  const std::vector<Uuid> wanted = {waiting.id, ready, ids.next()};
  const auto taken = take_media(*transaction, business, wanted);
  BOOST_TEST_REQUIRE(taken.has_value(), why(taken));
  BOOST_TEST_REQUIRE(taken->size() == 1u);
  BOOST_TEST((taken->front().id == ready));
}

// Taking back ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_message_that_is_taken_back_loses_its_files) {
  const auto ready = pending("m1");
  BOOST_TEST((*media_ready(gateway, claim_one(), fetched("secret")) == MediaOutcome::settled));
  const auto waiting = pending("m2");
  const auto kept = pending("m3");
  take_back(ready.placed);
  take_back(waiting.placed);
  BOOST_TEST(*erase_media(gateway, 100) == 2);
  for (const auto* file : {&ready, &waiting}) {
    BOOST_TEST(row(file->id, "state") == "2");
    BOOST_TEST(row(file->id, "error") == "deleted");
    for (const char* column :
         {"body", "sha256", "source", "file_name", "content_type", "size", "lease_owner"}) {
      BOOST_TEST(row(file->id, column) == "null", column);
    }
    BOOST_TEST(attachments_of(file->placed) ==
               R"([{"id": ")" + file->id.text() +
                   R"(", "url": null, "name": null, "size": null, "type": "image", )" +
                   R"("error": "deleted", "state": "failed", "content_type": null}])");
  }
  BOOST_TEST(row(kept.id, "state") == "0");
  BOOST_TEST(!read_media(gateway, business, ready.id, 0, 6)->has_value());
  BOOST_TEST(*erase_media(gateway, 100) == 0);
  BOOST_TEST(events_of(waiting.placed) == 1);
}

BOOST_AUTO_TEST_CASE(a_message_taken_back_while_its_file_is_fetched_keeps_none) {
  const auto file = pending("m1");
  const auto lease = claim_one();
  take_back(file.placed);
  BOOST_TEST((*load_media(gateway, lease, kDay))->is_deleted);
  BOOST_TEST((*media_ready(gateway, lease, fetched("secret")) == MediaOutcome::deleted));
  BOOST_TEST(row(file.id, "state") == "2");
  BOOST_TEST(row(file.id, "body") == "null");
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  // And where the erasing came first.
  const auto second = pending("m2");
  const auto held = claim_one();
  take_back(second.placed);
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  BOOST_TEST((*media_ready(gateway, held, fetched("secret")) == MediaOutcome::lost));
  BOOST_TEST(row(second.id, "body") == "null");
}

BOOST_AUTO_TEST_CASE(public_addresses_and_places_of_a_message_taken_back_are_forgotten_too) {
  const auto placed =
      message(business, channel, "m1",
              R"([{"type":"image","url":"https://a.example/x.png","state":"ready"},)"
              R"({"type":"location","state":"ready","latitude":"1"}])");
  take_back(placed);
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  const auto attachments = attachments_of(placed);
  BOOST_TEST(attachments.find("a.example") == std::string::npos);
  BOOST_TEST(attachments.find("latitude") == std::string::npos);
  BOOST_TEST(*erase_media(gateway, 100) == 0);
}

BOOST_AUTO_TEST_CASE(an_upload_stays_until_its_last_message_is_taken_back) {
  const Uuid file = upload(business, conversation_of(business), "shared");
  const auto first = carry(file);
  const auto second = carry(file);
  take_back(first);
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  BOOST_TEST(row(file, "state") == "1");
  take_back(second);
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  BOOST_TEST(row(file, "state") == "2");
  BOOST_TEST(row(file, "body") == "null");
}

BOOST_AUTO_TEST_CASE(a_customers_file_that_was_passed_on_goes_with_the_customers_message_alone) {
  const auto file = pending("m1");
  BOOST_TEST((*media_ready(gateway, claim_one(), fetched("secret")) == MediaOutcome::settled));
  const auto passed_on = carry(file.id);
  take_back(passed_on);
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  BOOST_TEST(row(file.id, "state") == "1");
  take_back(file.placed);
  BOOST_TEST(*erase_media(gateway, 100) == 1);
  BOOST_TEST(row(file.id, "state") == "2");
}

BOOST_AUTO_TEST_CASE(attachments_of_any_shape_are_survived) {
  for (const char* odd : {"{}", "[]", "7", "[7, null, \"x\"]", "[{\"id\":\"no-uuid\"}]",
                          "[{\"id\":7,\"state\":\"ready\"}]", "[{\"state\":null}]"}) {
    const auto placed = message(business, channel, "", odd);
    take_back(placed);
  }
  BOOST_TEST(*erase_media(gateway, 100) >= 1);
  BOOST_TEST(*erase_media(gateway, 100) == 0);
}

// Sweeping ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(uploads_that_nobody_sends_go_after_a_day) {
  const auto conversation = conversation_of(business);
  const Uuid young = upload(business, conversation, "x");
  const Uuid old = upload(business, conversation, "x");
  const Uuid sent = upload(business, conversation, "x");
  carry(sent);
  change(
      "update media set created_at = now() - interval '25 hours', checked_at = now() - interval"
      " '25 hours' where id <> '" +
      young.text() + "'");
  BOOST_TEST(*sweep_media(gateway, {}) == 2);
  BOOST_TEST(row(young, "state") == "1");
  BOOST_TEST(row(old, "state") == "gone");
  BOOST_TEST(row(sent, "state") == "1");
  BOOST_TEST(*sweep_media(gateway, {}) == 0);
}

BOOST_AUTO_TEST_CASE(files_that_no_message_names_any_more_are_removed) {
  const auto other = make_business();
  const auto others = make_channel(other);
  const auto kept = pending("kept");
  const auto edited = pending("edited");
  const auto gone = pending("gone");
  const auto orphan = pending(other, others, "m1");
  const Uuid used = upload(business, conversation_of(business), "x");
  const auto carrying = carry(used);
  const auto passed_on = pending("passed-on");
  BOOST_TEST((*media_ready(gateway, claim(10).back(), fetched()) == MediaOutcome::settled));
  change("update media set state = 1, body = 'x'");
  carry(passed_on.id);
  change("update message set attachments = '[]' where id = '" + edited.placed.id.text() +
         "'; delete from message where id in ('" + gone.placed.id.text() + "', '" +
         carrying.id.text() + "', '" + passed_on.placed.id.text() +
         "'); delete from business where tenant_id = '" + other.text() + "'");
  BOOST_TEST(*sweep_media(gateway, {}) == 0);  // looked at a moment ago
  change("update media set checked_at = now() - interval '2 days'");
  BOOST_TEST(*sweep_media(gateway, {.limit = 4}) == 4);
  BOOST_TEST(*sweep_media(gateway, {.limit = 4}) == 2);
  BOOST_TEST(row(kept.id, "state") == "1");
  BOOST_TEST(row(passed_on.id, "state") == "1");
  for (const Uuid& id : {edited.id, gone.id, orphan.id, used})
    BOOST_TEST(row(id, "state") == "gone");
  BOOST_TEST(value("select count(*) from media_use") == "1");
}

BOOST_AUTO_TEST_SUITE_END()

// Addresses --------------------------------------------------------------------------------------

namespace {

constexpr std::int64_t kNow = 1'763'600'000'000;  // 53 min 20 s into an hour

struct Urls {
  test_support::TempFolder folder{"media_url"};
  secrets::Keyring keyring = *secrets::Keyring::load_or_create(folder.path() / "keys");
  MediaUrls urls = *MediaUrls::from(keyring, "https://gateway.example/");
  domain::BusinessId business{*Uuid::parse("0198c0de-0000-7000-8000-000000000001")};
  domain::BusinessId other{*Uuid::parse("0198c0de-0000-7000-8000-000000000002")};
  Uuid file = *Uuid::parse("0198c0de-0000-7000-8000-0000000000f1");

  std::string made() const { return urls.make(business, file, "a b/\xC3\xBC.png", kNow); }
  static std::string query_of(const std::string& url) { return url.substr(url.find('?') + 1); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(media_url_suite, Urls)

BOOST_AUTO_TEST_CASE(an_address_names_the_file_and_opens_it_until_it_expires) {
  const auto url = made();
  BOOST_TEST(url.starts_with("https://gateway.example/api/v1/media/" + file.text() +
                             "/a%20b%2F%C3%BC.png?exp="));
  const auto grant = urls.verify_url(url, kNow);
  BOOST_TEST_REQUIRE(grant.has_value());
  BOOST_TEST((grant->business == business));
  BOOST_TEST((grant->file == file));
  const std::int64_t end_ms = grant->expires_s * 1000;
  BOOST_TEST(end_ms % 3'600'000 == 0);
  BOOST_TEST(end_ms - kNow >= 7 * kDay);
  BOOST_TEST(end_ms - kNow <= 7 * kDay + 3'600'000);
  BOOST_TEST(urls.verify_url(url, end_ms - 1).has_value());
  BOOST_TEST(!urls.verify_url(url, end_ms).has_value());
}

BOOST_AUTO_TEST_CASE(an_address_stays_the_same_within_an_hour) {
  const std::int64_t hour = kNow / 3'600'000 * 3'600'000;
  BOOST_TEST(urls.make(business, file, "x", hour) ==
             urls.make(business, file, "x", hour + 3'599'999));
  BOOST_TEST(urls.make(business, file, "x", hour) !=
             urls.make(business, file, "x", hour + 3'600'000));
}

BOOST_AUTO_TEST_CASE(no_part_of_a_signature_can_be_changed_or_moved) {
  const auto query = query_of(made());
  const auto id = file.text();
  BOOST_TEST(urls.verify(id, query, kNow).has_value());
  BOOST_TEST(urls.verify(id, query + "&x=1", kNow).has_value());
  // Another file of the same business, and the same file of another one.
  BOOST_TEST(!urls.verify("0198c0de-0000-7000-8000-0000000000f2", query, kNow));
  const auto theirs = query_of(urls.make(other, file, "x", kNow));
  const auto sig_of = [](const std::string& text) {
    return *sdk::from_base64url(text.substr(text.find("sig=") + 4));
  };
  const auto with_sig = [&](const std::string& sig) {
    return query.substr(0, query.find("sig=") + 4) + sdk::base64url(sig);
  };
  BOOST_TEST(
      !urls.verify(id, with_sig(sig_of(theirs).substr(0, 16) + sig_of(query).substr(16)), kNow));
  BOOST_TEST(
      !urls.verify(id, with_sig(sig_of(query).substr(0, 16) + sig_of(theirs).substr(16)), kNow));
  for (std::size_t i = 0; i < 48; ++i) {
    auto sig = sig_of(query);
    sig[i] = static_cast<char>(sig[i] ^ 1);
    BOOST_TEST(!urls.verify(id, with_sig(sig), kNow), "byte " << i);
  }
  for (const std::string& bad : std::vector<std::string>{
           "", "exp=9999999999", "sig=" + query.substr(query.find("sig=") + 4),
           "exp=99999999999&" + query.substr(query.find("sig=")), with_sig(""),
           with_sig(sig_of(query).substr(0, 47)), with_sig(sig_of(query) + "x"),
           "exp=0" + query.substr(4), "exp=%2B" + query.substr(4), query + "A"}) {
    BOOST_TEST(!urls.verify(id, bad, kNow), bad);
  }
  BOOST_TEST(!urls.verify("not-an-id", query, kNow));
}

BOOST_AUTO_TEST_CASE(another_gateways_keys_open_nothing_and_rotated_ones_still_do) {
  const auto url = made();
  test_support::TempFolder elsewhere{"media_url"};
  const auto foreign = *secrets::Keyring::load_or_create(elsewhere.path() / "keys");
  BOOST_TEST(!MediaUrls::from(foreign, "https://gateway.example")->verify_url(url, kNow));
  const auto read = [](const std::filesystem::path& path) {
    std::ifstream in(path);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  test_support::TempFolder rotated{"media_url"};
  const auto path = rotated.path() / "keys";
  auto fresh = read(elsewhere.path() / "keys");
  fresh.replace(0, 2, "k2");
  std::ofstream(path) << fresh << read(folder.path() / "keys");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  const auto both = secrets::Keyring::load(path);
  BOOST_TEST_REQUIRE(both.has_value(), why(both));
  const auto later = MediaUrls::from(*both, "https://gateway.example");
  BOOST_TEST(later->verify_url(url, kNow).has_value());
  BOOST_TEST(later->make(business, file, "x", kNow) != urls.make(business, file, "x", kNow));
}

BOOST_AUTO_TEST_CASE(a_connector_gets_https_also_where_the_public_address_is_not) {
  BOOST_TEST(urls.make_https(business, file, "x", kNow) == urls.make(business, file, "x", kNow));
  const auto plain = MediaUrls::from(keyring, "http://127.0.0.1:8080");
  const auto shown = plain->make(business, file, "x", kNow);
  const auto called = plain->make_https(business, file, "x", kNow);
  BOOST_TEST(shown.starts_with("http://127.0.0.1:8080/api/v1/media/"));
  BOOST_TEST(called == "https" + shown.substr(4));
  for (const auto& url : {shown, called}) {
    BOOST_TEST(plain->verify_url(url, kNow).has_value());
    BOOST_TEST((plain->file_of(url) == file));
  }
}

BOOST_AUTO_TEST_CASE(our_addresses_are_told_from_others) {
  BOOST_TEST(urls.is_ours(made()));
  BOOST_TEST((urls.file_of(made()) == file));
  BOOST_TEST((urls.file_of("https://gateway.example/api/v1/media/" + file.text()) == file));
  for (const std::string& other_url : std::vector<std::string>{
           "https://gateway.example.evil.test/api/v1/media/" + file.text() + "/x",
           "http://gateway.example/api/v1/media/" + file.text() + "/x",
           "https://evil.test/?https://gateway.example/api/v1/media/" + file.text(),
           "https://gateway.example/api/v1/mediax/" + file.text(), std::string()}) {
    BOOST_TEST(!urls.is_ours(other_url), other_url);
    BOOST_TEST(!urls.file_of(other_url).has_value());
    BOOST_TEST(!urls.verify_url(other_url, kNow).has_value());
  }
  BOOST_TEST(!urls.file_of("https://gateway.example/api/v1/media/x/y").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
