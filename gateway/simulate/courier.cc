#include "gateway/simulate/courier.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "connectors/sdk/text.h"

namespace gateway::simulate {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kLogKept = 50'000;
constexpr std::size_t kLatenciesKept = 1'000'000;
constexpr std::size_t kAnswerKept = 64u << 10;
constexpr std::int64_t kSlowAfterMs = 10'000;  // without success: one connection, rarely
constexpr std::int64_t kSlowStartMs = 2'000;
constexpr std::int64_t kGoneMs = 23 * 3'600'000;  // 410 alone for so long removes the webhook

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now().time_since_epoch())
      .count();
}

struct Job {
  Update update;
  bool copy = false;
  int attempts = 0;
  int failures = 0;
  std::int64_t due_ms = 0;  // of the first try
  std::int64_t expires_ms = 0;
};

struct Queue {
  std::deque<Job> jobs;
  std::int64_t due_ms = 0;
  std::uint64_t in_flight = 0;  // number of the transfer under way, 0: none
};

// What belongs to one bot.
struct Lane {
  std::optional<Webhook> webhook;
  std::map<std::string, Queue> queues;
  std::set<std::pair<std::int64_t, std::string>> ready;  // (due, key) of queues not in flight
  std::int64_t in_flight = 0;
  std::int64_t pending = 0;
  std::int64_t last_success_ms = 0;
  std::int64_t last_start_ms = 0;
  std::int64_t last_error_date = 0;
  std::string last_error;
  std::int64_t gone_since_ms = 0;
  bool failing = false;
};

struct Transfer {
  std::int64_t bot_id = 0;
  std::string key;
  Job job;
  std::uint64_t number = 0;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::string answer;
  std::string retry_after;
  Steady::time_point started;
  char error[CURL_ERROR_SIZE] = {};
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
  auto& answer = static_cast<Transfer*>(to)->answer;
  if (answer.size() < kAnswerKept) {
    answer.append(data, std::min(size, kAnswerKept - answer.size()));
  }
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* to) {
  const std::string_view line(data, size);
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos &&
      sdk::equals_ignoring_case(line.substr(0, colon), "retry-after")) {
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n')) value.remove_suffix(1);
    static_cast<Transfer*>(to)->retry_after = sdk::trim(value);
  }
  return size;
}

std::int64_t percentile(std::vector<std::int64_t>& values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace

std::int64_t retry_delay_ms(int failures, std::mt19937_64& random) {
  if (failures <= 1) return 0;
  const std::int64_t cap = 60'000 + static_cast<std::int64_t>(random() % 60'001);
  const int doublings = std::min(failures - 2, 20);
  return std::min<std::int64_t>(2'000LL << doublings, cap);
}

std::int64_t retry_after_seconds(std::string_view header) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error != std::errc() || end != header.data() + header.size()) return -1;
  return std::clamp<std::int64_t>(seconds, 0, 3'600);
}

struct Courier::State {
  CourierOptions options;
  AnswerCall answer_call;
  CURLM* multi = nullptr;
  std::thread thread;

  mutable std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  std::mt19937_64 random;
  std::map<std::int64_t, Lane> lanes;
  std::map<DeliveryFault::Kind, DeliveryFault> faults;
  std::vector<std::pair<Update, std::int64_t>> held;  // of a reorder fault, with their due time
  std::deque<Delivery> log;
  std::int64_t log_count = 0;
  std::vector<std::int64_t> latencies;
  DeliveryStats figures;
  std::int64_t copies = 0;
  std::uint64_t transfer_count = 0;

  // Used by the thread alone.
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;
  std::vector<CURL*> idle_handles;

  std::int64_t scaled(std::int64_t ms) const {
    return static_cast<std::int64_t>(static_cast<double>(ms) * options.time_scale);
  }

  // Uses up one of a fault's count.
  std::optional<DeliveryFault> take(DeliveryFault::Kind kind) {
    const auto at = faults.find(kind);
    if (at == faults.end()) return std::nullopt;
    const DeliveryFault fault = at->second;
    if (--at->second.count <= 0) faults.erase(at);
    return fault;
  }

  bool idle() const {
    return held.empty() && std::all_of(lanes.begin(), lanes.end(),
                                       [](const auto& lane) { return lane.second.pending == 0; });
  }

  void enqueue(Update update, std::int64_t due_ms, bool copy) {
    Lane& lane = lanes[update.bot_id];
    std::string key = update.queue;
    if (copy) key += "#copy" + std::to_string(++copies);
    Job job;
    job.due_ms = due_ms;
    job.expires_ms = due_ms + scaled(update.lifetime_ms);
    job.update = std::move(update);
    job.copy = copy;
    Queue& queue = lane.queues[key];
    ++lane.pending;
    queue.jobs.push_back(std::move(job));
    if (queue.jobs.size() == 1 && queue.in_flight == 0) {
      queue.due_ms = due_ms;
      lane.ready.emplace(due_ms, key);
    }
  }

