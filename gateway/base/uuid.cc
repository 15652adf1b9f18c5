#include "gateway/base/uuid.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>

namespace gateway {
namespace {

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_dash(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

std::string Uuid::text() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(36, '-');
  std::size_t at = 0;
  for (const std::uint8_t byte : bytes) {
    if (is_dash(at)) ++at;
    out[at++] = kDigits[byte >> 4];
    out[at++] = kDigits[byte & 15];
  }
  return out;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid id;
  std::size_t at = 0;
  for (std::uint8_t& byte : id.bytes) {
    if (is_dash(at) && text[at++] != '-') return std::nullopt;
    const int high = nibble(text[at]);
    const int low = nibble(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    byte = static_cast<std::uint8_t>(high << 4 | low);
    at += 2;
  }
  return id;
}

Uuid Uuid7::next() {
  Uuid id;
  if (RAND_bytes(id.bytes.data(), static_cast<int>(id.bytes.size())) != 1) {
    std::abort();  // no randomness: ids could repeat
  }
  std::int64_t ms = 0;
  std::uint16_t counter = 0;
  {
    const std::lock_guard lock(mutex_);
    ms = clock_.now_ms();
    if (ms > last_ms_) {
      last_ms_ = ms;
      counter_ = static_cast<std::uint16_t>((id.bytes[6] << 8 | id.bytes[7]) & 0x07ff);
    } else if (++counter_ > 0x0fff) {
      ++last_ms_;  // the counter is full: borrow from the next millisecond
      counter_ = 0;
    }
    ms = last_ms_;
    counter = counter_;
  }
  for (int i = 0; i < 6; ++i) {
    id.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(ms >> (8 * (5 - i)));
  }
  id.bytes[6] = static_cast<std::uint8_t>(0x70 | counter >> 8);
  id.bytes[7] = static_cast<std::uint8_t>(counter);
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return id;
}

}  // namespace gateway

std::size_t std::hash<gateway::Uuid>::operator()(const gateway::Uuid& id) const noexcept {
  // Version 7 ids differ in their low half, which is random.
  std::size_t low = 0;
  std::size_t high = 0;
  std::memcpy(&high, id.bytes.data(), sizeof high);
  std::memcpy(&low, id.bytes.data() + 8, sizeof low);
  return low ^ (high * 0x9e3779b97f4a7c15ULL);
}
