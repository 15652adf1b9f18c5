#include "connectors/sdk/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "connectors/sdk/text.h"

namespace sdk::json {
namespace {

// Values lie in the order of the text: a container's first element follows it at once and `span`
// leads from any value to its next sibling. One block of memory, no recursion anywhere.
struct Node {
  Type type = Type::null;
  bool truth = false;
  std::uint32_t count = 0;  // elements or members
  std::uint32_t span = 1;   // nodes from here to behind the last descendant
  std::string_view key;
  std::string_view text;  // string, or the digits of a number
};

const Node& node_of(const void* node) { return *static_cast<const Node*>(node); }

bool starts_surrogate(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool ends_surrogate(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// The unit of a whole \uXXXX at `at`.
std::optional<unsigned> unit_at(std::string_view text, std::size_t at) {
  if (at > text.size() || text.size() - at < 6 || text[at] != '\\' || text[at + 1] != 'u') {
    return std::nullopt;
  }
  unsigned unit = 0;
  const char* first = text.data() + at + 2;
  const auto [end, error] = std::from_chars(first, first + 4, unit, 16);
  if (error != std::errc() || end != first + 4) return std::nullopt;
  return unit;
}

// RapidJSON refuses a lone high surrogate, passes a lone low one on as broken UTF-8, and Postgres
// takes neither of them nor NUL. All three become \ufffd, which has the same length, so offsets
// stay. A backslash outside a string is an error anyway, so strings need no tracking.
std::optional<std::string> with_safe_escapes(std::string_view text) {
  std::optional<std::string> safe;
  for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    const auto unit = unit_at(text, at);
    if (!unit) {
      at += 2;
      continue;
    }
    if (starts_surrogate(*unit)) {
      const auto next = unit_at(text, at + 6);
      if (next && ends_surrogate(*next)) {
        at += 12;
        continue;
      }
    }
    if (*unit == 0 || starts_surrogate(*unit) || ends_surrogate(*unit)) {
      if (!safe) safe.emplace(text);
      safe->replace(at, 6, "\\ufffd");
    }
    at += 6;
  }
  return safe;
}

std::string with_valid_utf8(std::string_view text) {
  // sanitize() would also change control characters, so it only gets what lies between them.
  std::string valid;
  valid.reserve(text.size() + text.size() / 8);
  std::size_t from = 0;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    if (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x20) continue;
    valid += sanitize(text.substr(from, at - from), 3 * text.size());
    if (at < text.size()) valid += text[at];
    from = at + 1;
  }
  return valid;
}

}  // namespace

struct Document::Tree {
  std::vector<Node> nodes;
  std::string text;  // what keys, strings and digits view; never grows beyond its reserve
};

namespace {

class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  Builder(std::vector<Node>& nodes, std::string& text, const Limits& limits)
      : nodes_(nodes), text_(text), limits_(limits) {}

  bool Null() { return add(Type::null) != nullptr; }
  bool Bool(bool truth) {
    Node* node = add(Type::boolean);
    if (node != nullptr) node->truth = truth;
    return node != nullptr;
  }
  bool RawNumber(const char* digits, rapidjson::SizeType length, bool) {
    return add_text(Type::number, {digits, length});
  }
  bool String(const char* text, rapidjson::SizeType length, bool) {
    return add_text(Type::string, {text, length});
  }
  bool Key(const char* text, rapidjson::SizeType length, bool) {
    key_ = keep({text, length});
    return true;
  }
  bool StartObject() { return open(Type::object); }
  bool StartArray() { return open(Type::array); }
  bool EndObject(rapidjson::SizeType) {
    const std::size_t at = open_.back();
    if (limits_.duplicates == Duplicates::refuse && has_duplicates(at)) {
      reason_ = "names a key twice";
      return false;
    }
    return close();
  }
  bool EndArray(rapidjson::SizeType) { return close(); }

  const std::string& reason() const { return reason_; }

 private:
  std::string_view keep(std::string_view text) {
    const std::size_t at = text_.size();
    text_ += text;
    return std::string_view(text_).substr(at);
  }

  Node* add(Type type) {
    if (nodes_.size() >= limits_.nodes) {
      reason_ = "has more than " + std::to_string(limits_.nodes) + " values";
      return nullptr;
    }
    if (!open_.empty()) ++nodes_[open_.back()].count;
    Node& node = nodes_.emplace_back();
    node.type = type;
    node.key = std::exchange(key_, {});
    return &node;
  }

  bool add_text(Type type, std::string_view text) {
    Node* node = add(type);
    if (node != nullptr) node->text = keep(text);
    return node != nullptr;
  }

