#include "gateway/outbound/http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "connectors/sdk/text.h"
#include "gateway/base/log.h"
#include "gateway/outbound/mail_transfer.h"
#include "gateway/plugins/reserved.h"

namespace gateway::outbound {
namespace {

// A stale connection is the one case in which "sent" and "arrived" differ without anybody's fault,
// so connections are reused only while they are certainly fresh.
constexpr long kReuseSeconds = 2;

void init_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace

struct HttpClient::Transfer {
  connector::Call call;
  Completion completion;
  EgressPolicy::Target target;
  const EgressPolicy* policy = nullptr;
  const HttpLimits* limits = nullptr;
  std::size_t answer_bytes = 0;
  std::chrono::milliseconds total{0};
  connector::Response response;
  std::size_t header_bytes = 0;
  bool cut = false;  // the answer's body was longer than we keep
  bool headers_cut = false;
  bool refused = false;  // the egress policy said no at least once
  int requests = 0;      // how often libcurl was about to write the request
  std::list<Transfer>::iterator self;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }

  long request_bytes() const {
    long bytes = 0;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes;
  }

  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.policy->may_connect(&address->addr, transfer.target.trusted())) {
      transfer.refused = true;
      return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  // Called by libcurl each time just before a request is written, also on a reused connection.
  static int before_request(void* self, char* peer, char*, int, int) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (!transfer.policy->may_connect(peer, transfer.target.trusted())) {
      transfer.refused = true;
      return CURL_PREREQFUNC_ABORT;
    }
    const bool may_repeat = transfer.call.method == "GET" || transfer.call.method == "HEAD";
    if (transfer.requests > 0 && !may_repeat && transfer.request_bytes() > 0) {
      return CURL_PREREQFUNC_ABORT;
    }
    ++transfer.requests;
    return CURL_PREREQFUNC_OK;
  }

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::size_t bytes = size * count;
    std::string_view line(data, bytes);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (line.rfind("HTTP/", 0) == 0) {  // the answer's own head follows a 1xx
      transfer.response.headers.clear();
      transfer.header_bytes = 0;
      return bytes;
    }
    transfer.header_bytes += bytes;
    if (transfer.header_bytes > transfer.limits->answer_header_bytes) {
      transfer.headers_cut = true;
      return 0;
    }
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) {
      transfer.response.headers.emplace_back(sdk::lower_ascii(line.substr(0, colon)),
                                             std::string(sdk::trim(line.substr(colon + 1))));
    }
    return bytes;
  }

  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::size_t bytes = size * count;
    const std::size_t room = transfer.answer_bytes - transfer.response.body.size();
    transfer.response.body.append(data, std::min(bytes, room));
    if (bytes <= room) return bytes;
    transfer.cut = true;
    return 0;
  }

  Result<> prepare() {
    const auto refuse = [](std::string why) {
      return fail(Errc::invalid_argument, std::move(why));
    };
    if (!is_token(call.method)) return refuse("the call's method is not a token");
    if (call.body.size() > limits->request_bytes) return refuse("the call's body is too large");
    bool has_type = false;
    const auto append = [&](const std::string& line) {
      curl_slist* longer = curl_slist_append(headers, line.c_str());
      if (longer != nullptr) headers = longer;
    };
    for (const auto& [name, value] : call.headers) {
      const std::string lower = sdk::lower_ascii(name);
      if (!is_token(name) || !is_header_value(value) || plugins::is_reserved_header(lower)) {
        return refuse("the call has a header it may not have");
      }
      has_type = has_type || lower == "content-type";
      append(value.empty() ? name + ";" : name + ": " + value);
    }
    append("Expect:");  // a platform that ignores it would cost a second per large body
    if (!has_type) append("Content-Type:");  // not libcurl's guess of a form

    easy = curl_easy_init();
    if (easy == nullptr) return fail(Errc::internal, "out of memory");
    curl_easy_setopt(easy, CURLOPT_URL, target.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, target.rewritten ? "http,https" : "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    // An environment's proxy would hide the true address from the policy.
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a stop does not wait for a name server
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits->connect.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(total.count()));
    if (!limits->ca_file.empty()) {
      curl_easy_setopt(easy, CURLOPT_CAINFO, limits->ca_file.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    // HTTP/2 would repeat refused streams and count bytes that still wait in its own buffers.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kReuseSeconds);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Transfer::before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "backchannel");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
    if (call.method == "HEAD") {
      curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (call.method != "GET" || !call.body.empty()) {
      const bool sends_body = call.method == "POST" || call.method == "PUT" ||
                              call.method == "PATCH" || !call.body.empty();
      if (sends_body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(call.body.size()));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.data());
      }
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
    return {};
  }

  // Certain that nothing of the request left: libcurl either never came to the point of writing it,
  // or wrote in clear and counted no byte. (With TLS a part of a record may have left uncounted.)
  bool is_unsent() const {
    if (requests == 0) return true;
    return target.url.rfind("http://", 0) == 0 && request_bytes() == 0;
  }
};

struct HttpClient::Impl {
  const EgressPolicy& policy;
  HttpLimits limits;
  CURLM* multi;
  std::list<Transfer> transfers;
  Counter& refused;
  MailClient mail;
};

HttpClient::HttpClient(const EgressPolicy& policy, Metrics& metrics, HttpLimits limits) {
  init_curl_once();
  CURLM* multi = curl_multi_init();
  impl_ = std::unique_ptr<Impl>(
      new Impl{policy,
               limits,
               multi,
               {},
               metrics.counter("backchannel_egress_refused_total",
                               "Outgoing connections the egress policy refused"),
               MailClient(policy, limits.mail, [multi] { curl_multi_wakeup(multi); })});
  curl_multi_setopt(impl_->multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
}

HttpClient::~HttpClient() {
  for (auto& transfer : impl_->transfers) curl_multi_remove_handle(impl_->multi, transfer.easy);
  impl_->transfers.clear();
  CURLM* multi = impl_->multi;
  impl_.reset();  // the mail client's threads name it
  curl_multi_cleanup(multi);
}

std::size_t HttpClient::answer_limit(const connector::Call& call) const {
  if (call.answer_bytes <= 0) return impl_->limits.answer_bytes;
  return static_cast<std::size_t>(std::min(call.answer_bytes, kMaxAnswerBytes));
}

std::chrono::milliseconds HttpClient::time_limit(const connector::Call& call) const {
  const std::string scheme = sdk::lower_ascii(call.url.substr(0, call.url.find(':')));
  if (is_mail_scheme(scheme)) return impl_->limits.mail.total;
  const bool is_big = answer_limit(call) > kBigAnswerBytes || call.body.size() > kBigAnswerBytes;
  return is_big ? impl_->limits.big_total : impl_->limits.total;
}

std::string HttpClient::host_of(const connector::Call& call) const {
  const auto target = impl_->policy.resolve(call.url);
  return target ? target->host : std::string();
}

Result<> HttpClient::start(connector::Call call, Completion completion) {
  auto target = impl_->policy.resolve(call.url);
  if (!target) {
    impl_->refused.add();
    return std::move(target).error();
  }
  const std::size_t answer_bytes = answer_limit(call);
  if (is_mail_scheme(target->scheme)) {
    return impl_->mail.start(std::move(call), *std::move(target), answer_bytes,
                             std::move(completion));
  }
  impl_->transfers.emplace_back();
  Transfer& transfer = impl_->transfers.back();
  transfer.self = std::prev(impl_->transfers.end());
  transfer.answer_bytes = answer_bytes;
  transfer.total = time_limit(call);
  transfer.call = std::move(call);
  transfer.completion = std::move(completion);
  transfer.target = *std::move(target);
  transfer.policy = &impl_->policy;
  transfer.limits = &impl_->limits;
  auto prepared = transfer.prepare();
  if (prepared && curl_multi_add_handle(impl_->multi, transfer.easy) != CURLM_OK) {
    prepared = fail(Errc::internal, "libcurl refused a call");
  }
  if (!prepared) impl_->transfers.pop_back();
  return prepared;
}

void HttpClient::count(const MailClient::Collected& collected) {
  for (int i = 0; i < collected.refused; ++i) impl_->refused.add();
}

void HttpClient::poll(std::chrono::milliseconds wait) {
  int running = 0;
  const auto collect_mail = [&] {
    const auto collected = impl_->mail.collect();
    count(collected);
    return collected.ended > 0;
  };
  curl_multi_perform(impl_->multi, &running);
  int left = 0;
  const auto collect = [&] {
    bool any = collect_mail();
    while (CURLMsg* message = curl_multi_info_read(impl_->multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* self = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self);
      finish(*reinterpret_cast<Transfer*>(self), message->data.result);
      any = true;
    }
    return any;
  };
  if (collect()) return;
  curl_multi_poll(impl_->multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
  curl_multi_perform(impl_->multi, &running);
  collect();
}

void HttpClient::finish(Transfer& transfer, int result) {
  const auto code = static_cast<CURLcode>(result);
  connector::Response response;
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  // An answer cut at our own limit is an answer; one the connection cut is none.
  const bool answered = status >= 200 && (code == CURLE_OK || transfer.cut);
  if (answered) {
    response = std::move(transfer.response);
    response.status = static_cast<std::int32_t>(status);
  } else {
    response.not_sent = transfer.is_unsent();
    log::debug("outbound", "a call got no answer",
               {{"host", transfer.target.host},
                {"reason", curl_easy_strerror(code)},
                {"not_sent", response.not_sent ? "yes" : "no"}});
  }
  if (transfer.refused) {
    impl_->refused.add();
    log::warn("outbound", "a connection to an address that is not public was refused",
              {{"host", transfer.target.host}});
  }
  Completion completion = std::move(transfer.completion);
  curl_multi_remove_handle(impl_->multi, transfer.easy);
  impl_->transfers.erase(transfer.self);
  completion(std::move(response));
}

void HttpClient::wake() { curl_multi_wakeup(impl_->multi); }

void HttpClient::cancel() {
  while (!impl_->transfers.empty()) finish(impl_->transfers.front(), CURLE_ABORTED_BY_CALLBACK);
  count(impl_->mail.cancel());
}

std::size_t HttpClient::in_flight() const {
  return impl_->transfers.size() + impl_->mail.in_flight();
}

}  // namespace gateway::outbound
