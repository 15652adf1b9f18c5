// What left this machine and what did not, against a server that breaks at every point.
#include "gateway/outbound/http_client.h"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/http_server.h"

using connector::Call;
using connector::Response;
using gateway::Metrics;
using gateway::outbound::EgressPolicy;
using gateway::outbound::HttpClient;
using gateway::outbound::HttpLimits;
using test_support::closed_port;
using test_support::HttpAnswer;
using test_support::HttpRequest;
using test_support::HttpServer;
using Fault = test_support::HttpAnswer::Fault;
using Accept = test_support::HttpServer::Accept;

namespace {

constexpr const char* kPlatform = "https://platform.example";

HttpLimits quick() {
  HttpLimits limits;
  limits.connect = std::chrono::milliseconds(1'000);
  limits.total = std::chrono::milliseconds(2'000);
  return limits;
}

struct Client {
  explicit Client(const std::string& origin, HttpLimits limits = quick())
      : policy(EgressPolicy::create({{kPlatform, origin}}).value()),
        http(policy, metrics, limits) {}

  std::optional<Response> run(Call call) {
    auto answer = std::make_shared<std::optional<Response>>();
    auto started = http.start(std::move(call), [answer](Response r) { *answer = std::move(r); });
    if (!started) return std::nullopt;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!*answer && std::chrono::steady_clock::now() < end) {
      http.poll(std::chrono::milliseconds(50));
    }
    return *answer;
  }
  double refused() { return metrics.counter("backchannel_egress_refused_total", "").value(); }

  Metrics metrics;
  EgressPolicy policy;
  HttpClient http;
};

Call get(const std::string& path = "/") {
  Call call;
  call.url = kPlatform + path;
  return call;
}

Call post(std::string body, const std::string& path = "/send") {
  Call call = get(path);
  call.method = "POST";
  call.headers = {{"Content-Type", "application/json"}};
  call.body = std::move(body);
  return call;
}

HttpAnswer ok(const HttpRequest&) { return {.body = "ok"}; }

}  // namespace

BOOST_AUTO_TEST_SUITE(http_client)

BOOST_AUTO_TEST_CASE(a_call_arrives_as_the_connector_made_it) {
  HttpServer server([](const HttpRequest&) {
    return HttpAnswer{.status = 201, .headers = {{"X-Name", " value "}}, .body = "{\"ok\":true}"};
  });
  Client client(server.origin());
  Call call = post("{\"text\":\"hi\"}", "/bot1:x/sendMessage?a=b");
  call.headers.emplace_back("X-Custom", "one");
  call.headers.emplace_back("X-Custom", "two");
  call.headers.emplace_back("X-Empty", "");
  const auto answer = client.run(call);
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 201);
  BOOST_TEST(answer->header("x-name") == "value");
  BOOST_TEST(answer->body == "{\"ok\":true}");
  const auto requests = server.requests();
  BOOST_TEST_REQUIRE(requests.size() == 1u);
  BOOST_TEST(requests[0].method == "POST");
  BOOST_TEST(requests[0].target == "/bot1:x/sendMessage?a=b");
  BOOST_TEST(requests[0].header("content-type") == "application/json");
  BOOST_TEST(requests[0].header("content-length") == "13");
  BOOST_TEST(requests[0].header("accept-encoding") == "");
  BOOST_TEST(requests[0].header("expect") == "");
  BOOST_TEST(requests[0].body == "{\"text\":\"hi\"}");
  int custom = 0;
  int empty = 0;
  for (const auto& [name, value] : requests[0].headers) {
    custom += name == "x-custom";
    empty += name == "x-empty" && value.empty();
  }
  BOOST_TEST(custom == 2);
  BOOST_TEST(empty == 1);
}

