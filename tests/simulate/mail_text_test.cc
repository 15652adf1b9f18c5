// RFC 5322, 2045, 2047, 2231, 3464 as mail programs use them.
#include "gateway/simulate/mail_text.h"

#include <boost/test/unit_test.hpp>

using namespace gateway::simulate;

namespace {

constexpr std::int64_t kDate = 1'795'165'200'000;  // 2026-11-20 09:00:00 UTC

Draft draft() {
  Draft made;
  made.from_name = "Ana 🌸 López";
  made.from = "ana@customer.example";
  made.to = "support@acme.example";
  made.subject = "¿Dónde está mi pedido número 4711? Lo espero desde hace una semana 📦";
  made.text = "Hola,\n.leading dot\ntrailing blank \n" + std::string(200, 'x') + "\n=3D ñ\n";
  made.message_id = "<m1@customer.example>";
  made.date_ms = kDate;
  return made;
}

std::string unix_lines(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c != '\r') out += c;
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(mail_text)

BOOST_AUTO_TEST_CASE(a_mail_is_read_as_it_was_written) {
  Draft made = draft();
  made.html = "<p>Hola</p>";
  made.in_reply_to = "<gw.1@acme.example>";
  made.references = {"<gw.0@acme.example>", "<gw.1@acme.example>"};
  made.files = {{"señal.png", "image/png", std::string("\x89PNG\0\xFF", 6), ""},
                {"logo.png", "image/png", "logo", "img1@x"}};
  const std::string bytes = write_mail(made);
  const MailView view = read_mail(bytes);
  BOOST_TEST(problems_of(bytes, view).empty());
  BOOST_TEST(view.header("message-id") == made.message_id);
  BOOST_TEST(decode_words(view.header("Subject")) == made.subject);
  BOOST_TEST(decode_words(view.header("From")) == "Ana 🌸 López <ana@customer.example>");
  BOOST_TEST(address_of(view.header("From")) == "ana@customer.example");
  BOOST_TEST(view.header("Date") == "Fri, 20 Nov 2026 09:00:00 +0000");
  BOOST_TEST(view.header("References") == "<gw.0@acme.example> <gw.1@acme.example>");
  BOOST_TEST(unix_lines(view.text) == unix_lines(made.text));
  BOOST_TEST(unix_lines(view.html) == made.html);
  BOOST_REQUIRE(view.files.size() == 2u);
  BOOST_TEST(view.files[0].name == "señal.png");
  BOOST_TEST(view.files[0].bytes == made.files[0].bytes);
  BOOST_TEST(view.files[1].content_id == "img1@x");
}

BOOST_AUTO_TEST_CASE(written_mail_keeps_to_ascii_and_short_lines) {
  const std::string bytes = write_mail(draft());
  std::size_t begin = 0;
  for (std::size_t end; (end = bytes.find("\r\n", begin)) != std::string::npos; begin = end + 2) {
    BOOST_TEST(end - begin <= 78u);
  }
  BOOST_TEST(begin == bytes.size());
  for (const char c : bytes) BOOST_REQUIRE((c & 0x80) == 0);
}

// A character split over two words, and blanks between words that are no part of the text.
BOOST_AUTO_TEST_CASE(words_are_joined_before_they_are_read) {
  BOOST_TEST(decode_words("=?utf-8?B?8J+Y?= =?utf-8?B?gA==?= x") == "😀 x");
  BOOST_TEST(decode_words("=?utf-8?Q?J=C3=B6rg_M=2E?=") == "Jörg M.");
  BOOST_TEST(decode_words("no =? word") == "no =? word");
}

BOOST_AUTO_TEST_CASE(a_reply_names_what_it_answers_and_quotes_it) {
  Draft made = draft();
  made.references = {"<gw.0@acme.example>"};
  made.headers = {{"Reply-To", "support+c-1@acme.example"}};
  const Draft answer = reply_to(read_mail(write_mail(made)), "Tom", "tom@customer.example",
                                "Thanks!", "<m2@customer.example>", kDate);
  BOOST_TEST(answer.to == "support+c-1@acme.example");
  BOOST_TEST(answer.subject == "Re: " + made.subject);
  BOOST_TEST(answer.in_reply_to == "<m1@customer.example>");
  BOOST_TEST((answer.references ==
              std::vector<std::string>{"<gw.0@acme.example>", "<m1@customer.example>"}));
  BOOST_TEST(answer.text.rfind("Thanks!\n\nOn ", 0) == 0u);
  BOOST_TEST(answer.text.find("\n> Hola,\n") != std::string::npos);
  BOOST_TEST(reply_to(read_mail(write_mail(answer)), "A", "a@b", "", "<m3@b>", kDate).subject ==
             answer.subject);
}

BOOST_AUTO_TEST_CASE(a_bounce_is_a_report_with_the_mails_headers) {
  const std::string bytes =
      write_bounce(write_mail(draft()), "bounce+1@acme.example", "gone@customer.example", "5.1.1",
                   "550 5.1.1 unknown", "<b1@mx.customer.example>", kDate);
  const MailView view = read_mail(bytes);
  BOOST_TEST(problems_of(bytes, view).empty());
  BOOST_TEST(view.header("Content-Type").find("report-type=delivery-status") != std::string::npos);
  BOOST_TEST(view.header("Auto-Submitted") == "auto-replied");
  BOOST_TEST(bytes.find("Final-Recipient: rfc822; gone@customer.example\r\n") != std::string::npos);
  BOOST_TEST(bytes.find("Action: failed\r\nStatus: 5.1.1\r\n") != std::string::npos);
  BOOST_TEST(bytes.find("Message-ID: <m1@customer.example>\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_a_careful_receiver_objects_to_is_found) {
  const auto problems = [](std::string_view bytes) { return problems_of(bytes, read_mail(bytes)); };
  const std::string good =
      "From: a@b\r\nDate: Fri, 20 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@b>\r\n\r\nx\r\n";
  BOOST_TEST(problems(good).empty());
  BOOST_TEST(problems("From: a@b\r\n\r\nx\r\n").size() == 2u);
  BOOST_TEST(problems("Bcc: c@d\r\n" + good).size() == 1u);
  BOOST_TEST(problems("Subject: x\r\nsubject: y\r\n" + good).size() == 1u);
  BOOST_TEST(problems(good + "bare\n").size() == 1u);
  BOOST_TEST(problems(good + "bare\rx\r\n").size() == 1u);
  BOOST_TEST(problems(good + std::string(998, 'x') + "\r\n").empty());
  BOOST_TEST(problems(good + std::string(999, 'x') + "\r\n").size() == 1u);
  BOOST_TEST(problems("Subject: \xC3\xA9\r\n" + good).size() == 1u);
}

BOOST_AUTO_TEST_CASE(broken_mail_is_read_as_far_as_it_goes) {
  BOOST_TEST(read_mail("").text.empty());
  BOOST_TEST(read_mail("no headers at all").text.empty());
  const std::string cut =
      "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\ntext survives";
  BOOST_TEST(read_mail(cut).text == "text survives");
  std::string deep;
  for (int i = 0; i < 120; ++i) {
    deep += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
            std::to_string(i) + "\r\n";
  }
  BOOST_TEST(read_mail(deep).text.empty());
}

BOOST_AUTO_TEST_SUITE_END()
