#include "connectors/email/verify.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "connectors/email/address.h"
#include "connectors/email/delivery.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Channel;
using connector::Request;
using connector::Verdict;
using sdk::json::Document;
using sdk::json::Value;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kClockSkewMs = 15 * kMinuteMs;
// Mailgun repeats for 8 hours and SendGrid for 3 days; whether a repetition is signed anew is not
// documented.
constexpr std::int64_t kMailgunAgeMs = 9 * kHourMs;
constexpr std::int64_t kSendGridAgeMs = 73 * kHourMs;
// SNS repeats for an hour at most.
constexpr std::int64_t kSnsAgeMs = 65 * kMinuteMs;
constexpr std::size_t kMaxSharedRecipients = 100;

Verdict accept_if(bool holds) { return holds ? Verdict::accept : Verdict::refuse; }

std::optional<std::int64_t> integer_of(std::string_view digits) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return value;
}

bool is_recent(std::string_view unix_seconds, std::int64_t now_ms, std::int64_t longest_ms) {
  constexpr std::int64_t kLatest = 253'402'300'799;
  const auto seconds = integer_of(unix_seconds);
  if (!seconds || *seconds < 0 || *seconds > kLatest) return false;
  const std::int64_t age = now_ms - *seconds * 1000;
  return age <= longest_ms && age >= -kClockSkewMs;
}

// A name that occurs once; which of two counts must not depend on who reads.
std::optional<std::string_view> only_header(const Request& request, std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto& [key, value] : request.headers) {
    if (key != name) continue;
    if (found) return std::nullopt;
    found = value;
  }
  return found;
}

std::optional<std::string_view> only_field(const std::vector<FormPart>& form,
                                           std::string_view name) {
  std::optional<std::string_view> found;
  for (const FormPart& part : form) {
    if (part.name != name) continue;
    if (found) return std::nullopt;
    found = part.content;
  }
  return found;
}

// https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks (read
// 2026-11-20): the body is not covered.
Verdict verify_mailgun(const Channel& channel, const Request& request) {
  const std::string_view key = channel.setting("mailgun.signing_key");
  if (key.empty()) return Verdict::refuse;
  std::string timestamp;
  std::string token;
  std::string signature;
  if (is_json(request)) {
    const auto document = Document::parse(request.body, kMailLimits);
    if (!document) return Verdict::refuse;
    const Value triple = document->root()["signature"];
    timestamp = triple["timestamp"].digits().value_or("");
    token = triple["token"].text_or("");
    signature = triple["signature"].text_or("");
  } else {
    const auto form = form_of(request);
    if (!form) return Verdict::refuse;
    timestamp = only_field(*form, "timestamp").value_or("");
    token = only_field(*form, "token").value_or("");
    signature = only_field(*form, "signature").value_or("");
  }
  if (token.empty() || token.size() > 200 || signature.size() != 64) return Verdict::refuse;
  const std::string mac = sdk::hex(sdk::hmac_sha256(key, timestamp + token));
  return accept_if(sdk::equal_secret(mac, signature) &&
                   is_recent(timestamp, channel.now_ms, kMailgunAgeMs));
}

// https://postmarkapp.com/developer/webhooks/webhooks-overview (read 2026-11-20): Postmark signs
// nothing and sends the credentials of the URL it was given.
Verdict verify_postmark(const Channel& channel, const Request& request) {
  const auto sent = only_header(request, "authorization");
  const auto [user, password] = hook_credentials(channel);
  if (!sent || password.empty()) return Verdict::refuse;
  return accept_if(sdk::equal_secret(*sent, connector::basic_auth(user, password).second));
}

// https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks
// (read 2026-11-20).
Verdict verify_sendgrid(const Channel& channel, const Request& request) {
  const std::string_view key = channel.setting("sendgrid.public_key");
  if (key.empty()) return accept_if(connector::came_by_keyed_url(channel, request));
  const auto signature = only_header(request, "x-twilio-email-event-webhook-signature");
  const auto timestamp = only_header(request, "x-twilio-email-event-webhook-timestamp");
  const auto der = sdk::from_base64(key);
  if (!signature || !timestamp || !der) return Verdict::refuse;
  const auto raw_signature = sdk::from_base64(*signature);
  if (!raw_signature || !is_recent(*timestamp, channel.now_ms, kSendGridAgeMs)) {
    return Verdict::refuse;
  }
  return accept_if(
      sdk::is_signed_ecdsa(*der, std::string(*timestamp) + request.body, *raw_signature));
}

