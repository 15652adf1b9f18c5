#include "gateway/plugins/fixtures.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>

#include "connectors/sdk/crypto.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/json.h"
#include "connectors/sdk/text.h"
#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"

namespace gateway::plugins {
namespace {

namespace fs = std::filesystem;
using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Operation;
using connector::Pairs;
using connector::Request;
using sdk::json::Value;

constexpr std::size_t kMaxFileBytes = 4u << 20;
constexpr std::string_view kFromFile = "@file ";

// How a platform signs, where it does: setup.json's "sign".
struct Signature {
  std::string header;
  std::string prefix;
  std::string key;        // bytes
  std::string algorithm;  // hmac-sha256, hmac-sha1
  std::string encoding;   // hex, base64
  std::string over;       // body, url_and_form
};

struct Setup {
  Pairs headers;
  std::optional<Signature> signature;
};

std::string string_in(Value object, std::string_view name, std::string_view fallback = "") {
  return std::string(object[name].text_or(fallback));
}

Pairs pairs_of(Value object) {
  Pairs pairs;
  for (const auto& [name, value] : object.members()) pairs.emplace_back(name, value.text_or(""));
  return pairs;
}

// ${secret}, ${webhook_url}, ${config.<name>}, ${state.<name>}: so that no file repeats a secret.
std::string filled_in(std::string_view text, const Channel& channel) {
  std::string filled;
  for (;;) {
    const auto from = text.find("${");
    filled += text.substr(0, from);
    if (from == std::string_view::npos) return filled;
    const auto to = text.find('}', from);
    if (to == std::string_view::npos) return filled += text.substr(from);
    const std::string_view name = text.substr(from + 2, to - from - 2);
    if (name == "secret") {
      filled += channel.secret;
    } else if (name == "webhook_url") {
      filled += channel.webhook_url;
    } else if (name.starts_with("config.")) {
      filled += channel.setting(name.substr(7));
    } else if (name.starts_with("state.")) {
      filled += channel.kept(name.substr(6));
    } else {
      filled += text.substr(from, to - from + 1);
    }
    text.remove_prefix(to + 1);
  }
}

std::optional<EventKind> kind_named(std::string_view name) {
  for (std::int32_t kind = 1; kind <= static_cast<std::int32_t>(EventKind::unknown); ++kind) {
    if (name_of(static_cast<EventKind>(kind)) == name) return static_cast<EventKind>(kind);
  }
  return std::nullopt;
}

std::optional<Operation> operation_named(std::string_view name) {
  for (std::int32_t one = 1; one <= static_cast<std::int32_t>(Operation::signal); ++one) {
    if (name_of(static_cast<Operation>(one)) == name) return static_cast<Operation>(one);
  }
  return std::nullopt;
}

Event event_of(Value value) {
  Event event{.kind = kind_named(value["kind"].text_or("message")).value_or(EventKind::unknown)};
  event.account = string_in(value, "account");
  event.thread = string_in(value, "thread");
  event.message = string_in(value, "message");
  event.key = string_in(value, "key");
  event.contact = string_in(value, "contact");
  event.text = string_in(value, "text");
  event.reply_to = string_in(value, "reply_to");
  event.contact_name = string_in(value, "contact_name");
  event.state = string_in(value, "state");
  event.sent_ms = value["sent_ms"].integer().value_or(0);
  // A long text is told by its repetition.
  const std::string once = event.text;
  for (std::int64_t i = 1; i < value["text_times"].integer().value_or(1); ++i) event.text += once;
  event.text += value["tail"].text_or("");
  for (const Value one : value["attachments"].elements()) {
    event.attachments.push_back({.kind = string_in(one, "kind"),
                                 .url = string_in(one, "url"),
                                 .media_id = string_in(one, "media_id"),
                                 .mime_type = string_in(one, "mime_type"),
                                 .file_name = string_in(one, "file_name"),
                                 .size = one["size"].integer().value_or(-1),
                                 .extra = pairs_of(one["extra"])});
  }
  event.extra = pairs_of(value["extra"]);
  return event;
}

std::string signature_of(const Signature& signature, const Channel& channel,
                         const Request& request) {
  std::string signed_text = request.body;
  if (signature.over == "url_and_form") {
    sdk::Form form = sdk::parse_form(request.body);
    std::sort(form.begin(), form.end());
    form.erase(std::unique(form.begin(), form.end()), form.end());
    signed_text = channel.webhook_url;
    for (const auto& [name, value] : form) signed_text += name + value;
  }
  const std::string mac = signature.algorithm == "hmac-sha1"
                              ? sdk::hmac_sha1(signature.key, signed_text)
                              : sdk::hmac_sha256(signature.key, signed_text);
  return signature.prefix + (signature.encoding == "base64" ? sdk::base64(mac) : sdk::hex(mac));
}

void set_header(Pairs& headers, std::string name, std::string value) {
  std::erase_if(headers, [&](const auto& header) { return header.first == name; });
  headers.emplace_back(std::move(name), std::move(value));
}

// "POST /path?query" and header lines, in place of what setup.json says.
void apply_head(std::string_view head, Request& request) {
  const auto first = head.substr(0, head.find('\n'));
  request.method = first.substr(0, first.find(' '));
  request.target = first.substr(std::min(first.size(), request.method.size() + 1));
  head.remove_prefix(std::min(head.size(), first.size() + 1));
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find('\n'));
    head.remove_prefix(std::min(head.size(), line.size() + 1));
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    set_header(request.headers, sdk::lower_ascii(line.substr(0, colon)),
               std::string(line.substr(colon + 2)));
  }
}

