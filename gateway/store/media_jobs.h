// The work on files: fetching what platforms keep, and losing what nobody may see any more
// (schemas/sql/0006_media.sql).
//
// A file to be fetched is leased to one gateway process; every write names the lease's fence and
// says whether the lease still held. Values and functions; each call is one transaction.
#ifndef GATEWAY_STORE_MEDIA_JOBS_H_
#define GATEWAY_STORE_MEDIA_JOBS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/store/outbox.h"
#include "gateway/store/pg.h"

namespace gateway::store {

struct MediaLease {
  domain::BusinessId tenant;
  Uuid id;
  std::int64_t fence = 0;
};

struct LoadedMedia {
  std::string source;             // JSON: the attachment as its connector gave it
  std::string message_remote_id;  // of the message it came with
  int attempt = 1;                // this one included
  std::int64_t left_ms = 0;       // until fetching is given up
  bool is_deleted = false;        // its message was taken back
  domain::ChannelId channel_id;
  std::optional<SealedChannel> channel;  // absent where it was removed
};

// Crosses tenants.
Result<std::vector<MediaLease>> claim_media(Session& db, const ClaimOptions& options);
// `keep_ms` after its creation a file is given up. Absent where the lease was lost.
Result<std::optional<LoadedMedia>> load_media(Session& db, const MediaLease& lease,
                                              std::int64_t keep_ms);
// A longer lease, before a call leaves. False where the lease was lost.
Result<bool> hold_media(Session& db, const MediaLease& lease, std::int64_t lease_ms);

struct MediaAgain {
  std::int64_t delay_ms = 0;
  std::string error;
  bool counts = true;  // as an attempt
};
Result<bool> media_again(Session& db, const MediaLease& lease, const MediaAgain& again);

enum class MediaOutcome { settled, lost, deleted };
struct FetchedMedia {
  std::string content_type;
  std::string file_name;
  std::string body;
};
// What stores a file, with its bytes in memory once, however often it has to be tried.
Query media_ready_query(const MediaLease& lease, FetchedMedia&& file);
// Ready: its message shows it. deleted: the message was taken back, nothing was kept. Repeating
// after an unknown outcome is safe. `ready` is of media_ready_query.
Result<MediaOutcome> media_ready(Session& db, const MediaLease& lease, const Query& ready);
Result<MediaOutcome> media_failed(Session& db, const MediaLease& lease, std::string_view why);

// Housekeeping, across tenants -------------------------------------------------------------------

// Takes the bytes of messages that were taken back; says how many messages there were.
Result<int> erase_media(Session& db, int limit);
struct MediaSweep {
  int unused_hours = 24;  // uploads that nobody sent
  int check_hours = 24;   // how often a file is looked at whether a message names it
  int limit = 500;
};
// Says how many rows it has looked at; fewer than the limit: that was all.
Result<int> sweep_media(Session& db, const MediaSweep& sweep);
Result<Depth> media_depth(Session& db);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_MEDIA_JOBS_H_
