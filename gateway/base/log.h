// Structured log, one JSON line per event on standard error, written by spdlog (one translation
// unit). Control bytes are escaped and values cut at 2 KiB, so nothing a client sends can forge a
// line. Callable from any thread. There is no overload for Secret.
#ifndef GATEWAY_BASE_LOG_H_
#define GATEWAY_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace gateway::log {

enum class Level { debug, info, warn, error, off };

struct Field {
  std::string_view name;
  std::string value;
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(v) {}
  Field(std::string_view n, const std::string& v) : name(n), value(v) {}
  template <class Int>
  requires std::is_integral_v<Int> Field(std::string_view n, Int v)
      : name(n), value(std::to_string(v)) {}
};

void set_level(Level level);
// False for an unknown name; names are those of the enumerators.
bool set_level(std::string_view name);
bool enabled(Level level);

// `area` is the folder that speaks ("store", "outbound"); `event` a short sentence without values.
void write(Level level, std::string_view area, std::string_view event,
           std::initializer_list<Field> fields = {});

inline void debug(std::string_view area, std::string_view event,
                  std::initializer_list<Field> fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, area, event, fields);
}
inline void info(std::string_view area, std::string_view event,
                 std::initializer_list<Field> fields = {}) {
  write(Level::info, area, event, fields);
}
inline void warn(std::string_view area, std::string_view event,
                 std::initializer_list<Field> fields = {}) {
  write(Level::warn, area, event, fields);
}
inline void error(std::string_view area, std::string_view event,
                  std::initializer_list<Field> fields = {}) {
  write(Level::error, area, event, fields);
}

}  // namespace gateway::log

#endif  // GATEWAY_BASE_LOG_H_
