// RFC 3501 (IMAP4rev1), 2177 (IDLE), 4315 (UIDPLUS), 6851 (MOVE), 7888 (LITERAL+).
#include "gateway/simulate/imap_session.h"

#include <boost/test/unit_test.hpp>

#include "connectors/sdk/crypto.h"

using namespace gateway::simulate;

namespace {

constexpr std::int64_t kDate = 1'795'165'200'000;  // 2026-11-20
const std::string kMail =
    "From: ana@customer.example\r\nTo: a@b\r\nSubject: folded\r\n subject\r\nMessage-ID: "
    "<m1@customer.example>\r\n\r\nHola\r\n";

struct Dialog {
  ImapStore store;
  ImapSession session{store, true, false};

  Dialog() {
    store.add_user("user", "pass");
    for (int i = 0; i < 3; ++i) store.append("user", kMail, kDate + i * 86'400'000LL);
  }
  std::string say(const std::string& line) { return session.receive(line + "\r\n"); }
  void select() {
    say("a LOGIN user \"pass\"");
    say("b SELECT INBOX");
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(imap_session, Dialog)

BOOST_AUTO_TEST_CASE(users_log_in_by_all_mechanisms) {
  BOOST_TEST(has(session.greeting(), "AUTH=XOAUTH2"));
  BOOST_TEST(has(say("a LOGIN user wrong"), "a NO [AUTHENTICATIONFAILED]"));
  BOOST_TEST(has(say("a SELECT INBOX"), "a BAD"));
  BOOST_TEST(has(say("a LOGIN {4}"), "+ "));
  BOOST_TEST(has(session.receive("user {4+}\r\npass\r\n"), "a OK"));
  for (const auto& [mechanism, answer] :
       {std::pair(std::string("PLAIN"), std::string("\0user\0pass", 10)),
        std::pair(std::string("XOAUTH2"), std::string("user=user\x01"
                                                      "auth=Bearer pass\x01\x01"))}) {
    ImapSession other(store, true, false);
    BOOST_TEST(other.receive("a AUTHENTICATE " + mechanism + "\r\n") == "+ \r\n");
    BOOST_TEST(has(other.receive(sdk::base64(answer) + "\r\n"), "a OK"));
    ImapSession third(store, true, false);
    BOOST_TEST(has(
        third.receive("a AUTHENTICATE " + mechanism + " " + sdk::base64(answer) + "\r\n"), "a OK"));
  }
  ImapSession login(store, true, false);
  login.receive("a AUTHENTICATE LOGIN\r\n");
  login.receive(sdk::base64("user") + "\r\n");
  BOOST_TEST(has(login.receive(sdk::base64("pass") + "\r\n"), "a OK"));
}

BOOST_AUTO_TEST_CASE(a_mailbox_is_opened_with_its_validity_and_next_uid) {
  say("a LOGIN user pass");
  const std::string opened = say("b EXAMINE INBOX");
  BOOST_TEST(has(opened, "* 3 EXISTS\r\n"));
  BOOST_TEST(has(opened, "[UIDVALIDITY 77]"));
  BOOST_TEST(has(opened, "[UIDNEXT 4]"));
  BOOST_TEST(has(opened, "b OK [READ-ONLY]"));
  BOOST_TEST(has(say("c SELECT Nowhere"), "c NO"));
  store.change_uid_validity("user", 78);
  BOOST_TEST(has(say("d SELECT inbox"), "[UIDVALIDITY 78]"));
  BOOST_TEST(has(say("e STATUS INBOX (MESSAGES UIDNEXT UNSEEN)"),
                 "* STATUS \"INBOX\" (MESSAGES 3 UIDNEXT 4 UNSEEN 3)\r\n"));
  BOOST_TEST(has(say("f LIST \"\" *"), "\"INBOX\""));
}

// A range of which the end is the last: "9:*" of a mailbox that ends at 3 still names 3.
BOOST_AUTO_TEST_CASE(searches_by_uid_flags_dates_and_headers) {
  select();
  BOOST_TEST(has(say("c UID SEARCH UID 2:5001"), "* SEARCH 2 3\r\n"));
  BOOST_TEST(has(say("c UID SEARCH UID 9:*"), "* SEARCH 3\r\n"));
  BOOST_TEST(has(say("c UID SEARCH UNSEEN"), "* SEARCH 1 2 3\r\n"));
  BOOST_TEST(has(say("c SEARCH SINCE 21-Nov-2026"), "* SEARCH 2 3\r\n"));
  BOOST_TEST(has(say("c SEARCH NOT SINCE 21-Nov-2026"), "* SEARCH 1\r\n"));
  BOOST_TEST(has(say("c SEARCH HEADER Message-ID m1@customer"), "* SEARCH 1 2 3\r\n"));
  BOOST_TEST(has(say("c SEARCH HEADER Message-ID nobody"), "* SEARCH\r\n"));
  BOOST_TEST(has(say("c SEARCH FLYING"), "c BAD"));
}

// Reading BODY[] marks as seen, PEEK and EXAMINE do not.
BOOST_AUTO_TEST_CASE(fetching_marks_as_seen_unless_it_peeks) {
  select();
  const std::string peeked = say("c UID FETCH 2 (BODY.PEEK[])");
  BOOST_TEST(has(peeked, "* 2 FETCH (UID 2 BODY[] {" + std::to_string(kMail.size()) + "}\r\n" +
                             kMail + ")\r\n"));
  BOOST_TEST(store.folder("user")->messages[1].flags.empty());
  BOOST_TEST(has(say("c UID FETCH 2 BODY[]"), "FLAGS (\\Seen)"));
  BOOST_TEST(store.folder("user")->messages[1].flags.count("\\Seen") == 1u);
  BOOST_TEST(has(say("c UID FETCH 3 (RFC822.SIZE FLAGS)"),
                 "(UID 3 RFC822.SIZE " + std::to_string(kMail.size()) + " FLAGS ())"));
  BOOST_TEST(has(say("c FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"),
                 "Subject: folded\r\n subject\r\n\r\n)"));
  BOOST_TEST(has(say("c FETCH 1 BODY.PEEK[TEXT]"), "{6}\r\nHola\r\n)"));
  BOOST_TEST(has(say("c FETCH 1 BODY.PEEK[]<0.4>"), "BODY[]<0> {4}\r\nFrom)"));
  BOOST_TEST(has(say("c FETCH 1 INTERNALDATE"), "\"20-Nov-2026 09:00:00 +0000\""));
  BOOST_TEST(has(say("c FETCH 1 ENVELOPE"), "c BAD"));
  BOOST_TEST(has(say("d EXAMINE INBOX"), "READ-ONLY"));
  say("e UID FETCH 1 BODY[]");
  BOOST_TEST(store.folder("user")->messages[0].flags.empty());
}

BOOST_AUTO_TEST_CASE(flags_are_stored_and_what_is_deleted_is_expunged) {
  select();
  BOOST_TEST(has(say("c UID STORE 1 +FLAGS (\\Seen $GwDone)"), "FLAGS ($GwDone \\Seen)"));
  BOOST_TEST(has(say("c UID STORE 1 -FLAGS (\\seen)"), "FLAGS ($GwDone)"));
  BOOST_TEST(say("c UID STORE 1 +FLAGS.SILENT (\\Deleted)") == "c OK done\r\n");
  BOOST_TEST(has(say("c EXPUNGE"), "* 1 EXPUNGE\r\n"));
  BOOST_TEST(store.folder("user")->messages.size() == 2u);
  BOOST_TEST(has(say("c CREATE Done"), "OK"));
  BOOST_TEST(has(say("c UID MOVE 2 Done"), "* 1 EXPUNGE\r\n"));
  BOOST_TEST(has(say("c UID COPY 3 Nowhere"), "[TRYCREATE]"));
  BOOST_TEST(store.folder("user", "Done")->messages.size() == 1u);
  say("d EXAMINE INBOX");
  BOOST_TEST(has(say("e UID STORE 3 +FLAGS (\\Seen)"), "READ-ONLY"));
}

BOOST_AUTO_TEST_CASE(new_mail_is_told_and_appended) {
  select();
  store.append("user", kMail, kDate);
  BOOST_TEST(say("c NOOP") == "* 4 EXISTS\r\nc OK done\r\n");
  BOOST_TEST(say("d IDLE") == "+ idling\r\n");
  store.append("user", kMail, kDate);
  BOOST_TEST(has(say("DONE"), "* 5 EXISTS\r\nd OK"));
  BOOST_TEST(has(say("e APPEND INBOX (\\Seen) {5}"), "+ "));
  BOOST_TEST(has(session.receive("hello\r\n"), "[APPENDUID 77 6]"));
  BOOST_TEST(store.folder("user")->messages.back().bytes == "hello");
}

BOOST_AUTO_TEST_CASE(bytes_may_come_in_any_pieces_and_nonsense_is_bad) {
  const std::string all =
      "a LOGIN {4}\r\nuser \"pa\\ss\"\r\nb SELECT INBOX\r\nc UID FETCH 1:* FLAGS\r\n";
  ImapSession whole(store, true, false), pieces(store, true, false);
  const std::string at_once = whole.receive(all);
  std::string bytewise;
  for (const char c : all) bytewise += pieces.receive({&c, 1});
  BOOST_TEST(at_once == bytewise);
  for (const char* nonsense : {"", "x", "x FETCH", "x UID", "x LOGIN", "( ) ]", "x \"open",
                               "x SEARCH UID a:b", "x FETCH 1 BODY[", "x STORE 1"}) {
    BOOST_TEST(has(say(nonsense), " BAD "), nonsense);
  }
  BOOST_TEST(has(say("x APPEND INBOX {99999999999}"), "BAD"));
  BOOST_TEST(has(say("x LOGOUT"), "* BYE"));
  BOOST_TEST((session.next == TextProtocol::Next::close));
}

BOOST_AUTO_TEST_SUITE_END()
