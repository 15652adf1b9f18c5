// Plivo: https://docs.plivo.com/messaging/concepts/signature-validation, api/message, and
// plivo-node's lib/utils/v3Security.js (read 2026-11-20).
#include <algorithm>
#include <array>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/events.h"
#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"

namespace sms {
namespace plivo {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::size_t kMaxMedia = 10;

constexpr std::array<StateName, 7> kStates{{{"queued", Stage::sent},
                                            {"sent", Stage::sent},
                                            {"delivered", Stage::delivered},
                                            {"read", Stage::read},
                                            {"undelivered", Stage::failed},
                                            {"failed", Stage::failed},
                                            {"rejected", Stage::failed}}};

// https://docs.plivo.com/messaging/troubleshooting/error-codes (verify, but for 200).
constexpr std::string_view kOptedOut = "200";
constexpr std::array<ErrorMeaning, 14> kErrors{{
    {"10", Failure::permanent, "the message is invalid"},
    {"20", Failure::retry, "network error"},
    {"30", Failure::permanent, "the carrier took it for spam"},
    {"40", Failure::config, "the sender's number is invalid"},
    {"50", Failure::unreachable, "the recipient's number is invalid"},
    {"60", Failure::permanent, "a loop was detected"},
    {"70", Failure::unreachable, "the destination is permanently unavailable"},
    {"80", Failure::retry, "the destination is unavailable for the moment"},
    {"90", Failure::unreachable, "there is no route to the number"},
    {"100", Failure::permanent, "the carrier prohibits it"},
    {"110", Failure::permanent, "the message is too long"},
    {kOptedOut, Failure::unreachable, "the recipient sent STOP"},
    {"300", Failure::retry, "the message failed at Plivo"},
    {"1000", Failure::retry, "unknown error"},
}};

std::string complaint(const Channel& channel) {
  return missing(channel, {"plivo_auth_id", "plivo_auth_token", "from"});
}

// ---- signatures

// "k=v" joined by '&' of a URL's part, "kv" of a body's.
enum class Style { query, body };

std::string sorted_parameters(sdk::Form form, Style style) {
  std::sort(form.begin(), form.end());
  std::string text;
  for (const auto& [name, value] : form) {
    if (style == Style::query && !text.empty()) text += '&';
    text += name;
    if (style == Style::query) text += '=';
    text += value;
  }
  return text;
}

std::string v3_text(const Request& request, std::string_view url) {
  std::string text(url.substr(0, url.find('?')));
  const std::string query = sorted_parameters(sdk::parse_form(request.query), Style::query);
  const sdk::Form form = request.method == "GET" ? sdk::Form() : sdk::parse_form(request.body);
  if (!query.empty() || !form.empty()) text += "?" + query;
  if (!query.empty() && !form.empty()) text += '.';
  return text + sorted_parameters(form, Style::body);
}

// A header may hold several signatures, separated by commas.
bool holds(std::string_view header, std::string_view wanted) {
  bool found = false;
  while (!header.empty()) {
    const std::string_view one = header.substr(0, header.find(','));
    header.remove_prefix(std::min(header.size(), one.size() + 1));
    found |= sdk::equal_secret(sdk::trim(one), wanted);
  }
  return found;
}

// The account's own signature, or its main account's: the token fits the one it belongs to.
bool is_signed(const Channel& channel, const Request& request, std::string_view version,
               std::string_view text) {
  const std::string wanted =
      sdk::base64(sdk::hmac_sha256(channel.setting("plivo_auth_token"), text));
  bool found = false;
  for (const std::string_view infix : {"", "ma-"}) {
    const std::string name = "x-plivo-signature-" + std::string(infix) + std::string(version);
    const auto header = only_header(request, name);
    if (header && !header->empty()) found |= holds(*header, wanted);
  }
  return found;
}

std::optional<std::string_view> nonce_of(const Request& request, std::string_view version) {
  const auto nonce = only_header(request, "x-plivo-signature-" + std::string(version) + "-nonce");
  if (!nonce || nonce->empty()) return std::nullopt;
  return nonce;
}

bool has_v3(const Request& request) {
  return connector::find(request.headers, "x-plivo-signature-v3") ||
         connector::find(request.headers, "x-plivo-signature-ma-v3");
}

Verdict verify(const Channel& channel, const Request& request) {
  if (request.method != "POST" && request.method != "GET") return Verdict::refuse;
  const std::string url = signed_url(base_url(channel, request), request);
  if (has_v3(request)) {
    const auto nonce = nonce_of(request, "v3");
    if (!nonce) return Verdict::refuse;
    const std::string text = v3_text(request, url) + "." + std::string(*nonce);
    return is_signed(channel, request, "v3", text) ? Verdict::accept : Verdict::refuse;
  }
  // The second version covers the address alone and not what is said, so the address must be one
  // that nobody guesses.
  const auto nonce = nonce_of(request, "v2");
  if (!nonce || !connector::came_by_keyed_url(channel, request)) return Verdict::refuse;
  const std::string text = url.substr(0, url.find('?')) + std::string(*nonce);
  return is_signed(channel, request, "v2", text) ? Verdict::accept : Verdict::refuse;
}

// ---- deliveries

std::string_view value_of(const sdk::Form& form, std::string_view name) {
  return sdk::find(form, name).value_or(std::string_view());
}

std::string clean(const sdk::Form& form, std::string_view name) {
  return sdk::sanitize(value_of(form, name), 4096);
}

// "Media0" or "Media1" is the first, depending on which page one reads.
std::vector<connector::Attachment> media_of(const sdk::Form& form) {
  std::vector<connector::Attachment> media;
  for (const auto& [name, value] : form) {
    constexpr std::string_view kName = "Media";
    const std::string_view number =
        std::string_view(name).substr(std::min(name.size(), kName.size()));
    const bool is_file = name.starts_with(kName) && !number.empty() &&
                         number.find_first_not_of("0123456789") == std::string_view::npos;
    if (is_file && !value.empty() && media.size() < kMaxMedia) {
      media.push_back(media_at(sdk::sanitize(value, 8192), ""));
    }
  }
  return media;
}

connector::ReceiveResult message_of(const Channel& channel, const sdk::Form& form) {
  Inbound inbound{.id = clean(form, "MessageUUID"),
                  .from = clean(form, "From"),
                  .to = clean(form, "To"),
                  .text = std::string(value_of(form, "Text")),
                  .media = media_of(form),
                  .intent = intent_named(value_of(form, "MessageIntent"))};
  if (inbound.text.empty()) inbound.text = value_of(form, "Body");
  add(inbound.extra, "segments", clean(form, "Units"));
  add(inbound.extra, "powerpack", clean(form, "PowerpackUUID"));
  const std::string type = sdk::lower_ascii(clean(form, "Type"));
  if (type == "whatsapp") add(inbound.extra, "channel", type);
  return received(channel, inbound);
}

connector::ReceiveResult report_of(const sdk::Form& form, std::string message_key) {
  Report report{.id = clean(form, "MessageUUID"),
                .state = clean(form, "Status"),
                .contact = clean(form, "To"),
                .code = clean(form, "ErrorCode"),
                .message_key = std::move(message_key)};
  report.stage = stage_of(report.state, kStates);
  report.sequence = number_or_zero(value_of(form, "Sequence"));
  // Every part of a long text is reported under its own id and names the first one.
  const std::string parent = clean(form, "ParentMessageUUID");
  if (!parent.empty() && parent != report.id) {
    report.part = std::exchange(report.id, parent);
  }
  if (const ErrorMeaning* meaning = meaning_of(report.code, kErrors)) {
    report.why = meaning->words;
    add(report.extra, "error_class", class_of(meaning->failure));
  }
  report.opted_out = report.code == kOptedOut;
  return received(report);
}

// No text in it, which would be sent to the customer.
Response empty_xml() {
  return {.status = 200, .headers = {{"content-type", "application/xml"}}, .body = "<Response/>"};
}

connector::ReceiveResult receive(const Channel& channel, const Request& request) {
  const sdk::Form query = sdk::parse_form(request.query);
  const sdk::Form form = request.method == "GET" ? query : sdk::parse_form(request.body);
  const bool is_report = sdk::find(form, "Status") && !sdk::find(form, "Text") &&
                         !sdk::find(form, "Body") && !sdk::find(form, "MediaCount");
  auto result = connector::ReceiveResult();
  if (is_report) {
    result = report_of(form, sdk::sanitize(sdk::find(query, "key").value_or(""), 200));
  } else if (sdk::find(form, "MessageUUID")) {
    result = message_of(channel, form);
  } else {
    result = not_known("neither a message nor a report", request);
  }
  if (result) result->reply = empty_xml();
  return result;
}

// ---- the application

std::string account_url(const Channel& channel, std::string_view rest) {
  return "https://api.plivo.com/v1/Account/" + sdk::url_encode(channel.setting("plivo_auth_id")) +
         "/" + std::string(rest);
}

Call call(const Channel& channel, std::string method, std::string_view path,
          std::string json = {}) {
  Call call{.method = std::move(method), .url = account_url(channel, path)};
  if (!json.empty()) call.headers.emplace_back("content-type", "application/json");
  call.headers.push_back(
      connector::basic_auth(channel.setting("plivo_auth_id"), channel.setting("plivo_auth_token")));
  call.body = std::move(json);
  return call;
}

// {"api_id":"...","error":"..."}; sometimes an object with the field's name.
Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  const Value error = answer.root()["error"];
  Complaint complaint;
  if (const auto text = error.text()) {
    complaint.words = *text;
  } else if (error["error"].is_string()) {
    complaint.words = *error["error"].text();
  }
  return sms::fail_of(channel, response, repeat, complaint, {});
}

bool has_number(const Channel& channel) { return !is_alphanumeric(channel.setting("from")); }

std::string number_path(const Channel& channel) {
  return "Number/" + sdk::url_encode(without_plus(own_number(channel))) + "/";
}

std::string application_path(std::string_view id) {
  return "Application/" + sdk::url_encode(id) + "/";
}

// "/v1/Account/MA.../Application/1234/" -> "1234".
std::string application_in(Value number) {
  std::string_view uri = number["application"].text_or("");
  while (uri.ends_with('/')) uri.remove_suffix(1);
  return std::string(uri.substr(uri.rfind('/') + 1));
}

// Letters, digits, '-' and '_' are what a name may have.
std::string application_name(const Channel& channel) {
  std::string name = "backchannel_";
  const std::string_view url = without_fragment(channel.webhook_url);
  for (const char c : url.substr(url.rfind('/') + 1)) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (allowed && name.size() < 60) name += c;
  }
  return name;
}

