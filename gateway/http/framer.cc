#include "gateway/http/framer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace gateway::http {

namespace {

namespace beast = boost::beast;

constexpr std::size_t kChunkHeadBytes = 4096;     // a chunk head with its trailers
constexpr std::size_t kChunkSizeDigits = 8;       // 4 GiB, far above every body limit
constexpr std::size_t kChunkExtensionBytes = 64;  // ignored, but somebody has to carry them
constexpr std::size_t kReserveBytes = 64 << 10;   // at most this on a declared length alone
constexpr std::size_t kLengthDigits = 12;
constexpr std::size_t kHostBytes = 255;

constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_alnum(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }

// No part of a head, whatever the grammar says: control bytes without HTAB, CR and LF.
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whether `token` is in the comma-separated lists of all headers of that name.
bool has_token(const Request& request, std::string_view name, std::string_view token) {
  for (const auto& [field, value] : request.headers) {
    if (field != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      if (equals_ignoring_case(trimmed(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

// The values of a header that may come once.
struct Single {
  std::size_t count = 0;
  std::string_view value;
};

Single single(const Request& request, std::string_view name) {
  Single found;
  for (const auto& [field, value] : request.headers) {
    if (field == name && found.count++ == 0) found.value = value;
  }
  return found;
}

// host [":" port] of RFC 9110, 7.2, with names as DNS has them rather than all a reg-name may hold.
bool is_host(std::string_view text) {
  if (text.empty() || text.size() > kHostBytes) return false;
  std::size_t end = 0;
  if (text.front() == '[') {
    end = text.find(']');
    if (end == text.npos || end < 3) return false;
    const auto address = text.substr(1, end - 1);
    if (!std::all_of(address.begin(), address.end(),
                     [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; })) {
      return false;
    }
    ++end;
  } else {
    while (end < text.size() &&
           (is_alnum(text[end]) || text[end] == '-' || text[end] == '.' || text[end] == '_')) {
      ++end;
    }
    if (end == 0) return false;
  }
  if (end == text.size()) return true;
  const auto port = text.substr(end + 1);
  return text[end] == ':' && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

}  // namespace

// basic_parser instead of request_parser: it hands out the pieces without a fields container, into
// which Beast 1.74 would merge the trailers, and shows the chunk extensions.
struct Framer::Parser {
  class Message final : public beast::http::basic_parser<true> {
   public:
    explicit Message(Framer& framer) : framer_(framer) {
      eager(false);
      header_limit(std::numeric_limits<std::uint32_t>::max());
      // Not boost::none, with which Beast 1.74 refuses every Content-Length.
      body_limit(std::numeric_limits<std::uint64_t>::max());
    }

    // Feeds one piece; true if the parser took all of it.
    bool take_whole(std::string_view piece, beast::error_code& error) {
      return take(piece, error) == piece.size();
    }
    std::size_t take(std::string_view bytes, beast::error_code& error) {
      return put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
    }

   private:
    using Text = beast::string_view;
    using Error = beast::error_code;

    void on_request_impl(beast::http::verb, Text method, Text target, int version,
                         Error&) override {
      framer_.request_.method.assign(method.data(), method.size());
      framer_.request_.target.assign(target.data(), target.size());
      framer_.http11_ = version == 11;
    }
    void on_response_impl(int, Text, int, Error&) override {}
    void on_field_impl(beast::http::field, Text name, Text value, Error&) override {
      if (framer_.phase_ != Phase::head) return;  // a trailer: nothing may depend on it
      auto& [key, text] = framer_.request_.headers.emplace_back();
      key.resize(name.size());
      std::transform(name.begin(), name.end(), key.begin(), lower);
      text = trimmed({value.data(), value.size()});
    }
    void on_header_impl(Error&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
    std::size_t on_body_impl(Text body, Error&) override {
      framer_.request_.body.append(body.data(), body.size());
      return body.size();
    }
    void on_chunk_header_impl(std::uint64_t size, Text, Error& error) override {
      framer_.chunk_left_ = size;
      if (size > framer_.body_limit_ - framer_.request_.body.size()) {
        error = beast::http::error::body_limit;
      }
    }
    std::size_t on_chunk_body_impl(std::uint64_t, Text body, Error&) override {
      framer_.request_.body.append(body.data(), body.size());
      return body.size();
    }
    void on_finish_impl(Error&) override {}

    Framer& framer_;
  };

  std::optional<Message> message;  // one per request: it cannot be reset
};

Framer::Framer(const Limits& limits) : limits_(limits), parser_(std::make_unique<Parser>()) {}

Framer::~Framer() = default;

void Framer::next() {
  phase_ = Phase::idle;
  head_scan_ = {};
  request_ = {};
  // An idle connection keeps no buffer.
  if (pending_.capacity() > std::string().capacity()) pending_ = {};
}

Framer::Step Framer::feed(std::string_view& bytes) {
  switch (phase_) {
    case Phase::idle:
    case Phase::head:
      return take_head(bytes);
    case Phase::body:
      return take_body(bytes);
    case Phase::done:
      return Step::done;
    case Phase::refused:
      return Step::refused;
  }
  return Step::refused;
}

bool Framer::allow_body(std::size_t limit) {
  body_limit_ = limit;
  if (!chunked_ && length_ > limit) {
    refuse(413, "The request body is too large.");
    return false;
  }
  request_.body.reserve(std::min<std::uint64_t>(length_, kReserveBytes));
  return true;
}

Framer::Scan Framer::scan_head(char c) {
  auto& scan = head_scan_;
  if (++scan.bytes > limits_.head_bytes) {
    if (scan.lines == 0) {
      refuse(414, "The request target is too long.");
    } else {
      refuse(431, "The request headers are too large.");
    }
    return Scan::bad;
  }
  if (scan.after_cr) {
    scan.after_cr = false;
    if (c != '\n') {
      refuse(400, "The request head contains a bare carriage return.");
      return Scan::bad;
    }
    if (scan.column == 0) {
      if (scan.lines > 0) return Scan::whole;
      // RFC 9112, 2.2: one empty line before a request line is to be ignored.
      if (std::exchange(scan.skipped_empty_line, true)) {
        refuse(400, "The request line is empty.");
        return Scan::bad;
      }
      scan.bytes = 0;
      return Scan::empty_line;
    }
    scan.column = 0;
    if (++scan.lines > limits_.header_lines + 1) {
      refuse(431, "The request has too many headers.");
      return Scan::bad;
    }
    return Scan::go_on;
  }
  if (c == '\r') {
    scan.after_cr = true;
    return Scan::go_on;
  }
  if (is_control(c)) {
    refuse(400, "The request head contains a control character.");
    return Scan::bad;
  }
  if (scan.column++ == 0 && (c == ' ' || c == '\t')) {
    refuse(400, "A line of the request head begins with a blank.");
    return Scan::bad;
  }
  return Scan::go_on;
}

Framer::Step Framer::take_head(std::string_view& bytes) {
  if (bytes.empty()) return Step::more;
  phase_ = Phase::head;
  std::size_t begin = 0;  // of this head inside `bytes`
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    switch (scan_head(bytes[i])) {
      case Scan::go_on:
        break;
      case Scan::empty_line:
        pending_.clear();
        begin = i + 1;
        break;
      case Scan::bad:
        return Step::refused;
      case Scan::whole: {
        auto head = bytes.substr(begin, i + 1 - begin);
        bytes.remove_prefix(i + 1);
        if (!pending_.empty()) {
          pending_.append(head);
          head = pending_;
        }
        const auto step = parse_head(head);
        pending_.clear();
        return step;
      }
    }
  }
  pending_.append(bytes.substr(begin));
  bytes = {};
  return Step::more;
}

Framer::Step Framer::parse_head(std::string_view head) {
  request_.headers.reserve(head_scan_.lines);
  auto& message = parser_->message.emplace(*this);
  beast::error_code error;
  if (!message.take_whole(head, error) || error) {
    if (error == beast::http::error::bad_version) {
      return refuse(505, "The HTTP version is not supported.");
    }
    if (error == beast::http::error::bad_content_length) {
      return refuse(400, "The Content-Length is not valid.");
    }
    return refuse(400, "The request head is malformed.");
  }
  if (std::find(kMethods.begin(), kMethods.end(), request_.method) == kMethods.end()) {
    return refuse(501, "The request method is not supported.");
  }
  if (!check_host() || !check_target() || !check_length_and_coding() || !check_expectation()) {
    return Step::refused;
  }
  read_connection_tokens();
  if (!chunked_ && length_ == 0) {
    phase_ = Phase::done;
    return Step::done;
  }
  phase_ = Phase::body;
  body_limit_ = 0;
  chunk_left_ = 0;
  chunk_scan_ = {};
  return Step::head;
}

bool Framer::check_host() {
  const auto host = single(request_, "host");
  if (host.count == 0 && !http11_) return true;
  if (host.count == 1 && is_host(host.value)) return true;
  refuse(400, "The Host header is missing, repeated or not valid.");
  return false;
}

bool Framer::check_target() {
  auto& target = request_.target;
  if (target.size() > limits_.target_bytes) {
    refuse(414, "The request target is too long.");
    return false;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(std::string_view(target).substr(0, scheme.size()), scheme)) continue;
    const auto end = std::min(target.find_first_of("/?#", scheme.size()), target.size());
    const auto authority = std::string_view(target).substr(scheme.size(), end - scheme.size());
    // Another authority than Host's is a request to somebody else; there is no proxy here.
    if (!equals_ignoring_case(authority, request_.header("host"))) break;
    target.erase(0, end);
    if (target.empty() || target.front() != '/') target.insert(target.begin(), '/');
    break;
  }
  const bool asterisk = target == "*" && request_.method == "OPTIONS";
  const bool origin_form =
      target.front() == '/' &&
      std::all_of(target.begin(), target.end(), [](char c) { return is_visible(c) && c != '#'; });
  if (!asterisk && !origin_form) {
    refuse(400, "The request target is not valid.");
    return false;
  }
  const auto mark = std::min(target.find('?'), target.size());
  request_.path = target.substr(0, mark);
  if (mark < target.size()) request_.query = target.substr(mark + 1);
  return true;
}

bool Framer::check_length_and_coding() {
  const auto coding = single(request_, "transfer-encoding");
  const auto length = single(request_, "content-length");
  chunked_ = coding.count > 0;
  length_ = 0;
  if (coding.count > 0 && (length.count > 0 || !http11_)) {
    refuse(400, "Transfer-Encoding goes neither with Content-Length nor with HTTP/1.0.");
    return false;
  }
  if (coding.count > 1 || (coding.count == 1 && !equals_ignoring_case(coding.value, "chunked"))) {
    refuse(501, "The transfer coding is not supported.");
    return false;
  }
  if (length.count > 0) {
    if (length.count > 1 || length.value.empty() || length.value.size() > kLengthDigits ||
        !std::all_of(length.value.begin(), length.value.end(), is_digit)) {
      refuse(400, "The Content-Length is not valid.");
      return false;
    }
    for (const char c : length.value) length_ = length_ * 10 + static_cast<unsigned>(c - '0');
  }
  const auto encoding = request_.header("content-encoding");
  if ((chunked_ || length_ > 0) && !encoding.empty() &&
      !equals_ignoring_case(encoding, "identity")) {
    // Inflating a body would let a few bytes take as much memory as they like.
    refuse(415, "Request bodies must not have a content encoding.");
    return false;
  }
  return true;
}

bool Framer::check_expectation() {
  expects_continue_ = false;
  const auto expect = single(request_, "expect");
  // RFC 9110, 10.1.1: an HTTP/1.0 client cannot read a 100.
  if (expect.count == 0 || !http11_) return true;
  if (expect.count > 1 || !equals_ignoring_case(expect.value, "100-continue")) {
    refuse(417, "The expectation cannot be met.");
    return false;
  }
  expects_continue_ = true;
  return true;
}

void Framer::read_connection_tokens() {
  const bool close = has_token(request_, "connection", "close");
  keep_alive_ = !close && (http11_ || has_token(request_, "connection", "keep-alive"));
  is_websocket_ = http11_ && request_.method == "GET" && !chunked_ && length_ == 0 &&
                  has_token(request_, "connection", "upgrade") &&
                  has_token(request_, "upgrade", "websocket");
}

Framer::Step Framer::take_body(std::string_view& bytes) {
  while (!bytes.empty()) {
    const auto step = chunked_ && chunk_left_ == 0 ? take_chunk_head(bytes) : take_data(bytes);
    if (step != Step::more) return step;
  }
  return Step::more;
}

Framer::Step Framer::take_data(std::string_view& bytes) {
  beast::error_code error;
  auto& message = *parser_->message;
  const auto taken = message.take(bytes, error);
  if (error) return refuse(400, "The request body is malformed.");
  bytes.remove_prefix(taken);
  if (chunked_) {
    chunk_left_ -= taken;
    if (chunk_left_ == 0) chunk_scan_ = {.at = ChunkScan::At::data_cr};
  } else if (message.is_done()) {
    phase_ = Phase::done;
    return Step::done;
  }
  return Step::more;
}

// chunk-size [ ";" extension ] CRLF, behind the last chunk with the trailers and the empty line.
Framer::Scan Framer::scan_chunk_head(char c) {
  using At = ChunkScan::At;
  auto& scan = chunk_scan_;
  if (++scan.bytes > kChunkHeadBytes) return Scan::bad;
  const auto expect = [&](char wanted, At then) {
    scan.at = then;
    return c == wanted ? Scan::go_on : Scan::bad;
  };
  switch (scan.at) {
    case At::data_cr:
      return expect('\r', At::data_lf);
    case At::data_lf:
      return expect('\n', At::size);
    case At::size:
      if (const int value = hex_value(c); value >= 0) {
        scan.size = scan.size * 16 + static_cast<unsigned>(value);
        return ++scan.digits > kChunkSizeDigits ? Scan::bad : Scan::go_on;
      }
      if (scan.digits == 0) return Scan::bad;
      if (c == ';') {
        scan.at = At::extension;
        return Scan::go_on;
      }
      return expect('\r', At::size_lf);
    case At::extension:
      if (c == '\r') {
        scan.at = At::size_lf;
        return Scan::go_on;
      }
      if ((!is_visible(c) && c != ' ') || ++scan.extension_bytes > kChunkExtensionBytes) {
        return Scan::bad;
      }
      return Scan::go_on;
    case At::size_lf:
      if (c != '\n') return Scan::bad;
      scan.at = At::line;
      return scan.size > 0 ? Scan::whole : Scan::go_on;
    case At::line:
      if (c == '\r') {
        scan.at = At::last_lf;
        return Scan::go_on;
      }
      scan.at = At::trailer;
      return is_visible(c) ? Scan::go_on : Scan::bad;
    case At::trailer:
      if (c == '\r') {
        scan.at = At::line_lf;
        return Scan::go_on;
      }
      return is_control(c) ? Scan::bad : Scan::go_on;
    case At::line_lf:
      return expect('\n', At::line);
    case At::last_lf:
      return c == '\n' ? Scan::whole : Scan::bad;
  }
  return Scan::bad;
}

// Beast sees a chunk head only whole: shown the last one in pieces, builds of 1.74 with assertions
// abort ("0\r\n", "\r", "\n"), and without a bound it would ask for more for ever.
Framer::Step Framer::take_chunk_head(std::string_view& bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto scan = scan_chunk_head(bytes[i]);
    if (scan == Scan::go_on) continue;
    if (scan != Scan::whole) return refuse(400, "The chunked request body is malformed.");
    auto head = bytes.substr(0, i + 1);
    bytes.remove_prefix(i + 1);
    if (!pending_.empty()) {
      pending_.append(head);
      head = pending_;
    }
    beast::error_code error;
    auto& message = *parser_->message;
    const bool whole = message.take_whole(head, error);
    pending_.clear();
    if (error == beast::http::error::body_limit) {
      return refuse(413, "The request body is too large.");
    }
    // Two readers of the same bytes must agree on what they say.
    if (error || !whole || chunk_left_ != chunk_scan_.size ||
        message.is_done() != (chunk_scan_.size == 0)) {
      return refuse(400, "The chunked request body is malformed.");
    }
    if (!message.is_done()) return Step::more;
    phase_ = Phase::done;
    return Step::done;
  }
  pending_.append(bytes);
  bytes = {};
  return Step::more;
}

Framer::Step Framer::refuse(int status, std::string_view detail) {
  refusal_ = {status, detail};
  phase_ = Phase::refused;
  return Step::refused;
}

}  // namespace gateway::http