Result<Case> read_case(const fs::path& path, const Fixtures& fixtures, const Setup& setup) {
  Case one{.name = path.stem().string()};
  auto body = read_file(path.string(), kMaxFileBytes);
  if (!body) return body.error();
  const std::string& url = fixtures.channel.webhook_url;
  const auto host = url.find("://");
  const auto slash = url.find('/', host == std::string::npos ? 0 : host + 3);
  one.request = {.method = "POST",
                 .target = slash == std::string::npos ? "/" : url.substr(slash),
                 .query = {},
                 .headers = setup.headers,
                 .body = *std::move(body)};
  fs::path head_path = path;
  head_path.replace_extension(".head");
  if (fs::exists(head_path)) {
    const auto head = read_file(head_path.string(), kMaxFileBytes);
    if (!head) return head.error();
    apply_head(filled_in(*head, fixtures.channel), one.request);
  }
  if (const auto mark = one.request.target.find('?'); mark != std::string::npos) {
    one.request.query = one.request.target.substr(mark + 1);
  }
  if (setup.signature && one.request.method == "POST" &&
      one.request.header(setup.signature->header).empty()) {
    set_header(one.request.headers, setup.signature->header,
               signature_of(*setup.signature, fixtures.channel, one.request));
  }
  fs::path expect_path = path;
  expect_path.replace_extension(".expect");
  if (fs::exists(expect_path)) {
    auto expect = read_file(expect_path.string(), kMaxFileBytes);
    if (!expect) return expect.error();
    one.expect = *std::move(expect);
  }
  return one;
}

// Reads a transcript line by line; what does not begin with >, < or = is a directive.
class TranscriptReader {
 public:
  TranscriptReader(Transcript& transcript, fs::path folder)
      : transcript_(transcript), folder_(std::move(folder)) {}

  // Empty, or what is wrong.
  std::string read(std::string_view text) {
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      if (std::string wrong = read_line(line); !wrong.empty()) return wrong;
    }
    return {};
  }

 private:
  std::string read_line(std::string_view line) {
    if (line.empty() || line.starts_with('#')) return {};
    const char mark = line[0];
    if (mark == '>' || mark == '<' || mark == '=') {
      transcript_.expect += line;
      transcript_.expect += '\n';
      return mark == '<' ? read_answer_line(line) : std::string();
    }
    const auto blank = std::min(line.find(' '), line.size());
    const std::string_view name = line.substr(0, blank);
    const std::string_view value = sdk::trim(line.substr(blank));
    if (name == "operation") {
      const auto operation = operation_named(value);
      if (!operation) return "no operation is named \"" + std::string(value) + "\"";
      transcript_.operation = *operation;
      return {};
    }
    const auto document = sdk::json::Document::parse(value);
    if (!document) return std::string(name) + " " + document.error().reason;
    if (name == "input") {
      transcript_.input = event_of(document->root());
    } else if (name == "state") {
      transcript_.channel.state = pairs_of(document->root());
    } else if (name == "config") {
      transcript_.channel.config = flatten(document->root());
    } else if (name == "now_ms") {
      transcript_.channel.now_ms = document->root().integer().value_or(0);
    } else {
      return "no directive is named \"" + std::string(name) + "\"";
    }
    return {};
  }

  std::string read_answer_line(std::string_view line) {
    std::string_view rest = line.substr(std::min<std::size_t>(line.size(), 2));
    int status = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), status);
    const std::string_view behind = rest.substr(static_cast<std::size_t>(end - rest.data()));
    if (!in_body_ && error == std::errc() && (behind.empty() || behind == " not_sent")) {
      transcript_.answers.push_back({.status = status, .not_sent = behind == " not_sent"});
      transcript_.answer_texts.emplace_back();
    } else if (transcript_.answers.empty()) {
      return "an answer begins with \"< \" and its status";
    } else if (line == "<") {
      in_body_ = true;
    } else if (in_body_) {
      if (std::string wrong = read_body(rest); !wrong.empty()) return wrong;
    } else if (const auto colon = rest.find(": "); colon != std::string_view::npos) {
      transcript_.answers.back().headers.emplace_back(rest.substr(0, colon),
                                                      rest.substr(colon + 2));
    } else {
      return "an answer's header has no colon";
    }
    transcript_.answer_texts.back() += line;
    transcript_.answer_texts.back() += '\n';
    // Bodies are one line, so that the next line can be a new answer's.
    if (in_body_ && line != "<") in_body_ = false;
    return {};
  }

  // As it stands, or "@file mail.eml", or a JSON string for what has line ends.
  std::string read_body(std::string_view line) {
    std::string& body = transcript_.answers.back().body;
    if (line.starts_with(kFromFile)) {
      auto bytes = read_file((folder_ / line.substr(kFromFile.size())).string(), kMaxFileBytes);
      if (!bytes) return bytes.error().message;
      body += *bytes;
      return {};
    }
    if (line.starts_with('"')) {
      const auto document = sdk::json::Document::parse(line);
      if (document && document->root().is_string()) {
        body += *document->root().text();
        return {};
      }
    }
    body += line;
    return {};
  }

  Transcript& transcript_;
  const fs::path folder_;
  bool in_body_ = false;
};

