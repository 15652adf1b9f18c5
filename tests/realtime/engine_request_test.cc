// What a request to an Engine.IO path may be, and the answers that are no payloads. Codes and their
// order as the reference server has them (packages/engine.io/lib/server.ts of
// https://github.com/socketio/socket.io, read 2026-11-21).
#include <string>

#include <boost/test/unit_test.hpp>

#include "gateway/realtime/engine_request.h"

namespace {

using namespace gateway::realtime;
namespace http = gateway::http;

http::Request request(std::string method, std::string query, http::Headers headers = {}) {
  http::Request made;
  made.method = std::move(method);
  made.path = "/socket.io/";
  made.query = std::move(query);
  made.headers = std::move(headers);
  return made;
}

int code(const http::Request& asked, bool is_upgrade = false) {
  const auto read = read_request(asked, is_upgrade);
  return read.request ? -1 : static_cast<int>(read.error);
}

std::string header(const http::Response& response, std::string_view name) {
  for (const auto& [each, value] : response.headers) {
    if (each == name) return value;
  }
  return "-";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_request)

BOOST_AUTO_TEST_CASE(a_handshake_is_a_get_with_a_known_transport) {
  BOOST_TEST(code(request("GET", "EIO=4&transport=polling")) == -1);
  BOOST_TEST(code(request("GET", "EIO=4&transport=polling&t=Nx3k")) == -1);
  BOOST_TEST(code(request("GET", "EIO=4&transport=websocket"), true) == -1);
}

BOOST_AUTO_TEST_CASE(a_transport_that_is_missing_or_unknown_is_code_0) {
  BOOST_TEST(code(request("GET", "EIO=4")) == 0);
  BOOST_TEST(code(request("GET", "EIO=4&transport=abc")) == 0);
  BOOST_TEST(code(request("GET", "EIO=4&transport=webtransport")) == 0);
  BOOST_TEST(code(request("GET", "")) == 0);
}

BOOST_AUTO_TEST_CASE(a_handshake_by_another_method_is_code_2) {
  BOOST_TEST(code(request("POST", "EIO=4&transport=polling")) == 2);
  BOOST_TEST(code(request("PUT", "EIO=4&transport=polling")) == 2);
  BOOST_TEST(code(request("POST", "EIO=4&transport=polling&sid=x")) == -1);
}

BOOST_AUTO_TEST_CASE(a_transport_that_is_not_the_requests_is_code_3) {
  BOOST_TEST(code(request("GET", "EIO=4&transport=websocket")) == 3);
  BOOST_TEST(code(request("GET", "EIO=4&transport=polling"), true) == 3);
  BOOST_TEST(code(request("GET", "EIO=4&transport=polling", {{"origin", "a\x7f"}})) == 3);
  BOOST_TEST(code(request("GET", "EIO=4&transport=polling&j=0")) == 3);
}

BOOST_AUTO_TEST_CASE(only_version_4_is_spoken) {
  for (const char* version : {"", "&EIO=3", "&EIO=5", "&EIO=abc", "&EIO=04"}) {
    const auto read =
        read_request(request("GET", std::string("transport=polling") + version), false);
    BOOST_TEST_REQUIRE(read.request.has_value());
    BOOST_TEST(!read.request->is_version_4);
  }
}

BOOST_AUTO_TEST_CASE(errors_are_the_json_that_clients_know) {
  const auto unknown = error_answer(EngineError::unknown_sid);
  BOOST_TEST(unknown.status == 400);
  BOOST_TEST(unknown.body == R"({"code":1,"message":"Session ID unknown"})");
  BOOST_TEST(header(unknown, "Content-Type") == "application/json");
  BOOST_TEST(error_answer(EngineError::unknown_transport).body ==
             R"({"code":0,"message":"Transport unknown"})");
  BOOST_TEST(error_answer(EngineError::bad_method).body ==
             R"({"code":2,"message":"Bad handshake method"})");
  BOOST_TEST(error_answer(EngineError::bad_request).body ==
             R"({"code":3,"message":"Bad request"})");
  BOOST_TEST(error_answer(EngineError::unsupported_version).body ==
             R"({"code":5,"message":"Unsupported protocol version"})");
  const auto forbidden = error_answer(EngineError::forbidden, "Too many sessions");
  BOOST_TEST(forbidden.status == 403);
  BOOST_TEST(forbidden.body == R"({"code":4,"message":"Too many sessions"})");
}

BOOST_AUTO_TEST_CASE(every_origin_may_read_without_credentials) {
  auto response = payload_answer("4a");
  allow_origin(response, {}, "https://shop.example");
  BOOST_TEST(header(response, "Access-Control-Allow-Origin") == "*");
  BOOST_TEST(header(response, "Access-Control-Allow-Credentials") == "-");
  BOOST_TEST(header(response, "Content-Type") == "text/plain; charset=UTF-8");
  BOOST_TEST(header(response, "Cache-Control") == "no-store");
}

BOOST_AUTO_TEST_CASE(or_those_of_a_list_exactly) {
  const Cors cors{{"https://desk.example"}, true};
  auto response = payload_answer("4a");
  allow_origin(response, cors, "https://desk.example");
  BOOST_TEST(header(response, "Access-Control-Allow-Origin") == "https://desk.example");
  BOOST_TEST(header(response, "Access-Control-Allow-Credentials") == "true");
  BOOST_TEST(header(response, "Vary") == "Origin");
  response = payload_answer("4a");
  allow_origin(response, cors, "https://desk.example.evil");
  BOOST_TEST(header(response, "Access-Control-Allow-Origin") == "-");
  BOOST_TEST(header(response, "Vary") == "Origin");
}

BOOST_AUTO_TEST_CASE(a_preflight_is_answered_without_a_look_at_the_session) {
  const auto answer = preflight_answer(
      request("OPTIONS", "", {{"access-control-request-headers", "authorization"}}));
  BOOST_TEST(answer.status == 204);
  BOOST_TEST(answer.body == "");
  BOOST_TEST(header(answer, "Access-Control-Allow-Methods") == "GET,POST");
  BOOST_TEST(header(answer, "Access-Control-Allow-Headers") == "authorization");
}

BOOST_AUTO_TEST_SUITE_END()
