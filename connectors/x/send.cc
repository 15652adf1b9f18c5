#include "connectors/x/send.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "connectors/x/answer.h"
#include "connectors/x/api.h"
#include "connectors/x/ids.h"

namespace x {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;
using sdk::json::Writer;

constexpr std::size_t kMaxAnswers = 32;

// https://docs.x.com/x-api/direct-messages/manage/integrate: one attachment per message. The length
// is the one of v1.1, which v2 does not repeat (both read 2026-11-20).
constexpr std::size_t kMaxMessageUnits = 10'000;
// Long posts, https://docs.x.com/changelog, 2024-08-20; what the account may use of it X knows.
constexpr std::size_t kMaxPostUnits = 25'000;
constexpr std::size_t kMaxPostImages = 4;

// https://docs.x.com/x-api/media/introduction (read 2026-11-20). Videos may have 512 MB there; what
// the gateway hands over at once is the limit here.
constexpr std::int64_t kMaxImageBytes = 5'000'000;
constexpr std::int64_t kMaxGifBytes = 15'000'000;
constexpr std::int64_t kMaxVideoBytes = 40 << 20;
constexpr std::size_t kSegmentBytes = 4 << 20;

Fail permanent(std::string why) { return {.code = Failure::permanent, .why = std::move(why)}; }

bool is_fetchable(std::string_view url) {
  return url.starts_with("https://") && url.size() <= 4096 &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// ---- media

struct Format {
  std::string_view mime_type;
  std::string_view category;  // behind "dm_" or "tweet_"
  std::int64_t max_bytes;
};
constexpr std::array<Format, 11> kFormats{{{"image/jpeg", "image", kMaxImageBytes},
                                           {"image/png", "image", kMaxImageBytes},
                                           {"image/webp", "image", kMaxImageBytes},
                                           {"image/bmp", "image", kMaxImageBytes},
                                           {"image/pjpeg", "image", kMaxImageBytes},
                                           {"image/tiff", "image", kMaxImageBytes},
                                           {"image/gif", "gif", kMaxGifBytes},
                                           {"video/mp4", "video", kMaxVideoBytes},
                                           {"video/quicktime", "video", kMaxVideoBytes},
                                           {"video/webm", "video", kMaxVideoBytes},
                                           {"video/mp2t", "video", kMaxVideoBytes}}};

const Format* format_of(std::string_view content_type) {
  std::string type = sdk::lower_ascii(sdk::trim(content_type.substr(0, content_type.find(';'))));
  if (type == "image/jpg") type = "image/jpeg";
  const auto found = std::find_if(kFormats.begin(), kFormats.end(),
                                  [&](const Format& one) { return one.mime_type == type; });
  return found == kFormats.end() ? nullptr : &*found;
}

bool is_uploaded_already(const Attachment& attachment) {
  return attachment.url.empty() && is_id(attachment.media_id);
}

std::size_t segments_of(std::size_t bytes) { return (bytes + kSegmentBytes - 1) / kSegmentBytes; }

// Calls an upload takes at least, given what is known of its size.
std::size_t calls_for(const Attachment& attachment) {
  if (is_uploaded_already(attachment)) return 0;
  const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(attachment.size, 1));
  return 3 + segments_of(bytes);
}

struct Multipart {
  std::string content_type;
  std::string body;
};

// RFC 7578. The boundary is a digest of what it encloses, so it cannot stand in there.
Multipart segment_form(std::size_t index, std::string_view bytes) {
  const std::string boundary = "segment-" + sdk::hex(sdk::sha256(bytes)).substr(0, 40);
  std::string body = "--" + boundary +
                     "\r\ncontent-disposition: form-data; name=\"segment_index\"\r\n\r\n" +
                     std::to_string(index) + "\r\n--" + boundary +
                     "\r\ncontent-disposition: form-data; name=\"media\"; filename=\"media\"\r\n"
                     "content-type: application/octet-stream\r\n\r\n";
  body.reserve(body.size() + bytes.size() + boundary.size() + 8);
  body += bytes;
  body += "\r\n--" + boundary + "--\r\n";
  return {"multipart/form-data; boundary=" + boundary, std::move(body)};
}

// ---- what one message of ours becomes

struct Piece {
  std::string text;
  std::vector<const Attachment*> attachments;
};
using Pieces = sdk::Expected<std::vector<Piece>, Fail>;

std::optional<Fail> refusal_of(const Attachment& attachment) {
  if (attachment.kind != "image" && attachment.kind != "video") {
    return permanent("X takes images, GIFs and videos only");
  }
  if (!is_fetchable(attachment.url) && !is_uploaded_already(attachment)) {
    return permanent("an attachment has neither an https URL nor X's media id");
  }
  if (attachment.size > kMaxVideoBytes) {
    return permanent("an attachment is larger than " + std::to_string(kMaxVideoBytes >> 20) +
                     " MiB");
  }
  return std::nullopt;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n") == std::string_view::npos;
}

Pieces message_pieces(const Event& input) {
  std::vector<Piece> pieces;
  std::vector<std::string> texts;
  for (std::string& text : sdk::split_utf16(input.text, kMaxMessageUnits)) {
    if (!is_blank(text)) texts.push_back(std::move(text));
  }
  // The last text stands beside the first attachment, as people write it.
  for (std::size_t i = 0; i + (input.attachments.empty() ? 0 : 1) < texts.size(); ++i) {
    pieces.push_back({texts[i], {}});
  }
  for (const Attachment& attachment : input.attachments) {
    const bool is_first = &attachment == &input.attachments.front();
    pieces.push_back({is_first && !texts.empty() ? texts.back() : std::string(), {&attachment}});
  }
  return pieces;
}

Pieces post_pieces(const Event& input) {
  if (sdk::utf16_length(input.text) > kMaxPostUnits) {
    return permanent("a post has at most 25000 characters");
  }
  const bool moves = std::any_of(input.attachments.begin(), input.attachments.end(),
                                 [](const Attachment& one) { return one.kind == "video"; });
  const std::size_t most = moves ? 1 : kMaxPostImages;
  if (input.attachments.size() > most) {
    return permanent("a post has at most four images, or one video");
  }
  Piece piece{input.text, {}};
  for (const Attachment& attachment : input.attachments) piece.attachments.push_back(&attachment);
  if (is_blank(piece.text) && piece.attachments.empty()) return std::vector<Piece>();
  return std::vector{std::move(piece)};
}

// The person a direct conversation is with; "" where the thread is not one of this account.
std::string participant(const Account& account, const Thread& thread, const Event& input) {
  const std::string self = account.user_id();
  if (thread.first == self) return thread.second;
  if (thread.second == self) return thread.first;
  const bool names_one = input.contact == thread.first || input.contact == thread.second;
  return self.empty() && names_one ? input.contact : std::string();
}

class Sender {
 public:
  Sender(const Channel& channel, const Event& input, const Thread& thread,
         std::span<const Response> so_far)
      : account_(channel), input_(input), thread_(thread), so_far_(so_far) {}

