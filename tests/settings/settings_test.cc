#include "gateway/settings/settings.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/support/postgres.h"
#include "tests/support/result.h"

using namespace gateway;
using namespace gateway::settings;

namespace {

Settings loaded(const Given& flags, const Environment& environment = {}) {
  auto result = load_settings(flags, environment);
  BOOST_TEST_REQUIRE(result.has_value(), test_support::why(result));
  return std::move(*result);
}

std::string problem(const Given& flags, const Environment& environment = {}) {
  const auto result = load_settings(flags, environment);
  return result ? "no problem" : result.error().message;
}

bool says(const std::string& text, std::string_view words) {
  BOOST_TEST_INFO(text);
  return text.find(words) != std::string::npos;
}

std::string file_with(const test_support::TempFolder& folder, const std::string& text) {
  const std::string path = folder.path() / "settings.toml";
  std::ofstream(path) << text;
  chmod(path.c_str(), 0600);
  return path;
}

Given parsed(std::vector<std::string> arguments) {
  Given flags;
  CLI::App app;
  add_settings(app, flags);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(std::move(arguments));
  return flags;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(settings)

BOOST_AUTO_TEST_CASE(defaults_are_those_of_the_documentation) {
  const Settings settings = loaded({});
  BOOST_TEST(settings.http.address == "127.0.0.1");
  BOOST_TEST(settings.http.port == 8080);
  BOOST_TEST(settings.public_url == "");
  BOOST_TEST(settings.database_url.empty());
  BOOST_TEST(settings.data_dir == "var");
  BOOST_TEST(settings.keys == "var/master.keys");
  BOOST_TEST(settings.upstreams.empty());
  BOOST_TEST_REQUIRE(settings.connector_dirs.size() == 1u);
  BOOST_TEST(settings.connector_dirs[0].is_absolute());
  BOOST_TEST(settings.connector_dirs[0].filename() == "connectors");
  BOOST_TEST(settings.operator_token.empty());
  BOOST_TEST(settings.log_level == "info");
  BOOST_TEST(settings.threads == 0);
  BOOST_TEST(settings.token_ttl_hours == 24);
  BOOST_TEST(settings.media_bytes == 25 << 20);
  BOOST_TEST(settings.drain_seconds == 10);
  BOOST_TEST(!settings.expose_channel_secrets);
  BOOST_TEST(!settings.unsafe);
  BOOST_TEST(settings.warnings.empty());
}

BOOST_AUTO_TEST_CASE(a_flag_wins_over_the_environment_and_that_over_the_file) {
  const test_support::TempFolder folder("settings");
  const std::string file =
      file_with(folder, "threads = 1\ntoken_ttl_hours = 1\ndrain_seconds = 1 # all three\n");
  const Settings settings =
      loaded({{"config", {file}}, {"threads", {"3"}}},
             {{"BACKCHANNEL_THREADS", "2"}, {"BACKCHANNEL_TOKEN_TTL_HOURS", "2"}});
  BOOST_TEST(settings.threads == 3);
  BOOST_TEST(settings.token_ttl_hours == 2);
  BOOST_TEST(settings.drain_seconds == 1);
}

BOOST_AUTO_TEST_CASE(the_file_may_be_named_by_the_environment) {
  const test_support::TempFolder folder("settings");
  const std::string file = file_with(folder, "threads = 5");
  BOOST_TEST(loaded({}, {{"BACKCHANNEL_CONFIG", file}}).threads == 5);
  BOOST_TEST(says(problem({{"config", {folder.path() / "absent"}}}), "No such file or directory"));
  BOOST_TEST(says(problem({{"config", {folder.path()}}}), "Is a directory"));
}

BOOST_AUTO_TEST_CASE(an_empty_variable_counts_as_not_set) {
  BOOST_TEST(loaded({}, {{"BACKCHANNEL_THREADS", ""}, {"DATABASE_URL", ""}}).threads == 0);
  BOOST_TEST(says(problem({{"threads", {""}}}), "--threads: is empty"));
}

BOOST_AUTO_TEST_CASE(the_environment_names_every_setting) {
  const Settings settings = loaded({}, {{"BACKCHANNEL_HTTP", "[::1]:0"},
                                        {"BACKCHANNEL_PUBLIC_URL", "https://Gateway.example/base/"},
                                        {"DATABASE_URL", "postgresql://u:p@db/backchannel"},
                                        {"BACKCHANNEL_MIGRATE_URL", "host=db user=owner"},
                                        {"BACKCHANNEL_DATA_DIR", "/srv/data"},
                                        {"BACKCHANNEL_CONNECTOR_DIR", "/a:/b,/c"},
                                        {"BACKCHANNEL_KEYS", "/k"},
                                        {"BACKCHANNEL_OPERATOR_TOKEN", "0123456789abcdef"},
                                        {"BACKCHANNEL_META_APP_SECRET", "s"},
                                        {"BACKCHANNEL_LOG_LEVEL", "debug"},
                                        {"BACKCHANNEL_EXPOSE_CHANNEL_SECRETS", "yes"},
                                        {"BACKCHANNEL_TRUSTED_PROXIES", "10.0.0.0/8, ::1"},
                                        {"BACKCHANNEL_DRAIN_SECONDS", "0"},
                                        {"BACKCHANNEL_UNSAFE", "1"}});
  BOOST_TEST(settings.http.address == "::1");
  BOOST_TEST(settings.http.port == 0);
  BOOST_TEST(settings.public_url == "https://gateway.example/base");
  BOOST_TEST(settings.database_url.reveal() == "postgresql://u:p@db/backchannel");
  BOOST_TEST(settings.migrate_url.reveal() == "host=db user=owner");
  BOOST_TEST(settings.data_dir == "/srv/data");
  BOOST_TEST(settings.connector_dirs.size() == 3u);
  BOOST_TEST(settings.connector_dirs[2] == "/c");
  BOOST_TEST(settings.keys == "/k");
  BOOST_TEST(settings.operator_token.reveal() == "0123456789abcdef");
  BOOST_TEST(settings.meta_app_secret.reveal() == "s");
  BOOST_TEST(settings.log_level == "debug");
  BOOST_TEST(settings.expose_channel_secrets);
  BOOST_TEST(settings.trusted_proxies.size() == 2u);
  BOOST_TEST(settings.trusted_proxies[1] == "::1");
  BOOST_TEST(settings.drain_seconds == 0);
  BOOST_TEST(settings.unsafe);
}

BOOST_AUTO_TEST_CASE(upstreams_are_pairs_of_origins) {
  const Settings settings = loaded({}, {{"BACKCHANNEL_UPSTREAMS",
                                         "https://api.telegram.org=http://127.0.0.1:9000, "
                                         "HTTPS://Graph.Facebook.com:443/=http://[::1]:1,"}});
  BOOST_TEST_REQUIRE(settings.upstreams.size() == 2u);
  BOOST_TEST(settings.upstreams[0].first == "https://api.telegram.org");
  BOOST_TEST(settings.upstreams[0].second == "http://127.0.0.1:9000");
  BOOST_TEST(settings.upstreams[1].first == "https://graph.facebook.com");
  BOOST_TEST(settings.upstreams[1].second == "http://[::1]:1");
}

BOOST_AUTO_TEST_CASE(upstreams_may_be_of_mail_servers) {
  const Settings settings = loaded(
      {{"upstreams",
        {"smtp://mail.example:587=smtp://127.0.0.1:2525,smtps://mail.example:465=smtp://relay,"
         "imaps://Mail.Example:993/=imap://[::1]:1430,imap://a:143=imap://b:25"}}});
  BOOST_TEST_REQUIRE(settings.upstreams.size() == 4u);
  BOOST_TEST(settings.upstreams[0].first == "smtp://mail.example:587");
  BOOST_TEST(settings.upstreams[0].second == "smtp://127.0.0.1:2525");
  BOOST_TEST(settings.upstreams[1].first == "smtps://mail.example");
  BOOST_TEST(settings.upstreams[1].second == "smtp://relay");
  BOOST_TEST(settings.upstreams[2].first == "imaps://mail.example");
  BOOST_TEST(settings.upstreams[2].second == "imap://[::1]:1430");
  BOOST_TEST(settings.upstreams[3].first == "imap://a");
  BOOST_TEST(settings.upstreams[3].second == "imap://b:25");
  // What platforms call stays a web address.
  BOOST_TEST(says(problem({{"public_url", {"smtp://gateway.example"}}}), "no web address"));
}

BOOST_AUTO_TEST_CASE(private_hosts_are_hosts_with_their_ports) {
  BOOST_TEST(loaded({}).private_hosts.empty());
  const Settings settings = loaded(
      {},
      {{"BACKCHANNEL_PRIVATE_HOSTS", "Mail.Lan:587, 10.0.0.5:2525,[fd00::1]:993,imap.lan:993"}});
  const std::vector<std::string> expected = {"mail.lan:587", "10.0.0.5:2525", "[fd00::1]:993",
                                             "imap.lan:993"};
  BOOST_TEST(settings.private_hosts == expected, boost::test_tools::per_element());
  for (const char* value : {"mail.lan", "mail.lan:", "mail.lan:0", "mail.lan:65536", "mail.lan:x",
                            "smtp://mail.lan:587", "mail.lan:587/x", "a@mail.lan:587", "[fd00::1]",
                            "[zz]:993", "mail lan:587", ":587"}) {
    BOOST_TEST(says(problem({{"private_hosts", {value}}}), "--private-hosts: '"), value);
  }
}

BOOST_AUTO_TEST_CASE(a_file_of_certificates_has_certificates_in_it) {
  BOOST_TEST(loaded({}).ca_file.empty());
  const auto file = std::filesystem::temp_directory_path() / "backchannel-settings-test-ca.pem";
  std::ofstream(file) << "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  BOOST_TEST(loaded({}, {{"BACKCHANNEL_CA_FILE", file.string()}}).ca_file == file);
  std::ofstream(file) << "-----BEGIN PRIVATE KEY-----\n";
  BOOST_TEST(says(problem({{"ca_file", {file.string()}}}), "a file without certificates"));
  std::filesystem::remove(file);
  BOOST_TEST(says(problem({{"ca_file", {file.string()}}}), "a file without certificates"));
}

BOOST_AUTO_TEST_CASE(what_is_no_origin_is_refused) {
  for (const char* value :
       {"https://api.telegram.org", "api.telegram.org=http://127.0.0.1:9000",
        "https://api.telegram.org=ftp://x", "https://api.telegram.org/bot=http://x",
        "https://user@api.telegram.org=http://x", "https://=http://x", "https://a=http://x:0",
        "https://a=http://x:65536", "https://a=http://x:y", "https://a=http://[zz]",
        "https://a=http://x?q", "https://a=http://x,https://A:443=http://y"}) {
    BOOST_TEST(says(problem({{"upstreams", {value}}}), "--upstreams: '"), value);
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_value_says_where_what_and_what_would_be_right) {
  BOOST_TEST(problem({{"threads", {"many"}}}) ==
             "--threads: 'many' is no whole number from 0 to 256");
  BOOST_TEST(problem({}, {{"BACKCHANNEL_HTTP", "8080"}}) ==
             "BACKCHANNEL_HTTP: '8080' has no port; give ADDRESS:PORT, such as 127.0.0.1:8080 or "
             "[::1]:8080");
  const test_support::TempFolder folder("settings");
  const std::string file = file_with(folder, "\nlog_level = \"loud\"");
  BOOST_TEST(problem({{"config", {file}}}) ==
             file +
                 ", line 2: log_level: 'loud' is no level; there are debug, info, warn, error "
                 "and off");
  BOOST_TEST(says(problem({{"http", {"example.com:80"}}}), "no numeric address"));
  BOOST_TEST(says(problem({{"http", {"::1:80"}}}), "no numeric address"));
  BOOST_TEST(says(problem({{"http", {"127.0.0.1:70000"}}}), "65535"));
  BOOST_TEST(says(problem({{"public_url", {"gateway.example"}}}), "https://gateway.example.com"));
  BOOST_TEST(says(problem({{"public_url", {"https://x/?a=1"}}}), "no web address"));
  BOOST_TEST(says(problem({{"trusted_proxies", {"10.0.0.0/33"}}}), "prefix length"));
  BOOST_TEST(says(problem({{"trusted_proxies", {"proxy"}}}), "no address"));
  BOOST_TEST(says(problem({{"unsafe", {"maybe"}}}), "neither true nor false"));
  BOOST_TEST(says(problem({{"token_ttl_hours", {"25"}}}), "1 to 24"));
  BOOST_TEST(says(problem({{"media_bytes", {"65535"}}}), "65536 to 41943039"));
  BOOST_TEST(says(problem({{"media_bytes", {"41943040"}}}), "65536 to 41943039"));
}

BOOST_AUTO_TEST_CASE(all_problems_are_told_at_once) {
  const std::string text = problem({{"threads", {"x"}}, {"http", {"y"}}});
  BOOST_TEST(says(text, "--threads"));
  BOOST_TEST(says(text, "--http"));
}

BOOST_AUTO_TEST_CASE(a_secret_is_in_no_message) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"operator_token", "hunter2"},
                                          {"operator_token", "hunter2 hunter2 hunter2"},
                                          {"database_url", "hunter2"},
                                          {"migrate_url", "hunter2"},
                                          {"meta_app_secret", "hunter2\n"}}) {
    const std::string text = problem({{name, {value}}});
    BOOST_TEST(says(text, ": the value "));
    BOOST_TEST(text.find("hunter2") == std::string::npos, text);
  }
}

