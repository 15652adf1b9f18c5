-- What an agent chose to be, and whose live connections have to end.

grant create on schema backchannel to backchannel_definer;

-- What an agent has chosen stays whatever their connections do; without a choice the status follows
-- these.
alter table membership
  add column chosen_status text check (chosen_status in ('away', 'offline'));

create index visitor_revoked_age on visitor (revoked_at) where revoked_at is not null;

-- Doors across tenants: what is asked of is known to the caller already ----------------------------

-- Those of these access tokens that hold no longer: logged out, or their user may not work for the
-- business any more. Each has a place in all four lists.
create function live_ended(p_tokens uuid[], p_users uuid[], p_versions bigint[], p_tenants uuid[])
returns table (ended uuid)
language sql stable security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
  select s.token from unnest(p_tokens, p_users, p_versions, p_tenants)
    as s(token, user_id, version, tenant)
  left join app_user u on u.id = s.user_id
  left join lateral user_business(s.user_id) b on true
  where u.id is null or u.disabled_at is not null or u.token_version <> s.version
    or b.tenant_id is distinct from s.tenant
    or exists (select from revoked_token r where r.id = s.token)
$fn$;

create function live_revoked_visitors(p_seconds integer)
returns table (revoked_tenant uuid, revoked_visitor uuid)
language sql stable security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
  select v.tenant_id, v.id from visitor v
  where v.revoked_at > now() - make_interval(secs => p_seconds)
$fn$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'live_ended(uuid[],uuid[],bigint[],uuid[])', 'live_revoked_visitors(integer)'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
end $$;
revoke create on schema backchannel from backchannel_definer;
