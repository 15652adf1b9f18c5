// Mail calls against servers that speak, refuse and break as told. What a server answers is written
// as RFC 5321 and RFC 3501 have it.
#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "gateway/outbound/http_client.h"
#include "tests/support/http_server.h"
#include "tests/support/mail_server.h"
#include "tests/support/postgres.h"
#include "tests/support/tls.h"

using connector::Call;
using connector::Response;
using gateway::outbound::EgressPolicy;
using gateway::outbound::HttpClient;
using gateway::outbound::HttpLimits;
using test_support::ImapServer;
using test_support::kClose;
using test_support::kReset;
using test_support::kSilence;
using test_support::MailServer;
using test_support::SmtpServer;

namespace {

constexpr const char* kUser = "agent@shop.example";
constexpr const char* kPassword = "mail-canary-31";

test_support::TestCa& ca() {
  static test_support::TempFolder folder("mail");
  static test_support::TestCa authority((folder.path() / "ca.pem").string());
  return authority;
}

std::shared_ptr<ssl_ctx_st> tls() { return ca().server("IP:127.0.0.1,DNS:localhost"); }

HttpLimits quick() {
  HttpLimits limits;
  limits.ca_file = limits.mail.ca_file = ca().file();
  limits.mail.connect = std::chrono::milliseconds(3'000);
  limits.mail.total = std::chrono::milliseconds(4'000);
  return limits;
}

struct Client {
  Client(const std::string& from, const std::string& to, HttpLimits limits = quick())
      : policy(EgressPolicy::create({{from, to}}).value()), http(policy, metrics, limits) {}

  using Answer = std::shared_ptr<std::optional<Response>>;
  Answer begin(Call call) {
    auto answer = std::make_shared<std::optional<Response>>();
    auto started = http.start(std::move(call), [answer](Response r) { *answer = std::move(r); });
    return started ? answer : nullptr;
  }
  std::optional<Response> wait(const Answer& answer) {
    if (answer == nullptr) return std::nullopt;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!*answer && std::chrono::steady_clock::now() < end) {
      http.poll(std::chrono::milliseconds(50));
    }
    return *answer;
  }
  std::optional<Response> run(Call call) { return wait(begin(std::move(call))); }

  gateway::Metrics metrics;
  EgressPolicy policy;
  HttpClient http;
};

std::string local(const char* scheme, int port) {
  return std::string(scheme) + "://127.0.0.1:" + std::to_string(port);
}

struct SmtpClient : Client {
  explicit SmtpClient(const SmtpServer& server, HttpLimits limits = quick())
      : Client("smtp://mail.example:587", local("smtp", server.port()), std::move(limits)) {}
};

struct ImapClient : Client {
  explicit ImapClient(const ImapServer& server, HttpLimits limits = quick())
      : Client("imap://mail.example:143", local("imap", server.port()), std::move(limits)) {}
};

connector::Pairs login() { return {{"username", kUser}, {"password", kPassword}}; }

Call mail(std::string body = "Subject: Hi\r\n\r\nHello\r\n",
          const std::vector<std::string>& to = {"ana@example.net"}) {
  Call call;
  call.method = "SEND";
  call.url = "smtp://mail.example:587/shop.example";
  call.headers = login();
  call.headers.emplace_back("mail-from", kUser);
  for (const auto& address : to) call.headers.emplace_back("rcpt-to", address);
  call.body = std::move(body);
  return call;
}

Call imap(std::string method, const std::string& path = "/") {
  Call call;
  call.method = std::move(method);
  call.url = "imap://mail.example:143" + path;
  call.headers = login();
  return call;
}

// A rule that answers one command, by how it begins.
MailServer::Rule on(std::string begin, std::string_view reply) {
  return [begin = std::move(begin), reply = std::string(reply)](const std::string& command) {
    return command.starts_with(begin) ? reply : std::string();
  };
}

// Whether a client said anything a listener could use, in clear.
bool leaked(const MailServer& server) {
  const auto said = server.said();
  return std::any_of(said.begin(), said.end(), [](const MailServer::Said& one) {
    return !one.tls && !one.line.starts_with("EHLO") && !one.line.starts_with("STARTTLS") &&
           one.line != "QUIT" && one.line.find("CAPABILITY") == std::string::npos &&
           one.line.find("STARTTLS") == std::string::npos &&
           one.line.find("LOGOUT") == std::string::npos;
  });
}

std::vector<std::string> replies(const Response& answer) {
  std::vector<std::string> values;
  for (const auto& [name, value] : answer.headers) {
    if (name == "rcpt-to") values.push_back(value);
  }
  return values;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(mail_smtp)

BOOST_AUTO_TEST_CASE(a_message_is_submitted_under_tls_with_its_size) {
  SmtpServer server({.tls = tls()});
  SmtpClient client(server);
  const auto answer = client.run(mail());
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 200);
  BOOST_TEST(answer->body == "250 2.0.0 Ok\n250 2.0.0 Ok\n354 go\n250 2.0.0 Ok: queued as Q1\n");
  BOOST_TEST(replies(*answer) == std::vector<std::string>{"250 2.0.0 Ok"},
             boost::test_tools::per_element());
  const auto mails = server.mails();
  BOOST_TEST_REQUIRE(mails.size() == 1u);
  BOOST_TEST(mails[0].from == "<agent@shop.example> SIZE=22");
  BOOST_TEST(mails[0].to == std::vector<std::string>{"<ana@example.net>"},
             boost::test_tools::per_element());
  BOOST_TEST(mails[0].text == "Subject: Hi\r\n\r\nHello\r\n");
  BOOST_TEST(!leaked(server));
  BOOST_TEST(server.count("EHLO shop.example") == 2);
}

BOOST_AUTO_TEST_CASE(implicit_tls_works_too) {
  SmtpServer server({.tls = tls(), .implicit_tls = true});
  Client client("smtps://mail.example:465", local("smtps", server.port()));
  Call call = mail();
  call.url = "smtps://mail.example:465";
  BOOST_TEST(client.run(call)->status == 200);
  BOOST_TEST(server.mails().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_server_without_starttls_hears_no_secret) {
  // Stripped by somebody in between, or never offered.
  SmtpServer stripped({.tls = tls(), .offers_starttls = false});
  SmtpServer refusing({.tls = tls(), .rule = on("STARTTLS", "454 4.7.0 not now\r\n")});
  SmtpServer old({.tls = tls(), .rule = on("EHLO", "502 5.5.1 what\r\n")});
  struct Row {
    SmtpServer* server;
    int status;
    bool not_sent;
  };
  for (const Row& row :
       {Row{&stripped, 0, true}, Row{&refusing, 454, false}, Row{&old, 502, false}}) {
    SmtpClient client(*row.server);
    const auto answer = client.run(mail());
    BOOST_TEST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == row.status);
    BOOST_TEST(answer->not_sent == row.not_sent);
    BOOST_TEST(!leaked(*row.server));
    BOOST_TEST(row.server->count("AUTH") == 0);
    BOOST_TEST(row.server->mails().empty());
  }
}

BOOST_AUTO_TEST_CASE(a_reply_slipped_in_before_tls_is_not_believed) {
  // CVE-2021-38371 and its like: bytes behind the 220 would be read as said under TLS.
  SmtpServer server({.tls = tls(), .rule = on("STARTTLS", "220 go\r\n250 trust me\r\n")});
  SmtpClient client(server);
  const auto answer = client.run(mail());
  BOOST_TEST(answer->status == 0);
  BOOST_TEST(answer->not_sent);
  BOOST_TEST(!leaked(server));
}

BOOST_AUTO_TEST_CASE(a_certificate_of_another_host_or_authority_is_refused) {
  SmtpServer server({.tls = ca().server("DNS:other.example")});
  SmtpClient client(server);
  const auto answer = client.run(mail());
  BOOST_TEST(answer->status == 0);
  BOOST_TEST(answer->not_sent);
  SmtpServer honest({.tls = tls()});
  HttpLimits limits = quick();
  limits.mail.ca_file.clear();  // the system's, which does not know ours
  SmtpClient stranger(honest, limits);
  BOOST_TEST(stranger.run(mail())->not_sent);
  BOOST_TEST(!leaked(server));
  BOOST_TEST(!leaked(honest));
}

BOOST_AUTO_TEST_CASE(clear_text_goes_only_where_the_operator_allows_it) {
  SmtpServer server({});
  Call call = mail();
  call.headers.emplace_back("tls", "none");
  SmtpClient rewritten(server);
  BOOST_TEST(rewritten.run(call)->status == 200);
  // A private host, under its own name.
  gateway::Metrics metrics;
  const std::string host = "127.0.0.1:" + std::to_string(server.port());
  const auto policy = EgressPolicy::create({}, {}, {}, {host}).value();
  HttpClient http(policy, metrics, quick());
  call.url = "smtp://" + host;
  std::optional<Response> answer;
  BOOST_TEST_REQUIRE(http.start(call, [&](Response r) { answer = std::move(r); }).has_value());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!answer && std::chrono::steady_clock::now() < end) {
    http.poll(std::chrono::milliseconds(50));
  }
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 200);
  BOOST_TEST(server.mails().size() == 2u);
  // Anywhere else the call is not even begun.
  call.url = "smtp://mail.public.example:587";
  BOOST_TEST(!http.start(call, [](const Response&) {}).has_value());
  call.url = "smtps://" + host;
  BOOST_TEST(!http.start(call, [](const Response&) {}).has_value());
}