std::string application_json(std::string_view name, std::string_view url, std::string_view method) {
  Writer json;
  json.object();
  if (!name.empty()) json.member("app_name", name);
  return json.member("message_url", url).member("message_method", method).end().take();
}

// What Plivo does not like about an application is our address.
Fail fail_of_application(const Channel& channel, const Response& response) {
  Fail fail = fail_of(channel, response, Repeat::safe);
  if (response.status == 400) fail.code = Failure::config;
  return fail;
}

Call link_number(const Channel& channel, std::string_view application) {
  Writer json;
  json.object().member("app_id", application).end();
  return call(channel, "POST", number_path(channel), json.take());
}

Fail fail_of_number(const Channel& channel, const Response& response) {
  if (response.status == 404) {
    return config_fail("config.from: the Plivo account has no such number");
  }
  return fail_of(channel, response, Repeat::safe);
}

// A name has no number to look at.
Step look_at_account(const Channel& channel, std::span<const Response> so_far) {
  if (so_far.empty()) return call(channel, "GET", "");
  const Answer answer(so_far[0]);
  if (!answer.ok()) return fail_of(channel, so_far[0], Repeat::safe);
  if (!answer.root()["auth_id"].exists()) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  return Done{};
}

// The application that is ours to set, by name in the settings or made by us earlier.
std::string_view known_application(const Channel& channel) {
  const std::string_view named = channel.setting("app_id");
  return named.empty() ? channel.kept("application") : named;
}

