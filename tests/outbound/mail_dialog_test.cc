// Replies as RFC 5321 4.2 and RFC 3501 7 write them.
#include "gateway/outbound/mail_dialog.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using namespace gateway::outbound;

namespace {

SmtpDialog heard(std::size_t recipients, const std::vector<std::string>& lines) {
  SmtpDialog dialog(recipients, 10'000);
  dialog.begin();
  for (const auto& line : lines) BOOST_TEST(dialog.line(line + "\r\n"));
  return dialog;
}

bool good(const connector::Pairs& headers) { return read_smtp_params(headers).has_value(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(mail_dialog)

BOOST_AUTO_TEST_CASE(a_reply_of_several_lines_is_one_reply) {
  const auto dialog =
      heard(1, {"250-2.1.0 sender", "250 2.1.0 ok", "550-5.1.1 no such", "550 user"});
  BOOST_TEST(dialog.code() == 550);
  BOOST_TEST(dialog.refused());
  BOOST_TEST_REQUIRE(dialog.recipients().size() == 1u);
  BOOST_TEST(dialog.recipients()[0] == "550 user");
  BOOST_TEST(dialog.lines() == "250-2.1.0 sender\n250 2.1.0 ok\n550-5.1.1 no such\n550 user\n");
}

BOOST_AUTO_TEST_CASE(a_call_is_refused_by_the_reply_that_ends_it) {
  BOOST_TEST(heard(1, {"452 no room"}).refused());
  BOOST_TEST(!heard(2, {"250 ok", "550 no"}).refused());
  BOOST_TEST(heard(2, {"250 ok", "550 no", "551 no"}).refused());
  BOOST_TEST(!heard(2, {"250 ok", "550 no", "250 ok"}).refused());
  BOOST_TEST(!heard(2, {"250 ok", "250 ok", "550 no"}).refused());
  BOOST_TEST(heard(1, {"250 ok", "250 ok", "451 later"}).refused());
  BOOST_TEST(heard(1, {"250 ok", "250 ok", "354 go", "554 spam"}).refused());
  const auto sent = heard(1, {"250 ok", "250 ok", "354 go", "250 queued"});
  BOOST_TEST(!sent.refused());
  BOOST_TEST(sent.concluded());
  BOOST_TEST(!heard(1, {"250 ok", "250 ok", "354 go"}).concluded());
}

BOOST_AUTO_TEST_CASE(the_answer_to_quit_changes_nothing) {
  const auto refused = heard(1, {"452 no room", "221 bye"});
  BOOST_TEST(refused.code() == 452);
  BOOST_TEST(refused.refused());
  const auto sent = heard(1, {"250 ok", "250 ok", "354 go", "250 queued", "221 bye"});
  BOOST_TEST(sent.code() == 250);
  BOOST_TEST(sent.concluded());
}

BOOST_AUTO_TEST_CASE(what_was_said_at_login_is_no_part_of_the_transaction) {
  SmtpDialog dialog(1, 10'000);
  dialog.line("220 hello\r\n");
  dialog.line("235 welcome\r\n");
  BOOST_TEST(dialog.code() == 235);
  BOOST_TEST(!dialog.begun());
  dialog.begin();
  BOOST_TEST(dialog.code() == 0);
  BOOST_TEST(dialog.lines() == "");
}

BOOST_AUTO_TEST_CASE(a_server_that_does_not_stop_talking_is_cut_off) {
  SmtpDialog smtp(1, 1'000);
  int lines = 0;
  while (smtp.line("250-more of the same\r\n") && lines < 1'000) ++lines;
  BOOST_TEST(lines < 60);
  ImapDialog imap(1'000);
  lines = 0;
  while (imap.line("* 1 EXISTS\r\n") && lines < 1'000) ++lines;
  BOOST_TEST(lines < 100);
}

BOOST_AUTO_TEST_CASE(an_imap_refusal_is_told_without_its_tag) {
  ImapDialog dialog(10'000);
  dialog.line("* NO not a tagged line\r\n");
  dialog.line("A001 OK fine\r\n");
  BOOST_TEST(dialog.refusal() == "");
  dialog.line("A002 NO [UNAVAILABLE] LDAP is down\r\n");
  BOOST_TEST(dialog.refusal() == "NO [UNAVAILABLE] LDAP is down");
  BOOST_TEST(dialog.unavailable());
  dialog.line("B003 BAD what\r\n");
  BOOST_TEST(dialog.refusal() == "BAD what");
  BOOST_TEST(!dialog.unavailable());
}

BOOST_AUTO_TEST_CASE(a_line_that_announces_a_literal_is_noticed) {
  for (const char* line : {"* 1 FETCH (BODY[] {34}", "* LIST () \"/\" {5}", "x {0}", "x {7+}"}) {
    ImapDialog dialog(10'000);
    dialog.line(std::string(line) + "\r\n");
    BOOST_TEST(dialog.has_literal(), line);
  }
  for (const char* line : {"* 1 FETCH (FLAGS ())", "* OK {x}", "{}", "}", "a {1} b"}) {
    ImapDialog dialog(10'000);
    dialog.line(std::string(line) + "\r\n");
    BOOST_TEST(!dialog.has_literal(), line);
  }
}

BOOST_AUTO_TEST_CASE(parameters_are_those_of_the_interface_and_each_is_there_once) {
  const connector::Pair from{"mail-from", "a@shop.example"};
  const connector::Pair to{"rcpt-to", "ana@example.net"};
  const connector::Pair user{"username", "u"};
  const connector::Pair password{"password", "p"};
  BOOST_TEST(good({from, to}));
  BOOST_TEST(good({from, to, {"rcpt-to", "bo@example.net"}, user, password}));
  BOOST_TEST(good({{"mail-from", ""}, to}));  // the null reverse-path
  BOOST_TEST(good({from, to, user, {"bearer", "t"}}));
  BOOST_TEST(good({user, password}));  // only log in
  BOOST_TEST(good({from, to, {"tls", "none"}}));
  BOOST_TEST(!good({from, from, to}));
  BOOST_TEST(!good({from}));
  BOOST_TEST(!good({to}));
  BOOST_TEST(!good({from, to, {"rcpt-to", ""}}));
  BOOST_TEST(!good({from, to, {"subject", "x"}}));
  BOOST_TEST(!good({from, to, user, user, password}));
  BOOST_TEST(!good({from, to, user}));
  BOOST_TEST(!good({from, to, password}));
  BOOST_TEST(!good({from, to, user, password, {"bearer", "t"}}));
  BOOST_TEST(!good({from, to, {"tls", "try"}}));
  BOOST_TEST(!read_imap_params({from}).has_value());
  BOOST_TEST(read_imap_params({user, password}).has_value());
}

BOOST_AUTO_TEST_CASE(nothing_that_ends_a_line_or_an_address_gets_into_a_command) {
  for (const std::string& address :
       {std::string("a@b.example>\r\nRCPT TO:<evil@c.example"), std::string("a@b.example\r\nDATA"),
        std::string("a@b.example\n"), std::string("a\0@b.example", 12),
        std::string("a@b.example> SIZE=1"), std::string("<a@b.example>"),
        std::string("a b@c.example"), std::string("a\t@c.example"), std::string("a\x7f@c.example"),
        std::string(600, 'a')}) {
    BOOST_TEST(!good({{"mail-from", address}, {"rcpt-to", "ana@example.net"}}), address);
    BOOST_TEST(!good({{"mail-from", "a@shop.example"}, {"rcpt-to", address}}), address);
  }
  for (const std::string& secret : {std::string("p\r\nA2 DELETE INBOX"), std::string("p\0q", 3)}) {
    BOOST_TEST(!read_imap_params({{"username", "u"}, {"password", secret}}).has_value());
    BOOST_TEST(!read_imap_params({{"username", secret}, {"password", "p"}}).has_value());
    BOOST_TEST(!read_imap_params({{"username", "u"}, {"bearer", secret}}).has_value());
  }
}

BOOST_AUTO_TEST_CASE(an_imap_command_is_one_line_and_not_the_clients_own) {
  for (const char* command :
       {"EXAMINE INBOX", "UID SEARCH UID 7:*", "UID STORE 7 -FLAGS (\\Seen)", "NOOP",
        "UID FETCH 7 (RFC822.SIZE FLAGS)", "STATUS \"a 100%\" (UIDNEXT)"}) {
    BOOST_TEST(check_imap_command(command).has_value(), command);
  }
  for (const std::string& command :
       {std::string(""), std::string(" NOOP"), std::string("NOOP\r\nA9 DELETE INBOX"),
        std::string("NOOP\n"), std::string("NO\0OP", 5), std::string("UID SEARCH TEXT {5}"),
        std::string("LOGIN a b"), std::string("login a b"), std::string("LOGOUT"),
        std::string("IDLE"), std::string("STARTTLS"), std::string("AUTHENTICATE PLAIN"),
        std::string("APPEND INBOX"), std::string(5'000, 'x')}) {
    BOOST_TEST(!check_imap_command(command).has_value(), command);
  }
  BOOST_TEST(selects_mailbox("examine INBOX"));
  BOOST_TEST(selects_mailbox("CLOSE"));
  BOOST_TEST(!selects_mailbox("UID SEARCH UID 1:*"));
}

BOOST_AUTO_TEST_CASE(every_line_ends_with_cr_lf) {
  BOOST_TEST(with_crlf("a\r\nb\r\n") == "a\r\nb\r\n");
  BOOST_TEST(with_crlf("a\nb\n") == "a\r\nb\r\n");
  BOOST_TEST(with_crlf("a\rb") == "a\r\nb");
  BOOST_TEST(with_crlf("\n.\n") == "\r\n.\r\n");
  BOOST_TEST(with_crlf("\r\r\n\n") == "\r\n\r\n\r\n");
  BOOST_TEST(with_crlf("a\r") == "a\r\n");
  BOOST_TEST(with_crlf("") == "");
}

BOOST_AUTO_TEST_SUITE_END()
