// Two nodes with live traffic behind the proxies as they ship in deploy/: who polls finds the node
// that has the session. Fails where nginx or HAProxy is not installed.
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/http/http_client.h"
#include "tests/http/proxy.h"
#include "tests/realtime/live_server.h"
#include "tests/realtime/poller.h"
#include "tests/realtime/ws_client.h"

namespace {

using live::connect;
using live::kPolling;
using live::kWebSocket;
using live::LiveServer;
using live::Poller;
using live::with_sid;
using live::WsClient;
using probe::Client;
using probe::eventually;

using Proxies = boost::mpl::list<probe::Nginx, probe::HaProxy>;

constexpr int kClients = 20;

gateway::realtime::ServerOptions node(const std::string& tag) {
  auto options = live::open_gate();
  options.engine.node_tag = tag;
  return options;
}

// Two nodes and a proxy in front of them.
template <class Proxy>
struct Site {
  LiveServer a{node("A")};
  LiveServer b{node("B")};
  Proxy proxy{std::vector<probe::Node>{{'A', a.port()}, {'B', b.port()}}};
  std::uint16_t port = proxy.port();

  int connected() const { return a.app.connected + b.app.connected; }
};

std::string echo(int number) { return R"(["echo",)" + std::to_string(number) + "]"; }
std::string back(int number) { return R"(["back",)" + std::to_string(number) + "]"; }

}  // namespace

BOOST_AUTO_TEST_SUITE(live_traffic_behind_a_proxy)