BOOST_AUTO_TEST_CASE(no_call_that_would_say_more_than_it_should_is_begun) {
  SmtpServer server({.tls = tls()});
  SmtpClient client(server);
  BOOST_TEST(client.begin(mail("x", {"a@b.example>\r\nRCPT TO:<evil@c.example"})) == nullptr);
  BOOST_TEST(client.begin(mail("x", {"<a@b.example>"})) == nullptr);
  BOOST_TEST(client.begin(mail("x", {})) == nullptr);
  BOOST_TEST(client.begin(mail(std::string((50u << 20) + 1, 'x'))) == nullptr);
  Call header = mail();
  header.headers.emplace_back("Subject", "x");
  BOOST_TEST(client.begin(header) == nullptr);
  Call user = mail();
  user.url = "smtp://agent%40shop.example:x@mail.example:587";
  BOOST_TEST(client.begin(user) == nullptr);
  Call options = mail();
  options.url = "smtp://;AUTH=NTLM@mail.example:587";
  BOOST_TEST(client.begin(options) == nullptr);
  BOOST_TEST(server.connections() == 0);
}

BOOST_AUTO_TEST_CASE(lines_that_begin_with_a_dot_and_bare_line_ends_arrive_as_they_were_meant) {
  struct Row {
    std::string body;
    std::string arrives;
  };
  for (const Row& row :
       {Row{".\r\n..\r\n.x\r\n", ".\r\n..\r\n.x\r\n"}, Row{"a\n.\nb\n", "a\r\n.\r\nb\r\n"},
        Row{"no end", "no end\r\n"}, Row{"a\r.\rb", "a\r\n.\r\nb\r\n"},
        Row{"x\r\n.\r\nMAIL FROM:<evil@c.example>\r\n", "x\r\n.\r\nMAIL FROM:<evil@c.example>\r\n"},
        Row{std::string(200'000, '.') + "\r\n", std::string(200'000, '.') + "\r\n"}}) {
    SmtpServer server({.tls = tls()});
    SmtpClient client(server);
    BOOST_TEST(client.run(mail(row.body))->status == 200);
    const auto mails = server.mails();
    BOOST_TEST_REQUIRE(mails.size() == 1u);
    BOOST_TEST((mails[0].text == row.arrives));
  }
}

