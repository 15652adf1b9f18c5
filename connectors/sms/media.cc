#include <algorithm>
#include <array>

#include "connectors/sdk/text.h"
#include "connectors/sms/api.h"
#include "connectors/sms/provider.h"

namespace sms {
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

constexpr std::size_t kMaxRedirects = 3;
constexpr std::string_view kHttps = "https://";

std::string_view host_of(std::string_view url) {
  url.remove_prefix(kHttps.size());
  url = url.substr(0, url.find_first_of("/?#"));
  url.remove_prefix(url.rfind('@') + 1);
  return url.substr(0, url.find(':'));
}

// https, with nothing in it that a request line could not carry.
bool is_fetchable(std::string_view url) {
  return url.starts_with(kHttps) && url.size() > kHttps.size() && !host_of(url).empty() &&
         is_url_text(url);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Where an answer sends us; empty where that is no place to go.
std::string target_of(std::string_view url, std::string_view location) {
  std::string target;
  if (location.starts_with("/") && !location.starts_with("//")) {
    target = kHttps;
    target += url.substr(kHttps.size(), url.find('/', kHttps.size()) - kHttps.size());
  }
  target += location;
  return is_fetchable(target) ? target : std::string();
}

std::string file_name_of(std::string_view url, std::string_view mime_type) {
  struct Extension {
    std::string_view mime_type, text;
  };
  constexpr std::array<Extension, 16> kExtensions{{{"image/jpeg", ".jpg"},
                                                   {"image/png", ".png"},
                                                   {"image/gif", ".gif"},
                                                   {"image/heic", ".heic"},
                                                   {"image/heif", ".heif"},
                                                   {"image/webp", ".webp"},
                                                   {"audio/amr", ".amr"},
                                                   {"audio/mpeg", ".mp3"},
                                                   {"audio/mp4", ".m4a"},
                                                   {"audio/ogg", ".ogg"},
                                                   {"video/mp4", ".mp4"},
                                                   {"video/3gpp", ".3gp"},
                                                   {"video/quicktime", ".mov"},
                                                   {"text/vcard", ".vcf"},
                                                   {"text/x-vcard", ".vcf"},
                                                   {"application/pdf", ".pdf"}}};
  std::string_view path = url.substr(0, url.find_first_of("?#"));
  path.remove_prefix(std::min(path.size(), kHttps.size()));
  const auto slash = path.rfind('/');
  const std::string_view last =
      slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  if (last.empty()) return {};
  std::string name = sdk::sanitize(last, 200);
  if (name.find('.') != std::string::npos) return name;
  for (const Extension& one : kExtensions) {
    if (sdk::equals_ignoring_case(one.mime_type, mime_type)) name += one.text;
  }
  return name;
}

Fail fail_of_file(const Channel& channel, const Response& response, bool redirected) {
  Fail fail = connector::fail_from(response, Repeat::safe, channel.now_ms);
  // The file of a message just received is not there for some seconds (Twilio); and a link that a
  // redirect made, once it is dead, is made anew by asking again.
  const bool expired = redirected && (response.status == 403 || response.status == 410);
  if (response.status == 404 || expired) fail.code = Failure::retry;
  return fail;
}

}  // namespace

Step fetch_media(const Provider& provider, const Channel& channel, const Event& input,
                 std::span<const Response> so_far) {
  if (input.attachments.empty() || !is_fetchable(input.attachments[0].media_id)) {
    return permanent_fail("there is no file that could be fetched");
  }
  const Attachment& attachment = input.attachments[0];
  std::string url = attachment.media_id;
  std::size_t redirects = 0;
  for (const Response& response : so_far) {
    if (connector::is_success(response)) {
      Done done;
      std::string mime_type = attachment.mime_type;
      if (mime_type.empty()) {
        const std::string_view header = response.header("content-type");
        mime_type = sdk::sanitize(sdk::trim(header.substr(0, header.find(';'))), 100);
      }
      std::string name = attachment.file_name;
      if (name.empty()) name = file_name_of(attachment.media_id, mime_type);
      if (!mime_type.empty()) done.results.emplace_back("mime_type", std::move(mime_type));
      if (!name.empty()) done.results.emplace_back("file_name", std::move(name));
      return done;
    }
    if (!is_redirect(response.status)) return fail_of_file(channel, response, redirects > 0);
    url = target_of(url, response.header("location"));
    if (url.empty() || ++redirects > kMaxRedirects) {
      return permanent_fail("the file's link leads nowhere it could be fetched from");
    }
  }
  Call call{.method = "GET", .url = url};
  call.answer_is_media = true;
  // Only the provider's own host sees the credentials, and never the store it redirects to.
  if (redirects == 0) {
    if (auto header = provider.media_credentials(channel, host_of(url))) {
      call.headers.push_back(*std::move(header));
    }
  }
  return call;
}

}  // namespace sms
