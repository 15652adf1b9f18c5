#include "tests/support/database.h"

#include <libpq-fe.h>

#include <stdexcept>

#include "gateway/store/migrate.h"
#include "tests/support/postgres.h"

namespace test_support {
namespace {

using gateway::Secret;
using gateway::store::Session;
using gateway::store::SessionOptions;

// Migrated once; the others are copies, which takes a tenth of the time.
const std::string& migrated_original() {
  static const std::string name = [] {
    auto& postgres = TempPostgres::shared();
    Session owner(SessionOptions{.conninfo = Secret(postgres.fresh_database())});
    const auto done = gateway::store::migrate(owner);
    if (!done) throw std::runtime_error("migrate: " + done.error().message);
    return postgres.newest();
  }();
  return name;
}

std::string fresh_copy() {
  const std::string& original = migrated_original();
  return TempPostgres::shared().fresh_database(original);
}

}  // namespace

Database::Database() : Database(fresh_copy()) {}

Database::Database(const std::string& conninfo)
    : owner(SessionOptions{.conninfo = Secret(conninfo)}),
      gateway(SessionOptions{.conninfo = Secret(conninfo), .role = gateway::store::kGatewayRole}),
      conninfo_(conninfo) {}

SessionOptions Database::owner_options() const {
  return SessionOptions{.conninfo = Secret(conninfo_)};
}

SessionOptions Database::gateway_options() const {
  return SessionOptions{.conninfo = Secret(conninfo_), .role = gateway::store::kGatewayRole};
}

gateway::domain::BusinessId Database::make_business(const std::string& plan) {
  const gateway::domain::BusinessId business(ids.next());
  const gateway::domain::UserId user(ids.next());
  static constexpr const char* kInsert =
      "insert into business (tenant_id, owner_id, name, plan) values ($1, $2, 'Acme', $3)";
  const auto made = owner.run({}, gateway::store::Query{kInsert, {business, user, plan}});
  if (!made) throw std::runtime_error(made.error().message);
  return business;
}

gateway::domain::ChannelId Database::make_channel(gateway::domain::BusinessId business,
                                                  const std::string& type) {
  const gateway::domain::ChannelId channel(ids.next());
  static constexpr const char* kInsert =
      "insert into channel (tenant_id, id, type, config_sealed, secret_sealed)"
      " values ($1, $2, $3, '', '')";
  const auto made = owner.run({}, gateway::store::Query{kInsert, {business, channel, type}});
  if (!made) throw std::runtime_error(made.error().message);
  return channel;
}

std::string Database::value(const std::string& sql) {
  PGconn* conn = PQconnectdb((conninfo_).c_str());
  PQclear(PQexec(conn, "set search_path = backchannel"));
  PGresult* result = PQexec(conn, sql.c_str());
  std::string text;
  const bool ok = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
  if (ok) text = PQgetvalue(result, 0, 0);
  const std::string error = PQresultErrorMessage(result);
  PQclear(result);
  PQfinish(conn);
  if (!ok) throw std::runtime_error(sql + ": " + (error.empty() ? "not one row" : error));
  return text;
}

}  // namespace test_support
