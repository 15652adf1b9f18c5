#include "gateway/store/vault.h"

namespace gateway::store {
namespace {

constexpr std::uint32_t kFirstKey = 1;

}  // namespace

Result<Secret> Vault::data_key(Session& db, domain::BusinessId tenant, std::uint32_t key_id) {
  const std::pair slot{tenant.get(), key_id};
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = keys_.find(slot); found != keys_.end()) return found->second;
  }
  static constexpr const char* kSelect =
      "select master_key, wrapped from tenant_key where tenant_id = $1 and key_id = $2";
  const Query select{kSelect, {tenant, static_cast<int>(key_id)}};
  auto rows = db.run(Scope::of(tenant), select);
  if (!rows) return std::move(rows).error();
  if (rows->empty() && key_id == kFirstKey) {
    auto fresh = keyring_.new_data_key(tenant.get(), key_id);
    if (!fresh) return std::move(fresh).error();
    // Two makers at once: the first row wins, and both then read it.
    static constexpr const char* kInsert =
        "insert into tenant_key (tenant_id, key_id, master_key, wrapped) values ($1, $2, $3, $4) "
        "on conflict (tenant_id, key_id) do nothing";
    auto made =
        db.run(Scope::of(tenant),
               Query{kInsert,
                     {tenant, static_cast<int>(key_id), fresh->master_key, Bytes{fresh->wrapped}}});
    if (!made) return std::move(made).error();
    rows = db.run(Scope::of(tenant), select);
    if (!rows) return std::move(rows).error();
  }
  if (rows->empty()) {
    return fail(Errc::internal, "tenant key " + std::to_string(key_id) + " does not exist");
  }
  auto key = keyring_.unwrap(tenant.get(), key_id, rows->text(0, 0), rows->bytes(0, 1));
  if (!key) return key;
  const std::lock_guard lock(mutex_);
  keys_.insert_or_assign(slot, *key);
  return key;
}

Result<Bytes> Vault::seal(Session& db, domain::BusinessId tenant, std::string_view field,
                          const Uuid& row, std::string_view plaintext) {
  auto key = data_key(db, tenant, kFirstKey);
  if (!key) return std::move(key).error();
  auto sealed = secrets::seal(*key, kFirstKey, {field, tenant.get(), row}, plaintext);
  if (!sealed) return std::move(sealed).error();
  return Bytes{std::move(*sealed)};
}

Result<Secret> Vault::open(Session& db, domain::BusinessId tenant, std::string_view field,
                           const Uuid& row, std::string_view sealed) {
  const auto key_id = secrets::key_id_of(sealed);
  if (!key_id) return key_id.error();
  auto key = data_key(db, tenant, *key_id);
  if (!key) return std::move(key).error();
  return secrets::open(*key, {field, tenant.get(), row}, sealed);
}

}  // namespace gateway::store
