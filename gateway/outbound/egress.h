// Where the gateway may connect to. A tenant can name hosts (a mail server, a self-hosted
// provider), so every outgoing connection is judged by the binary address the socket is about to
// use: every spelling of a host, every DNS answer and every reused connection comes down to that.
//
// Also the one point where an operator's BACKCHANNEL_UPSTREAMS rewrites an origin, and where
// BACKCHANNEL_PRIVATE_HOSTS lets a destination be private; only these two may be. Plain http is for
// rewritten targets alone. Called by HttpClient on the outbound thread; immutable after create, so
// const methods are safe from any thread.
#ifndef GATEWAY_OUTBOUND_EGRESS_H_
#define GATEWAY_OUTBOUND_EGRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/result.h"

namespace gateway::outbound {

// Globally reachable unicast. IPv4 inside IPv6 (mapped, compatible, NAT64) is judged as IPv4.
bool is_public_address(const in_addr& address);
bool is_public_address(const in6_addr& address);

class EgressPolicy {
 public:
  // Pairs of origins ("https://api.telegram.org", "http://127.0.0.1:9000"). Refused: anything but
  // scheme, host and port; schemes other than http(s), smtp(s) and imap(s); a pair of two families.
  using Upstreams = std::vector<std::pair<std::string, std::string>>;
  // `denied` are further textual addresses nobody may reach, such as the machine's own.
  // `private_hosts` are "host:port" destinations the operator allows although they are private.
  // `ports` are called beside those of each scheme: 443 of https; 465, 587 and 2525 of smtp and
  // smtps; 143 and 993 of imap and imaps. Port 25, where mail is delivered and not submitted, is
  // left to rewritten targets and private hosts.
  static Result<EgressPolicy> create(const Upstreams& upstreams,
                                     const std::vector<std::string>& denied = {},
                                     std::set<int> ports = {},
                                     const std::vector<std::string>& private_hosts = {});
  // The addresses of this machine's interfaces, to be denied.
  static std::vector<std::string> own_addresses();

  struct Target {
    std::string url;     // what to ask libcurl for
    std::string scheme;  // of that URL
    std::string host;    // as the caller named it, fit for a log line: no path, no query
    bool rewritten = false;
    bool private_host = false;  // one of those the operator allows
    // Chosen by the operator: any address, and mail in clear text.
    bool trusted() const { return rewritten || private_host; }
  };
  // Errc::invalid_argument: no URL, or one this gateway never calls.
  Result<Target> resolve(const std::string& text) const;

  // Whether a socket of a target may be connected to this address.
  bool may_connect(const sockaddr* address, bool trusted) const;
  // The same for an address in text, as libcurl names the peer of a reused connection.
  bool may_connect(const char* address, bool trusted) const;

 private:
  using Bytes = std::array<std::uint8_t, 16>;
  bool allows(const in_addr& address) const;
  bool allows(const in6_addr& address) const;

  struct Origin {
    std::string scheme;
    std::string host;
    std::string port;
    auto operator<=>(const Origin&) const = default;
  };
  static Result<Origin> parse_origin(const std::string& text);
  bool may_call(const Origin& origin) const;

  std::map<Origin, Origin> upstreams_;
  std::set<std::pair<std::string, std::string>> private_hosts_;  // host, port
  std::set<int> ports_;
  std::set<Bytes> denied_;  // IPv4 in mapped form
};

}  // namespace gateway::outbound

#endif  // GATEWAY_OUTBOUND_EGRESS_H_
