// Text that must not reach a log, an error message or a core: it cannot be streamed or formatted,
// prints as ***, and is wiped when it goes.
#ifndef GATEWAY_BASE_SECRET_H_
#define GATEWAY_BASE_SECRET_H_

#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace gateway {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  bool empty() const { return value_.empty(); }
  std::size_t size() const { return value_.size(); }
  // The only way to the bytes; name the call in a review.
  const std::string& reveal() const { return value_; }
  // Constant-time comparison; the length is not hidden.
  bool equals(std::string_view other) const;

 private:
  void wipe() noexcept;
  std::string value_;
};

template <class Stream>
Stream& operator<<(Stream&, const Secret&) = delete;

}  // namespace gateway

#endif  // GATEWAY_BASE_SECRET_H_
