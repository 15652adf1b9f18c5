// Public documents that connectors need before they can verify a delivery: a platform's signing
// certificates, say.
#ifndef GATEWAY_INBOUND_DOCUMENTS_H_
#define GATEWAY_INBOUND_DOCUMENTS_H_

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>

#include "gateway/base/clock.h"
#include "gateway/base/task.h"
#include "gateway/inbound/lookup_cache.h"

namespace gateway::inbound {

// Fetches a public document. Any thread; never blocks.
class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  // Calls `done` once, on any thread; absent where it could not be had.
  virtual void fetch(const std::string& url, Task<void(std::optional<std::string>)> done) = 0;
};

// Documents for half a day, failures for a minute. At most 256 documents of 64 KiB, one fetch per
// URL and sixteen at a time: requests that nobody has verified yet ask for them. Any thread.
class DocumentCache {
 public:
  static constexpr std::size_t kMaxBytes = 64u << 10;
  static constexpr std::size_t kMaxDocuments = 256;
  static constexpr int kMaxFetches = 16;

  using Document = std::optional<std::string>;

  DocumentCache(DocumentSource& source, const Clock& clock)
      : source_(source), documents_(clock, kMaxDocuments) {}
  // Calls `done` once: now where the document is in memory. Absent where it cannot be had now.
  void find(const std::string& url, Task<void(const Document&)> done);

 private:
  DocumentSource& source_;
  std::atomic<int> fetching_{0};
  LookupCache<std::string, Document> documents_;
};

}  // namespace gateway::inbound

#endif  // GATEWAY_INBOUND_DOCUMENTS_H_
