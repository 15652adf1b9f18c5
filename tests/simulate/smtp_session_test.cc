// RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (AUTH), 2920 (PIPELINING), 6531 (SMTPUTF8).
#include "gateway/simulate/smtp_session.h"

#include <boost/test/unit_test.hpp>

#include "connectors/sdk/crypto.h"

using namespace gateway::simulate;

namespace {

struct Sink final : SmtpSink {
  bool demands = false;
  std::vector<std::pair<SmtpEnvelope, std::string>> mails;

  bool login(const std::string& user, const std::string& password) override {
    return user == "user" && password == "pass";
  }
  bool demands_login() override { return demands; }
  std::string sender(const std::string&) override { return "250 2.1.0 Ok"; }
  std::string recipient(const std::string& address) override {
    return address == "gone@x.example" ? "550 5.1.1 User unknown" : "250 2.1.5 Ok";
  }
  Outcome take(const SmtpEnvelope& envelope, std::string bytes) override {
    mails.emplace_back(envelope, std::move(bytes));
    if (envelope.to.front() == "later@x.example") return {"451 4.3.0 Try again", false};
    return {"250 2.0.0 Ok", envelope.to.front() == "drop@x.example"};
  }
};

struct Dialog {
  Sink sink;
  SmtpSession session{sink, true, false};
  // The code of the last reply.
  std::string say(const std::string& line) {
    const std::string answer = session.receive(line + "\r\n");
    const std::size_t last = answer.size() < 2 ? 0 : answer.rfind("\r\n", answer.size() - 3);
    const std::string reply = last == std::string::npos || answer.size() < 3
                                  ? answer
                                  : answer.substr(last == 0 ? 0 : last + 2);
    return reply.substr(0, 3);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(smtp_session, Dialog)

BOOST_AUTO_TEST_CASE(a_mail_is_taken_with_its_envelope_and_unstuffed) {
  BOOST_TEST(session.greeting().substr(0, 4) == "220 ");
  BOOST_TEST(session.receive("EHLO gw.example\r\n").find("250-STARTTLS\r\n") != std::string::npos);
  BOOST_TEST(say("MAIL FROM:<a@gw.example> SIZE=100 BODY=8BITMIME") == "250");
  BOOST_TEST(say("RCPT TO:<b@x.example>") == "250");
  BOOST_TEST(say("RCPT TO:<c@x.example>") == "250");
  BOOST_TEST(say("DATA") == "354");
  BOOST_TEST(session.receive("Subject: x\r\n\r\n..dot\r\nline\r\n").empty());
  BOOST_TEST(say(".") == "250");
  BOOST_REQUIRE(sink.mails.size() == 1u);
  BOOST_TEST(sink.mails[0].second == "Subject: x\r\n\r\n.dot\r\nline\r\n");
  BOOST_TEST(sink.mails[0].first.from == "a@gw.example");
  BOOST_TEST((sink.mails[0].first.to == std::vector<std::string>{"b@x.example", "c@x.example"}));
  // The next mail begins anew.
  BOOST_TEST(say("RCPT TO:<b@x.example>") == "503");
  BOOST_TEST(say("QUIT") == "221");
  BOOST_TEST((session.next == TextProtocol::Next::close));
}

BOOST_AUTO_TEST_CASE(commands_may_come_in_one_piece_or_byte_by_byte) {
  const std::string all =
      "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n";
  const std::string at_once = session.receive(all);
  Dialog slow;
  std::string bytewise;
  for (const char c : all) bytewise += slow.session.receive({&c, 1});
  BOOST_TEST(at_once == bytewise);
  BOOST_TEST(slow.sink.mails.size() == 1u);
}

BOOST_AUTO_TEST_CASE(order_and_syntax_are_kept) {
  BOOST_TEST(say("MAIL FROM:<a@b>") == "503");
  BOOST_TEST(say("EHLO") == "501");
  BOOST_TEST(say("EHLO a") == "250");
  BOOST_TEST(say("DATA") == "503");
  BOOST_TEST(say("MAIL FROM:a@b") == "501");
  BOOST_TEST(say("MAIL FROM:<a@b> NOTIFY=NEVER") == "555");
  BOOST_TEST(say("MAIL FROM:<a@b> SIZE=99999999") == "552");
  BOOST_TEST(say("MAIL FROM:<>") == "250");
  BOOST_TEST(say("MAIL FROM:<a@b>") == "503");
  BOOST_TEST(say("RCPT TO:<>") == "501");
  BOOST_TEST(say("RCPT TO:<no-at>") == "501");
  BOOST_TEST(say("RCPT TO:<a@b> x") == "555");
  BOOST_TEST(say("RCPT TO:<gone@x.example>") == "550");
  BOOST_TEST(say("DATA") == "503");  // nobody is left
  BOOST_TEST(say("HOLO") == "502");
  BOOST_TEST(say("RSET") == "250");
  BOOST_TEST(say("RCPT TO:<a@b>") == "503");
}

BOOST_AUTO_TEST_CASE(plain_and_login_authenticate) {
  sink.demands = true;
  say("EHLO a");
  BOOST_TEST(say("MAIL FROM:<a@b>") == "530");
  BOOST_TEST(say("AUTH PLAIN " + sdk::base64(std::string("\0user\0wrong", 11))) == "535");
  BOOST_TEST(say("AUTH CRAM-MD5") == "504");
  BOOST_TEST(say("AUTH PLAIN !!!") == "501");
  BOOST_TEST(say("AUTH PLAIN " + sdk::base64(std::string("\0user\0pass", 10))) == "235");
  BOOST_TEST(say("AUTH PLAIN") == "503");
  BOOST_TEST(say("MAIL FROM:<a@b>") == "250");
  Dialog other;
  other.say("EHLO a");
  BOOST_TEST(other.say("AUTH LOGIN") == "334");
  BOOST_TEST(other.say(sdk::base64("user")) == "334");
  BOOST_TEST(other.say(sdk::base64("pass")) == "235");
}

// Since 2024 servers refuse what a CR or LF alone could smuggle.
BOOST_AUTO_TEST_CASE(bare_line_ends_are_refused) {
  say("EHLO a");
  say("MAIL FROM:<a@b>");
  say("RCPT TO:<c@d>");
  say("DATA");
  BOOST_TEST(session.receive("x\ny\r\n.\r\n").substr(0, 3) == "550");
  BOOST_TEST(sink.mails.empty());
  BOOST_TEST(session.receive("NOOP\n").substr(0, 3) == "500");
  BOOST_TEST(say("NOOP") == "250");
}

// RFC 3207: what was sent behind STARTTLS in the clear is dropped, and everything begins anew.
BOOST_AUTO_TEST_CASE(nothing_said_before_tls_counts_after_it) {
  say("EHLO a");
  const std::string answer = session.receive("STARTTLS\r\nMAIL FROM:<a@b>\r\n");
  BOOST_TEST(answer == "220 2.0.0 Ready to start TLS\r\n");
  BOOST_TEST((session.next == TextProtocol::Next::start_tls));
  session.next = TextProtocol::Next::read;
  session.secured();
  BOOST_TEST(say("MAIL FROM:<a@b>") == "503");
  BOOST_TEST(session.receive("EHLO a\r\n").find("STARTTLS") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(refusals_and_drops_come_behind_the_mail) {
  say("EHLO a");
  for (const auto& [to, code] :
       {std::pair("later@x.example", "451"), std::pair("drop@x.example", "250")}) {
    say("MAIL FROM:<a@b>");
    say(std::string("RCPT TO:<") + to + ">");
    say("DATA");
    BOOST_TEST(session.receive("x\r\n.\r\n").substr(0, 3) == code);
  }
  BOOST_TEST((session.next == TextProtocol::Next::drop));
}

BOOST_AUTO_TEST_CASE(addresses_beyond_ascii_need_smtputf8) {
  say("EHLO a");
  BOOST_TEST(say("MAIL FROM:<jörg@b.example>") == "553");
  BOOST_TEST(say("MAIL FROM:<jörg@b.example> SMTPUTF8") == "250");
  BOOST_TEST(say("RCPT TO:<用户@例子.example>") == "250");
}

BOOST_AUTO_TEST_CASE(endless_lines_and_errors_end_the_dialog) {
  session.receive(std::string(20'000, 'x'));
  BOOST_TEST((session.next == TextProtocol::Next::close));
  Dialog other;
  other.say("EHLO a");
  for (int i = 0; i < 20; ++i) BOOST_TEST(other.say("HOLO") == "502");
  BOOST_TEST(other.say("HOLO") == "421");
}

BOOST_AUTO_TEST_SUITE_END()
