// A move-only callable, for work that owns what it will answer (std::move_only_function is C++23).
// A value; called at most as often as the wrapped callable allows.
#ifndef GATEWAY_BASE_TASK_H_
#define GATEWAY_BASE_TASK_H_

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace gateway {

template <class Signature>
class Task;

template <class R, class... Args>
class Task<R(Args...)> {
 public:
  Task() = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Task> && std::is_invocable_r_v<R, F&, Args...>)
      Task(F&& f)  // NOLINT(google-explicit-constructor): a lambda is passed as it is
      : call_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(f))) {}
  explicit operator bool() const { return call_ != nullptr; }
  R operator()(Args... args) { return call_->run(std::forward<Args>(args)...); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual R run(Args... args) = 0;
  };
  template <class F>
  struct Holder final : Base {
    explicit Holder(F f) : f_(std::move(f)) {}
    R run(Args... args) override { return f_(std::forward<Args>(args)...); }
    F f_;
  };
  std::unique_ptr<Base> call_;
};

}  // namespace gateway

#endif  // GATEWAY_BASE_TASK_H_
