#include "gateway/plugins/contract.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <thread>

#include "connectors/sdk/connector_abi.h"
#include "connectors/sdk/form.h"
#include "connectors/sdk/text.h"
#include "gateway/plugins/connector.h"
#include "gateway/plugins/describe.h"
#include "gateway/plugins/elf_symbols.h"
#include "gateway/plugins/fixtures.h"
#include "gateway/plugins/reserved.h"

namespace gateway::plugins {
namespace {

using connector::Call;
using connector::Channel;
using connector::Event;
using connector::EventKind;
using connector::Fail;
using connector::Failure;
using connector::Operation;
using connector::Request;
using connector::Response;
using connector::Step;
using connector::Verdict;

constexpr std::size_t kMaxObjectBytes = 256u << 20;
// "Ends within 8 steps" for answers that say nothing.
constexpr std::size_t kMaxEmptyAnswers = 8;
constexpr std::array<Operation, 8> kOperations{Operation::register_webhook,
                                               Operation::unregister_webhook,
                                               Operation::check,
                                               Operation::poll,
                                               Operation::send,
                                               Operation::fetch_media,
                                               Operation::acknowledge,
                                               Operation::signal};

// What the fixtures of all sets together show.
struct Coverage {
  bool text = false;
  bool media = false;
  bool status = false;
  bool unknown = false;
  bool no_media = false;   // bypassed
  bool no_status = false;  // bypassed
  std::set<Operation> operations;
};

bool starts_with_any(std::string_view name, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// A connector computes; it does not ask the machine for anything. Names of functions that do no
// more than that, and of the compiler's own.
bool is_allowed_import(std::string_view name) {
  constexpr std::array<std::string_view, 52> kFunctions{"memchr",
                                                        "memcmp",
                                                        "memcpy",
                                                        "memmove",
                                                        "memset",
                                                        "memrchr",
                                                        "memmem",
                                                        "strlen",
                                                        "strnlen",
                                                        "strcmp",
                                                        "strncmp",
                                                        "strchr",
                                                        "strrchr",
                                                        "strstr",
                                                        "strspn",
                                                        "strcspn",
                                                        "bcmp",
                                                        "free",
                                                        "malloc",
                                                        "calloc",
                                                        "realloc",
                                                        "abort",
                                                        "qsort",
                                                        "bsearch",
                                                        "floor",
                                                        "ceil",
                                                        "round",
                                                        "trunc",
                                                        "lround",
                                                        "llround",
                                                        "fmod",
                                                        "modf",
                                                        "ldexp",
                                                        "frexp",
                                                        "pow",
                                                        "sqrt",
                                                        "log10",
                                                        "exp",
                                                        "snprintf",
                                                        "vsnprintf",
                                                        "toupper",
                                                        "tolower",
                                                        "CRYPTO_memcmp",
                                                        "HMAC",
                                                        "__gmon_start__",
                                                        "__assert_fail",
                                                        "__stack_chk_fail",
                                                        "__errno_location",
                                                        "__ctype_b_loc",
                                                        "__tls_get_addr",
                                                        "__dso_handle",
                                                        "BIO_free"};
  constexpr std::array<std::string_view, 30> kPrefixes{"__cxa_",
                                                       "_Unwind_",
                                                       "__gxx_personality_",
                                                       "_ITM_",
                                                       "__mem",
                                                       "__str",
                                                       "__asan_",
                                                       "__ubsan_",
                                                       "__tsan_",
                                                       "__sanitizer_",
                                                       "__lsan_",
                                                       "__sancov_",
                                                       "EVP_",
                                                       "d2i_",
                                                       "X509_",
                                                       "ERR_",
                                                       "BIO_new_mem_buf",
                                                       "PEM_read_bio_",
                                                       "_Znw",
                                                       "_Zna",
                                                       "_Zdl",
                                                       "_Zda",
                                                       "_ZNSt",
                                                       "_ZNSa",
                                                       "_ZNKSa",
                                                       "_ZNKSt",
                                                       "_ZSt",
                                                       "_ZTISt",
                                                       "_ZTVSt",
                                                       "_ZTVN10__cxxabiv1"};
  // Within what the prefixes allow: clocks, files, standard streams, randomness, threads.
  constexpr std::array<std::string_view, 15> kForbidden{
      "chrono",   "random_device", "filesystem",    "filebuf", "ifstream",
      "ofstream", "fstream",       "ios_base4Init", "thread",  "condition_variable",
      "St4cout",  "St4cerr",       "St4clog",       "St3cin",  "EVP_RAND"};
  if (std::find(kFunctions.begin(), kFunctions.end(), name) != kFunctions.end()) return true;
  if (name.starts_with("_ZTI") || name.starts_with("_ZTS")) return true;
  return starts_with_any(name, kPrefixes) &&
         std::none_of(kForbidden.begin(), kForbidden.end(), [&](std::string_view part) {
           return name.find(part) != std::string_view::npos;
         });
}

// The first line in which two texts differ.
std::string difference(std::string_view wanted, std::string_view got) {
  for (std::size_t line = 1;; ++line) {
    const std::string_view a = wanted.substr(0, wanted.find('\n'));
    const std::string_view b = got.substr(0, got.find('\n'));
    if (a != b) {
      return "line " + std::to_string(line) + " should be \"" + std::string(a) + "\" and is \"" +
             std::string(b) + "\"";
    }
    if (wanted.size() == a.size() && got.size() == b.size()) return "the last line end";
    wanted.remove_prefix(std::min(wanted.size(), a.size() + 1));
    got.remove_prefix(std::min(got.size(), b.size() + 1));
  }
}

class Contract {
 public:
  // `set` stands before each finding: empty, or "twilio: ".
  Contract(const Connector& connector, const Fixtures& fixtures, std::string set,
           Coverage& coverage, std::vector<Finding>& findings)
      : connector_(connector),
        fixtures_(fixtures),
        set_(std::move(set)),
        coverage_(coverage),
        findings_(findings) {
    for (const std::string& field : connector.schema().secret_fields()) {
      const auto value = connector::find(fixtures.channel.config, field);
      if (value && value->size() >= 4) secrets_.emplace_back(*value);
    }
    if (fixtures.channel.secret.size() >= 4) secrets_.push_back(fixtures.channel.secret);
  }

  void run() {
    check_setup();
    check_purity();
    check_verify();
    check_truncated();
    check_endings();
    check_failures();
    check_calls();
    check_events();
    look_at_coverage();
    check_expectations();
  }

 private:
  void found(int check, const std::string& what) { findings_.push_back({check, set_ + what}); }
  bool bypassed(const std::string& name) const { return fixtures_.bypass.contains(name); }

  Event input_for(Operation operation) const {
    const auto input = fixtures_.inputs.find(operation);
    return input == fixtures_.inputs.end() ? Event{} : input->second;
  }

  Step plan(const Transcript& transcript, std::span<const Response> so_far) const {
    return connector_.plan(transcript.channel, transcript.operation, transcript.input, so_far);
  }

  // 1: what the fixtures say must itself be right.
  void check_setup() {
    const auto config = sdk::json::Document::parse(fixtures_.config_json);
    if (!config) return found(1, "setup.json has no config");
    for (const FieldError& error : connector_.schema().validate(config->root())) {
      found(1, "setup.json: " + error.field + " " + error.message);
    }
    for (const auto& [name, reason] : fixtures_.bypass) {
      if (reason.empty()) found(1, "setup.json bypasses " + name + " without a reason");
    }
    check_secret_fields();
  }

  void check_secret_fields() {
    const std::vector<std::string>& secret = connector_.schema().secret_fields();
    for (const auto& [name, value] : fixtures_.channel.config) {
      const std::string lower = sdk::lower_ascii(name);
      const bool sounds_secret =
          lower.find("token") != std::string::npos || lower.find("secret") != std::string::npos ||
          lower.find("password") != std::string::npos || lower.ends_with("key");
      if (sounds_secret && std::find(secret.begin(), secret.end(), name) == secret.end() &&
          !bypassed("public." + name)) {
        found(1, "config." + name + " sounds like a secret and is not marked writeOnly");
      }
    }
  }

  // Everything the connector says about the fixtures.
  std::string everything() const {
    std::string text;
    for (const Case& one : fixtures_.cases) {
      text += connector_.verify(fixtures_.channel, one.request) == Verdict::accept ? "+" : "-";
      text += describe(connector_.receive(fixtures_.channel, one.request));
    }
    for (const Transcript& transcript : fixtures_.transcripts) {
      for (std::size_t i = 0; i <= transcript.answers.size(); ++i) {
        text += describe(plan(transcript, std::span(transcript.answers).first(i)));
      }
    }
    return text;
  }

  // 3
  void check_purity() {
    const std::string first = everything();
    if (const std::string second = everything(); first != second) {
      return found(3, "equal arguments gave different results: " + difference(first, second));
    }
    std::array<std::string, 4> results;
    {
      std::vector<std::jthread> threads;
      for (std::string& result : results) {
        threads.emplace_back([this, &result] { result = everything(); });
      }
    }
    for (const std::string& result : results) {
      if (result != first) {
        return found(3,
                     "four threads at once gave different results: " + difference(first, result));
      }
    }
  }

  bool accepts(const Request& request) const {
    return connector_.verify(fixtures_.channel, request) == Verdict::accept;
  }

  static std::size_t last_segment(std::string_view target) {
    return target.substr(0, target.find('?')).rfind('/') + 1;
  }
  std::string_view form_field() const {
    constexpr std::string_view kForm = "form:";
    const std::string_view proof = fixtures_.proof;
    return proof.starts_with(kForm) ? proof.substr(kForm.size()) : std::string_view();
  }

  std::string proof_of(const Request& request) const {
    if (fixtures_.proof == "target") {
      const std::string_view path =
          std::string_view(request.target).substr(0, request.target.find('?'));
      return std::string(path.substr(last_segment(path)));
    }
    if (!form_field().empty()) {
      return std::string(
          sdk::find(sdk::parse_form(request.body), form_field()).value_or(std::string_view()));
    }
    return std::string(request.header(fixtures_.proof));
  }

  Request with_proofs(Request request, const std::vector<std::string>& values) const {
    if (fixtures_.proof == "target") {
      const std::size_t from = last_segment(request.target);
      const std::size_t to = std::min(request.target.find('?'), request.target.size());
      std::string all;
      for (const std::string& value : values) all += value;
      request.target.replace(from, to - from, all);
      return request;
    }
    if (!form_field().empty()) {
      sdk::Form form = sdk::parse_form(request.body);
      std::erase_if(form, [&](const auto& field) { return field.first == form_field(); });
      for (const std::string& value : values) form.emplace_back(form_field(), value);
      request.body = sdk::encode_form(form);
      return request;
    }
    std::erase_if(request.headers, [&](const auto& h) { return h.first == fixtures_.proof; });
    for (const std::string& value : values) request.headers.emplace_back(fixtures_.proof, value);
    return request;
  }

  // 4
  void check_verify() {
    for (const Case& one : fixtures_.cases) {
      if (!accepts(one.request)) {
        found(4, one.name + ": verify refuses what the platform sent");
        continue;
      }
      if (bypassed("verify." + one.name)) continue;
      check_proof(one);
      if (!bypassed("body_flip")) check_flipped_body(one);
      check_without_secrets(one);
    }
  }

  void check_proof(const Case& one) {
    const std::string proof = proof_of(one.request);
    if (proof.empty()) return found(4, one.name + ": setup.json names no proof it carries");
    const auto with_proof = [&](const std::vector<std::string>& values) {
      return with_proofs(one.request, values);
    };
    if (accepts(with_proof({}))) found(4, one.name + ": verify accepts it without its proof");
    if (accepts(with_proof({""}))) found(4, one.name + ": verify accepts an empty proof");
    if (accepts(with_proof({proof, proof}))) {
      found(4, one.name + ": verify accepts it with its proof twice");
    }
    for (std::size_t at = 0; at < proof.size(); ++at) {
      std::string flipped = proof;
      flipped[at] = static_cast<char>(flipped[at] ^ 1);
      if (accepts(with_proof({flipped}))) {
        return found(
            4, one.name + ": verify accepts a proof with byte " + std::to_string(at) + " changed");
      }
    }
    if (accepts(with_proof({proof.substr(0, proof.size() - 1)}))) {
      found(4, one.name + ": verify accepts a proof that was cut");
    }
  }

  void check_flipped_body(const Case& one) {
    const std::size_t stride = 1 + one.request.body.size() / 2000;
    for (std::size_t at = 0; at < one.request.body.size(); at += stride) {
      Request request = one.request;
      request.body[at] = static_cast<char>(request.body[at] ^ 1);
      if (accepts(request)) {
        return found(
            4, one.name + ": verify accepts a body with byte " + std::to_string(at) + " changed");
      }
    }
  }

  void check_without_secrets(const Case& one) {
    Channel empty = fixtures_.channel;
    empty.secret.clear();
    for (auto& [name, value] : empty.config) {
      const auto& secret = connector_.schema().secret_fields();
      if (std::find(secret.begin(), secret.end(), name) != secret.end()) value.clear();
    }
    if (connector_.verify(empty, one.request) == Verdict::accept) {
      found(4, one.name + ": verify accepts it for a channel whose secrets are empty");
    }
  }

  // 5
  void check_truncated() {
    for (const Case& one : fixtures_.cases) {
      const std::size_t stride = 1 + one.request.body.size() / 4000;
      for (std::size_t length = 0; length <= one.request.body.size(); length += stride) {
        Request request = one.request;
        request.body.resize(length);
        const auto received = connector_.receive(fixtures_.channel, request);
        if (!received && received.error().code != Errc::invalid_argument) {
          found(5, one.name + " cut at byte " + std::to_string(length) + ": " +
                       received.error().message);
          break;
        }
      }
    }
  }

  static bool is_fault(const Step& step) {
    const auto* fail = std::get_if<Fail>(&step);
    return fail != nullptr && fail->platform_code == "connector_fault";
  }

  // 6, first half: an operation whose answers say nothing ends.
  void check_endings() {
    for (const Operation operation : kOperations) {
      std::vector<Response> answers;
      for (;;) {
        const Step step =
            connector_.plan(fixtures_.channel, operation, input_for(operation), answers);
        if (is_fault(step))
          found(6, std::string(name_of(operation)) + ": " + std::get<Fail>(step).why);
        if (!std::holds_alternative<Call>(step)) break;
        if (answers.size() == kMaxEmptyAnswers) {
          found(6, std::string(name_of(operation)) + " does not end within 8 empty answers");
          break;
        }
        answers.push_back({.status = 200, .body = "{}"});
      }
    }
  }

  struct Trouble {
    std::string_view name;
    Response response;
    std::vector<Failure> allowed;
  };

  // A mail server's numbers mean other things: 4yz passes, 5yz stays.
  static std::vector<Trouble> mail_troubles(bool sends) {
    std::vector<Trouble> all{
        {"401", {.status = 401, .body = "535 5.7.8 refused"}, {Failure::auth}},
        {"no connection", {.status = 0, .not_sent = true}, {Failure::retry}},
        {"no answer", {.status = 0}, {Failure::retry, Failure::uncertain}},
    };
    if (sends) {
      all.push_back({"421", {.status = 421, .body = "421 4.3.2 busy"}, {Failure::retry}});
      all.push_back({"550",
                     {.status = 550, .body = "550 5.1.1 unknown"},
                     {Failure::permanent, Failure::unreachable}});
    }
    return all;
  }

  std::vector<Trouble> troubles(Operation operation, const Call& asked) const {
    if (!asked.url.starts_with("https:")) return mail_troubles(asked.url.starts_with("smtp"));
    // Sending twice does harm, so not knowing is an answer of its own.
    std::vector<Failure> repeatable{Failure::retry};
    if (operation == Operation::send) repeatable.push_back(Failure::uncertain);
    std::string echo = "{\"ok\":false";
    for (const std::string& secret : secrets_) {
      for (const std::string_view name : {"description", "message", "error", "detail", "title"}) {
        echo += ",\"" + std::string(name) + "\":\"no " + secret + " here\"";
      }
    }
    echo += "}";
    std::vector<Failure> unauthorized{Failure::auth};
    // The signed address of a file may have run out, which says nothing of the channel's
    // credentials.
    if (operation == Operation::fetch_media && asked.answer_is_media) {
      unauthorized.insert(unauthorized.end(), {Failure::permanent, Failure::retry});
    }
    return {
        {"401", {.status = 401, .body = echo}, unauthorized},
        {"429", {.status = 429, .headers = {{"retry-after", "7"}}, .body = echo}, {Failure::rate}},
        {"500", {.status = 500, .body = echo}, repeatable},
        {"no answer", {.status = 0}, repeatable},
        {"no connection", {.status = 0, .not_sent = true}, {Failure::retry}},
    };
  }

  // 6, second half, and 7: every trouble at every step of every transcript.
  void check_failures() {
    for (const Transcript& transcript : fixtures_.transcripts) {
      for (std::size_t i = 0; i < transcript.answers.size(); ++i) {
        std::vector<Response> answers(transcript.answers.begin(),
                                      transcript.answers.begin() + static_cast<std::ptrdiff_t>(i));
        const Step asked = plan(transcript, answers);
        if (!std::holds_alternative<Call>(asked)) break;
        for (const Trouble& trouble : troubles(transcript.operation, std::get<Call>(asked))) {
          answers.push_back(trouble.response);
          check_failure(transcript, i, trouble, plan(transcript, answers));
          answers.pop_back();
        }
      }
    }
  }

  void check_failure(const Transcript& transcript, std::size_t i, const Trouble& trouble,
                     const Step& step) {
    const std::string where = transcript.name + ", " + std::string(trouble.name) + " as answer " +
                              std::to_string(i + 1) + ": ";
    const auto* fail = std::get_if<Fail>(&step);
    if (fail == nullptr) return found(6, where + "is taken for success");
    if (std::find(trouble.allowed.begin(), trouble.allowed.end(), fail->code) ==
        trouble.allowed.end()) {
      found(6, where + "should be " + std::string(name_of(trouble.allowed[0])) + " and is " +
                   std::string(name_of(fail->code)));
    }
    if (trouble.name == "429" && fail->code == Failure::rate && fail->retry_after_ms != 7000) {
      found(6, where + "does not wait the 7 seconds it was told");
    }
    check_leak(where, fail->why + "\n" + fail->platform_code);
  }

  void check_leak(const std::string& where, std::string_view text) {
    for (const std::string& secret : secrets_) {
      if (text.find(secret) != std::string_view::npos) {
        return found(7, where + "the outcome repeats a secret");
      }
    }
  }

  // 7: where calls go, and what outcomes say.
  void check_calls() {
    for (const Transcript& transcript : fixtures_.transcripts) {
      for (std::size_t i = 0; i <= transcript.answers.size(); ++i) {
        const Step step = plan(transcript, std::span(transcript.answers).first(i));
        if (is_fault(step)) found(7, transcript.name + ": " + std::get<Fail>(step).why);
        if (const auto* call = std::get_if<Call>(&step)) {
          check_call(transcript.name, *call);
        } else if (const auto* fail = std::get_if<Fail>(&step)) {
          check_leak(transcript.name + ": ", fail->why);
        } else {
          for (const auto& [name, value] : std::get<connector::Done>(step).results) {
            // What a person enters at the platform is shown to the channel's owner alone.
            if (name.starts_with("instruction.")) continue;
            check_leak(transcript.name + ": ", value);
          }
        }
      }
    }
  }

  void check_call(const std::string& name, const Call& call) {
    const std::string_view scheme = std::string_view(call.url).substr(0, call.url.find("://"));
    constexpr std::array<std::string_view, 5> kSchemes{"https", "smtp", "smtps", "imap", "imaps"};
    if (std::find(kSchemes.begin(), kSchemes.end(), scheme) == kSchemes.end()) {
      found(7, name + ": calls a URL of scheme \"" + std::string(scheme) + "\"");
    }
    for (const std::string& secret : secrets_) {
      if (!call.url_is_secret && call.url.find(secret) != std::string::npos) {
        found(7, name + ": a URL holds a secret and is not marked as one");
      }
    }
    for (const auto& [header, value] : call.headers) {
      if (is_reserved_header(sdk::lower_ascii(header))) {
        found(7, name + ": a call sets the header " + header + ", which is the gateway's");
      }
    }
  }

  // 8
  void check_events() {
    for (const Case& one : fixtures_.cases) {
      const auto received = connector_.receive(fixtures_.channel, one.request);
      if (!received) continue;
      std::set<std::string> keys;
      for (const Event& event : received->events) {
        const std::string where = one.name + ": " + std::string(name_of(event.kind));
        if (event.key.empty()) found(8, where + " has no key");
        if (!keys.insert(event.key).second) found(8, where + " has the key of another event");
        const bool in_thread = event.kind == EventKind::message || event.kind == EventKind::echo ||
                               event.kind == EventKind::edited || event.kind == EventKind::notice ||
                               event.kind == EventKind::callback;
        if (in_thread && event.thread.empty()) found(8, where + " has no thread");
        const bool of_message =
            event.kind == EventKind::message || event.kind == EventKind::echo ||
            event.kind == EventKind::edited || event.kind == EventKind::deleted ||
            event.kind == EventKind::reaction || event.kind == EventKind::status;
        if (of_message && event.message.empty()) found(8, where + " has no message");
        if (event.kind == EventKind::message && event.contact.empty()) {
          found(8, where + " has no contact");
        }
        check_attachments(where, event);
      }
    }
    for (const Transcript& transcript : fixtures_.transcripts) {
      const Step last = plan(transcript, transcript.answers);
      const auto* done = std::get_if<connector::Done>(&last);
      if (done == nullptr) continue;
      for (const Event& event : done->events) check_attachments(transcript.name, event);
    }
  }

  void check_attachments(const std::string& where, const Event& event) {
    for (const connector::Attachment& attachment : event.attachments) {
      for (const auto& [name, value] : attachment.extra) {
        if (is_attachment_member(name)) {
          found(8, where + " has an attachment with " + name +
                       " as extra, which the gateway's own member hides");
        }
      }
    }
  }

  // For 9, which asks of all sets together.
  void look_at_coverage() {
    coverage_.no_media |= bypassed("fixture.media");
    coverage_.no_status |= bypassed("fixture.status");
    for (const Transcript& one : fixtures_.transcripts) coverage_.operations.insert(one.operation);
    for (const Case& one : fixtures_.cases) {
      const auto received = connector_.receive(fixtures_.channel, one.request);
      if (!received) continue;
      for (const Event& event : received->events) {
        coverage_.text |= event.kind == EventKind::message && !event.text.empty();
        coverage_.media |= event.kind == EventKind::message && !event.attachments.empty();
        coverage_.status |= event.kind == EventKind::status;
        coverage_.unknown |= event.kind == EventKind::unknown;
      }
    }
  }

  // 10
  void check_expectations() {
    for (const Case& one : fixtures_.cases) {
      const std::string got = describe(connector_.receive(fixtures_.channel, one.request));
      if (!one.expect) {
        found(10, one.name + " has no .expect");
      } else if (got != *one.expect) {
        found(10, one.name + ": " + difference(*one.expect, got));
      }
    }
    for (const Transcript& transcript : fixtures_.transcripts) {
      std::string got;
      for (std::size_t i = 0;; ++i) {
        const Step step = plan(transcript, std::span(transcript.answers).first(i));
        got += describe(step);
        if (!std::holds_alternative<Call>(step) || i == transcript.answers.size()) break;
        got += transcript.answer_texts[i];
      }
      if (got != transcript.expect) {
        found(10, transcript.name + ": " + difference(transcript.expect, got));
      }
    }
  }

  const Connector& connector_;
  const Fixtures& fixtures_;
  const std::string set_;
  Coverage& coverage_;
  std::vector<Finding>& findings_;
  std::vector<std::string> secrets_;
};

// 9
void check_coverage(const Coverage& seen, std::vector<Finding>& findings) {
  const auto found = [&](std::string what) { findings.push_back({9, std::move(what)}); };
  if (!seen.text) found("no fixture is a text message");
  if (!seen.media && !seen.no_media) found("no fixture is a message with media");
  if (!seen.status && !seen.no_status) found("no fixture is a delivery status");
  if (!seen.unknown) found("no fixture is of a kind the connector does not know");
  for (const Operation operation : {Operation::register_webhook, Operation::send}) {
    if (!seen.operations.contains(operation)) {
      found("no transcript of " + std::string(name_of(operation)));
    }
  }
}

struct FixtureSet {
  std::string prefix;
  Fixtures fixtures;
};

void check_symbols(const std::string& path, const std::vector<FixtureSet>& sets,
                   std::vector<Finding>& findings) {
  const auto bytes = read_file(path, kMaxObjectBytes);
  if (!bytes) return findings.push_back({2, bytes.error().message});
  const auto symbols = read_elf_symbols(*bytes);
  if (!symbols) return findings.push_back({2, path + " " + symbols.error().message});
  if (symbols->exported != std::vector<std::string>{GWC_ENTRY_NAME}) {
    std::string all;
    for (const std::string& name : symbols->exported) all += " " + name;
    findings.push_back({2, "exports other symbols than " GWC_ENTRY_NAME ":" + all});
  }
  for (const std::string& name : symbols->imported) {
    const bool bypassed = std::any_of(sets.begin(), sets.end(), [&](const FixtureSet& set) {
      const auto& bypass = set.fixtures.bypass;
      return std::any_of(bypass.begin(), bypass.end(), [&](const auto& entry) {
        return entry.first.starts_with("import.") &&
               name.starts_with(std::string_view(entry.first).substr(7));
      });
    });
    if (!is_allowed_import(name) && !bypassed) {
      findings.push_back({2, "imports " + name + ", which a pure function has no use for"});
    }
  }
}

}  // namespace

std::vector<Finding> run_contract(const std::string& path, const std::string& fixtures_folder) {
  std::vector<Finding> findings;
  std::vector<FixtureSet> sets;
  if (!fixtures_folder.empty()) {
    const std::vector<std::string> folders = fixture_sets(fixtures_folder);
    for (const std::string& folder : folders) {
      auto read = read_fixtures(folder);
      if (!read) {
        findings.push_back({9, read.error().message});
        continue;
      }
      std::string prefix;
      if (folder != fixtures_folder) prefix = folder.substr(folder.rfind('/') + 1) + ": ";
      sets.push_back({std::move(prefix), *std::move(read)});
    }
  }
  // Before anything of it runs.
  check_symbols(path, sets, findings);
  const auto connector = load_connector(path);
  if (!connector) {
    findings.push_back({1, connector.error().message});
    return findings;
  }
  if (sets.empty()) return findings;
  Coverage coverage;
  for (const FixtureSet& set : sets) {
    Contract(**connector, set.fixtures, set.prefix, coverage, findings).run();
  }
  check_coverage(coverage, findings);
  return findings;
}

}  // namespace gateway::plugins
