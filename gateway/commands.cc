#include "gateway/commands.h"

#include <cstdio>
#include <vector>

#include "gateway/app.h"
#include "gateway/base/clock.h"
#include "gateway/domain/plan.h"
#include "gateway/inbound/replay.h"
#include "gateway/plugins/connector.h"
#include "gateway/plugins/contract.h"
#include "gateway/plugins/write_expectations.h"
#include "gateway/secrets/keyring.h"
#include "gateway/store/accounts.h"
#include "gateway/store/self_check.h"
#include "gateway/store/usage.h"

namespace gateway::commands {
namespace {

void say(const std::string& line) { std::fprintf(stderr, "  %s\n", line.c_str()); }

Result<DatabaseAccess> database(const settings::Settings& settings) {
  return open_database(settings, ClusterUse::attach, say);
}

Result<domain::BusinessId> business_id(const std::string& text) {
  const auto id = domain::BusinessId::parse(text);
  if (!id) {
    return fail(Errc::invalid_argument,
                "\"" + text +
                    "\" is no business id; it looks like "
                    "0193d3a0-0000-7000-8000-000000000001 and is `business.id` of /api/v1/auth/me");
  }
  return *id;
}

std::string plan_names() {
  std::string names;
  for (const auto& [id, plan] : domain::Plans::built_in().all()) {
    names += (names.empty() ? "" : ", ") + id;
  }
  return names;
}

Result<plugins::Registry> registry(const settings::Settings& settings) {
  const std::vector<std::string> folders(settings.connector_dirs.begin(),
                                         settings.connector_dirs.end());
  return plugins::Registry::load(folders);
}

}  // namespace

Result<> migrate(const settings::Settings& settings) {
  auto access = database(settings);
  if (!access) return std::move(access).error();
  std::printf("The database is at this program's version.\n");
  return {};
}

Result<> set_plan(const settings::Settings& settings, const std::string& business,
                  const std::string& plan) {
  const auto id = business_id(business);
  if (!id) return id.error();
  const auto* known = domain::Plans::built_in().find(plan);
  if (known == nullptr) {
    return fail(Errc::invalid_argument,
                "there is no plan \"" + plan + "\"; there are " + plan_names());
  }
  auto access = database(settings);
  if (!access) return std::move(access).error();
  store::Session db(access->gateway);
  auto set = store::set_plan(db, *id, known->id);
  if (!set) return std::move(set).error();
  if (!*set) return fail(Errc::not_found, "there is no business " + business);
  std::printf("Business %s is on plan %s: %d channels, %d extra agents, %d messages a month.\n",
              business.c_str(), known->display.c_str(), known->channels, known->agents,
              known->messages_per_month);
  return {};
}

Result<> show_plan(const settings::Settings& settings, const std::string& business) {
  const auto id = business_id(business);
  if (!id) return id.error();
  auto access = database(settings);
  if (!access) return std::move(access).error();
  store::Session db(access->gateway);
  const auto found = store::find_business(db, *id);
  if (!found) return found.error();
  if (!*found) return fail(Errc::not_found, "there is no business " + business);
  const auto counters = store::usage(db, *id);
  if (!counters) return counters.error();
  std::printf("%s: plan %s\n", (*found)->name.c_str(), (*found)->plan.c_str());
  for (const auto& [resource, used] : *counters) {
    std::printf("  %-20s %lld\n", resource.c_str(), static_cast<long long>(used));
  }
  return {};
}

Result<> list_connectors(const settings::Settings& settings) {
  auto loaded = registry(settings);
  if (!loaded) return std::move(loaded).error();
  for (const auto* connector : loaded->all()) {
    std::printf("%-12s ABI %-5s %s\n", connector->type().c_str(), connector->version().c_str(),
                connector->path().c_str());
  }
  for (const auto& refusal : loaded->refused()) {
    std::printf("refused      %s: %s\n", refusal.path.c_str(), refusal.reason.c_str());
  }
  if (loaded->all().empty()) {
    std::printf("No connector is loaded. Looked in:\n");
    for (const auto& folder : settings.connector_dirs) std::printf("  %s\n", folder.c_str());
  }
  return {};
}

int check_connector(const std::string& object, const std::string& fixtures, bool write) {
  if (write && fixtures.empty()) {
    std::fprintf(stderr, "--write needs --fixtures: the folder whose files are to be written\n");
    return 2;
  }
  if (write) {
    const auto written = plugins::write_expectations(object, fixtures);
    if (!written) {
      std::fprintf(stderr, "%s\n", written.error().message.c_str());
      return 1;
    }
    for (const auto& file : *written) std::printf("wrote %s\n", file.c_str());
    if (!written->empty()) {
      std::printf(
          "Review each against the platform's documentation: this is what the connector "
          "says, not yet what is right.\n");
    }
  }
  const auto findings = plugins::run_contract(object, fixtures);
  for (const auto& finding : findings) {
    std::printf("check %2d: %s\n", finding.check, finding.what.c_str());
  }
  if (!findings.empty()) return 1;
  std::printf("%s keeps the contract%s.\n", object.c_str(),
              fixtures.empty() ? " as far as it can be checked without --fixtures" : "");
  return 0;
}

int doctor(const settings::Settings& settings) {
  int problems = 0;
  const auto problem = [&](const std::string& what, const std::string& remedy) {
    ++problems;
    std::printf("problem  %s\n", what.c_str());
    if (!remedy.empty()) std::printf("         remedy: %s\n", remedy.c_str());
  };
  for (const auto& warning : settings.warnings) problem(warning, "");
  if (settings.public_url.empty()) {
    problem("BACKCHANNEL_PUBLIC_URL is not set, so platforms cannot reach the webhooks",
            "set it to the https address platforms can call");
  } else {
    std::printf("ok       public URL %s\n", settings.public_url.c_str());
  }
  const auto loaded = registry(settings);
  if (!loaded) {
    problem(loaded.error().message, "");
  } else {
    for (const auto* connector : loaded->all()) {
      std::printf("ok       connector %s from %s\n", connector->type().c_str(),
                  connector->path().c_str());
    }
    for (const auto& refusal : loaded->refused()) {
      problem("connector " + refusal.path + " is not loaded: " + refusal.reason, "");
    }
    if (loaded->all().empty())
      problem("no connector is loaded",
              "build them, or set "
              "BACKCHANNEL_CONNECTOR_DIR");
  }
  auto access = database(settings);
  if (!access) {
    problem(access.error().message, "");
  } else {
    std::printf("ok       database connects and has this program's schema\n");
    const SystemClock clock;
    store::Session db(access->gateway);
    const auto findings = store::self_check(db, clock);
    if (!findings) {
      problem(findings.error().message, "");
    } else {
      for (const auto& finding : *findings) problem(finding.problem, finding.remedy);
    }
  }
  const auto keys = secrets::Keyring::load(settings.keys);
  if (!keys) {
    problem(keys.error().message, "");
  } else {
    std::printf("ok       key file %s, current key \"%s\"\n", settings.keys.c_str(),
                keys->current_id().c_str());
  }
  std::printf("%d problem%s\n", problems, problems == 1 ? "" : "s");
  return problems == 0 ? 0 : 1;
}

Result<> replay(const settings::Settings& settings, const std::string& channel, bool dry_run) {
  const auto id = domain::ChannelId::parse(channel);
  if (!id) return fail(Errc::invalid_argument, "\"" + channel + "\" is no channel id");
  auto keys = secrets::Keyring::load(settings.keys);
  if (!keys) return std::move(keys).error();
  auto loaded = registry(settings);
  if (!loaded) return std::move(loaded).error();
  auto access = database(settings);
  if (!access) return std::move(access).error();
  store::Session db(access->gateway);
  store::Vault vault(*keys);
  const SystemClock clock;
  Uuid7 ids(clock);
  const inbound::ChannelContext context{vault, *loaded, settings.public_url,
                                        deployment_of(settings)};
  auto live = inbound::load_channel(db, context, *id);
  if (!live) return std::move(live).error();
  if (*live == nullptr) return fail(Errc::not_found, "there is no channel " + channel);
  if ((*live)->connector == nullptr) {
    return fail(Errc::invalid_argument,
                "no connector is loaded for channels of type " + (*live)->type);
  }
  const auto mode = dry_run ? inbound::ReplayMode::dry_run : inbound::ReplayMode::store;
  const auto done =
      inbound::replay(db, context, **live, ids, mode, [](const inbound::ReplayReport& so_far) {
        std::fprintf(stderr, "  %d deliveries ...\n", so_far.deliveries);
      });
  if (!done) return done.error();
  std::printf("%d deliveries looked at: %d %s, %d fresh events, %d still not understood.\n",
              done->deliveries, done->stored, dry_run ? "would be stored" : "stored", done->events,
              done->not_understood);
  return {};
}

}  // namespace gateway::commands
