#include "gateway/store/migrate.h"

#include <algorithm>
#include <map>
#include <vector>

#include "connectors/sdk/crypto.h"
#include "gateway/base/embedded.h"

namespace gateway::store {
namespace migrations {
extern const base::EmbeddedFile kEmbedded[];
extern const std::size_t kEmbeddedCount;
}  // namespace migrations

namespace {

struct Migration {
  std::string name;
  std::string checksum;
  std::string_view sql;
};

std::vector<Migration> built_in() {
  std::vector<Migration> all;
  for (std::size_t i = 0; i < migrations::kEmbeddedCount; ++i) {
    const auto& file = migrations::kEmbedded[i];
    all.push_back({std::string(file.name), sdk::hex(sdk::sha256(file.text)), file.text});
  }
  std::sort(all.begin(), all.end(),
            [](const Migration& a, const Migration& b) { return a.name < b.name; });
  return all;
}

Result<std::map<std::string, std::string>> recorded(Session& db) {
  static constexpr const char* kExists =
      "select to_regclass('backchannel.schema_migration') is not null";
  auto exists = db.run(Scope::none(), Query{kExists, {}});
  if (!exists) return std::move(exists).error();
  std::map<std::string, std::string> done;
  if (!exists->boolean(0, 0)) return done;
  static constexpr const char* kSelect =
      "select name, checksum from backchannel.schema_migration order by name";
  auto rows = db.run(Scope::none(), Query{kSelect, {}});
  if (!rows) return std::move(rows).error();
  for (int i = 0; i < rows->size(); ++i) {
    done.emplace(rows->text(i, 0), rows->text(i, 1));
  }
  return done;
}

Result<> compare(const std::map<std::string, std::string>& done,
                 const std::vector<Migration>& wanted) {
  for (const auto& applied : done) {
    const auto ours = std::find_if(wanted.begin(), wanted.end(),
                                   [&](const Migration& m) { return m.name == applied.first; });
    if (ours == wanted.end()) {
      return fail(Errc::conflict, "the database has migration " + applied.first +
                                      ", which this program does not know; run a newer program");
    }
    if (ours->checksum != applied.second) {
      return fail(Errc::conflict, "migration " + applied.first +
                                      " was applied with another text; the "
                                      "database was made by another build: use that one, or a new "
                                      "database");
    }
  }
  return {};
}

}  // namespace

Result<> migrate(Session& owner, const std::function<void(const std::string&)>& applied) {
  const auto wanted = built_in();
  // The lock is of the session, so that it holds across the migrations' own transactions.
  const std::string prepare =
      "set statement_timeout = 0; set lock_timeout = 0;"
      "select pg_advisory_lock(7242561890374102);"
      "set statement_timeout = 60000;"
      "create schema if not exists backchannel; set search_path = backchannel;"
      "create table if not exists schema_migration (name text primary key, checksum text not null,"
      " applied_at timestamptz not null default now());";
  if (auto ready = owner.script(prepare); !ready) return ready;
  Result<> outcome;
  auto done = recorded(owner);
  if (!done) {
    outcome = std::move(done).error();
  } else {
    outcome = compare(*done, wanted);
    for (const Migration& migration : wanted) {
      if (!outcome || done->contains(migration.name)) continue;
      // Name and checksum are ours: file name characters and hex digits.
      outcome = owner.script(
          "begin; set local search_path = backchannel;\n" + std::string(migration.sql) +
          "\ninsert into backchannel.schema_migration (name, checksum) values ('" + migration.name +
          "', '" + migration.checksum + "'); commit;");
      if (!outcome) {
        outcome.error().message = "migration " + migration.name + ": " + outcome.error().message;
        const auto rolled_back = owner.script("rollback");
        if (!rolled_back) owner.disconnect();
      } else if (applied) {
        applied(migration.name);
      }
    }
  }
  if (outcome) {
    outcome = owner.script(
        "grant select on backchannel.schema_migration to backchannel_gateway;"
        "select backchannel.sweep(30, 30, 48);");
  }
  owner.disconnect();  // gives the lock back, whatever state the session is in
  return outcome;
}

Result<> check_schema(Session& db) {
  const auto wanted = built_in();
  auto done = recorded(db);
  if (!done) return std::move(done).error();
  if (auto same = compare(*done, wanted); !same) return same;
  for (const Migration& migration : wanted) {
    if (!done->contains(migration.name)) {
      return fail(Errc::unavailable,
                  "the database lacks migration " + migration.name + "; run: backchannel migrate");
    }
  }
  return {};
}

Result<bool> may_migrate(Session& db) {
  static constexpr const char* kSelect =
      "select case when to_regnamespace('backchannel') is null"
      " then has_database_privilege(current_database(), 'create')"
      " else pg_has_role(current_user, (select nspowner from pg_namespace"
      "                                 where nspname = 'backchannel'), 'member') end";
  auto rows = db.run(Scope::none(), Query{kSelect, {}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

Result<bool> needs_role(Session& db) {
  static constexpr const char* kSelect =
      "select r.rolsuper or r.rolbypassrls or exists (select from pg_class c"
      " join pg_namespace n on n.oid = c.relnamespace"
      " where n.nspname = 'backchannel' and c.relowner = r.oid)"
      " from pg_roles r where r.rolname = current_user";
  auto rows = db.run(Scope::none(), Query{kSelect, {}});
  if (!rows) return std::move(rows).error();
  return !rows->empty() && rows->boolean(0, 0);
}

}  // namespace gateway::store
