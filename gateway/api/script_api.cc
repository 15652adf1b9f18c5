#include "gateway/api/script_api.h"

#include <memory>
#include <string>

#include "gateway/api/byte_range.h"
#include "gateway/api/content_coding.h"
#include "gateway/widget/script.h"

namespace gateway::api {
namespace {

// Sites embed one address for ever, so a new version has to reach them without a new name: after
// five minutes a browser asks, and is mostly told that nothing has changed. A day without a gateway
// is bridged with what is there.
constexpr std::string_view kCacheControl =
    "public, max-age=300, stale-while-revalidate=86400, stale-if-error=86400";

// Held once, however many clients read it at once.
struct Form {
  std::shared_ptr<const std::string> body;
  std::string etag;
};

// A strong tag names bytes, and each coding has its own.
Form make_form(std::string_view bytes, std::string_view coding) {
  std::string etag = "\"" + std::string(widget::script().hash);
  if (!coding.empty()) etag += "-" + std::string(coding);
  return {std::make_shared<const std::string>(bytes), etag + "\""};
}

const Form& form_of(ContentCoding coding) {
  static const Form plain = make_form(widget::script().plain, "");
  static const Form gzip = make_form(widget::script().gzip, "gzip");
  static const Form brotli = make_form(widget::script().brotli, "br");
  switch (coding) {
    case ContentCoding::gzip:
      return gzip;
    case ContentCoding::brotli:
      return brotli;
    case ContentCoding::identity:
      break;
  }
  return plain;
}

}  // namespace

Answer show_script(const ApiContext&, const Call& call) {
  const auto coding = preferred_coding(call.request().header("accept-encoding"));
  const Form& form = form_of(coding);
  Answer answer;
  answer.content_type = "text/javascript; charset=utf-8";
  answer.headers = {{"ETag", form.etag},
                    {"Cache-Control", std::string(kCacheControl)},
                    {"Vary", "Accept-Encoding"},
                    // Pages that isolate themselves may still load it.
                    {"Cross-Origin-Resource-Policy", "cross-origin"}};
  if (names_etag(call.request().header("if-none-match"), form.etag)) {
    answer.status = Status::not_modified;
    return answer;
  }
  if (coding != ContentCoding::identity) {
    answer.headers.emplace_back("Content-Encoding", std::string(to_string(coding)));
  }
  if (call.request().method == "HEAD") {
    answer.length = form.body->size();
  } else {
    answer.shared_body = form.body;
  }
  return answer;
}

}  // namespace gateway::api
