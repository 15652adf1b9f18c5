#include "connectors/email/understand.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "connectors/email/address.h"
#include "connectors/email/charset.h"
#include "connectors/email/html.h"
#include "connectors/email/identity.h"
#include "connectors/email/transfer.h"
#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"

namespace email {
namespace {

using connector::Attachment;
using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Pairs;

constexpr std::size_t kMaxTextBytes = 60u << 10;   // the gateway keeps 64 KiB
constexpr std::size_t kMaxExtraBytes = 15u << 10;  // and 16 KiB of a value
constexpr std::size_t kMaxListBytes = 2u << 10;
constexpr std::size_t kMaxAttachments = 100;
constexpr std::size_t kMaxReferences = 50;
constexpr std::size_t kMaxAnsweredReferences = 20;
// A mail that has passed so many servers is going in circles.
constexpr std::size_t kMaxHops = 30;

void add(Pairs& pairs, std::string_view name, std::string value) {
  if (!value.empty()) pairs.emplace_back(name, std::move(value));
}

std::string one_line(std::string_view text, std::size_t max_bytes) {
  std::string line = sdk::sanitize(text, 4 * max_bytes + 16);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\t', ' ');
  return cut_utf8(sdk::trim(line), max_bytes);
}

bool says_any(std::string_view value, std::initializer_list<std::string_view> words) {
  const std::string lower = sdk::lower_ascii(value);
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

// ---- who wrote to whom

struct People {
  Address from;
  std::vector<Address> to;
  std::vector<Address> cc;
  std::vector<Address> reply_to;
};

Address first_sender(const Fields& fields, const Envelope& envelope) {
  for (const std::string_view name : {"from", "sender", "return-path"}) {
    const auto found = parse_addresses(field(fields, name), 1);
    if (!found.empty()) return found[0];
  }
  const auto found = parse_addresses(envelope.mail_from, 1);
  if (!found.empty()) return found[0];
  return {.name = one_line(decode_words(field(fields, "from").substr(0, 990)), 200),
          .address = "unknown@invalid"};
}

People people_of(const Fields& fields, const Envelope& envelope) {
  return {.from = first_sender(fields, envelope),
          .to = parse_addresses(field(fields, "to")),
          .cc = parse_addresses(field(fields, "cc")),
          .reply_to = parse_addresses(field(fields, "reply-to"))};
}

std::string list_of(const std::vector<Address>& addresses) {
  std::string list;
  for (const Address& one : addresses) {
    if (list.size() + one.address.size() > kMaxListBytes) break;
    list += (list.empty() ? "" : ", ") + one.address;
  }
  return list;
}

// Everything this mail was addressed to, the envelope first.
std::vector<std::string> recipients_of(const Fields& fields, const Envelope& envelope) {
  std::vector<std::string> all = envelope.recipients;
  for (const std::string_view name : {"delivered-to", "x-original-to", "envelope-to", "to", "cc"}) {
    for (const std::string_view value : all_fields(fields, name)) {
      for (Address& one : parse_addresses(value)) all.push_back(std::move(one.address));
      if (all.size() > 200) return all;
    }
  }
  return all;
}

// What stands behind '+' in addresses of this channel, in order and once.
std::vector<std::string> tokens_of(const Channel& channel, const Fields& fields,
                                   const Envelope& envelope) {
  std::vector<std::string> tokens;
  const auto add_token = [&](std::string token) {
    token = sdk::lower_ascii(token);
    if (!token.empty() && token.size() <= 200 &&
        std::find(tokens.begin(), tokens.end(), token) == tokens.end()) {
      tokens.push_back(std::move(token));
    }
  };
  for (const std::string& address : recipients_of(fields, envelope)) {
    if (without_plus(address) == own_address(channel)) add_token(plus_of(address));
  }
  add_token(sdk::sanitize(envelope.mailbox_hash, 200));
  return tokens;
}

// ---- what kind of mail

// RFC 3834 and what vacation programs and lists really write; the word says which sign it was.
std::optional<std::string_view> automatic_sign(const Fields& fields, const People& people,
                                               const Envelope& envelope, const Mail& mail) {
  const std::string_view submitted = sdk::trim(field(fields, "auto-submitted"));
  // "no" is a person (RFC 3834 section 5).
  if (!submitted.empty() && !sdk::equals_ignoring_case(submitted.substr(0, 2), "no")) {
    return "auto-submitted";
  }
  if (says_any(field(fields, "x-auto-response-suppress"), {"all", "autoreply", "oof"})) {
    return "x-auto-response-suppress";
  }
  if (says_any(field(fields, "precedence"), {"bulk", "junk", "list", "auto_reply"})) {
    return "precedence";
  }
  for (const std::string_view name : {"x-autoreply", "x-autorespond", "x-autoresponder",
                                      "feedback-id", "list-id", "list-unsubscribe"}) {
    if (!field(fields, name).empty()) return name;
  }
  for (const Field& one : fields) {
    if (one.name.starts_with("x-failure-")) return "x-failure";
  }
  if (sdk::trim(field(fields, "return-path")) == "<>" || envelope.mail_from == "<>") {
    return "return-path";
  }
  const std::string local = sdk::lower_ascii(people.from.address);
  for (const std::string_view robot : {"mailer-daemon", "postmaster", "no-reply", "noreply",
                                       "do-not-reply", "donotreply", "bounce", "bounces"}) {
    if (!local.starts_with(robot)) continue;
    const std::string_view behind = std::string_view(local).substr(robot.size());
    if (behind.empty() || std::string_view("@+-._").find(behind[0]) != std::string_view::npos) {
      return "from";
    }
  }
  if (!mail.report_type.empty()) return "report";
  if (all_fields(fields, "received").size() > kMaxHops) return "hops";
  return std::nullopt;
}

// Mail this channel sent, come back by a list, a forwarding rule or a wrong alias.
bool is_own_mail(const Channel& channel, const Fields& fields, const People& people) {
  const auto ids = message_ids(field(fields, "message-id"), 1);
  if (!ids.empty() && is_own_message_id(channel, ids[0])) return true;
  const std::string_view mark = sdk::trim(field(fields, "x-gateway-loop"));
  if (mark.empty()) return false;
  return sdk::equal_secret(mark, loop_mark(channel)) ||
         without_plus(people.from.address) == own_address(channel);
}

// ---- trust

// "mx.example; dmarc=pass (p=none) header.from=x; spf=fail": the result of one method, and where it
// has one the domain it speaks of.
struct MethodResult {
  std::string result;
  std::string domain;
};

std::string without_comments(std::string_view text) {
  std::string clean;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') {
      ++depth;
    } else if (c == ')') {
      depth = std::max(depth - 1, 0);
    } else if (depth == 0) {
      clean += c;
    }
  }
  return clean;
}

std::string token_behind(std::string_view text, std::string_view name) {
  const auto at = text.find(name);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + name.size());
  std::string token(text.substr(0, text.find_first_of(" \t;\"")));
  return token.substr(token.rfind('@') + 1);
}