Result<Transcript> read_transcript(const fs::path& path, const Fixtures& fixtures) {
  Transcript transcript{.name = path.stem().string(), .channel = fixtures.channel};
  const auto text = read_file(path.string(), kMaxFileBytes);
  if (!text) return text.error();
  const std::string wrong =
      TranscriptReader(transcript, path.parent_path()).read(filled_in(*text, fixtures.channel));
  if (!wrong.empty()) return fail(Errc::invalid_argument, path.string() + ": " + wrong);
  return transcript;
}

Result<Setup> read_setup(const std::string& path, Fixtures& fixtures) {
  const auto text = read_file(path, kMaxFileBytes);
  if (!text) return text.error();
  const auto document = sdk::json::Document::parse(*text);
  if (!document) return fail(Errc::invalid_argument, path + " " + document.error().reason);
  const Value root = document->root();
  fixtures.config_json = root["config"].dump();
  fixtures.channel = {.config = flatten(root["config"]),
                      .state = pairs_of(root["state"]),
                      .webhook_url = string_in(root, "webhook_url"),
                      .secret = string_in(root, "secret"),
                      .now_ms = root["now_ms"].integer().value_or(0),
                      .documents = pairs_of(root["documents"])};
  fixtures.proof = string_in(root, "proof");
  for (const auto& [name, reason] : root["bypass"].members()) {
    fixtures.bypass.emplace(name, reason.text_or(""));
  }
  for (const auto& [name, input] : root["inputs"].members()) {
    const auto operation = operation_named(name);
    if (!operation) return fail(Errc::invalid_argument, path + ": inputs of no operation");
    fixtures.inputs.emplace(*operation, event_of(input));
  }
  Setup setup;
  for (const auto& [name, value] : root["headers"].members()) {
    setup.headers.emplace_back(name, filled_in(value.text_or(""), fixtures.channel));
  }
  if (const Value sign = root["sign"]; sign.is_object()) {
    setup.signature = {.header = string_in(sign, "header"),
                       .prefix = string_in(sign, "prefix"),
                       .key = filled_in(sign["key"].text_or(""), fixtures.channel),
                       .algorithm = string_in(sign, "algorithm", "hmac-sha256"),
                       .encoding = string_in(sign, "encoding", "hex"),
                       .over = string_in(sign, "over", "body")};
    if (fixtures.proof.empty()) fixtures.proof = setup.signature->header;
  }
  return setup;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0) return fail(Errc::not_found, path + " cannot be read");
  if (static_cast<std::uintmax_t>(size) > max_bytes) {
    return fail(Errc::too_large, path + " is too large");
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  file.read(bytes.data(), size);
  if (!file) return fail(Errc::not_found, path + " cannot be read");
  return bytes;
}

std::vector<std::string> fixture_sets(const std::string& folder) {
  const fs::path root(folder);
  if (fs::exists(root / "setup.json")) return {folder};
  std::set<std::string> sets;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root, error)) {
    if (fs::exists(entry.path() / "setup.json")) sets.insert(entry.path().string());
  }
  if (sets.empty()) return {folder};
  return {sets.begin(), sets.end()};
}

Result<Fixtures> read_fixtures(const std::string& folder) {
  Fixtures fixtures;
  const auto setup = read_setup(folder + "/setup.json", fixtures);
  if (!setup) return setup.error();
  std::error_code error;
  std::set<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, error)) paths.insert(entry.path());
  if (error) return fail(Errc::invalid_argument, folder + " cannot be read");
  for (const fs::path& path : paths) {
    const std::string extension = path.extension().string();
    if (path.filename() == "setup.json") continue;
    if (extension == ".json" || extension == ".form" || extension == ".eml" ||
        extension == ".txt") {
      auto one = read_case(path, fixtures, *setup);
      if (!one) return one.error();
      fixtures.cases.push_back(*std::move(one));
    } else if (extension == ".transcript") {
      auto transcript = read_transcript(path, fixtures);
      if (!transcript) return transcript.error();
      fixtures.transcripts.push_back(*std::move(transcript));
    }
  }
  return fixtures;
}

}  // namespace gateway::plugins