BOOST_AUTO_TEST_CASE(a_typo_in_the_file_names_the_setting_that_was_meant) {
  const test_support::TempFolder folder("settings");
  const std::string file = file_with(folder, "# mine\nthread = 4\n");
  BOOST_TEST(problem({{"config", {file}}}) ==
             file + ", line 2: there is no setting thread; did you mean threads?");
  const std::string other = file_with(folder, "completely_different = 4\n");
  BOOST_TEST(problem({{"config", {other}}}) ==
             other + ", line 1: there is no setting completely_different");
}

BOOST_AUTO_TEST_CASE(a_typo_in_a_variable_is_a_warning) {
  const Settings settings = loaded({}, {{"BACKCHANNEL_OPERATOR_TOKN", "x"},
                                        {"BACKCHANNEL_PORT_8080_TCP_ADDR", "x"},
                                        {"OTHER_PROGRAM", "x"}});
  BOOST_TEST_REQUIRE(settings.warnings.size() == 2u);
  BOOST_TEST(says(settings.warnings[0], "did you mean BACKCHANNEL_OPERATOR_TOKEN?"));
  BOOST_TEST(!says(settings.warnings[1], "did you mean"));
}

BOOST_AUTO_TEST_CASE(the_nearest_name_is_in_the_spelling_asked_for) {
  BOOST_TEST(did_you_mean("--htpp") == "--http");
  BOOST_TEST(did_you_mean("--datadir") == "--data-dir");
  BOOST_TEST(did_you_mean("data_dirr") == "data_dir");
  BOOST_TEST(did_you_mean("BACKCHANNEL_UPSTREAM") == "BACKCHANNEL_UPSTREAMS");
  BOOST_TEST(did_you_mean("--verbose") == "");
}

