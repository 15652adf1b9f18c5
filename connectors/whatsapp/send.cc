#include "connectors/whatsapp/send.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "connectors/sdk/text.h"
#include "connectors/whatsapp/graph.h"
#include "connectors/whatsapp/people.h"

namespace whatsapp {
namespace {

using connector::Attachment;
using connector::Call;
using connector::Channel;
using connector::Done;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Repeat;
using connector::Response;
using connector::Step;
using sdk::json::Value;
using sdk::json::Writer;

using Calls = sdk::Expected<std::vector<Call>, Fail>;

// Limits in UTF-16 units, of text, captions and interactive messages.
constexpr std::size_t kMaxText = 4096;
constexpr std::size_t kMaxCaption = 1024;
constexpr std::size_t kMaxButtonBody = 1024;
constexpr std::size_t kMaxHeader = 60;
constexpr std::size_t kMaxButtons = 3;
constexpr std::size_t kMaxLabel = 20;
constexpr std::size_t kMaxButtonId = 256;
constexpr std::size_t kMaxSections = 10;
constexpr std::size_t kMaxRows = 10;
constexpr std::size_t kMaxRowId = 200;
constexpr std::size_t kMaxRowTitle = 24;
constexpr std::size_t kMaxRowDescription = 72;
constexpr std::size_t kMaxFileName = 240;
constexpr std::size_t kMaxTemplateName = 512;

// One message of ours becomes at most so many of WhatsApp's.
constexpr std::size_t kMaxPieces = 30;

constexpr std::int64_t kHourMs = 60 * 60 * 1000;
constexpr std::int64_t kWindowMs = 24 * kHourMs;
// After a message that came by an advertisement.
constexpr std::int64_t kFreeEntryPointMs = 72 * kHourMs;

constexpr std::int64_t kMebibyte = 1 << 20;

std::string_view fact(const Event& input, std::string_view name) {
  return connector::find(input.extra, name).value_or(std::string_view());
}

bool is_set(std::string_view flag) { return flag == "1" || flag == "true"; }

// ---- to whom

// A user id alone is enough since May 2026. Where the contact last wrote under the same user id and
// with a phone number, that is used: some templates need it, and Meta goes on telling it then.
// After a change of the number the user id is another one, so an old number is never written to.
Recipient reachable(Recipient recipient, const Event& input) {
  const std::string_view wa_id = fact(input, "last.wa_id");
  if (!recipient.user_id.empty() && fact(input, "last.user_id") == recipient.user_id &&
      is_wa_id(wa_id)) {
    recipient.wa_id = wa_id;
    recipient.user_id.clear();
  }
  return recipient;
}

// Opens the JSON object of a message.
Writer addressed(const Recipient& recipient) {
  Writer body;
  body.object().member("messaging_product", "whatsapp");
  if (!recipient.group.empty()) {
    body.member("recipient_type", "group").member("to", recipient.group);
  } else if (!recipient.wa_id.empty()) {
    body.member("recipient_type", "individual").member("to", recipient.wa_id);
  } else {
    body.member("recipient_type", "individual").member("recipient", recipient.user_id);
  }
  return body;
}

Call message_call(const Channel& channel, std::string json) {
  return post(channel, sdk::url_encode(channel.setting("phone_number_id")) + "/messages",
              std::move(json));
}

// ---- attachments

struct MediaRule {
  std::string_view type;  // the platform's, and the name of its member
  std::string_view kind;  // ours
  std::array<std::string_view, 5> mime_types;
  std::int64_t max_bytes;
};
// https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers
// /media (read 2026-11-21).
constexpr std::array<MediaRule, 4> kMediaRules{{
    {"image", "image", {"image/jpeg", "image/png"}, 5 * kMebibyte},
    {"video", "video", {"video/mp4", "video/3gpp"}, 16 * kMebibyte},
    {"audio",
     "audio",
     {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"},
     16 * kMebibyte},
    {"sticker", "sticker", {"image/webp"}, 500 << 10},
}};
constexpr std::int64_t kMaxDocumentBytes = 100 * kMebibyte;

// The type an attachment can go as: what WhatsApp would refuse as a picture, video or sound it
// takes as a document.
std::string_view type_of(const Attachment& attachment) {
  for (const MediaRule& rule : kMediaRules) {
    if (rule.kind != attachment.kind) continue;
    const std::string_view mime =
        std::string_view(attachment.mime_type).substr(0, attachment.mime_type.find(';'));
    const bool fits = mime.empty() || std::find(rule.mime_types.begin(), rule.mime_types.end(),
                                                mime) != rule.mime_types.end();
    return fits && attachment.size <= rule.max_bytes ? rule.type : "document";
  }
  return attachment.kind == "file" ? "document" : std::string_view();
}

bool takes_caption(std::string_view type) {
  return type == "image" || type == "video" || type == "document";
}

std::optional<double> degrees(std::string_view text, double limit) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole && value >= -limit && value <= limit ? std::optional(value) : std::nullopt;
}

std::string_view fact(const Attachment& attachment, std::string_view name) {
  return connector::find(attachment.extra, name).value_or(std::string_view());
}

// ---- interactive messages

// The member's text where it has 1 to `max` units; else `problem` says so.
std::string checked(Value object, std::string_view name, std::size_t max, std::string_view of,
                    std::string& problem) {
  const std::string text(object[name].text_or(""));
  const std::size_t length = sdk::utf16_length(text);
  if ((length == 0 || length > max) && problem.empty()) {
    problem = "the " + std::string(name) + " of " + std::string(of) + " must have 1 to " +
              std::to_string(max) + " characters";
  }
  return text;
}

void check_optional(std::string_view text, std::size_t max, std::string_view what,
                    std::string& problem) {
  if (sdk::utf16_length(text) > max && problem.empty()) {
    problem = std::string(what) + " may have " + std::to_string(max) + " characters at most";
  }
}

// "[{"id":"yes","title":"Yes"}, ...]", also in the platform's own form with "reply" around each.
void write_buttons(Writer& body, Value buttons, std::string& problem) {
  const std::vector<Value> all = buttons.elements();
  if (all.empty() || all.size() > kMaxButtons) {
    problem = "an interactive message must have 1 to 3 buttons";
    return;
  }
  std::set<std::string> ids;
  std::set<std::string> titles;
  body.key("buttons").array();
  for (const Value one : all) {
    const Value button = one["reply"].is_object() ? one["reply"] : one;
    const std::string id = checked(button, "id", kMaxButtonId, "a button", problem);
    const std::string title = checked(button, "title", kMaxLabel, "a button", problem);
    if ((!ids.insert(id).second || !titles.insert(title).second) && problem.empty()) {
      problem = "the buttons of a message must have different ids and titles";
    }
    body.object().member("type", "reply").key("reply").object();
    body.member("id", id).member("title", title).end().end();
  }
  body.end();
}

void write_row(Writer& body, Value row, std::set<std::string>& ids, std::string& problem) {
  const std::string id = checked(row, "id", kMaxRowId, "a row", problem);
  const std::string title = checked(row, "title", kMaxRowTitle, "a row", problem);
  const std::string_view description = row["description"].text_or("");
  check_optional(description, kMaxRowDescription, "the description of a row", problem);
  if (!ids.insert(id).second && problem.empty()) {
    problem = "the rows of a list must have different ids";
  }
  body.object().member("id", id).member("title", title);
  if (!description.empty()) body.member("description", description);
  body.end();
}

// "[{"title":"Today","rows":[{"id":"9","title":"9:00"}]}, ...]".
void write_sections(Writer& body, Value sections, std::string& problem) {
  const std::vector<Value> all = sections.elements();
  if (all.empty() || all.size() > kMaxSections) {
    problem = "a list must have 1 to 10 sections";
    return;
  }
  std::set<std::string> ids;
  std::size_t rows = 0;
  body.key("sections").array();
  for (const Value section : all) {
    body.object();
    if (all.size() > 1 || section["title"].exists()) {
      body.member("title", checked(section, "title", kMaxRowTitle, "a section", problem));
    }
    const std::vector<Value> all_rows = section["rows"].elements();
    rows += all_rows.size();
    if ((all_rows.empty() || rows > kMaxRows) && problem.empty()) {
      problem = "a list must have 1 to 10 rows, and each section one";
    }
    body.key("rows").array();
    for (const Value row : all_rows) write_row(body, row, ids, problem);
    body.end().end();
  }
  body.end();
}

std::optional<sdk::json::Document> list_in(const Event& input, std::string_view name) {
  auto document = sdk::json::Document::parse(fact(input, name), sdk::json::kApiLimits);
  if (!document || !document->root().is_array()) return std::nullopt;
  return *std::move(document);
}

Value root_of(const std::optional<sdk::json::Document>& document) {
  return document ? document->root() : Value();
}

// The text, or a problem, of metadata in the platform's own form:
//   {"interactive": {"type": "button", "action": {"buttons": [...]}, "footer": {"text": ".."}}}
class Interactive {
 public:
  explicit Interactive(const Event& input)
      : input_(input), type_(fact(input, "interactive.type")) {}

