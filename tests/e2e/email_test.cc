// Mail through the real program: in by IMAP, by a mail server and by four providers, out by SMTP
// and their APIs. What is sent is read by Python's email package, which knows nothing of the
// gateway.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <fstream>
#include <string>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/multipart.h"
#include "connectors/sdk/text.h"
#include "gateway/cluster/cluster.h"
#include "gateway/simulate/people.h"
#include "gateway/simulate/program.h"
#include "gateway/simulate/sample_file.h"
#include "gateway/simulate/world.h"
#include "tests/e2e/platforms_mail.h"

using namespace e2e;
using gateway::simulate::contact_of;
using gateway::simulate::DeliveryFault;
using gateway::simulate::Draft;
using gateway::simulate::json_text;
using gateway::simulate::MailSimulator;
using gateway::simulate::object;
using gateway::simulate::SentMail;

namespace {

constexpr int kPoll = 4;

MailSimulator& mail() { return MailPlatforms::instance().mail(); }
MailSimulator& secure() { return MailPlatforms::instance().secure(); }

std::string email_of(const char* who) { return contact_of(who).email; }

// What Python's email package makes of a mail.
struct PythonMail {
  sdk::json::Document document;
  sdk::json::Value root() const { return document.root(); }
  std::string header(const char* name) const {
    return std::string(root()["headers"][name].text_or(""));
  }
  bool has(const char* name) const { return root()["headers"][name].exists(); }
};

PythonMail read_by_python(const std::string& bytes) {
  const auto folder = Gateway::instance().folder();
  const auto in = folder / "mail.eml";
  const auto out = folder / "mail.json";
  std::ofstream(in, std::ios::binary) << bytes;
  std::filesystem::remove(out);
  auto program = gateway::simulate::Program::start(
      {{"/bin/sh", "-c", "exec python3 \"$0\" < \"$1\"",
        std::string(BACKCHANNEL_SOURCE_DIR) + "/tests/e2e/read_mail.py", in.string()},
       {},
       out.string()});
  BOOST_REQUIRE(program);
  const auto status = program->wait(60s);
  std::ifstream file(out, std::ios::binary);
  const std::string json(std::istreambuf_iterator<char>(file), {});
  BOOST_REQUIRE_MESSAGE(status && *status == 0, json);
  auto document = sdk::json::Document::parse(json, {.bytes = 64u << 20});
  BOOST_REQUIRE_MESSAGE(document, json);
  return {*std::move(document)};
}

// A mailbox at a domain of its own.
struct Mailbox : Line {
  static int fresh() {
    static int count = 0;
    return ++count;
  }
  int number = fresh();
  std::string domain = "acme" + std::to_string(number) + ".example";
  std::string address = "support@" + domain;
  MailSimulator* server = &mail();

  std::string smtp(bool implicit = false) const {
    return object(
        {{"host", json_text(implicit ? "secure.simulated.example" : "mail.simulated.example")},
         {"port", implicit ? "465" : "587"},
         {"tls", json_text(implicit ? "implicit" : "starttls")},
         {"username", json_text(address)},
         {"password", json_text("smtp-password-" + domain)}});
  }
  std::string config(const std::string& inbound, const std::string& outbound,
                     std::vector<std::pair<std::string, std::string>> further) const {
    std::string json = "{\"address\":" + json_text(address) + ",\"inbound\":" + json_text(inbound) +
                       ",\"outbound\":" + json_text(outbound);
    for (const auto& [name, value] : further) json += ",\"" + name + "\":" + value;
    return json + "}";
  }
  // By a mail server's pipe, and out by SMTP.
  void connect_raw(bool implicit = false, const std::string& name = "Acmé Care") {
    if (implicit) server = &secure();
    server->add_smtp_user(address, "smtp-password-" + domain);
    const Answer created = connect("email",
                                   config("raw", "smtp",
                                          {{"smtp", smtp(implicit)},
                                           {"plus_addressing", "true"},
                                           {"display_name", json_text(name)}}),
                                   "manual");
    // The key in it is shown once.
    const std::string callback(
        created.json()["registration"]["instructions"]["callback_url"].text_or(""));
    BOOST_REQUIRE_MESSAGE(callback.starts_with(url() + "/"), created.body);
    server->add_raw({.address = address, .url = callback, .sender_parameter = "from"});
  }
  ~Mailbox() {
    mail().clear_faults();
    secure().clear_faults();
  }