BOOST_AUTO_TEST_CASE_TEMPLATE(who_polls_finds_the_node_that_has_the_session, Proxy, Proxies) {
  Site<Proxy> site;
  std::vector<std::unique_ptr<Poller>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Poller>(site.port));
    BOOST_TEST_REQUIRE(!clients.back()->sid().empty());
  }
  // Each request on a connection of its own: nothing but the id says where it belongs.
  const auto ask = [&](const std::string& request) {
    Client client(site.port);
    client.send(request);
    const auto answer = client.answer();
    return answer ? std::to_string(answer->status) + " " + answer->body : "none";
  };
  int asked = 0;
  int right = 0;
  for (const auto& client : clients) {
    const std::string target = with_sid(kPolling, client->sid());
    const bool is_in = ask(probe::post(target, "40")) == "200 ok" &&
                       ask(probe::get(target)).starts_with("200 40{");
    const int number = ++asked;
    right += is_in && ask(probe::post(target, "42" + echo(number))) == "200 ok" &&
             ask(probe::get(target)) == "200 42" + back(number);
  }
  BOOST_TEST(right == kClients);
  BOOST_TEST(site.connected() == kClients);
  BOOST_TEST(site.a.app.connected == kClients / 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_upgrade_finds_the_node_that_has_the_session, Proxy, Proxies) {
  Site<Proxy> site;
  std::vector<std::unique_ptr<Poller>> pollers;
  std::vector<std::unique_ptr<WsClient>> sockets;
  for (int i = 0; i < kClients; ++i) {
    pollers.push_back(std::make_unique<Poller>(site.port));
    BOOST_TEST_REQUIRE(connect(*pollers.back()).starts_with("40{"));
  }
  int asked = 0;
  int upgraded = 0;
  for (const auto& poller : pollers) {
    sockets.push_back(std::make_unique<WsClient>(site.port, with_sid(kWebSocket, poller->sid())));
    auto& socket = *sockets.back();
    socket.say("2probe");
    if (socket.hear() != "3probe") continue;
    socket.say("5");
    const int number = ++asked;
    socket.say("42" + echo(number));
    upgraded += socket.hear() == "42" + back(number);
  }
  BOOST_TEST(upgraded == kClients);
  BOOST_TEST(site.connected() == kClients);
  BOOST_TEST(site.a.app.connected == kClients / 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(websockets_alone_go_to_either_node, Proxy, Proxies) {
  Site<Proxy> site;
  std::vector<std::unique_ptr<WsClient>> clients;
  int right = 0;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<WsClient>(site.port, kWebSocket));
    connect(*clients.back());
    clients.back()->say("42" + echo(i));
    right += clients.back()->hear() == "42" + back(i);
  }
  BOOST_TEST(right == kClients);
  BOOST_TEST(site.a.app.connected == kClients / 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_held_poll_is_answered_the_moment_there_is_something, Proxy,
                              Proxies) {
  Site<Proxy> site;
  Poller poller(site.port);
  connect(poller);
  poller.client().send(probe::get(with_sid(kPolling, poller.sid())));
  BOOST_TEST(poller.client().is_silent(probe::milliseconds(300)));
  auto& owner = poller.sid()[0] == 'A' ? site.a : site.b;
  owner.live.emit({"all"}, {"news", "1"});
  const auto answer = poller.client().answer();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->body == R"(42["news",1])");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_client_that_goes_away_from_its_poll_is_noticed, Proxy, Proxies) {
  Site<Proxy> site;
  Poller poller(site.port);
  connect(poller);
  auto& owner = poller.sid()[0] == 'A' ? site.a : site.b;
  poller.client().send(probe::get(with_sid(kPolling, poller.sid())));
  BOOST_TEST(poller.client().is_silent(probe::milliseconds(300)));
  poller.client().close();
  BOOST_TEST(eventually([&] { return !owner.app.ends().empty(); }));
  BOOST_TEST(owner.live.sessions() == 0u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_websocket_that_ends_is_noticed, Proxy, Proxies) {
  Site<Proxy> site;
  std::optional<WsClient> client(std::in_place, site.port, kWebSocket);
  connect(*client);
  BOOST_TEST(eventually([&] { return site.connected() == 1; }));
  client.reset();
  BOOST_TEST(eventually([&] { return site.a.live.sessions() + site.b.live.sessions() == 0; }));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(without_its_node_a_client_begins_anew_on_another, Proxy, Proxies) {
  Site<Proxy> site;
  std::optional<Poller> client;
  do {
    client.emplace(site.port);
  } while (client->sid()[0] != 'A');
  connect(*client);
  site.a.stop();
  // nginx cannot reach the node, HAProxy asks another: either way the client begins anew.
  Client again(site.port);
  again.send(probe::get(with_sid(kPolling, client->sid())));
  const auto answer = again.answer();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST(answer->status >= 400, answer->body);
  const int before = site.b.app.connected;
  for (int i = 0; i < kClients; ++i) {
    Poller next(site.port);
    BOOST_TEST_REQUIRE(next.sid().substr(0, 1) == "B");
    BOOST_TEST(connect(next).starts_with("40{"));
  }
  BOOST_TEST(site.b.app.connected == before + kClients);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_node_needs_no_more_than_its_address, Proxy, Proxies) {
  LiveServer server(live::open_gate());
  Proxy proxy(std::vector<probe::Node>{{'0', server.port()}});
  Poller poller(proxy.port());
  BOOST_TEST_REQUIRE(connect(poller).starts_with("40{"));
  WsClient socket(proxy.port(), with_sid(kWebSocket, poller.sid()));
  socket.say("2probe");
  BOOST_TEST(socket.hear().value_or("") == "3probe");
  BOOST_TEST(proxy.log().find(poller.sid()) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_shipped_haproxy_configuration_is_valid) {
  const probe::Folder folder;
  const auto& path = folder.path();
  probe::Program make_certificate(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
       "-nodes", "-days", "1", "-subj", "/CN=gateway.example.com", "-keyout",
       (path / "pem.key").string(), "-out", (path / "pem").string()},
      path / "out");
  BOOST_TEST_REQUIRE(make_certificate.exit_status() == 0);
  std::string text = probe::read_file(probe::deploy_folder() / "haproxy/backchannel.cfg");
  probe::replace_all(text, "/etc/haproxy/backchannel.pem", (path / "pem").string());
  std::ofstream(path / "haproxy.cfg") << text;
  probe::Program check(
      {probe::program_path("haproxy"), "-c", "-f", (path / "haproxy.cfg").string()}, path / "out");
  const int status = check.exit_status();
  BOOST_TEST(status == 0, probe::read_file(path / "out"));
}

BOOST_AUTO_TEST_SUITE_END()
