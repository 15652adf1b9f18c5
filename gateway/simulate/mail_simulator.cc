#include "gateway/simulate/mail_simulator.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/simulate/mail_internal.h"
#include "gateway/simulate/sample_file.h"

namespace gateway::simulate {
namespace {

using sdk::json::Document;
using sdk::json::Value;

constexpr std::string_view kHelp = R"(Simulated mail, under /_simulate/mail/
GET    mailboxes              addresses, and where mail to them goes
POST   raw                    {"address", "url", "headers": {...}, "recipient_parameter"}
POST   mailgun                {"api_key", "signing_key", "domain"}
POST   postmark               {"server_token", "address"}
POST   sendgrid               {"api_key"}
POST   ses                    {"access_key", "secret_key", "topic_arn", "address", "object_prefix"}:
                              with a prefix mails are stored in the bucket of S3
POST   imap                   {"address", "user", "password"}
POST   smtp_user              {"user", "password"}
GET    mails?after=N          what the gateway has sent
POST   rules                  {"address", "recipient_reply": "550 5.1.1 ...", "data_reply": "451 ...",
                              "drops_after_dot": true, "count"}: what the SMTP server does with
                              mail to an address; the fault "down" is of SMTP and IMAP too
POST   events                 somebody does something; shorthand:
         {"to": "support@acme.example", "from": "ana", "subject": "...", "text": "..."}
         {"reply_to_mail": 1, "from": "ana", "text": "Thank you!"}     answers a mail of the gateway
         {"bounce_mail": 1, "status": "5.1.1"}                          a delivery status notification
         {"to": ..., "raw": "From: ..."}                                bytes as they are
         further    "html", "files": ["image/png", ...], "headers": {"Auto-Submitted": ...}
)";

std::string lower(std::string_view text) { return sdk::lower_ascii(text); }

// A dialog that ends with a reset once its server is down.
class Interruptible final : public TextProtocol {
 public:
  Interruptible(std::unique_ptr<TextProtocol> inner, std::function<bool()> is_down)
      : inner_(std::move(inner)), is_down_(std::move(is_down)) {}

  std::string greeting() override {
    return talk([this] { return inner_->greeting(); });
  }
  std::string receive(std::string_view bytes) override {
    return talk([this, bytes] { return inner_->receive(bytes); });
  }
  void secured() override { inner_->secured(); }

 private:
  template <class Says>
  std::string talk(Says&& says) {
    if (is_down_()) {
      next = Next::drop;
      return {};
    }
    std::string out = says();
    next = std::exchange(inner_->next, Next::read);
    return out;
  }

  const std::unique_ptr<TextProtocol> inner_;
  const std::function<bool()> is_down_;
};

}  // namespace

std::string plain_address(std::string_view address) {
  std::string out = lower(sdk::trim(address));
  const std::size_t at = out.rfind('@');
  const std::size_t plus = out.find('+');
  if (plus != std::string::npos && at != std::string::npos && plus < at) out.erase(plus, at - plus);
  return out;
}

std::string domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string() : lower(address.substr(at + 1));
}

std::pair<std::string, std::string> mailbox_of(std::string_view text) {
  const std::size_t open = text.rfind('<');
  std::string name;
  if (open != std::string_view::npos) {
    name = decode_words(sdk::trim(text.substr(0, open)));
    if (name.size() > 1 && name.front() == '"' && name.back() == '"') {
      name = name.substr(1, name.size() - 2);
    }
  }
  return {name, address_of(text)};
}

std::string unquoted(const std::string& text) {
  std::string out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.rfind("On ", 0) == 0 && line.find("wrote:") != std::string_view::npos) break;
    if (!line.empty() && line.front() == '>') break;
    out += std::string(line) + "\n";
  }
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

HttpReply mail_json(std::string body, int status) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

std::string userinfo_of(std::string_view url) {
  const std::size_t begin = url.find("://");
  if (begin == std::string_view::npos) return {};
  const std::string_view authority =
      url.substr(begin + 3, url.find_first_of("/?#", begin + 3) - begin - 3);
  const std::size_t at = authority.rfind('@');
  return at == std::string_view::npos ? std::string()
                                      : sdk::percent_decode(authority.substr(0, at)).value_or("");
}

std::string without_userinfo(std::string_view url) {
  const std::size_t begin = url.find("://");
  if (begin == std::string_view::npos) return std::string(url);
  const std::size_t end = url.find_first_of("/?#", begin + 3);
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(url);
  return std::string(url.substr(0, begin + 3)) + std::string(url.substr(at + 1));
}

