// Files of a multipart/form-data request, as every upload of the API takes them: parts named
// "file". Values of one request; the bodies lie in it.
#ifndef GATEWAY_API_UPLOAD_FORM_H_
#define GATEWAY_API_UPLOAD_FORM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/api/context.h"
#include "gateway/api/respond.h"
#include "gateway/http/message.h"
#include "gateway/store/media.h"

namespace gateway::api {

// Of one request's files together.
inline constexpr std::size_t kMaxUploadBytes = 25u << 20;
// And what a form writes around them.
inline constexpr std::size_t kMaxUploadBody = kMaxUploadBytes + (64u << 10);

// Uploads of a business that no message carries; they go after a day.
inline constexpr std::int64_t kMostUnusedBytes = std::int64_t{1} << 30;
inline constexpr std::int64_t kUnusedWaitMs = 3'600'000;

struct UploadRule {
  std::size_t files = 10;
  std::string_view text_field;  // a field beside the files that is read too
};

// The files of a form, in order; otherwise why there are none.
struct UploadForm {
  std::vector<store::Media> files;
  std::vector<std::string_view> bodies;
  std::string text;  // of the rule's text field; empty where it is missing
  std::size_t bytes = 0;
  std::optional<Answer> refusal;

  std::vector<store::NewMedia> rows() const;
};
UploadForm read_upload(const ApiContext& context, const http::Request& request,
                       const UploadRule& rule = {});

// {"attachments": [...], "urls": [...]}
std::string upload_json(const ApiContext& context, domain::BusinessId business,
                        const UploadForm& upload);

}  // namespace gateway::api

#endif  // GATEWAY_API_UPLOAD_FORM_H_
