// RFC 7578 and RFC 2046 5.1, with what browsers and curl are documented to send
// (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html, read 2026-11-21).
#include "connectors/sdk/multipart.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace {

using sdk::FormPart;
using sdk::multipart_boundary;
using sdk::parse_multipart;

constexpr std::string_view kType = "multipart/form-data; boundary=AaB03x";

std::string reason(std::string_view body, const sdk::MultipartLimits& limits = {}) {
  const auto parts = parse_multipart(kType, body, limits);
  return parts ? "it was read" : parts.error().reason;
}

std::string one_part(const std::string& headers, const std::string& body = "x") {
  return "--AaB03x\r\n" + headers + "\r\n\r\n" + body + "\r\n--AaB03x--\r\n";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(multipart)

BOOST_AUTO_TEST_CASE(a_field_and_a_file_are_read_in_their_order) {
  const auto parts = parse_multipart(kType,
                                     "--AaB03x\r\n"
                                     "Content-Disposition: form-data; name=\"submit-name\"\r\n"
                                     "\r\n"
                                     "Larry\r\n"
                                     "--AaB03x\r\n"
                                     "content-disposition: FORM-DATA; name=files; "
                                     "filename=\"file1.txt\"\r\n"
                                     "Content-Type: text/plain; charset=utf-8\r\n"
                                     "\r\n"
                                     "... contents\r\nof file1.txt ...\r\n"
                                     "--AaB03x--\r\n");
  BOOST_TEST_REQUIRE(parts.has_value());
  BOOST_TEST_REQUIRE(parts->size() == 2u);
  BOOST_TEST((*parts)[0].name == "submit-name");
  BOOST_TEST(!(*parts)[0].file_name.has_value());
  BOOST_TEST((*parts)[0].content_type == "");
  BOOST_TEST((*parts)[0].body == "Larry");
  BOOST_TEST((*parts)[1].name == "files");
  BOOST_TEST((*parts)[1].file_name.value() == "file1.txt");
  BOOST_TEST((*parts)[1].content_type == "text/plain; charset=utf-8");
  BOOST_TEST((*parts)[1].body == "... contents\r\nof file1.txt ...");
}

BOOST_AUTO_TEST_CASE(boundaries_are_those_of_rfc_2046) {
  const std::string longest(70, 'b');
  BOOST_TEST(multipart_boundary("multipart/form-data; boundary=" + longest).value() == longest);
  BOOST_TEST(multipart_boundary("Multipart/Form-Data;BOUNDARY=\"a b\"; charset=utf-8").value() ==
             "a b");
  BOOST_TEST(
      multipart_boundary("multipart/form-data; charset=utf-8; boundary=\"gc0pJq0M:08j\"").value() ==
      "gc0pJq0M:08j");
  for (const std::string& bad : std::vector<std::string>{
           "", "multipart/form-data", "multipart/form-data; boundary=",
           "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary=\"a ",
           "multipart/form-data; boundary=\"a \"", "multipart/form-data; boundary=a; boundary=b",
           "multipart/form-data; boundary=" + longest + "b", "multipart/form-data; boundary=a\"b",
           "multipart/form-data; boundary=\"a\r\nb\"", "multipart/mixed; boundary=a",
           "multipart/form-dataX; boundary=a", "text/plain; boundary=a", "boundary=a"}) {
    BOOST_TEST(!multipart_boundary(bad).has_value(), bad);
  }
}

BOOST_AUTO_TEST_CASE(what_stands_before_the_first_and_behind_the_last_delimiter_is_ignored) {
  const auto parts = parse_multipart(kType,
                                     "This is the preamble.\r\n--AaB03x \t\r\n"
                                     "Content-Disposition: form-data; name=a\r\n\r\n1\r\n"
                                     "--AaB03x--\r\nThis is the epilogue.\r\n--AaB03x\r\n");
  BOOST_TEST_REQUIRE(parts.has_value());
  BOOST_TEST_REQUIRE(parts->size() == 1u);
  BOOST_TEST((*parts)[0].body == "1");
}

BOOST_AUTO_TEST_CASE(bodies_may_be_empty_binary_or_look_like_delimiters) {
  const std::string binary("\0\r\n\r\n--\r\n--AaB03\r\n--AaB03xy\r\n-\xff\n\r", 33);
  for (const std::string& body :
       std::vector<std::string>{"", "\r\n", "--AaB03xy", "--AaB03x tail", "-", binary}) {
    // The parts are views into it.
    const std::string form = one_part("Content-Disposition: form-data; name=\"a\"", body);
    const auto parts = parse_multipart(kType, form);
    BOOST_TEST_REQUIRE(parts.has_value());
    BOOST_TEST_REQUIRE(parts->size() == 1u);
    BOOST_TEST((*parts)[0].body == body);
  }
  // The line end behind the headers is the delimiter's too.
  const auto parts = parse_multipart(kType,
                                     "--AaB03x\r\nContent-Disposition: form-data; name=\"a\"\r\n"
                                     "\r\n--AaB03x\r\nContent-Disposition: form-data; name=b\r\n"
                                     "\r\n\r\n--AaB03x--");
  BOOST_TEST_REQUIRE(parts.has_value());
  BOOST_TEST_REQUIRE(parts->size() == 2u);
  BOOST_TEST((*parts)[0].body == "");
  BOOST_TEST((*parts)[1].body == "");
}

BOOST_AUTO_TEST_CASE(a_form_without_fields_is_a_form) {
  const auto parts = parse_multipart(kType, "--AaB03x--\r\n");
  BOOST_TEST_REQUIRE(parts.has_value());
  BOOST_TEST(parts->empty());
}

BOOST_AUTO_TEST_CASE(names_are_read_as_browsers_and_curl_write_them) {
  const auto name = [](const std::string& parameters) {
    const auto parts =
        parse_multipart(kType, one_part("Content-Disposition: form-data; name=\"f\"" + parameters));
    return parts ? parts->front().file_name.value_or("(none)") : "refused";
  };
  BOOST_TEST(name("") == "(none)");
  BOOST_TEST(name("; filename=\"\"") == "");
  BOOST_TEST(name("; filename=\"a;b=\xC3\xBC.txt\"") == "a;b=\xC3\xBC.txt");
  BOOST_TEST(name("; filename=\"say %22hi%22.txt\"") == "say \"hi\".txt");
  BOOST_TEST(name("; filename=\"a%0D%0Ab.txt\"") == "a%0D%0Ab.txt");
  BOOST_TEST(name("; filename=\"say \\\"hi\\\".txt\"") == "say \"hi\".txt");
  BOOST_TEST(name("; filename=\"C:\\new\\file.txt\"") == "C:\\new\\file.txt");
  BOOST_TEST(name("; filename=plain.txt") == "plain.txt");
  // RFC 7578 4.2: not to be used in forms.
  BOOST_TEST(name("; filename*=UTF-8''na%C3%AFve.txt") == "(none)");
  BOOST_TEST(name("; filename=\"a\"; filename=\"b\"") == "refused");
}

BOOST_AUTO_TEST_CASE(what_two_readers_could_take_differently_is_refused) {
  const std::string good = "Content-Disposition: form-data; name=\"a\"";
  BOOST_TEST(reason(one_part(good)) == "it was read");
  BOOST_TEST(reason("") == "has no delimiter");
  BOOST_TEST(reason("a=b") == "has no delimiter");
  BOOST_TEST(reason("--AaB03x\n" + good + "\n\nx\n--AaB03x--\n") == "has no delimiter");
  BOOST_TEST(reason("--AaB03x\r\n" + good + "\r\n\r\nx") == "has no closing delimiter");
  BOOST_TEST(reason("--AaB03x\r\n" + good + "\r\n\r\nx\r\n--AaB03x") == "has no closing delimiter");
  BOOST_TEST(reason("--AaB03x\r\n" + good) == "has a part without an end of its headers");
  BOOST_TEST(reason(one_part("Content-Type: text/plain")) ==
             "has a part without Content-Disposition");
  for (const std::string& headers : std::vector<std::string>{
           "Content-Disposition: form-data", "Content-Disposition: attachment; name=\"a\"",
           "Content-Disposition: form-data; name=\"a", "Content-Disposition: form-data; name=",
           "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
           "Content-Disposition: form-data; name=\"a\" x", good + "\r\n" + good}) {
    BOOST_TEST(reason(one_part(headers)) ==
                   "has a part whose Content-Disposition is not that of a form's field",
               headers);
  }
  for (const std::string& headers : std::vector<std::string>{
           good + "\r\n folded", good + "\r\nX Y: 1", good + "\r\n: 1", good + "\r\nX",
           good + "\r\nX: a\x01", good + "\r\nX: a\nY: b", std::string("X: \0", 4)}) {
    BOOST_TEST(reason(one_part(headers)) == "has a part with a broken header", headers);
  }
  BOOST_TEST(reason(one_part(good + "\r\nContent-Transfer-Encoding: base64")) ==
             "has a part with a transfer encoding, which forms do not have");
  BOOST_TEST(reason(one_part(good + "\r\nContent-Transfer-Encoding: binary")) == "it was read");
}

BOOST_AUTO_TEST_CASE(parts_and_headers_are_bounded) {
  const std::string part = "--AaB03x\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
  std::string many;
  for (int i = 0; i < 3; ++i) many += part;
  BOOST_TEST(reason(many + "--AaB03x--", {.parts = 3}) == "it was read");
  BOOST_TEST(reason(many + "--AaB03x--", {.parts = 2}) == "has too many parts");
  const std::string disposition = "Content-Disposition: form-data; name=a";
  const auto filler = [&](std::size_t bytes) {
    return one_part(disposition +
                    "\r\nX: " + std::string(bytes - disposition.size() - 2 - 3 - 2, 'y'));
  };
  BOOST_TEST(reason(filler(200), {.header_bytes = 200}) == "it was read");
  BOOST_TEST(reason(filler(201), {.header_bytes = 200}) == "has a part with too many headers");
  BOOST_TEST(reason("--AaB03x\r\n" + std::string(100'000, 'y')) ==
             "has a part without an end of its headers");
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_form_is_refused_and_none_is_misread) {
  const std::string whole = one_part("Content-Disposition: form-data; name=\"a\"", "one\r\ntwo");
  const std::size_t closed = whole.rfind("--") + 2;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const auto parts = parse_multipart(kType, std::string_view(whole).substr(0, cut));
    BOOST_TEST(parts.has_value() == (cut >= closed), "cut at " << cut);
  }
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  const std::vector<FormPart> parts = {{"a", std::nullopt, "", "1"},
                                       {"b \"q\"", "na\xC3\xAFve \"x\".png", "image/png", "\r\n--"},
                                       {"c", "", "text/plain", ""}};
  const auto made = sdk::encode_multipart(parts);
  const auto read = parse_multipart(made.content_type, made.body);
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST_REQUIRE(read->size() == parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    BOOST_TEST((*read)[i].name == parts[i].name);
    BOOST_TEST(((*read)[i].file_name == parts[i].file_name));
    BOOST_TEST((*read)[i].content_type == parts[i].content_type);
    BOOST_TEST((*read)[i].body == parts[i].body);
  }
  BOOST_TEST(sdk::encode_multipart(parts).body == made.body);
}

BOOST_AUTO_TEST_CASE(a_body_that_holds_an_earlier_boundary_gets_another_one) {
  std::vector<FormPart> parts = {{"a", std::nullopt, "", "1"}};
  const auto first = multipart_boundary(sdk::encode_multipart(parts).content_type).value();
  const std::string body = "x\r\n--" + first + "--\r\n";
  parts[0].body = body;
  const auto made = sdk::encode_multipart(parts);
  BOOST_TEST(body.find(multipart_boundary(made.content_type).value()) == std::string::npos);
  BOOST_TEST(parse_multipart(made.content_type, made.body)->front().body == body);
}

BOOST_AUTO_TEST_CASE(a_name_cannot_end_its_header) {
  const std::vector<FormPart> parts = {
      {"a\r\nX: 1", "b\\\"\r\n\r\n--", "text/plain\r\nX-Evil: 1", "body"}};
  const auto made = sdk::encode_multipart(parts);
  BOOST_TEST(made.body.find("X-Evil") == std::string::npos);
  const auto read = parse_multipart(made.content_type, made.body);
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST(read->front().name == "a%0D%0AX: 1");
  BOOST_TEST(read->front().file_name.value() == "b_\"%0D%0A%0D%0A--");
  BOOST_TEST(read->front().content_type == "");
  BOOST_TEST(read->front().body == "body");
}

BOOST_AUTO_TEST_SUITE_END()