void add_basic(HttpCall& call, std::string_view userinfo, Defect defect) {
  if (userinfo.empty()) return;
  add_proof(call, "Authorization", "Basic " + sdk::base64(userinfo),
            "Basic " + sdk::base64("wrong:wrong"), defect);
}

MailSimulator::MailSimulator(MailOptions options)
    : Platform("mail", static_cast<const PlatformOptions&>(options),
               {{"api.mailgun.net", {"https://api.mailgun.net", "https://api.eu.mailgun.net"}},
                {"api.postmarkapp.com", {"https://api.postmarkapp.com"}},
                {"api.sendgrid.com", {"https://api.sendgrid.com"}},
                {"sns.amazonaws.com",
                 {"https://sns." + options.region + ".amazonaws.com",
                  "https://email." + options.region + ".amazonaws.com"}},
                {"s3.amazonaws.com",
                 {"https://" + options.bucket + ".s3." + options.region + ".amazonaws.com"}}},
               std::string(kHelp)),
      mail_(std::move(options)),
      mailgun_(std::make_unique<Mailgun>()),
      postmark_(std::make_unique<Postmark>()),
      sendgrid_(std::make_unique<SendGrid>()),
      ses_(std::make_unique<Ses>()),
      server_key_(KeyPair::p256()) {
  certificate_ = server_key_.certificate_pem(mail_.host);
  sendgrid_->event_key = KeyPair::p256();
}

MailSimulator::~MailSimulator() { stop(); }

Result<> MailSimulator::start() {
  if (mail_.tls != MailTls::none) {
    auto used = mail_server_.use_certificate(certificate_, server_key_.private_key_pem());
    if (!used) return used;
  }
  const bool offers = mail_.tls == MailTls::starttls;
  const bool implicit = mail_.tls == MailTls::implicit;
  const auto interruptible = [this](std::unique_ptr<TextProtocol> inner) {
    return std::make_unique<Interruptible>(std::move(inner), [this] { return is_down(); });
  };
  auto started = mail_server_.start(
      {{mail_.address, mail_.smtp_port, implicit,
        [interruptible, &sink = static_cast<SmtpSink&>(*this), offers,
         implicit]() -> std::unique_ptr<TextProtocol> {
          return interruptible(std::make_unique<SmtpSession>(sink, offers, implicit));
        }},
       {mail_.address, mail_.imap_port, implicit,
        [this, interruptible, offers, implicit]() -> std::unique_ptr<TextProtocol> {
          return interruptible(std::make_unique<ImapSession>(imap_, offers, implicit));
        }}});
  return started ? Platform::start() : started;
}

void MailSimulator::stop() {
  mail_server_.stop();
  Platform::stop();
}

Upstreams MailSimulator::upstreams() const {
  Upstreams out = Platform::upstreams();
  const bool implicit = mail_.tls == MailTls::implicit;
  const std::string s = implicit ? "s://" : "://";
  const auto add = [&](const std::string& scheme, int public_port, std::uint16_t port) {
    out.emplace_back(scheme + s + mail_.host + ":" + std::to_string(public_port),
                     scheme + s + mail_.address + ":" + std::to_string(port));
  };
  add("smtp", implicit ? 465 : 587, smtp_port());
  add("imap", implicit ? 993 : 143, imap_port());
  return out;
}

void MailSimulator::add_raw(const NewRaw& mailbox) {
  const std::lock_guard lock(mutex_);
  raw_[plain_address(mailbox.address)] = mailbox;
  changed_.notify_all();
}

void MailSimulator::insert(const NewMailgun& wanted) {
  Mailgun::Account& account = mailgun_->accounts[wanted.api_key];
  account.api_key = wanted.api_key;
  account.signing_key = wanted.signing_key;
  account.domains.insert(lower(wanted.domain));
}

void MailSimulator::insert(const NewPostmark& wanted) {
  Postmark::Server& server = postmark_->servers[wanted.server_token];
  server.token = wanted.server_token;
  server.address = plain_address(wanted.address);
  if (server.hash.empty()) server.hash = mint_hex(32);
}

void MailSimulator::insert(const NewSendGrid& wanted) {
  sendgrid_->api_keys.insert(wanted.api_key);
}

