// Brings a database to the schema this program was built with: schemas/sql/*.sql in order, each in
// a transaction of its own, recorded with its checksum. Two migrators at once wait for each other.
#ifndef GATEWAY_STORE_MIGRATE_H_
#define GATEWAY_STORE_MIGRATE_H_

#include <functional>
#include <string>

#include "gateway/store/pg.h"

namespace gateway::store {

// The role the gateway works as.
inline constexpr const char* kGatewayRole = "backchannel_gateway";

// `owner` may create schemas and roles. `applied` hears the name of each migration done.
// Errc::conflict: a migration of the database differs from the one built in, or is newer than all.
Result<> migrate(Session& owner, const std::function<void(const std::string&)>& applied = {});

// Succeeds when the database has exactly the built-in migrations.
Result<> check_schema(Session& db);

// May this login migrate (create in the database or in the schema)?
Result<bool> may_migrate(Session& db);

// Must the gateway take its restricted role on this login's connections? True for a superuser, a
// login that bypasses row security, or one that owns the tables.
Result<bool> needs_role(Session& db);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_MIGRATE_H_
