#include "gateway/plugins/write_expectations.h"

#include <fstream>
#include <span>
#include <string_view>
#include <utility>

#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"
#include "gateway/plugins/fixtures.h"

namespace gateway::plugins {
namespace {

constexpr std::size_t kMaxFileBytes = 4u << 20;

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  if (what.empty()) return;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// `setup` is the channel of setup.json, which is what ${...} stands for.
Result<std::string> dialogue(const Connector& connector, const connector::Channel& setup,
                             const Transcript& transcript) {
  std::string text;
  for (std::size_t i = 0;; ++i) {
    const auto so_far = std::span(transcript.answers).first(i);
    const auto step =
        connector.plan(transcript.channel, transcript.operation, transcript.input, so_far);
    text += describe(step);
    if (!std::holds_alternative<connector::Call>(step)) break;
    if (i == transcript.answers.size()) {
      return fail(Errc::invalid_argument,
                  transcript.name + ".transcript: the connector asks for one more answer, to\n" +
                      describe(step));
    }
    text += transcript.answer_texts[i];
  }
  for (const auto& name : connector.schema().secret_fields()) {
    replace_all(text, setup.setting(name), "${config." + name + "}");
  }
  replace_all(text, setup.secret, "${secret}");
  replace_all(text, setup.webhook_url, "${webhook_url}");
  return text;
}

class Writing {
 public:
  explicit Writing(const Connector& connector) : connector_(connector) {}

  Result<> write_set(const std::string& folder) {
    const auto fixtures = read_fixtures(folder);
    if (!fixtures) return fixtures.error();
    for (const Case& one : fixtures->cases) {
      const std::string said = describe(connector_.receive(fixtures->channel, one.request));
      if (auto put = write(folder + "/" + one.name + ".expect", said); !put) return put;
    }
    for (const Transcript& transcript : fixtures->transcripts) {
      const std::string path = folder + "/" + transcript.name + ".transcript";
      const auto before = read_file(path, kMaxFileBytes);
      if (!before) return before.error();
      auto said = dialogue(connector_, fixtures->channel, transcript);
      if (!said) return std::move(said).error();
      if (auto put = write(path, directives_of(*before) + *said); !put) return put;
    }
    return {};
  }

  std::vector<std::string> changed;

 private:
  static std::string directives_of(std::string_view text) {
    std::string directives;
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (!line.empty() && std::string_view("<>=").find(line[0]) != std::string_view::npos) {
        continue;
      }
      directives += line;
      directives += '\n';
    }
    return directives;
  }

  Result<> write(const std::string& path, const std::string& text) {
    if (const auto before = read_file(path, kMaxFileBytes); before && *before == text) return {};
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (!file) return fail(Errc::unavailable, path + " cannot be written");
    changed.push_back(path);
    return {};
  }

  const Connector& connector_;
};

}  // namespace

Result<std::vector<std::string>> write_expectations(const std::string& object,
                                                    const std::string& fixtures) {
  const auto connector = load_connector(object);
  if (!connector) return connector.error();
  Writing writing(**connector);
  for (const std::string& folder : fixture_sets(fixtures)) {
    if (auto written = writing.write_set(folder); !written) return std::move(written).error();
  }
  return std::move(writing.changed);
}

}  // namespace gateway::plugins
