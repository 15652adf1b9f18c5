#include "gateway/api/upload_form.h"

#include <utility>

#include "connectors/sdk/json.h"
#include "connectors/sdk/multipart.h"
#include "gateway/api/attachments.h"
#include "gateway/domain/media_type.h"

namespace gateway::api {
namespace {

constexpr std::string_view kField = "file";
constexpr std::size_t kMaxTextBytes = 256;

}  // namespace

UploadForm read_upload(const ApiContext& context, const http::Request& request,
                       const UploadRule& rule) {
  UploadForm upload;
  const auto wrong = [&upload](std::string message) {
    upload.refusal = invalid(Errc::unprocessable, {{std::string(kField), std::move(message)}});
  };
  const auto type = request.header("content-type");
  if (!sdk::multipart_boundary(type)) {
    upload.refusal = unsupported_media("The body must be multipart/form-data with a boundary");
    return upload;
  }
  const auto parts = sdk::parse_multipart(type, request.body);
  if (!parts) {
    wrong("is not to be found: the form " + parts.error().reason);
    return upload;
  }
  for (const auto& part : *parts) {
    if (!rule.text_field.empty() && part.name == rule.text_field && !part.file_name) {
      upload.text = part.body.substr(0, kMaxTextBytes);
    }
    if (part.name != kField || !part.file_name) continue;
    if (part.body.empty()) {
      wrong("must not be empty");
      return upload;
    }
    if (upload.files.size() == rule.files) {
      wrong(rule.files == 1 ? "must not occur more than once"
                            : "must not occur more than " + std::to_string(rule.files) + " times");
      return upload;
    }
    upload.bytes += part.body.size();
    store::Media file;
    file.id = context.ids.next();
    file.state = store::MediaState::ready;
    file.content_type = domain::media_type(part.body, part.content_type);
    file.file_name = domain::file_name(*part.file_name, file.content_type);
    file.size = static_cast<std::int64_t>(part.body.size());
    upload.files.push_back(std::move(file));
    upload.bodies.push_back(part.body);
  }
  if (upload.bytes > kMaxUploadBytes) {
    upload.refusal = refused(Errc::too_large, "The files have more than 25 MiB");
  } else if (upload.files.empty()) {
    wrong("is required: the form has no file of this name");
  }
  return upload;
}

std::vector<store::NewMedia> UploadForm::rows() const {
  std::vector<store::NewMedia> rows;
  for (std::size_t i = 0; i < files.size(); ++i) {
    rows.push_back({files[i].id, files[i].content_type, files[i].file_name, bodies[i]});
  }
  return rows;
}

std::string upload_json(const ApiContext& context, domain::BusinessId business,
                        const UploadForm& upload) {
  sdk::json::Writer body;
  body.object().key("attachments").array();
  for (const auto& file : upload.files) write_attachment(body, context, business, file);
  body.end().key("urls").array();
  for (const auto& file : upload.files) {
    body.value(context.media_urls.make(business, file.id, file.file_name, context.clock.now_ms()));
  }
  return body.end().end().take();
}

}  // namespace gateway::api