BOOST_AUTO_TEST_CASE(every_method_has_its_body_and_no_invented_content_type) {
  HttpServer server(ok);
  Client client(server.origin());
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    for (const char* body : {"", "x=y"}) {
      Call call = get();
      call.method = method;
      call.body = body;
      BOOST_TEST_CONTEXT(method << " '" << body << "'") {
        const auto answer = client.run(call);
        BOOST_TEST_REQUIRE(answer.has_value());
        BOOST_TEST(answer->status == 200);
        const auto request = server.requests().back();
        BOOST_TEST(request.method == method);
        BOOST_TEST(request.body == body);
        BOOST_TEST(request.header("content-type") == "");
      }
    }
  }
  Call head = get();
  head.method = "HEAD";
  HttpServer empty([](const HttpRequest&) { return HttpAnswer{.status = 204}; });
  Client other(empty.origin());
  BOOST_TEST(other.run(head)->status == 204);
}

BOOST_AUTO_TEST_CASE(a_large_body_arrives_whole_and_without_waiting_for_100) {
  HttpServer server([](const HttpRequest& request) {
    return HttpAnswer{.body = std::to_string(request.body.size())};
  });
  Client client(server.origin());
  const auto answer = client.run(post(std::string(5u << 20, 'x')));
  BOOST_TEST(answer->body == std::to_string(5u << 20));
}

BOOST_AUTO_TEST_CASE(not_sent_is_true_only_where_nothing_left) {
  struct Row {
    const char* name;
    Accept accept;
    Fault fault;
    std::int32_t status;
    bool not_sent;
  };
  // A connection that is accepted and then reset may have taken the request with it.
  const Row rows[] = {
      {"reset instead of an answer", Accept::serve, Fault::reset, 0, false},
      {"end instead of an answer", Accept::serve, Fault::close, 0, false},
      {"no answer in time", Accept::serve, Fault::silence, 0, false},
      {"end within the answer's body", Accept::serve, Fault::short_body, 0, false},
      {"reset within the answer's body", Accept::serve, Fault::reset_in_body, 0, false},
      {"reset in the middle of the request", Accept::reset_at_first_byte, Fault::none, 0, false},
      {"accepted and never read", Accept::ignore, Fault::none, 0, false},
      {"a good answer", Accept::serve, Fault::none, 200, false},
  };
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(row.name) {
      HttpServer server([&](const HttpRequest&) { return HttpAnswer{.fault = row.fault}; },
                        row.accept);
      Client client(server.origin());
      const std::string body =
          row.accept == Accept::reset_at_first_byte ? std::string(4u << 20, 'x') : "{}";
      const auto answer = client.run(post(body));
      BOOST_TEST_REQUIRE(answer.has_value());
      BOOST_TEST(answer->status == row.status);
      BOOST_TEST(answer->not_sent == row.not_sent);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_refused_connection_is_not_sent) {
  Client client("http://127.0.0.1:" + std::to_string(closed_port()));
  const auto answer = client.run(post("{}"));
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 0);
  BOOST_TEST(answer->not_sent);
}

BOOST_AUTO_TEST_CASE(a_name_that_does_not_resolve_is_not_sent) {
  Client client("http://nowhere.invalid:80");
  const auto answer = client.run(post("{}"));
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 0);
  BOOST_TEST(answer->not_sent);
}

BOOST_AUTO_TEST_CASE(a_failed_tls_handshake_is_not_sent) {
  HttpServer server(ok);  // speaks no TLS
  HttpServer mute(ok, Accept::ignore);
  HttpServer rude(ok, Accept::reset);
  for (const int port : {server.port(), mute.port(), rude.port()}) {
    Client client("https://127.0.0.1:" + std::to_string(port));
    const auto answer = client.run(post("{\"text\":\"private\"}"));
    BOOST_TEST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 0);
    BOOST_TEST(answer->not_sent);
  }
  BOOST_TEST(server.requests().empty());
}

BOOST_AUTO_TEST_CASE(a_post_is_never_repeated_on_a_connection_that_went_stale) {
  // The first answer keeps the connection; the second request on it meets a reset. libcurl would
  // send it again by itself.
  std::atomic<int> calls{0};
  HttpServer server([&](const HttpRequest&) {
    return ++calls == 2 ? HttpAnswer{.fault = Fault::reset} : HttpAnswer{.body = "ok"};
  });
  Client client(server.origin());
  BOOST_TEST(client.run(post("1"))->status == 200);
  const auto second = client.run(post("2"));
  BOOST_TEST(second->status == 0);
  BOOST_TEST(!second->not_sent);
  BOOST_TEST(server.count("/send") == 2);
  BOOST_TEST(client.run(post("3"))->status == 200);
  BOOST_TEST(server.count("/send") == 3);
}