  bool is_wanted() const { return !type_.empty(); }
  const std::string& problem() const { return problem_; }

  void write(Writer& body, std::string_view text) {
    body.member("type", "interactive").key("interactive").object().member("type", type_);
    write_optional(body, "header", "interactive.header.text");
    write_body(body, text);
    write_optional(body, "footer", "interactive.footer.text");
    body.key("action").object();
    write_action(body);
    body.end().end();
  }

 private:
  std::string_view member(std::string_view name) const { return fact(input_, name); }
  void complain(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }

  void write_body(Writer& body, std::string_view text) {
    if (text.empty()) text = member("interactive.body.text");
    const std::size_t max = type_ == "list" ? kMaxText : kMaxButtonBody;
    const std::size_t length = sdk::utf16_length(text);
    if (length == 0 || length > max) {
      complain("the text of this interactive message must have 1 to " + std::to_string(max) +
               " characters");
    }
    body.key("body").object().member("text", text).end();
  }

  void write_optional(Writer& body, std::string_view part, std::string_view name) {
    const std::string_view text = member(name);
    if (text.empty()) return;
    check_optional(text, kMaxHeader, std::string(part) + " texts", problem_);
    body.key(part).object();
    if (part == "header") body.member("type", "text");
    body.member("text", text).end();
  }

