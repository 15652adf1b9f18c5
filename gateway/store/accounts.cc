#include "gateway/store/accounts.h"

namespace gateway::store {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::owner:
      return "owner";
    case Role::admin:
      return "admin";
    case Role::agent:
      return "agent";
  }
  return "agent";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const auto role : {Role::owner, Role::admin, Role::agent}) {
    if (text == to_string(role)) return role;
  }
  return std::nullopt;
}

Result<bool> register_user(Session& db, const NewUser& user) {
  static constexpr const char* kRegister = "select user_register($1, $2, $3, $4, $5)";
  auto rows = db.run(
      Scope::none(),
      Query{kRegister, {user.id, user.email, user.email_key, user.full_name, user.password_hash}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

Result<std::optional<Login>> find_login(Session& db, std::string_view email_key) {
  static constexpr const char* kResolve =
      "select id, password_hash, token_version, disabled, tenant_id from resolve_login($1)";
  auto rows = db.run(Scope::none(), Query{kResolve, {email_key}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Login>();
  Login login;
  login.user = rows->id<domain::UserId>(0, 0);
  login.password_hash = rows->text(0, 1);
  login.token_version = rows->integer(0, 2);
  login.disabled = rows->boolean(0, 3);
  if (!rows->is_null(0, 4)) login.business = rows->id<domain::BusinessId>(0, 4);
  return std::optional<Login>(std::move(login));
}

Result<> replace_password_hash(Session& db, domain::UserId user, std::string_view old_hash,
                               std::string_view new_hash) {
  static constexpr const char* kRehash = "select user_rehash($1, $2, $3)";
  auto rows = db.run(Scope::none(), Query{kRehash, {user, old_hash, new_hash}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<std::optional<TokenSession>> find_session(Session& db, domain::UserId user,
                                                 const Uuid& token) {
  static constexpr const char* kResolve =
      "select email, full_name, is_verified, is_google_account, avatar_url, token_version, "
      "disabled, revoked, tenant_id, role from resolve_session($1, $2)";
  auto rows = db.run(Scope::none(), Query{kResolve, {user, token}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<TokenSession>();
  TokenSession session;
  session.user = {user,
                  std::string(rows->text(0, 0)),
                  std::string(rows->text(0, 1)),
                  rows->boolean(0, 2),
                  rows->boolean(0, 3),
                  rows->maybe_text(0, 4)};
  session.token_version = rows->integer(0, 5);
  session.disabled = rows->boolean(0, 6);
  session.revoked = rows->boolean(0, 7);
  if (!rows->is_null(0, 8)) {
    session.business = rows->id<domain::BusinessId>(0, 8);
    session.role = parse_role(rows->text(0, 9));
  }
  return std::optional<TokenSession>(std::move(session));
}

Result<> revoke_token(Session& db, domain::UserId user, const Uuid& token,
                      std::int64_t expires_ms) {
  static constexpr const char* kRevoke = "select token_revoke($1, $2, $3)";
  auto rows = db.run(Scope::none(), Query{kRevoke, {token, user, TimestampMs{expires_ms}}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<> revoke_all_tokens(Session& db, domain::UserId user) {
  static constexpr const char* kBump = "select user_bump_version($1)";
  auto rows = db.run(Scope::none(), Query{kBump, {user}});
  if (!rows) return std::move(rows).error();
  return {};
}

Result<bool> create_business(Session& db, domain::UserId owner, const Uuid& membership,
                             const NewBusiness& business) {
  static constexpr const char* kCreate = "select business_create($1, $2, $3, $4, $5, $6, $7, $8)";
  auto rows =
      db.run(Scope::none(), Query{kCreate,
                                  {business.id, membership, owner, business.name, business.website,
                                   business.industry, business.team_size, business.goal}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

Result<std::optional<Business>> find_business(Session& db, domain::BusinessId id) {
  static constexpr const char* kSelect =
      "select name, website, industry, team_size, goal, plan, expose_channel_secrets,"
      " floor(extract(epoch from created_at) * 1000)::bigint"
      " from business where tenant_id = $1";
  auto rows = db.run(Scope::of(id), Query{kSelect, {id}});
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<Business>();
  return std::optional<Business>(Business{id, std::string(rows->text(0, 0)), rows->maybe_text(0, 1),
                                          rows->maybe_text(0, 2), rows->maybe_text(0, 3),
                                          rows->maybe_text(0, 4), std::string(rows->text(0, 5)),
                                          rows->boolean(0, 6), rows->integer(0, 7)});
}

Result<bool> set_plan(Session& db, domain::BusinessId id, std::string_view plan) {
  static constexpr const char* kSet = "select operator_set_plan($1, $2)";
  auto rows = db.run(Scope::none(), Query{kSet, {id, plan}});
  if (!rows) return std::move(rows).error();
  return rows->boolean(0, 0);
}

}  // namespace gateway::store