std::vector<MethodResult> results_of(std::string_view header, std::string_view method,
                                     std::string_view domain_property) {
  std::vector<MethodResult> results;
  const std::string clean = sdk::lower_ascii(without_comments(header.substr(0, 8192)));
  std::string_view rest = clean;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(';'), rest.size());
    const std::string_view statement = sdk::trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!statement.starts_with(std::string(method) + "=")) continue;
    const std::string_view value = statement.substr(method.size() + 1);
    results.push_back({.result = std::string(value.substr(0, value.find_first_of(" \t"))),
                       .domain = token_behind(statement, domain_property)});
  }
  return results;
}

// RFC 8601: only a header of a server the operator trusts counts, and of those the topmost; senders
// write their own.
std::string judged(std::string_view header, std::string_view from_domain) {
  const auto dmarc = results_of(header, "dmarc", "header.from=");
  if (!dmarc.empty() && dmarc[0].result == "pass") return "pass";
  if (!dmarc.empty() && dmarc[0].result == "fail") return "fail";
  bool failed = false;
  for (const auto& [method, property] :
       {std::pair{"dkim", "header.d="}, std::pair{"dkim", "header.i="},
        std::pair{"spf", "smtp.mailfrom="}}) {
    for (const MethodResult& one : results_of(header, method, property)) {
      if (one.result == "pass" && is_aligned(one.domain, from_domain)) return "pass";
      failed |= one.result == "fail";
    }
  }
  return failed ? "fail" : "none";
}