Step register_number(const Channel& channel, std::span<const Response> so_far) {
  Answers answers(so_far);
  const Response* found = answers.next();
  if (found == nullptr) return call(channel, "GET", number_path(channel));
  const Answer number(*found);
  if (!number.ok()) return fail_of_number(channel, *found);
  if (!number.root()["number"].exists()) {
    return connector::fail_from(*found, Repeat::safe, channel.now_ms);
  }
  const std::string url = connector::keyed_webhook_url(channel);
  Done done;
  std::string application(known_application(channel));
  if (!application.empty()) {
    const Response* old = answers.next();
    if (old == nullptr) return call(channel, "GET", application_path(application));
    const Answer before(*old);
    if (old->status == 404 && channel.setting("app_id").empty()) {
      application.clear();  // ours was removed at Plivo; make another
    } else if (old->status == 404) {
      return config_fail("config.app_id: the Plivo account has no such application");
    } else if (!before.ok()) {
      return fail_of(channel, *old, Repeat::safe);
    } else {
      const Response* set = answers.next();
      if (set == nullptr) {
        return call(channel, "POST", application_path(application),
                    application_json("", url, "POST"));
      }
      if (!connector::is_success(*set)) return fail_of_application(channel, *set);
      const std::string_view message_url = before.root()["message_url"].text_or("");
      if (!has_path_of(message_url, url) && !channel.setting("app_id").empty()) {
        done.state = {
            {"previous.message_url", sdk::sanitize(message_url, 4096)},
            {"previous.message_method", std::string(before.root()["message_method"].text_or(""))}};
      }
    }
  }
  if (application.empty()) {
    const Response* made = answers.next();
    if (made == nullptr) {
      return call(channel, "POST", "Application/",
                  application_json(application_name(channel), url, "POST"));
    }
    const Answer answer(*made);
    application = answer.root()["app_id"].digits().value_or("");
    if (!answer.ok() || application.empty()) return fail_of_application(channel, *made);
  }
  const std::string linked = application_in(number.root());
  done.state.emplace_back("application", application);
  if (linked == application) return done;
  const Response* link = answers.next();
  if (link == nullptr) return link_number(channel, application);
  if (!connector::is_success(*link)) return fail_of(channel, *link, Repeat::safe);
  done.state.emplace_back("previous.application", linked);
  return done;
}

