#include "connectors/x/content.h"

#include <algorithm>
#include <array>

#include "connectors/sdk/text.h"
#include "connectors/x/ids.h"

namespace x {
namespace {

using connector::Attachment;
using connector::Event;
using connector::EventKind;
using connector::Pairs;
using sdk::json::Value;

constexpr std::size_t kMaxReplacements = 200;
constexpr std::size_t kMaxMedia = 10;

std::string text_of(Value value) { return std::string(value.text_or("")); }

bool is_lead(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// Byte offset of a code point; npos behind the end.
std::size_t byte_of(std::string_view text, std::size_t code_point) {
  std::size_t seen = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_lead(text[at]) && seen++ == code_point) return at;
  }
  return seen == code_point ? text.size() : std::string_view::npos;
}

struct Span {
  std::size_t from = 0;
  std::size_t to = 0;
  std::string shown;
};

std::optional<Span> place(std::string_view text, const Replacement& replacement) {
  const std::size_t from = byte_of(text, replacement.from);
  if (from != std::string_view::npos && text.substr(from).starts_with(replacement.found)) {
    return Span{from, from + replacement.found.size(), replacement.shown};
  }
  const std::size_t found = text.find(replacement.found);
  if (found == std::string_view::npos) return std::nullopt;
  return Span{found, found + replacement.found.size(), replacement.shown};
}

void append_unescaped(std::string& to, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 3> kEscapes{
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}}};
  for (std::size_t at = 0; at < text.size();) {
    const auto escape = std::find_if(kEscapes.begin(), kEscapes.end(), [&](const auto& one) {
      return text.substr(at).starts_with(one.first);
    });
    to += escape == kEscapes.end() ? text[at] : escape->second;
    at += escape == kEscapes.end() ? 1 : escape->first.size();
  }
}

