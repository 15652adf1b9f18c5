#include "gateway/store/pg.h"

#include <libpq-fe.h>
#include <poll.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "gateway/base/log.h"

namespace gateway::store {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kBool = 16, kBytea = 17, kInt2 = 21, kInt4 = 23, kInt8 = 20, kText = 25,
                   kUuid = 2950, kJsonb = 3802, kTimestamptz = 1184;
// Postgres counts its timestamps from 2000-01-01.
constexpr std::int64_t kEpochDifferenceMs = 946'684'800'000;
constexpr int kAttempts = 5;

unsigned array_type_of(unsigned element) {
  switch (element) {
    case kBool:
      return 1000;
    case kBytea:
      return 1001;
    case kInt2:
      return 1005;
    case kInt4:
      return 1007;
    case kInt8:
      return 1016;
    case kUuid:
      return 2951;
    case kJsonb:
      return 3807;
    case kTimestamptz:
      return 1185;
    default:
      return 1009;
  }
}

template <class Int>
void append_big_endian(std::string& out, Int value) {
  using Unsigned = std::make_unsigned_t<Int>;
  const auto bits = static_cast<Unsigned>(value);
  for (int shift = static_cast<int>(sizeof(Int)) * 8 - 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(static_cast<unsigned char>(bits >> shift));
  }
}

std::string_view sqlstate_of(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string_view() : std::string_view(state);
}

Errc code_of(std::string_view state) {
  if (state.empty()) return Errc::unavailable;
  const auto cls = state.substr(0, 2);
  if (state == "23505") return Errc::conflict;
  if (state == "40001" || state == "40P01") return Errc::unavailable;
  if (cls == "08" || cls == "53" || cls == "57" || cls == "58" || state == "25006" ||
      state == "55P03") {
    return Errc::unavailable;
  }
  if (cls == "22" || cls == "23" || cls == "54") return Errc::invalid_argument;
  return Errc::internal;
}

bool is_connection_fault(std::string_view state) {
  return state.empty() || state.substr(0, 2) == "08" || state == "57P01" || state == "57P02" ||
         state == "57P03" || state == "25006";
}

std::chrono::microseconds random_pause(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::microseconds(
      std::uniform_int_distribution<int>(0, 10'000 << attempt)(random));
}

bool may_be_repeated(const Error& error) {
  return error.cause.starts_with("40001") || error.cause.starts_with("40P01");
}

Error error_of(const PGresult* result) {
  const auto state = sqlstate_of(result);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
  std::string cause(state);
  if (constraint != nullptr) cause += ":" + std::string(constraint);
  return fail(code_of(state), message == nullptr ? "no answer from Postgres" : message,
              std::move(cause));
}

std::string connection_error(PGconn* conn) {
  std::string text = PQerrorMessage(conn);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

// Params ---------------------------------------------------------------------------------------

Param::Param(std::string_view text) : value_(std::string(text)) {}

Param::Param(bool value) : value_(std::string(1, value ? '\1' : '\0')), type_(kBool), format_(1) {}

Param::Param(std::int64_t value, unsigned type) : value_(std::string()), type_(type), format_(1) {
  if (type == kInt2) {
    append_big_endian(*value_, static_cast<std::int16_t>(value));
  } else if (type == kInt4) {
    append_big_endian(*value_, static_cast<std::int32_t>(value));
  } else {
    append_big_endian(*value_, value);
  }
}

Param::Param(const Uuid& id)
    : value_(std::string(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size())),
      type_(kUuid),
      format_(1) {}

Param::Param(const Bytes& bytes) : value_(bytes.value), type_(kBytea), format_(1) {}

Param::Param(const Json& json) : value_("\1" + json.value), type_(kJsonb), format_(1) {}

Param::Param(TimestampMs at) : value_(std::string()), type_(kTimestamptz), format_(1) {
  append_big_endian(*value_, (at.value - kEpochDifferenceMs) * 1000);
}

Param Param::binary(std::string bytes, unsigned type) {
  Param param(nullptr);
  param.value_ = std::move(bytes);
  param.type_ = type;
  param.format_ = 1;
  return param;
}

Param Param::make_array(std::vector<Param> elements, unsigned element_type) {
  const unsigned type = element_type == 0 ? kText : element_type;
  std::size_t bytes = 20;
  bool has_null = false;
  for (const Param& element : elements) {
    bytes += 4 + (element.is_null() ? 0 : element.bytes().size());
    has_null = has_null || element.is_null();
  }
  std::string out;
  out.reserve(bytes);
  append_big_endian(out, std::int32_t{elements.empty() ? 0 : 1});  // dimensions
  append_big_endian(out, std::int32_t{has_null ? 1 : 0});
  append_big_endian(out, static_cast<std::int32_t>(type));
  if (!elements.empty()) {
    append_big_endian(out, static_cast<std::int32_t>(elements.size()));
    append_big_endian(out, std::int32_t{1});  // lower bound
    for (const Param& element : elements) {
      if (element.is_null()) {
        append_big_endian(out, std::int32_t{-1});
      } else {
        append_big_endian(out, static_cast<std::int32_t>(element.bytes().size()));
        out += element.bytes();
      }
    }
  }
  return binary(std::move(out), array_type_of(type));
}

ArrayWriter::ArrayWriter(Element element, std::size_t count, std::size_t bytes_expected)
    : element_(static_cast<unsigned>(element)) {
  out_.reserve(20 + count * 4 + bytes_expected);
  append_big_endian(out_, std::int32_t{count == 0 ? 0 : 1});  // dimensions
  append_big_endian(out_, std::int32_t{0});                   // whether there are nulls
  append_big_endian(out_, static_cast<std::int32_t>(element_));
  if (count > 0) {
    append_big_endian(out_, static_cast<std::int32_t>(count));
    append_big_endian(out_, std::int32_t{1});  // lower bound
  }
}

void ArrayWriter::null() {
  out_[7] = 1;
  append_big_endian(out_, std::int32_t{-1});
}

void ArrayWriter::bytes(std::string_view value) {
  append_big_endian(out_, static_cast<std::int32_t>(value.size()));
  out_ += value;
}

void ArrayWriter::json(std::string_view value) {
  append_big_endian(out_, static_cast<std::int32_t>(value.size() + 1));
  out_ += '\1';  // the version of jsonb's binary form
  out_ += value;
}

void ArrayWriter::uuid(const Uuid& value) {
  bytes({reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size()});
}

void ArrayWriter::int8(std::int64_t value) {
  append_big_endian(out_, std::int32_t{8});
  append_big_endian(out_, value);
}

void ArrayWriter::int2(std::int16_t value) {
  append_big_endian(out_, std::int32_t{2});
  append_big_endian(out_, value);
}

void ArrayWriter::timestamp_ms(std::int64_t value) { int8((value - kEpochDifferenceMs) * 1000); }

Param ArrayWriter::take() { return Param::binary(std::move(out_), array_type_of(element_)); }

// Rows -----------------------------------------------------------------------------------------

Rows& Rows::operator=(Rows&& other) noexcept {
  if (this != &other) {
    PQclear(result_);
    result_ = std::exchange(other.result_, nullptr);
  }
  return *this;
}

Rows::~Rows() { PQclear(result_); }

int Rows::size() const { return PQntuples(result_); }

int Rows::affected() const {
  const std::string_view text = PQcmdTuples(result_);
  int count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

bool Rows::is_null(int row, int column) const { return PQgetisnull(result_, row, column) != 0; }

std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(result_, row, column),
          static_cast<std::size_t>(PQgetlength(result_, row, column))};
}

std::optional<std::string> Rows::maybe_text(int row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return std::string(text(row, column));
}

std::int64_t Rows::integer(int row, int column) const {
  const auto value = text(row, column);
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

std::optional<std::int64_t> Rows::maybe_integer(int row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return integer(row, column);
}

bool Rows::boolean(int row, int column) const { return text(row, column) == "t"; }

Uuid Rows::uuid(int row, int column) const {
  return Uuid::parse(text(row, column)).value_or(Uuid{});
}

std::optional<Uuid> Rows::maybe_uuid(int row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return uuid(row, column);
}

std::string Rows::bytes(int row, int column) const {
  if (is_null(row, column)) return {};
  std::size_t length = 0;
  const auto* value = reinterpret_cast<const unsigned char*>(PQgetvalue(result_, row, column));
  unsigned char* decoded = PQunescapeBytea(value, &length);
  if (decoded == nullptr) return {};
  std::string out(reinterpret_cast<const char*>(decoded), length);
  PQfreemem(decoded);
  return out;
}

std::vector<std::int64_t> Rows::integers(int row, int column) const {
  std::vector<std::int64_t> numbers;
  auto value = text(row, column);
  if (value.size() < 2) return numbers;
  value = value.substr(1, value.size() - 2);
  while (!value.empty()) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{}) break;
    numbers.push_back(number);
    value.remove_prefix(static_cast<std::size_t>(end - value.data()));
    if (!value.empty()) value.remove_prefix(1);
  }
  return numbers;
}

// Session --------------------------------------------------------------------------------------

struct Session::Impl {
  explicit Impl(SessionOptions given) : options(std::move(given)) {}

  SessionOptions options;
  PGconn* conn = nullptr;
  // A statement is known by its literal's address and the types of its parameters: a parameter that
  // was null the first time has no type of its own, and the server's guess need not fit later ones.
  using Shape = std::pair<const char*, std::vector<Oid>>;
  std::map<Shape, std::string> prepared;
  std::uint64_t next_name = 0;
  bool not_durable = false;  // Postgres gave up waiting for a standby and committed all the same
  Clock::time_point deadline;

  ~Impl() { disconnect(); }

  void disconnect() {
    if (conn != nullptr) PQfinish(conn);
    conn = nullptr;
    prepared.clear();
  }

  static void on_notice(void* self, const PGresult* notice) {
    const auto state = sqlstate_of(notice);
    const char* message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    // "canceling wait for synchronous replication": the commit is local only.
    if (state == "01000" && message != nullptr &&
        std::string_view(message).find("synchronous replication") != std::string_view::npos) {
      static_cast<Impl*>(self)->not_durable = true;
    }
  }

  Result<> connect() {
    disconnect();
    std::string settings =
        "-c search_path=backchannel -c timezone=UTC -c client_min_messages=warning";
    settings += " -c statement_timeout=" + std::to_string(options.statement_timeout.count());
    settings += " -c lock_timeout=3000 -c idle_in_transaction_session_timeout=10000";
    settings += " -c client_connection_check_interval=1000";
    if (!options.role.empty()) settings += " -c role=" + options.role;
    const char* keys[] = {"dbname",
                          "application_name",
                          "options",
                          "connect_timeout",
                          "client_encoding",
                          "keepalives_idle",
                          "keepalives_interval",
                          "keepalives_count",
                          "tcp_user_timeout",
                          nullptr};
    const char* values[] = {options.conninfo.reveal().c_str(),
                            options.application_name.c_str(),
                            settings.c_str(),
                            "2",
                            "UTF8",
                            "10",
                            "5",
                            "3",
                            "5000",
                            nullptr};
    conn = PQconnectdbParams(keys, values, 1);
    if (conn == nullptr || PQstatus(conn) != CONNECTION_OK) {
      auto error = fail(Errc::unavailable,
                        conn == nullptr ? "out of memory" : connection_error(conn), "08001");
      disconnect();
      return error;
    }
    PQsetNoticeReceiver(conn, &Impl::on_notice, this);
    for (const std::string& channel : options.listens) {
      PGresult* listening = PQexec(conn, ("listen " + channel).c_str());
      const bool listens = PQresultStatus(listening) == PGRES_COMMAND_OK;
      PQclear(listening);
      if (!listens) {
        auto error = fail(Errc::unavailable, connection_error(conn), "08006");
        disconnect();
        return error;
      }
    }
    PQsetnonblocking(conn, 1);
    if (PQenterPipelineMode(conn) != 1) {
      disconnect();
      return fail(Errc::internal, "libpq has no pipeline mode");
    }
    return {};
  }

  // A server that went away leaves an idle connection readable with nothing but its end.
  bool alive() {
    if (conn == nullptr || PQstatus(conn) != CONNECTION_OK) return false;
    pollfd fd{PQsocket(conn), POLLIN, 0};
    if (poll(&fd, 1, 0) <= 0) return true;
    return PQconsumeInput(conn) == 1 && PQstatus(conn) == CONNECTION_OK &&
           (fd.revents & (POLLHUP | POLLERR)) == 0;
  }

  Result<> ensure() {
    if (alive()) return {};
    return connect();
  }

  Error lost(bool commit_sent) {
    std::string reason = conn == nullptr ? "no connection" : connection_error(conn);
    if (reason.empty()) reason = "no answer from Postgres in time";
    disconnect();
    return fail(commit_sent ? Errc::unknown_outcome : Errc::unavailable, std::move(reason),
                "08006");
  }

  bool wait(short events) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd fd{PQsocket(conn), events, 0};
    return poll(&fd, 1, static_cast<int>(left.count()) + 1) > 0;
  }

  bool flush() {
    for (;;) {
      const int state = PQflush(conn);
      if (state == 0) return true;
      if (state < 0) return false;
      // Reading too: a server that waits for us to read would never take the rest.
      if (!wait(POLLIN | POLLOUT)) return false;
      if (PQconsumeInput(conn) != 1) return false;
    }
  }

  // The next result, or null for the end of a statement's results; `broken` when there is none to
  // be had any more.
  PGresult* next(bool& broken) {
    while (PQisBusy(conn) != 0) {
      if (!wait(POLLIN) || PQconsumeInput(conn) != 1) {
        broken = true;
        return nullptr;
      }
    }
    return PQgetResult(conn);
  }

  bool send(const char* sql, const std::vector<Param>& params, const std::string& name) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    values.reserve(params.size());
    for (const Param& param : params) {
      values.push_back(param.is_null() ? nullptr : param.bytes().c_str());
      lengths.push_back(param.is_null() ? 0 : static_cast<int>(param.bytes().size()));
      formats.push_back(param.format());
    }
    const int count = static_cast<int>(params.size());
    if (!name.empty()) {
      return PQsendQueryPrepared(conn, name.c_str(), count, values.data(), lengths.data(),
                                 formats.data(), 0) == 1;
    }
    return PQsendQueryParams(conn, sql, count, nullptr, values.data(), lengths.data(),
                             formats.data(), 0) == 1;
  }