Step register_webhook(const Channel& channel, std::span<const Response> so_far) {
  if (has_number(channel)) return register_number(channel, so_far);
  Step step = look_at_account(channel, so_far);
  if (auto* done = std::get_if<Done>(&step)) {
    done->results.emplace_back("warning",
                               "config.from is a sender's name: nobody can answer its messages");
  }
  return step;
}

Done forgotten() {
  return {.state = {{"application", ""},
                    {"previous.application", ""},
                    {"previous.message_url", ""},
                    {"previous.message_method", ""}}};
}

Step unregister_webhook(const Channel& channel, std::span<const Response> so_far) {
  const std::string_view application = channel.kept("application");
  if (application.empty()) return Done{};
  Answers answers(so_far);
  const Response* first = answers.next();
  if (first == nullptr) return call(channel, "GET", application_path(application));
  if (first->status == 404) return forgotten();
  const Answer before(*first);
  if (!before.ok()) return fail_of(channel, *first, Repeat::safe);
  // Whoever has taken it over since keeps it.
  if (before.root()["message_url"].text_or("") != connector::keyed_webhook_url(channel)) {
    return forgotten();
  }
  if (!channel.kept("previous.application").empty()) {
    const Response* link = answers.next();
    if (link == nullptr) return link_number(channel, channel.kept("previous.application"));
    if (!connector::is_success(*link) && link->status != 404) {
      return fail_of(channel, *link, Repeat::safe);
    }
  }
  const Response* last = answers.next();
  if (last == nullptr) {
    if (channel.setting("app_id").empty()) {
      return call(channel, "DELETE", application_path(application));
    }
    const std::string_view method = channel.kept("previous.message_method");
    return call(channel, "POST", application_path(application),
                application_json("", channel.kept("previous.message_url"),
                                 method.empty() ? "POST" : method));
  }
  if (!connector::is_success(*last) && last->status != 404) {
    return fail_of(channel, *last, Repeat::safe);
  }
  return forgotten();
}

