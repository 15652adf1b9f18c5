// The edge behind nginx with the configuration that ships in deploy/nginx: what nginx lets through
// is run once and answered to the client that asked. Fails where nginx is not installed.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "tests/http/edge_fixture.h"
#include "tests/http/framing_vectors.h"
#include "tests/http/http_client.h"
#include "tests/http/proxy.h"

namespace {

using probe::Client;
using probe::Edge;
using probe::eventually;
using probe::Folder;
using probe::free_port;
using probe::get;
using probe::milliseconds;
using probe::Nginx;
using probe::Program;
using probe::read_file;
using probe::replace_all;

const std::filesystem::path kShipped = probe::deploy_folder() / "nginx";

}  // namespace

BOOST_AUTO_TEST_SUITE(behind_nginx)

BOOST_AUTO_TEST_CASE(the_shipped_configuration_is_valid) {
  const Folder folder;
  const auto& path = folder.path();
  Program make_certificate(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
       "-nodes", "-days", "1", "-subj", "/CN=gateway.example.com", "-keyout",
       (path / "key").string(), "-out", (path / "cert").string()},
      path / "out");
  BOOST_TEST_REQUIRE(make_certificate.exit_status() == 0);
  std::string text = read_file(kShipped / "backchannel.conf");
  replace_all(text, "/etc/nginx/snippets", (kShipped / "snippets").string());
  replace_all(text, "/etc/ssl/certs/backchannel.pem", (path / "cert").string());
  replace_all(text, "/etc/ssl/private/backchannel.key", (path / "key").string());
  // Nothing is bound by -t but ports below 1024 need root.
  replace_all(text, "listen 80;", "listen 127.0.0.1:" + std::to_string(free_port()) + ";");
  replace_all(text, "listen [::]:80;", "");
  replace_all(text, "listen 443 ", "listen 127.0.0.1:" + std::to_string(free_port()) + " ");
  replace_all(text, "listen [::]:443 ssl http2 backlog=4096;", "");
  std::string server = read_file(kShipped / "snippets/backchannel-server.conf");
  replace_all(server, "/var/log/nginx/backchannel.log", (path / "access.log").string());
  std::ofstream(path / "server.conf") << server;
  replace_all(text, (kShipped / "snippets/backchannel-server.conf").string(),
              (path / "server.conf").string());
  std::ofstream(path / "nginx.conf") << probe::nginx_frame(path, text);
  Program check({probe::program_path("nginx"), "-t", "-p", path.string(), "-c",
                 (path / "nginx.conf").string()},
                path / "out");
  const int status = check.exit_status();
  BOOST_TEST(status == 0, read_file(path / "out"));
}

BOOST_AUTO_TEST_CASE(no_vector_runs_more_than_it_says) {
  Edge edge;
  Nginx nginx(edge.port());
  for (const auto& vector :
       probe::load_vectors(BACKCHANNEL_SOURCE_DIR "/tests/http/framing_vectors.txt")) {
    const auto before = edge.app.handled.load();
    const auto outcome = probe::run_vector(nginx.port(), vector, {}, milliseconds(1'500));
    // nginx reads more leniently than the edge and writes anew what it forwards; so a vector that
    // the edge refuses may be answered here. It may not become more requests than it is.
    BOOST_TEST(edge.app.handled - before <= vector.requests + 1,
               vector.name << ": " << outcome.text());
    BOOST_TEST(outcome.statuses.size() <= vector.requests + 1,
               vector.name << ": " << outcome.text());
    // nginx answers a request line without version as HTTP/0.9 has it, without a head.
    // It waits for the rest of a body that was announced longer than it is.
    const bool waits = vector.name.starts_with("body over the limit");
    if (!waits && vector.name != "request line: no version") {
      BOOST_TEST(!outcome.statuses.empty(), vector.name << ": " << outcome.text());
      BOOST_TEST(!outcome.rest, vector.name << ": " << outcome.text());
    }
    // "OPTIONS *" is the one legal request it does not take.
    if (vector.verdict == probe::Verdict::ok && vector.name != "OPTIONS *") {
      BOOST_TEST(outcome.is(vector), vector.name << ": " << outcome.text());
    }
  }
  BOOST_TEST(edge.dropped() == 0);
}

BOOST_AUTO_TEST_CASE(a_refused_body_smuggles_nothing_to_the_next_client) {
  Edge edge;
  Nginx nginx(edge.port());
  std::string body;
  while (body.size() < 1'100'000) body += get("/echo?c=smuggled");
  int wrong = 0;
  for (int i = 0; i < 60; ++i) {
    Client attacker(nginx.port());
    attacker.send(probe::post("/body", body));  // over the edge's limit, below nginx's
    const auto refused = attacker.answer();
    BOOST_TEST_REQUIRE(refused.has_value());
    BOOST_TEST(refused->status == 413);
    Client victim(nginx.port());
    victim.send(get("/echo?c=victim"));
    const auto answer = victim.answer();
    wrong += !answer || answer->body != "victim";
  }
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(no_client_gets_the_answer_of_another) {
  Edge edge;
  Nginx nginx(edge.port());
  std::atomic<int> next{0};
  std::atomic<int> right{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (unsigned seed = 0; seed < 16; ++seed) {
    clients.emplace_back([&, seed] {
      std::mt19937 random(seed);
      std::optional<Client> client;
      while (next < 3'000) {
        if (!client) client.emplace(nginx.port());
        const std::string want = std::to_string(next++).append("x");
        client->send(get("/async?c=" + want));
        if (random() % 100 < 30) {
          if (random() % 2) client->reset();
          client.reset();
          continue;
        }
        const auto answer = client->answer();
        (answer && answer->body == want ? right : wrong)++;
      }
    });
  }
  for (auto& client : clients) client.join();
  BOOST_TEST(wrong == 0);
  BOOST_TEST(right > 1'500);
  BOOST_TEST(edge.dropped() == 0);
}

BOOST_AUTO_TEST_CASE(websockets_and_aborted_polls_come_through) {
  Edge edge;
  Nginx nginx(edge.port());
  Client socket(nginx.port());
  socket.send(get("/socket.io/?EIO=4&transport=websocket",
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
  BOOST_TEST(socket.answer()->status == 101);
  socket.send("hello");
  BOOST_TEST(socket.bytes(5).value_or("") == "hello");

  Client poll(nginx.port());
  poll.send(get("/hold"));
  BOOST_TEST(eventually([&] { return edge.app.held == 1u; }));
  poll.close();
  BOOST_TEST(eventually([&] { return edge.app.gone == 1u; }));
  BOOST_TEST(edge.app.release_held() == 1u);
}

BOOST_AUTO_TEST_CASE(the_log_holds_no_query) {
  Edge edge;
  Nginx nginx(edge.port());
  Client client(nginx.port());
  client.send(get("/echo?c=verify_token_of_a_platform"));
  BOOST_TEST(client.answer()->body == "verify_token_of_a_platform");
  BOOST_TEST(eventually([&] { return nginx.log().find("/echo 200") != std::string::npos; }));
  BOOST_TEST(nginx.log().find("verify_token") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
