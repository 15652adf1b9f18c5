-- What the public API needs beside the core: the doors to people, who belong to no tenant, and the
-- answers kept for repeated requests.
--
-- The gateway has no right on app_user and revoked_token; it reaches them through these functions
-- alone. None of them takes a tenant from the caller except business_create, whose tenant is the new
-- business itself, and operator_set_plan, which only the operator's token reaches.

grant create on schema backchannel to backchannel_definer;

-- Access tokens that were logged out before they expired; token_version revokes all of a user's.
create table revoked_token (
  id uuid primary key,                  -- jti
  user_id uuid not null,
  expires_at timestamptz not null
);
create index revoked_token_age on revoked_token (expires_at);
alter table revoked_token enable row level security;
alter table revoked_token force row level security;
create policy definer on revoked_token to backchannel_definer using (true) with check (true);
grant select, insert, update, delete on revoked_token to backchannel_definer;

-- The answer to a request that carried an Idempotency-Key, written in the transaction of its effect,
-- so that there is never one without the other.
create table idempotency_key (
  tenant_id uuid not null,
  user_id uuid not null,
  key text not null,
  request_hash bytea not null,          -- of method, path and body
  status smallint,
  answer text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id, key)
);
create index idempotency_key_age on idempotency_key (tenant_id, created_at);
alter table idempotency_key enable row level security;
alter table idempotency_key force row level security;
create policy tenant on idempotency_key to backchannel_gateway
  using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
grant select, insert, update, delete on idempotency_key to backchannel_gateway;

-- People ---------------------------------------------------------------------------------------

-- False where the e-mail address is taken.
create function user_register(p_id uuid, p_email text, p_email_key text, p_full_name text,
                              p_password_hash text)
returns boolean language plpgsql security definer set search_path = backchannel as $$
begin
  insert into app_user (id, email, email_key, full_name, password_hash)
  values (p_id, p_email, p_email_key, p_full_name, p_password_hash)
  on conflict (email_key) do nothing;
  return found;
end $$;

-- The business a person works in: the own one first, then the oldest membership.
create function user_business(p_user uuid)
returns table (tenant_id uuid, role text)
language sql stable security definer set search_path = backchannel as $$
  select m.tenant_id, m.role from membership m
  where m.user_id = p_user and m.is_active
  order by (m.role = 'owner') desc, m.invited_at, m.tenant_id limit 1
$$;

create function resolve_login(p_email_key text)
returns table (id uuid, password_hash text, token_version integer, disabled boolean,
               tenant_id uuid)
language sql stable security definer set search_path = backchannel as $$
  select u.id, u.password_hash, u.token_version, u.disabled_at is not null, b.tenant_id
  from app_user u left join lateral user_business(u.id) b on true
  where u.email_key = p_email_key
$$;

create function resolve_session(p_user uuid, p_token uuid)
returns table (email text, full_name text, is_verified boolean, is_google_account boolean,
               avatar_url text, token_version integer, disabled boolean, revoked boolean,
               tenant_id uuid, role text)
language sql stable security definer set search_path = backchannel as $$
  select u.email, u.full_name, u.is_verified, u.is_google_account, u.avatar_url,
         u.token_version, u.disabled_at is not null,
         exists (select from revoked_token r where r.id = p_token), b.tenant_id, b.role
  from app_user u left join lateral user_business(u.id) b on true
  where u.id = p_user
$$;

-- A stronger hash of the same password; nothing happens where the password was changed meanwhile.
create function user_rehash(p_user uuid, p_old_hash text, p_new_hash text)
returns void language sql security definer set search_path = backchannel as $$
  update app_user set password_hash = p_new_hash
  where id = p_user and password_hash = p_old_hash
$$;

create function user_bump_version(p_user uuid)
returns void language sql security definer set search_path = backchannel as $$
  update app_user set token_version = token_version + 1 where id = p_user
$$;

create function token_revoke(p_token uuid, p_user uuid, p_expires_at timestamptz)
returns void language sql security definer set search_path = backchannel as $$
  delete from revoked_token where id in (
    select r.id from revoked_token r where r.expires_at < now() order by r.expires_at limit 100
    for update skip locked);
  insert into revoked_token (id, user_id, expires_at) values (p_token, p_user, p_expires_at)
  on conflict (id) do nothing
$$;

-- Businesses -----------------------------------------------------------------------------------

-- False where the person has a business or works in one. Two requests at once meet at the lock.
create function business_create(p_tenant uuid, p_membership uuid, p_owner uuid, p_name text,
                                p_website text, p_industry text, p_team_size text, p_goal text)
returns boolean language plpgsql security definer set search_path = backchannel as $$
begin
  perform from app_user u where u.id = p_owner for no key update;
  if not found or exists (select from user_business(p_owner)) then return false; end if;
  insert into business (tenant_id, owner_id, name, website, industry, team_size, goal)
  values (p_tenant, p_owner, p_name, p_website, p_industry, p_team_size, p_goal);
  insert into membership (tenant_id, user_id, id, role) values
    (p_tenant, p_owner, p_membership, 'owner');
  insert into usage_counter (tenant_id, resource) values (p_tenant, 'channels');
  return true;
end $$;

-- False where there is no such business.
create function operator_set_plan(p_tenant uuid, p_plan text)
returns boolean language plpgsql security definer set search_path = backchannel as $$
begin
  update business set plan = p_plan where tenant_id = p_tenant;
  return found;
end $$;

-- Widgets are public by their id: the business one belongs to.
create function resolve_widget(p_widget uuid)
returns uuid language sql stable security definer set search_path = backchannel as $$
  select w.tenant_id from widget w where w.id = p_widget
$$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'user_register(uuid,text,text,text,text)', 'user_business(uuid)', 'resolve_login(text)',
    'resolve_session(uuid,uuid)', 'user_rehash(uuid,text,text)', 'user_bump_version(uuid)',
    'token_revoke(uuid,uuid,timestamptz)',
    'business_create(uuid,uuid,uuid,text,text,text,text,text)', 'operator_set_plan(uuid,text)',
    'resolve_widget(uuid)'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
  -- Used inside the others only.
  revoke execute on function user_business(uuid) from backchannel_gateway;
end $$;
revoke create on schema backchannel from backchannel_definer;