BOOST_AUTO_TEST_CASE(a_secret_as_a_flag_or_in_an_open_file_is_warned_about) {
  const Settings by_flag = loaded({{"operator_token", {"0123456789abcdef"}}});
  BOOST_TEST_REQUIRE(by_flag.warnings.size() == 1u);
  BOOST_TEST(says(by_flag.warnings[0], "BACKCHANNEL_OPERATOR_TOKEN"));
  BOOST_TEST(!says(by_flag.warnings[0], "0123456789abcdef"));

  const test_support::TempFolder folder("settings");
  const std::string file = file_with(folder, "operator_token = \"0123456789abc#ef\"");
  BOOST_TEST(loaded({{"config", {file}}}).warnings.empty());
  BOOST_TEST(loaded({{"config", {file}}}).operator_token.reveal() == "0123456789abc#ef");
  chmod(file.c_str(), 0644);
  BOOST_TEST_REQUIRE(loaded({{"config", {file}}}).warnings.size() == 1u);
}

BOOST_AUTO_TEST_CASE(flags_are_read_from_the_command_line) {
  const Given flags =
      parsed({"--http", "127.0.0.1:0", "--connector-dir", "/a", "--connector-dir", "/b:/c",
              "--unsafe", "--expose-channel-secrets=false", "--threads=2", "--threads", "3"});
  const Settings settings = loaded(flags);
  BOOST_TEST(settings.http.port == 0);
  BOOST_TEST(settings.connector_dirs.size() == 3u);
  BOOST_TEST(settings.unsafe);
  BOOST_TEST(!settings.expose_channel_secrets);
  BOOST_TEST(settings.threads == 3);
  BOOST_CHECK_THROW(parsed({"--htpp", "x"}), CLI::ParseError);
  BOOST_CHECK_THROW(parsed({"--connector-dir", "/a", "/b"}), CLI::ParseError);
}

