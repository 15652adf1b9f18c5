#include "gateway/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>

namespace gateway::log {
namespace {

constexpr std::size_t kMaxValueBytes = 2048;

std::atomic<Level> g_level{Level::info};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("backchannel",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

// JSON string contents: everything below a blank is escaped, so a value stays on its line.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text.substr(0, kMaxValueBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
    } else {
      out += c;
    }
  }
  if (text.size() > kMaxValueBytes) out += "...";
}

std::string_view name_of(Level level) {
  static constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "warn", "error",
                                                             "off"};
  return kNames[static_cast<std::size_t>(level)];
}

}  // namespace

void set_level(Level level) { g_level = level; }

bool set_level(std::string_view name) {
  for (const Level level : {Level::debug, Level::info, Level::warn, Level::error, Level::off}) {
    if (name == name_of(level)) {
      set_level(level);
      return true;
    }
  }
  return false;
}

bool enabled(Level level) { return level >= g_level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view area, std::string_view event,
           std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::string line = fmt::format(R"({{"time":"{}.{:03}Z","level":"{}","area":")", stamp.data(),
                                 ms % 1000, name_of(level));
  append_escaped(line, area);
  line += R"(","event":")";
  append_escaped(line, event);
  line += '"';
  for (const Field& field : fields) {
    line += ",\"";
    append_escaped(line, field.name);
    line += "\":\"";
    append_escaped(line, field.value);
    line += '"';
  }
  line += '}';
  logger().log(spdlog::level::critical, line);
}

}  // namespace gateway::log