std::string signed_text(Value message) {
  constexpr std::array<std::string_view, 6> kNotification{"Message",   "MessageId", "Subject",
                                                          "Timestamp", "TopicArn",  "Type"};
  constexpr std::array<std::string_view, 7> kConfirmation{
      "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"};
  const std::string_view type = message["Type"].text_or("");
  std::string text;
  const auto add = [&](std::string_view name) {
    const auto value = message[name].text();
    if (value) text += std::string(name) + "\n" + std::string(*value) + "\n";
  };
  if (type == "Notification") {
    std::for_each(kNotification.begin(), kNotification.end(), add);
  } else if (type == "SubscriptionConfirmation" || type == "UnsubscribeConfirmation") {
    std::for_each(kConfirmation.begin(), kConfirmation.end(), add);
  }
  return text;
}

// A certificate may only be asked for where the topic is ours and the host Amazon's.
std::optional<std::string_view> certificate_url(const Channel& channel, Value message) {
  const std::string_view topic = channel.setting("ses.topic_arn");
  const std::string_view url = message["SigningCertURL"].text_or("");
  if (topic.empty() || message["TopicArn"].text_or("") != topic || !is_sns_url(url) ||
      !url.ends_with(".pem") || url.find_first_of("?#") != std::string_view::npos) {
    return std::nullopt;
  }
  return url;
}

Verdict verify_ses(const Channel& channel, const Request& request) {
  const auto document = Document::parse(request.body, kMailLimits);
  if (!document) return Verdict::refuse;
  const Value message = document->root();
  const auto url = certificate_url(channel, message);
  const std::string text = signed_text(message);
  const auto time = parse_iso_time(message["Timestamp"].text_or(""));
  const auto signature = sdk::from_base64(message["Signature"].text_or(""));
  const std::string_view version = message["SignatureVersion"].text_or("");
  if (!url || text.empty() || !time || !signature || (version != "1" && version != "2")) {
    return Verdict::refuse;
  }
  const std::int64_t age = channel.now_ms - *time;
  if (age > kSnsAgeMs || age < -kClockSkewMs) return Verdict::refuse;
  const auto certificate = connector::find(channel.documents, *url);
  if (!certificate) return Verdict::try_later;
  const auto digest = version == "1" ? sdk::RsaDigest::sha1 : sdk::RsaDigest::sha256;
  return accept_if(sdk::is_signed_by_certificate(*certificate, digest, text, *signature));
}

Verdict verify_as(std::string_view provider, const Channel& channel, const Request& request) {
  if (provider == "mailgun") return verify_mailgun(channel, request);
  if (provider == "postmark") return verify_postmark(channel, request);
  if (provider == "sendgrid") return verify_sendgrid(channel, request);
  if (provider == "ses") return verify_ses(channel, request);
  if (provider == "raw") return accept_if(connector::came_by_keyed_url(channel, request));
  return Verdict::refuse;  // imap and smtp deliver nothing
}

void add_addresses(std::vector<std::string>& all, std::string_view list) {
  for (const Address& one : parse_addresses(list)) {
    std::string address = without_plus(one.address);
    if (all.size() < kMaxSharedRecipients &&
        std::find(all.begin(), all.end(), address) == all.end()) {
      all.push_back(std::move(address));
    }
  }
}

void add_json_accounts(std::vector<std::string>& all, const Request& request) {
  const auto document = Document::parse(request.body, kMailLimits);
  if (!document) return;
  const Value root = document->root();
  add_addresses(all, root["OriginalRecipient"].text_or(""));
  for (const Value to : root["ToFull"].elements()) add_addresses(all, to["Email"].text_or(""));
  const Value event = root["event-data"];
  add_addresses(all, event["message"]["headers"]["from"].text_or(""));
  add_addresses(all, event["envelope"]["sender"].text_or(""));
  const auto inner = Document::parse(root["Message"].text_or(""), kMailLimits);
  if (!inner) return;
  for (const Value to : inner->root()["receipt"]["recipients"].elements()) {
    add_addresses(all, to.text_or(""));
  }
  if (!inner->root()["receipt"].exists()) {
    add_addresses(all, inner->root()["mail"]["source"].text_or(""));
  }
}

}  // namespace

Verdict verify(const Channel& channel, const Request& request) {
  if (channel.secret.empty() || request.method != "POST") return Verdict::refuse;
  const std::string_view inbound = channel.setting("inbound");
  const std::string_view outbound = channel.setting("outbound");
  const Verdict verdict = verify_as(inbound, channel, request);
  // Who sends for the channel tells what became of it; SendGrid at the keyed URL, in a form of its
  // own that parsed mails do not have.
  if (outbound == "sendgrid" && is_event_list(request)) {
    return accept_if(connector::came_by_keyed_url(channel, request));
  }
  if (verdict == Verdict::accept || outbound == inbound || outbound == "sendgrid") return verdict;
  const Verdict other = verify_as(outbound, channel, request);
  return other == Verdict::refuse ? verdict : other;
}