Step check(const Channel& channel, std::span<const Response> so_far) {
  if (!has_number(channel)) return look_at_account(channel, so_far);
  Answers answers(so_far);
  const Response* found = answers.next();
  if (found == nullptr) return call(channel, "GET", number_path(channel));
  const Answer number(*found);
  if (!number.ok()) return fail_of_number(channel, *found);
  const std::string linked = application_in(number.root());
  if (linked.empty())
    return problem("the number is linked to no application", Repair::register_again);
  const Response* second = answers.next();
  if (second == nullptr) return call(channel, "GET", application_path(linked));
  const Answer application(*second);
  if (second->status == 404)
    return problem("the number's application is gone", Repair::register_again);
  if (!application.ok()) return fail_of(channel, *second, Repeat::safe);
  const std::string_view url = application.root()["message_url"].text_or("");
  const std::string wanted = connector::keyed_webhook_url(channel);
  if (url != wanted) return elsewhere(channel, "Plivo", "number", url, wanted);
  if (application.root()["message_method"].text_or("POST") != "POST") {
    return problem("Plivo delivers with another method than POST", Repair::register_again);
  }
  return Done{};
}

// ---- sending

std::size_t media_count(const Channel&, std::string_view to) {
  const std::string region = region_of(to);
  return region == "US" || region == "CA" ? kMaxMedia : 0;
}

Call message(const Channel& channel, const Outgoing& outgoing) {
  Writer json;
  json.object().member("src", std::string(without_plus(own_number(channel))));
  json.member("dst", without_plus(outgoing.to));
  if (!outgoing.text.empty()) json.member("text", outgoing.text);
  json.member("type", outgoing.media.empty() ? "sms" : "mms");
  if (!outgoing.media.empty()) {
    json.key("media_urls").array();
    for (const auto& one : outgoing.media) json.value(one.url);
    json.end();
  }
  if (is_on(channel, "status_callbacks")) {
    json.member("url", status_url(connector::keyed_webhook_url(channel), outgoing.key));
    json.member("method", "POST");
  }
  json.end();
  return call(channel, "POST", "Message/", json.take());
}

sdk::Expected<Accepted, Fail> accepted(const Channel& channel, const Response& response) {
  const Answer answer(response);
  if (!answer.ok()) return fail_of(channel, response, Repeat::harmful);
  const std::string_view id = answer.root()["message_uuid"].at(0).text_or("");
  if (id.empty()) return connector::fail_from(response, Repeat::harmful, channel.now_ms);
  return Accepted{.id = std::string(id), .aliases = {}};
}

std::optional<connector::Pair> media_credentials(const Channel& channel, std::string_view host) {
  if (!host.ends_with(".plivo.com")) return std::nullopt;
  return call(channel, "GET", "").headers[0];
}

}  // namespace
}  // namespace plivo

const Provider kPlivo{.name = "plivo",
                      .complaint = plivo::complaint,
                      .verify = plivo::verify,
                      .receive = plivo::receive,
                      .register_webhook = plivo::register_webhook,
                      .unregister_webhook = plivo::unregister_webhook,
                      .check = plivo::check,
                      .poll = nullptr,
                      .text_units = 1600,
                      .text_segments = 10,
                      .media_count = plivo::media_count,
                      .message = plivo::message,
                      .accepted = plivo::accepted,
                      .media_credentials = plivo::media_credentials};

}  // namespace sms