  void write_label(Writer& body, std::string_view name, std::string_view text) {
    const std::size_t length = sdk::utf16_length(text);
    if (length == 0 || length > kMaxLabel) {
      complain("the label of the button must have 1 to 20 characters");
    }
    body.member(name, text);
  }

  void write_action(Writer& body) {
    if (type_ == "button") {
      const auto buttons = list_in(input_, "interactive.action.buttons");
      write_buttons(body, root_of(buttons), problem_);
    } else if (type_ == "list") {
      write_label(body, "button", member("interactive.action.button"));
      const auto sections = list_in(input_, "interactive.action.sections");
      write_sections(body, root_of(sections), problem_);
    } else if (type_ == "cta_url") {
      const std::string_view url = member("interactive.action.parameters.url");
      if (!url.starts_with("https://") && !url.starts_with("http://")) {
        complain("the link of the button must be a web address");
      }
      body.member("name", "cta_url").key("parameters").object();
      write_label(body, "display_text", member("interactive.action.parameters.display_text"));
      body.member("url", url).end();
    } else if (type_ == "location_request_message") {
      body.member("name", "send_location");
    } else if (type_ == "contact_request") {
      body.member("name", "request_contact_info");
    } else {
      complain(
          "interactive messages can be of type button, list, cta_url, "
          "location_request_message or contact_request");
    }
  }

