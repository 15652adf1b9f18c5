#include "connectors/whatsapp/graph.h"

#include <algorithm>
#include <array>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/meta.h"
#include "connectors/sdk/text.h"

namespace whatsapp {
namespace {

using connector::Call;
using connector::Channel;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using sdk::json::Value;

constexpr std::string_view kBase = "https://graph.facebook.com/";
constexpr std::string_view kDefaultVersion = "v26.0";
constexpr std::string_view kProof = "appsecret_proof";

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;

enum class Meaning {
  credentials,  // the token or the account behind it; nothing will work until somebody acts
  permission,   // the token may not do this
  trouble,      // of Meta's own; refused, so nothing was done
  rate,
  parameter,    // this call was wrong, or the number is not there
  refused,      // this message will never be taken
  unreachable,  // this contact cannot be written to
};

struct Code {
  std::int64_t code;
  Meaning meaning;
  std::int64_t wait_ms = 0;    // where the answer names none
  std::string_view hint = {};  // before Meta's words
  std::int64_t max_attempts = 0;
};

// What Meta itself cannot name is often the message's own fault.
constexpr std::int64_t kFewAttempts = 3;

constexpr std::string_view kTemplatesOnly =
    "more than 24 hours after the contact last wrote WhatsApp takes only message templates "
    "(metadata \"template\")";

constexpr std::array<Code, 50> kCodes{{
    {0, Meaning::credentials},
    {190, Meaning::credentials},
    {368, Meaning::credentials, 0, "the account is restricted for violating WhatsApp's policies"},
    {131031, Meaning::credentials, 0, "the account is locked"},

    {3, Meaning::permission},
    {10, Meaning::permission},
    {131005, Meaning::permission},

    {1, Meaning::trouble, 0, "", kFewAttempts},
    {2, Meaning::trouble, 0, "", kFewAttempts},
    {131000, Meaning::trouble, 0, "", kFewAttempts},
    {131016, Meaning::trouble, 0, "", kFewAttempts},
    {135000, Meaning::trouble, 0, "", kFewAttempts},
    {131052, Meaning::trouble},
    {131057, Meaning::trouble, kMinute, "the number is in maintenance"},
    // Between one number and one contact: the channel as a whole may go on.
    {131056, Meaning::trouble, 6 * kSecond, "too many messages to this contact in a short time"},
    {132069, Meaning::trouble, kHour, "the flow is throttled"},

    {4, Meaning::rate, kMinute},
    {80007, Meaning::rate, 5 * kMinute},
    {130429, Meaning::rate, 5 * kSecond},
    {133016, Meaning::rate, kHour},

    {33, Meaning::parameter},
    {100, Meaning::parameter},
    {131008, Meaning::parameter},
    {131009, Meaning::parameter},
    {133010, Meaning::parameter, 0, "the number is not registered for the Cloud API"},

    {131026, Meaning::unreachable, 0, "WhatsApp cannot deliver to this contact"},

    {130472, Meaning::refused, 0, "Meta keeps this contact out of marketing messages"},
    {130497, Meaning::refused, 0, "the account may not write to contacts of this country"},
    {131021, Meaning::refused, 0, "the contact's number is the business's own"},
    {131030, Meaning::refused, 0, "the number is not on the test number's list of recipients"},
    {131037, Meaning::refused, 0, "the number's display name is not approved"},
    {131042, Meaning::refused, 0, "the account's payment method has to be repaired"},
    {131044, Meaning::refused, 0, "the account's payment method has to be repaired"},
    {131045, Meaning::refused, 0, "the number has to be registered again"},
    {131047, Meaning::refused, 0, kTemplatesOnly},
    {131048, Meaning::refused, 0, "the number's messages were blocked or reported too often"},
    {131049, Meaning::refused, 0, "Meta limits marketing messages; try again after a day"},
    {131050, Meaning::refused, 0, "the contact has opted out of marketing messages"},
    {131051, Meaning::refused},
    {131053, Meaning::refused, 0, "WhatsApp could not take over the attachment"},
    {131062, Meaning::refused, 0, "this template needs the contact's phone number"},
    {131064, Meaning::refused},
    {132000, Meaning::refused, 0, "the template wants another number of parameters"},
    {132001, Meaning::refused, 0, "there is no such template in this language"},
    {132015, Meaning::refused, 0, "the template is paused"},
    {132016, Meaning::refused, 0, "the template is disabled"},
    {137000, Meaning::refused, 0, "the contact's identity changed"},
    {132005, Meaning::refused},
    {132007, Meaning::refused},
    {132012, Meaning::refused},
}};

const Code* find_code(std::int64_t code) {
  const auto found =
      std::find_if(kCodes.begin(), kCodes.end(), [&](const Code& one) { return one.code == code; });
  return found == kCodes.end() ? nullptr : &*found;
}

// Single permissions have numbers of their own, and templates more reasons than are listed.
std::optional<Code> meaning_of(std::int64_t code) {
  if (const Code* known = find_code(code)) return *known;
  if (code >= 200 && code <= 299) return Code{code, Meaning::permission};
  if (code >= 132000 && code <= 132999) return Code{code, Meaning::refused};
  return std::nullopt;
}

std::int64_t wait_ms(const Channel& channel, const Answer& answer, std::int64_t otherwise) {
  const std::int64_t told = std::max(connector::retry_after_ms(answer.response(), channel.now_ms),
                                     connector::meta::usage_wait_ms(answer.response()));
  return told > 0 ? told : otherwise;
}

Failure failure_of(Meaning meaning, Purpose purpose) {
  switch (meaning) {
    case Meaning::credentials:
      return Failure::auth;
    case Meaning::permission:
      // One message may need more than the others do.
      return purpose == Purpose::send ? Failure::permanent : Failure::auth;
    case Meaning::trouble:
      return Failure::retry;
    case Meaning::rate:
      return Failure::rate;
    case Meaning::parameter:
      return purpose == Purpose::send ? Failure::permanent : Failure::config;
    case Meaning::refused:
      return Failure::permanent;
    case Meaning::unreachable:
      break;
  }
  return Failure::unreachable;
}

// Without what was copied along with it: a line end would make a malformed header of it.
std::string token_of(const Channel& channel) {
  std::string token;
  for (const char c : channel.setting("access_token")) {
    if (c > ' ' && c < 0x7F) token += c;
  }
  return token;
}

Call authorized(const Channel& channel, Call call) {
  call.headers.push_back(connector::bearer_auth(token_of(channel)));
  return call;
}

std::string url_of(const Channel& channel, std::string_view path) {
  const std::string_view version = channel.setting("graph_version");
  std::string url(kBase);
  url += sdk::url_encode(version.empty() ? kDefaultVersion : version);
  url += '/';
  url += path;
  return url;
}

}  // namespace

Answer::Answer(const Response& response) : response_(response) {
  auto document = sdk::json::Document::parse(response.body);
  if (document) document_ = *std::move(document);
}

bool Answer::ok() const {
  return connector::is_success(response_) && root().is_object() && !root()["error"].exists();
}

std::optional<std::int64_t> Answer::code() const { return root()["error"]["code"].integer(); }

bool Answer::says(std::string_view words) const {
  return words_of(root()["error"]).find(words) != std::string::npos;
}

bool Answer::refused_for_good() const {
  const auto refusal = code();
  if (!refusal || response_.status == 401 || response_.status == 429 || response_.status >= 500) {
    return false;
  }
  const auto known = meaning_of(*refusal);
  return !known || known->meaning == Meaning::permission || known->meaning == Meaning::parameter ||
         known->meaning == Meaning::refused;
}

Fail permanent(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

std::string cleaned(const Channel& channel, std::string_view words) {
  std::vector<std::string_view> secrets{channel.secret};
  // Ids are no secrets, but of no use to who reads this either.
  for (const auto& [name, value] : channel.config) secrets.push_back(value);
  return connector::without_secrets(words, secrets);
}

std::string words_of(Value error) {
  std::string_view message = error["message"].text_or(error["title"].text_or(""));
  // "(#131047) Re-engagement message": the code is told apart from the words.
  const std::string prefix = "(#" + std::string(error["code"].digits().value_or("")) + ") ";
  if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  std::string words(message);
  const std::string_view details =
      error["error_data"]["details"].text_or(error["details"].text_or(""));
  if (details.empty() || words.find(details) != std::string::npos) return words;
  if (!words.empty()) words += ": ";
  return words += details;
}

Fail fail_of(const Channel& channel, const Answer& answer, Purpose purpose, Repeat repeat) {
  Fail fail = connector::fail_from(answer.response(), repeat, channel.now_ms);
  const auto code = answer.code();
  if (!code) return fail;
  fail.platform_code = std::to_string(*code);
  std::string words = words_of(answer.root()["error"]);
  std::string_view hint;
  if (const auto known = meaning_of(*code)) {
    fail.code = failure_of(known->meaning, purpose);
    fail.retry_after_ms = 0;
    if (fail.code == Failure::rate || fail.code == Failure::retry) {
      fail.retry_after_ms = wait_ms(channel, answer, known->wait_ms);
    }
    hint = known->hint;
    fail.max_attempts = known->max_attempts;
  } else if (answer.root()["error"]["is_transient"].boolean().value_or(false)) {
    fail.code = Failure::retry;
    fail.max_attempts = kFewAttempts;
  } else if (answer.response().status == 403) {
    fail.code = failure_of(Meaning::permission, purpose);
  }
  if (answer.says(kProof)) {
    fail.code = Failure::config;
    hint =
        "the app demands calls that prove to know its secret, and app_secret is missing or not "
        "that of the access token's app";
  }
  std::string why(hint);
  if (!words.empty()) why += why.empty() ? words : " (" + words + ")";
  if (!why.empty()) fail.why = cleaned(channel, why);
  return fail;
}

Call get(const Channel& channel, std::string_view path) {
  return authorized(channel, {.method = "GET", .url = url_of(channel, path)});
}

Call post(const Channel& channel, std::string_view path, std::string json) {
  return authorized(channel, connector::json_call(url_of(channel, path), std::move(json)));
}

Talk::Talk(const Channel& channel, std::span<const Response> so_far)
    : channel_(channel), so_far_(so_far), proves_(channel.kept(kProof) == "1") {}

const Response* Talk::ask_elsewhere(Call call) {
  if (next_ == so_far_.size()) {
    next_call_ = std::move(call);
    return nullptr;
  }
  return &so_far_[next_++];
}

const Response* Talk::ask(Call call) {
  const std::string_view app_secret = channel_.setting("app_secret");
  const auto proven = [&](Call bare) {
    bare.url += bare.url.find('?') == std::string::npos ? '?' : '&';
    bare.url += kProof;
    bare.url += '=';
    bare.url += sdk::hex(sdk::hmac_sha256(app_secret, token_of(channel_)));
    return bare;
  };
  if (proves_ && !app_secret.empty()) return ask_elsewhere(proven(std::move(call)));
  const Response* response = ask_elsewhere(call);
  if (response == nullptr || app_secret.empty() || connector::is_success(*response) ||
      !Answer(*response).says(kProof)) {
    return response;
  }
  proves_ = learned_ = true;
  return ask_elsewhere(proven(std::move(call)));
}

connector::Pairs Talk::learned() const {
  if (!learned_) return {};
  return {{std::string(kProof), "1"}};
}

}  // namespace whatsapp
