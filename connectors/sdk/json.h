// Reading and writing JSON without ever meeting RapidJSON (which stays in json.cc).
//
// Reading is bounded before it allocates: bytes, depth, nodes. It never throws, never recurses by
// input depth, and yields only strings that are valid UTF-8 without NUL: a lone surrogate or NUL
// becomes U+FFFD, so every string may go to Postgres. Numbers keep their digits: an id above 2^53
// is exact by `digits()`.
//
// A Value is a view into its Document and is valid as long as that lives. Any accessor on a missing
// or differently typed value answers "absent", so lookups chain: doc.root()["a"]["b"].text().
// Immutable after parse; const methods from any thread.
#ifndef CONNECTORS_SDK_JSON_H_
#define CONNECTORS_SDK_JSON_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/sdk/expected.h"

namespace sdk::json {

enum class Duplicates { refuse, first_wins };

struct Limits {
  std::size_t bytes = 3u << 20;
  std::size_t depth = 64;
  std::size_t nodes = 200'000;
  Duplicates duplicates = Duplicates::first_wins;
};
// What platforms send: tolerant of duplicate keys and lone surrogates.
inline constexpr Limits kWebhookLimits{};
// What API clients send: strict.
inline constexpr Limits kApiLimits{256u << 10, 32, 10'000, Duplicates::refuse};

struct ParseError {
  std::string reason;      // a clause fit for an error message: "nested deeper than 64 levels"
  std::size_t offset = 0;  // byte where it was noticed
};

enum class Type { absent, null, boolean, number, string, array, object };

class Value {
 public:
  Value() = default;
  Type type() const;
  bool exists() const { return type() != Type::absent; }
  bool is_null() const { return type() == Type::null; }
  bool is_object() const { return type() == Type::object; }
  bool is_array() const { return type() == Type::array; }
  bool is_string() const { return type() == Type::string; }
  bool is_number() const { return type() == Type::number; }

  // Member of an object; absent where there is none or this is no object.
  Value operator[](std::string_view key) const;
  // Element of an array; absent out of range.
  Value at(std::size_t index) const;
  // Elements of an array, members of an object, 0 otherwise.
  std::size_t size() const;

  std::optional<std::string_view> text() const;  // strings only
  std::string_view text_or(std::string_view fallback) const { return text().value_or(fallback); }
  std::optional<bool> boolean() const;
  // Exact integers within int64 only: 1.0 and 2^63 are absent.
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  // The number's own digits, or the text of a string: how ids are read.
  std::optional<std::string_view> digits() const;

  std::vector<Value> elements() const;
  std::vector<std::pair<std::string_view, Value>> members() const;
  // Compact JSON of this value.
  std::string dump() const;

 private:
  friend class Document;
  friend class Writer;
  explicit Value(const void* node) : node_(node) {}
  const void* node_ = nullptr;
};

class Document {
 public:
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  static Expected<Document, ParseError> parse(std::string_view bytes,
                                              const Limits& limits = kWebhookLimits);
  Value root() const;

 private:
  struct Tree;
  explicit Document(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree_;
};

// Builds compact JSON, keys in the order given. Escapes < > & U+2028 U+2029, so the text may be
// embedded in HTML. Misuse (a value where a key is due) is a programming error and asserts.
//   Writer w; w.object().member("id", id).key("list").array().value(1).end().end(); w.take();
class Writer {
 public:
  Writer();
  ~Writer();
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  Writer& object();
  Writer& array();
  Writer& end();  // closes the innermost object or array
  Writer& key(std::string_view name);
  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(bool b);
  Writer& value(std::int64_t n);
  Writer& value(int n) { return value(static_cast<std::int64_t>(n)); }
  Writer& value(std::size_t n) { return value(static_cast<std::int64_t>(n)); }
  Writer& value(double n);
  Writer& value(Value v);  // copies a parsed value
  template <class T>
  Writer& value(const std::optional<T>& v) {
    return v ? value(*v) : null();
  }
  Writer& null();
  // `json` is trusted to be one valid JSON value.
  Writer& raw(std::string_view json);
  template <class T>
  Writer& member(std::string_view name, T&& v) {
    key(name);
    return value(std::forward<T>(v));
  }
  // The text so far; the writer is empty afterwards.
  std::string take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sdk::json

#endif  // CONNECTORS_SDK_JSON_H_
