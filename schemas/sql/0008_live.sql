-- Live clients: who reads the log of events, and which agents are there.

grant create on schema backchannel to backchannel_definer;

-- An agent is there while one of the gateways holds a connection of theirs. A gateway says so every
-- half minute; what a killed one left counts for a minute longer.
create table agent_presence (
  tenant_id uuid not null,
  user_id uuid not null,
  node text not null,
  seen_at timestamptz not null default now(),
  primary key (tenant_id, user_id, node)
);
alter table agent_presence enable row level security;
alter table agent_presence force row level security;
create policy tenant on agent_presence to backchannel_gateway
  using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
create policy definer on agent_presence to backchannel_definer using (true) with check (true);
grant select, insert, update, delete on agent_presence to backchannel_gateway;
grant select, insert, update, delete on agent_presence to backchannel_definer;

-- Doors across tenants: they take nothing from the caller but bounds -------------------------------

-- Where things happened, not what: a message is read inside its tenant. p_missing names numbers that
-- were passed over, because transactions do not commit in the order they took them.
create function live_tail(p_after bigint, p_missing bigint[], p_limit integer)
returns setof realtime_event
language sql stable security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
  (select e.* from realtime_event e where e.seq = any (p_missing))
  union all
  (select e.* from realtime_event e where e.seq > p_after order by e.seq limit p_limit)
  order by seq
$fn$;

create function live_newest() returns bigint
language sql stable security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
  select coalesce(max(e.seq), 0) from realtime_event e
$fn$;

-- Agents whose gateway was killed are not there any more.
create function live_absent()
returns table (absent_tenant uuid, absent_user uuid)
language sql security definer set search_path = backchannel, pg_temp as $fn$
  with gone as (
    delete from agent_presence p where p.seen_at < now() - interval '90 seconds'
    returning p.tenant_id, p.user_id
  ), left_alone as (
    select distinct g.tenant_id, g.user_id from gone g
    where not exists (select from agent_presence p where p.tenant_id = g.tenant_id
      and p.user_id = g.user_id and p.seen_at >= now() - interval '90 seconds')
  )
  select l.tenant_id, l.user_id from left_alone l
$fn$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'live_tail(bigint,bigint[],integer)', 'live_newest()', 'live_absent()'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
end $$;
revoke create on schema backchannel from backchannel_definer;