void trim_end(std::string& text) {
  const auto last = text.find_last_not_of(" \t\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
}

bool is_web(std::string_view url) {
  return url.starts_with("https://") || url.starts_with("http://");
}

std::optional<std::size_t> index(Value value) {
  const auto number = value.integer();
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

// Media are shown as attachments, so their links are cut out of the text.
bool is_media_link(Value link, const std::vector<std::string>& media_links) {
  if (link["media_key"].exists()) return true;
  const std::string_view display = link["display_url"].text_or("");
  if (display.starts_with("pic.twitter.com/") || display.starts_with("pic.x.com/")) return true;
  return std::find(media_links.begin(), media_links.end(), link["url"].text_or("")) !=
         media_links.end();
}

// entities.urls of either version: "indices" or "start" and "end".
void add_links(Value entities, bool has_media, const std::vector<std::string>& media_links,
               std::vector<Replacement>& replacements) {
  for (const Value link : entities["urls"].elements()) {
    if (replacements.size() == kMaxReplacements) return;
    const bool of_v2 = link["start"].exists();
    const auto from = index(of_v2 ? link["start"] : link["indices"].at(0));
    const auto to = index(of_v2 ? link["end"] : link["indices"].at(1));
    std::string url = text_of(link["url"]);
    if (!from || !to || url.empty()) continue;
    std::string shown = text_of(link["expanded_url"]);
    if (has_media && is_media_link(link, media_links)) {
      shown.clear();
    } else if (!is_web(shown)) {
      continue;
    }
    // X repeats the entity of a link once per picture behind it.
    const bool is_repeated =
        std::any_of(replacements.begin(), replacements.end(),
                    [&](const Replacement& one) { return one.from == *from && one.to == *to; });
    if (!is_repeated) replacements.push_back({*from, *to, std::move(url), std::move(shown)});
  }
}

// ---- media

std::string_view mime_of(std::string_view file_name) {
  struct Type {
    std::string_view ending;
    std::string_view mime;
  };
  constexpr std::array<Type, 6> kTypes{{{".jpg", "image/jpeg"},
                                        {".jpeg", "image/jpeg"},
                                        {".png", "image/png"},
                                        {".gif", "image/gif"},
                                        {".webp", "image/webp"},
                                        {".mp4", "video/mp4"}}};
  const std::string lower = sdk::lower_ascii(file_name);
  for (const Type& type : kTypes) {
    if (lower.ends_with(type.ending)) return type.mime;
  }
  return {};
}

std::string_view file_name_of(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  return url.substr(url.rfind('/') + 1);
}

// Of a video's variants the MP4 of the highest rate.
std::string_view best_variant(Value variants) {
  std::string_view best;
  std::int64_t best_rate = -1;
  for (const Value variant : variants.elements()) {
    if (variant["content_type"].text_or("") != "video/mp4") continue;
    // v1.1 calls it bitrate, v2 bit_rate; GIFs have none or 0.
    const Value named = variant["bitrate"].exists() ? variant["bitrate"] : variant["bit_rate"];
    const std::int64_t rate = named.integer().value_or(0);
    const std::string_view url = variant["url"].text_or("");
    if (rate <= best_rate || url.empty()) continue;
    best = url;
    best_rate = rate;
  }
  return best;
}

enum class Audience { everybody, participants };

// Public media are shown where they are; those of direct messages need credentials and are fetched.
void set_source(Attachment& attachment, std::string_view url, Audience audience) {
  (audience == Audience::everybody ? attachment.url : attachment.media_id) = url;
  attachment.file_name = file_name_of(url);
  attachment.mime_type = mime_of(attachment.file_name);
}

void add_number(Pairs& pairs, std::string_view name, Value value) {
  const auto number = value.integer();
  if (number && *number > 0) pairs.emplace_back(name, std::to_string(*number));
}

void add_size(Pairs& extra, Value sizes) {
  for (const std::string_view name : {"large", "medium", "small"}) {
    if (!sizes[name].is_object()) continue;
    add_number(extra, "width", sizes[name]["w"]);
    add_number(extra, "height", sizes[name]["h"]);
    return;
  }
}

void add_duration(Pairs& extra, Value ms) {
  const std::int64_t duration_ms = ms.integer().value_or(0);
  if (duration_ms > 0) extra.emplace_back("duration", std::to_string((duration_ms + 500) / 1000));
}

// photo, video, animated_gif of either version; absent where no address is given.
std::optional<Attachment> media(Value value, Audience audience) {
  const std::string_view type = value["type"].text_or("");
  const bool moves = type == "video" || type == "animated_gif";
  const Value variants =
      value["video_info"].is_object() ? value["video_info"]["variants"] : value["variants"];
  std::string_view url = moves ? best_variant(variants) : std::string_view();
  const bool is_still = url.empty();
  for (const std::string_view name : {"media_url_https", "url", "preview_image_url", "media_url"}) {
    if (!url.empty()) break;
    // In v1.1 `url` is the link in the text.
    if (name == "url" && value["media_url_https"].exists()) continue;
    url = value[name].text_or("");
  }
  if (!is_web(url)) return std::nullopt;
  Attachment attachment{.kind = moves && !is_still ? "video" : "image"};
  set_source(attachment, url, audience);
  add(attachment.extra, "x_media_id",
      id_of(value["id_str"].exists() ? value["id_str"] : value["id"]));
  add(attachment.extra, "media_key", text_of(value["media_key"]));
  add_size(attachment.extra, value["sizes"]);
  add_number(attachment.extra, "width", value["width"]);
  add_number(attachment.extra, "height", value["height"]);
  add_duration(attachment.extra, value["video_info"]["duration_millis"].exists()
                                     ? value["video_info"]["duration_millis"]
                                     : value["duration_ms"]);
  add(attachment.extra, "alt_text",
      text_of(value["alt_text"].exists() ? value["alt_text"] : value["ext_alt_text"]));
  if (type == "animated_gif") attachment.extra.emplace_back("animation", "1");
  if (moves && is_still) attachment.extra.emplace_back("preview", "1");
  return attachment;
}

// The middle of a bounding box: [[[longitude, latitude], ...]].
void set_middle(Pairs& extra, Value box) {
  const std::vector<Value> corners = box["coordinates"].at(0).elements();
  double longitude = 0;
  double latitude = 0;
  for (const Value corner : corners) {
    const auto east = corner.at(0).number();
    const auto north = corner.at(1).number();
    if (!east || !north) return;
    longitude += *east;
    latitude += *north;
  }
  if (corners.empty()) return;
  const auto count = static_cast<double>(corners.size());
  const auto written = [&](double value) {
    sdk::json::Writer writer;
    return writer.value(value).take();
  };
  extra.emplace_back("latitude", written(latitude / count));
  extra.emplace_back("longitude", written(longitude / count));
}

Attachment location(Value value) {
  Attachment attachment{.kind = "location"};
  const Value point = value["shared_coordinate"]["coordinates"]["coordinates"];
  if (point.size() == 2) {
    add(attachment.extra, "latitude", std::string(point.at(1).digits().value_or("")));
    add(attachment.extra, "longitude", std::string(point.at(0).digits().value_or("")));
  }
  const Value place = value["shared_place"]["place"];
  if (place.is_object()) {
    set_middle(attachment.extra, place["bounding_box"]);
    add(attachment.extra, "title",
        text_of(place["full_name"].exists() ? place["full_name"] : place["name"]));
    add(attachment.extra, "place_id", text_of(place["id"]));
  }
  return attachment;
}

// ---- direct messages

std::string labels_of(Value options, std::string_view name) {
  sdk::json::Writer labels;
  labels.array();
  for (const Value option : options.elements()) {
    labels.value(readable(option[name].text_or(""), {}));
  }
  return labels.end().take();
}

// What a message offers to tap, and what was tapped.
void add_buttons(Pairs& extra, Value data) {
  if (data["quick_reply"]["options"].size() > 0) {
    extra.emplace_back("quick_replies", labels_of(data["quick_reply"]["options"], "label"));
  }
  if (data["ctas"].size() > 0) extra.emplace_back("buttons", labels_of(data["ctas"], "label"));
  if (data["quick_reply_response"].is_object()) {
    add(extra, "quick_reply_payload", text_of(data["quick_reply_response"]["metadata"]));
  }
}

void set_contact(Event& event, Value user) {
  event.contact_name = name_of(user);
  if (event.contact_name.empty()) event.contact_name = event.contact;
  add(event.extra, "username",
      text_of(user["username"].exists() ? user["username"] : user["screen_name"]));
  add(event.extra, "profile_image_url",
      text_of(user["profile_image_url_https"].exists() ? user["profile_image_url_https"]
                                                       : user["profile_image_url"]));
}

// "media" and "location" are the kinds that are known; one more is told by its name.
void set_attachment(Event& event, Value attachment, std::vector<std::string>& media_links) {
  if (!attachment.is_object()) return;
  const std::string type = text_of(attachment["type"]);
  if (type == "location") {
    event.attachments.push_back(location(attachment["location"]));
    return;
  }
  if (type == "media") {
    media_links.push_back(text_of(attachment["media"]["url"]));
    if (auto one = media(attachment["media"], Audience::participants)) {
      event.attachments.push_back(*std::move(one));
      return;
    }
  }
  event.extra.emplace_back("unsupported", type.empty() ? "attachment" : type);
}

Event direct_event(const Delivery& delivery, std::string id, std::int64_t told_ms,
                   const std::string& sender) {
  Event event{.kind = sender == delivery.self ? EventKind::echo : EventKind::message};
  event.account = delivery.account;
  event.key = "dm:" + id;
  event.sent_ms = event_ms(id, told_ms, delivery.now_ms);
  event.sequence = sequence_of(id);
  event.message = std::move(id);
  if (event.kind == EventKind::echo) event.sender = sender;
  return event;
}

void add_shared_post(Pairs& extra, Value referenced) {
  for (const Value one : referenced.elements()) {
    const std::string id = id_of(one["id"]);
    if (id.empty()) continue;
    extra.emplace_back("shared_post", id);
    return;
  }
}

// The media of `includes` that an object's attachments name.
std::vector<Attachment> attached(Value object, Value includes, Audience audience) {
  std::vector<Attachment> attachments;
  const std::vector<Value> all = includes["media"].elements();
  for (const Value key : object["attachments"]["media_keys"].elements()) {
    if (attachments.size() == kMaxMedia) break;
    const auto found = std::find_if(all.begin(), all.end(), [&](Value one) {
      return one["media_key"].is_string() && one["media_key"].text() == key.text();
    });
    if (found == all.end()) continue;
    if (auto one = media(*found, audience)) attachments.push_back(*std::move(one));
  }
  return attachments;
}

// ---- posts

struct Post {
  std::string id;
  std::string author;
  std::string first;     // of its conversation
  std::string reply_to;  // the post it answers
  std::string quoted;
  std::int64_t told_ms = 0;
  bool answers_only_us = false;  // a reply to us in which nobody else is addressed
};

Event post_event(const Delivery& delivery, const Post& post, Value author) {
  Event event{.kind = EventKind::message};
  event.account = delivery.account;
  event.thread = post_thread(post.first, post.author);
  event.message = post.id;
  event.key = "post:" + post.id;
  event.contact = post.author;
  event.reply_to = post.reply_to;
  event.sent_ms = event_ms(post.id, post.told_ms, delivery.now_ms);
  event.sequence = sequence_of(post.id);
  event.extra = {{"public", "1"}};
  set_contact(event, author);
  const std::string_view name = connector::find(event.extra, "username").value_or("i");
  event.extra.emplace_back("post_url", "https://x.com/" + std::string(name) + "/status/" + post.id);
  add(event.extra, "quoted_post", post.quoted);
  if (post.answers_only_us) event.references.push_back(post.reply_to);
  return event;
}

bool names_only(Value mentions, std::string_view id_member, std::string_view self,
                std::string_view author) {
  const std::vector<Value> all = mentions.elements();
  return std::all_of(all.begin(), all.end(), [&](Value one) {
    const std::string id = id_of(one[id_member]);
    return id == self || id == author;
  });
}

std::string id_in(Value object, std::string_view name) {
  const std::string exact = id_of(object[std::string(name) + "_str"]);
  return exact.empty() ? id_of(object[name]) : exact;
}

}  // namespace

std::string readable(std::string_view text, std::vector<Replacement> replacements) {
  std::vector<Span> spans;
  bool cut = false;
  for (const Replacement& replacement : replacements) {
    if (replacement.found.empty()) continue;
    if (auto span = place(text, replacement)) spans.push_back(*std::move(span));
  }
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.from < b.from; });
  std::string shown;
  std::size_t at = 0;
  for (const Span& span : spans) {
    if (span.from < at) continue;
    append_unescaped(shown, text.substr(at, span.from - at));
    shown += span.shown;
    cut = cut || span.shown.empty();
    at = span.to;
  }
  append_unescaped(shown, text.substr(at));
  if (cut) trim_end(shown);
  return shown;
}