std::string auth_of(const Channel& channel, const Fields& fields, const People& people,
                    const Envelope& envelope) {
  std::vector<std::string> trusted;
  std::string_view list = channel.setting("trusted_authserv_ids");
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    const std::string_view id = sdk::trim(list.substr(0, end));
    if (!id.empty()) trusted.push_back(sdk::lower_ascii(id));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  if (!trusted.empty()) {
    for (const std::string_view header : all_fields(fields, "authentication-results")) {
      std::string id = sdk::lower_ascii(
          sdk::trim(without_comments(header.substr(0, std::min(header.find(';'), header.size())))));
      id = id.substr(0, id.find_first_of(" \t"));  // a version may follow
      if (std::find(trusted.begin(), trusted.end(), id) != trusted.end()) {
        return judged(header, domain_of(people.from.address));
      }
    }
  }
  return envelope.auth.empty() ? "none" : envelope.auth;
}

// ---- reports

std::vector<Fields> groups_of(std::string_view report) {
  std::vector<Fields> groups;
  while (!report.empty() && groups.size() < 100) {
    const std::size_t before = report.size();
    Fields fields = take_header(report);
    if (!fields.empty()) groups.push_back(std::move(fields));
    // A line that is no field would stop every further look.
    if (report.size() == before) report.remove_prefix(std::min(report.find('\n') + 1, before));
    if (report.size() == before) break;
  }
  return groups;
}

// "rfc822; ana@x.example"
std::string typed_value(std::string_view value) {
  const auto semicolon = value.find(';');
  return one_line(value.substr(semicolon == std::string_view::npos ? 0 : semicolon + 1), 990);
}

std::string original_id(const Mail& mail) {
  std::string_view header = mail.original_header;
  const auto ids = message_ids(field(take_header(header), "message-id"), 1);
  return ids.empty() ? std::string() : normalized_id(ids[0]);
}

// RFC 3464. Empty where the report names no message of ours.
std::vector<Event> delivery_events(const Mail& mail, const std::vector<std::string>& tokens,
                                   const std::string& key, std::int64_t at_ms) {
  std::vector<Event> events;
  std::string message = original_id(mail);
  for (const std::string& token : tokens) {
    if (message.empty() && token.starts_with("b-")) message = "plus:" + token;
  }
  if (message.empty()) return events;
  std::vector<Fields> groups = groups_of(mail.report);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Fields& group = groups[i];
    const std::string action = sdk::lower_ascii(one_line(field(group, "action"), 40));
    if (action.empty()) continue;  // the first group is about the message
    std::string recipient = normalized_address(typed_value(field(group, "original-recipient")));
    if (recipient.empty()) {
      recipient = normalized_address(typed_value(field(group, "final-recipient")));
    }
    const std::string diagnostic = typed_value(field(group, "diagnostic-code"));
    const std::string event_key = key + "#" + std::to_string(i);
    if (action == "delayed") {
      events.push_back(delay_notice(message, recipient, diagnostic, event_key));
    } else if (action == "failed" || action == "delivered") {
      events.push_back(status_of(message, action, recipient, event_key));
      if (action == "failed") {
        Event& event = events.back();
        event.code = one_line(field(group, "status"), 40);
        event.text = diagnostic;
      }
    } else {
      // relayed and expanded: on its way, and nobody will tell more.
      events.push_back({.kind = EventKind::unknown, .message = message, .key = event_key});
    }
    events.back().sent_ms = at_ms;
  }
  return events;
}

// RFC 8098.
std::vector<Event> receipt_events(const Mail& mail, const std::string& key, std::int64_t at_ms) {
  for (const Fields& group : groups_of(mail.report)) {
    const auto ids = message_ids(field(group, "original-message-id"), 1);
    if (ids.empty()) continue;
    const bool displayed = says_any(field(group, "disposition"), {"displayed"});
    Event event = status_of(normalized_id(ids[0]), "read",
                            normalized_address(typed_value(field(group, "final-recipient"))), key);
    if (!displayed) event = {.kind = EventKind::unknown, .message = event.message, .key = key};
    event.sent_ms = at_ms;
    return {event};
  }
  return {};
}

// RFC 5965.
std::vector<Event> complaint_events(const Mail& mail, const std::string& key, std::int64_t at_ms) {
  for (const Fields& group : groups_of(mail.report)) {
    const std::string type = one_line(field(group, "feedback-type"), 40);
    if (type.empty()) continue;
    std::string who = normalized_address(typed_value(field(group, "original-rcpt-to")));
    if (who.starts_with('<') && who.ends_with('>')) who = who.substr(1, who.size() - 2);
    std::string_view header = mail.original_header;
    const Fields original = take_header(header);
    if (who.empty()) {
      const auto to = parse_addresses(field(original, "to"), 1);
      if (!to.empty()) who = normalized_address(to[0].address);
    }
    if (who.empty()) return {};
    Event event = contact_blocked(who, "complaint: " + type, key);
    event.message = original_id(mail);
    event.sent_ms = at_ms;
    return {event};
  }
  return {};
}

