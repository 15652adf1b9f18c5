#include "connectors/whatsapp/plan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "connectors/whatsapp/content.h"
#include "connectors/whatsapp/graph.h"
#include "connectors/whatsapp/people.h"
#include "connectors/whatsapp/registration.h"
#include "connectors/whatsapp/send.h"

namespace whatsapp {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;

// A link lives five minutes, and work that was put off may outlive it. So often a new one is asked
// for before the file counts as gone.
constexpr int kLinks = 3;

// The file servers refuse some programs by name (seen in 2026), but none like this.
constexpr const char* kUserAgent = "Mozilla/5.0 (compatible; Backchannel)";

bool is_https(std::string_view url) {
  return url.starts_with("https://") &&
         std::none_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c >= 0x7F; });
}

// Links that come with a message, and not from Graph, are only followed to Meta: the token goes
// along.
bool is_of_meta(std::string_view url) {
  constexpr std::string_view kScheme = "https://";
  if (!is_https(url)) return false;
  const std::string_view rest = url.substr(kScheme.size());
  const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  constexpr std::array<std::string_view, 4> kDomains{".fbsbx.com", ".fbcdn.net", ".facebook.com",
                                                     ".whatsapp.net"};
  return host.find_first_of("@:\\") == std::string_view::npos &&
         std::any_of(kDomains.begin(), kDomains.end(),
                     [&](std::string_view domain) { return host.ends_with(domain); });
}

Call download(const Channel& channel, std::string_view url) {
  Call call = get(channel, "");
  call.url = url;
  call.headers.emplace_back("user-agent", kUserAgent);
  call.answer_is_media = true;
  return call;
}

Fail gone() {
  return {.code = Failure::permanent,
          .why = "WhatsApp no longer has the file; it keeps media for seven days",
          .platform_code = "expired"};
}

// 404 and 410 where the link is too old; 403 where its signature is.
bool is_expired(const Response& response) {
  return response.status == 403 || response.status == 404 || response.status == 410;
}

Done fetched(const Attachment& attachment, sdk::json::Value media) {
  Done done;
  const auto result = [&done](std::string_view name, std::string value) {
    if (!value.empty()) done.results.emplace_back(name, std::move(value));
  };
  const std::string told = scalar(media["mime_type"]);
  result("mime_type", told.empty() ? attachment.mime_type : told);
  result("file_name", attachment.file_name);
  result("sha256", scalar(media["sha256"]));
  result("size", scalar(media["file_size"]));
  return done;
}

// https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers
// /media (read 2026-11-21).
Step fetch_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.attachments.empty() || input.attachments[0].media_id.empty()) {
    return permanent("there is no media id to fetch");
  }
  const Attachment& attachment = input.attachments[0];
  const std::string& id = attachment.media_id;
  Talk talk(channel, so_far);
  if (id.find(':') != std::string::npos) {
    if (!is_of_meta(id)) return permanent("the link to the file does not lead to Meta");
    const Response* file = talk.ask_elsewhere(download(channel, id));
    if (file == nullptr) return talk.next_call();
    if (connector::is_success(*file)) return fetched(attachment, {});
    if (is_expired(*file)) return gone();
    return connector::fail_from(*file, Repeat::safe, channel.now_ms);
  }
  const std::string path = sdk::url_encode(id) + "?phone_number_id=" +
                           sdk::url_encode(channel.setting("phone_number_id"));
  for (int link = 0; link < kLinks; ++link) {
    const Response* found = talk.ask(get(channel, path));
    if (found == nullptr) return talk.next_call();
    const Answer media(*found);
    if (!media.ok()) {
      Fail fail = fail_of(channel, media, Purpose::send, Repeat::safe);
      // "Unsupported get request. Object with ID ... does not exist".
      const bool unknown = media.code() == 100 || media.code() == 33;
      return unknown && fail.code == Failure::permanent ? gone() : fail;
    }
    const std::string_view url = media.root()["url"].text_or("");
    if (url.empty()) return connector::fail_from(*found, Repeat::safe, channel.now_ms);
    if (!is_https(url))
      return permanent("WhatsApp named no address the file could be fetched from");
    const Response* file = talk.ask_elsewhere(download(channel, url));
    if (file == nullptr) return talk.next_call();
    if (connector::is_success(*file)) return fetched(attachment, media.root());
    if (!is_expired(*file)) return connector::fail_from(*file, Repeat::safe, channel.now_ms);
  }
  return gone();
}

}  // namespace

Step plan(const Channel& channel, connector::Operation operation, const Event& input,
          std::span<const Response> so_far) {
  using enum connector::Operation;
  switch (operation) {
    case register_webhook:
      return whatsapp::register_webhook(channel, so_far);
    case unregister_webhook:
      return whatsapp::unregister_webhook(channel, so_far);
    case check:
      return whatsapp::check(channel, so_far);
    case send:
      return whatsapp::send(channel, input, so_far);
    case fetch_media:
      return whatsapp::fetch_media(channel, input, so_far);
    case signal:
      return whatsapp::signal(channel, input, so_far);
    case acknowledge:
      return permanent("nothing of WhatsApp waits for an acknowledgement");
    case poll:
      break;
  }
  return permanent("WhatsApp delivers by itself and is not polled");
}

}  // namespace whatsapp