  // What the gateway sent for this address.
  std::vector<SentMail> sent() const {
    auto all = server->mails();
    std::erase_if(all, [&](const SentMail& one) {
      return one.view.header("From").find(address) == std::string::npos;
    });
    return all;
  }
  SentMail sent_one(std::size_t count = 1) const {
    BOOST_REQUIRE(eventually([&] { return sent().size() >= count; }, 60s));
    const auto all = sent();
    BOOST_REQUIRE(all.size() == count);
    return all.back();
  }
  std::string write(const char* who, const std::string& subject, const std::string& text) {
    return server->write(address, who, subject, text);
  }
  void deliver(const Draft& draft, const std::string& to = {}) {
    server->deliver(to.empty() ? address : to, draft.from, gateway::simulate::write_mail(draft));
  }
  Draft draft(const char* who, const std::string& message_id, const std::string& text) const {
    Draft one;
    one.from = email_of(who);
    one.from_name = contact_of(who).name;
    one.to = address;
    one.subject = "A question";
    one.text = text;
    one.message_id = message_id;
    one.date_ms = static_cast<std::int64_t>(std::time(nullptr)) * 1'000;
    return one;
  }
};

std::string text_of(const Line& line, std::size_t at) {
  return std::string(line.talk().json()["messages"].at(at)["content"].text_or(""));
}

// Mails tell whole seconds, so an answer within the second may be shown before what it answers.
bool has_text(const Line& line, const std::string& text) {
  const Answer shown = line.talk();
  const auto all = shown.json()["messages"].elements();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& one) { return one["content"].text_or("") == text; });
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(email_smtp, Mailbox)

BOOST_AUTO_TEST_CASE(an_answer_is_a_mail_that_others_can_read) {
  connect_raw();
  const std::string asked = write("yulia", "Где заказ №5?", "Добрый день!");
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(text_of(*this, 0) == "Добрый день!");
  const std::string message = answer("Здравствуйте!\n.\n..two dots\n\n.hidden\nEnd — 👍");
  const SentMail one = sent_one();
  BOOST_TEST(becomes(message, "sent"));
  BOOST_TEST(one.by == "smtp");
  BOOST_TEST(one.problems.empty());
  BOOST_TEST((one.envelope.to == std::vector<std::string>{email_of("yulia")}));
  const PythonMail read = read_by_python(one.bytes);
  BOOST_TEST(read.root()["defects"].size() == 0u, read.root().dump());
  const std::int64_t age = std::time(nullptr) - read.root()["date"].integer().value_or(0);
  BOOST_TEST(age >= -5);
  BOOST_TEST(age < 120);
  BOOST_TEST(read.header("message-id").ends_with("@" + domain + ">"));
  BOOST_TEST(read.header("in-reply-to") == asked);
  BOOST_TEST(read.header("references") == asked);
  BOOST_TEST(read.header("subject") == "Re: Где заказ №5?");
  BOOST_TEST(read.root()["from"].at(0).at(0).text_or("") == "Acmé Care");
  BOOST_TEST(read.root()["from"].at(0).at(1).text_or("") == address);
  BOOST_TEST(read.root()["to"].at(0).at(1).text_or("") == email_of("yulia"));
  std::string text(read.root()["text"].text_or(""));
  std::erase(text, '\r');
  BOOST_TEST(sdk::trim(text) == "Здравствуйте!\n.\n..two dots\n\n.hidden\nEnd — 👍");
}

BOOST_AUTO_TEST_CASE(an_answer_leaves_by_implicit_tls_too) {
  connect_raw(true);
  write("ana", "Hola", "¿Abierto?");
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(becomes(answer("Sí"), "sent"));
  BOOST_TEST(sent_one().view.text.find("Sí") != std::string::npos);
}

// Encoded words may have line ends in them (RFC 2047), and what a customer calls himself and his
// matter is written into the answer.
BOOST_AUTO_TEST_CASE(no_line_end_in_a_subject_or_a_name_makes_a_header) {
  connect_raw(false, "Acme\r\nBcc: evil1@attacker.example");
  server->deliver(
      address, email_of("ana"),
      "From: =?utf-8?Q?Ana=0D=0ABcc=3A_evil2=40attacker.example?= <" + email_of("ana") +
          ">\r\nTo: " + address +
          "\r\nSubject: =?utf-8?Q?One=0D=0ABcc:_evil3@attacker.example=0D=0A=0D=0AX?="
          "\r\nDate: Fri, 20 Nov 2026 09:00:00 +0000\r\nMessage-ID: "
          "<inject@customer.example>\r\nReferences: <a@b>\r\n <x@y\r\n>\r\n\r\nhello\r\n");
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(becomes(answer("fine"), "sent"));
  const SentMail one = sent_one();
  BOOST_TEST((one.envelope.to == std::vector<std::string>{email_of("ana")}));
  const PythonMail read = read_by_python(one.bytes);
  BOOST_TEST(!read.has("bcc"));
  BOOST_TEST(read.root()["defects"].size() == 0u, read.root().dump());
  BOOST_TEST(read.header("subject").starts_with("Re: One"), read.header("subject"));
  BOOST_TEST(read.root()["to"].size() == 1u);
  BOOST_TEST(read.root()["text"].text_or("").starts_with("fine"));
}

