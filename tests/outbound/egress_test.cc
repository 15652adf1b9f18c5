// The deny set is that of the IANA special-purpose registries; what each address means is beside
// it.
#include "gateway/outbound/egress.h"

#include <arpa/inet.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>

using gateway::outbound::EgressPolicy;

namespace {

EgressPolicy plain() { return EgressPolicy::create({}).value(); }

bool allowed(const std::string& address) {
  const auto policy = plain();
  const bool by_text = policy.may_connect(address.c_str(), false);
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
  } else {
    std::memset(&storage, 0, sizeof storage);
    BOOST_REQUIRE_EQUAL(inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
  }
  const bool by_socket = policy.may_connect(reinterpret_cast<const sockaddr*>(&storage), false);
  BOOST_TEST(by_text == by_socket);
  return by_socket;
}

const char* const kInner[] = {
    // 0/8
    "0.0.0.0", "0.0.0.1", "0.1.2.3", "0.255.255.255",
    // 10/8
    "10.0.0.0", "10.0.0.1", "10.255.255.255", "10.127.3.4",
    // 100.64/10
    "100.64.0.0", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    // 127/8
    "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.1.1.1", "127.255.255.255",
    // 169.254/16
    "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255",
    // 172.16/12
    "172.16.0.0", "172.16.0.1", "172.17.0.1", "172.31.255.255",
    // 192.0.0/24, 192.0.2/24, 192.88.99/24, 192.168/16
    "192.0.0.0", "192.0.0.8", "192.0.0.170", "192.0.0.255", "192.0.2.0", "192.0.2.1", "192.0.2.255",
    "192.88.99.0", "192.88.99.1", "192.88.99.255", "192.168.0.0", "192.168.0.1", "192.168.1.1",
    "192.168.255.255",
    // 198.18/15, 198.51.100/24, 203.0.113/24
    "198.18.0.0", "198.18.0.1", "198.19.255.255", "198.51.100.0", "198.51.100.7", "198.51.100.255",
    "203.0.113.0", "203.0.113.9", "203.0.113.255",
    // 224/4, 240/4
    "224.0.0.0", "224.0.0.1", "239.255.255.255", "240.0.0.0", "240.0.0.1", "255.255.255.254",
    "255.255.255.255",
    // IPv6: unspecified, loopback, link-local, unique local, multicast, site-local, discard
    "::", "::1", "fe80::", "fe80::1", "febf:ffff::1", "fc00::", "fc00::1", "fd00::1",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::", "ff02::1", "ff05::2", "fec0::1", "100::1",
    "4000::1", "8000::1", "e000::1", "1fff:ffff::1",
    // IPv4 inside: mapped, compatible, NAT64, local NAT64, 6to4, Teredo
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
    "::ffff:192.168.1.1", "::ffff:172.16.0.1", "::ffff:100.64.0.1", "::ffff:255.255.255.255",
    "::127.0.0.1", "::10.0.0.1", "::192.168.0.1", "::169.254.169.254", "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::192.168.1.1", "64:ff9b::0.0.0.0",
    "64:ff9b:1::127.0.0.1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:7f00:0:100::", "64:ff9b:1::a00:1",
    "2002::", "2002:7f00:1::1", "2002:a00:1::1", "2002:c0a8:101::", "2002:808:808::1",
    "2002:a9fe:a9fe::", "2001::", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1",
    "2001:10::1", "2001:20::1", "2001:1ff:ffff::1", "::ffff:203.0.113.1", "::ffff:198.18.0.1",
    "::ffff:224.0.0.1", "64:ff9b::100.64.0.1", "64:ff9b::172.16.0.1", "2002:c612:1::1",
    "2001:100::1", "::ffff:0:0", "::2",
    // documentation
    "2001:db8::", "2001:db8::1", "2001:db8:ffff:ffff::1", "3fff::", "3fff::1", "3fff:fff:ffff::1"};

const char* const kPublic[] = {
    // public resolvers and a platform, and the neighbours on both sides of every denied range
    "8.8.8.8",
    "1.1.1.1",
    "149.154.167.220",
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:812::200e",
    "2001:67c:4e8:f004::9",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "3ffe::1",
    "3fff:1000::1",
    "3f00::1",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::8.8.8.8"};

}  // namespace

BOOST_AUTO_TEST_SUITE(egress)

BOOST_AUTO_TEST_CASE(no_inner_address_may_be_reached) {
  static_assert(std::size(kInner) >= 120);
  for (const char* address : kInner) {
    BOOST_TEST_CONTEXT(address) { BOOST_TEST(!allowed(address)); }
  }
}

BOOST_AUTO_TEST_CASE(public_addresses_may_be_reached_up_to_the_borders_of_the_deny_set) {
  for (const char* address : kPublic) {
    BOOST_TEST_CONTEXT(address) { BOOST_TEST(allowed(address)); }
  }
}

BOOST_AUTO_TEST_CASE(a_rewritten_target_may_be_anywhere) {
  const auto policy = plain();
  for (const char* address : {"127.0.0.1", "10.0.0.1", "::1", "fd00::1", "169.254.169.254"}) {
    BOOST_TEST(policy.may_connect(address, true));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_internet_address_is_refused) {
  const auto policy = plain();
  sockaddr local{};
  local.sa_family = AF_UNIX;
  BOOST_TEST(!policy.may_connect(&local, false));
  BOOST_TEST(!policy.may_connect(&local, true));
  BOOST_TEST(!policy.may_connect("", true));
  BOOST_TEST(!policy.may_connect("localhost", true));
}

BOOST_AUTO_TEST_CASE(further_addresses_can_be_denied_in_every_form) {
  const auto policy = EgressPolicy::create({}, {"8.8.8.8", "2606:4700:4700::1111"}).value();
  for (const char* address :
       {"8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "::8.8.8.8", "2606:4700:4700::1111"}) {
    BOOST_TEST_CONTEXT(address) { BOOST_TEST(!policy.may_connect(address, false)); }
  }
  BOOST_TEST(policy.may_connect("8.8.4.4", false));
  BOOST_TEST(!EgressPolicy::create({}, {"somewhere"}).has_value());
}

BOOST_AUTO_TEST_CASE(own_addresses_hold_at_least_the_loopback) {
  const auto own = EgressPolicy::own_addresses();
  BOOST_TEST((std::find(own.begin(), own.end(), "127.0.0.1") != own.end()));
  BOOST_TEST(EgressPolicy::create({}, own).has_value());
}

BOOST_AUTO_TEST_CASE(only_https_on_its_own_port_is_called) {
  const auto policy = plain();
  BOOST_TEST(policy.resolve("https://api.telegram.org/bot1:x/getMe").has_value());
  BOOST_TEST(policy.resolve("https://api.telegram.org:443/").has_value());
  for (const char* url : {"http://api.telegram.org/",
                          "https://api.telegram.org:8443/",
                          "https://host:22/",
                          "ftp://host/",
                          "file:///etc/passwd",
                          "gopher://host/",
                          "dict://host:11211/",
                          "ldap://host/",
                          "smtp://host/",
                          "imap://host:587/",
                          "telnet://host/",
                          "scp://host/",
                          "sftp://host/",
                          "https://user@host/",
                          "https://user:password@host/",
                          "https://",
                          "//host/",
                          "host",
                          "",
                          "javascript:alert(1)",
                          "https://ho st/",
                          "https://host/a b",
                          "https://host/\r\nX: y",
                          "https://host/\t",
                          "unix:///var/run/docker.sock",
                          "https://host:0/",
                          "https://host:99999/",
                          "https://[::1/"}) {
    BOOST_TEST_CONTEXT(url) { BOOST_TEST(!policy.resolve(url).has_value()); }
  }
  BOOST_TEST(!policy.resolve("https://host/" + std::string(9'000, 'a')).has_value());
  BOOST_TEST(!policy.resolve(std::string("https://host/\0x", 15)).has_value());
}

BOOST_AUTO_TEST_CASE(an_upstream_replaces_exactly_its_origin) {
  const auto policy =
      EgressPolicy::create({{"https://api.telegram.org", "http://127.0.0.1:9000"},
                            {"https://graph.example:8443/", "https://inner.example:9443"}})
          .value();
  const auto telegram = policy.resolve("https://api.telegram.org/bot1:x/getMe?a=b%20c#part");
  BOOST_TEST_REQUIRE(telegram.has_value());
  BOOST_TEST(telegram->url == "http://127.0.0.1:9000/bot1:x/getMe?a=b%20c");
  BOOST_TEST(telegram->host == "api.telegram.org");
  BOOST_TEST(telegram->rewritten);
  BOOST_TEST(policy.resolve("https://API.Telegram.org:443/x")->url == "http://127.0.0.1:9000/x");
  BOOST_TEST(policy.resolve("https://graph.example:8443/x")->url == "https://inner.example:9443/x");
  // Close, but another origin.
  BOOST_TEST(!policy.resolve("https://api.telegram.org.evil.example/")->rewritten);
  BOOST_TEST(!policy.resolve("https://xapi.telegram.org/")->rewritten);
  BOOST_TEST(!policy.resolve("http://api.telegram.org/").has_value());
  BOOST_TEST(!policy.resolve("http://127.0.0.1:9000/").has_value());
  BOOST_TEST(!policy.resolve("https://api.telegram.org:8443/").has_value());
}

BOOST_AUTO_TEST_CASE(mail_is_submitted_and_read_on_its_own_ports_alone) {
  const auto policy = plain();
  for (const char* url :
       {"smtp://mail.example:587", "smtp://mail.example:2525/ehlo.name", "smtp://mail.example:465",
        "smtps://mail.example", "smtps://mail.example:465/", "smtps://mail.example:587",
        "imap://mail.example", "imap://mail.example:143/", "imap://mail.example:993",
        "imaps://mail.example/", "imaps://mail.example:993/INBOX;UIDVALIDITY=7/;UID=3"}) {
    BOOST_TEST_CONTEXT(url) {
      const auto target = policy.resolve(url);
      BOOST_TEST_REQUIRE(target.has_value());
      BOOST_TEST(!target->trusted());
      BOOST_TEST(target->host == "mail.example");
    }
  }
  for (const char* url :
       {"smtp://mail.example", "smtp://mail.example:25", "smtps://mail.example:25",
        "smtp://mail.example:443", "smtp://mail.example:22", "smtp://mail.example:993",
        "imap://mail.example:25", "imap://mail.example:443", "imaps://mail.example:465",
        "https://mail.example:587", "https://mail.example:993", "smtp://a:b@mail.example:587",
        "smtp://;AUTH=PLAIN@mail.example:587", "pop3://mail.example:110",
        "lmtp://mail.example:24"}) {
    BOOST_TEST_CONTEXT(url) { BOOST_TEST(!policy.resolve(url).has_value()); }
  }
}

BOOST_AUTO_TEST_CASE(mail_servers_are_rewritten_by_scheme_host_and_port) {
  const auto policy = EgressPolicy::create({{"smtp://mail.example:587", "smtp://127.0.0.1:2526"},
                                            {"smtps://mail.example", "smtp://127.0.0.1:2526"},
                                            {"smtp://relay.example", "smtp://10.0.0.9"},
                                            {"imaps://mail.example", "imap://127.0.0.1:1430"}})
                          .value();
  const auto submission = policy.resolve("smtp://mail.example:587/ehlo");
  BOOST_TEST_REQUIRE(submission.has_value());
  BOOST_TEST(submission->url == "smtp://127.0.0.1:2526/ehlo");
  BOOST_TEST(submission->scheme == "smtp");
  BOOST_TEST(submission->rewritten);
  BOOST_TEST(policy.resolve("smtps://mail.example:465/")->url == "smtp://127.0.0.1:2526/");
  const auto mailbox = policy.resolve("imaps://mail.example/INBOX;UIDVALIDITY=7/;UID=3");
  BOOST_TEST(mailbox->url == "imap://127.0.0.1:1430/INBOX;UIDVALIDITY=7/;UID=3");
  BOOST_TEST(mailbox->scheme == "imap");
  // Port 25, the default of smtp, only where the operator says so.
  BOOST_TEST(policy.resolve("smtp://relay.example:25/")->rewritten);
  BOOST_TEST(!policy.resolve("smtp://other.example:25/").has_value());
  BOOST_TEST(!policy.resolve("smtp://mail.example:2525")->rewritten);
  for (const auto& [from, to] : {std::pair{"https://a.example", "smtp://127.0.0.1"},
                                 {"smtp://a.example", "imap://b.example"},
                                 {"imaps://a.example", "https://b.example"}}) {
    BOOST_TEST(!EgressPolicy::create({{from, to}}).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_private_host_is_allowed_at_its_port_and_nowhere_else) {
  const auto policy =
      EgressPolicy::create({}, EgressPolicy::own_addresses(), {},
                           {"Mail.Lan:587", "10.0.0.5:2500", "[fd00::1]:993", "relay.lan:25"})
          .value();
  for (const char* url : {"smtp://mail.lan:587/", "smtp://MAIL.LAN:587/", "smtps://mail.lan:587/",
                          "smtp://10.0.0.5:2500/", "imaps://[fd00::1]/", "https://10.0.0.5:2500/x",
                          "smtp://relay.lan/"}) {
    BOOST_TEST_CONTEXT(url) {
      const auto target = policy.resolve(url);
      BOOST_TEST_REQUIRE(target.has_value());
      BOOST_TEST(target->private_host);
      BOOST_TEST(!target->rewritten);
      BOOST_TEST(policy.may_connect("10.0.0.5", target->trusted()));
      BOOST_TEST(policy.may_connect("127.0.0.1", target->trusted()));
    }
  }
  for (const char* url :
       {"http://10.0.0.5:2500/", "smtp://10.0.0.5:2501/", "smtp://10.0.0.6:2500/"}) {
    BOOST_TEST_CONTEXT(url) { BOOST_TEST(!policy.resolve(url).has_value()); }
  }
  const auto other = policy.resolve("smtp://mail.lan:465/");
  BOOST_TEST_REQUIRE(other.has_value());
  BOOST_TEST(!other->trusted());
  for (const char* text :
       {"", "mail.lan", "mail.lan:", "mail.lan:x", "mail.lan:0", "mail.lan:99999",
        "smtp://mail.lan:587", "mail.lan:587/x", "a@mail.lan:587", "[fd00::1]"}) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST(!EgressPolicy::create({}, {}, {}, {text}).has_value()); }
  }
}

BOOST_AUTO_TEST_CASE(an_upstream_that_is_no_origin_is_refused) {
  for (const char* origin :
       {"", "api.telegram.org", "ftp://host", "https://host/path", "https://user@host",
        "https://host?x", "pop3://host", "smtp://a@host", "imaps://host/INBOX"}) {
    BOOST_TEST_CONTEXT(origin) {
      BOOST_TEST(!EgressPolicy::create({{origin, "http://127.0.0.1:1"}}).has_value());
      BOOST_TEST(!EgressPolicy::create({{"https://a.example", origin}}).has_value());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
