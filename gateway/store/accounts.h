// People and businesses. People have no tenant: they are reached through the functions of
// schemas/sql/0003_api.sql alone. Free functions on the caller's Session, on its thread.
#ifndef GATEWAY_STORE_ACCOUNTS_H_
#define GATEWAY_STORE_ACCOUNTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/domain/ids.h"
#include "gateway/store/pg.h"

namespace gateway::store {

enum class Role { owner, admin, agent };
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

struct User {
  domain::UserId id;
  std::string email;
  std::string full_name;
  bool is_verified = true;
  bool is_google_account = false;
  std::optional<std::string> avatar_url;
};

struct NewUser {
  domain::UserId id;
  std::string email;
  std::string email_key;  // case-folded
  std::string full_name;
  std::string password_hash;
};

struct Login {
  domain::UserId user;
  std::string password_hash;
  std::int64_t token_version = 0;
  bool disabled = false;
  std::optional<domain::BusinessId> business;
};

// What an access token stands for at this moment.
struct TokenSession {
  User user;
  std::int64_t token_version = 0;
  bool disabled = false;
  bool revoked = false;  // this token
  std::optional<domain::BusinessId> business;
  std::optional<Role> role;
};

struct NewBusiness {
  domain::BusinessId id;
  std::string name;
  std::optional<std::string> website;
  std::optional<std::string> industry;
  std::optional<std::string> team_size;
  std::optional<std::string> goal;
};

struct Business {
  domain::BusinessId id;
  std::string name;
  std::optional<std::string> website;
  std::optional<std::string> industry;
  std::optional<std::string> team_size;
  std::optional<std::string> goal;
  std::string plan;
  bool expose_channel_secrets = false;
  std::int64_t created_ms = 0;
};

// False: the e-mail address is taken.
Result<bool> register_user(Session& db, const NewUser& user);
Result<std::optional<Login>> find_login(Session& db, std::string_view email_key);
// Only where the stored hash is still `old_hash`.
Result<> replace_password_hash(Session& db, domain::UserId user, std::string_view old_hash,
                               std::string_view new_hash);

Result<std::optional<TokenSession>> find_session(Session& db, domain::UserId user,
                                                 const Uuid& token);
Result<> revoke_token(Session& db, domain::UserId user, const Uuid& token, std::int64_t expires_ms);
Result<> revoke_all_tokens(Session& db, domain::UserId user);

// False: the person has a business already, or works in one.
Result<bool> create_business(Session& db, domain::UserId owner, const Uuid& membership,
                             const NewBusiness& business);
Result<std::optional<Business>> find_business(Session& db, domain::BusinessId id);
// False: there is no such business. `plan` is the id of a known plan.
Result<bool> set_plan(Session& db, domain::BusinessId id, std::string_view plan);

}  // namespace gateway::store

#endif  // GATEWAY_STORE_ACCOUNTS_H_
