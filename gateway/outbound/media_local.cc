#include "gateway/outbound/media_local.h"

#include <string>
#include <utility>

#include "gateway/domain/media_type.h"
#include "gateway/store/media.h"

namespace gateway::outbound {
namespace {

constexpr std::int64_t kAnswerBytes = 1 << 20;  // where the call names no limit

connector::Response status(std::int32_t code) { return {.status = code}; }

Result<std::optional<connector::Response>> answer(store::Session& db,
                                                  const store::MediaUrls::Grant& grant,
                                                  std::int64_t most_bytes) {
  using Answer = std::optional<connector::Response>;
  auto file = store::find_media(db, grant.business, grant.file, domain::kSniffedBytes + 1);
  if (!file) return std::move(file).error();
  if (!*file || (*file)->state != store::MediaState::ready || !(*file)->size) {
    return Answer(status(404));
  }
  if (*(*file)->size > most_bytes) return Answer(status(413));
  auto body = store::read_media(db, grant.business, grant.file, 0,
                                static_cast<std::size_t>(*(*file)->size));
  if (!body) return std::move(body).error();
  if (!*body) return Answer(status(404));
  connector::Response response = status(200);
  response.headers = {{"content-type", domain::media_type((*file)->head, (*file)->content_type)},
                      {"content-length", std::to_string((*body)->size())}};
  response.body = **std::move(body);
  return Answer(std::move(response));
}

}  // namespace

LocalAnswer local_media(const store::MediaUrls& urls, const Clock& clock) {
  return
      [&urls, &clock](store::Session& db,
                      const connector::Call& call) -> Result<std::optional<connector::Response>> {
        if (call.method != "GET" || !urls.is_ours(call.url)) {
          return std::optional<connector::Response>();
        }
        const auto grant = urls.verify_url(call.url, clock.now_ms());
        if (!grant) return std::optional<connector::Response>(status(404));
        return answer(db, *grant, call.answer_bytes > 0 ? call.answer_bytes : kAnswerBytes);
      };
}

}  // namespace gateway::outbound