  const Event& input_;
  const std::string_view type_;
  std::string problem_;
};

// ---- templates

bool is_template_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxTemplateName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

bool is_language(std::string_view code) {
  return code.size() >= 2 && code.size() <= 16 && std::all_of(code.begin(), code.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
         });
}

// Empty, or what is wrong with the template.
std::string write_template(Writer& body, const Event& input) {
  const std::string_view name = fact(input, "template.name");
  std::string_view language = fact(input, "template.language");
  if (language.empty()) language = fact(input, "template.language.code");
  if (!is_template_name(name)) return "the template has no name WhatsApp could know it by";
  if (!is_language(language)) return "the template needs a language, like en_US";
  body.member("type", "template").key("template").object().member("name", name);
  body.key("language").object().member("code", language).end();
  if (const std::string_view components = fact(input, "template.components"); !components.empty()) {
    const auto list = list_in(input, "template.components");
    if (!list) return "the components of the template must be a list";
    body.member("components", list->root());
  }
  body.end();
  return {};
}

bool is_template(const Event& input) { return !fact(input, "template.name").empty(); }

// ---- what one message of ours becomes: calls whose number depends on the message alone

class Composer {
 public:
  Composer(const Channel& channel, const Event& input, Recipient recipient)
      : channel_(channel), input_(input), recipient_(std::move(recipient)) {}

  Calls compose() {
    if (is_template(input_)) {
      if (!input_.attachments.empty()) {
        return permanent("a template names its files in its components and has no attachments");
      }
      Writer body = begin();
      if (std::string problem = write_template(body, input_); !problem.empty()) {
        return permanent(std::move(problem));
      }
      bodies_.push_back(std::move(body));
    } else if (auto fail = compose_freely()) {
      return *fail;
    }
    if (bodies_.empty()) return permanent("the message has neither text nor attachments");
    if (bodies_.size() > kMaxPieces) {
      return permanent("the message would become " + std::to_string(bodies_.size()) +
                       " messages at WhatsApp, more than " + std::to_string(kMaxPieces));
    }
    return finish();
  }

 private:
  // Only the first piece answers.
  Writer begin() {
    Writer body = addressed(recipient_);
    if (bodies_.empty() && is_opaque_id(input_.reply_to)) {
      body.key("context").object().member("message_id", input_.reply_to).end();
    }
    return body;
  }

  std::optional<Fail> compose_freely() {
    Interactive interactive(input_);
    std::string_view text = input_.text;
    for (const Attachment& attachment : input_.attachments) {
      const bool captioned = !interactive.is_wanted() && bodies_.empty() && !text.empty() &&
                             takes_caption(type_of(attachment)) &&
                             sdk::utf16_length(text) <= kMaxCaption;
      if (auto fail = add(attachment, captioned ? text : std::string_view())) return fail;
      if (captioned) text = {};
    }
    if (interactive.is_wanted()) {
      Writer body = begin();
      interactive.write(body, text);
      if (!interactive.problem().empty()) return permanent(interactive.problem());
      bodies_.push_back(std::move(body));
      return std::nullopt;
    }
    for (const std::string& piece : sdk::split_utf16(text, kMaxText)) {
      // The last piece may be what was left behind a cut.
      if (piece.find_first_not_of(" \t\n") == std::string::npos) continue;
      Writer body = begin();
      body.member("type", "text").key("text").object();
      body.member("preview_url", is_set(fact(input_, "preview_url"))).member("body", piece).end();
      bodies_.push_back(std::move(body));
    }
    return std::nullopt;
  }

  std::optional<Fail> add(const Attachment& attachment, std::string_view caption) {
    if (attachment.kind == "location") return add_location(attachment);
    if (attachment.kind == "contact") return add_contact(attachment);
    const std::string_view type = type_of(attachment);
    if (type.empty()) return permanent("WhatsApp has no attachments of this kind");
    if (attachment.size > kMaxDocumentBytes) {
      return permanent("the attachment is larger than the 100 MB WhatsApp takes");
    }
    Writer body = begin();
    body.member("type", type).key(type).object();
    if (!attachment.url.empty()) {
      body.member("link", attachment.url);
    } else if (!attachment.media_id.empty()) {
      body.member("id", attachment.media_id);
    } else {
      return permanent("an attachment has neither a URL nor a media id");
    }
    if (!caption.empty()) body.member("caption", caption);
    if (type == "document" && !attachment.file_name.empty()) {
      const std::string_view name = attachment.file_name;
      body.member("filename", name.substr(0, sdk::utf16_offset(name, kMaxFileName)));
    }
    if (type == "audio" && is_set(fact(attachment, "voice"))) body.member("voice", true);
    body.end();
    bodies_.push_back(std::move(body));
    return std::nullopt;
  }

