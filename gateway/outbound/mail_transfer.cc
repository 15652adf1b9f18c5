#include "gateway/outbound/mail_transfer.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/text.h"
#include "gateway/base/log.h"

namespace gateway::outbound {
namespace {

constexpr std::size_t kMaxMessageBytes = 50u << 20;
// Of SMTP's replies; what servers say to one message is a few hundred bytes.
constexpr std::size_t kMaxDialogBytes = 256u << 10;
// What IMAP may say beside the part that is kept: greeting, capabilities, flags.
constexpr std::size_t kImapSlackBytes = 256u << 10;
// libcurl cuts a line of a server at half of this: SEARCH answers with one line.
constexpr long kBufferBytes = 512L << 10;
constexpr long kReuseSeconds = 30;

#if LIBCURL_VERSION_NUM >= 0x080200
constexpr CURLoption kRcptAllowFails = CURLOPT_MAIL_RCPT_ALLOWFAILS;
#else
constexpr CURLoption kRcptAllowFails = CURLOPT_MAIL_RCPT_ALLLOWFAILS;
#endif

// Without these, libcurl prefers GSSAPI and NTLM where a server offers them, which need more than a
// password. A server that offers neither of them is asked again with all.
constexpr const char* kPasswordMechanisms = "AUTH=PLAIN;AUTH=LOGIN";
constexpr const char* kBearerMechanisms = "AUTH=XOAUTH2;AUTH=OAUTHBEARER";

Error refuse(const char* why) { return fail(Errc::invalid_argument, why); }

std::string key_of(const MailCall& mail) {
  const std::string_view url = mail.target.url;
  const auto authority = url.substr(0, url.find('/', url.find("://") + 3));
  std::string text;
  for (const std::string_view part :
       {authority, std::string_view(mail.target.host), std::string_view(mail.params.username),
        std::string_view(mail.params.password), std::string_view(mail.params.bearer),
        std::string_view(mail.params.clear_text ? "clear" : "tls"),
        std::string_view(mail.target.trusted() ? "trusted" : "public"),
        std::string_view(mail.ca_file)}) {
    text += std::to_string(part.size()) + ":";
    text.append(part);
  }
  return sdk::sha256(text);
}

// Whether libcurl will select a mailbox for this URL: it names more than the server.
bool names_mailbox(std::string_view url) {
  const auto path = url.find('/', url.find("://") + 3);
  return path != std::string_view::npos && path + 1 < url.size() && url[path + 1] != ';' &&
         url[path + 1] != '?';
}

// libcurl percent-decodes the command before it sends it.
std::string encoded_command(const std::string& command) {
  std::string out;
  bool in_first_word = true;
  for (const char c : command) {
    in_first_word = in_first_word && c != ' ';
    if (c == '%') {
      out += "%25";
    } else {
      out += in_first_word && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
  }
  return out;
}

}  // namespace

bool is_mail_scheme(std::string_view scheme) {
  return scheme == "smtp" || scheme == "smtps" || scheme == "imap" || scheme == "imaps";
}

Result<> check_mail_call(MailCall& mail) {
  auto params =
      mail.is_smtp() ? read_smtp_params(mail.call.headers) : read_imap_params(mail.call.headers);
  if (!params) return std::move(params).error();
  mail.params = *std::move(params);
  if (mail.params.clear_text && !mail.target.trusted()) {
    return refuse("mail in clear text goes only where the operator allows it");
  }
  if (mail.params.clear_text && mail.target.scheme.ends_with('s')) {
    return refuse("the mail call wants clear text and TLS");
  }
  if (mail.is_smtp()) {
    if (mail.call.body.size() > kMaxMessageBytes) return refuse("the message is too large");
    if (mail.params.rcpt_to.empty() && !mail.call.body.empty()) {
      return refuse("the message has no recipient");
    }
    mail.call.body = with_crlf(std::move(mail.call.body));
  } else {
    if (!mail.call.body.empty()) return refuse("an IMAP call has no body");
    if (mail.call.method != "GET") {
      if (auto checked = check_imap_command(mail.call.method); !checked) return checked;
    }
  }
  mail.key = key_of(mail);
  return {};
}

// The easy handle with its one connection, and the sockets it has open. The sockets outlive calls,
// so what watches over them does too.
struct MailTransfer::Handle {
  CURL* easy = nullptr;
  std::mutex mutex;
  std::set<curl_socket_t> sockets;  // guarded by mutex

  ~Handle() { reset(); }

  void shut(int how) {
    const std::lock_guard lock(mutex);
    for (const curl_socket_t socket : sockets) shutdown(socket, how);
  }
  // libcurl says QUIT or LOGOUT and waits for the answer up to two minutes; it is not waited for
  // where there is nothing more to read.
  void reset() {
    if (easy == nullptr) return;
    shut(SHUT_RD);
    curl_easy_cleanup(std::exchange(easy, nullptr));
  }

