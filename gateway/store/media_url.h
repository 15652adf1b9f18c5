// The public addresses of files. Whoever has one may read that file until it expires, and nothing
// else: platforms that fetch an agent's attachment, and browsers that show one, have no token.
//
//   <base>/api/v1/media/<id>/<file name>?exp=<seconds since 1970>&sig=<64 characters>
//
// sig is base64url of the business's id (16 bytes) and an HMAC-SHA256 over business, id and exp, so
// that the row is looked for in the signed business alone, under its row-level security. The name
// is for people and is not signed. Immutable; const methods from any thread.
#ifndef GATEWAY_STORE_MEDIA_URL_H_
#define GATEWAY_STORE_MEDIA_URL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/base/secret.h"
#include "gateway/domain/ids.h"
#include "gateway/secrets/keyring.h"

namespace gateway::store {

class MediaUrls {
 public:
  // An address holds at least as long; its end is a full hour, so that within an hour it stays the
  // same and caches find it again.
  static constexpr std::int64_t kSeconds = 7 * 24 * 3600;

  // Keys are derived from every master key: the current one signs, all of them verify. `base` is
  // the public URL, without a slash at its end.
  static Result<MediaUrls> from(const secrets::Keyring& keyring, std::string base);

  std::string make(domain::BusinessId business, const Uuid& file, std::string_view file_name,
                   std::int64_t now_ms) const;
  // The same for connectors, which call https alone. It differs only where the public URL is plain
  // http: no platform reaches that, but a connector that asks for the bytes is answered from here.
  std::string make_https(domain::BusinessId business, const Uuid& file, std::string_view file_name,
                         std::int64_t now_ms) const;

  struct Grant {
    domain::BusinessId business;
    Uuid file;
    std::int64_t expires_s = 0;
  };
  // `id` as in the path, `query` as received. Absent: forged, expired, or no query of ours.
  std::optional<Grant> verify(std::string_view id, std::string_view query,
                              std::int64_t now_ms) const;

  // Whether it points at a file of this gateway, by http or https, whatever its signature says.
  bool is_ours(std::string_view url) const;
  // The file such an address names; absent for another address.
  std::optional<Uuid> file_of(std::string_view url) const;
  // is_ours and verify in one.
  std::optional<Grant> verify_url(std::string_view url, std::int64_t now_ms) const;

 private:
  MediaUrls(std::vector<Secret> keys, std::string prefix);
  // What is behind the prefix: "<id>/<name>?<query>"; absent where it is not ours.
  std::optional<std::string_view> tail(std::string_view url) const;
  std::string tail_of(domain::BusinessId business, const Uuid& file, std::string_view file_name,
                      std::int64_t now_ms) const;

  std::vector<Secret> keys_;  // the first one signs
  std::string prefix_;        // up to the id
  std::string https_prefix_;
};

}  // namespace gateway::store

#endif  // GATEWAY_STORE_MEDIA_URL_H_