void MailSimulator::insert(const NewSes& wanted) {
  ses_->keys[wanted.access_key] = wanted.secret_key;
  Ses::Topic& topic = ses_->topics[wanted.topic_arn];
  topic.arn = wanted.topic_arn;
  topic.address = plain_address(wanted.address);
  topic.object_prefix = wanted.object_prefix;
}

void MailSimulator::add_mailgun(const NewMailgun& account) {
  const std::lock_guard lock(mutex_);
  insert(account);
}

void MailSimulator::add_postmark(const NewPostmark& server) {
  const std::lock_guard lock(mutex_);
  insert(server);
}

void MailSimulator::add_sendgrid(const NewSendGrid& account) {
  const std::lock_guard lock(mutex_);
  insert(account);
}

void MailSimulator::add_ses(const NewSes& topic) {
  const std::lock_guard lock(mutex_);
  insert(topic);
}

void MailSimulator::age_objects(std::chrono::milliseconds by) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, one] : ses_->objects) one.modified_ms -= by.count();
}

void MailSimulator::add_imap(const NewImap& mailbox) {
  imap_.add_user(mailbox.user, mailbox.password);
  const std::lock_guard lock(mutex_);
  imap_users_[plain_address(mailbox.address)] = mailbox.user;
}

void MailSimulator::add_smtp_user(const std::string& user, const std::string& password) {
  const std::lock_guard lock(mutex_);
  smtp_users_[user] = password;
}

std::string MailSimulator::webhook_locked(const std::string& address) const {
  const std::string plain = plain_address(address);
  if (const auto at = raw_.find(plain); at != raw_.end()) return at->second.url;
  Arrival arrival;
  arrival.to = address;
  if (const auto targets = mailgun_->targets(arrival); !targets.empty()) {
    return targets.front().first;
  }
  for (const auto& [token, server] : postmark_->servers) {
    if (server.address == plain && !server.inbound_hook.empty()) return server.inbound_hook;
  }
  if (const auto at = sendgrid_->settings.find(domain_of(address));
      at != sendgrid_->settings.end()) {
    return at->second.url;
  }
  for (const auto& [arn, topic] : ses_->topics) {
    if (topic.address == plain && !topic.endpoints.empty()) return topic.endpoints.begin()->second;
  }
  return {};
}

std::string MailSimulator::webhook_of(const std::string& address) const {
  const std::lock_guard lock(mutex_);
  return webhook_locked(address);
}

bool MailSimulator::wait_webhook(const std::string& address,
                                 std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return !webhook_locked(address).empty(); });
}

std::string MailSimulator::mint_message_id(std::string_view domain) {
  return "<" + mint_hex(20) + "@" + std::string(domain) + ">";
}

std::string MailSimulator::write_locked(Draft draft, const std::string& to, std::string_view who) {
  const Contact contact = contact_of(who);
  if (draft.from.empty()) {
    draft.from = contact.email;
    draft.from_name = contact.name;
  }
  if (draft.to.empty()) draft.to = to;
  if (draft.message_id.empty()) draft.message_id = mint_message_id(domain_of(draft.from));
  draft.date_ms = clock_.now_ms();
  arrive(to, draft.from, write_mail(draft));
  return draft.message_id;
}

std::string MailSimulator::write(const std::string& to, std::string_view who,
                                 const std::string& subject, const std::string& text) {
  const std::lock_guard lock(mutex_);
  Draft draft;
  draft.subject = subject;
  draft.text = text;
  return write_locked(std::move(draft), to, who);
}

const SentMail* MailSimulator::find_mail(std::int64_t number) const {
  for (const SentMail& mail : mails_) {
    if (mail.number == number) return &mail;
  }
  return nullptr;
}

std::string MailSimulator::reply_locked(std::int64_t number, std::string_view who,
                                        std::string_view text, const std::vector<MailFile>& files) {
  const SentMail* const mail = find_mail(number);
  if (mail == nullptr) return {};
  const Contact contact = contact_of(who);
  Draft draft = reply_to(mail->view, contact.name, contact.email, text,
                         mint_message_id("customer.example"), clock_.now_ms());
  draft.files = files;
  const std::string to = address_of(draft.to);
  return write_locked(std::move(draft), to, who);
}

std::string MailSimulator::reply(std::int64_t number, std::string_view who, std::string_view text) {
  const std::lock_guard lock(mutex_);
  return reply_locked(number, who, text, {});
}