  static int close_socket(void* self, curl_socket_t socket) {
    auto& handle = *static_cast<Handle*>(self);
    const std::lock_guard lock(handle.mutex);
    handle.sockets.erase(socket);
    return ::close(socket);
  }
};

// What libcurl's callbacks see during one call.
struct MailTransfer::Exchange {
  MailCall& mail;
  Handle& handle;
  const EgressPolicy& policy;
  SmtpDialog smtp;
  ImapDialog imap;
  std::string body = {};
  bool cut = false;         // the body was longer than is kept
  bool overflow = false;    // the server said more than is read
  bool begun = false;       // the login is over, the call itself has begun
  std::size_t sent = 0;     // of the message
  bool reads_body = false;  // the server asked for the message
  curl_slist* recipients = nullptr;

  Exchange(MailCall& call, Handle& connection, const EgressPolicy& egress)
      : mail(call),
        handle(connection),
        policy(egress),
        smtp(call.params.rcpt_to.size(), kMaxDialogBytes),
        imap(call.answer_bytes + kImapSlackBytes) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() { curl_slist_free_all(recipients); }

  static Exchange& at(void* self) { return *static_cast<Exchange*>(self); }

  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    Exchange& exchange = at(self);
    if (!exchange.policy.may_connect(&address->addr, exchange.mail.target.trusted())) {
      exchange.mail.egress_refused = true;
      return CURL_SOCKET_BAD;
    }
    const curl_socket_t opened =
        socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (opened != CURL_SOCKET_BAD) {
      const std::lock_guard lock(exchange.handle.mutex);
      exchange.handle.sockets.insert(opened);
    }
    return opened;
  }

  // Called by libcurl when the login is over, or at once where a connection is used again.
  static int before_request(void* self, char* peer, char*, int, int) {
    Exchange& exchange = at(self);
    if (!exchange.policy.may_connect(peer, exchange.mail.target.trusted())) {
      exchange.mail.egress_refused = true;
      return CURL_PREREQFUNC_ABORT;
    }
    exchange.begun = true;
    exchange.smtp.begin();
    return CURL_PREREQFUNC_OK;
  }

  static std::size_t on_line(char* data, std::size_t size, std::size_t count, void* self) {
    Exchange& exchange = at(self);
    const std::size_t bytes = size * count;
    const std::string_view line(data, bytes);
    const bool taken =
        exchange.mail.is_smtp() ? exchange.smtp.line(line) : exchange.imap.line(line);
    exchange.overflow = exchange.overflow || !taken;
    return taken ? bytes : 0;
  }

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) {
    Exchange& exchange = at(self);
    const std::size_t bytes = size * count;
    const std::size_t room = exchange.mail.answer_bytes - exchange.body.size();
    exchange.body.append(data, std::min(bytes, room));
    if (bytes <= room) return bytes;
    exchange.cut = true;
    return 0;
  }

  static std::size_t read_body(char* to, std::size_t size, std::size_t count, void* self) {
    Exchange& exchange = at(self);
    const std::string& message = exchange.mail.call.body;
    exchange.reads_body = true;
    const std::size_t bytes = std::min(size * count, message.size() - exchange.sent);
    std::memcpy(to, message.data() + exchange.sent, bytes);
    exchange.sent += bytes;
    return bytes;
  }