  void post(Update update, std::int64_t due_ms) {
    ++figures.updates;
    if (take(DeliveryFault::Kind::drop)) {
      ++figures.dropped;
      return;
    }
    if (const auto at = faults.find(DeliveryFault::Kind::reorder); at != faults.end()) {
      held.emplace_back(std::move(update), due_ms);
      if (static_cast<int>(held.size()) < at->second.count) return;
      faults.erase(at);
      release();
      return;
    }
    if (const auto fault = take(DeliveryFault::Kind::duplicate)) {
      for (int i = 1; i < fault->copies; ++i) enqueue(update, due_ms, true);
    }
    enqueue(std::move(update), due_ms, false);
  }

  void release() {
    std::shuffle(held.begin(), held.end(), random);
    for (auto& [update, due_ms] : held) {
      // Each in a queue of its own, so that none waits for another.
      update.queue += "#reorder" + std::to_string(++copies);
      enqueue(std::move(update), due_ms, false);
    }
    held.clear();
  }

  // How many connections the lane may use now, and from when on it may start the next.
  std::pair<std::int64_t, std::int64_t> allowance(const Lane& lane, std::int64_t now) const {
    if (!lane.failing || now - lane.last_success_ms <= scaled(kSlowAfterMs)) {
      return {lane.webhook->max_connections, now};
    }
    return {1, lane.last_start_ms + scaled(kSlowStartMs)};
  }

  std::vector<std::unique_ptr<Transfer>> due(std::int64_t now, std::int64_t& next_ms) {
    std::vector<std::unique_ptr<Transfer>> out;
    for (auto& [bot_id, lane] : lanes) {
      while (lane.webhook && !lane.ready.empty()) {
        const auto [limit, from] = allowance(lane, now);
        if (lane.in_flight >= limit) break;
        const auto [due_ms, key] = *lane.ready.begin();
        const std::int64_t at = std::max(due_ms, from);
        if (at > now) {
          next_ms = std::min(next_ms, at - now);
          break;
        }
        lane.ready.erase(lane.ready.begin());
        Queue& queue = lane.queues[key];
        queue.in_flight = ++transfer_count;
        ++lane.in_flight;
        lane.last_start_ms = now;
        auto transfer = std::make_unique<Transfer>();
        transfer->bot_id = bot_id;
        transfer->number = queue.in_flight;
        transfer->key = key;
        transfer->job = queue.jobs.front();
        prepare(*transfer, *lane.webhook);
        out.push_back(std::move(transfer));
      }
    }
    return out;
  }