void add(Pairs& pairs, std::string_view name, std::string value) {
  if (!value.empty()) pairs.emplace_back(name, std::move(value));
}

std::string name_of(Value user) {
  for (const std::string_view member : {"name", "username", "screen_name"}) {
    const std::string_view name = user[member].text_or("");
    if (!name.empty()) return std::string(name);
  }
  return {};
}

Value user_in(Value users, std::string_view id) {
  if (id.empty()) return {};
  const auto unwrapped = [](Value user) { return user["data"].is_object() ? user["data"] : user; };
  if (users.is_object()) return unwrapped(users[id]);
  for (const Value one : users.elements()) {
    const Value user = unwrapped(one);
    if (id_in(user, "id") == id) return user;
  }
  return {};
}

std::optional<Event> direct_message(const Delivery& delivery, Value message, Value users,
                                    Value apps) {
  const Value create = message["message_create"];
  std::string id = id_of(message["id"]);
  const std::string sender = id_of(create["sender_id"]);
  const std::string recipient = id_of(create["target"]["recipient_id"]);
  if (id.empty() || sender.empty() || recipient.empty()) return std::nullopt;

  Event event = direct_event(delivery, std::move(id), ms_of(message["created_timestamp"]), sender);
  event.thread = direct_thread(sender, recipient);
  event.contact = event.kind == EventKind::echo ? recipient : sender;
  set_contact(event, user_in(users, event.contact));
  if (!event.sender.empty()) event.sender_name = name_of(user_in(users, event.sender));

  const Value data = create["message_data"];
  std::vector<std::string> media_links;
  set_attachment(event, data["attachment"], media_links);
  std::vector<Replacement> replacements;
  add_links(data["entities"], !media_links.empty(), media_links, replacements);
  event.text = readable(data["text"].text_or(""), std::move(replacements));
  add_buttons(event.extra, data);

  const std::string app = id_of(create["source_app_id"]);
  add(event.extra, "source_app_id", app);
  if (!app.empty()) add(event.extra, "source_app", text_of(apps[app]["name"]));
  add(event.extra, "initiated_via_post", id_of(message["initiated_via"]["tweet_id"]));
  add(event.extra, "initiated_via_welcome_message",
      id_of(message["initiated_via"]["welcome_message_id"]));
  return event;
}

