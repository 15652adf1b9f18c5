// Postgres by libpq's pipeline mode: statements of one transaction leave in one flight.
//
//   auto rows = db.run(Scope::of(tenant), {"select name from contact where id = $1", {id}});
//
// A Session owns one connection and belongs to one thread at a time. It connects when first needed
// and again after the server went away. No call blocks longer than its deadline.
// SQL text is always a literal; data only ever travels as parameters.
//
// Errors: Errc::unavailable (no connection, server shutting down, read-only, out of resources),
// conflict (unique violation, cause "23505:<constraint>"), unknown_outcome (the connection broke
// while the commit was under way), invalid_argument (22*, 23*, 54*: the data), internal (the rest).
// Error::cause begins with the SQLSTATE where there is one.
#ifndef GATEWAY_STORE_PG_H_
#define GATEWAY_STORE_PG_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/result.h"
#include "gateway/base/secret.h"
#include "gateway/base/uuid.h"
#include "gateway/domain/ids.h"

struct pg_conn;
struct pg_result;

namespace gateway::store {

// Whose rows a transaction may see: row-level security reads these two.
struct Scope {
  std::optional<domain::BusinessId> tenant;
  std::optional<domain::UserId> user;

  static Scope none() { return {}; }
  static Scope of(domain::BusinessId tenant) { return {tenant, std::nullopt}; }
};

struct Bytes {
  std::string value;  // bytea
};
struct Json {
  std::string value;  // jsonb, as text
};
struct TimestampMs {
  std::int64_t value;  // timestamptz, milliseconds since 1970
};
struct Int2 {
  std::int16_t value;  // smallint
};

// One parameter, in the binary or text form Postgres wants. std::optional of any of these is null
// when empty; a std::vector is an array (elements may be optional).
class Param {
 public:
  Param(std::nullptr_t) {
  }  // NOLINT(google-explicit-constructor): so that lists of values read well
  Param(std::string_view text);
  Param(const std::string& text) : Param(std::string_view(text)) {}
  Param(const char* text) : Param(std::string_view(text)) {}
  Param(bool value);
  Param(int value) : Param(static_cast<std::int64_t>(value), kInt4) {}
  Param(std::int64_t value) : Param(value, kInt8) {}
  Param(const Uuid& id);
  template <class Tag>
  Param(const domain::Id<Tag>& id) : Param(id.get()) {}
  Param(const Bytes& bytes);
  Param(const Json& json);
  Param(TimestampMs at);
  Param(Int2 value) : Param(value.value, kInt2) {}
  template <class T>
  Param(const std::optional<T>& value) : Param(value ? Param(*value) : Param(nullptr)) {}
  template <class T>
  Param(const std::vector<T>& values) : Param(array(values)) {}

  // `bytes` is the binary form of a value of `type` (an Oid).
  static Param binary(std::string bytes, unsigned type);

  bool is_null() const { return !value_; }
  const std::string& bytes() const { return *value_; }
  unsigned type() const { return type_; }
  int format() const { return format_; }

 private:
  static constexpr unsigned kInt2 = 21, kInt4 = 23, kInt8 = 20;
  Param(std::int64_t value, unsigned type);
  static Param make_array(std::vector<Param> elements, unsigned element_type);
  template <class T>
  static Param array(const std::vector<T>& values) {
    std::vector<Param> elements;
    elements.reserve(values.size());
    unsigned type = 0;
    for (const auto& value : values) {
      elements.emplace_back(value);
      if (elements.back().type() != 0) type = elements.back().type();
    }
    return make_array(std::move(elements), type != 0 ? type : Param(element_of(values)).type());
  }
  template <class T>
  static T element_of(const std::vector<std::optional<T>>&) {
    return T{};
  }
  template <class T>
  static T element_of(const std::vector<T>&) {
    return T{};
  }
  std::optional<std::string> value_;
  unsigned type_ = 0;  // 0: the server infers it
  int format_ = 0;     // 0 text, 1 binary
};

// Writes an array parameter straight into its binary form: for large batches, where a vector of
// values would copy every one of them twice.
class ArrayWriter {
 public:
  enum class Element : unsigned {
    bytea = 17,
    int8 = 20,
    int2 = 21,
    text = 25,
    timestamptz = 1184,
    uuid = 2950,
    jsonb = 3802
  };
  ArrayWriter(Element element, std::size_t count, std::size_t bytes_expected);
  void null();
  void bytes(std::string_view value);  // text, bytea
  void json(std::string_view value);
  void uuid(const Uuid& value);
  void int8(std::int64_t value);
  void int2(std::int16_t value);
  void timestamp_ms(std::int64_t value);
  Param take();