std::vector<Event> report_events(const Mail& mail, const std::vector<std::string>& tokens,
                                 const std::string& key, std::int64_t at_ms) {
  if (mail.report_type == "delivery-status") return delivery_events(mail, tokens, key, at_ms);
  if (mail.report_type == "disposition-notification") return receipt_events(mail, key, at_ms);
  if (mail.report_type == "feedback-report") return complaint_events(mail, key, at_ms);
  return {};
}

// ---- a message

std::string content_digest(const Mail& mail) {
  std::string all =
      std::string(field(mail.fields, "subject")) + "\n" + mail.text + "\n" + sdk::sha256(mail.html);
  for (const MailAttachment& one : mail.attachments)
    all += sdk::sha256(one.content) + one.file_name;
  return sdk::hex(sdk::sha256(all)).substr(0, 16);
}

// Message-ID, or where a mail has none an id made of what does not change between deliveries.
std::string id_of(const Mail& mail, const std::string& digest) {
  const auto ids = message_ids(field(mail.fields, "message-id"), 1);
  if (!ids.empty()) return normalized_id(ids[0]);
  std::string all;
  for (const std::string_view name : {"from", "date", "subject"}) {
    all += std::string(field(mail.fields, name)) + "\n";
  }
  return "sha256:" + sdk::hex(sdk::sha256(all + digest)).substr(0, 32);
}

// The sender's clock, wherever it stands: as a part of the identity it must not depend on ours.
// What lies far ahead is ordered by its arrival, which is the gateway's to do.
std::int64_t sent_ms_of(const Fields& fields) {
  return parse_date(field(fields, "date")).value_or(0);
}

void set_thread(Event& event, const Fields& fields, const std::vector<std::string>& tokens) {
  const auto references = message_ids(field(fields, "references"), kMaxReferences);
  const auto in_reply_to = message_ids(field(fields, "in-reply-to"), kMaxReferences);
  if (!references.empty()) {
    event.thread = normalized_id(references[0]);
  } else if (!in_reply_to.empty()) {
    event.thread = normalized_id(in_reply_to[0]);
  } else {
    event.thread = event.message;
  }
  const auto refer = [&](std::string id) {
    const bool known =
        std::find(event.references.begin(), event.references.end(), id) != event.references.end();
    if (!id.empty() && id != event.message && !known) event.references.push_back(std::move(id));
  };
  for (const std::string& token : tokens) refer("plus:" + token);
  for (const std::string& id : in_reply_to) refer(normalized_id(id));
  for (auto id = references.rbegin(); id != references.rend(); ++id) refer(normalized_id(*id));
  if (!in_reply_to.empty()) event.reply_to = normalized_id(in_reply_to[0]);
}

// What an answer writes into its References: those of this mail and its own id.
std::string answered_references(const Fields& fields) {
  std::vector<std::string> ids =
      message_ids(field(fields, "references"), kMaxAnsweredReferences - 1);
  if (ids.empty()) ids = message_ids(field(fields, "in-reply-to"), 1);
  const auto own = message_ids(field(fields, "message-id"), 1);
  ids.insert(ids.end(), own.begin(), own.end());
  std::size_t bytes = 0;
  for (const std::string& id : ids) bytes += id.size() + 3;
  while (bytes > kMaxExtraBytes / 2 && ids.size() > 2) {
    bytes -= ids[1].size() + 3;
    ids.erase(ids.begin() + 1);
  }
  std::string list;
  for (const std::string& id : ids) list += (list.empty() ? "<" : " <") + id + ">";
  return list;
}

std::string kind_of(std::string_view type) {
  for (const std::string_view kind : {"image", "video", "audio"}) {
    if (type.starts_with(std::string(kind) + "/")) return std::string(kind);
  }
  return "file";
}

// The Content-IDs that HTML shows by cid: URLs (RFC 2392), in lower case. Collected once, because a
// mail has many attachments.
std::set<std::string> shown_ids(std::string_view html) {
  constexpr std::string_view kEnds = "\"'<> \t\r\n";
  constexpr std::size_t kMaxUrlBytes = 4u << 10;
  const std::string lower = sdk::lower_ascii(html);
  std::set<std::string> ids;
  for (auto at = lower.find("cid:"); at != std::string::npos; at = lower.find("cid:", at)) {
    at += 4;
    const std::string_view written = std::string_view(lower).substr(at, kMaxUrlBytes);
    std::string url(written.substr(0, written.find_first_of(kEnds)));
    at += url.size();
    url = decode_entities(url);
    url.resize(std::min(url.find_first_of(kEnds), url.size()));
    ids.insert(sdk::lower_ascii(percent_decoded(url)));
    // As "url(cid:...)" in a style.
    ids.insert(sdk::lower_ascii(percent_decoded(url.substr(0, url.find(')')))));
    ids.insert(std::move(url));
  }
  return ids;
}