BOOST_AUTO_TEST_CASE(an_answer_is_cut_at_its_limit) {
  HttpLimits limits = quick();
  limits.answer_bytes = 100'000;
  HttpServer server([](const HttpRequest&) { return HttpAnswer{.fault = Fault::endless}; });
  Client client(server.origin(), limits);
  const auto answer = client.run(get());
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status == 200);
  BOOST_TEST(answer->body.size() == 100'000u);
}

BOOST_AUTO_TEST_CASE(a_call_says_how_much_of_its_answer_it_wants) {
  HttpServer server(
      [](const HttpRequest&) { return HttpAnswer{.body = std::string(5u << 20, 'x')}; });
  Client client(server.origin());
  Call call = get();
  BOOST_TEST(client.run(call)->body.size() == std::size_t{1} << 20);
  call.answer_bytes = 10;
  BOOST_TEST(client.run(call)->body.size() == 10u);
  call.answer_bytes = 6 << 20;
  BOOST_TEST(client.run(call)->body.size() == std::size_t{5} << 20);
  call.answer_bytes = std::int64_t{1} << 40;
  BOOST_TEST(client.http.answer_limit(call) == std::size_t{40} << 20);
  // What may be long has more time.
  BOOST_TEST(client.http.time_limit(get()).count() == 2'000);
  BOOST_TEST(client.http.time_limit(call).count() == 60'000);
  BOOST_TEST(client.http.time_limit(post(std::string(2u << 20, 'x'))).count() == 60'000);
  Call mail;
  mail.url = "smtp://mail.example:587";
  BOOST_TEST(client.http.time_limit(mail).count() == 60'000);
}

BOOST_AUTO_TEST_CASE(endless_answer_headers_are_no_answer) {
  HttpAnswer answer;
  for (int i = 0; i < 3'000; ++i) answer.headers.emplace_back("x-fill", std::string(60, 'y'));
  HttpServer server([&](const HttpRequest&) { return answer; });
  Client client(server.origin());
  BOOST_TEST(client.run(get())->status == 0);
}

BOOST_AUTO_TEST_CASE(redirects_are_answers) {
  HttpServer inner(ok);
  HttpServer server([&](const HttpRequest&) {
    return HttpAnswer{.status = 302, .headers = {{"Location", inner.origin() + "/"}}};
  });
  Client client(server.origin());
  const auto answer = client.run(get());
  BOOST_TEST(answer->status == 302);
  BOOST_TEST(inner.connections() == 0);
}

BOOST_AUTO_TEST_CASE(no_form_of_an_inner_host_is_connected_to) {
  HttpServer inner(ok);
  // The listener's port is open here, so that only the address stands between.
  Metrics metrics;
  const auto policy = EgressPolicy::create({}, {}, {443, inner.port()}).value();
  HttpClient http(policy, metrics, quick());
  const std::string port = std::to_string(inner.port());
  const char* const hosts[] = {"127.0.0.1",
                               "127.1",
                               "2130706433",
                               "0x7f000001",
                               "0177.0.0.1",
                               "0",
                               "0.0.0.0",
                               "localhost",
                               "localhost.",
                               "LOCALHOST",
                               "127.0.0.1.",
                               "[::1]",
                               "[::]",
                               "[::ffff:127.0.0.1]",
                               "[::ffff:7f00:1]",
                               "[0:0:0:0:0:ffff:127.0.0.1]",
                               "[::127.0.0.1]",
                               "[64:ff9b::7f00:1]",
                               "[fe80::1%25lo]",
                               "169.254.169.254",
                               "[fd00:ec2::254]",
                               "0x7f.1",
                               "017700000001",
                               "127.000.000.001"};
  int answered = 0;
  int started = 0;
  for (const char* host : hosts) {
    Call call = get();
    call.url = std::string("https://") + host + ":" + port + "/";
    BOOST_TEST_CONTEXT(host) {
      const auto begun = http.start(call, [&](const Response& answer) {
        ++answered;
        BOOST_TEST(answer.status == 0);
        BOOST_TEST(answer.not_sent);
      });
      started += begun ? 1 : 0;
    }
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (http.in_flight() > 0 && std::chrono::steady_clock::now() < end) {
    http.poll(std::chrono::milliseconds(50));
  }
  BOOST_TEST(answered == started);
  BOOST_TEST(started > 15);
  BOOST_TEST(inner.connections() == 0);

  // The listener does count: an operator's own rewriting reaches it.
  Client allowed("https://127.0.0.1:" + port);
  BOOST_TEST(allowed.run(get())->not_sent);
  BOOST_TEST(inner.connections() == 1);
}

BOOST_AUTO_TEST_CASE(a_proxy_of_the_environment_is_not_used) {
  HttpServer proxy(ok);
  HttpServer server(ok);
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"}) {
    setenv(name, proxy.origin().c_str(), 1);
  }
  {
    Client client(server.origin());
    BOOST_TEST(client.run(get())->status == 200);
    Call direct = get();
    direct.url = "https://127.0.0.1/";
    BOOST_TEST(client.run(direct)->not_sent);
  }
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"}) {
    unsetenv(name);
  }
  BOOST_TEST(proxy.connections() == 0);
}

BOOST_AUTO_TEST_CASE(a_connection_of_a_rewritten_target_is_not_lent_to_others) {
  HttpServer server(ok);
  Client client(server.origin());
  BOOST_TEST(client.run(get())->status == 200);
  Call direct = get();
  direct.url = server.origin() + "/";
  BOOST_TEST(!client.run(direct).has_value());
  BOOST_TEST(server.requests().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_call_that_cannot_be_made_is_refused_at_once) {
  HttpServer server(ok);
  Client client(server.origin());
  const auto with_header = [&](const char* name, const char* value) {
    Call call = post("{}");
    call.headers = {{name, value}};
    return call;
  };
  BOOST_TEST(!client.run(with_header("X-A", "b\r\nX-C: d")).has_value());
  BOOST_TEST(!client.run(with_header("X A", "b")).has_value());
  BOOST_TEST(!client.run(with_header("", "b")).has_value());
  BOOST_TEST(!client.run(with_header("Host", "inner")).has_value());
  BOOST_TEST(!client.run(with_header("content-length", "5")).has_value());
  BOOST_TEST(!client.run(with_header("Transfer-Encoding", "chunked")).has_value());
  Call method = get();
  method.method = "GET /x HTTP/1.1\r\nX:";
  BOOST_TEST(!client.run(method).has_value());
  BOOST_TEST(!client.run(post(std::string(41u << 20, 'x'))).has_value());
  BOOST_TEST(server.connections() == 0);
  BOOST_TEST(client.http.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(cancelled_calls_are_answered_and_told_apart) {
  HttpServer server([](const HttpRequest&) { return HttpAnswer{.fault = Fault::silence}; });
  Client client(server.origin());
  std::optional<Response> waiting;
  std::optional<Response> unborn;
  BOOST_TEST(client.http.start(post("1"), [&](Response r) { waiting = r; }).has_value());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server.requests().empty() && std::chrono::steady_clock::now() < end) {
    client.http.poll(std::chrono::milliseconds(20));
  }
  BOOST_TEST(client.http.start(post("2"), [&](Response r) { unborn = r; }).has_value());
  client.http.cancel();
  BOOST_TEST_REQUIRE(waiting.has_value());
  BOOST_TEST_REQUIRE(unborn.has_value());
  BOOST_TEST(waiting->status == 0);
  BOOST_TEST(!waiting->not_sent);
  BOOST_TEST(unborn->status == 0);
  BOOST_TEST(unborn->not_sent);
  BOOST_TEST(client.http.in_flight() == 0u);
}

BOOST_AUTO_TEST_CASE(wake_ends_a_poll) {
  Client client("http://127.0.0.1:1");
  client.http.wake();
  const auto before = std::chrono::steady_clock::now();
  client.http.poll(std::chrono::seconds(30));
  BOOST_TEST((std::chrono::steady_clock::now() - before < std::chrono::seconds(10)));
}

BOOST_AUTO_TEST_SUITE_END()