  Step run() {
    for (const Attachment& attachment : input_.attachments) {
      if (auto refusal = refusal_of(attachment)) return *std::move(refusal);
    }
    if (auto refusal = address()) return *std::move(refusal);
    auto pieces = is_post() ? post_pieces(input_) : message_pieces(input_);
    if (!pieces) return pieces.error();
    if (pieces->empty()) return permanent("the message has neither text nor attachments");
    std::size_t calls = pieces->size();
    for (const Attachment& attachment : input_.attachments) calls += calls_for(attachment);
    if (calls > kMaxAnswers) return permanent("the message has too many or too large attachments");

    Done done;
    for (const Piece& piece : *pieces) {
      std::string id;
      if (auto step = send(piece, id)) return told_which(*std::move(step), done, pieces->size());
      done.results.emplace_back("message", std::move(id));
    }
    return done;
  }

 private:
  using Interim = std::optional<Step>;  // absent: go on

  bool is_post() const { return thread_.kind == Thread::Kind::post; }
  const Response* answer() { return next_ < so_far_.size() ? &so_far_[next_++] : nullptr; }
  Api api() const { return {account_, Operation::send, input_.key, next_}; }

  Step ask(Call call) const {
    if (so_far_.size() >= kMaxAnswers) {
      return permanent("the message has too many or too large attachments");
    }
    return call;
  }