  void prepare(Transfer& transfer, const Webhook& webhook) {
    const auto add = [&](const std::string& line) {
      transfer.headers = curl_slist_append(transfer.headers, line.c_str());
    };
    const std::string name = "X-Telegram-Bot-Api-Secret-Token: ";
    if (!webhook.secret_token.empty()) {
      if (take(DeliveryFault::Kind::wrong_secret)) {
        add(name + "wrong-" + std::string(58, '0'));
      } else if (take(DeliveryFault::Kind::twice_secret)) {
        add(name + "wrong-" + std::string(58, '0'));
        add(name + webhook.secret_token);
      } else if (!take(DeliveryFault::Kind::no_secret)) {
        add(name + webhook.secret_token);
      }
    }
    add("Content-Type: application/json");
    add("Connection: keep-alive");
    // libcurl's own additions, which the platform does not send.
    add("Accept:");
    add("Expect:");
    if (idle_handles.empty()) {
      transfer.easy = curl_easy_init();
    } else {
      transfer.easy = idle_handles.back();
      idle_handles.pop_back();
    }
    CURL* const easy = transfer.easy;
    curl_easy_setopt(easy, CURLOPT_URL, webhook.url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(transfer.job.update.body.size()));
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, transfer.job.update.body.data());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options.answer_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  }

  static std::string describe(const Transfer& transfer, CURLcode code, long status) {
    if (code == CURLE_OK) return "Wrong response from the webhook: " + std::to_string(status);
    if (code == CURLE_OPERATION_TIMEDOUT) return "Read timeout expired";
    if (code == CURLE_COULDNT_CONNECT) return "Connection refused";
    if (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR) return "Webhook connection closed";
    return transfer.error[0] != 0 ? transfer.error : curl_easy_strerror(code);
  }

  // Under the lock. What of the answer asks for a call, if anything.
  std::optional<std::string> finish(Transfer& transfer, CURLcode code, std::int64_t now) {
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) status = 0;
    const bool success = status >= 200 && status < 300;
    const std::int64_t latency =
        std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - transfer.started)
            .count();
    ++figures.attempts;
    ++figures.by_status[static_cast<int>(status)];
    if (latencies.size() < kLatenciesKept) latencies.push_back(latency);
    Delivery record;
    record.number = ++log_count;
    record.bot_id = transfer.bot_id;
    record.update_id = transfer.job.update.update_id;
    record.kind = transfer.job.update.kind;
    record.attempt = transfer.job.attempts + 1;
    record.status = static_cast<int>(status);
    if (!success) record.error = describe(transfer, code, status);
    record.latency_us = latency;
    record.answer = transfer.answer.substr(0, 2048);
    log.push_back(record);
    if (log.size() > kLogKept) log.pop_front();

    Lane& lane = lanes[transfer.bot_id];
    const auto at = lane.queues.find(transfer.key);
    // A reset or a dropped queue may have forgotten this transfer meanwhile.
    if (at == lane.queues.end() || at->second.in_flight != transfer.number) return std::nullopt;
    --lane.in_flight;
    Queue& queue = at->second;
    queue.in_flight = 0;
    Job& job = queue.jobs.front();
    ++job.attempts;
    if (success) {
      lane.last_success_ms = now;
      lane.failing = false;
      lane.gone_since_ms = 0;
      if (!job.copy) ++figures.acknowledged;
      drop_front(lane, queue, now);
    } else {
      ++job.failures;
      lane.failing = true;
      lane.last_error = record.error;
      lane.last_error_date = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
      if (status != 410) lane.gone_since_ms = 0;
      if (status == 410 && lane.gone_since_ms == 0) lane.gone_since_ms = now;
      const std::int64_t asked = retry_after_seconds(transfer.retry_after);
      const std::int64_t delay =
          status != 0 && asked >= 0 ? asked * 1'000 : retry_delay_ms(job.failures, random);
      queue.due_ms = now + scaled(delay);
      if (queue.due_ms > job.expires_ms) {
        ++figures.expired;
        drop_front(lane, queue, now);
      }
      if (lane.gone_since_ms != 0 && now - lane.gone_since_ms > scaled(kGoneMs)) {
        lane.webhook.reset();
      }
    }
    if (queue.jobs.empty()) {
      lane.queues.erase(at);
    } else {
      lane.ready.emplace(queue.due_ms, transfer.key);
    }
    if (success && transfer.answer.find("\"method\"") != std::string::npos) {
      return std::move(transfer.answer);
    }
    return std::nullopt;
  }

  static void drop_front(Lane& lane, Queue& queue, std::int64_t now) {
    queue.jobs.pop_front();
    --lane.pending;
    queue.due_ms = queue.jobs.empty() ? now : std::max(now, queue.jobs.front().due_ms);
  }

  void run() {
    while (true) {
      std::int64_t next_ms = 1'000;
      std::vector<std::unique_ptr<Transfer>> starting;
      {
        const std::lock_guard lock(mutex);
        if (stopping) break;
        starting = due(steady_ms(), next_ms);
      }
      for (auto& transfer : starting) {
        transfer->started = Steady::now();
        CURL* const easy = transfer->easy;
        transfers.emplace(easy, std::move(transfer));
        curl_multi_add_handle(multi, easy);
      }
      int running = 0;
      curl_multi_perform(multi, &running);
      if (collect()) continue;
      curl_multi_poll(multi, nullptr, 0, static_cast<int>(next_ms), nullptr);
    }
    for (auto& [easy, transfer] : transfers) {
      curl_multi_remove_handle(multi, easy);
      curl_slist_free_all(transfer->headers);
      curl_easy_cleanup(easy);
    }
    transfers.clear();
    for (CURL* const easy : idle_handles) curl_easy_cleanup(easy);
    idle_handles.clear();
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
      std::optional<std::string> call;
      {
        const std::lock_guard lock(mutex);
        call = finish(*transfer, code, steady_ms());
      }
      curl_multi_remove_handle(multi, easy);
      curl_slist_free_all(transfer->headers);
      curl_easy_reset(easy);
      idle_handles.push_back(easy);
      if (call && answer_call) answer_call(transfer->bot_id, *call);
      changed.notify_all();
    }
    return any;
  }
};

Courier::Courier(CourierOptions options, AnswerCall answer_call)
    : state_(std::make_unique<State>()) {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(kReady);
  state_->options = options;
  state_->answer_call = std::move(answer_call);
  state_->random.seed(options.seed);
  state_->multi = curl_multi_init();
  curl_multi_setopt(state_->multi, CURLMOPT_MAXCONNECTS, 256L);
}