std::optional<Event> looked_up_message(const Delivery& delivery, Value found, Value includes) {
  std::string id = id_of(found["id"]);
  const std::string sender = id_of(found["sender_id"]);
  const std::string thread = conversation_thread(found["dm_conversation_id"].text_or(""));
  const std::string_view type = found["event_type"].text_or("MessageCreate");
  const auto place = parse_thread(thread);
  if (id.empty() || sender.empty() || !place || type != "MessageCreate") return std::nullopt;

  Event event =
      direct_event(delivery, std::move(id), iso_ms(found["created_at"].text_or("")), sender);
  event.thread = thread;
  if (place->kind == Thread::Kind::group) {
    event.contact = thread;
    event.sender = sender;
    event.sender_name = name_of(user_in(includes["users"], sender));
    event.contact_name = "Group " + thread;
  } else {
    const bool is_first = place->first == delivery.self;
    event.contact = event.kind == EventKind::message ? sender
                    : is_first                       ? place->second
                                                     : place->first;
    set_contact(event, user_in(includes["users"], event.contact));
    if (!event.sender.empty()) {
      event.sender_name = name_of(user_in(includes["users"], event.sender));
    }
  }
  event.attachments = attached(found, includes, Audience::participants);
  const bool has_media = found["attachments"]["media_keys"].size() > 0;
  if (has_media && event.attachments.empty()) event.extra.emplace_back("unsupported", "media");
  std::vector<Replacement> replacements;
  add_links(found["entities"], has_media, {}, replacements);
  event.text = readable(found["text"].text_or(""), std::move(replacements));
  // Both names are documented.
  add_shared_post(event.extra, found["referenced_tweets"].exists() ? found["referenced_tweets"]
                                                                   : found["referenced_posts"]);
  return event;
}

