// Attachments of messages, between what clients send and see and the table of files.
//
// A file of ours is shown with a signed address, its size and its state as the table has them; what
// the message says of it is only a copy. Values of one request, on its thread.
#ifndef GATEWAY_API_ATTACHMENTS_H_
#define GATEWAY_API_ATTACHMENTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sdk/json.h"
#include "gateway/api/context.h"
#include "gateway/api/fields.h"
#include "gateway/store/conversations.h"
#include "gateway/store/media.h"

namespace gateway::api {

// The attachment object of a file (decision 21 of the contract) as one JSON value.
void write_attachment(sdk::json::Writer& out, const ApiContext& context,
                      domain::BusinessId business, const store::Media& file);

// How the attachments of some messages look to a client.
class AttachmentView {
 public:
  static Result<AttachmentView> of(const ApiContext& context, store::Session& db,
                                   domain::BusinessId business,
                                   std::span<const store::Message> messages);
  static Result<AttachmentView> of(const ApiContext& context, store::Transaction& transaction,
                                   domain::BusinessId business,
                                   std::span<const store::Message> messages);
  // The message's attachments as a JSON array.
  std::string json(const store::Message& message) const;

 private:
  AttachmentView(const ApiContext& context, domain::BusinessId business,
                 std::vector<store::Media> files);
  void write(sdk::json::Writer& out, sdk::json::Value attachment) const;

  const ApiContext& context_;
  domain::BusinessId business_;
  std::map<Uuid, store::Media> files_;
};

// What a client asks to send.
struct WantedAttachment {
  std::string field;         // "attachments.0"
  std::optional<Uuid> file;  // of ours, by id or address
  std::string url;           // public, where it is none of ours
  std::optional<std::string> type;
  std::optional<std::string> name;
  std::optional<std::string> content_type;
  std::optional<std::int64_t> size;
};
// Of the body's `attachments`: addresses, or objects with a `url` or the `id` of a file. What is
// wrong is noted in `fields`.
std::vector<WantedAttachment> read_attachments(const ApiContext& context, Fields& fields);

struct TakenAttachments {
  std::string json;                // as the message stores them, and a connector sees them
  std::vector<Uuid> files;         // of ours among them
  std::vector<FieldError> errors;  // files that are not there, not the business's, or not ready
};
// Looks the files up and keeps them from being swept while the transaction lasts.
Result<TakenAttachments> take_attachments(const ApiContext& context,
                                          store::Transaction& transaction,
                                          domain::BusinessId business,
                                          const std::vector<WantedAttachment>& wanted);

}  // namespace gateway::api

#endif  // GATEWAY_API_ATTACHMENTS_H_