Courier::~Courier() {
  stop();
  curl_multi_cleanup(state_->multi);
}

void Courier::start() {
  state_->stopping = false;
  state_->thread = std::thread([this] { state_->run(); });
}

void Courier::stop() {
  if (!state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  curl_multi_wakeup(state_->multi);
  state_->thread.join();
}

void Courier::post(Update update, std::chrono::milliseconds delay) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->post(std::move(update), steady_ms() + delay.count());
  }
  curl_multi_wakeup(state_->multi);
}

void Courier::count_unwanted() {
  const std::lock_guard lock(state_->mutex);
  ++state_->figures.unwanted;
}

void Courier::inject(DeliveryFault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults[fault.kind] = fault;
}

void Courier::clear_faults() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->faults.clear();
    state_->release();
  }
  curl_multi_wakeup(state_->multi);
}

void Courier::reset() {
  const std::lock_guard lock(state_->mutex);
  for (auto& [bot_id, lane] : state_->lanes) {
    lane.queues.clear();
    lane.ready.clear();
    lane.pending = lane.in_flight = 0;
    lane.failing = false;
  }
  state_->faults.clear();
  state_->held.clear();
  state_->log.clear();
  state_->latencies.clear();
  state_->figures = {};
  state_->changed.notify_all();
}

bool Courier::wait_idle(Steady::time_point deadline) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_until(lock, deadline, [this] { return state_->idle(); });
}

DeliveryStats Courier::stats() const {
  const std::lock_guard lock(state_->mutex);
  DeliveryStats stats = state_->figures;
  for (const auto& [bot_id, lane] : state_->lanes) stats.pending += lane.pending;
  stats.pending += static_cast<std::int64_t>(state_->held.size());
  std::vector<std::int64_t> values = state_->latencies;
  stats.p50_us = percentile(values, 0.5);
  stats.p99_us = percentile(values, 0.99);
  stats.max_us = percentile(values, 1);
  return stats;
}

std::vector<Delivery> Courier::log(std::int64_t after) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Delivery> out;
  for (const Delivery& delivery : state_->log) {
    if (delivery.number > after) out.push_back(delivery);
  }
  return out;
}

DeliveryDesk::Health Courier::health(std::int64_t bot_id) {
  const std::lock_guard lock(state_->mutex);
  const Lane& lane = state_->lanes[bot_id];
  return {lane.pending, lane.last_error_date, lane.last_error};
}

void Courier::webhook_changed(const Bot& bot, bool drop_pending) {
  {
    const std::lock_guard lock(state_->mutex);
    Lane& lane = state_->lanes[bot.user.id];
    const std::int64_t now = steady_ms();
    lane.webhook = bot.webhook;
    lane.last_success_ms = now;
    lane.failing = false;
    lane.gone_since_ms = 0;
    lane.last_error.clear();
    lane.last_error_date = 0;
    if (drop_pending) {
      lane.queues.clear();
      lane.ready.clear();
      lane.pending = lane.in_flight = 0;
    }
    // What waited for a retry is tried at once at the new place.
    lane.ready.clear();
    for (auto& [key, queue] : lane.queues) {
      queue.due_ms = std::min(queue.due_ms, now);
      if (queue.in_flight == 0) lane.ready.emplace(queue.due_ms, key);
    }
  }
  state_->changed.notify_all();
  curl_multi_wakeup(state_->multi);
}

std::vector<std::string> Courier::poll(std::int64_t bot_id, std::int64_t offset,
                                       std::size_t limit) {
  const std::lock_guard lock(state_->mutex);
  Lane& lane = state_->lanes[bot_id];
  std::map<std::int64_t, std::string> waiting;
  for (auto at = lane.queues.begin(); at != lane.queues.end();) {
    auto& jobs = at->second.jobs;
    while (!jobs.empty() && at->second.in_flight == 0 && jobs.front().update.update_id < offset) {
      jobs.pop_front();
      --lane.pending;
      ++state_->figures.acknowledged;
    }
    for (const Job& job : jobs) waiting.emplace(job.update.update_id, job.update.body);
    if (jobs.empty() && at->second.in_flight == 0) {
      lane.ready.erase({at->second.due_ms, at->first});
      at = lane.queues.erase(at);
    } else {
      ++at;
    }
  }
  std::vector<std::string> out;
  for (auto& [id, body] : waiting) {
    if (out.size() == limit) break;
    out.push_back(std::move(body));
  }
  state_->changed.notify_all();
  return out;
}

}  // namespace gateway::simulate
