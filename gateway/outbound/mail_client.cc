#include "gateway/outbound/mail_client.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gateway/base/log.h"
#include "gateway/outbound/mail_transfer.h"

namespace gateway::outbound {
namespace {

using SteadyClock = std::chrono::steady_clock;

// An idle connection is ended after that; servers count them.
constexpr std::chrono::seconds kIdle{20};
constexpr std::chrono::seconds kCancelWait{5};

}  // namespace

struct MailClient::Job {
  MailCall mail;
  Completion completion;
  connector::Response response;
};

struct MailClient::Worker {
  explicit Worker(const EgressPolicy& policy) : transfer(policy) {}
  MailTransfer transfer;
  std::string kept;    // guarded by Impl::mutex: key of the open connection
  Job* job = nullptr;  // guarded by Impl::mutex
  std::condition_variable work;
  std::thread thread;
};

struct MailClient::Impl {
  const EgressPolicy& policy;
  const MailLimits limits;
  const std::function<void()> ended_hook;
  std::mutex mutex;
  std::condition_variable idle;
  bool stopping = false;  // guarded by mutex, as all below
  std::deque<std::unique_ptr<Job>> waiting;
  std::map<Job*, std::unique_ptr<Job>> active;
  std::map<std::string, std::size_t> per_account;  // of active, by key
  std::vector<std::unique_ptr<Job>> ended;
  std::vector<std::unique_ptr<Worker>> workers;

  void run(Worker& worker);
  void assign();
  void expire();
  Worker* free_worker(const std::string& key);
  void end_unsent(std::unique_ptr<Job> job) {
    job->response = {.status = 0, .headers = {}, .body = {}, .not_sent = true};
    ended.push_back(std::move(job));
  }
};

// One with the job's connection, one without any, a new one, or any: in that order.
MailClient::Worker* MailClient::Impl::free_worker(const std::string& key) {
  Worker* best = nullptr;
  for (const auto& worker : workers) {
    if (worker->job != nullptr) continue;
    if (worker->kept == key) return worker.get();
    if (best == nullptr || worker->kept.empty()) best = worker.get();
  }
  if (best != nullptr && best->kept.empty()) return best;
  if (workers.size() < limits.threads) {
    workers.push_back(std::make_unique<Worker>(policy));
    Worker& fresh = *workers.back();
    fresh.thread = std::thread([this, &fresh] { run(fresh); });
    return &fresh;
  }
  return best;
}

void MailClient::Impl::assign() {
  for (auto next = waiting.begin(); next != waiting.end() && !stopping;) {
    const std::string& key = (*next)->mail.key;
    const auto busy = per_account.find(key);
    if (busy != per_account.end() && busy->second >= limits.per_account) {
      ++next;
      continue;
    }
    Worker* worker = free_worker(key);
    if (worker == nullptr) return;
    ++per_account[key];
    Job* job = next->get();
    active.emplace(job, std::move(*next));
    next = waiting.erase(next);
    worker->job = job;
    worker->work.notify_one();
  }
}

void MailClient::Impl::expire() {
  const auto now = SteadyClock::now();
  for (auto next = waiting.begin(); next != waiting.end();) {
    if ((*next)->mail.deadline > now) {
      ++next;
      continue;
    }
    end_unsent(std::move(*next));
    next = waiting.erase(next);
  }
}

void MailClient::Impl::run(Worker& worker) {
  std::unique_lock lock(mutex);
  for (;;) {
    const auto wanted = [&] { return stopping || worker.job != nullptr; };
    if (!worker.work.wait_for(lock, kIdle, wanted)) {
      if (worker.kept.empty()) continue;
      worker.kept.clear();
      // Closing is quick: nothing is waited for.
      worker.transfer.close();
      continue;
    }
    if (stopping) return;
    Job& job = *worker.job;
    lock.unlock();
    connector::Response response;
    try {
      response = worker.transfer.perform(job.mail);
    } catch (const std::exception& fault) {
      log::error("outbound", "a mail call met a fault", {{"fault", fault.what()}});
      response = {};  // nothing is known about it
    }
    lock.lock();
    job.response = std::move(response);
    worker.kept = worker.transfer.kept();
    worker.job = nullptr;
    if (--per_account[job.mail.key] == 0) per_account.erase(job.mail.key);
    auto done = active.extract(&job);
    ended.push_back(std::move(done.mapped()));
    assign();
    idle.notify_all();
    if (ended_hook) ended_hook();
  }
}

MailClient::MailClient(const EgressPolicy& policy, MailLimits limits, std::function<void()> ended)
    : impl_(new Impl{
          policy, std::move(limits), std::move(ended), {}, {}, false, {}, {}, {}, {}, {}}) {}

MailClient::~MailClient() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    for (const auto& worker : impl_->workers) {
      if (worker->job != nullptr) {
        worker->job->mail.cancelled = true;
        worker->transfer.cut();
      }
      worker->work.notify_one();
    }
  }
  for (const auto& worker : impl_->workers) worker->thread.join();
}

Result<> MailClient::start(connector::Call call, EgressPolicy::Target target,
                           std::size_t answer_bytes, Completion completion) {
  auto job = std::make_unique<Job>();
  job->mail.call = std::move(call);
  job->mail.target = std::move(target);
  job->mail.answer_bytes = answer_bytes;
  job->mail.deadline = SteadyClock::now() + impl_->limits.total;
  job->mail.connect = impl_->limits.connect;
  job->mail.ca_file = impl_->limits.ca_file;
  job->completion = std::move(completion);
  if (auto checked = check_mail_call(job->mail); !checked) return checked;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->waiting.size() >= impl_->limits.waiting) {
    impl_->end_unsent(std::move(job));
    if (impl_->ended_hook) impl_->ended_hook();
    return {};
  }
  impl_->waiting.push_back(std::move(job));
  impl_->assign();
  return {};
}

MailClient::Collected MailClient::collect() {
  std::vector<std::unique_ptr<Job>> ended;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->expire();
    ended.swap(impl_->ended);
  }
  Collected collected;
  for (const auto& job : ended) {
    ++collected.ended;
    if (job->mail.egress_refused) {
      ++collected.refused;
      log::warn("outbound", "a connection to an address that is not public was refused",
                {{"host", job->mail.target.host}});
    }
    job->completion(std::move(job->response));
  }
  return collected;
}

MailClient::Collected MailClient::cancel() {
  {
    std::unique_lock lock(impl_->mutex);
    while (!impl_->waiting.empty()) {
      impl_->end_unsent(std::move(impl_->waiting.front()));
      impl_->waiting.pop_front();
    }
    for (const auto& [job, owner] : impl_->active) job->mail.cancelled = true;
    for (const auto& worker : impl_->workers) {
      if (worker->job != nullptr) worker->transfer.cut();
    }
    impl_->idle.wait_for(lock, kCancelWait, [this] { return impl_->active.empty(); });
  }
  return collect();
}

std::size_t MailClient::in_flight() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->waiting.size() + impl_->active.size() + impl_->ended.size();
}

}  // namespace gateway::outbound