BOOST_AUTO_TEST_CASE(flags_may_stand_behind_a_command) {
  Given flags;
  CLI::App app;
  app.fallthrough();
  add_settings(app, flags);
  app.add_subcommand("serve");
  app.parse(std::vector<std::string>{"0", "--threads", "serve"});
  BOOST_TEST(flags.at("threads").front() == "0");
}

BOOST_AUTO_TEST_CASE(the_help_shows_every_setting_with_its_variable) {
  Given flags;
  CLI::App app;
  add_settings(app, flags);
  const std::string help = app.help();
  for (const char* text : {"--http ADDRESS:PORT", "--trusted-proxies", "BACKCHANNEL_THREADS",
                           "DATABASE_URL", "--config FILE", "arguments are seen by every user"})
    BOOST_TEST(says(help, text), text);
}

BOOST_AUTO_TEST_CASE(the_table_has_one_row_for_each_setting) {
  const std::string table = settings_table();
  BOOST_TEST(std::count(table.begin(), table.end(), '\n') == 2 + 21 + 1);
  BOOST_TEST(
      says(table, "| `BACKCHANNEL_HTTP` | `--http ADDRESS:PORT` | `http` | 127.0.0.1:8080 |"));
}

BOOST_AUTO_TEST_CASE(the_environment_is_read_as_the_system_gives_it) {
  const char* const variables[] = {"A=1", "B=x=y", "odd", "C=", nullptr};
  const Environment environment = environment_of(variables);
  BOOST_TEST(environment.size() == 3u);
  BOOST_TEST(environment.at("B") == "x=y");
  BOOST_TEST(environment.at("C") == "");
}

BOOST_AUTO_TEST_SUITE_END()