  std::optional<Fail> add_location(const Attachment& attachment) {
    const auto latitude = degrees(fact(attachment, "latitude"), 90);
    const auto longitude = degrees(fact(attachment, "longitude"), 180);
    if (!latitude || !longitude) return permanent("a location has no latitude or longitude");
    Writer body = begin();
    body.member("type", "location").key("location").object();
    body.member("latitude", *latitude).member("longitude", *longitude);
    for (const auto& [ours, theirs] : {std::pair{"title", "name"}, {"address", "address"}}) {
      if (const auto text = fact(attachment, ours); !text.empty()) body.member(theirs, text);
    }
    body.end();
    bodies_.push_back(std::move(body));
    return std::nullopt;
  }

  std::optional<Fail> add_contact(const Attachment& attachment) {
    const std::string_view phone = fact(attachment, "phone_number");
    const std::string_view email = fact(attachment, "email");
    std::string_view first_name = fact(attachment, "first_name");
    const std::string_view last_name = fact(attachment, "last_name");
    std::string name(fact(attachment, "formatted_name"));
    if (name.empty()) {
      name = first_name;
      if (!name.empty() && !last_name.empty()) name += ' ';
      name += last_name;
    }
    if (name.empty() || (phone.empty() && email.empty())) {
      return permanent("a contact needs a name, and a phone number or an email address");
    }
    // Beside the formatted name WhatsApp wants one of its parts.
    if (first_name.empty()) first_name = name;
    Writer body = begin();
    body.member("type", "contacts").key("contacts").array().object();
    body.key("name").object().member("formatted_name", name).member("first_name", first_name);
    if (!last_name.empty()) body.member("last_name", last_name);
    body.end();
    if (!phone.empty()) {
      body.key("phones").array().object().member("phone", phone);
      if (const auto wa_id = fact(attachment, "wa_id"); is_wa_id(wa_id))
        body.member("wa_id", wa_id);
      body.end().end();
    }
    if (!email.empty()) body.key("emails").array().object().member("email", email).end().end();
    if (const auto company = fact(attachment, "organization"); !company.empty()) {
      body.key("org").object().member("company", company).end();
    }
    body.end().end();
    bodies_.push_back(std::move(body));
    return std::nullopt;
  }

  // Statuses repeat the key, which settles a send whose answer was lost. It stands on the last
  // piece alone: what became of an earlier one says nothing about the rest.
  std::vector<Call> finish() {
    std::vector<Call> calls;
    for (Writer& body : bodies_) {
      if (calls.size() + 1 == bodies_.size() && !input_.key.empty()) {
        body.member("biz_opaque_callback_data", input_.key);
      }
      body.end();
      calls.push_back(message_call(channel_, body.take()));
    }
    return calls;
  }

  const Channel& channel_;
  const Event& input_;
  const Recipient recipient_;
  std::vector<Writer> bodies_;
};

Calls reaction_calls(const Channel& channel, const Event& input, const Recipient& recipient) {
  if (!is_opaque_id(input.message)) return permanent("the reaction names no message");
  Writer body = addressed(recipient);
  body.member("type", "reaction").key("reaction").object();
  body.member("message_id", input.message).member("emoji", input.text).end().end();
  return std::vector{message_call(channel, body.take())};
}

// Only what the gateway knows: a contact who never wrote, or reacted or called since, is Meta's to
// judge.
bool is_outside_window(const Channel& channel, const Event& input) {
  const std::string_view digits = fact(input, "last.sent_ms");
  std::int64_t last_ms = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), last_ms);
  if (error != std::errc() || end != digits.data() + digits.size() || last_ms <= 0) return false;
  const bool by_advertisement = !fact(input, "last.referral.source_type").empty();
  const std::int64_t window_ms = by_advertisement ? kFreeEntryPointMs : kWindowMs;
  return last_ms < channel.now_ms - window_ms;
}