BOOST_AUTO_TEST_CASE(uploaded_files_arrive_as_they_were) {
  connect_raw();
  write("ana", "Invoice", "please");
  BOOST_REQUIRE(has_messages(1));
  const std::string picture = gateway::simulate::sample_file("image/png", 20'000);
  std::string bytes;
  for (int i = 0; i < 70'000; ++i) bytes += static_cast<char>(i * 7 % 256);
  const std::vector<sdk::FormPart> parts{{"file", "Rechnung Nº 5 – ä.png", "image/png", picture},
                                         {"file", "data.bin", "application/octet-stream", bytes}};
  const auto form = sdk::encode_multipart(parts);
  HttpClient client(Gateway::instance().port());
  const auto uploaded = client.call(
      "POST", "/api/v1/conversations/" + only_conversation(tenant) + "/upload",
      {{"Authorization", "Bearer " + tenant.token}, {"Content-Type", form.content_type}},
      form.body);
  BOOST_REQUIRE_MESSAGE(uploaded.status == 201, uploaded.body);
  const auto document = sdk::json::Document::parse(uploaded.body);
  const std::string message =
      answer("here they are", ",\"attachments\":" + document->root()["attachments"].dump());
  BOOST_TEST(becomes(message, "sent"));
  const PythonMail read = read_by_python(sent_one().bytes);
  BOOST_TEST(read.root()["defects"].size() == 0u);
  const auto files = read.root()["files"];
  BOOST_REQUIRE(files.size() == 2u);
  BOOST_TEST(files.at(0)["name"].text_or("") == "Rechnung Nº 5 – ä.png");
  BOOST_TEST(files.at(0)["type"].text_or("") == "image/png");
  BOOST_TEST((sdk::from_base64(files.at(0)["content"].text_or("")) == picture));
  BOOST_TEST(files.at(1)["name"].text_or("") == "data.bin");
  BOOST_TEST((sdk::from_base64(files.at(1)["content"].text_or("")) == bytes));
}

BOOST_AUTO_TEST_CASE(customers_answers_come_back_to_the_conversation_without_the_quote) {
  connect_raw();
  write("ana", "Order 4417", "Where is it?");
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(becomes(answer("On its way"), "sent"));
  const SentMail one = sent_one();
  // As a mail program answers: In-Reply-To, References and the text quoted.
  BOOST_REQUIRE(!server->reply(one.number, "ana", "Thank you!").empty());
  BOOST_REQUIRE(has_messages(3));
  BOOST_TEST(has_text(*this, "Thank you!"));
  // Only the address tells: a program that keeps no headers.
  const std::string reply_to = gateway::simulate::address_of(one.view.header("Reply-To"));
  BOOST_REQUIRE(reply_to.find("+c-") != std::string::npos);
  Draft plus = draft("ana", "<plus@customer.example>", "by the address");
  plus.to = reply_to;
  deliver(plus, reply_to);
  BOOST_REQUIRE(has_messages(4));
  // Only References, with ids of somebody else's before and behind.
  Draft references = draft("ana", "<refs@customer.example>", "by the references");
  references.references = {"<unknown@crm.example>", one.view.header("Message-ID"),
                           "<another@crm.example>"};
  references.in_reply_to = "<another@crm.example>";
  deliver(references);
  BOOST_REQUIRE(has_messages(5));
  // A new mail of the same person is a new conversation.
  write("ana", "Something else", "new");
  BOOST_TEST(eventually([&] {
    Answer keep;
    return conversations(keep, tenant).size() == 2u;
  }));
}

BOOST_AUTO_TEST_CASE(html_becomes_text_and_its_pictures_are_inline) {
  connect_raw();
  Draft one = draft("marie", "<html@customer.example>", "");
  one.html =
      "<html><head><style>p{color:red}</style></head><body><p>Bonjour &eacute;l&egrave;ve,"
      "</p><p>voici <img src=\"cid:logo@customer\"> la photo</p>"
      "<script>alert(1)</script></body></html>";
  one.files.push_back({"logo.png", "image/png", gateway::simulate::sample_file("image/png", 3'000),
                       "logo@customer"});
  deliver(one);
  BOOST_REQUIRE(has_messages(1));
  const Answer shown = talk();
  const auto message = shown.json()["messages"].at(0);
  const std::string text(message["content"].text_or(""));
  BOOST_TEST(text.starts_with("Bonjour élève,"), text);
  BOOST_TEST(text.find("la photo") != std::string::npos);
  for (const char* never : {"alert", "color", "<"}) {
    BOOST_TEST(text.find(never) == std::string::npos, never);
  }
  BOOST_REQUIRE(message["attachments"].size() == 1u);
  const auto file = message["attachments"].at(0);
  BOOST_TEST(file["type"].text_or("") == "image");
  BOOST_TEST(file["inline"].text_or("") == "1");
  const auto picture = fetch_file(file["url"].text_or(""));
  BOOST_TEST(picture.status == 200);
  BOOST_TEST((picture.body == gateway::simulate::sample_file("image/png", 3'000)));
}

BOOST_AUTO_TEST_CASE(a_bounce_is_shown_on_the_message_that_bounced) {
  connect_raw();
  write("ana", "Hi", "hello");
  BOOST_REQUIRE(has_messages(1));
  const std::string first = answer("one");
  BOOST_TEST(becomes(first, "sent"));
  const std::string second = answer("two");
  const SentMail mail_of_second = sent_one(2);
  BOOST_TEST(becomes(second, "sent"));
  BOOST_REQUIRE(!server->bounce(mail_of_second.number, "5.1.1").empty());
  BOOST_TEST(becomes(second, "failed"));
  BOOST_TEST(fact(second, "error").find("not accepted") != std::string::npos,
             fact(second, "error"));
  BOOST_TEST(fact(first, "status") == "sent");
  // A report is no message of a customer.
  BOOST_TEST(talk().json()["messages"].size() == 3u);
}

// qmail's bounces name no message; the address they come back to is of one message alone.
BOOST_AUTO_TEST_CASE(a_bounce_without_a_report_is_told_by_its_address) {
  connect_raw();
  write("ana", "Hi", "hello");
  BOOST_REQUIRE(has_messages(1));
  const std::string message = answer("are you there?");
  BOOST_TEST(becomes(message, "sent"));
  const std::string sender = sent_one().envelope.from;
  BOOST_REQUIRE(sender.find("+b-") != std::string::npos);
  server->deliver(sender, "",
                  "From: MAILER-DAEMON@mx.customer.example\r\nTo: " + sender +
                      "\r\nSubject: failure notice\r\nDate: Fri, 20 Nov 2026 09:00:00 +0000\r\n"
                      "Message-ID: <q1@mx.customer.example>\r\n\r\n"
                      "Hi. This is the qmail-send program.\r\n<ana@customer.example>:\r\n"
                      "Sorry, no mailbox here by that name.\r\n");
  BOOST_TEST(becomes(message, "failed"));
  BOOST_TEST(fact(message, "error").find("no mailbox here") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_refused_recipient_fails_with_the_servers_words) {
  connect_raw();
  write("tom", "Hi", "hello");
  BOOST_REQUIRE(has_messages(1));
  server->set_rule(email_of("tom"), {.recipient_reply = "550 5.1.1 No such user here"});
  const std::string message = answer("lost");
  BOOST_TEST(becomes(message, "failed"));
  BOOST_TEST(fact(message, "error").find("No such user here") != std::string::npos);
  server->set_rule(email_of("tom"), {});
}

BOOST_AUTO_TEST_CASE(automatic_answers_are_shown_and_never_answered) {
  connect_raw();
  write("ana", "Hi", "hello");
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(becomes(answer("We will see"), "sent"));
  const SentMail one = sent_one();
  for (int i = 0; i < 5; ++i) {
    Draft away = draft("ana", "<away" + std::to_string(i) + "@customer.example>", "I am away");
    away.in_reply_to = one.view.header("Message-ID");
    away.headers = {{"Auto-Submitted", "auto-replied"}};
    deliver(away);
  }
  BOOST_REQUIRE(has_messages(7));
  const Answer shown = talk();
  int automatic = 0;
  for (const auto message : shown.json()["messages"].elements()) {
    automatic += message["metadata"]["auto"].text_or("") == "1";
  }
  BOOST_TEST(automatic == 5);
  // Our own mail, come back by a forwarding rule, is nobody's message.
  server->deliver(address, email_of("ana"), one.bytes);
  BOOST_REQUIRE(server->wait_idle(30s));
  BOOST_TEST(talk().json()["messages"].size() == 7u);
  BOOST_TEST(sent().size() == 1u);
}

BOOST_AUTO_TEST_CASE(without_the_key_in_the_address_nothing_is_taken) {
  connect_raw();
  const std::string bytes = gateway::simulate::write_mail(draft("ana", "<f@x.example>", "forged"));
  const HttpClient::Headers type{{"Content-Type", "message/rfc822"}};
  for (const char* behind : {"", "/", "/0000", "?key=x"}) {
    const int status = post(type, bytes, behind).status;
    BOOST_TEST((status == 401 || status == 404), behind << " was answered " << status);
  }
  BOOST_TEST(has_no_rows());
}

BOOST_AUTO_TEST_CASE(a_mail_that_comes_again_is_one_message) {
  connect_raw();
  const std::string bytes = gateway::simulate::write_mail(draft("ana", "<d@x.example>", "once"));
  for (int i = 0; i < 4; ++i) server->deliver(address, email_of("ana"), bytes);
  BOOST_REQUIRE(server->wait_idle(30s));
  BOOST_TEST(talk().json()["messages"].size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

struct ImapBox : Mailbox {
  std::string user = "imap-" + domain;

  void connect_imap(bool implicit = false) {
    if (implicit) server = &secure();
    server->add_smtp_user(address, "smtp-password-" + domain);
    server->add_imap({.address = address, .user = user, .password = "imap-password-" + domain});
    connect("email",
            config("imap", "smtp",
                   {{"smtp", smtp(implicit)},
                    {"imap", object({{"host", json_text(implicit ? "secure.simulated.example"
                                                                 : "mail.simulated.example")},
                                     {"port", implicit ? "993" : "143"},
                                     {"tls", json_text(implicit ? "implicit" : "starttls")},
                                     {"username", json_text(user)},
                                     {"password", json_text("imap-password-" + domain)}})}}));
  }
  bool polled_until(std::size_t count) {
    run_job(kPoll);
    return has_messages(count, 60s);
  }
};

// Holds up whoever stores a message, until it is gone.
class StoppedTable {
 public:
  StoppedTable() {
    gateway::cluster::ClusterOptions options;
    options.data_dir = Gateway::instance().folder() / "data";
    const auto cluster = gateway::cluster::Cluster::attach_or_start(std::move(options));
    BOOST_REQUIRE(cluster);
    db_ = PQconnectdb(cluster->owner_conninfo().c_str());
    PQclear(PQexec(db_, "begin"));
    PGresult* const locked = PQexec(db_, "lock table backchannel.message in exclusive mode");
    BOOST_REQUIRE(PQresultStatus(locked) == PGRES_COMMAND_OK);
    PQclear(locked);
  }
  ~StoppedTable() { PQfinish(db_); }
  StoppedTable(const StoppedTable&) = delete;
  StoppedTable& operator=(const StoppedTable&) = delete;

 private:
  PGconn* db_ = nullptr;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(email_imap, ImapBox)

BOOST_AUTO_TEST_CASE(new_mail_arrives_once_and_stays_unread_in_the_mailbox) {
  connect_imap();
  write("ana", "Hola", "one");
  write("ana", "Hola", "two");
  run_job(kPoll);
  BOOST_REQUIRE(eventually([&] { return rows("message") == 2; }, 60s));
  run_job(kPoll);
  write("ana", "Hola", "three");
  run_job(kPoll);
  BOOST_REQUIRE(eventually([&] { return rows("message") == 3; }, 60s));
  const auto folder = server->imap().folder(user);
  for (const auto& one : folder->messages) {
    BOOST_TEST(one.flags.count("\\Seen") == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_mailbox_with_implicit_tls_is_read_and_answered) {
  connect_imap(true);
  write("ana", "Hola", "one");
  BOOST_REQUIRE(polled_until(1));
  BOOST_TEST(becomes(answer("Sí"), "sent"));
  const SentMail one = sent_one();
  server->reply(one.number, "ana", "gracias");
  BOOST_TEST(polled_until(3));
}

BOOST_AUTO_TEST_CASE(a_folder_that_was_made_anew_brings_nothing_twice) {
  connect_imap();
  write("ana", "Hola", "one");
  BOOST_REQUIRE(polled_until(1));
  server->imap().change_uid_validity(user, 4'711);
  run_job(kPoll);
  write("ana", "Hola", "two");
  run_job(kPoll);
  BOOST_REQUIRE(eventually([&] { return rows("message") == 2; }, 60s));
}

// The cursor moves in the transaction of its events (reliability promise R13): killed between
// fetching and storing, the gateway has neither, and fetches again.
BOOST_AUTO_TEST_CASE(a_kill_between_fetch_and_commit_loses_and_doubles_nothing) {
  connect_imap();
  Gateway& gateway = Gateway::instance();
  {
    const StoppedTable stopped;
    write("ana", "Hola", "in between");
    run_job(kPoll);
    BOOST_REQUIRE(eventually(
        [&] {
          return gateway.query(
                     "select count(*) from pg_stat_activity where wait_event_type ="
                     " 'Lock' and usename <> 'nobody'") != "0";
        },
        60s));
    gateway.kill();
  }
  gateway.start();
  BOOST_TEST(rows("message") <= 1);
  // The dead gateway's lease runs out.
  gateway.query("update backchannel.registration_job set lease_owner = null where channel_id = '" +
                id + "' and operation = 4 returning 1");
  BOOST_REQUIRE(polled_until(1));
  run_job(kPoll);
  write("ana", "Hola", "behind it");
  run_job(kPoll);
  BOOST_REQUIRE(eventually([&] { return rows("message") == 2; }, 60s));
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

// What all providers have in common: a mail comes in, an answer leaves by the API and is delivered,
// the next one bounces.
void receives_and_answers(Mailbox& box, const std::string& by) {
  box.write("ana", "Hola", "¿Dónde está?");
  BOOST_REQUIRE(box.has_messages(1));
  BOOST_TEST(text_of(box, 0) == "¿Dónde está?");
  BOOST_TEST(box.talk().json()["customer"]["email"].text_or("") == email_of("ana"));
  const std::string message = box.answer("En camino 🚚");
  const SentMail one = box.sent_one();
  BOOST_TEST(one.by == by);
  BOOST_TEST((one.envelope.to == std::vector<std::string>{email_of("ana")}));
  const PythonMail read = read_by_python(one.bytes);
  BOOST_TEST(read.header("subject") == "Re: Hola");
  BOOST_TEST(!read.header("in-reply-to").empty());
  BOOST_TEST(std::string(read.root()["text"].text_or("")).find("En camino 🚚") != std::string::npos);
  BOOST_TEST(box.becomes(message, "delivered"));
  BOOST_REQUIRE(!mail().reply(one.number, "ana", "¡Gracias!").empty());
  BOOST_REQUIRE(box.has_messages(3));
  BOOST_TEST(has_text(box, "¡Gracias!"));
  // To somebody who is gone the provider's own event tells; its bounces do not reach us.
  mail().set_rule(email_of("ana"), {.recipient_reply = "550 5.1.1 user unknown"});
  const std::string lost = box.answer("anybody?");
  BOOST_TEST(box.becomes(lost, "failed"));
  BOOST_TEST(!box.fact(lost, "error").empty());
  mail().set_rule(email_of("ana"), {});
}

// Attempts with a wrong proof or none are refused, and nothing is stored.
void refuses_forgeries(Mailbox& box) {
  for (const auto kind : {DeliveryFault::Kind::wrong_secret, DeliveryFault::Kind::no_secret}) {
    DeliveryFault wish;
    wish.kind = kind;
    wish.count = 1'000;
    mail().inject(wish);
    const std::size_t before = mail().deliveries().size();
    box.write("ana", "Hola", "forged");
    BOOST_TEST(eventually([&] {
      const auto all = mail().deliveries();
      return std::any_of(all.begin() + static_cast<std::ptrdiff_t>(before), all.end(),
                         [](const auto& one) { return one.status == 401; });
    }));
    BOOST_TEST(box.has_no_rows());
    mail().reset();
    mail().clear_faults();
  }
}

struct MailgunBox : Mailbox {
  MailgunBox() {
    mail().add_mailgun(
        {.api_key = "key-" + domain, .signing_key = "sign-" + domain, .domain = domain});
    connect("email", config("mailgun", "mailgun",
                            {{"mailgun", object({{"domain", json_text(domain)},
                                                 {"api_key", json_text("key-" + domain)},
                                                 {"signing_key", json_text("sign-" + domain)}})}}));
    BOOST_REQUIRE(mail().wait_webhook(address, 30s));
  }
};

struct PostmarkBox : Mailbox {
  PostmarkBox() {
    mail().add_postmark({.server_token = "token-" + domain, .address = address});
    connect("email",
            config("postmark", "postmark",
                   {{"postmark", object({{"server_token", json_text("token-" + domain)}})}}));
    BOOST_REQUIRE(mail().wait_webhook(address, 30s));
  }
};

struct SendGridBox : Mailbox {
  SendGridBox() {
    mail().add_sendgrid({.api_key = "SG." + domain});
    connect("email", config("sendgrid", "sendgrid",
                            {{"sendgrid", object({{"api_key", json_text("SG." + domain)},
                                                  {"hostname", json_text(domain)}})}}));
    BOOST_REQUIRE(mail().wait_webhook(address, 30s));
  }
  // As SendGrid would, at the address it was given.
  int post_event(const std::string& event) const {
    const std::string hook = mail().webhook_of(address);
    return post({{"Content-Type", "application/json"}}, "[" + event + "]",
                hook.substr(hook.rfind('/')))
        .status;
  }
};

struct SesBox : Mailbox {
  std::string topic = "arn:aws:sns:us-east-1:000000000000:inbound-" + std::to_string(number);

  SesBox() : SesBox(std::nullopt) {}
  // With a prefix the receipt rule stores mails in the bucket.
  explicit SesBox(const std::optional<std::string>& object_prefix,
                  const std::string& secret = "secret") {
    mail().add_ses({.access_key = "AKID" + std::to_string(number),
                    .secret_key = "secret",
                    .topic_arn = topic,
                    .address = address,
                    .object_prefix = object_prefix});
    gateway::simulate::Members ses{{"region", json_text("us-east-1")},
                                   {"access_key", json_text("AKID" + std::to_string(number))},
                                   {"secret_key", json_text(secret)},
                                   {"topic_arn", json_text(topic)}};
    if (object_prefix) ses.emplace_back("bucket", json_text("simulated-mail"));
    connect("email", config("ses", "ses", {{"ses", object(ses)}}), "manual");
    subscribe();
    // The subscription confirms itself.
    BOOST_REQUIRE(mail().wait_webhook(address, 60s));
  }
  // What the owner does at the console: the callback is subscribed to the topic. Signed as
  // docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html says.
  void subscribe() const {
    const std::string body = sdk::encode_form(
        {{"Action", "Subscribe"}, {"TopicArn", topic}, {"Protocol", "http"}, {"Endpoint", url()}});
    const std::string day = "20261120";
    const std::string date = day + "T090000Z";
    const std::string canonical =
        "POST\n/\n\nhost:sns.us-east-1.amazonaws.com\nx-amz-date:" + date +
        "\n\nhost;x-amz-date\n" + sdk::hex(sdk::sha256(body));
    const std::string scope = day + "/us-east-1/sns/aws4_request";
    std::string key = "AWS4secret";
    for (const char* part : {day.c_str(), "us-east-1", "sns", "aws4_request"}) {
      key = sdk::hmac_sha256(key, part);
    }
    const std::string signature = sdk::hex(sdk::hmac_sha256(
        key, "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sdk::hex(sdk::sha256(canonical))));
    HttpClient amazon(mail().port("sns.amazonaws.com"));
    const auto answer = amazon.call(
        "POST", "/",
        {{"x-amz-date", date},
         {"Content-Type", "application/x-www-form-urlencoded"},
         {"Authorization", "AWS4-HMAC-SHA256 Credential=AKID" + std::to_string(number) + "/" +
                               scope + ", SignedHeaders=host;x-amz-date, Signature=" + signature}},
        body);
    BOOST_REQUIRE_MESSAGE(answer.status == 200, answer.body);
  }
};

struct SesBucketBox : SesBox {
  static std::string fresh_prefix() {
    static int count = 0;
    return "in & out/" + std::to_string(++count) + "/";
  }
  std::string prefix;

  SesBucketBox() : SesBucketBox(fresh_prefix(), "secret") {}
  SesBucketBox(const std::string& object_prefix, const std::string& secret)
      : SesBox(object_prefix, secret), prefix(object_prefix) {}

  // Calls of S3 for one object of this box.
  std::vector<gateway::simulate::ApiCall> fetches() const {
    const std::string folder =
        "/" + sdk::url_encode(prefix.substr(0, prefix.find('/'))) + prefix.substr(prefix.find('/'));
    auto all = mail().calls();
    std::erase_if(all, [&](const auto& one) {
      return one.host != "s3.amazonaws.com" || !one.path.starts_with(folder);
    });
    return all;
  }
};

// The keys of the channel open the topic, but not the bucket.
struct WrongSecretBox : SesBucketBox {
  WrongSecretBox() : SesBucketBox(fresh_prefix(), "wrong") {}
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(email_mailgun, MailgunBox)
BOOST_AUTO_TEST_CASE(mails_come_and_answers_leave_with_their_events) {
  receives_and_answers(*this, "mailgun");
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) { refuses_forgeries(*this); }
BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(email_postmark, PostmarkBox)
BOOST_AUTO_TEST_CASE(mails_come_and_answers_leave_with_their_events) {
  receives_and_answers(*this, "postmark");
}
BOOST_AUTO_TEST_CASE(forged_deliveries_are_refused_and_leave_no_row) { refuses_forgeries(*this); }
BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(email_sendgrid, SendGridBox)
BOOST_AUTO_TEST_CASE(mails_come_and_answers_leave_with_their_events) {
  receives_and_answers(*this, "sendgrid");
}
// A bounce that comes late names no message of SendGrid's, only what we gave it to repeat
// (twilio.com/docs/sendgrid/for-developers/tracking-events/event, read 2026-11-21).
BOOST_AUTO_TEST_CASE(a_late_bounce_is_shown_on_its_message) {
  write("ana", "Hola", "¿Sí?");
  BOOST_REQUIRE(has_messages(1));
  DeliveryFault lost;
  lost.kind = DeliveryFault::Kind::drop;
  mail().inject(lost);
  const std::string message = answer("Sí");
  BOOST_REQUIRE(becomes(message, "sent"));
  BOOST_TEST(post_event(object({{"event", json_text("bounce")},
                                {"email", json_text(email_of("ana"))},
                                {"sg_event_id", json_text("late-" + domain)},
                                {"reason", json_text("550 mailbox full for ever")},
                                {"gw_message_id", json_text(message)}})) == 200);
  BOOST_TEST(becomes(message, "failed"));
  BOOST_TEST(fact(message, "error") == "550 mailbox full for ever");
}

BOOST_AUTO_TEST_CASE(who_complains_is_shown_as_unreachable) {
  write("ana", "Hola", "¿Sí?");
  BOOST_REQUIRE(has_messages(1));
  BOOST_TEST(post_event(object({{"event", json_text("spamreport")},
                                {"email", json_text(email_of("ana"))},
                                {"sg_event_id", json_text("complaint-" + domain)}})) == 200);
  BOOST_TEST(
      eventually([&] { return talk().json()["unreachable_reason"].text_or("") == "blocked"; }));
}

// Without a signature policy the address itself is the proof.
BOOST_AUTO_TEST_CASE(deliveries_to_another_address_are_refused_and_leave_no_row) {
  const std::string events =
      R"([{"event":"bounce","email":"a@b.example","sg_event_id":"e1","sg_message_id":"m1"}])";
  for (const char* behind : {"", "/0000", "/0123456789abcdef0123456789abcdef"}) {
    BOOST_TEST(post({{"Content-Type", "application/json"}}, events, behind).status == 401, behind);
    BOOST_TEST(post({{"Content-Type", "application/x-www-form-urlencoded"}},
                    "from=a%40b.example&text=forged", behind)
                       .status == 401,
               behind);
  }
  BOOST_TEST(has_no_rows());
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(email_ses, SesBox)
BOOST_AUTO_TEST_CASE(mails_come_and_answers_leave_with_their_events) {
  receives_and_answers(*this, "ses");
}
BOOST_AUTO_TEST_CASE(a_notification_signed_wrongly_is_refused) {
  const int before = rows("raw_event");
  DeliveryFault wish;
  wish.kind = DeliveryFault::Kind::altered_body;
  wish.count = 1'000;
  mail().inject(wish);
  write("ana", "Hola", "forged");
  BOOST_TEST(eventually([&] {
    const auto all = mail().deliveries();
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& one) { return one.account == topic && one.status == 401; });
  }));
  BOOST_TEST(rows("message") == 0);
  BOOST_TEST(rows("raw_event") == before);
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(email_ses_bucket, SesBucketBox)
BOOST_AUTO_TEST_CASE(mails_of_the_bucket_come_and_answers_leave_with_their_events) {
  receives_and_answers(*this, "ses");
  BOOST_REQUIRE(!fetches().empty());
  for (const auto& one : fetches()) BOOST_TEST(one.status == 200, one.description);
}

// SNS carries at most 150 KB of a mail
// (docs.aws.amazon.com/ses/latest/dg/receiving-email-action-sns.html).
BOOST_AUTO_TEST_CASE(a_mail_larger_than_a_notification_arrives_with_its_file) {
  const std::string file = gateway::simulate::sample_file("image/png", 400'000);
  Draft one = draft("ana", "<large@customer.example>", "a picture");
  one.files.push_back({"large.png", "image/png", file, ""});
  deliver(one);
  BOOST_REQUIRE(has_messages(1));
  const Answer shown = talk();
  const auto message = shown.json()["messages"].at(0);
  BOOST_TEST(message["content"].text_or("") == "a picture");
  BOOST_REQUIRE(message["attachments"].size() == 1u);
  const auto got = fetch_file(message["attachments"].at(0)["url"].text_or(""));
  BOOST_TEST(got.status == 200);
  BOOST_TEST((got.body == file));
}

// SNS gives up after a minute; what it did not tell is found in the bucket.
BOOST_AUTO_TEST_CASE(a_mail_whose_notification_is_lost_is_found_in_the_bucket_once) {
  write("ana", "Hola", "told");
  BOOST_REQUIRE(has_messages(1));
  DeliveryFault lost;
  lost.kind = DeliveryFault::Kind::drop;
  mail().inject(lost);
  write("ana", "Hola", "untold");
  BOOST_REQUIRE(mail().wait_idle(30s));
  BOOST_TEST(rows("message") == 1);
  mail().age_objects(5min);
  run_job(kPoll);
  BOOST_REQUIRE(eventually([&] { return rows("message") == 2; }, 60s));
  const std::size_t before = fetches().size();
  run_job(kPoll);
  write("ana", "Hola", "behind it");
  BOOST_REQUIRE(eventually([&] { return rows("message") == 3; }, 60s));
  // Only the new one was asked for: the cursor is behind the others.
  BOOST_TEST(fetches().size() == before + 1);
}

// Other addresses have rules that write into the same bucket.
BOOST_AUTO_TEST_CASE(a_channel_that_was_told_of_no_mail_takes_none_from_the_bucket) {
  {
    SesBucketBox other;
    other.write("ana", "Hola", "for another address");
    BOOST_REQUIRE(other.has_messages(1));
  }
  mail().age_objects(5min);
  run_job(kPoll);
  BOOST_TEST(rows("message") == 0);
  write("tom", "Hi", "for this one");
  BOOST_REQUIRE(has_messages(1));
  run_job(kPoll);
  BOOST_TEST(rows("message") == 1);
}

BOOST_AUTO_TEST_CASE(a_notification_signed_wrongly_fetches_nothing) {
  DeliveryFault wish;
  wish.kind = DeliveryFault::Kind::wrong_secret;
  wish.count = 1'000;
  mail().inject(wish);
  write("ana", "Hola", "forged");
  BOOST_TEST(eventually([&] {
    const auto all = mail().deliveries();
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& one) { return one.account == topic && one.status == 401; });
  }));
  BOOST_TEST(fetches().empty());
  BOOST_TEST(rows("message") == 0);
}
BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(email_ses_bucket_closed, WrongSecretBox)
BOOST_AUTO_TEST_CASE(a_bucket_that_refuses_the_signature_gives_no_mail) {
  write("ana", "Hola", "not for these keys");
  BOOST_REQUIRE(eventually([&] { return !fetches().empty(); }, 60s));
  for (const auto& one : fetches()) {
    BOOST_TEST(one.status == 403);
    BOOST_TEST(one.description == "SignatureDoesNotMatch");
  }
  BOOST_TEST(rows("message") == 0);
}
BOOST_AUTO_TEST_SUITE_END()