std::vector<std::string> documents(const Channel& channel, const Request& request) {
  const bool by_sns = channel.setting("inbound") == "ses" || channel.setting("outbound") == "ses";
  if (!by_sns || !is_json(request)) return {};
  const auto document = Document::parse(request.body, kMailLimits);
  if (!document) return {};
  const auto url = certificate_url(channel, document->root());
  if (!url) return {};
  return {std::string(*url)};
}

std::vector<std::string> accounts(const Request& request) {
  std::vector<std::string> all;
  if (request.body.size() > kMaxBodyBytes) return all;
  for (const auto& [name, value] : sdk::parse_form(request.query, 20)) {
    if (name == "rcpt") add_addresses(all, value);
  }
  if (is_json(request)) {
    add_json_accounts(all, request);
  } else if (const auto form = form_of(request)) {
    add_addresses(all, value_of(*form, "recipient"));
    if (const auto envelope = Document::parse(value_of(*form, "envelope"))) {
      for (const Value to : envelope->root()["to"].elements()) add_addresses(all, to.text_or(""));
    }
  }
  return all;
}

connector::Pair hook_credentials(const Channel& channel) {
  const std::string_view user = channel.setting("postmark.hook_user");
  const std::string_view password = channel.setting("postmark.hook_password");
  if (!user.empty() && !password.empty()) return {std::string(user), std::string(password)};
  if (channel.secret.empty()) return {};
  return {"backchannel", sdk::hex(sdk::hmac_sha256(channel.secret, "postmark hook")).substr(0, 40)};
}

bool is_sns_url(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme) || url.size() > 2048) return false;
  url.remove_prefix(kScheme.size());
  std::string_view host = url.substr(0, url.find_first_of("/?#"));
  if (!host.starts_with("sns.")) return false;
  host.remove_prefix(4);
  if (host.ends_with(".cn")) host.remove_suffix(3);
  constexpr std::string_view kDomain = ".amazonaws.com";
  if (!host.ends_with(kDomain)) return false;
  const std::string_view region = host.substr(0, host.size() - kDomain.size());
  // Neither a port nor user information gets past this.
  return region.size() >= 3 && region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") ==
                                   std::string_view::npos;
}

std::string sns_signed_text(std::string_view body) {
  const auto document = Document::parse(body, kMailLimits);
  return document ? signed_text(document->root()) : std::string();
}

std::optional<std::int64_t> parse_iso_time(std::string_view text) {
  if (text.size() < 20 || text.size() > 35 || text[4] != '-' || text[7] != '-' ||
      (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  std::array<std::int64_t, 6> numbers{};
  constexpr std::array<std::pair<std::size_t, std::size_t>, 6> kPlaces{
      {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}}};
  for (std::size_t i = 0; i < kPlaces.size(); ++i) {
    const auto number = integer_of(text.substr(kPlaces[i].first, kPlaces[i].second));
    if (!number || *number < 0) return std::nullopt;
    numbers[i] = *number;
  }
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(numbers[0])},
                                         std::chrono::month{static_cast<unsigned>(numbers[1])},
                                         std::chrono::day{static_cast<unsigned>(numbers[2])}};
  if (!date.ok() || numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 60) return std::nullopt;
  std::string_view tail = text.substr(19);
  std::int64_t fraction = 0;
  if (tail.starts_with('.')) {
    const auto end = std::min(tail.find_first_not_of("0123456789", 1), tail.size());
    const std::string digits = std::string(tail.substr(1, std::min<std::size_t>(end - 1, 3)));
    fraction = integer_of((digits + "000").substr(0, 3)).value_or(0);
    tail.remove_prefix(end);
  }
  std::int64_t zone_minutes = 0;
  if (tail.size() == 6 && (tail[0] == '+' || tail[0] == '-') && tail[3] == ':') {
    const auto hours = integer_of(tail.substr(1, 2));
    const auto minutes = integer_of(tail.substr(4, 2));
    if (!hours || !minutes) return std::nullopt;
    zone_minutes = (*hours * 60 + *minutes) * (tail[0] == '-' ? -1 : 1);
  } else if (tail != "Z") {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return (((days * 24 + numbers[3]) * 60 + numbers[4] - zone_minutes) * 60 + numbers[5]) * 1000 +
         fraction;
}

}  // namespace email