// To the envelope's sender, from nobody.
std::string MailSimulator::bounce_locked(std::int64_t number, const std::string& status) {
  const SentMail* const mail = find_mail(number);
  if (mail == nullptr || mail->envelope.from.empty() || mail->envelope.to.empty()) return {};
  const std::string id = mint_message_id("mx.customer.example");
  const std::string& recipient = mail->envelope.to.front();
  arrive(mail->envelope.from, "",
         write_bounce(mail->bytes, mail->envelope.from, recipient, status,
                      (status.front() == '5' ? "550 " : "451 ") + status + " <" + recipient +
                          ">: not accepted",
                      id, clock_.now_ms()));
  return id;
}

std::string MailSimulator::bounce(std::int64_t number, const std::string& status) {
  const std::lock_guard lock(mutex_);
  return bounce_locked(number, status);
}

void MailSimulator::deliver(const std::string& to, const std::string& envelope_from,
                            std::string bytes) {
  const std::lock_guard lock(mutex_);
  arrive(to, envelope_from, std::move(bytes));
}

// A mail server's pipe: what the gateway does not take is tried again for five days.
void MailSimulator::arrive(const std::string& to, const std::string& envelope_from,
                           std::string bytes) {
  Arrival arrival{to, envelope_from, std::move(bytes), {}};
  arrival.view = read_mail(arrival.bytes);
  const std::string plain = plain_address(to);
  const auto before = sender_.stats().updates;
  bool known = false;
  if (const auto at = imap_users_.find(plain); at != imap_users_.end()) {
    imap_.append(at->second, "Delivered-To: " + to + "\r\n" + arrival.bytes, clock_.now_ms());
    known = true;
  }
  if (const auto at = raw_.find(plain); at != raw_.end()) {
    const NewRaw& box = at->second;
    std::string url = box.url;
    if (!box.recipient_parameter.empty()) {
      url = with_query(url, box.recipient_parameter + "=" + sdk::url_encode(to));
    }
    if (!box.sender_parameter.empty()) {
      url = with_query(url, box.sender_parameter + "=" + sdk::url_encode(envelope_from));
    }
    WebhookEvent event;
    event.account = plain;
    event.id = arrival.view.header("Message-ID");
    event.kind = "raw";
    event.request = [url, headers = box.headers, body = arrival.bytes](int, Defect defect) {
      using Kind = DeliveryFault::Kind;
      HttpCall call;
      call.url = without_userinfo(url);
      call.body = body;
      call.headers = {{"Content-Type", "message/rfc822"}, {"User-Agent", "curl/7.88.1"}};
      // The proof of this way is what the mailbox was told to send.
      for (const auto& [name, value] : headers) {
        if (defect == Kind::no_secret) continue;
        call.headers.emplace_back(name, defect == Kind::wrong_secret ? "wrong" : value);
      }
      add_basic(call, userinfo_of(url), defect);
      return call;
    };
    event.retry = retry_doubling(300'000, 4'000'000, 5 * 24 * 3'600'000LL, is_2xx);
    sender_.post(std::move(event));
  }
  mailgun_arrive(arrival);
  postmark_arrive(arrival);
  sendgrid_arrive(arrival);
  ses_arrive(arrival);
  if (!known && sender_.stats().updates == before) sender_.count_unwanted();
}

// Submission -------------------------------------------------------------------------------------

bool MailSimulator::login(const std::string& user, const std::string& password) {
  const std::lock_guard lock(mutex_);
  const auto at = smtp_users_.find(user);
  return at != smtp_users_.end() && sdk::equal_secret(at->second, password);
}

std::optional<MailSimulator::MailRule> MailSimulator::rule_for(const std::string& address,
                                                               bool use_up) {
  const auto at = rules_.find(lower(address));
  if (at == rules_.end()) return std::nullopt;
  const MailRule rule = at->second;
  if (use_up && --at->second.count <= 0) rules_.erase(at);
  return rule;
}

std::string MailSimulator::sender(const std::string&) { return "250 2.1.0 Ok"; }

std::string MailSimulator::recipient(const std::string& address) {
  const std::lock_guard lock(mutex_);
  const auto rule = rule_for(address, false);
  if (!rule || rule->recipient_reply.empty()) return "250 2.1.5 Ok";
  rule_for(address, true);
  return rule->recipient_reply;
}

SmtpSink::Outcome MailSimulator::take(const SmtpEnvelope& envelope, std::string bytes) {
  const std::lock_guard lock(mutex_);
  Outcome outcome;
  for (const std::string& address : envelope.to) {
    const auto rule = rule_for(address, false);
    if (!rule || (rule->data_reply.empty() && !rule->drops_after_dot)) continue;
    rule_for(address, true);
    outcome.drops = rule->drops_after_dot;
    if (!rule->data_reply.empty()) outcome.reply = rule->data_reply;
  }
  if (outcome.reply.front() == '2') {
    SentMail mail;
    mail.by = "smtp";
    mail.envelope = envelope;
    mail.bytes = std::move(bytes);
    keep(std::move(mail));
  }
  return outcome;
}

void MailSimulator::keep(SentMail mail) {
  mail.number = ++mail_count_;
  mail.view = read_mail(mail.bytes);
  mail.problems = problems_of(mail.bytes, mail.view);
  Sent sent;
  sent.platform = mail.by;
  sent.account = plain_address(address_of(mail.view.header("From")));
  sent.to = mail.envelope.to.empty() ? "" : mail.envelope.to.front();
  sent.id = mail.id.empty() ? mail.view.header("Message-ID") : mail.id;
  sent.reply_to = mail.view.header("In-Reply-To");
  sent.kind = mail.view.files.empty() ? "text" : "files";
  sent.text = mail.view.text.empty() ? mail.view.html : mail.view.text;
  sent.body = mail.bytes;
  mails_.push_back(std::move(mail));
  record_sent(std::move(sent));
  settle(mails_.back());
}

bool MailSimulator::is_gone(const SentMail& mail) const {
  for (const std::string& address : mail.envelope.to) {
    const auto at = rules_.find(lower(address));
    if (at != rules_.end() && !at->second.recipient_reply.empty()) return true;
  }
  return false;
}

// What a provider learns later, and what the customer answers.
void MailSimulator::settle(const SentMail& mail) {
  const bool gone = is_gone(mail);
  if (mail.by == "mailgun") mailgun_event(mail, gone ? "failed" : "delivered");
  if (mail.by == "postmark") postmark_event(mail, gone);
  if (mail.by == "sendgrid") sendgrid_event(mail, gone);
  if (mail.by == "ses") ses_event(mail, gone);
  if (!options_.replies || gone || mail.envelope.to.empty()) return;
  for (const Person& person : cast()) {
    if (contact_of(person.key).email != lower(mail.envelope.to.front())) continue;
    // What answers by itself is not answered.
    const std::string submitted = lower(mail.view.header("Auto-Submitted"));
    if (!submitted.empty() && submitted != "no") continue;
    sender_.after(scaled(kMailReplyAfterMs),
                  [this, number = mail.number, key = std::string(person.key)] {
                    const std::lock_guard lock(mutex_);
                    reply_locked(number, key, thanks_of(key), {});
                  });
  }
}

std::vector<SentMail> MailSimulator::mails(std::int64_t after) const {
  const std::lock_guard lock(mutex_);
  std::vector<SentMail> out;
  for (const SentMail& mail : mails_) {
    if (mail.number > after) out.push_back(mail);
  }
  return out;
}

bool MailSimulator::wait_mail(std::chrono::milliseconds patience, std::size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return mails_.size() >= count; });
}