  // Where it goes, or why it cannot.
  std::optional<Fail> address() {
    if (is_post()) {
      path_ = "/2/tweets";
      const auto last = connector::find(input_.extra, "last.message").value_or("");
      answered_ = is_id(input_.reply_to) ? input_.reply_to : is_id(last) ? last : thread_.first;
      return std::nullopt;
    }
    if (connector::find(input_.extra, "last.encrypted") == "1") {
      Fail fail = permanent(
          "this conversation has moved to X Chat, which is end-to-end encrypted: answer in X");
      fail.platform_code = "encrypted";
      return fail;
    }
    if (thread_.kind == Thread::Kind::group) {
      path_ = "/2/dm_conversations/" + thread_.first + "/messages";
      return std::nullopt;
    }
    const std::string person = participant(account_, thread_, input_);
    if (person.empty()) return permanent("the conversation is one of another X account");
    path_ = "/2/dm_conversations/with/" + person + "/messages";
    return std::nullopt;
  }

  Interim send(const Piece& piece, std::string& id) {
    std::vector<std::string> media;
    for (const Attachment* attachment : piece.attachments) {
      std::string media_id;
      if (auto step = upload(*attachment, media_id)) return step;
      media.push_back(std::move(media_id));
    }
    const Response* response = answer();
    if (response == nullptr) {
      auto body = is_post() ? post_body(piece, media) : message_body(piece, media);
      if (!body) return body.error();
      return ask(api().as_user("POST", path_, *std::move(body)));
    }
    const Answer answer(*response);
    id = id_of(answer.data()[is_post() ? "id" : "dm_event_id"]);
    if (answer.ok() && !id.empty()) return std::nullopt;
    return fail_of(account_, answer, is_post() ? About::post : About::contact, Repeat::harmful);
  }

  using Body = sdk::Expected<std::string, Fail>;

  static Body message_body(const Piece& piece, const std::vector<std::string>& media) {
    Writer body;
    body.object();
    if (!piece.text.empty()) body.member("text", piece.text);
    if (!media.empty()) {
      body.key("attachments").array();
      for (const std::string& id : media) body.object().member("media_id", id).end();
      body.end();
    }
    return body.end().take();
  }

  Body post_body(const Piece& piece, const std::vector<std::string>& media) const {
    constexpr std::array<std::string_view, 4> kSettings{"following", "mentionedUsers",
                                                        "subscribers", "verified"};
    const auto settings = connector::find(input_.extra, "reply_settings").value_or("everyone");
    const bool is_limited =
        std::find(kSettings.begin(), kSettings.end(), settings) != kSettings.end();
    if (!is_limited && settings != "everyone") {
      return permanent(
          "reply_settings is everyone, following, mentionedUsers, subscribers or verified");
    }
    Writer body;
    body.object().member("text", piece.text);
    body.key("reply").object().member("in_reply_to_tweet_id", answered_).end();
    if (!media.empty()) {
      body.key("media").object().key("media_ids").array();
      for (const std::string& id : media) body.value(id);
      body.end().end();
    }
    if (is_limited) body.member("reply_settings", settings);
    return body.end().take();
  }

  Fail failed_upload(const Answer& answer) const {
    return fail_of(account_, answer, About::reading, Repeat::safe);
  }

  // https://docs.x.com/x-api/media/quickstart/media-upload-chunked (read 2026-11-20). Nothing is
  // sent to anybody before the last step, so every step of it may be repeated.
  Interim upload(const Attachment& attachment, std::string& media_id) {
    if (is_uploaded_already(attachment)) {
      media_id = attachment.media_id;
      return std::nullopt;
    }
    const Response* file = answer();
    if (file == nullptr) {
      Call call{.method = "GET", .url = attachment.url};
      call.answer_bytes = kMaxVideoBytes;
      return ask(std::move(call));
    }
    if (!connector::is_success(*file)) return unreadable(*file);
    const Format* format = format_of(file->header("content-type"));
    if (format == nullptr) format = format_of(attachment.mime_type);
    if (format == nullptr) return permanent("X takes no files of this type");
    if (file->body.empty()) return permanent("the attachment is empty");
    if (static_cast<std::int64_t>(file->body.size()) > format->max_bytes) {
      return permanent("X takes a file of type " + std::string(format->mime_type) + " up to " +
                       std::to_string(format->max_bytes / 1'000'000) + " MB");
    }
    if (auto step = initialize(*format, file->body.size(), media_id)) return step;
    if (auto step = append(file->body, media_id)) return step;
    return finalize(media_id);
  }

