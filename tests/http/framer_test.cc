#include "gateway/http/framer.h"

#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "tests/http/framer_events.h"
#include "tests/http/framing_vectors.h"

namespace {

using gateway::http::Framer;
using gateway::http::Limits;
using probe::Verdict;

constexpr std::size_t kBodyLimit = 8192;

std::vector<probe::Vector> vectors() {
  return probe::load_vectors(BACKCHANNEL_SOURCE_DIR "/tests/http/framing_vectors.txt");
}

std::string events_of(std::string_view bytes, const std::vector<std::size_t>& cuts = {}) {
  return probe::framer_events(bytes, cuts, Limits{}, kBodyLimit);
}

std::size_t count_of(std::string_view events, std::string_view kind) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < events.size(); at = events.find('\n', at) + 1) {
    if (events.substr(at, kind.size()) == kind) ++count;
  }
  return count;
}

// The verdict on a vector with the canary behind it.
bool is_as_wanted(const probe::Vector& vector, std::string_view events) {
  const auto done = count_of(events, "done ");
  const auto refused = count_of(events, "refused ");
  const bool ok = done == vector.requests + 1 && refused == 0;
  const bool close = done == 1 && refused == 0;
  const bool refuse = done == 0 && refused == 1;
  switch (vector.verdict) {
    case Verdict::ok:
      return ok;
    case Verdict::close:
      return close;
    case Verdict::refuse:
      return refuse;
    case Verdict::either:
      return ok || close || refuse;
  }
  return false;
}

int status_of(std::string_view bytes) {
  const std::string events = events_of(bytes);
  const auto at = events.find("refused ");
  return at == events.npos ? 0 : std::stoi(events.substr(at + 8));
}

std::string get(std::string_view lines, std::string_view first = "GET / HTTP/1.1") {
  return std::string(first) + "\r\nHost: x\r\n" + std::string(lines) + "\r\n";
}

std::string post(std::string_view lines, std::string_view body = {}) {
  return get(lines, "POST /b HTTP/1.1") + std::string(body);
}

std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }

}  // namespace

BOOST_AUTO_TEST_SUITE(framer)

BOOST_AUTO_TEST_CASE(every_vector_gets_its_verdict) {
  for (const auto& vector : vectors()) {
    const std::string events = events_of(vector.bytes + std::string(probe::kCanary));
    BOOST_TEST(is_as_wanted(vector, events), vector.name << " gave " << events.substr(0, 400));
  }
}

