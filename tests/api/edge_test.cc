// What holds of every answer: ids, errors, methods, origins, sizes, health.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gateway/api/routes.h"
#include "tests/api/world.h"

namespace {

using api_test::random_id;
using api_test::World;
using api_test::WorldOptions;
using gateway::api::Origins;
using gateway::api::routes;

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string sample_path(std::string_view pattern) {
  std::string path(pattern);
  for (auto at = path.find('{'); at != std::string::npos; at = path.find('{')) {
    const auto end = path.find('}', at);
    const auto name = path.substr(at + 1, end - at - 1);
    path.replace(at, end - at + 1, name == "type" ? "telegram" : random_id());
  }
  return path;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(edge_of_the_api, World)

BOOST_AUTO_TEST_CASE(every_answer_has_an_id_and_every_error_body_the_same_one) {
  for (const auto& [method, target] :
       {std::pair{"GET", "/healthz"}, std::pair{"GET", "/nowhere"}, std::pair{"GET", "/"},
        std::pair{"DELETE", "/api/v1/channels/"}, std::pair{"GET", "/api/v1/channels/%2F"},
        std::pair{"GET", "/api/v1/channels/"}, std::pair{"POST", "/api/v1/auth/login"}}) {
    const auto result = call(method, target);
    const auto id = result.header("x-request-id");
    BOOST_TEST(id.size() == 36u, target);
    BOOST_TEST(result.header("x-content-type-options") == "nosniff");
    if (result.status >= 400) {
      BOOST_TEST(result.text("request_id") == id);
      BOOST_TEST(!result.text("detail").empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_client_cannot_choose_its_request_id) {
  const auto result = call("GET", "/healthz", "", "", {{"X-Request-Id", "mine"}});
  BOOST_TEST(result.header("x-request-id") != "mine");
}

BOOST_AUTO_TEST_CASE(unknown_methods_are_405_with_allow_on_every_path) {
  for (const auto& route : routes()) {
    const auto path = sample_path(route.pattern);
    const auto result = call("DELETE", path);
    if (result.status == 401) continue;  // this path knows it
    BOOST_TEST(result.status == 405, path);
    BOOST_TEST(result.header("allow").find(std::string(route.method)) != std::string::npos);
  }
  BOOST_TEST(call("PUT", "/api/v1/channels").header("allow") == "GET, HEAD, OPTIONS, POST");
}

BOOST_AUTO_TEST_CASE(both_forms_of_the_trailing_slash_answer_without_a_redirect) {
  const auto ada = owner();
  for (const std::string& path :
       std::vector<std::string>{"/api/v1/channels", "/api/v1/conversations", "/api/v1/auth/me",
                                "/healthz", "/api/v1/channels/types"}) {
    BOOST_TEST(call("GET", path, ada.token).status == 200, path);
    BOOST_TEST(call("GET", path + "/", ada.token).status == 200, path);
  }
}

BOOST_AUTO_TEST_CASE(head_answers_as_get_without_a_body) {
  const auto head = call("HEAD", "/healthz");
  BOOST_TEST(head.status == 200);
  BOOST_TEST(head.body.empty());
  BOOST_TEST(call("HEAD", "/api/v1/channels/").status == 401);
}

BOOST_AUTO_TEST_CASE(listed_origins_are_answered_exactly_and_no_others) {
  const auto ada = owner();
  const auto allowed = [&](const std::string& origin) {
    const auto result = call("GET", "/api/v1/channels/", ada.token, "", {{"Origin", origin}});
    BOOST_TEST(result.header("vary") == "Origin");
    BOOST_TEST(result.header("access-control-allow-credentials").empty());
    return result.header("access-control-allow-origin");
  };
  BOOST_TEST(allowed("https://app.acme.test") == "https://app.acme.test");
  for (const std::string& origin : std::vector<std::string>{
           "https://app.acme.test:443", "http://app.acme.test", "https://APP.acme.test",
           "https://app.acme.test.evil.test", "https://evil-app.acme.test",
           "https://app.acme.test/", "https://acme.test", "null", "*",
           "https://app.acme.test@evil.test", "app.acme.test", "https://app.acme.test."}) {
    BOOST_TEST(allowed(origin).empty(), origin);
  }
  BOOST_TEST(call("GET", "/api/v1/channels/", ada.token).header("vary") == "Origin");
}

BOOST_AUTO_TEST_CASE(a_preflight_is_answered_and_cached_for_ten_minutes) {
  for (const auto& route : routes()) {
    const auto result = call("OPTIONS", sample_path(route.pattern), "", "",
                             {{"Origin", "https://app.acme.test"},
                              {"Access-Control-Request-Method", std::string(route.method)},
                              {"Access-Control-Request-Headers", "authorization,content-type"}});
    if (route.origins == Origins::none) {
      BOOST_TEST(result.status == 405, route.operation);
      BOOST_TEST(result.header("access-control-allow-origin").empty());
      BOOST_TEST(result.header("access-control-allow-methods").empty());
      continue;
    }
    BOOST_TEST(result.status == 204, route.operation);
    BOOST_TEST(result.header("access-control-max-age") == "600");
    BOOST_TEST(result.header("access-control-allow-methods").find(std::string(route.method)) !=
               std::string::npos);
    BOOST_TEST(result.header("access-control-allow-headers") ==
               "Authorization, Content-Type, Idempotency-Key");
    BOOST_TEST(result.header("access-control-allow-origin") ==
               (route.origins == Origins::any ? "*" : "https://app.acme.test"));
  }
}

BOOST_AUTO_TEST_CASE(errors_are_readable_for_the_dashboard_too) {
  const auto result =
      call("GET", "/api/v1/channels/", "", "", {{"Origin", "https://app.acme.test"}});
  BOOST_TEST(result.status == 401);
  BOOST_TEST(result.header("access-control-allow-origin") == "https://app.acme.test");
}

BOOST_AUTO_TEST_CASE(compressed_or_foreign_bodies_are_415) {
  const std::string body = R"({"email":"a@b.test","password":"supersecret"})";
  for (const std::string& coding :
       std::vector<std::string>{"gzip", "br", "deflate", "identity, gzip"}) {
    BOOST_TEST(
        call("POST", "/api/v1/auth/login", "", body, {{"Content-Encoding", coding}}).status == 415);
  }
  BOOST_TEST(
      call("POST", "/api/v1/auth/login", "", body, {{"Content-Encoding", "identity"}}).status ==
      401);
  test_support::HttpClient client(port());
  const auto typed = [&](const std::string& type) {
    return client.call("POST", "/api/v1/auth/login", {{"Content-Type", type}}, body).status;
  };
  BOOST_TEST(typed("application/x-www-form-urlencoded") == 415);
  BOOST_TEST(typed("text/plain") == 415);
  BOOST_TEST(typed("application/json; charset=utf-8") == 401);
  BOOST_TEST(client.call("POST", "/api/v1/auth/login", {}, body).status == 401);
}

BOOST_AUTO_TEST_CASE(bodies_are_bounded_by_route) {
  const auto ada = owner();
  const auto padded = [](std::size_t bytes) {
    std::string body = R"({"content":"x","pad":")";
    body += std::string(bytes - body.size() - 2, 'x') + "\"}";
    return body;
  };
  widget(ada);
  const auto id = call("POST", "/api/v1/conversations/", ada.token,
                       R"({"business_id":")" + ada.business + "\"}")
                      .text("id");
  const auto target = "/api/v1/conversations/" + id + "/messages";
  BOOST_TEST(call("POST", target, ada.token, padded(256u << 10)).status == 201);
  BOOST_TEST(call("POST", target, ada.token, padded((256u << 10) + 1)).status == 413);
  // Of a connector that names no limit: 4 MiB (connector_abi.h); the other's is 5 MiB.
  const auto hook = "/api/v1/webhooks/telegram/" + random_id();
  BOOST_TEST(call("POST", hook, "", std::string(4u << 20, 'x')).status == 200);
  BOOST_TEST(call("POST", hook, "", std::string((4u << 20) + 1, 'x')).status == 413);
  for (const std::string& other :
       {"/api/v1/webhooks/whatsapp/" + random_id(), std::string("/api/v1/webhooks/whatsapp")}) {
    BOOST_TEST(call("POST", other, "", std::string(5u << 20, 'x')).status == 200);
    BOOST_TEST(call("POST", other, "", std::string((5u << 20) + 1, 'x')).status == 413);
  }
  const auto nobodys = "/api/v1/webhooks/fax/" + random_id();
  BOOST_TEST(call("POST", nobodys, "", std::string((256u << 10) + 1, 'x')).status == 413);
}

BOOST_AUTO_TEST_CASE(a_body_that_is_too_large_is_refused_to_whoever_may_read_the_answers) {
  const std::string large((256u << 10) + 1, 'x');
  const auto refused = [&](const std::string& target, const std::string& origin) {
    const auto result = call("POST", target, "", large, {{"Origin", origin}});
    BOOST_TEST(result.status == 413, target);
    BOOST_TEST(result.header("access-control-allow-credentials").empty());
    return result;
  };
  // A visitor's page may be anywhere; a dashboard's origin is listed; a platform's server has none.
  const auto of_visitors = "/api/v1/widget/" + random_id() + "/messages";
  BOOST_TEST(refused(of_visitors, "https://shop.test").header("access-control-allow-origin") ==
             "*");
  const auto of_agents = "/api/v1/conversations/" + random_id() + "/messages";
  const auto listed = refused(of_agents, "https://app.acme.test");
  BOOST_TEST(listed.header("access-control-allow-origin") == "https://app.acme.test");
  BOOST_TEST(listed.header("vary") == "Origin");
  BOOST_TEST(refused(of_agents, "https://evil.test").header("access-control-allow-origin").empty());
  for (const std::string& closed :
       {"/api/v1/webhooks/fax/" + random_id(), std::string("/api/v1/nowhere")}) {
    const auto result = refused(closed, "https://app.acme.test");
    BOOST_TEST(result.header("access-control-allow-origin").empty(), closed);
    BOOST_TEST(result.header("vary").empty(), closed);
  }
}

BOOST_AUTO_TEST_CASE(json_is_bounded_in_depth_and_nodes) {
  const auto ada = owner();
  std::string deep = "1";
  for (int i = 0; i < 64; ++i) deep = R"({"a":)" + deep + "}";
  BOOST_TEST(call("POST", "/api/v1/widget/create", ada.token, deep).status == 400);
  std::string wide = R"({"domain":"a.com","x":[0)";
  for (int i = 0; i < 20'000; ++i) wide += ",0";
  BOOST_TEST(call("POST", "/api/v1/widget/create", ada.token, wide + "]}").status == 400);
}

BOOST_AUTO_TEST_CASE(webhooks_reach_the_receiver_with_and_without_a_key) {
  const auto id = random_id();
  const auto path = "/api/v1/webhooks/telegram/" + id;
  BOOST_TEST(call("POST", path, "", "{}").status == 200);
  BOOST_TEST(call("GET", path + "/s3cret-key?hub.mode=subscribe").status == 200);
  BOOST_TEST(call("POST", path + "/s3cret-key/", "", "{\"a\":1}").status == 200);
  BOOST_TEST(receiver.deliveries ==
                 (std::vector<std::string>{"POST telegram " + id + " " + path + " 2",
                                           "GET telegram " + id + " " + path + "/s3cret-key 0",
                                           "POST telegram " + id + " " + path + "/s3cret-key/ 7"}),
             boost::test_tools::per_element());
  for (const std::string& unknown : std::vector<std::string>{
           "/api/v1/webhooks/fax/" + id, "/api/v1/webhooks/widget/" + id,
           "/api/v1/webhooks/sms/" + id, std::string("/api/v1/webhooks/telegram/7"),
           std::string("/api/v1/webhooks/telegram"), std::string("/api/v1/webhooks/")}) {
    BOOST_TEST(call("POST", unknown, "", "{}").status == 404, unknown);
  }
  BOOST_TEST(call("PUT", path, "", "{}").status == 405);
  const auto form = test_support::HttpClient(port()).call(
      "POST", path, {{"Content-Type", "application/x-www-form-urlencoded"}}, "a=b");
  BOOST_TEST(form.status == 200);
  BOOST_TEST(call("POST", path, "", "{}", {{"Content-Encoding", "gzip"}}).status == 415);
  BOOST_TEST(receiver.deliveries.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_shared_webhook_exists_only_where_the_connector_shares_its_url) {
  BOOST_TEST(call("POST", "/api/v1/webhooks/whatsapp", "", "{}").status == 200);
  BOOST_TEST(call("GET", "/api/v1/webhooks/whatsapp/?hub.mode=subscribe").status == 200);
  BOOST_TEST(call("PUT", "/api/v1/webhooks/whatsapp", "", "{}").status == 405);
  for (const char* other : {"telegram", "sms", "fax"}) {
    BOOST_TEST(call("POST", std::string("/api/v1/webhooks/") + other, "", "{}").status == 404);
  }
  BOOST_TEST(receiver.deliveries ==
                 (std::vector<std::string>{"POST whatsapp - /api/v1/webhooks/whatsapp 2",
                                           "GET whatsapp - /api/v1/webhooks/whatsapp/ 0"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(socket_io_is_answered_501_whatever_is_asked) {
  BOOST_TEST(call("GET", "/socket.io/?EIO=4&transport=polling").status == 501);
  BOOST_TEST(call("GET", "/socket.io?EIO=4").status == 501);
  BOOST_TEST(call("POST", "/socket.io/?EIO=4&transport=polling&sid=x", "", "{}").status == 501);
  const auto upgrade = call("GET", "/socket.io/?EIO=4&transport=websocket", "", "",
                            {{"Connection", "Upgrade"},
                             {"Upgrade", "websocket"},
                             {"Sec-WebSocket-Version", "13"},
                             {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}});
  BOOST_TEST(upgrade.status == 501);
  BOOST_TEST(!upgrade.text("request_id").empty());
}

BOOST_AUTO_TEST_CASE(metrics_count_requests_by_route_and_outcome) {
  call("GET", "/healthz");
  call("GET", "/api/v1/channels/");
  const auto metrics_text = call("GET", "/metrics");
  BOOST_TEST(metrics_text.status == 200);
  BOOST_TEST(metrics_text.header("content-type").starts_with("text/plain; version=0.0.4"));
  BOOST_TEST(
      metrics_text.body.find(
          R"(backchannel_http_requests_total{method="GET",route="/healthz",status="2xx"} 1)") !=
      std::string::npos);
  BOOST_TEST(
      metrics_text.body.find(
          R"(backchannel_http_requests_total{method="GET",route="/api/v1/channels/",status="4xx"} 1)") !=
      std::string::npos);
}

BOOST_AUTO_TEST_CASE(no_error_tells_of_the_inside) {
  const auto ada = owner();
  for (const auto& [method, target, body] : std::vector<std::array<std::string, 3>>{
           {"POST", "/api/v1/auth/register", R"({"email":"a'--@b.test"})"},
           {"POST", "/api/v1/widget/create", R"({"domain":"a.com","config":{"n":1e999999}})"},
           {"POST", "/api/v1/widget/create", "{\"domain\":\"\xff\"}"},
           {"GET", "/api/v1/conversations/?before=1_" + random_id() + "'", ""},
           {"GET", "/api/v1/conversations/?page=99999999999999999999", ""},
           {"GET", "/api/v1/channels/' or '1'='1", ""},
           {"PATCH", "/api/v1/channels/" + random_id(), "{"}}) {
    std::string escaped;
    for (const char c : target) escaped += c == ' ' ? std::string("%20") : std::string(1, c);
    const auto result = call(method, escaped, ada.token, body);
    BOOST_TEST(result.status >= 400, target);
    BOOST_TEST(result.status < 500, target);
    for (const std::string& word : std::vector<std::string>{
             "SQL", "sql", "postgres", "Postgres", "psql", "syntax", "libpq", "gateway/", ".cc",
             "terminate", "22P", "RapidJSON", "rapidjson", "relation", "backtrace", "pistache"}) {
      BOOST_TEST(result.body.find(word) == std::string::npos, result.body);
    }
  }
}

BOOST_AUTO_TEST_CASE(ready_follows_the_database_and_the_drain_within_a_second_and_health_neither) {
  BOOST_TEST(eventually([&] { return call("GET", "/readyz").status == 200; }));
  const auto name = value("select current_database()");
  // Nobody gets in, and who is in goes.
  const auto postgres = test_support::TempPostgres::shared().conninfo("postgres", "postgres");
  gateway::store::Session admin({.conninfo = gateway::Secret(postgres)});
  const auto cut = admin.script("alter database " + name + " with allow_connections false");
  BOOST_TEST_REQUIRE(cut.has_value(), test_support::why(cut));
  const auto ended = admin.script(
      "select pg_terminate_backend(pid) from pg_stat_activity"
      " where datname = '" +
      name + "'");
  BOOST_TEST_REQUIRE(ended.has_value(), test_support::why(ended));
  const auto lost = std::chrono::steady_clock::now();
  BOOST_TEST(eventually([&] { return call("GET", "/readyz").status == 503; }));
  BOOST_TEST((std::chrono::steady_clock::now() - lost < std::chrono::milliseconds(1'500)));
  BOOST_TEST(call("GET", "/healthz").status == 200);
  const auto busy = call("GET", "/api/v1/widget/" + random_id());
  BOOST_TEST(busy.status == 503);
  BOOST_TEST(!busy.header("retry-after").empty());
  const auto back = admin.script("alter database " + name + " with allow_connections true");
  BOOST_TEST_REQUIRE(back.has_value(), test_support::why(back));
  BOOST_TEST(eventually([&] { return call("GET", "/readyz").status == 200; }));
  BOOST_TEST(
      eventually([&] { return call("GET", "/api/v1/widget/" + random_id()).status == 404; }));
  readiness->drain();
  BOOST_TEST(call("GET", "/readyz").status == 503);
  BOOST_TEST(call("GET", "/healthz").status == 200);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(edge_under_load)

BOOST_AUTO_TEST_CASE(a_full_queue_is_503_with_retry_after_and_never_a_lost_request) {
  WorldOptions options;
  options.workers = 1;
  options.queue = 2;
  World world(options);
  const auto ada = world.owner();
  std::atomic<int> ok{0};
  std::atomic<int> busy{0};
  api_test::together(40, [&](int) {
    const auto result = world.call("GET", "/api/v1/conversations/", ada.token);
    if (result.status == 200) ++ok;
    if (result.status == 503 && !result.header("retry-after").empty()) ++busy;
  });
  BOOST_TEST(ok + busy == 40);
  BOOST_TEST(ok > 0);
}

BOOST_AUTO_TEST_CASE(a_star_admits_every_origin_without_credentials) {
  WorldOptions options;
  options.cors_origins = {"*"};
  World world(options);
  const auto result =
      world.call("GET", "/api/v1/channels/", "", "", {{"Origin", "https://any.test"}});
  BOOST_TEST(result.header("access-control-allow-origin") == "*");
  BOOST_TEST(result.header("access-control-allow-credentials").empty());
}

BOOST_AUTO_TEST_SUITE_END()