  // One flight: what is sent until a sync, and the answers in order.
  struct Sent {
    std::optional<Shape> prepares;  // this answer is of a prepare for that statement
    std::string name;
    bool wanted = false;  // its rows are the caller's
    bool is_commit = false;
  };
  std::vector<Sent> sent;
  bool commits_alone = false;  // the flight is one statement that commits at its sync

  bool queue_plain(const char* sql, bool is_commit = false) {
    if (!send(sql, {}, "")) return false;
    sent.push_back({std::nullopt, "", false, is_commit});
    return true;
  }

  // `wanted` false for statements of our own.
  bool queue(std::string_view sql, const std::vector<Param>& params, bool wanted) {
    Shape shape{sql.data(), {}};
    for (const Param& param : params) shape.second.push_back(param.type());
    std::string name;
    if (const auto known = prepared.find(shape); known != prepared.end()) {
      name = known->second;
    } else {
      for (const Sent& earlier : sent) {
        if (earlier.prepares == shape) name = earlier.name;
      }
    }
    if (name.empty()) {
      name = "s" + std::to_string(next_name++);
      const auto& types = shape.second;
      if (PQsendPrepare(conn, name.c_str(), std::string(sql).c_str(),
                        static_cast<int>(types.size()), types.data()) != 1) {
        return false;
      }
      sent.push_back({shape, name, false, false});
    }
    if (!send(nullptr, params, name)) return false;
    sent.push_back({std::nullopt, "", wanted, false});
    return true;
  }