void MailSimulator::set_rule(const std::string& address, MailRule rule) {
  const std::lock_guard lock(mutex_);
  rules_[lower(address)] = std::move(rule);
}

// The control API and the providers' hosts -----------------------------------------------------

Result<std::string> MailSimulator::act(std::string_view wish) {
  const auto document = Document::parse(wish);
  if (!document) return fail(Errc::invalid_argument, document.error().reason);
  const std::lock_guard lock(mutex_);
  return act_locked(document->root());
}

Result<std::string> MailSimulator::act_locked(Value wish) {
  std::vector<MailFile> files;
  for (const Value type : wish["files"].elements()) {
    const std::string mime_type(type.text_or("application/octet-stream"));
    const std::string extension = mime_type.substr(mime_type.rfind('/') + 1);
    files.push_back({"file " + std::to_string(files.size() + 1) + "." + extension, mime_type,
                     sample_file(mime_type, 2'000)});
  }
  const std::string who(wish["from"].text_or("ana"));
  std::string id;
  if (const auto number = wish["reply_to_mail"].integer()) {
    id = reply_locked(*number, who, wish["text"].text_or(""), files);
    if (id.empty()) return fail(Errc::not_found, "no such mail");
  } else if (const auto bounced = wish["bounce_mail"].integer()) {
    id = bounce_locked(*bounced, std::string(wish["status"].text_or("5.1.1")));
    if (id.empty()) return fail(Errc::not_found, "no such mail, or nobody to tell");
  } else {
    const std::string to(wish["to"].text_or(""));
    if (to.find('@') == std::string::npos)
      return fail(Errc::invalid_argument, "\"to\" is no address");
    if (const auto raw = wish["raw"].text()) {
      arrive(to, std::string(wish["envelope_from"].text_or(contact_of(who).email)),
             std::string(*raw));
      return std::string("{\"ok\":true}");
    }
    Draft draft;
    if (who.find('@') != std::string::npos) draft.from = who;
    draft.subject = wish["subject"].text_or("");
    draft.text = wish["text"].text_or("");
    draft.html = wish["html"].text_or("");
    draft.in_reply_to = wish["in_reply_to"].text_or("");
    draft.files = std::move(files);
    for (const auto& [name, value] : wish["headers"].members()) {
      draft.headers.emplace_back(std::string(name), std::string(value.text_or("")));
    }
    id = write_locked(std::move(draft), to, who);
  }
  return object({{"message_id", json_text(id)}});
}

std::optional<Platform::Answer> MailSimulator::control(const ControlRequest& request) {
  const Value wish = request.json;
  const auto word = [&](std::string_view name) {
    return std::string(wish[name].digits().value_or(""));
  };
  if (request.method == "GET" && request.path == "/mails") {
    const std::string_view after = sdk::find(request.query, "after").value_or("0");
    std::vector<std::string> list;
    for (const SentMail& mail : mails_) {
      if (mail.number <= std::atoll(std::string(after).c_str())) continue;
      std::vector<std::string> to, problems;
      for (const std::string& address : mail.envelope.to) to.push_back(json_text(address));
      for (const std::string& problem : mail.problems) problems.push_back(json_text(problem));
      list.push_back(
          object({{"number", std::to_string(mail.number)},
                  {"by", json_text(mail.by)},
                  {"id", json_text(mail.id)},
                  {"envelope_from", json_text(mail.envelope.from)},
                  {"envelope_to", array(to)},
                  {"message_id", json_text(mail.view.header("Message-ID"))},
                  {"subject", json_text(sdk::sanitize(decode_words(mail.view.header("Subject"))))},
                  {"text", json_text(sdk::sanitize(mail.view.text))},
                  {"problems", array(problems)},
                  {"bytes", json_text(sdk::sanitize(mail.bytes, 256u << 10))}}));
    }
    return control_json(array(list));
  }
  if (request.method == "GET" && request.path == "/mailboxes") {
    std::set<std::string> addresses;
    for (const auto& [address, box] : raw_) addresses.insert(address);
    for (const auto& [address, user] : imap_users_) addresses.insert(address);
    for (const auto& [token, server] : postmark_->servers) addresses.insert(server.address);
    for (const auto& [arn, topic] : ses_->topics) addresses.insert(topic.address);
    std::vector<std::string> list;
    for (const std::string& address : addresses) {
      const std::string url = webhook_locked(address);
      list.push_back(object(
          {{"address", json_text(address)}, {"webhook", url.empty() ? "null" : json_text(url)}}));
    }
    std::vector<std::string> routes;
    for (const Mailgun::Route& route : mailgun_->routes) {
      routes.push_back(json_text(route.expression));
    }
    return control_json(object({{"mailboxes", array(list)}, {"mailgun_routes", array(routes)}}));
  }
  if (request.method != "POST") return std::nullopt;
  if (!wish.is_object()) return control_error(400, "the body is no JSON object");
  if (request.path == "/events") {
    const auto made = act_locked(wish);
    return made ? control_json(*made) : control_error(400, made.error().message);
  }
  if (request.path == "/raw") {
    NewRaw box{word("address"), word("url")};
    for (const auto& [name, value] : wish["headers"].members()) {
      box.headers.emplace_back(std::string(name), std::string(value.text_or("")));
    }
    if (const auto name = wish["recipient_parameter"].text()) box.recipient_parameter = *name;
    if (const auto name = wish["sender_parameter"].text()) box.sender_parameter = *name;
    raw_[plain_address(box.address)] = std::move(box);
    changed_.notify_all();
  } else if (request.path == "/mailgun") {
    insert(NewMailgun{word("api_key"), word("signing_key"), word("domain")});
  } else if (request.path == "/postmark") {
    insert(NewPostmark{word("server_token"), word("address")});
  } else if (request.path == "/sendgrid") {
    insert(NewSendGrid{word("api_key")});
  } else if (request.path == "/ses") {
    NewSes topic{word("access_key"), word("secret_key"), word("topic_arn"), word("address")};
    if (const auto prefix = wish["object_prefix"].text()) topic.object_prefix = *prefix;
    insert(topic);
  } else if (request.path == "/imap") {
    imap_.add_user(word("user"), word("password"));
    imap_users_[plain_address(word("address"))] = word("user");
  } else if (request.path == "/smtp_user") {
    smtp_users_[word("user")] = word("password");
  } else if (request.path == "/rules") {
    MailRule rule{word("recipient_reply"), word("data_reply"),
                  wish["drops_after_dot"].boolean().value_or(false),
                  static_cast<int>(wish["count"].integer().value_or(1'000'000))};
    for (const std::string& reply : {rule.recipient_reply, rule.data_reply}) {
      if (!reply.empty() && (reply.size() < 3 || reply.find('\n') != std::string::npos)) {
        return control_error(400, "a reply is a code of three digits and a text");
      }
    }
    rules_[lower(word("address"))] = std::move(rule);
  } else {
    return std::nullopt;
  }
  return control_done();
}

std::string MailSimulator::account_of(const HttpRequest& request) const {
  if (request.host != "api.mailgun.net") return {};
  const std::size_t at = request.path.find("/v3/");
  return at == std::string::npos ? std::string()
                                 : request.path.substr(4, request.path.find('/', 4) - 4);
}

Platform::Answer MailSimulator::answer(const HttpRequest& request, ApiCall& record) {
  if (request.host == "api.mailgun.net") return mailgun(request, record);
  if (request.host == "api.postmarkapp.com") return postmark(request, record);
  if (request.host == "api.sendgrid.com") return sendgrid(request, record);
  if (request.host == "s3.amazonaws.com") return s3(request, record);
  return ses(request, record);
}

HttpReply MailSimulator::refusal(const CallFault& fault, const HttpRequest& request) {
  const bool rate = fault.kind == CallFault::Kind::too_many_requests;
  const bool refuse = fault.kind == CallFault::Kind::refuse;
  const int status = rate ? 429 : refuse ? fault.status : 500;
  const std::string words = rate     ? "Too Many Requests"
                            : refuse ? fault.description
                                     : "Internal Server Error";
  if (request.host == "api.mailgun.net") {
    HttpReply reply = mail_json(object({{"message", json_text(words)}}), status);
    if (rate) reply.headers.emplace_back("Retry-After", std::to_string(fault.retry_after));
    return reply;
  }
  if (request.host == "api.postmarkapp.com") {
    const std::int64_t code = fault.code != 0 ? fault.code : rate ? 429 : refuse ? 300 : 500;
    return mail_json(object({{"ErrorCode", std::to_string(code)}, {"Message", json_text(words)}}),
                     status);
  }
  if (request.host == "api.sendgrid.com") {
    HttpReply reply = mail_json(
        object(
            {{"errors", array({object({{"message", json_text(rate ? "too many requests" : words)},
                                       {"field", "null"},
                                       {"help", "null"}})})}}),
        status);
    if (rate) {
      reply.headers = {
          {"X-RateLimit-Limit", "600"},
          {"X-RateLimit-Remaining", "0"},
          {"X-RateLimit-Reset", std::to_string(clock_.now_ms() / 1'000 + fault.retry_after)}};
    }
    return reply;
  }
  if (request.host == "s3.amazonaws.com") {
    return rate     ? s3_error(503, "SlowDown", "Please reduce your request rate.")
           : refuse ? s3_error(status, "AccessDenied", words)
                    : s3_error(status, "InternalError", words);
  }
  HttpReply reply = mail_json(object({{"message", json_text(words)}}), status);
  reply.headers.emplace_back("x-amzn-ErrorType", rate     ? "TooManyRequestsException"
                                                 : refuse ? "MessageRejected"
                                                          : "InternalServiceErrorException");
  return reply;
}

void MailSimulator::forget() {
  mails_.clear();
  rules_.clear();
  ses_->objects.clear();
}

}  // namespace gateway::simulate
