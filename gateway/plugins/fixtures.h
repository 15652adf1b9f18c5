// The test data of one connector, as files: tests/fixtures/<type>/. docs/CONNECTORS.md describes
// the formats. Values; no thread of their own.
#ifndef GATEWAY_PLUGINS_FIXTURES_H_
#define GATEWAY_PLUGINS_FIXTURES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/sdk/values.h"
#include "gateway/base/result.h"

namespace gateway::plugins {

// One delivery and what it means.
struct Case {
  std::string name;
  connector::Request request;
  std::optional<std::string> expect;  // text of <case>.expect, absent without such a file
};

// One operation with every answer of the platform.
struct Transcript {
  std::string name;
  connector::Channel channel;
  connector::Operation operation = connector::Operation::check;
  connector::Event input;
  std::vector<connector::Response> answers;
  std::vector<std::string> answer_texts;  // their "< " lines as written
  std::string expect;                     // all lines that begin with >, < or =
};

struct Fixtures {
  connector::Channel channel;
  std::string config_json;  // of setup.json, for the config schema
  // What verify relies on: a header's lower-case name, "target" for the last segment of the URL's
  // path, or "form:<name>" for a field of the body.
  std::string proof;
  std::map<std::string, std::string> bypass;  // check that does not apply -> reason
  std::map<connector::Operation, connector::Event> inputs;
  std::vector<Case> cases;  // by name
  std::vector<Transcript> transcripts;
};

// Errc::invalid_argument names the file and what is wrong in it.
Result<Fixtures> read_fixtures(const std::string& folder);

// A folder with a setup.json is one set of fixtures; one without holds a set per sub-folder (a
// connector of several providers). The sets' folders, sorted.
std::vector<std::string> fixture_sets(const std::string& folder);

// A whole file of at most `max_bytes`.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);

}  // namespace gateway::plugins

#endif  // GATEWAY_PLUGINS_FIXTURES_H_