BOOST_AUTO_TEST_CASE(the_verdict_does_not_depend_on_where_the_bytes_are_cut) {
  for (const auto& vector : vectors()) {
    const std::string bytes = vector.bytes + std::string(probe::kCanary);
    const std::string whole = events_of(bytes);
    for (const auto cut : probe::cut_positions(bytes.size())) {
      const std::string events = events_of(bytes, {cut});
      if (events != whole) BOOST_ERROR(vector.name << " cut at " << cut << " gave " << events);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_verdict_is_the_same_byte_by_byte) {
  for (const auto& vector : vectors()) {
    const std::string bytes = vector.bytes + std::string(probe::kCanary);
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i < bytes.size(); ++i) cuts.push_back(i);
    BOOST_TEST((events_of(bytes, cuts) == events_of(bytes)), vector.name);
  }
}

BOOST_AUTO_TEST_CASE(short_bodies_are_the_same_at_every_pair_of_cuts) {
  const std::string bytes =
      chunked("5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n") + post("Content-Length: 2\r\n", "ok") + get("");
  const std::string whole = events_of(bytes);
  BOOST_TEST(count_of(whole, "done ") == 3u);
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    for (std::size_t j = i + 1; j < bytes.size(); ++j) {
      if (events_of(bytes, {i, j}) != whole) BOOST_ERROR("cut at " << i << " and " << j);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_request_is_read_as_it_was_sent) {
  const Limits limits;
  Framer framer(limits);
  const std::string bytes =
      "POST /a%20b/?q=1&q=2%00?x HTTP/1.1\r\nHost: Example.org:8080\r\nX-Sig:  a=b \t\r\n"
      "x-sig: second\r\nContent-Length: 3\r\n\r\n" +
      std::string("a\0b", 3) + "GET";
  std::string_view rest = bytes;
  BOOST_TEST((framer.feed(rest) == Framer::Step::head));
  BOOST_TEST(framer.allow_body(3));
  BOOST_TEST((framer.feed(rest) == Framer::Step::done));
  BOOST_TEST(rest == "GET");
  const auto& request = framer.request();
  BOOST_TEST(request.method == "POST");
  BOOST_TEST(request.target == "/a%20b/?q=1&q=2%00?x");
  BOOST_TEST(request.path == "/a%20b/");
  BOOST_TEST(request.query == "q=1&q=2%00?x");
  BOOST_TEST(request.header("x-sig") == "a=b");
  BOOST_TEST(request.headers.size() == 4u);
  BOOST_TEST((request.headers[2] == std::pair<std::string, std::string>("x-sig", "second")));
  BOOST_TEST((request.body == std::string("a\0b", 3)));
}

BOOST_AUTO_TEST_CASE(trailers_are_no_headers) {
  const std::string events = events_of(
      chunked("1\r\nx\r\n0\r\nX-Hub-Signature-256: sha256=00\r\nHost: evil\r\nConnection: close\r\n"
              "\r\n"));
  BOOST_TEST(count_of(events, "done ") == 1u);
  BOOST_TEST(events.find("sha256") == events.npos);
  BOOST_TEST(events.find("evil") == events.npos);
  BOOST_TEST(events.find(" keep-alive") != events.npos);
}

BOOST_AUTO_TEST_CASE(absolute_form_is_cut_to_origin_form_for_this_host_only) {
  BOOST_TEST(events_of(get("", "GET http://X/a?b HTTP/1.1")).starts_with("done GET /a|b "));
  BOOST_TEST(events_of(get("", "GET http://x HTTP/1.1")).starts_with("done GET /| "));
  BOOST_TEST(events_of(get("", "GET http://x?b HTTP/1.1")).starts_with("done GET /|b "));
  BOOST_TEST(status_of(get("", "GET http://y/a HTTP/1.1")) == 400);
  BOOST_TEST(status_of(get("", "GET http://x@y/a HTTP/1.1")) == 400);
}

BOOST_AUTO_TEST_CASE(each_refusal_has_its_status) {
  BOOST_TEST(status_of(get("", "PURGE / HTTP/1.1")) == 501);
  BOOST_TEST(status_of(get("", "get / HTTP/1.1")) == 501);
  BOOST_TEST(status_of(get("", "GET / HTTP/1.2")) == 505);
  BOOST_TEST(status_of(get("", "GET / HTTP/2.0")) == 505);
  BOOST_TEST(status_of(get("", "GET /" + std::string(4096, 'a') + " HTTP/1.1")) == 414);
  BOOST_TEST(status_of(get("", "GET /" + std::string(20000, 'a') + " HTTP/1.1")) == 414);
  BOOST_TEST(status_of(get("X: " + std::string(17000, 'a') + "\r\n")) == 431);
  BOOST_TEST(status_of("GET / HTTP/1.0\r\n\r\n") == 0);
  BOOST_TEST(status_of("GET / HTTP/1.1\r\n\r\n") == 400);
  BOOST_TEST(status_of(post("Expect: something\r\nContent-Length: 1\r\n", "a")) == 417);
  BOOST_TEST(status_of(post("Content-Length: 8193\r\n", "a")) == 413);
  BOOST_TEST(status_of(post("Content-Length: 999999999999\r\n", "a")) == 413);
  BOOST_TEST(status_of(post("Content-Length: 9999999999999\r\n", "a")) == 400);
  BOOST_TEST(status_of(chunked("2001\r\n")) == 413);
  BOOST_TEST(status_of(chunked("1fff\r\n" + std::string(8191, 'a') + "\r\n2\r\n")) == 413);
  BOOST_TEST(status_of(chunked("x\r\n")) == 400);
  BOOST_TEST(status_of(post("Transfer-Encoding: gzip\r\n")) == 501);
  BOOST_TEST(status_of(post("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")) == 400);
  BOOST_TEST(status_of(post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "a")) == 415);
  BOOST_TEST(status_of(post("Content-Encoding: identity\r\nContent-Length: 1\r\n", "a")) == 0);
}

BOOST_AUTO_TEST_CASE(limits_are_exact) {
  std::string lines;
  for (int i = 0; i < 99; ++i) lines += "X: y\r\n";
  BOOST_TEST(status_of(get(lines)) == 0);  // 100 with Host
  BOOST_TEST(status_of(get(lines + "X: y\r\n")) == 431);

  const std::size_t rest = get("X: \r\n").size();
  BOOST_TEST(status_of(get("X: " + std::string(Limits{}.head_bytes - rest, 'a') + "\r\n")) == 0);
  BOOST_TEST(status_of(get("X: " + std::string(Limits{}.head_bytes - rest + 1, 'a') + "\r\n")) ==
             431);

  BOOST_TEST(status_of(get("", "GET /" + std::string(4095, 'a') + " HTTP/1.1")) == 0);
  BOOST_TEST(count_of(events_of(chunked("2000\r\n" + std::string(8192, 'a') + "\r\n0\r\n\r\n")),
                      "done ") == 1u);
}

BOOST_AUTO_TEST_CASE(the_last_chunk_may_come_in_three_pieces) {
  // Beast 1.74 with assertions aborts on "0\r\n", "\r", "\n" where it is shown them as they come.
  const std::string head = chunked("");
  const std::string bytes = head + "0\r\n\r\n";
  BOOST_TEST(count_of(events_of(bytes, {head.size(), head.size() + 3, head.size() + 4}), "done ") ==
             1u);
}

BOOST_AUTO_TEST_CASE(a_declared_length_takes_no_memory) {
  const Limits limits;
  Framer framer(limits);
  const std::string bytes = post("Content-Length: 999999999999\r\n", "x");
  std::string_view rest = bytes;
  BOOST_TEST((framer.feed(rest) == Framer::Step::head));
  BOOST_TEST(framer.allow_body(std::size_t{1} << 40));
  BOOST_TEST((framer.feed(rest) == Framer::Step::more));
  BOOST_TEST(framer.request().body.capacity() <= 128u << 10);
  BOOST_TEST(framer.buffered() == 1u);
}

BOOST_AUTO_TEST_CASE(a_websocket_handshake_is_known_by_its_head) {
  const auto is_websocket = [](const std::string& bytes) {
    return events_of(bytes).find(" websocket") != std::string::npos;
  };
  BOOST_TEST(is_websocket(get("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n")));
  BOOST_TEST(!is_websocket(get("Upgrade: websocket\r\n")));
  BOOST_TEST(!is_websocket(get("Connection: Upgrade\r\nUpgrade: h2c\r\n")));
  BOOST_TEST(!is_websocket(post("Connection: Upgrade\r\nUpgrade: websocket\r\n")));
  BOOST_TEST(!is_websocket(
      get("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n") + "a"));
  BOOST_TEST(!is_websocket(get("Connection: Upgrade\r\nUpgrade: websocket\r\n", "GET / HTTP/1.0")));
}

BOOST_AUTO_TEST_CASE(one_framer_serves_requests_of_all_kinds_in_a_row) {
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += get("") + chunked("3\r\nabc\r\n0\r\n\r\n") + post("Content-Length: 3\r\n", "abc");
  }
  const std::string events = events_of(bytes);
  BOOST_TEST(count_of(events, "done ") == 150u);
  BOOST_TEST(count_of(events, "refused ") == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