  Fail unreadable(const Response& response) const {
    Fail fail = connector::fail_from(response, Repeat::safe, account_.channel().now_ms);
    if (response.status == 403) fail.code = Failure::permanent;
    fail.why = "the attachment cannot be read: " + fail.why;
    return fail;
  }

  Interim initialize(const Format& format, std::size_t bytes, std::string& media_id) {
    const Response* response = answer();
    if (response == nullptr) {
      Writer body;
      body.object().member("media_type", format.mime_type).member("total_bytes", bytes);
      body.member("media_category", (is_post() ? "tweet_" : "dm_") + std::string(format.category));
      return ask(api().as_user("POST", "/2/media/upload/initialize", body.end().take()));
    }
    const Answer answer(*response);
    media_id = id_of(answer.data()["id"]);
    if (!answer.ok() || media_id.empty()) return failed_upload(answer);
    return std::nullopt;
  }

  Interim append(std::string_view bytes, const std::string& media_id) {
    for (std::size_t i = 0; i < segments_of(bytes.size()); ++i) {
      const Response* response = answer();
      if (response == nullptr) {
        Multipart form = segment_form(i, bytes.substr(i * kSegmentBytes, kSegmentBytes));
        return ask(api().upload("/2/media/upload/" + media_id + "/append",
                                std::move(form.content_type), std::move(form.body)));
      }
      const Answer answer(*response);
      if (!answer.ok()) return failed_upload(answer);
    }
    return std::nullopt;
  }

  Interim finalize(const std::string& media_id) {
    const Response* response = answer();
    if (response == nullptr) {
      return ask(api().as_user("POST", "/2/media/upload/" + media_id + "/finalize"));
    }
    const Answer answer(*response);
    if (!answer.ok()) return failed_upload(answer);
    if (!is_processing(answer)) return refused_media(answer);
    return wait(media_id);
  }

  Interim wait(const std::string& media_id) {
    const Response* response = answer();
    if (response == nullptr) {
      return ask(api().as_user("GET", "/2/media/upload?command=STATUS&media_id=" + media_id));
    }
    const Answer answer(*response);
    if (!answer.ok()) return failed_upload(answer);
    if (!is_processing(answer)) return refused_media(answer);
    // The gateway forgets this answer and asks again later.
    const std::int64_t wait_s =
        answer.data()["processing_info"]["check_after_secs"].integer().value_or(5);
    return Fail{.code = Failure::retry,
                .why = "X is still processing the file",
                .retry_after_ms = std::clamp<std::int64_t>(wait_s, 1, 600) * 1000};
  }

  static bool is_processing(const Answer& answer) {
    const std::string_view state = answer.data()["processing_info"]["state"].text_or("");
    return state == "pending" || state == "in_progress";
  }

  Interim refused_media(const Answer& answer) const {
    const Value info = answer.data()["processing_info"];
    if (info["state"].text_or("") != "failed") return std::nullopt;
    const Value error = info["error"];
    Fail fail = permanent("X could not process the file");
    const std::string said = account_.cleaned(error["message"].text_or(""));
    if (!said.empty()) fail.why += ": " + said;
    fail.platform_code = account_.cleaned(error["name"].text_or(""));
    return fail;
  }

  static Step told_which(Step step, const Done& done, std::size_t count) {
    auto* fail = std::get_if<Fail>(&step);
    if (fail != nullptr && !done.results.empty()) {
      fail->why = "part " + std::to_string(done.results.size() + 1) + " of " +
                  std::to_string(count) + " was not accepted: " + fail->why;
    }
    return step;
  }

