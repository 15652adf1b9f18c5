#include "gateway/plugins/contract.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;
using gateway::plugins::Finding;
using gateway::plugins::run_contract;

const std::string kSource = BACKCHANNEL_SOURCE_DIR;
const std::string kBinary = BACKCHANNEL_BINARY_DIR;

std::string text_of(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += "check " + std::to_string(finding.check) + ": " + finding.what + "\n";
  }
  return text;
}

std::vector<Finding> findings_for_sample(const std::string& name) {
  return run_contract(kBinary + "/tests/samples/" + name + "/sample.so",
                      kSource + "/tests/connectors/samples/fixtures");
}

// Which checks noticed something.
std::set<int> checks_that_notice(const std::string& sample) {
  std::set<int> checks;
  for (const Finding& finding : findings_for_sample(sample)) checks.insert(finding.check);
  return checks;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(contract)

BOOST_AUTO_TEST_CASE(every_connector_of_this_build_keeps_it) {
  std::set<std::string> types;
  for (const auto& entry : fs::directory_iterator(kBinary + "/connectors")) {
    if (entry.path().extension() != ".so") continue;
    const std::string type = entry.path().stem().string();
    types.insert(type);
    BOOST_TEST_CONTEXT(type) {
      const auto findings =
          run_contract(entry.path().string(), kSource + "/tests/fixtures/" + type);
      BOOST_TEST(text_of(findings) == "");
    }
  }
  BOOST_TEST(types.contains("telegram"));
}

BOOST_AUTO_TEST_CASE(a_sample_without_flaws_passes) {
  BOOST_TEST(text_of(findings_for_sample("good")) == "");
}

BOOST_AUTO_TEST_CASE(every_flaw_is_noticed_by_the_check_that_is_for_it) {
  struct Flaw {
    std::string sample;
    int check;
    std::string words;  // of the finding, so that no other mistake is taken for it
  };
  const std::vector<Flaw> flaws{
      {"wrong_major", 1, "was built for connector ABI 2.1, this gateway speaks 1.1"},
      {"short_table", 1, "this gateway needs"},
      {"open_secret", 1, "config.access_token sounds like a secret"},
      {"exports_more", 2, "sample_second_symbol"},
      {"reads_environment", 2, "imports getenv"},
      {"reads_clock", 2, "system_clock"},
      {"opens_socket", 2, "imports socket"},
      {"keeps_state", 3, "equal arguments gave different results"},
      {"accepts_all", 4, "verify accepts a proof with byte 0 changed"},
      {"throws", 5, "cannot parse"},
      {"throws_across", 5, "threw something"},
      {"never_ends", 6, "check does not end"},
      {"ignores_refusal", 6, "should be auth and is retry"},
      {"plain_http", 7, "emitted a malformed call"},
      {"leaks_secret", 7, "the outcome repeats a secret"},
      {"sets_host", 7, "a call sets the header host"},
      {"sets_host", 7, "a call sets the header content-length"},
      {"sets_host", 7, "a call sets the header transfer-encoding"},
      {"sets_host", 7, "a call sets the header connection"},
      {"without_thread", 8, "message has no thread"},
      {"names_attachment_id", 8, "has an attachment with id as extra"},
  };
  for (const Flaw& flaw : flaws) {
    BOOST_TEST_CONTEXT(flaw.sample) {
      const auto findings = findings_for_sample(flaw.sample);
      const bool noticed = std::any_of(findings.begin(), findings.end(), [&](const Finding& one) {
        return one.check == flaw.check && one.what.find(flaw.words) != std::string::npos;
      });
      BOOST_TEST(noticed, text_of(findings));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_flaw_of_one_kind_alarms_no_unrelated_check) {
  BOOST_TEST((checks_that_notice("leaks_secret") == std::set<int>{7}));
  BOOST_TEST((checks_that_notice("ignores_refusal") == std::set<int>{6}));
  BOOST_TEST((checks_that_notice("opens_socket") == std::set<int>{2}));
  BOOST_TEST((checks_that_notice("accepts_all") == std::set<int>{4}));
}

BOOST_AUTO_TEST_CASE(missing_fixtures_are_a_finding_and_not_a_pass) {
  const auto findings =
      run_contract(kBinary + "/tests/samples/good/sample.so", kSource + "/tests/fixtures/nothing");
  BOOST_TEST_REQUIRE(findings.size() == 1u);
  BOOST_TEST(findings[0].check == 9);
}

BOOST_AUTO_TEST_CASE(what_is_no_shared_object_is_told_without_loading_it) {
  const auto findings = run_contract(kSource + "/CMakeLists.txt", "");
  BOOST_TEST(text_of(findings).find("is no shared object of this machine") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
