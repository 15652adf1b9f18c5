#include "gateway/store/media_url.h"

#include <charconv>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"

namespace gateway::store {
namespace {

constexpr std::string_view kPurpose = "media-url";
constexpr std::string_view kPath = "/api/v1/media/";
constexpr std::int64_t kHour = 3600;
constexpr std::size_t kTenantBytes = 16;
constexpr std::size_t kMacBytes = 32;

std::string bytes_of(const Uuid& id) { return {id.bytes.begin(), id.bytes.end()}; }

std::string mac(const Secret& key, const Uuid& business, const Uuid& file, std::int64_t expires) {
  return sdk::hmac_sha256(key.reveal(),
                          bytes_of(business) + bytes_of(file) + std::to_string(expires));
}

std::optional<std::int64_t> parse_seconds(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  // One way to write it: what is signed is the number.
  if (std::to_string(number) != text) return std::nullopt;
  return number;
}

}  // namespace

Result<MediaUrls> MediaUrls::from(const secrets::Keyring& keyring, std::string base) {
  std::vector<Secret> keys;
  for (const auto& [id, is_current] : keyring.ids()) {
    auto key = keyring.derive(id, kPurpose);
    if (!key) return std::move(key).error();
    keys.insert(is_current ? keys.begin() : keys.end(), std::move(*key));
  }
  while (base.ends_with('/')) base.pop_back();
  return MediaUrls(std::move(keys), base + std::string(kPath));
}

MediaUrls::MediaUrls(std::vector<Secret> keys, std::string prefix)
    : keys_(std::move(keys)), prefix_(std::move(prefix)), https_prefix_(prefix_) {
  constexpr std::string_view kHttp = "http://";
  if (prefix_.starts_with(kHttp)) https_prefix_.replace(0, kHttp.size(), "https://");
}

std::string MediaUrls::make(domain::BusinessId business, const Uuid& file,
                            std::string_view file_name, std::int64_t now_ms) const {
  return prefix_ + tail_of(business, file, file_name, now_ms);
}

std::string MediaUrls::make_https(domain::BusinessId business, const Uuid& file,
                                  std::string_view file_name, std::int64_t now_ms) const {
  return https_prefix_ + tail_of(business, file, file_name, now_ms);
}

std::string MediaUrls::tail_of(domain::BusinessId business, const Uuid& file,
                               std::string_view file_name, std::int64_t now_ms) const {
  const std::int64_t expires = (now_ms / 1000 / kHour + 1) * kHour + kSeconds;
  const std::string signature =
      bytes_of(business.get()) + mac(keys_.front(), business.get(), file, expires);
  return file.text() + "/" + sdk::url_encode(file_name.empty() ? "file" : file_name) +
         "?exp=" + std::to_string(expires) + "&sig=" + sdk::base64url(signature);
}

std::optional<MediaUrls::Grant> MediaUrls::verify(std::string_view id, std::string_view query,
                                                  std::int64_t now_ms) const {
  constexpr std::size_t kMaxFields = 8;
  const auto form = sdk::parse_form(query, kMaxFields);
  const auto expires = parse_seconds(sdk::find(form, "exp").value_or(""));
  const auto signature = sdk::from_base64url(sdk::find(form, "sig").value_or(""));
  const auto file = Uuid::parse(id);
  if (!expires || !signature || signature->size() != kTenantBytes + kMacBytes || !file) {
    return std::nullopt;
  }
  Uuid business;
  for (std::size_t i = 0; i < kTenantBytes; ++i) {
    business.bytes[i] = static_cast<std::uint8_t>((*signature)[i]);
  }
  const auto given = std::string_view(*signature).substr(kTenantBytes);
  bool is_signed = false;
  for (const Secret& key : keys_) {
    // Every key is tried, so that the time does not tell which one it was.
    const bool fits = sdk::equal_secret(given, mac(key, business, *file, *expires));
    is_signed = is_signed || fits;
  }
  if (!is_signed || *expires <= now_ms / 1000) return std::nullopt;
  return Grant{domain::BusinessId(business), *file, *expires};
}

std::optional<std::string_view> MediaUrls::tail(std::string_view url) const {
  for (const std::string_view prefix : {prefix_, https_prefix_}) {
    if (url.starts_with(prefix)) return url.substr(prefix.size());
  }
  return std::nullopt;
}

bool MediaUrls::is_ours(std::string_view url) const { return tail(url).has_value(); }

std::optional<Uuid> MediaUrls::file_of(std::string_view url) const {
  const auto behind = tail(url);
  if (!behind) return std::nullopt;
  return Uuid::parse(behind->substr(0, behind->find_first_of("/?#")));
}

std::optional<MediaUrls::Grant> MediaUrls::verify_url(std::string_view url,
                                                      std::int64_t now_ms) const {
  const auto behind = tail(url);
  const auto query = behind ? behind->find('?') : std::string_view::npos;
  if (query == std::string_view::npos) return std::nullopt;
  const auto path = behind->substr(0, query);
  if (path.find('#') != std::string_view::npos) return std::nullopt;
  const auto form = behind->substr(query + 1);
  return verify(path.substr(0, path.find('/')), form.substr(0, form.find('#')), now_ms);
}

}  // namespace gateway::store