BOOST_AUTO_TEST_CASE(the_null_sender_is_sent_as_one) {
  SmtpServer server({.tls = tls()});
  SmtpClient client(server);
  Call call = mail();
  for (auto& [name, value] : call.headers) {
    if (name == "mail-from") value.clear();
  }
  BOOST_TEST(client.run(call)->status == 200);
  BOOST_TEST(server.mails().at(0).from == "<> SIZE=22");
}

BOOST_AUTO_TEST_CASE(each_recipient_has_an_answer_and_one_that_is_accepted_is_enough) {
  SmtpServer server({.tls = tls(), .rule = on("RCPT TO:<gone@", "550 5.1.1 no such user\r\n")});
  SmtpClient client(server);
  const auto some = client.run(mail("x", {"gone@example.net", "ana@example.net"}));
  BOOST_TEST(some->status == 200);
  const std::vector<std::string> expected = {"550 5.1.1 no such user", "250 2.0.0 Ok"};
  BOOST_TEST(replies(*some) == expected, boost::test_tools::per_element());
  const auto none = client.run(mail("x", {"gone@example.net", "gone@example.org"}));
  BOOST_TEST(none->status == 550);
  BOOST_TEST(none->body.find("550 5.1.1 no such user") != std::string::npos);
  BOOST_TEST(server.mails().size() == 1u);
  BOOST_TEST(server.count("DATA") == 1);
}