  const Account account_;
  const Event& input_;
  const Thread& thread_;
  const std::span<const Response> so_far_;
  std::size_t next_ = 0;
  std::string path_;
  std::string answered_;  // the post that is answered
};

Step remove(const Channel& channel, const Event& input, const Thread& thread,
            std::span<const Response> so_far) {
  if (!is_id(input.message)) return permanent("the message to delete is none of X");
  const Account account(channel);
  if (so_far.empty()) {
    const bool is_post = thread.kind == Thread::Kind::post;
    return Api(account, Operation::send, input.key, 0)
        .as_user("DELETE", (is_post ? "/2/tweets/" : "/2/dm_events/") + input.message);
  }
  const Answer answer(so_far[0]);
  // Somebody else was faster.
  if (answer.ok() || so_far[0].status == 404) return Done{};
  return fail_of(account, answer, About::reading, Repeat::safe);
}

// ---- files people sent

// With a user name or a port, where it has them: then it is none of those known.
std::string_view host_of(std::string_view url) {
  const std::string_view rest = url.substr(std::min<std::size_t>(url.size(), 8));
  return rest.substr(0, rest.find_first_of("/?#\\"));
}

// The route for OAuth 2.0, which wants the three last segments of the address
// (https://docs.x.com/x-api/direct-messages/download-dm-media, read 2026-11-20); "" for another
// address.
std::string media_route(std::string_view url) {
  constexpr std::string_view kFolder = "/1.1/ton/data/dm/";
  const auto folder = url.find(kFolder);
  if (folder == std::string_view::npos) return {};
  std::string_view rest = url.substr(folder + kFolder.size());
  rest = rest.substr(0, rest.find_first_of("?#"));
  std::string route = "/2/dm_conversations/media";
  for (int i = 0; i < 3; ++i) {
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (segment.empty() || segment == "." || segment == "..") return {};
    rest.remove_prefix(std::min(rest.size(), segment.size() + 1));
    // "photo.jpg:large" is a size of "photo.jpg".
    route += '/' + sdk::url_encode(segment.substr(0, segment.find(':')));
  }
  return rest.empty() ? route : std::string();
}

Fail unfetched(const Account& account, const Response& response) {
  if (response.status >= 300 && response.status < 400) {
    return permanent("X hands this file out to logged-in people only");
  }
  return fail_of(account, Answer(response), About::reading, Repeat::safe);
}

}  // namespace

Step send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const auto thread = parse_thread(input.thread);
  if (!thread) return permanent("the conversation's thread is not one of X");
  if (!Account(channel).acts_for_user()) {
    return Fail{.code = Failure::config,
                .why = "the channel's credentials are not complete; see its instructions"};
  }
  switch (input.kind) {
    case EventKind::deleted:
      return remove(channel, input, *thread, so_far);
    case EventKind::edited:
      return permanent("X has no way to change a message that was sent");
    case EventKind::reaction:
      return permanent("X's API has no reactions to messages");
    default:
      return Sender(channel, input, *thread, so_far).run();
  }
}

Step fetch_media(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  if (input.attachments.empty()) return permanent("there is no file to fetch");
  const Attachment& attachment = input.attachments[0];
  const std::string& url = attachment.media_id;
  constexpr std::array<std::string_view, 4> kHosts{"ton.twitter.com", "ton.x.com",
                                                   "video.twimg.com", "pbs.twimg.com"};
  const bool is_of_x = std::find(kHosts.begin(), kHosts.end(), host_of(url)) != kHosts.end();
  if (!is_fetchable(url) || !is_of_x) return permanent("the file has no address of X");
  const Account account(channel);
  if (so_far.empty()) {
    const Api api(account, Operation::fetch_media, url, 0);
    const std::string route = media_route(url);
    Call call;
    if (account.auth() == Auth::oauth1) {
      call = api.signed_get(url);
    } else if (!route.empty()) {
      call = api.as_user("GET", route);
    } else {
      // A bearer token goes to the API and nowhere else.
      call = Call{.method = "GET", .url = url};
    }
    call.answer_is_media = true;
    return call;
  }
  if (so_far[0].status == 401 && account.auth() != Auth::oauth1 && media_route(url).empty()) {
    return permanent("the file's address has run out");
  }
  if (!connector::is_success(so_far[0])) return unfetched(account, so_far[0]);
  Done done;
  const std::string_view told = so_far[0].header("content-type");
  const std::string_view type = attachment.mime_type.empty() ? told : attachment.mime_type;
  if (!type.empty()) done.results.emplace_back("mime_type", type);
  if (!attachment.file_name.empty()) done.results.emplace_back("file_name", attachment.file_name);
  return done;
}

}  // namespace x
