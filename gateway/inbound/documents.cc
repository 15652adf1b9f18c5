#include "gateway/inbound/documents.h"

#include <chrono>
#include <utility>

namespace gateway::inbound {
namespace {

constexpr std::chrono::hours kGoodFor{12};
constexpr std::chrono::minutes kFailedFor{1};

}  // namespace

void DocumentCache::find(const std::string& url, Task<void(const Document&)> done) {
  documents_.find(url, std::move(done), [&] {
    if (fetching_.fetch_add(1) >= kMaxFetches) {
      fetching_.fetch_sub(1);
      documents_.finish(url, std::nullopt, std::chrono::milliseconds(0));
      return;
    }
    source_.fetch(url, [this, url](Document document) {
      fetching_.fetch_sub(1);
      if (document && document->size() > kMaxBytes) document.reset();
      documents_.finish(
          url, document,
          document ? std::chrono::milliseconds(kGoodFor) : std::chrono::milliseconds(kFailedFor));
    });
  });
}

}  // namespace gateway::inbound