BOOST_AUTO_TEST_CASE(a_refusal_has_the_servers_own_code) {
  struct Row {
    const char* at;
    const char* reply;
    int status;
  };
  for (const Row& row :
       {Row{"<greeting>", "421 4.3.2 shutting down\r\n", 421},
        Row{"<greeting>", "554 5.3.2 no service\r\n", 554}, Row{"AUTH", "535 5.7.8 wrong\r\n", 401},
        Row{"AUTH", "534 5.7.9 too weak\r\n", 401},
        Row{"AUTH", "454 4.7.0 cannot look it up now\r\n", 454},
        Row{"MAIL", "452 4.3.1 no room\r\n", 452}, Row{"MAIL", "530 5.7.0 log in first\r\n", 530},
        Row{"RCPT", "451 4.7.1 greylisted\r\n", 451},
        Row{"RCPT", "550-5.7.1 no\r\n550 no\r\n", 550}, Row{"DATA", "554 5.5.1 no\r\n", 554},
        Row{"<message>", "554 5.7.1 spam\r\n", 554}, Row{"<message>", "452 4.2.2 full\r\n", 452}}) {
    BOOST_TEST_CONTEXT(row.at << " " << row.reply) {
      SmtpServer server({.tls = tls(), .rule = on(row.at, row.reply)});
      SmtpClient client(server);
      const auto answer = client.run(mail());
      BOOST_TEST_REQUIRE(answer.has_value());
      BOOST_TEST(answer->status == row.status);
      BOOST_TEST(!answer->not_sent);
      BOOST_TEST(answer->body.find(std::string(row.reply).substr(0, 3)) != std::string::npos);
      BOOST_TEST(answer->body.find(kPassword) == std::string::npos);
      BOOST_TEST(server.mails().empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(not_sent_is_true_only_where_the_message_was_not_begun) {
  struct Row {
    const char* at;
    std::string_view told;
    bool not_sent;
  };
  for (const Row& row :
       {Row{"<greeting>", kReset, true}, Row{"<greeting>", kClose, true},
        Row{"<greeting>", kSilence, true}, Row{"EHLO", kClose, true}, Row{"AUTH", kClose, true},
        Row{"MAIL", kReset, true}, Row{"RCPT", kClose, true}, Row{"DATA", kClose, true},
        Row{"DATA", kSilence, true}, Row{"<message>", kReset, false},
        Row{"<message>", kClose, false}, Row{"<message>", kSilence, false}}) {
    BOOST_TEST_CONTEXT(row.at << " " << row.told) {
      HttpLimits limits = quick();
      limits.mail.total = std::chrono::milliseconds(800);
      SmtpServer server({.tls = tls(), .rule = on(row.at, row.told)});
      SmtpClient client(server, limits);
      const auto answer = client.run(mail());
      BOOST_TEST_REQUIRE(answer.has_value());
      BOOST_TEST(answer->status == 0);
      BOOST_TEST(answer->not_sent == row.not_sent);
    }
  }
  SmtpServer server({});
  Client client("smtp://mail.example:587", local("smtp", test_support::closed_port()));
  BOOST_TEST(client.run(mail())->not_sent);
}

BOOST_AUTO_TEST_CASE(one_recipient_refused_and_then_an_end_is_no_refusal) {
  SmtpServer server({.tls = tls(), .rule = [](const std::string& command) {
                       if (command.starts_with("RCPT TO:<gone@")) return std::string("550 no\r\n");
                       return std::string(command == "DATA" ? kClose : "");
                     }});
  SmtpClient client(server);
  const auto answer = client.run(mail("x", {"ana@example.net", "gone@example.net"}));
  BOOST_TEST(answer->status == 0);
  BOOST_TEST(answer->not_sent);
}

BOOST_AUTO_TEST_CASE(a_server_that_never_answers_quit_holds_nobody_up) {
  SmtpServer server({.tls = tls(), .rule = [](const std::string& command) {
                       if (command.starts_with("RCPT")) return std::string("550 no\r\n");
                       return std::string(command == "QUIT" ? kSilence : "");
                     }});
  SmtpClient client(server);
  const auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(client.run(mail())->status == 550);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(3)));
}

BOOST_AUTO_TEST_CASE(without_recipients_the_call_only_logs_in) {
  SmtpServer server({.tls = tls()});
  SmtpClient client(server);
  Call call = mail("", {});
  std::erase_if(call.headers, [](const auto& pair) { return pair.first == "mail-from"; });
  BOOST_TEST(client.run(call)->status == 200);
  BOOST_TEST(server.count("AUTH PLAIN") == 1);
  BOOST_TEST(server.count("NOOP") == 1);
  BOOST_TEST(server.count("MAIL") == 0);
  for (auto& [name, value] : call.headers) {
    if (name == "password") value = "wrong";
  }
  BOOST_TEST(client.run(call)->status == 401);
}

BOOST_AUTO_TEST_CASE(mechanisms_that_need_more_than_a_password_are_not_chosen_first) {
  // libcurl prefers all of these to PLAIN for a user with an @.
  SmtpServer exchange({.tls = tls(), .mechanisms = "GSSAPI NTLM DIGEST-MD5 CRAM-MD5 LOGIN PLAIN"});
  SmtpClient client(exchange);
  BOOST_TEST(client.run(mail())->status == 200);
  BOOST_TEST(exchange.count("AUTH PLAIN") == 1);
  // One that offers nothing else is asked by what it offers.
  SmtpServer cram(
      {.tls = tls(), .mechanisms = "CRAM-MD5", .rule = on("AUTH CRAM-MD5", "535 5.7.8 tried\r\n")});
  SmtpClient other(cram);
  BOOST_TEST(other.run(mail())->status == 401);
  BOOST_TEST(cram.count("AUTH CRAM-MD5") == 1);
}

BOOST_AUTO_TEST_CASE(a_bearer_token_is_sent_by_xoauth2) {
  SmtpServer server({.tls = tls(), .mechanisms = "PLAIN LOGIN XOAUTH2"});
  SmtpClient client(server);
  Call call = mail();
  for (auto& [name, value] : call.headers) {
    if (name == "password") name = "bearer";
  }
  BOOST_TEST(client.run(call)->status == 200);
  BOOST_TEST(server.count("AUTH XOAUTH2") == 1);
}

BOOST_AUTO_TEST_CASE(a_connection_is_used_again_by_the_same_credentials_and_no_others) {
  SmtpServer server({.tls = tls()});
  SmtpClient client(server);
  BOOST_TEST(client.run(mail())->status == 200);
  BOOST_TEST(client.run(mail())->status == 200);
  BOOST_TEST(server.connections() == 1);
  BOOST_TEST(server.count("AUTH") == 1);
  Call other = mail();
  for (auto& [name, value] : other.headers) {
    if (name == "password") value = "wrong";
  }
  BOOST_TEST(client.run(other)->status == 401);
  Call nobody = mail();
  std::erase_if(nobody.headers, [](const auto& pair) {
    return pair.first == "username" || pair.first == "password";
  });
  BOOST_TEST(client.run(nobody)->status == 200);  // this server lets anybody send
  BOOST_TEST(server.connections() == 3);
}

BOOST_AUTO_TEST_CASE(a_connection_in_clear_is_not_lent_to_a_call_that_demands_tls) {
  SmtpServer server({.tls = tls(), .offers_starttls = false});
  HttpLimits limits = quick();
  limits.mail.threads = 1;
  SmtpClient client(server, limits);
  Call clear = mail();
  clear.headers.emplace_back("tls", "none");
  BOOST_TEST(client.run(clear)->status == 200);
  const auto answer = client.run(mail());
  BOOST_TEST(answer->status == 0);
  BOOST_TEST(answer->not_sent);
  BOOST_TEST(server.connections() == 2);
  BOOST_TEST(server.mails().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_connection_that_went_stale_sends_nothing_twice) {
  std::atomic<int> messages{0};
  SmtpServer server({.tls = tls(), .rule = [&](const std::string& command) {
                       if (command.starts_with("MAIL") && messages++ == 1)
                         return std::string(kClose);
                       return std::string();
                     }});
  SmtpClient client(server);
  BOOST_TEST(client.run(mail())->status == 200);
  const auto second = client.run(mail());
  BOOST_TEST(second->status == 0);
  BOOST_TEST(second->not_sent);
  BOOST_TEST(client.run(mail())->status == 200);
  BOOST_TEST(server.mails().size() == 2u);
}

BOOST_AUTO_TEST_CASE(an_account_has_two_connections_and_others_need_not_wait) {
  std::atomic<bool> held{true};
  SmtpServer slow({.tls = tls(), .rule = [&](const std::string& command) {
                     return std::string(held && command.starts_with("MAIL") ? kSilence : "");
                   }});
  SmtpServer quick_server({.tls = tls()});
  gateway::Metrics metrics;
  const auto policy =
      EgressPolicy::create({{"smtp://slow.example:587", local("smtp", slow.port())},
                            {"smtp://mail.example:587", local("smtp", quick_server.port())}})
          .value();
  HttpLimits limits = quick();
  limits.mail.threads = 3;
  limits.mail.total = std::chrono::milliseconds(1'500);
  HttpClient http(policy, metrics, limits);
  int slow_ends = 0;
  int unsent = 0;
  std::optional<Response> fast;
  Call call = mail();
  call.url = "smtp://slow.example:587";
  for (int i = 0; i < 6; ++i) {
    BOOST_TEST_REQUIRE(http.start(call,
                                  [&](const Response& answer) {
                                    ++slow_ends;
                                    unsent += answer.not_sent ? 1 : 0;
                                  })
                           .has_value());
  }
  BOOST_TEST_REQUIRE(http.start(mail(), [&](Response r) { fast = std::move(r); }).has_value());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!fast && std::chrono::steady_clock::now() < end) http.poll(std::chrono::milliseconds(20));
  BOOST_TEST_REQUIRE(fast.has_value());
  BOOST_TEST(fast->status == 200);
  BOOST_TEST(slow_ends == 0);
  BOOST_TEST(slow.connections() <= 2);
  // What waited too long is answered as not sent.
  while (slow_ends < 6 && std::chrono::steady_clock::now() < end) {
    http.poll(std::chrono::milliseconds(20));
  }
  BOOST_TEST(slow_ends == 6);
  BOOST_TEST(unsent == 6);
  BOOST_TEST(http.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(cancelled_mail_is_answered_and_told_apart) {
  SmtpServer server({.tls = tls(), .rule = on("<message>", kSilence)});
  HttpLimits limits = quick();
  limits.mail.total = std::chrono::seconds(60);
  limits.mail.threads = 1;
  SmtpClient client(server, limits);
  const auto sent = client.begin(mail());
  const auto waiting = client.begin(mail());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server.count(".") == 0 && std::chrono::steady_clock::now() < end) {
    client.http.poll(std::chrono::milliseconds(20));
  }
  const auto begin = std::chrono::steady_clock::now();
  client.http.cancel();
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(4)));
  BOOST_TEST_REQUIRE(sent->has_value());
  BOOST_TEST_REQUIRE(waiting->has_value());
  BOOST_TEST(!(*sent)->not_sent);
  BOOST_TEST((*waiting)->not_sent);
  BOOST_TEST(client.http.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(no_form_of_an_inner_host_is_connected_to_by_mail) {
  SmtpServer inner({.tls = tls()});
  gateway::Metrics metrics;
  const auto policy = EgressPolicy::create({}, {}, {inner.port()}).value();
  HttpClient http(policy, metrics, quick());
  int answered = 0;
  int started = 0;
  for (const char* scheme : {"smtp", "smtps", "imap", "imaps"}) {
    for (const char* host : {"127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]",
                             "0", "169.254.169.254"}) {
      Call call = scheme[0] == 's' ? mail() : imap("NOOP");
      call.url = std::string(scheme) + "://" + host + ":" + std::to_string(inner.port()) + "/";
      started += http.start(call,
                            [&](const Response& answer) {
                              ++answered;
                              BOOST_TEST(answer.status == 0);
                              BOOST_TEST(answer.not_sent);
                            })
                     .has_value();
    }
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (http.in_flight() > 0 && std::chrono::steady_clock::now() < end) {
    http.poll(std::chrono::milliseconds(50));
  }
  BOOST_TEST(started >= 20);
  BOOST_TEST(answered == started);
  BOOST_TEST(inner.connections() == 0);
  BOOST_TEST(metrics.counter("backchannel_egress_refused_total", "").value() >= 20);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(mail_imap)

BOOST_AUTO_TEST_CASE(a_commands_untagged_lines_are_the_answer) {
  ImapServer server({.tls = tls(), .rule = on("UID SEARCH", "* SEARCH 5 6 8\r\n$ OK done\r\n")});
  ImapClient client(server);
  const auto status = client.run(imap("EXAMINE INBOX"));
  BOOST_TEST_REQUIRE(status.has_value());
  BOOST_TEST(status->status == 200);
  BOOST_TEST(status->body.find("* OK [UIDVALIDITY 77] valid\r\n") != std::string::npos);
  BOOST_TEST(status->body.find("* OK [UIDNEXT 9] next\r\n") != std::string::npos);
  const auto found = client.run(imap("UID SEARCH UID 5:9", "/INBOX"));
  BOOST_TEST(found->status == 200);
  BOOST_TEST(found->body == "* SEARCH 5 6 8\r\n");
  BOOST_TEST(!leaked(server));
  BOOST_TEST(server.connections() == 1);
}

BOOST_AUTO_TEST_CASE(a_message_is_read_whole_with_its_line_ends) {
  const std::string text = "Subject: x\r\n\r\n* 9 EXISTS\r\nA003 OK not a reply\r\n" +
                           std::string(100'000, 'y') + "\r\n";
  ImapServer server({.tls = tls(), .rule = [&](const std::string& command) {
                       if (command != "UID FETCH 7 BODY[]") return std::string();
                       return "* 1 FETCH (UID 7 BODY[] {" + std::to_string(text.size()) + "}\r\n" +
                              text + ")\r\n$ OK done\r\n";
                     }});
  ImapClient client(server);
  const auto answer = client.run(imap("GET", "/INBOX;UIDVALIDITY=77/;UID=7"));
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 200);
  BOOST_TEST((answer->body == text));
  // The connection is in order afterwards.
  BOOST_TEST((client.run(imap("GET", "/INBOX;UIDVALIDITY=77/;UID=7"))->body == text));
  BOOST_TEST(server.connections() == 1);
}

BOOST_AUTO_TEST_CASE(a_message_is_cut_at_the_calls_limit) {
  const std::string text(3'000'000, 'z');
  ImapServer server({.tls = tls(), .rule = [&](const std::string& command) {
                       if (!command.starts_with("UID FETCH")) return std::string();
                       return "* 1 FETCH (BODY[] {" + std::to_string(text.size()) + "}\r\n" + text +
                              ")\r\n$ OK done\r\n";
                     }});
  ImapClient client(server);
  Call call = imap("GET", "/INBOX/;UID=7");
  BOOST_TEST(client.run(call)->body.size() == std::size_t{1} << 20);
  call.answer_bytes = 2'000'000;
  const auto cut = client.run(call);
  BOOST_TEST(cut->status == 200);
  BOOST_TEST(cut->body.size() == 2'000'000u);
  call.answer_bytes = 4'000'000;
  BOOST_TEST(client.run(call)->body.size() == 3'000'000u);
}

BOOST_AUTO_TEST_CASE(a_long_search_line_is_not_cut) {
  std::string line = "* SEARCH";
  for (int uid = 1'000'000; uid < 1'005'000; ++uid) line += " " + std::to_string(uid);
  ImapServer server({.tls = tls(), .rule = on("UID SEARCH", line + "\r\n$ OK\r\n")});
  ImapClient client(server);
  BOOST_TEST((client.run(imap("UID SEARCH UID 1:*", "/INBOX"))->body == line + "\r\n"));
}

BOOST_AUTO_TEST_CASE(refusals_are_told_apart) {
  struct Row {
    const char* at;
    const char* told;
    const char* path;
    int status;
    bool not_sent;
    const char* body;
  };
  for (const Row& row :
       {Row{"AUTHENTICATE", "$ NO [AUTHENTICATIONFAILED] wrong\r\n", "/INBOX", 401, false,
            "NO [AUTHENTICATIONFAILED] wrong"},
        Row{"AUTHENTICATE", "$ NO [UNAVAILABLE] later\r\n", "/INBOX", 0, true, ""},
        Row{"SELECT", "$ NO no such mailbox\r\n", "/INBOX", 400, false, "NO no such mailbox"},
        Row{"UID SEARCH", "$ BAD what\r\n", "/INBOX", 400, false, "BAD what"},
        Row{"UID SEARCH", "$ NO [OVERQUOTA]\r\n", "/INBOX", 400, false, "NO [OVERQUOTA]"},
        Row{"UID SEARCH", "!close", "/INBOX", 0, false, ""},
        Row{"<greeting>", "* BYE too many\r\n", "/INBOX", 0, true, ""}}) {
    BOOST_TEST_CONTEXT(row.at << " " << row.told) {
      ImapServer server({.tls = tls(), .rule = on(row.at, row.told)});
      ImapClient client(server);
      const auto answer = client.run(imap("UID SEARCH UID 1:9", row.path));
      BOOST_TEST_REQUIRE(answer.has_value());
      BOOST_TEST(answer->status == row.status);
      BOOST_TEST(answer->body == row.body);
      if (row.status == 0) BOOST_TEST(answer->not_sent);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_renumbered_mailbox_and_a_message_that_is_gone_are_400) {
  ImapServer server({.tls = tls(), .rule = on("UID FETCH", "$ OK nothing\r\n")});
  ImapClient client(server);
  BOOST_TEST(client.run(imap("GET", "/INBOX;UIDVALIDITY=76/;UID=7"))->status == 400);
  const auto gone = client.run(imap("GET", "/INBOX;UIDVALIDITY=77/;UID=7"));
  BOOST_TEST(gone->status == 400);
}

BOOST_AUTO_TEST_CASE(a_server_without_starttls_hears_no_imap_secret) {
  ImapServer stripped({.tls = tls(), .offers_starttls = false});
  ImapServer preauth({.tls = tls(), .rule = on("<greeting>", "* PREAUTH come in\r\n")});
  for (ImapServer* server : {&stripped, &preauth}) {
    ImapClient client(*server);
    const auto answer = client.run(imap("NOOP"));
    BOOST_TEST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 0);
    BOOST_TEST(answer->not_sent);
    BOOST_TEST(!leaked(*server));
  }
}

BOOST_AUTO_TEST_CASE(a_server_without_sasl_is_logged_in_to_by_its_command) {
  ImapServer server({.tls = tls(), .capabilities = "IDLE", .rule = on("NOOP", "$ OK\r\n")});
  ImapClient client(server);
  BOOST_TEST(client.run(imap("NOOP"))->status == 200);
  Call wrong = imap("NOOP");
  wrong.headers = {{"username", kUser}, {"password", "no"}};
  BOOST_TEST(client.run(wrong)->status == 401);
}

BOOST_AUTO_TEST_CASE(a_per_cent_sign_in_a_command_arrives_as_one) {
  ImapServer server({.tls = tls(), .rule = [](const std::string& command) {
                       return std::string(command.starts_with("STATUS") ? "$ OK\r\n" : "");
                     }});
  ImapClient client(server);
  BOOST_TEST(client.run(imap("status \"100%0d%0aA9 DELETE x\" (UIDNEXT)"))->status == 200);
  const auto said = server.said();
  BOOST_TEST(said.back().line.substr(5) == "STATUS \"100%0d%0aA9 DELETE x\" (UIDNEXT)");
}

BOOST_AUTO_TEST_CASE(commands_that_are_the_clients_own_are_not_begun) {
  ImapServer server({.tls = tls()});
  ImapClient client(server);
  for (const char* command : {"LOGOUT", "STARTTLS", "IDLE", "NOOP\r\nA9 DELETE INBOX", ""}) {
    BOOST_TEST((client.begin(imap(command)) == nullptr), command);
  }
  Call body = imap("NOOP");
  body.body = "x";
  BOOST_TEST((client.begin(body) == nullptr));
  Call recipient = imap("NOOP");
  recipient.headers.emplace_back("rcpt-to", "a@b.example");
  BOOST_TEST((client.begin(recipient) == nullptr));
  BOOST_TEST(server.connections() == 0);
}

BOOST_AUTO_TEST_CASE(a_literal_in_a_commands_answer_is_no_answer_and_ends_the_connection) {
  // Its lines would be taken for the server's own.
  ImapServer server(
      {.tls = tls(), .rule = [](const std::string& command) {
         if (!command.starts_with("UID FETCH")) return std::string();
         return std::string(
             "* 1 FETCH (UID 7 BODY[] {30}\r\n* SEARCH 1 2 3\r\n$ OK forged xx\r\n)\r\n"
             "$ OK done\r\n");
       }});
  ImapClient client(server);
  BOOST_TEST(client.run(imap("UID FETCH 7 (BODY.PEEK[])", "/INBOX"))->status == 0);
  BOOST_TEST(client.run(imap("EXAMINE INBOX"))->status == 200);
  BOOST_TEST(server.connections() == 2);
}

BOOST_AUTO_TEST_CASE(a_mailbox_selected_behind_the_clients_back_is_not_mistaken_for_another) {
  // libcurl remembers INBOX; the connection that then examined Archive is not used for it.
  std::string selected;
  ImapServer server({.tls = tls(), .rule = [&](const std::string& command) {
                       if (command.starts_with("SELECT") || command.starts_with("EXAMINE")) {
                         selected = command.substr(command.find(' ') + 1);
                       }
                       if (!command.starts_with("UID FETCH")) return std::string();
                       return "* 1 FETCH (BODY[] {" + std::to_string(selected.size()) + "}\r\n" +
                              selected + ")\r\n$ OK done\r\n";
                     }});
  ImapClient client(server);
  BOOST_TEST(client.run(imap("EXAMINE INBOX"))->status == 200);
  BOOST_TEST(client.run(imap("GET", "/INBOX/;UID=7"))->body == "INBOX");
  BOOST_TEST(server.connections() == 1);
  BOOST_TEST(client.run(imap("EXAMINE Archive"))->status == 200);
  BOOST_TEST(client.run(imap("GET", "/INBOX/;UID=7"))->body == "INBOX");
}

BOOST_AUTO_TEST_CASE(a_message_is_left_unread_by_taking_the_flag_off_again) {
  std::vector<std::string> stored;
  ImapServer server({.tls = tls(), .rule = [&](const std::string& command) {
                       if (command.starts_with("UID STORE")) {
                         stored.push_back(command);
                         return std::string("* 1 FETCH (FLAGS () UID 7)\r\n$ OK\r\n");
                       }
                       if (command.starts_with("UID FETCH")) {
                         return std::string("* 1 FETCH (BODY[] {2}\r\nhi)\r\n$ OK\r\n");
                       }
                       return std::string();
                     }});
  ImapClient client(server);
  BOOST_TEST(client.run(imap("GET", "/INBOX;UIDVALIDITY=77/;UID=7"))->body == "hi");
  const auto answer = client.run(imap("UID STORE 7 -FLAGS (\\Seen)", "/INBOX"));
  BOOST_TEST(answer->status == 200);
  BOOST_TEST_REQUIRE(stored.size() == 1u);
  BOOST_TEST(stored[0] == "UID STORE 7 -FLAGS (\\Seen)");
  BOOST_TEST(server.connections() == 1);
}

BOOST_AUTO_TEST_SUITE_END()