 private:
  std::string out_;
  unsigned element_;
};

// `sql` must have static storage: its address names the prepared statement.
struct Query {
  std::string_view sql;
  std::vector<Param> params;
};

// The rows of one statement. Columns are read by position; a null reads as empty/0/false/nil unless
// asked by is_null.
class Rows {
 public:
  explicit Rows(pg_result* result) : result_(result) {}
  Rows(Rows&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  Rows& operator=(Rows&& other) noexcept;
  ~Rows();

  int size() const;
  bool empty() const { return size() == 0; }
  int affected() const;  // of insert, update, delete
  bool is_null(int row, int column) const;
  std::string_view text(int row, int column) const;
  std::optional<std::string> maybe_text(int row, int column) const;
  std::int64_t integer(int row, int column) const;
  std::optional<std::int64_t> maybe_integer(int row, int column) const;
  bool boolean(int row, int column) const;
  Uuid uuid(int row, int column) const;
  std::optional<Uuid> maybe_uuid(int row, int column) const;
  std::string bytes(int row, int column) const;                   // bytea
  std::vector<std::int64_t> integers(int row, int column) const;  // one-dimensional int array
  template <class IdType>
  IdType id(int row, int column) const {
    return IdType(uuid(row, column));
  }
  const pg_result* raw() const { return result_; }

 private:
  pg_result* result_ = nullptr;
};

struct SessionOptions {
  Secret conninfo;   // libpq URI or keyword string
  std::string role;  // `set role` on connect; empty: as logged in
  std::string application_name = "backchannel";
  std::chrono::milliseconds deadline{5'000};  // of one flight
  std::chrono::milliseconds statement_timeout{4'000};
  std::vector<std::string> listens;  // channels of NOTIFY, for Session::wait
  // Called on the session's thread behind each commit, also of what only read.
  std::function<void()> committed;
};

// What another session said by NOTIFY.
struct Notice {
  std::string channel;
  std::string payload;
};

class Session;

// An open transaction, for work whose later statements depend on earlier answers. Rolls back when
// destroyed uncommitted. Never keep one open across anything but statements.
class Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<Rows> run(const Query& query);
  Result<> commit();

 private:
  friend class Session;
  explicit Transaction(Session* session) : session_(session) {}
  Session* session_;
};

class Session {
 public:
  explicit Session(SessionOptions options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // All statements in one transaction and one flight; rows of each. A serialization failure or
  // deadlock is repeated up to four times, after pauses of at most 0.3 s altogether.
  Result<std::vector<Rows>> run(const Scope& scope, std::span<const Query> queries);
  // The same in two halves, so that the caller may work while Postgres does: nothing else may be
  // asked of the session between them, and nothing is repeated.
  Result<> send(const Scope& scope, std::span<const Query> queries);
  Result<std::vector<Rows>> receive();
  // One statement in its own transaction.
  Result<Rows> run(const Scope& scope, const Query& query);
  Result<Transaction> begin(const Scope& scope);
  // Several statements as text, without parameters, outside a transaction of ours: migrations.
  Result<> script(const std::string& sql);

  // Waits for notices of SessionOptions::listens, until `wake_fd` is readable or the time is over;
  // what came meanwhile, in order. Notices said while there was no connection are lost.
  Result<std::vector<Notice>> wait(int wake_fd, std::chrono::milliseconds timeout);

  // Connects now where there is no connection.
  Result<> connect();
  bool connected() const;
  void disconnect();

 private:
  friend class Transaction;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gateway::store

#endif  // GATEWAY_STORE_PG_H_