  // Ends the flight, and its answers.
  Result<std::vector<Rows>> exchange() {
    if (PQpipelineSync(conn) != 1 || !flush()) {
      bool commit_sent = false;
      for (const Sent& item : sent) commit_sent = commit_sent || item.is_commit;
      sent.clear();
      return lost(commit_sent);
    }
    return collect();
  }

  // The answers of a flight that was ended by a sync.
  Result<std::vector<Rows>> collect() {
    std::vector<Rows> rows;
    std::optional<Error> failure;
    bool commit_sent = std::exchange(commits_alone, false);
    for (const Sent& item : sent) commit_sent = commit_sent || item.is_commit;
    for (const Sent& item : sent) {
      bool broken = false;
      PGresult* result = next(broken);
      if (broken || result == nullptr) {
        PQclear(result);
        sent.clear();
        if (failure) {
          disconnect();
          return std::move(*failure);
        }
        return lost(commit_sent);
      }
      Rows owned(result);
      switch (PQresultStatus(result)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
          if (item.prepares) prepared[*item.prepares] = item.name;
          if (item.is_commit && std::string_view(PQcmdStatus(result)) != "COMMIT" && !failure) {
            failure = fail(Errc::internal, "the transaction was rolled back");
          }
          if (item.wanted) rows.push_back(std::move(owned));
          break;
        case PGRES_PIPELINE_ABORTED:
          break;
        default:
          if (!failure) failure = error_of(result);
          break;
      }
      // Every statement's results end with a null.
      PGresult* end = next(broken);
      PQclear(end);
      if (broken) {
        sent.clear();
        if (failure) {
          disconnect();
          return std::move(*failure);
        }
        return lost(commit_sent);
      }
    }
    sent.clear();
    bool broken = false;
    PGresult* sync = next(broken);
    const bool synced = sync != nullptr && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    if (broken || !synced) {
      if (failure) {
        disconnect();
        return std::move(*failure);
      }
      return lost(commit_sent);
    }
    if (failure) {
      if (is_connection_fault(std::string_view(failure->cause).substr(0, 5))) disconnect();
      return std::move(*failure);
    }
    if (not_durable) {
      not_durable = false;
      return fail(Errc::unknown_outcome, "committed, but not on the synchronous standby", "01000");
    }
    return rows;
  }

