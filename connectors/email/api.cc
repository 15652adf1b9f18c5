#include "connectors/email/api.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "connectors/email/address.h"
#include "connectors/email/identity.h"
#include "connectors/email/sigv4.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Call;
using connector::Channel;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using sdk::json::Document;
using sdk::json::Value;

constexpr std::array<std::string_view, 10> kSecretSettings{
    "smtp.password",          "imap.password",       "imap.bearer",
    "mailgun.api_key",        "mailgun.signing_key", "postmark.server_token",
    "postmark.hook_password", "sendgrid.api_key",    "ses.access_key",
    "ses.secret_key"};

void add_json(Call& call, std::string json) {
  if (json.empty()) return;
  call.headers.emplace_back("content-type", "application/json");
  call.body = std::move(json);
}

// Each provider puts its sentence somewhere else.
std::string words_of(const Response& response) {
  const Document document = json_of(response);
  const Value root = document.root();
  for (const std::string_view name : {"message", "Message", "error", "description"}) {
    const std::string_view words = root[name].text_or("");
    if (!words.empty()) return sdk::sanitize(words, 500);
  }
  return sdk::sanitize(root["errors"].at(0)["message"].text_or(""), 500);
}

std::string encoded_path(std::string_view path) {
  std::string encoded;
  for (const char c : path) {
    encoded += c == '/' ? std::string(1, c) : sdk::url_encode(std::string_view(&c, 1));
  }
  return encoded;
}

// The last reply line, "550 5.1.1 no such user", in its three pieces.
struct SmtpReply {
  int code = 0;
  std::string enhanced;
  std::string words;
};

SmtpReply smtp_reply(const Response& response) {
  SmtpReply reply{.code = response.status};
  std::string_view rest = response.body;
  std::string line;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string one = sdk::sanitize(rest.substr(0, end), 500);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (one.size() >= 3 && one[0] >= '2' && one[0] <= '5') line = one;
  }
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (line.size() < 4) return reply;
  int code = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + 3, code);
  if (error == std::errc() && code >= 400) reply.code = response.status == 401 ? 401 : code;
  reply.words = sdk::trim(line);
  const std::string_view behind = std::string_view(line).substr(4);
  const std::string_view word = behind.substr(0, behind.find(' '));
  if (word.size() >= 5 && (word[0] == '4' || word[0] == '5') && word[1] == '.') {
    reply.enhanced = word;
  }
  return reply;
}

}  // namespace

std::string cleaned(const Channel& channel, std::string_view words) {
  std::vector<std::string_view> secrets{channel.secret};
  for (const std::string_view name : kSecretSettings) secrets.push_back(channel.setting(name));
  return connector::without_secrets(words, secrets);
}

Document json_of(const Response& response) {
  if (auto document = Document::parse(response.body, {.bytes = 8u << 20})) {
    return *std::move(document);
  }
  return std::move(Document::parse("{}").value());
}

Fail permanent(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }
Fail config_fail(std::string why) { return {.code = Failure::config, .why = std::move(why)}; }

Call mailgun_call(const Channel& channel, std::string_view method, std::string_view path) {
  const bool eu = channel.setting("mailgun.region") == "eu";
  return {
      .method = std::string(method),
      .url = (eu ? "https://api.eu.mailgun.net" : "https://api.mailgun.net") + std::string(path),
      .headers = {connector::basic_auth("api", channel.setting("mailgun.api_key"))},
      .url_is_secret = false};
}

Call postmark_call(const Channel& channel, std::string_view method, std::string_view path,
                   std::string json) {
  Call call{.method = std::string(method),
            .url = "https://api.postmarkapp.com" + std::string(path),
            .headers = {{"accept", "application/json"},
                        {"x-postmark-server-token",
                         std::string(channel.setting("postmark.server_token"))}},
            .url_is_secret = false};
  add_json(call, std::move(json));
  return call;
}

Call sendgrid_call(const Channel& channel, std::string_view method, std::string_view path,
                   std::string json) {
  Call call{.method = std::string(method),
            .url = "https://api.sendgrid.com" + std::string(path),
            .headers = {connector::bearer_auth(channel.setting("sendgrid.api_key"))},
            .url_is_secret = false};
  add_json(call, std::move(json));
  return call;
}

Call ses_call(const Channel& channel, std::string json) {
  const std::string_view region = channel.setting("ses.region");
  Call call{
      .method = "POST",
      .url = "https://email." + std::string(region) + ".amazonaws.com/v2/email/outbound-emails",
      .url_is_secret = false};
  add_json(call, std::move(json));
  sign_v4(call,
          {channel.setting("ses.access_key"), channel.setting("ses.secret_key"), region, "ses"},
          channel.now_ms);
  return call;
}

Call s3_call(const Channel& channel, std::string_view path, std::string_view query) {
  const std::string_view region = channel.setting("ses.region");
  Call call{.method = "GET",
            .url = "https://" + std::string(channel.setting("ses.bucket")) + ".s3." +
                   std::string(region) + ".amazonaws.com/" + encoded_path(path),
            .url_is_secret = false};
  if (!query.empty()) call.url += "?" + std::string(query);
  sign_v4(call,
          {channel.setting("ses.access_key"), channel.setting("ses.secret_key"), region, "s3"},
          channel.now_ms);
  return call;
}