void add_attachments(Event& event, Mail& mail) {
  std::size_t number = 0;
  const std::set<std::string> shown = shown_ids(mail.html);
  for (MailAttachment& one : mail.attachments) {
    if (++number > kMaxAttachments) break;
    Attachment attachment{.kind = {}, .url = {}, .media_id = std::move(one.media_id)};
    attachment.mime_type = one_line(media_type_of(one), 200);
    attachment.kind = kind_of(attachment.mime_type);
    attachment.file_name = safe_file_name(one, number);
    attachment.size =
        attachment.media_id.empty() ? static_cast<std::int64_t>(one.content.size()) : one.size;
    add(attachment.extra, "content_id", one_line(one.content_id, 990));
    if (!one.content_id.empty() && shown.contains(sdk::lower_ascii(one.content_id))) {
      attachment.extra.emplace_back("inline", "1");
    }
    if (attachment.mime_type == "application/ms-tnef" ||
        sdk::equals_ignoring_case(attachment.file_name, "winmail.dat")) {
      attachment.extra.emplace_back("tnef", "1");
    }
    attachment.content = std::move(one.content);
    event.attachments.push_back(std::move(attachment));
  }
  if (mail.attachments.size() > kMaxAttachments) {
    event.extra.emplace_back("attachments_left_out",
                             std::to_string(mail.attachments.size() - kMaxAttachments));
  }
}

void add_texts(Event& event, Mail& mail) {
  event.text = cut_utf8(mail.reply, kMaxTextBytes);
  if (mail.text.size() > kMaxExtraBytes || mail.reply.size() > kMaxTextBytes) {
    const bool kept = std::any_of(mail.attachments.begin(), mail.attachments.end(),
                                  [](const auto& one) { return one.file_name == "message.txt"; });
    if (!kept) {
      mail.attachments.push_back({.mime_type = "text/plain",
                                  .file_name = "message.txt",
                                  .content_id = {},
                                  .content = mail.text,
                                  .media_id = {}});
    }
    event.extra.emplace_back("full_text_cut", "1");
  }
  if (mail.text != event.text) {
    add(event.extra, "full_text", cut_utf8(mail.text, kMaxExtraBytes));
  }
  if (mail.html.empty()) return;
  SafeHtml safe = sanitize_html(mail.html, kMaxExtraBytes);
  add(event.extra, "html", std::move(safe.html));
  if (safe.cut) event.extra.emplace_back("html_cut", "1");
}

void add_facts(Event& event, const Mail& mail, const People& people, const Envelope& envelope) {
  const Fields& fields = mail.fields;
  add(event.extra, "subject", one_line(decode_words(field(fields, "subject")), 990));
  add(event.extra, "from", people.from.address);
  add(event.extra, "to", list_of(people.to));
  add(event.extra, "cc", list_of(people.cc));
  add(event.extra, "reply_to", list_of(people.reply_to));
  add(event.extra, "date", one_line(decode_words(field(fields, "date").substr(0, 200)), 100));
  const auto ids = message_ids(field(fields, "message-id"), 1);
  if (!ids.empty()) event.extra.emplace_back("message_id", "<" + ids[0] + ">");
  add(event.extra, "references", answered_references(fields));
  if (mail.cut) event.extra.emplace_back("parts_left_out", "1");
  for (const auto& [name, value] : envelope.extra) add(event.extra, name, value);
}

// Mail the business wrote elsewhere and sent a copy of, if its own domain stands for it; otherwise
// a stranger could put words into its mouth. A form on a website sends in the name of the business
// and puts the visitor into Reply-To.
void set_people(Event& event, const Channel& channel, const People& people,
                const std::string& auth) {
  const std::string own = own_address(channel);
  const Address* contact = &people.from;
  if (without_plus(people.from.address) == own) {
    if (!people.reply_to.empty() && without_plus(people.reply_to[0].address) != own) {
      contact = &people.reply_to[0];
    } else if (auth == "pass") {
      const auto other = std::find_if(people.to.begin(), people.to.end(), [&](const Address& to) {
        return without_plus(to.address) != own;
      });
      if (other != people.to.end()) {
        event.kind = EventKind::echo;
        event.sender = normalized_address(people.from.address);
        event.sender_name = people.from.name;
        contact = &*other;
      }
    }
  }
  event.contact = normalized_address(contact->address);
  event.contact_name = contact->name;
}

