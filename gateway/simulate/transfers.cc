#include "gateway/simulate/transfers.h"

#include <curl/curl.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kBodyKept = 64u << 10;
constexpr std::size_t kHeadersKept = 200;

struct Transfer {
  HttpCall call;
  Transfers::Done done;
  HttpOutcome outcome;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  Steady::time_point started;
  char error[CURL_ERROR_SIZE] = {};
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
  std::string& body = static_cast<Transfer*>(to)->outcome.body;
  if (body.size() < kBodyKept) body.append(data, std::min(size, kBodyKept - body.size()));
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* to) {
  Headers& headers = static_cast<Transfer*>(to)->outcome.headers;
  std::string_view line(data, size);
  const std::size_t colon = line.find(':');
  // The status line of an answer forgets the headers of an earlier one, a redirect's.
  if (line.rfind("HTTP/", 0) == 0) headers.clear();
  if (colon == std::string_view::npos || headers.size() == kHeadersKept) return size;
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  headers.emplace_back(sdk::lower_ascii(line.substr(0, colon)),
                       std::string(sdk::trim(line.substr(colon + 1))));
  return size;
}

void describe(Transfer& transfer, CURLcode code) {
  HttpOutcome& outcome = transfer.outcome;
  using Failure = HttpOutcome::Failure;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: {
      long sent = 0;
      curl_easy_getinfo(transfer.easy, CURLINFO_REQUEST_SIZE, &sent);
      outcome.failure = sent == 0 ? Failure::connect : Failure::timeout;
      outcome.error = "Read timeout expired";
      break;
    }
    case CURLE_COULDNT_CONNECT:
      outcome.failure = Failure::connect;
      outcome.error = "Connection refused";
      break;
    case CURLE_COULDNT_RESOLVE_HOST:
      outcome.failure = Failure::connect;
      outcome.error = "Host not found";
      break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
      outcome.failure = Failure::other;
      outcome.error = "Webhook connection closed";
      break;
    default:
      outcome.failure = Failure::other;
      outcome.error = transfer.error[0] != 0 ? transfer.error : curl_easy_strerror(code);
  }
}

void prepare(Transfer& transfer) {
  const HttpCall& call = transfer.call;
  const auto add = [&](const std::string& line) {
    transfer.headers = curl_slist_append(transfer.headers, line.c_str());
  };
  const auto given = [&](std::string_view name) {
    return std::any_of(call.headers.begin(), call.headers.end(), [&](const auto& header) {
      return sdk::equals_ignoring_case(header.first, name);
    });
  };
  for (const auto& [name, value] : call.headers) {
    add(value.empty() ? name + ";" : name + ": " + value);
  }
  // libcurl's own additions, which platforms do not send.
  for (const char* name : {"Accept", "Expect", "Content-Type"}) {
    if (!given(name)) add(std::string(name) + ":");
  }
  CURL* const easy = transfer.easy;
  curl_easy_setopt(easy, CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers);
  if (!call.accept_encoding.empty()) {
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, call.accept_encoding.c_str());
  }
  if (call.method == "GET") {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.data());
  }
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, call.follows_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
}

}  // namespace

std::string_view header(const Headers& headers, std::string_view lower_name) {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return value;
  }
  return {};
}

struct Transfers::State {
  Due due;
  CURLM* multi = nullptr;
  std::thread thread;
  std::mutex mutex;
  bool stopping = false;       // guarded by mutex
  std::vector<Started> asked;  // guarded by mutex
  // Used by the thread alone.
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;
  std::vector<CURL*> idle_handles;

  void begin(Started started) {
    auto transfer = std::make_unique<Transfer>();
    transfer->call = std::move(started.call);
    transfer->done = std::move(started.done);
    if (idle_handles.empty()) {
      transfer->easy = curl_easy_init();
    } else {
      transfer->easy = idle_handles.back();
      idle_handles.pop_back();
    }
    prepare(*transfer);
    transfer->started = Steady::now();
    CURL* const easy = transfer->easy;
    transfers.emplace(easy, std::move(transfer));
    curl_multi_add_handle(multi, easy);
  }

  void run() {
    while (true) {
      std::int64_t next_ms = 1'000;
      std::vector<Started> starting;
      {
        const std::lock_guard lock(mutex);
        if (stopping) break;
        starting.swap(asked);
      }
      for (Started& started : due(now_ms(), next_ms)) starting.push_back(std::move(started));
      for (Started& started : starting) begin(std::move(started));
      int running = 0;
      curl_multi_perform(multi, &running);
      if (collect()) continue;
      curl_multi_poll(multi, nullptr, 0, static_cast<int>(std::max<std::int64_t>(next_ms, 0)),
                      nullptr);
    }
    for (auto& [easy, transfer] : transfers) {
      curl_multi_remove_handle(multi, easy);
      curl_slist_free_all(transfer->headers);
      curl_easy_cleanup(easy);
    }
    transfers.clear();
    for (CURL* const easy : idle_handles) curl_easy_cleanup(easy);
    idle_handles.clear();
    std::vector<Started> forgotten;
    const std::lock_guard lock(mutex);
    forgotten.swap(asked);
  }

  // True when a transfer has ended.
  bool collect() {
    bool any = false;
    int left = 0;
    while (CURLMsg* const message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      any = true;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      const auto at = transfers.find(easy);
      const std::unique_ptr<Transfer> transfer = std::move(at->second);
      transfers.erase(at);
      HttpOutcome& outcome = transfer->outcome;
      outcome.latency_us =
          std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - transfer->started)
              .count();
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      if (code == CURLE_OK) {
        outcome.status = static_cast<int>(status);
      } else {
        describe(*transfer, code);
      }
      curl_multi_remove_handle(multi, easy);
      curl_slist_free_all(transfer->headers);
      curl_easy_reset(easy);
      idle_handles.push_back(easy);
      transfer->done(std::move(outcome));
    }
    return any;
  }
};

Transfers::Transfers(Due due) : state_(std::make_unique<State>()) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(kReady);
  state_->due = std::move(due);
  state_->multi = curl_multi_init();
  curl_multi_setopt(state_->multi, CURLMOPT_MAXCONNECTS, 256L);
}

Transfers::~Transfers() {
  stop();
  curl_multi_cleanup(state_->multi);
}

void Transfers::start() {
  state_->stopping = false;
  state_->thread = std::thread([this] { state_->run(); });
}

void Transfers::stop() {
  if (!state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  wake();
  state_->thread.join();
}

void Transfers::wake() { curl_multi_wakeup(state_->multi); }

void Transfers::fetch(HttpCall call, Done done) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->asked.push_back({std::move(call), std::move(done)});
  }
  wake();
}

std::int64_t Transfers::now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now().time_since_epoch())
      .count();
}

}  // namespace gateway::simulate
