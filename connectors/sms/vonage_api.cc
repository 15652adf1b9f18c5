#include "connectors/sms/vonage_api.h"

#include <array>

#include "connectors/sms/number.h"
#include "connectors/sms/provider.h"

namespace sms::vonage {

using connector::Call;
using connector::Channel;
using connector::Fail;
using connector::Repeat;
using connector::Response;
using sdk::json::Value;

Call get(const Channel& channel, std::string url) {
  Call call{.method = "GET", .url = std::move(url)};
  call.headers.push_back(
      connector::basic_auth(channel.setting("api_key"), channel.setting("api_secret")));
  return call;
}

// {"type":"https://...#1120","title":"Invalid sender","detail":"..."}, of the older API
// {"error-code":"420","error-code-label":"..."}.
Fail fail_of(const Channel& channel, const Response& response, Repeat repeat) {
  const Answer answer(response);
  const std::string_view type = answer.root()["type"].text_or("");
  const auto hash = type.find('#');
  Complaint complaint;
  if (hash != std::string_view::npos) complaint.code = type.substr(hash + 1);
  if (complaint.code.empty()) complaint.code = answer.root()["error-code"].digits().value_or("");
  for (const std::string_view name : {"detail", "title", "error-code-label", "error_title"}) {
    if (complaint.words.empty()) complaint.words = answer.root()[name].text_or("");
  }
  Fail fail = sms::fail_of(channel, response, repeat, complaint, {});
  // The account has no credit left: somebody must see to it.
  if (response.status == 402) fail.code = connector::Failure::config;
  return fail;
}

Call find_number(const Channel& channel) {
  const std::string number(without_plus(own_number(channel)));
  return get(channel, "https://rest.nexmo.com/account/numbers?search_pattern=0&pattern=" +
                          sdk::url_encode(number));
}

sdk::Expected<Value, Fail> number_in(const Channel& channel, const Answer& answer) {
  if (!answer.ok()) return fail_of(channel, answer.response(), Repeat::safe);
  if (!answer.root().is_object() ||
      (!answer.root()["numbers"].is_array() && !answer.root()["count"].exists())) {
    // An account without numbers answers {}.
    if (answer.root().size() > 0 || !answer.root().is_object()) {
      return connector::fail_from(answer.response(), Repeat::safe, channel.now_ms);
    }
  }
  const std::string own(without_plus(own_number(channel)));
  for (const Value number : answer.root()["numbers"].elements()) {
    if (number["msisdn"].digits().value_or("") == own) return number;
  }
  return config_fail("config.from: the Vonage account has no such number");
}

Call update_number(const Channel& channel, Value number, const sdk::Form& changes) {
  sdk::Form form{{"country", std::string(number["country"].text_or(""))},
                 {"msisdn", std::string(number["msisdn"].digits().value_or(""))}};
  constexpr std::array<std::string_view, 4> kKept{"app_id", "voiceCallbackType",
                                                  "voiceCallbackValue", "voiceStatusCallback"};
  for (const std::string_view name : kKept) {
    const std::string_view value = number[name].text_or("");
    if (!value.empty() && !sdk::find(changes, name)) form.emplace_back(name, value);
  }
  form.insert(form.end(), changes.begin(), changes.end());
  Call call = connector::form_call("https://rest.nexmo.com/number/update", form);
  call.headers.push_back(get(channel, "").headers[0]);
  return call;
}

std::optional<Fail> failure_of_update(const Channel& channel, const Response& response) {
  const Answer answer(response);
  const std::string_view code = answer.root()["error-code"].digits().value_or("");
  if (answer.ok() && code == "200") return std::nullopt;
  Fail fail = fail_of(channel, response, Repeat::safe);
  if (code == "401") fail.code = connector::Failure::auth;
  if (code == "420") fail.code = connector::Failure::config;
  return fail;
}

// Inbound files may be made to need credentials ("authenticate_inbound_media").
std::optional<connector::Pair> media_credentials(const Channel& channel, std::string_view host) {
  if (!host.ends_with(".nexmo.com") && !host.ends_with(".vonage.com")) return std::nullopt;
  return get(channel, "").headers[0];
}

}  // namespace sms::vonage