// A bounce nobody wrote by the standard: from a mail server, to the address only bounces use.
std::optional<Event> plain_bounce(const Mail& mail, const People& people,
                                  const std::vector<std::string>& tokens, const std::string& key) {
  const std::string from = sdk::lower_ascii(people.from.address);
  if (!from.starts_with("mailer-daemon@") && !from.starts_with("postmaster@")) return std::nullopt;
  for (const std::string& token : tokens) {
    if (!token.starts_with("b-")) continue;
    Event event = status_of("plus:" + token, "failed", "", key);
    event.text = one_line(mail.text, 990);
    return event;
  }
  return std::nullopt;
}

}  // namespace

Event contact_blocked(std::string_view address, std::string_view why, std::string key) {
  Event event{.kind = EventKind::contact_state, .key = std::move(key)};
  event.contact = normalized_address(address);
  event.state = "blocked";
  add(event.extra, "reason", one_line(why, 990));
  return event;
}

Event delay_notice(std::string_view message, std::string_view recipient, std::string_view why,
                   std::string key) {
  Event event{.kind = EventKind::notice, .key = std::move(key)};
  event.thread = message;
  event.message = "delay:" + event.key;
  event.contact = recipient;
  event.text = "Delivery to " +
               (recipient.empty() ? std::string("the recipient") : std::string(recipient)) +
               " is delayed" + (why.empty() ? "" : ": ") + one_line(why, 990);
  add(event.extra, "delayed", std::string(recipient));
  event.references.emplace_back(message);
  return event;
}

Event bounce_notice(std::string_view message, std::string_view recipient, std::string_view why,
                    std::string key) {
  Event event{.kind = EventKind::notice, .key = std::move(key)};
  event.thread = message;
  event.message = "bounce:" + event.key;
  event.contact = recipient;
  event.text = "The mail server of " +
               (recipient.empty() ? std::string("the recipient") : std::string(recipient)) +
               " returned a temporary bounce or an automatic answer" + (why.empty() ? "" : ": ") +
               one_line(why, 990);
  event.references.emplace_back(message);
  return event;
}

Event status_of(std::string_view message, std::string_view state, std::string_view recipient,
                std::string key) {
  Event event{.kind = EventKind::status, .message = std::string(message), .key = std::move(key)};
  event.state = state;
  event.contact = recipient;
  return event;
}

std::vector<Event> events_of(const Channel& channel, Mail mail, const Envelope& envelope) {
  const People people = people_of(mail.fields, envelope);
  const std::string digest = content_digest(mail);
  const std::string id = id_of(mail, digest);
  // Senders use an id twice for different mails; both are shown, and the digest tells them apart.
  const std::string key = "mail:" + id + ":" + digest;
  const std::int64_t at_ms = sent_ms_of(mail.fields);
  if (is_own_mail(channel, mail.fields, people)) {
    return {{.kind = EventKind::unknown, .message = id, .key = key, .sent_ms = at_ms}};
  }
  const std::vector<std::string> tokens = tokens_of(channel, mail.fields, envelope);
  if (auto reported = report_events(mail, tokens, key, at_ms); !reported.empty()) return reported;
  if (auto bounced = plain_bounce(mail, people, tokens, key)) {
    bounced->sent_ms = at_ms;
    return {*std::move(bounced)};
  }

  Event event{.kind = EventKind::message, .message = id, .key = key, .sent_ms = at_ms};
  set_thread(event, mail.fields, tokens);
  const std::string auth = auth_of(channel, mail.fields, people, envelope);
  set_people(event, channel, people, auth);
  add_facts(event, mail, people, envelope);
  event.extra.emplace_back("auth", auth);
  event.extra.emplace_back("content_digest", digest);
  if (const auto sign = automatic_sign(mail.fields, people, envelope, mail)) {
    event.extra.emplace_back("auto", "1");
    event.extra.emplace_back("auto_sign", *sign);
  }
  add_texts(event, mail);
  add_attachments(event, mail);
  if (event.text.empty() && event.attachments.empty()) {
    event.text = one_line(decode_words(field(mail.fields, "subject")), 990);
  }
  return {std::move(event)};
}

}  // namespace email
