#include "gateway/api/media_api.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "gateway/api/byte_range.h"
#include "gateway/api/upload_form.h"
#include "gateway/domain/media_type.h"
#include "gateway/store/media.h"

namespace gateway::api {
namespace {

// A file may be taken back at any time: a browser asks again after five minutes.
constexpr std::string_view kCacheControl = "private, max-age=300";
// Shown in a tab of its own, a file has no script, no style and no origin.
constexpr std::string_view kContentPolicy =
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";

Answer no_file() { return refused(Errc::not_found, "File not found"); }

// RFC 6266: the plain name for old clients, the exact one for all others.
std::string disposition(bool is_inline, const std::string& name) {
  std::string plain = name;
  std::replace_if(
      plain.begin(), plain.end(),
      [](char c) { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '%'; }, '_');
  return std::string(is_inline ? "inline" : "attachment") + "; filename=\"" + plain +
         "\"; filename*=UTF-8''" + sdk::url_encode(name);
}

std::string etag_of(const store::Media& file) {
  return "\"" + (file.sha256.empty() ? file.id.text() : sdk::hex(file.sha256).substr(0, 32)) + "\"";
}

// What every answer about a file says of it.
Answer about(const store::Media& file) {
  const auto sniffed = domain::sniff_media_type(file.head);
  Answer answer;
  answer.content_type = domain::media_type(file.head, file.content_type);
  const bool is_inline = !sniffed.empty() && domain::is_shown_inline(answer.content_type);
  answer.headers = {
      {"ETag", etag_of(file)},
      {"Cache-Control", std::string(kCacheControl)},
      {"Content-Security-Policy", std::string(kContentPolicy)},
      {"Content-Disposition",
       disposition(is_inline, domain::file_name(file.file_name, answer.content_type))},
      {"Cross-Origin-Resource-Policy", "cross-origin"},
      {"Accept-Ranges", "bytes"}};
  return answer;
}

ByteRange wanted_range(const http::Request& request, const std::string& etag, std::uint64_t size) {
  // RFC 9110, 14.2: ranges are of GET; 13.1.5: of this version of the file, or of none. A date
  // never fits, because no answer gives one.
  const auto condition = request.header("if-range");
  const bool applies = request.method == "GET" && (condition.empty() || condition == etag);
  return applies ? parse_byte_range(request.header("range"), size) : ByteRange();
}

Answer serve_file(const ApiContext& context, store::Session& db, const http::Request& request,
                  const store::MediaUrls::Grant& grant) {
  auto found = store::find_media(db, grant.business, grant.file, domain::kSniffedBytes + 1);
  if (!found) return failed(found.error(), "api");
  if (!*found || (*found)->state != store::MediaState::ready || !(*found)->size) return no_file();
  const store::Media& file = **found;
  const auto size = static_cast<std::uint64_t>(*file.size);
  const std::string etag = etag_of(file);
  Answer answer = about(file);
  if (names_etag(request.header("if-none-match"), etag)) {
    answer.status = Status::not_modified;
    return answer;
  }
  const ByteRange range = wanted_range(request, etag, size);
  if (range.kind == ByteRange::Kind::unsatisfiable) {
    auto outside = refused(Errc::invalid_argument, "The range lies outside of the file");
    outside.status = Status::range_not_satisfiable;
    outside.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return outside;
  }
  const bool is_part = range.kind == ByteRange::Kind::part;
  const auto count = static_cast<std::size_t>(is_part ? range.count : size);
  if (request.method == "HEAD") {
    answer.length = count;
    return answer;
  }
  if (!context.media_bytes->take(count)) return busy();
  auto body = store::read_media(db, grant.business, grant.file,
                                static_cast<std::size_t>(range.begin), count);
  if (!body || !*body) {
    context.media_bytes->give(count);
    return body ? no_file() : failed(body.error(), "api");
  }
  answer.shared_body = context.media_bytes->hold(**std::move(body), count);
  if (is_part) {
    answer.status = Status::partial_content;
    answer.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.begin) + "-" +
                                                     std::to_string(range.begin + range.count - 1) +
                                                     "/" + std::to_string(size));
  }
  return answer;
}

}  // namespace

Answer upload_files(const ApiContext& context, store::Session& db, const Call& call) {
  if (!call.identity->business) return refused(Errc::not_found, "Business not found");
  const auto business = *call.identity->business;
  const auto no_conversation = refused(Errc::not_found, "Conversation not found");
  const auto conversation = domain::ConversationId::parse(call.params["conversation_id"]);
  if (!conversation) return no_conversation;
  const auto upload = read_upload(context, call.request());
  if (upload.refusal) return *upload.refusal;
  // A file is in memory twice more on its way into the database.
  if (!context.media_bytes->take(2 * upload.bytes)) return busy();
  auto stored = store::insert_uploads(db, business, *conversation, upload.rows(), kMostUnusedBytes);
  context.media_bytes->give(2 * upload.bytes);
  if (!stored) return failed(stored.error(), "api");
  if (*stored == store::UploadOutcome::no_conversation) return no_conversation;
  if (*stored == store::UploadOutcome::too_much) {
    return too_many("There are too many uploads that no message carries; they go after a day",
                    kUnusedWaitMs);
  }
  return created(upload_json(context, business, upload));
}

void show_media(const ApiContext& context, const CallPtr& call) {
  const auto grant = context.media_urls.verify(call->params["media_id"], call->request().query,
                                               context.clock.now_ms());
  if (!grant) {
    call->answer(no_file());
    return;
  }
  post(context.workers, call, [&context, call, grant = *grant](store::Session& db) {
    call->answer(serve_file(context, db, call->request(), grant));
  });
}

}  // namespace gateway::api
