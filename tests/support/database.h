// A migrated database for a test, with sessions as the owner and as the gateway's role.
#ifndef TESTS_SUPPORT_DATABASE_H_
#define TESTS_SUPPORT_DATABASE_H_

#include <memory>
#include <string>

#include "gateway/base/clock.h"
#include "gateway/domain/ids.h"
#include "gateway/store/pg.h"

namespace test_support {

class Database {
 public:
  // A copy of a database migrated once per program. Throws std::runtime_error with the reason.
  Database();

  gateway::store::SessionOptions owner_options() const;    // may do anything
  gateway::store::SessionOptions gateway_options() const;  // as the gateway works

  gateway::store::Session owner;
  gateway::store::Session gateway;
  gateway::SystemClock clock;
  gateway::Uuid7 ids{clock};

  // Rows made by the owner, past all plan checks.
  gateway::domain::BusinessId make_business(const std::string& plan = "mini");
  // A channel with unsealed placeholder columns, for tests that never open them.
  gateway::domain::ChannelId make_channel(gateway::domain::BusinessId business,
                                          const std::string& type = "telegram");

  // One value of one row, as text, read by the owner. Throws on an error.
  std::string value(const std::string& sql);

 private:
  Database(const std::string& conninfo);
  std::string conninfo_;
};

}  // namespace test_support

#endif  // TESTS_SUPPORT_DATABASE_H_