  bool open(Type type) {
    if (open_.size() >= limits_.depth) {
      reason_ = "nested deeper than " + std::to_string(limits_.depth) + " levels";
      return false;
    }
    if (add(type) == nullptr) return false;
    open_.push_back(nodes_.size() - 1);
    return true;
  }

  bool close() {
    const std::size_t at = open_.back();
    nodes_[at].span = static_cast<std::uint32_t>(nodes_.size() - at);
    open_.pop_back();
    return true;
  }

  bool has_duplicates(std::size_t object) const {
    std::set<std::string_view> seen;
    for (std::size_t at = object + 1; at < nodes_.size(); at += nodes_[at].span) {
      if (!seen.insert(nodes_[at].key).second) return true;
    }
    return false;
  }

  std::vector<Node>& nodes_;
  std::string& text_;
  const Limits& limits_;
  std::vector<std::size_t> open_;
  std::string_view key_;
  std::string reason_;
};

}  // namespace

Document::Document(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Expected<Document, ParseError> Document::parse(std::string_view bytes, const Limits& limits) {
  const std::size_t most =
      std::min<std::size_t>(limits.bytes, std::numeric_limits<std::uint32_t>::max() / 4);
  if (bytes.size() > most) {
    return ParseError{"is longer than " + std::to_string(most) + " bytes", most};
  }
  // RapidJSON takes a NUL for the end of the text and would let anything follow it.
  if (const auto nul = bytes.find('\0'); nul != std::string_view::npos) {
    return ParseError{"contains a NUL byte", nul};
  }
  std::string valid;
  if (!is_valid_utf8(bytes)) {
    if (limits.duplicates == Duplicates::refuse) return ParseError{"is not valid UTF-8", 0};
    valid = with_valid_utf8(bytes);
    bytes = valid;
  }
  const std::optional<std::string> safe = with_safe_escapes(bytes);
  if (safe) bytes = *safe;

  auto tree = std::make_unique<Tree>();
  tree->text.reserve(bytes.size());
  Builder builder(tree->nodes, tree->text, limits);
  rapidjson::MemoryStream stream(bytes.data(), bytes.size());
  rapidjson::Reader reader;
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
  if (result.IsError()) {
    if (!builder.reason().empty()) return ParseError{builder.reason(), result.Offset()};
    std::string reason = rapidjson::GetParseError_En(result.Code());
    while (!reason.empty() && reason.back() == '.') reason.pop_back();
    return ParseError{"is not JSON: " + reason, result.Offset()};
  }
  return Document(std::move(tree));
}

Value Document::root() const {
  return tree_ == nullptr || tree_->nodes.empty() ? Value() : Value(tree_->nodes.data());
}

Type Value::type() const { return node_ == nullptr ? Type::absent : node_of(node_).type; }

std::size_t Value::size() const { return node_ == nullptr ? 0 : node_of(node_).count; }

Value Value::operator[](std::string_view key) const {
  if (!is_object()) return {};
  const Node* node = &node_of(node_) + 1;
  for (std::size_t i = 0; i < size(); ++i, node += node->span) {
    if (node->key == key) return Value(node);
  }
  return {};
}

Value Value::at(std::size_t index) const {
  if (!is_array() || index >= size()) return {};
  const Node* node = &node_of(node_) + 1;
  for (std::size_t i = 0; i < index; ++i) node += node->span;
  return Value(node);
}

std::optional<std::string_view> Value::text() const {
  if (!is_string()) return std::nullopt;
  return node_of(node_).text;
}

std::optional<bool> Value::boolean() const {
  if (type() != Type::boolean) return std::nullopt;
  return node_of(node_).truth;
}

std::optional<std::int64_t> Value::integer() const {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = node_of(node_).text;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<double> Value::number() const {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = node_of(node_).text;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  // Too small for a double is as good as nothing.
  if (error == std::errc::result_out_of_range && std::abs(number) < 1) return 0.0;
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<std::string_view> Value::digits() const {
  if (!is_number() && !is_string()) return std::nullopt;
  return node_of(node_).text;
}

std::vector<Value> Value::elements() const {
  std::vector<Value> all;
  if (!is_array()) return all;
  all.reserve(size());
  const Node* node = &node_of(node_) + 1;
  for (std::size_t i = 0; i < size(); ++i, node += node->span) all.push_back(Value(node));
  return all;
}

std::vector<std::pair<std::string_view, Value>> Value::members() const {
  std::vector<std::pair<std::string_view, Value>> all;
  if (!is_object()) return all;
  all.reserve(size());
  const Node* node = &node_of(node_) + 1;
  for (std::size_t i = 0; i < size(); ++i, node += node->span) {
    all.emplace_back(node->key, Value(node));
  }
  return all;
}

std::string Value::dump() const {
  Writer writer;
  writer.value(*this);
  return writer.take();
}

struct Writer::Impl {
  struct Level {
    bool object;
    bool empty;
    bool keyed;  // a key waits for its value
  };
  std::string text;
  std::vector<Level> levels;

  void before_value() {
    if (levels.empty()) {
      assert(text.empty());
      return;
    }
    Level& level = levels.back();
    if (level.object) {
      assert(level.keyed);
      level.keyed = false;
      return;
    }
    if (!level.empty) text += ',';
    level.empty = false;
  }

  void string(std::string_view raw) {
    std::string replaced;
    if (!is_valid_utf8(raw)) {
      replaced = with_valid_utf8(raw);
      raw = replaced;
    }
    text += '"';
    for (std::size_t at = 0; at < raw.size(); ++at) {
      const char c = raw[at];
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        text += '\\';
        text += c;
      } else if (c == '\n') {
        text += "\\n";
      } else if (c == '\t') {
        text += "\\t";
      } else if (c == '\r') {
        text += "\\r";
      } else if (c == '\0') {
        text += "\\ufffd";
      } else if (byte < 0x20 || c == '<' || c == '>' || c == '&') {
        constexpr std::string_view kDigits = "0123456789abcdef";
        text += "\\u00";
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15u];
      } else if (byte == 0xE2 && raw.substr(at, 3) == "\xE2\x80\xA8") {
        text += "\\u2028";
        at += 2;
      } else if (byte == 0xE2 && raw.substr(at, 3) == "\xE2\x80\xA9") {
        text += "\\u2029";
        at += 2;
      } else {
        text += c;
      }
    }
    text += '"';
  }
};

Writer::Writer() : impl_(std::make_unique<Impl>()) {}
Writer::~Writer() = default;
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;

Writer& Writer::object() {
  impl_->before_value();
  impl_->text += '{';
  impl_->levels.push_back({true, true, false});
  return *this;
}

Writer& Writer::array() {
  impl_->before_value();
  impl_->text += '[';
  impl_->levels.push_back({false, true, false});
  return *this;
}

Writer& Writer::end() {
  assert(!impl_->levels.empty() && !impl_->levels.back().keyed);
  impl_->text += impl_->levels.back().object ? '}' : ']';
  impl_->levels.pop_back();
  return *this;
}

Writer& Writer::key(std::string_view name) {
  assert(!impl_->levels.empty() && impl_->levels.back().object && !impl_->levels.back().keyed);
  Impl::Level& level = impl_->levels.back();
  if (!level.empty) impl_->text += ',';
  level.empty = false;
  level.keyed = true;
  impl_->string(name);
  impl_->text += ':';
  return *this;
}

Writer& Writer::value(std::string_view text) {
  impl_->before_value();
  impl_->string(text);
  return *this;
}

Writer& Writer::value(bool b) { return raw(b ? "true" : "false"); }

Writer& Writer::value(std::int64_t n) { return raw(std::to_string(n)); }

Writer& Writer::value(double n) {
  if (!std::isfinite(n)) return null();
  std::array<char, 32> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), n);
  assert(error == std::errc());
  return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

Writer& Writer::value(Value v) {
  if (!v.exists()) return null();
  // The nodes lie in the order of the text, so a walk with a stack of remaining counts suffices.
  const Node* node = &node_of(v.node_);
  const Node* const behind = node + node->span;
  std::vector<std::uint32_t> left;
  for (bool first = true; node != behind; ++node, first = false) {
    if (!first && impl_->levels.back().object) key(node->key);
    switch (node->type) {
      case Type::object:
        object();
        break;
      case Type::array:
        array();
        break;
      case Type::string:
        value(node->text);
        break;
      case Type::number:
        raw(node->text);
        break;
      case Type::boolean:
        value(node->truth);
        break;
      default:
        null();
    }
    if (!left.empty()) --left.back();
    if (node->type == Type::object || node->type == Type::array) left.push_back(node->count);
    while (!left.empty() && left.back() == 0) {
      end();
      left.pop_back();
    }
  }
  return *this;
}

Writer& Writer::null() { return raw("null"); }

Writer& Writer::raw(std::string_view json) {
  impl_->before_value();
  impl_->text += json;
  return *this;
}

std::string Writer::take() {
  assert(impl_->levels.empty());
  return std::exchange(impl_->text, {});
}

}  // namespace sdk::json