  // Called at least once a second, also where libcurl waits inside itself: for the reply to the
  // message, and for the one to QUIT after a refusal, which nobody needs.
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    Exchange& exchange = at(self);
    const bool late = std::chrono::steady_clock::now() >= exchange.mail.deadline;
    return exchange.mail.cancelled || late || exchange.smtp.refused() ? 1 : 0;
  }

  connector::Response no_answer() const {
    return {.status = 0, .headers = {}, .body = {}, .not_sent = !reads_body};
  }

  connector::Response smtp_answer(CURLcode code) const {
    connector::Response answer;
    answer.body = smtp.lines();
    for (const auto& reply : smtp.recipients()) answer.headers.emplace_back("rcpt-to", reply);
    const bool accepted = smtp.concluded() && smtp.code() / 100 == 2;
    if (code == CURLE_OK || accepted) {
      answer.status = 200;
    } else if (smtp.refused()) {
      answer.status = smtp.code();
    } else if (begun) {
      return no_answer();
    } else if (code == CURLE_LOGIN_DENIED) {
      // 454 and its like are no word about the credentials.
      answer.status = smtp.code() / 100 == 4 ? smtp.code() : 401;
    } else if (smtp.code() >= 400 &&
               (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_REMOTE_ACCESS_DENIED ||
                code == CURLE_USE_SSL_FAILED)) {
      answer.status = smtp.code();
    } else {
      return no_answer();
    }
    return answer;
  }

  connector::Response imap_answer(CURLcode code) {
    connector::Response answer;
    const bool is_command = mail.call.method != "GET";
    if (is_command && imap.has_literal()) return no_answer();
    if (code == CURLE_OK || cut) {
      answer.status = 200;
      answer.body = std::move(body);
    } else if (!begun && code == CURLE_LOGIN_DENIED && !imap.unavailable()) {
      answer.status = 401;
      answer.body = imap.refusal();
    } else if (begun && (code == CURLE_QUOTE_ERROR || code == CURLE_LOGIN_DENIED ||
                         code == CURLE_REMOTE_FILE_NOT_FOUND)) {
      // LOGIN_DENIED at this point is a mailbox that cannot be selected.
      answer.status = 400;
      answer.body = imap.refusal();
    } else {
      return no_answer();
    }
    return answer;
  }

  bool tried_to_log_in() const { return !imap.refusal().empty() || smtp.code() >= 400; }

  void prepare(CURL* easy) {
    const MailParams& params = mail.params;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        mail.deadline - std::chrono::steady_clock::now());
    const long total = std::max<long>(static_cast<long>(left.count()), 1);
    curl_easy_reset(easy);  // options only: the connection stays
    curl_easy_setopt(easy, CURLOPT_URL, mail.target.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, mail.target.scheme.c_str());
    curl_easy_setopt(easy, CURLOPT_USE_SSL,
                     static_cast<long>(params.clear_text ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     std::min(total, static_cast<long>(mail.connect.count())));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, total);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!mail.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, mail.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kReuseSeconds);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Exchange::open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &Handle::close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &handle);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Exchange::before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
    if (!params.username.empty()) {
      curl_easy_setopt(easy, CURLOPT_USERNAME, params.username.c_str());
    }
    if (!params.password.empty()) {
      curl_easy_setopt(easy, CURLOPT_PASSWORD, params.password.c_str());
      curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, kPasswordMechanisms);
    }
    if (!params.bearer.empty()) {
      curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, params.bearer.c_str());
      curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, kBearerMechanisms);
    }
    if (mail.is_smtp()) {
      prepare_smtp(easy);
    } else if (mail.call.method != "GET") {
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, encoded_command(mail.call.method).c_str());
    }
  }

  void prepare_smtp(CURL* easy) {
    if (mail.params.rcpt_to.empty()) {
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "NOOP");
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
      return;
    }
    for (const auto& address : mail.params.rcpt_to) {
      curl_slist* longer = curl_slist_append(recipients, address.c_str());
      if (longer != nullptr) recipients = longer;
    }
    if (!mail.params.mail_from.empty()) {
      curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail.params.mail_from.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(easy, kRcptAllowFails, 1L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Exchange::read_body);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(mail.call.body.size()));
  }
};

MailTransfer::MailTransfer(const EgressPolicy& policy)
    : policy_(policy), handle_(std::make_unique<Handle>()) {}

MailTransfer::~MailTransfer() = default;

void MailTransfer::close() {
  handle_->reset();
  key_.clear();
  selected_ = false;
}

void MailTransfer::cut() { handle_->shut(SHUT_RDWR); }

connector::Response MailTransfer::perform(MailCall& mail) {
  // libcurl would lend a connection in clear text to a call that demands TLS, and believes a
  // mailbox selected until itself selects another.
  const bool moves = !mail.is_smtp() && selects_mailbox(mail.call.method);
  if (key_ != mail.key || (moves && selected_)) close();
  return exchange(mail);
}

connector::Response MailTransfer::exchange(MailCall& mail) {
  if (handle_->easy == nullptr) handle_->easy = curl_easy_init();
  if (handle_->easy == nullptr) return {.status = 0, .headers = {}, .body = {}, .not_sent = true};
  CURL* easy = handle_->easy;
  std::optional<Exchange> run(std::in_place, mail, *handle_, policy_);
  run->prepare(easy);
  CURLcode code = curl_easy_perform(easy);
  if (code == CURLE_LOGIN_DENIED && !run->begun && !run->tried_to_log_in() &&
      !mail.params.password.empty()) {
    run.emplace(mail, *handle_, policy_);
    run->prepare(easy);
    curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, nullptr);
    code = curl_easy_perform(easy);
  }
  connector::Response answer = mail.is_smtp() ? run->smtp_answer(code) : run->imap_answer(code);
  if (answer.status == 0) {
    log::debug("outbound", "a mail call got no answer",
               {{"host", mail.target.host},
                {"reason", curl_easy_strerror(code)},
                {"not_sent", answer.not_sent ? "yes" : "no"}});
  }
  const bool in_order = code == CURLE_OK && !(run->imap.has_literal() && mail.call.method != "GET");
  if (in_order) {
    key_ = mail.key;
    selected_ = selected_ || (!mail.is_smtp() && names_mailbox(mail.target.url));
  } else {
    close();
  }
  return answer;
}

}  // namespace gateway::outbound