// Where Meta knows the contact by another id than the thread has: Brazilian and Mexican numbers are
// written with and without a digit.
void note_other_id(const Recipient& recipient, Value contact, Done& done) {
  if (recipient.wa_id.empty() || !done.results.empty()) return;
  const std::string_view user_id = contact["user_id"].digits().value_or("");
  const std::string_view wa_id = contact["wa_id"].digits().value_or("");
  if (is_user_id(user_id)) {
    done.results.emplace_back("moved_to", user_id);
  } else if (is_wa_id(wa_id) && wa_id != recipient.wa_id) {
    done.results.emplace_back("moved_to", wa_id);
  }
}

Fail failed_piece(const Channel& channel, const Answer& answer, Repeat repeat, std::size_t piece,
                  std::size_t pieces) {
  Fail fail = fail_of(channel, answer, Purpose::send, repeat);
  if (piece > 0) {
    fail.why = "part " + std::to_string(piece + 1) + " of " + std::to_string(pieces) +
               " was not accepted: " + fail.why;
  }
  return fail;
}

}  // namespace

Step send(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const auto thread = parse_thread(input.thread);
  if (!thread) return permanent("the conversation's thread is not one of WhatsApp");
  const bool is_reaction = input.kind == EventKind::reaction;
  if (!is_reaction && input.kind != EventKind::message) {
    return permanent("WhatsApp lets a business neither change nor delete what it has sent");
  }
  if (so_far.empty() && !is_template(input) && is_outside_window(channel, input)) {
    return Fail{.code = Failure::permanent,
                .why =
                    "the contact last wrote more than 24 hours ago; WhatsApp then takes only "
                    "message templates (metadata \"template\")",
                .platform_code = "131047"};
  }
  const Recipient recipient = reachable(*thread, input);
  const Calls calls = is_reaction ? reaction_calls(channel, input, recipient)
                                  : Composer(channel, input, recipient).compose();
  if (!calls) return calls.error();

  const Repeat repeat = is_reaction ? Repeat::safe : Repeat::harmful;
  Talk talk(channel, so_far);
  Done done;
  for (std::size_t i = 0; i < calls->size(); ++i) {
    const Response* response = talk.ask((*calls)[i]);
    if (response == nullptr) return talk.next_call();
    const Answer answer(*response);
    const std::string_view id = answer.root()["messages"].at(0)["id"].digits().value_or("");
    if (!answer.ok() || id.empty()) {
      return failed_piece(channel, answer, repeat, i, calls->size());
    }
    if (is_reaction) continue;
    if (!thread->wa_id.empty()) note_other_id(*thread, answer.root()["contacts"].at(0), done);
    done.results.emplace_back("message", id);
  }
  done.state = talk.learned();
  return done;
}

// https://developers.facebook.com/documentation/business-messaging/whatsapp/typing-indicators (read
// 2026-11-21): typing shows for 25 seconds or until a message comes, and marks as read, too.
Step signal(const Channel& channel, const Event& input, std::span<const Response> so_far) {
  const bool types = input.kind == EventKind::typing;
  const bool reads = input.kind == EventKind::status && input.state == "read";
  const std::string message =
      input.message.empty() ? std::string(fact(input, "last.message")) : input.message;
  if ((!types && !reads) || (types && input.state == "off") || !is_opaque_id(message)) {
    return Done{};
  }
  Writer body;
  body.object().member("messaging_product", "whatsapp").member("status", "read");
  body.member("message_id", message);
  if (types) body.key("typing_indicator").object().member("type", "text").end();
  body.end();
  Talk talk(channel, so_far);
  const Response* response = talk.ask(message_call(channel, body.take()));
  if (response == nullptr) return talk.next_call();
  const Answer answer(*response);
  if (!answer.succeeded()) return fail_of(channel, answer, Purpose::send, Repeat::safe);
  return Done{.state = talk.learned(), .results = {}, .events = {}};
}

}  // namespace whatsapp