Call imap_call(const Channel& channel, std::string_view command, std::string_view path) {
  const std::string_view tls = channel.setting("imap.tls");
  const bool implicit = tls.empty() || tls == "implicit";
  std::string port(channel.setting("imap.port"));
  if (port.empty()) port = implicit ? "993" : "143";
  Call call{.method = std::string(command),
            .url = (implicit ? "imaps://" : "imap://") + std::string(channel.setting("imap.host")) +
                   ":" + port + "/" + std::string(path),
            .url_is_secret = false};
  const std::string_view user = channel.setting("imap.username");
  call.headers.emplace_back("username", user.empty() ? channel.setting("address") : user);
  if (const auto bearer = channel.setting("imap.bearer"); !bearer.empty()) {
    call.headers.emplace_back("bearer", bearer);
  } else {
    call.headers.emplace_back("password", channel.setting("imap.password"));
  }
  if (tls == "none") call.headers.emplace_back("tls", "none");
  return call;
}

Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  Fail fail = connector::fail_from(response, repeat, channel.now_ms);
  if (response.status >= 300) {
    if (const std::string words = words_of(response); !words.empty()) {
      fail.why = cleaned(channel, words);
    }
  }
  return fail;
}

Fail smtp_fail(const Channel& channel, const Response& response) {
  if (response.status == 0) {
    return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  }
  const SmtpReply reply = smtp_reply(response);
  Fail fail{.code = Failure::permanent,
            .why = reply.words.empty() ? "the mail server answered " + std::to_string(reply.code)
                                       : cleaned(channel, reply.words),
            .platform_code = reply.enhanced.empty() ? std::to_string(reply.code) : reply.enhanced};
  const std::string& code = reply.enhanced;
  if (reply.code == 401 || reply.code == 530 || reply.code == 534 || reply.code == 535 ||
      reply.code == 538) {
    fail.code = Failure::auth;
  } else if (reply.code >= 400 && reply.code < 500) {
    fail.code = Failure::retry;
  } else if (reply.code == 552 || code == "5.3.4" || code == "5.2.3") {
    fail.code = Failure::permanent;  // too large for them
  } else if (code.starts_with("5.1.7") || code.starts_with("5.1.8") || code == "5.7.60") {
    fail.code = Failure::config;  // our own address is refused
  } else if (reply.code == 551 || reply.code == 553 || code.starts_with("5.1.") ||
             code == "5.2.1" || (reply.code == 550 && code.empty())) {
    fail.code = Failure::unreachable;
  } else if (sdk::lower_ascii(reply.words).find("relay") != std::string::npos) {
    fail.code = Failure::config;  // the server does not send for us
  }
  return fail;
}

Fail imap_fail(const Channel& channel, const Response& response) {
  Fail fail = connector::fail_from(response, Repeat::safe, channel.now_ms);
  if (response.status == 400) {
    std::string words = sdk::sanitize(response.body, 300);
    std::replace(words.begin(), words.end(), '\n', ' ');
    fail.why = "the IMAP server refused a command" +
               (words.empty() ? std::string() : ": " + cleaned(channel, words));
  }
  return fail;
}

std::string_view outbound_of(const Channel& channel) {
  const std::string_view outbound = channel.setting("outbound");
  return outbound.empty() ? "smtp" : outbound;
}

std::string smtp_url(const Channel& channel) {
  const bool implicit = channel.setting("smtp.tls") == "implicit";
  std::string port(channel.setting("smtp.port"));
  if (port.empty()) port = implicit ? "465" : "587";
  // libcurl greets with the path's name; otherwise the machine's own would be told.
  return (implicit ? "smtps://" : "smtp://") + std::string(channel.setting("smtp.host")) + ":" +
         port + "/" + std::string(domain_of(own_address(channel)));
}

std::optional<std::string> missing_setting(const Channel& channel) {
  const std::string_view inbound = channel.setting("inbound");
  const std::string_view outbound = outbound_of(channel);
  const auto lacks = [&](std::string_view provider,
                         std::initializer_list<std::string_view> names) -> std::string {
    for (const std::string_view name : names) {
      if (channel.setting(std::string(provider) + "." + std::string(name)).empty()) {
        return "config." + std::string(provider) + "." + std::string(name) + " is missing";
      }
    }
    return {};
  };
  std::vector<std::string> found;
  if (!is_sendable(channel.setting("address"))) found.emplace_back("config.address is no address");
  const auto uses = [&](std::string_view provider) {
    return inbound == provider || outbound == provider;
  };
  if (uses("mailgun")) found.push_back(lacks("mailgun", {"domain", "api_key", "signing_key"}));
  if (uses("postmark")) found.push_back(lacks("postmark", {"server_token"}));
  if (inbound == "sendgrid") found.push_back(lacks("sendgrid", {"api_key", "hostname"}));
  if (outbound == "sendgrid") found.push_back(lacks("sendgrid", {"api_key"}));
  if (inbound == "ses") found.push_back(lacks("ses", {"topic_arn"}));
  if (outbound == "ses" || !channel.setting("ses.bucket").empty()) {
    found.push_back(lacks("ses", {"region", "access_key", "secret_key"}));
  }
  if (outbound == "smtp") found.push_back(lacks("smtp", {"host"}));
  if (inbound == "imap") {
    found.push_back(lacks("imap", {"host"}));
    if (channel.setting("imap.bearer").empty()) found.push_back(lacks("imap", {"password"}));
  }
  for (std::string& sentence : found) {
    if (!sentence.empty()) return std::move(sentence);
  }
  return std::nullopt;
}

}  // namespace email
