#include "connectors/email/plan.h"

#include "connectors/email/api.h"
#include "connectors/email/receive.h"
#include "connectors/email/verify.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::Repeat;
using connector::Response;
using connector::Step;

// A subscription is confirmed by opening the link of the request for it.
Step acknowledge(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const auto object = connector::find(input.extra, kObjectKey);
  if (object && !object->empty()) return fetch_object(channel, input, so_far);
  const auto url = connector::find(input.extra, kSubscribeUrl);
  if (!url || !is_sns_url(*url)) return permanent("the event is nothing to be acknowledged");
  if (so_far.empty()) return Call{.method = "GET", .url = std::string(*url)};
  if (!connector::is_success(so_far[0])) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  return Done{};
}

// Hosts Mailgun keeps mails at; the API key goes nowhere else.
bool is_mailgun_url(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const std::string host = sdk::lower_ascii(url.substr(0, url.find_first_of("/?#")));
  return host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == std::string::npos &&
         (host.ends_with(".mailgun.net") || host.ends_with(".mailgun.org"));
}

// Only routes with store() leave files behind.
Step fetch_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.attachments.empty() || !is_mailgun_url(input.attachments[0].media_id)) {
    return permanent("there is no file to fetch");
  }
  const connector::Attachment& attachment = input.attachments[0];
  if (so_far.empty()) {
    Call call{.method = "GET",
              .url = attachment.media_id,
              .headers = {connector::basic_auth("api", channel.setting("mailgun.api_key"))}};
    call.answer_is_media = true;
    return call;
  }
  if (!connector::is_success(so_far[0])) {
    return connector::fail_from(so_far[0], Repeat::safe, channel.now_ms);
  }
  Done done;
  if (!attachment.mime_type.empty()) done.results.emplace_back("mime_type", attachment.mime_type);
  if (!attachment.file_name.empty()) done.results.emplace_back("file_name", attachment.file_name);
  return done;
}

}  // namespace

Step plan(const Channel& channel, connector::Operation operation, const Event& input,
          std::span<const Response> so_far) {
  using enum connector::Operation;
  switch (operation) {
    case register_webhook:
      return email::register_webhook(channel, so_far);
    case unregister_webhook:
      return email::unregister_webhook(channel, so_far);
    case check:
      return email::check(channel, so_far);
    case poll:
      return email::poll(channel, so_far);
    case send:
      return email::send(channel, input, so_far);
    case fetch_media:
      return email::fetch_media(channel, input, so_far);
    case acknowledge:
      return email::acknowledge(channel, input, so_far);
    case signal:
      break;  // mail knows neither typing nor read marks
  }
  return Done{};
}

}  // namespace email