  bool queue_scope(const Scope& scope) {
    static constexpr const char* kScope =
        "select set_config('app.tenant', $1, true), set_config('app.user', $2, true)";
    return queue(kScope,
                 {Param(scope.tenant ? scope.tenant->text() : std::string()),
                  Param(scope.user ? scope.user->text() : std::string())},
                 false);
  }

  void roll_back() {
    if (conn == nullptr) return;
    if (PQtransactionStatus(conn) == PQTRANS_IDLE) return;
    deadline = Clock::now() + options.deadline;
    sent.clear();
    if (!queue_plain("ROLLBACK") || !exchange()) disconnect();
  }

  void start_deadline() { deadline = Clock::now() + options.deadline; }
};

Session::Session(SessionOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Session::~Session() = default;

bool Session::connected() const { return impl_->conn != nullptr; }
void Session::disconnect() { impl_->disconnect(); }
Result<> Session::connect() { return impl_->ensure(); }

Result<> Session::send(const Scope& scope, std::span<const Query> queries) {
  if (auto ready = impl_->ensure(); !ready) return std::move(ready).error();
  impl_->start_deadline();
  // A single statement outside any tenant is a transaction by itself; its answers count only once
  // the sync behind its commit has come.
  const bool alone = queries.size() == 1 && !scope.tenant && !scope.user;
  bool queued = alone || (impl_->queue_plain("BEGIN") && impl_->queue_scope(scope));
  for (const Query& query : queries) queued = queued && impl_->queue(query.sql, query.params, true);
  queued = queued && (alone || impl_->queue_plain("COMMIT", true));
  impl_->commits_alone = alone;
  if (!queued || PQpipelineSync(impl_->conn) != 1 || !impl_->flush()) {
    impl_->sent.clear();
    return impl_->lost(false);
  }
  return {};
}

Result<std::vector<Rows>> Session::receive() {
  auto rows = impl_->collect();
  if (!rows) impl_->roll_back();
  if (rows && impl_->options.committed) impl_->options.committed();
  return rows;
}

Result<std::vector<Notice>> Session::wait(int wake_fd, std::chrono::milliseconds timeout) {
  if (auto ready = impl_->ensure(); !ready) return std::move(ready).error();
  std::vector<Notice> notices;
  const auto take = [&] {
    while (PGnotify* notice = PQnotifies(impl_->conn)) {
      notices.push_back({notice->relname, notice->extra});
      PQfreemem(notice);
    }
  };
  take();
  pollfd fds[] = {{PQsocket(impl_->conn), POLLIN, 0}, {wake_fd, POLLIN, 0}};
  const int patience = notices.empty() ? static_cast<int>(timeout.count()) : 0;
  if (poll(fds, 2, patience) > 0 && fds[0].revents != 0) {
    if (PQconsumeInput(impl_->conn) != 1) return impl_->lost(false);
    take();
  }
  return notices;
}

Result<std::vector<Rows>> Session::run(const Scope& scope, std::span<const Query> queries) {
  for (int attempt = 1;; ++attempt) {
    if (auto sent = send(scope, queries); !sent) return std::move(sent).error();
    auto rows = receive();
    if (rows || attempt >= kAttempts || !may_be_repeated(rows.error())) return rows;
    // Two that collided once and go on in step would collide again.
    std::this_thread::sleep_for(random_pause(attempt));
  }
}

Result<Rows> Session::run(const Scope& scope, const Query& query) {
  auto rows = run(scope, std::span<const Query>(&query, 1));
  if (!rows) return std::move(rows).error();
  return std::move(rows->front());
}

Result<Transaction> Session::begin(const Scope& scope) {
  if (auto ready = impl_->ensure(); !ready) return std::move(ready).error();
  impl_->start_deadline();
  if (!impl_->queue_plain("BEGIN") || !impl_->queue_scope(scope)) {
    impl_->sent.clear();
    return impl_->lost(false);
  }
  if (auto begun = impl_->exchange(); !begun) {
    impl_->roll_back();
    return std::move(begun).error();
  }
  return Transaction(this);
}

Result<> Session::script(const std::string& sql) {
  if (auto ready = impl_->ensure(); !ready) return std::move(ready).error();
  // Several statements in one text need the simple protocol, which pipeline mode does not have.
  PGconn* conn = impl_->conn;
  if (PQexitPipelineMode(conn) != 1) return impl_->lost(false);
  PQsetnonblocking(conn, 0);
  const Rows result(PQexec(conn, sql.c_str()));
  Result<> outcome;
  if (PQresultStatus(result.raw()) != PGRES_COMMAND_OK &&
      PQresultStatus(result.raw()) != PGRES_TUPLES_OK) {
    outcome = error_of(result.raw());
  }
  PQsetnonblocking(conn, 1);
  if (PQstatus(conn) != CONNECTION_OK || PQenterPipelineMode(conn) != 1) impl_->disconnect();
  return outcome;
}

// Transaction ----------------------------------------------------------------------------------

Transaction::Transaction(Transaction&& other) noexcept
    : session_(std::exchange(other.session_, nullptr)) {}

Transaction::~Transaction() {
  if (session_ != nullptr) session_->impl_->roll_back();
}

Result<Rows> Transaction::run(const Query& query) {
  auto& impl = *session_->impl_;
  if (impl.conn == nullptr) return fail(Errc::unavailable, "the transaction was lost", "08006");
  impl.start_deadline();
  if (!impl.queue(query.sql, query.params, true)) {
    impl.sent.clear();
    return impl.lost(false);
  }
  auto rows = impl.exchange();
  if (!rows) return std::move(rows).error();
  return std::move(rows->front());
}

Result<> Transaction::commit() {
  auto& impl = *session_->impl_;
  if (impl.conn == nullptr) return fail(Errc::unavailable, "the transaction was lost", "08006");
  impl.start_deadline();
  if (!impl.queue_plain("COMMIT", true)) {
    impl.sent.clear();
    return impl.lost(false);
  }
  auto done = impl.exchange();
  if (!done) {
    impl.roll_back();
    session_ = nullptr;
    return std::move(done).error();
  }
  session_ = nullptr;
  if (impl.options.committed) impl.options.committed();
  return {};
}

}  // namespace gateway::store
