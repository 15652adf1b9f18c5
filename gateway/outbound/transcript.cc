#include "gateway/outbound/transcript.h"

#include <cstdint>

namespace gateway::outbound {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kMaxAnswers = 64;
constexpr std::size_t kMaxHeaders = 4'096;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
  }
}

void put_text(std::string& out, std::string_view text) {
  put(out, text.size(), 4);
  out.append(text);
}

struct Reader {
  std::string_view left;
  bool good = true;

  std::uint64_t take(std::size_t bytes) {
    if (left.size() < bytes) {
      good = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value = value << 8 | static_cast<unsigned char>(left[i]);
    }
    left.remove_prefix(bytes);
    return value;
  }
  std::string take_text() {
    const auto size = static_cast<std::size_t>(take(4));
    if (!good || left.size() < size) {
      good = false;
      return {};
    }
    std::string text(left.substr(0, size));
    left.remove_prefix(size);
    return text;
  }
};

}  // namespace

std::string encode_transcript(std::span<const connector::Response> answers) {
  std::string out;
  put(out, kVersion, 1);
  put(out, answers.size(), 2);
  for (const auto& answer : answers) {
    put(out, static_cast<std::uint32_t>(answer.status), 4);
    put(out, answer.not_sent ? 1 : 0, 1);
    put(out, answer.headers.size(), 2);
    for (const auto& [name, value] : answer.headers) {
      put_text(out, name);
      put_text(out, value);
    }
    put_text(out, answer.body);
  }
  return out;
}

std::optional<std::vector<connector::Response>> decode_transcript(std::string_view bytes) {
  Reader reader{bytes};
  if (reader.take(1) != kVersion) return std::nullopt;
  const auto count = static_cast<std::size_t>(reader.take(2));
  if (!reader.good || count > kMaxAnswers) return std::nullopt;
  std::vector<connector::Response> answers;
  for (std::size_t i = 0; i < count && reader.good; ++i) {
    connector::Response answer;
    answer.status = static_cast<std::int32_t>(static_cast<std::uint32_t>(reader.take(4)));
    answer.not_sent = reader.take(1) != 0;
    const auto headers = static_cast<std::size_t>(reader.take(2));
    if (headers > kMaxHeaders) return std::nullopt;
    for (std::size_t h = 0; h < headers && reader.good; ++h) {
      std::string name = reader.take_text();
      std::string value = reader.take_text();
      answer.headers.emplace_back(std::move(name), std::move(value));
    }
    answer.body = reader.take_text();
    answers.push_back(std::move(answer));
  }
  if (!reader.good || !reader.left.empty()) return std::nullopt;
  return answers;
}

}  // namespace gateway::outbound
