// A value or the reason why there is none.
//
// A subset of std::expected (same member names), so that it can become an alias under C++23.
// Values; no thread of its own.
#ifndef CONNECTORS_SDK_EXPECTED_H_
#define CONNECTORS_SDK_EXPECTED_H_

#include <type_traits>
#include <utility>
#include <variant>

namespace sdk {

template <class E>
struct Unexpected {
  E error;
};
template <class E>
Unexpected(E) -> Unexpected<E>;

struct Unit {
  bool operator==(const Unit&) const = default;
};

template <class T, class E>
class [[nodiscard]] Expected {
 public:
  using Value = std::conditional_t<std::is_void_v<T>, Unit, T>;

  Expected() requires std::is_default_constructible_v<Value> : state_(std::in_place_index<0>) {}
  template <class U = Value>
  requires(std::is_constructible_v<Value, U&&> && !std::is_same_v<std::decay_t<U>, Expected> &&
           !std::is_same_v<std::decay_t<U>, E>) Expected(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}          // NOLINT
  Expected(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  template <class G>
  Expected(Unexpected<G> u) : state_(std::in_place_index<1>, std::move(u.error)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  Value& operator*() & { return *std::get_if<0>(&state_); }
  const Value& operator*() const& { return *std::get_if<0>(&state_); }
  Value&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  Value* operator->() { return std::get_if<0>(&state_); }
  const Value* operator->() const { return std::get_if<0>(&state_); }
  // Throws std::bad_variant_access where there is no value; for tests and proven states.
  Value& value() & { return std::get<0>(state_); }
  const Value& value() const& { return std::get<0>(state_); }
  Value&& value() && { return std::get<0>(std::move(state_)); }

  E& error() & { return *std::get_if<1>(&state_); }
  const E& error() const& { return *std::get_if<1>(&state_); }
  E&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<Value, E> state_;
};

}  // namespace sdk

#endif  // CONNECTORS_SDK_EXPECTED_H_