std::optional<Event> legacy_post(const Delivery& delivery, Value value) {
  Post post{.id = id_in(value, "id"), .author = id_in(value["user"], "id")};
  if (post.id.empty() || post.author.empty() || post.author == delivery.self ||
      value["retweeted_status"].is_object()) {
    return std::nullopt;
  }
  post.reply_to = id_in(value, "in_reply_to_status_id");
  post.quoted = id_in(value, "quoted_status_id");
  post.told_ms = ms_of(value["timestamp_ms"]);
  if (post.told_ms == 0) post.told_ms = legacy_ms(value["created_at"].text_or(""));
  // v1.1 does not name the conversation; the post that is answered is the best there is.
  post.first = post.reply_to.empty() ? post.id : post.reply_to;

  const Value extended = value["extended_tweet"];
  const bool is_long = extended["full_text"].is_string();
  const Value whole = is_long ? extended : value;
  post.answers_only_us =
      !post.reply_to.empty() && id_in(value, "in_reply_to_user_id") == delivery.self &&
      names_only(whole["entities"]["user_mentions"], "id_str", delivery.self, post.author);

  Event event = post_event(delivery, post, value["user"]);
  const Value media_entities = whole["extended_entities"]["media"].exists()
                                   ? whole["extended_entities"]["media"]
                                   : whole["entities"]["media"];
  std::vector<Replacement> replacements;
  for (const Value one : media_entities.elements()) {
    if (event.attachments.size() == kMaxMedia) break;
    auto attachment = media(one, Audience::everybody);
    if (!attachment) continue;
    event.attachments.push_back(*std::move(attachment));
    const auto from = index(one["indices"].at(0));
    const auto to = index(one["indices"].at(1));
    if (!from || !to || !replacements.empty()) continue;
    replacements.push_back({*from, *to, text_of(one["url"]), ""});
  }
  add_links(whole["entities"], !event.attachments.empty(), {}, replacements);
  const Value text = is_long
                         ? extended["full_text"]
                         : (value["full_text"].is_string() ? value["full_text"] : value["text"]);
  event.text = readable(text.text_or(""), std::move(replacements));
  return event;
}

std::optional<Event> post(const Delivery& delivery, Value value, Value includes) {
  Post one{.id = id_of(value["id"]), .author = id_of(value["author_id"])};
  if (one.id.empty() || one.author.empty() || one.author == delivery.self) return std::nullopt;
  const Value referenced =
      value["referenced_tweets"].exists() ? value["referenced_tweets"] : value["referenced_posts"];
  for (const Value reference : referenced.elements()) {
    const std::string_view type = reference["type"].text_or("");
    if (type == "retweeted") return std::nullopt;
    if (type == "replied_to") one.reply_to = id_of(reference["id"]);
    if (type == "quoted") one.quoted = id_of(reference["id"]);
  }
  if (one.reply_to.empty()) one.reply_to = id_of(value["in_reply_to_tweet_id"]);
  one.first = id_of(value["conversation_id"]);
  if (one.first.empty()) one.first = one.reply_to.empty() ? one.id : one.reply_to;
  one.told_ms = iso_ms(value["created_at"].text_or(""));

  // Tweets are about to be called posts.
  const Value note = value["note_tweet"].exists() ? value["note_tweet"] : value["note_post"];
  const bool is_long = note["text"].is_string();
  const Value whole = is_long ? note : value;
  const std::string_view answered = value["in_reply_to_user_id"].digits().value_or("");
  one.answers_only_us = !one.reply_to.empty() && answered == delivery.self &&
                        names_only(whole["entities"]["mentions"], "id", delivery.self, one.author);

  Event event = post_event(delivery, one, user_in(includes["users"], one.author));
  event.attachments = attached(value, includes, Audience::everybody);
  std::vector<Replacement> replacements;
  add_links(whole["entities"], !event.attachments.empty(), {}, replacements);
  event.text = readable(whole["text"].text_or(""), std::move(replacements));
  return event;
}

}  // namespace x
