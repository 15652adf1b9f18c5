// Writes what a connector says beside its fixtures: every <case>.expect, and in transcripts the
// lines that begin with > and =. For authors, who then review each difference; no test runs it.
//
//   write_fixtures CONNECTOR.so FOLDER
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"
#include "gateway/plugins/fixtures.h"

namespace {

using gateway::plugins::Connector;
using gateway::plugins::describe;
using gateway::plugins::Transcript;

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  if (what.empty()) return;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::string dialogue(const Connector& connector, const Transcript& transcript) {
  std::string text;
  for (std::size_t i = 0;; ++i) {
    const auto so_far = std::span(transcript.answers).first(i);
    const auto step =
        connector.plan(transcript.channel, transcript.operation, transcript.input, so_far);
    text += describe(step);
    if (!std::holds_alternative<connector::Call>(step)) break;
    if (i == transcript.answers.size()) {
      std::cerr << transcript.name << ": the connector asks for one more answer\n";
      break;
    }
    text += transcript.answer_texts[i];
  }
  const auto& channel = transcript.channel;
  // Short values ("smtp", "587") would be found where they do not stand for the setting.
  for (const auto& [name, value] : channel.config) {
    if (value.size() >= 6) replace_all(text, value, "${config." + name + "}");
  }
  replace_all(text, channel.secret, "${secret}");
  replace_all(text, channel.webhook_url, "${webhook_url}");
  return text;
}

void rewrite(const std::string& path, const std::string& said) {
  std::ifstream in(path);
  std::string directives;
  for (std::string line; std::getline(in, line);) {
    const bool spoken = !line.empty() && std::string_view("<>=").find(line[0]) != std::string::npos;
    if (!spoken) directives += line + "\n";
  }
  in.close();
  std::ofstream(path) << directives << said;
}

// False, with a word on standard error, where the set cannot be read.
bool write_set(const Connector& connector, const std::string& folder) {
  const auto fixtures = gateway::plugins::read_fixtures(folder);
  if (!fixtures) {
    std::cerr << fixtures.error().message << "\n";
    return false;
  }
  for (const auto& one : fixtures->cases) {
    std::ofstream(folder + "/" + one.name + ".expect")
        << describe(connector.receive(fixtures->channel, one.request));
  }
  for (const Transcript& transcript : fixtures->transcripts) {
    rewrite(folder + "/" + transcript.name + ".transcript", dialogue(connector, transcript));
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_fixtures CONNECTOR.so FOLDER\n";
    return 2;
  }
  const auto connector = gateway::plugins::load_connector(argv[1]);
  if (!connector) {
    std::cerr << connector.error().message << "\n";
    return 1;
  }
  bool written = true;
  for (const std::string& folder : gateway::plugins::fixture_sets(argv[2])) {
    written = write_set(**connector, folder) && written;
  }
  return written ? 0 : 1;
}
