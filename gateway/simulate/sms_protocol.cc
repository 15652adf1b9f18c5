#include "gateway/simulate/sms_protocol.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

std::string_view without_fragment(std::string_view url) { return url.substr(0, url.find('#')); }

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

// Septets of one character of GSM 03.38 by its UTF-8; 0 where it is not of the alphabet.
int septets(std::string_view character) {
  constexpr std::string_view kBasic =
      "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
      "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
  constexpr std::string_view kExtended = "\f^{}\\[~]|€";
  if (kExtended.find(character) != std::string_view::npos) return 2;
  return kBasic.find(character) != std::string_view::npos ? 1 : 0;
}

// Sorted; "k=v" joined by '&' in a URL, "kv" in a body.
std::string plivo_fields(sdk::Form fields, bool of_url) {
  std::sort(fields.begin(), fields.end());
  std::string text;
  for (const auto& [name, value] : fields) {
    if (of_url && !text.empty()) text += '&';
    text += of_url ? name + "=" + value : name + value;
  }
  return text;
}

std::size_t length_of(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

std::string twilio_signature(std::string_view auth_token, std::string_view url,
                             const sdk::Form& fields) {
  // A repeated parameter counts with each of its distinct values, in order.
  std::map<std::string, std::set<std::string>> sorted;
  for (const auto& [name, value] : fields) sorted[name].insert(value);
  std::string text(without_fragment(url));
  for (const auto& [name, values] : sorted) {
    for (const std::string& value : values) text += name + value;
  }
  return sdk::base64(sdk::hmac_sha1(auth_token, text));
}

TwilioRetries twilio_retries(std::string_view url) {
  TwilioRetries out;
  const std::size_t mark = url.find('#');
  if (mark == std::string_view::npos) return out;
  for (const auto& [name, value] : sdk::parse_form(url.substr(mark + 1))) {
    const auto number = [&, text = std::string_view(value)](std::int64_t low, std::int64_t high,
                                                            std::int64_t fallback) {
      std::int64_t n = fallback;
      std::from_chars(text.data(), text.data() + text.size(), n);
      return std::clamp(n, low, high);
    };
    if (name == "rc") out.count = static_cast<int>(number(0, 5, out.count));
    if (name == "ct") out.connect_ms = number(100, 10'000, out.connect_ms);
    if (name == "rt") out.read_ms = number(100, 15'000, out.read_ms);
    if (name == "tt") out.total_ms = number(100, 15'000, out.total_ms);
    if (name == "rp") {
      out.on.clear();
      for (std::string_view rest = value; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        out.on.emplace(word);
      }
    }
  }
  return out;
}

std::string vonage_jwt(std::string_view signature_secret, std::string_view api_key,
                       std::string_view jti, std::int64_t iat, std::string_view body) {
  sdk::json::Writer writer;
  writer.object().member("iat", iat).member("jti", jti).member("iss", "Vonage");
  writer.member("payload_hash", sdk::hex(sdk::sha256(body))).member("api_key", api_key);
  const std::string text =
      sdk::base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + sdk::base64url(writer.end().take());
  return text + "." + sdk::base64url(sdk::hmac_sha256(signature_secret, text));
}

std::string vonage_sig(std::string_view secret, std::string_view method, sdk::Form fields) {
  std::sort(fields.begin(), fields.end());
  std::string text;
  for (const auto& [name, value] : fields) {
    if (name == "sig") continue;
    text += "&" + name + "=";
    for (const char c : value) text += c == '&' || c == '=' ? '_' : c;
  }
  if (method == "md5hash") return sdk::hex(sdk::md5(text + std::string(secret)));
  const std::string mac = method == "md5"      ? sdk::hmac_md5(secret, text)
                          : method == "sha1"   ? sdk::hmac_sha1(secret, text)
                          : method == "sha512" ? sdk::hmac_sha512(secret, text)
                                               : sdk::hmac_sha256(secret, text);
  return upper(sdk::hex(mac));
}

std::string telnyx_signed_text(std::int64_t timestamp_s, std::string_view body) {
  return std::to_string(timestamp_s) + "|" + std::string(body);
}

std::string plivo_signature_v3(std::string_view auth_token, std::string_view url, sdk::Form fields,
                               std::string_view nonce) {
  const std::string_view base = url.substr(0, url.find('?'));
  const std::string_view query = url.substr(std::min(url.size(), base.size() + 1));
  std::string text(base);
  if (!query.empty() || !fields.empty()) text += '?';
  text += plivo_fields(sdk::parse_form(query), true);
  if (!query.empty() && !fields.empty()) text += '.';
  text += plivo_fields(std::move(fields), false);
  return sdk::base64(sdk::hmac_sha256(auth_token, text + "." + std::string(nonce)));
}

std::string plivo_signature_v2(std::string_view auth_token, std::string_view url,
                               std::string_view nonce) {
  return sdk::base64(
      sdk::hmac_sha256(auth_token, std::string(url.substr(0, url.find('?'))) + std::string(nonce)));
}

std::string sinch_signature(std::string_view secret, std::string_view body, std::string_view nonce,
                            std::string_view timestamp) {
  std::string text(body);
  text += '.';
  text += nonce;
  text += '.';
  text += timestamp;
  return sdk::base64(sdk::hmac_sha256(secret, text));
}

std::string bird_signature(std::string_view signing_key, std::string_view timestamp,
                           std::string_view url, std::string_view body) {
  std::string text(timestamp);
  text += '\n';
  text += url;
  text += '\n';
  text += sdk::sha256(body);
  return sdk::base64(sdk::hmac_sha256(signing_key, text));
}

std::vector<std::string> xml_messages(std::string_view xml) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while ((at = xml.find("<Message", at)) != std::string_view::npos) {
    const std::size_t open = xml.find('>', at);
    const std::size_t close = xml.find("</Message>", at);
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) break;
    out.emplace_back(xml.substr(open + 1, close - open - 1));
    at = close;
  }
  return out;
}

bool is_gsm7(std::string_view utf8) {
  for (std::size_t at = 0; at < utf8.size(); at += length_of(utf8[at])) {
    if (septets(utf8.substr(at, length_of(utf8[at]))) == 0) return false;
  }
  return true;
}

int sms_segments(std::string_view utf8) {
  if (!is_gsm7(utf8)) {
    const std::size_t units = sdk::utf16_length(utf8);
    if (units <= 70) return 1;
    // A surrogate pair is not cut.
    int parts = 1;
    std::size_t used = 0;
    for (std::size_t at = 0; at < utf8.size(); at += length_of(utf8[at])) {
      const std::size_t wide = length_of(utf8[at]) == 4 ? 2 : 1;
      if (used + wide > 67) {
        ++parts;
        used = 0;
      }
      used += wide;
    }
    return parts;
  }
  int total = 0;
  for (std::size_t at = 0; at < utf8.size(); at += length_of(utf8[at])) {
    total += septets(utf8.substr(at, length_of(utf8[at])));
  }
  if (total <= 160) return 1;
  int parts = 1;
  int used = 0;
  for (std::size_t at = 0; at < utf8.size(); at += length_of(utf8[at])) {
    const int wide = septets(utf8.substr(at, length_of(utf8[at])));
    if (used + wide > 153) {
      ++parts;
      used = 0;
    }
    used += wide;
  }
  return parts;
}

OptKeyword opt_keyword(std::string_view text) {
  constexpr std::array<std::string_view, 8> kStop = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL",
                                                     "END",  "QUIT",    "REVOKE",      "OPTOUT"};
  const std::string word = upper(sdk::trim(text));
  if (std::find(kStop.begin(), kStop.end(), word) != kStop.end()) return OptKeyword::stop;
  if (word == "START" || word == "YES" || word == "UNSTOP") return OptKeyword::start;
  return word == "HELP" || word == "INFO" ? OptKeyword::help : OptKeyword::none;
}

}  // namespace gateway::simulate
