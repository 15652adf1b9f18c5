// The program: one subcommand per thing an operator does.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "gateway/app.h"
#include "gateway/base/log.h"
#include "gateway/commands.h"
#include "gateway/settings/settings.h"
#include "gateway/simulate/simulate.h"

namespace {

using namespace gateway;  // NOLINT(google-build-using-namespace): this is its main file

// Exit codes: 0 done, 1 it failed, 2 the command line or a setting is wrong.
constexpr int kFailed = 1;
constexpr int kWrongUse = 2;

int report(const Error& error) {
  std::fprintf(stderr, "backchannel: %s\n", error.message.c_str());
  return error.code == Errc::invalid_argument ? kWrongUse : kFailed;
}

void show_progress(const std::string& line) { std::fprintf(stderr, "  %s\n", line.c_str()); }

// Secrets stay out of core files, and descriptors are raised to what the system allows.
void harden() {
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 1u << 20);
    setrlimit(RLIMIT_NOFILE, &files);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

void print_next_steps(const std::string& url, std::size_t connectors) {
  std::printf(
      "\nBackchannel serves at %s (%zu connector%s). What next:\n\n"
      "  # an account; the answer's access_token goes into TOKEN\n"
      "  curl -s %s/api/v1/auth/register -H 'Content-Type: application/json' \\\n"
      "    -d '{\"email\":\"you@example.com\",\"full_name\":\"You\",\"password\":\"%s\"}'\n"
      "  TOKEN=...\n\n"
      "  # a business; its id goes into BUSINESS\n"
      "  curl -s %s/api/v1/auth/business/create -H \"Authorization: Bearer $TOKEN\" \\\n"
      "    -H 'Content-Type: application/json' -d '{\"name\":\"Acme\"}'\n"
      "  BUSINESS=...\n\n"
      "  # a plan that allows more than the widget, then a Telegram channel\n"
      "  build/release/backchannel plan set $BUSINESS mini\n"
      "  curl -s %s/api/v1/channels/ -H \"Authorization: Bearer $TOKEN\" \\\n"
      "    -H 'Content-Type: application/json' \\\n"
      "    -d '{\"type\":\"telegram\",\"config\":{\"bot_token\":\"<from @BotFather>\"}}'\n\n"
      "Without a Telegram account: make demo. Ctrl-C stops the gateway.\n\n",
      url.c_str(), connectors, connectors == 1 ? "" : "s", url.c_str(), "choose a long one",
      url.c_str(), url.c_str());
  std::fflush(stdout);
}

int serve(const settings::Settings& settings) {
  harden();
  // Blocked before any thread exists, so that only sigwait below receives them.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  for (const auto& warning : settings.warnings) log::warn("settings", warning);

  auto app = App::start(settings, show_progress);
  if (!app) return report(app.error());
  const std::string local =
      "http://" + settings.http.address + ":" + std::to_string((*app)->port());
  log::info("app", "serving", {{"url", local}, {"public_url", (*app)->public_url()}});
  print_next_steps(local, (*app)->connector_count());

  int signal = 0;
  sigwait(&stop, &signal);
  log::info("app", "stopping", {{"signal", signal}});
  // A second signal ends the process at once.
  std::thread([stop] {
    int again = 0;
    sigwait(&stop, &again);
    _exit(kFailed);
  }).detach();
  const std::size_t cut_off = (*app)->drain(std::chrono::seconds(settings.drain_seconds));
  if (cut_off > 0) log::warn("app", "requests were cut off", {{"count", cut_off}});
  app->reset();
  log::info("app", "stopped");
  return 0;
}

// A word of a refused command line that is near a flag, or where a command is due and there is
// none.
void explain_word(const CLI::App& cli, const std::string& word) {
  if (word.starts_with("--")) {
    const std::string near = settings::did_you_mean(word);
    if (!near.empty() && near != word) {
      std::fprintf(stderr, "There is no %s. Did you mean %s?\n", word.c_str(), near.c_str());
    }
  } else if (cli.get_subcommands().empty() && !word.starts_with("-")) {
    std::string commands;
    for (const auto* command : cli.get_subcommands([](const CLI::App*) { return true; })) {
      commands += (commands.empty() ? "" : ", ") + command->get_name();
    }
    std::fprintf(stderr, "There is no command \"%s\"; there are %s.\n", word.c_str(),
                 commands.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli(
      "Backchannel: messaging platforms in, conversations out.\n"
      "Settings may be flags, environment variables or a TOML file; see docs/OPERATIONS.md.",
      "backchannel");
  cli.require_subcommand(1);
  cli.set_version_flag("--version", "backchannel 0.1.0");
  cli.fallthrough();
  settings::Given flags;
  settings::add_settings(cli, flags);

  auto* serve_command = cli.add_subcommand("serve", "Run the gateway");
  auto* migrate_command = cli.add_subcommand("migrate", "Bring the database to this version");

  auto* plan_command = cli.add_subcommand("plan", "Plans of businesses");
  plan_command->require_subcommand(1);
  std::string business;
  std::string plan;
  auto* plan_set = plan_command->add_subcommand("set", "Put a business on a plan");
  plan_set->add_option("business", business, "Id of the business")->required();
  plan_set->add_option("plan", plan, "free, mini or pro")->required();
  auto* plan_show = plan_command->add_subcommand("show", "Show a business's plan and usage");
  plan_show->add_option("business", business, "Id of the business")->required();

  auto* connectors_command = cli.add_subcommand("connectors", "Connector plug-ins");
  connectors_command->require_subcommand(1);
  auto* connectors_list = connectors_command->add_subcommand("list", "What is loaded, from where");
  auto* connectors_check =
      connectors_command->add_subcommand("check", "Run the contract suite over a shared object");
  std::string object;
  std::string fixtures;
  connectors_check->add_option("object", object, "The .so file")->required();
  connectors_check->add_option("--fixtures", fixtures, "Folder with the connector's fixtures");
  bool write_expectations = false;
  connectors_check->add_flag("--write", write_expectations,
                             "First write what the connector says beside the fixtures");

  auto* doctor_command =
      cli.add_subcommand("doctor", "Check settings, database, keys and connectors");

  auto* replay_command = cli.add_subcommand(
      "replay", "Send quarantined and unknown deliveries of a channel through its connector again");
  std::string channel;
  bool dry_run = false;
  replay_command->add_option("channel", channel, "Id of the channel")->required();
  replay_command->add_flag("--dry-run", dry_run, "Only say what would be stored");

  auto* simulate_command = cli.add_subcommand(
      "simulate",
      "Simulated platforms for tests and demonstrations: Telegram, Meta (WhatsApp and Instagram),\n"
      "SMS (Twilio, Vonage, Telnyx), X, and mail (SMTP, IMAP, Mailgun, Postmark, SendGrid, SES).\n"
      "docs/SIMULATION.md shows what can be made to happen");
  simulate::SimulateOptions simulation;
  simulate_command
      ->add_option("--listen", simulation.listen,
                   "ADDRESS:PORT of the control API; the platforms have the 15 ports behind it, "
                   "with port 0 any free ones")
      ->capture_default_str();
  simulate_command
      ->add_option(
          "--only", simulation.only,
          "Those to start, with commas between: telegram, meta, sms, x, mail; all if absent")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("PLATFORM,...");
  simulate_command->add_option("--seed", simulation.seed, "Of everything random")
      ->capture_default_str();
  simulate_command->add_option("--scenario", simulation.scenario,
                               "morning: plays for each Telegram bot that appears");
  simulate_command
      ->add_option("--pace", simulation.pace, "Seconds per second of the scenario; 0: at once")
      ->capture_default_str();
  simulate_command
      ->add_option("--time-scale", simulation.time_scale, "Of the platforms' own waiting")
      ->capture_default_str();
  simulate_command
      ->add_option("--urls", simulation.urls,
                   "Webhook URLs the platforms take: platform (as the real one), loopback (those "
                   "and this machine's) or any")
      ->capture_default_str();
  simulate_command->add_flag("--replies", simulation.replies,
                             "People answer what they are sent (not on Telegram)");
  simulate_command->add_flag("--demo", simulation.demo,
                             "Start a gateway too and show the main job from beginning to end");
  simulate_command
      ->add_option("--demo-data", simulation.data_dir, "Data folder of the demonstration's gateway")
      ->capture_default_str();

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    if (code == 0) return 0;
    for (int i = 1; i < argc; ++i) explain_word(cli, argv[i]);
    return kWrongUse;
  }

  if (*simulate_command) {
    std::signal(SIGPIPE, SIG_IGN);
    simulation.program = std::filesystem::read_symlink("/proc/self/exe");
    simulation.typed = argv[0];
    return simulate::run_simulate(simulation);
  }
  if (*connectors_check) return commands::check_connector(object, fixtures, write_expectations);

  auto settings = settings::load_settings(flags, settings::environment_of(environ));
  if (!settings) return report(settings.error());
  log::set_level(settings->log_level);
  Result<> done;
  if (*serve_command) return serve(*settings);
  if (*migrate_command) done = commands::migrate(*settings);
  if (*plan_set) done = commands::set_plan(*settings, business, plan);
  if (*plan_show) done = commands::show_plan(*settings, business);
  if (*connectors_list) done = commands::list_connectors(*settings);
  if (*doctor_command) return commands::doctor(*settings);
  if (*replay_command) done = commands::replay(*settings, channel, dry_run);
  return done ? 0 : report(done.error());
}
