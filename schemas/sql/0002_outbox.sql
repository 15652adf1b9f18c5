-- What waits to be said to platforms: agents' messages and registrations.
--
-- Nothing here is open across a network call. A gateway claims a lane (one conversation) or a job by
-- a lease; every write of its run names the lease's fence, so that a gateway which was paused or cut
-- off cannot write over the one that took over. All times are the database's clock.
-- While leased, next_at is the end of the lease: what is due is due for either reason.

grant create on schema backchannel to backchannel_definer;

-- One row per conversation with unsent messages; gone when its last message is settled.
create table lane (
  tenant_id uuid not null,
  conversation_id uuid not null,
  channel_id uuid not null,
  next_at timestamptz not null,
  lease_owner uuid,                     -- a gateway process
  fence bigint not null default 0,
  primary key (tenant_id, conversation_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index lane_due on lane (tenant_id, next_at);
create index lane_channel on lane (tenant_id, channel_id);
create index lane_leased on lane (tenant_id, next_at) where lease_owner is not null;

-- Outlives its lane, so that a fence is never given twice.
create sequence fence;

-- seq is drawn under the lane's row lock: within a conversation it is the order of acceptance.
create table outbox (
  tenant_id uuid not null,
  conversation_id uuid not null,
  seq bigint generated always as identity,
  message_id uuid not null,
  channel_id uuid not null,
  sort_at timestamptz not null,         -- with sort_seq and message_id: the key of its message
  sort_seq bigint not null,
  state smallint not null default 0,    -- domain::MessageStatus: 0 queued, 1 sending
  attempt integer not null default 0,
  asked smallint not null default 0,    -- calls that may have left
  answered smallint not null default 0, -- answers in the transcript
  transcript bytea,                     -- sealed, bound to the message's id
  last_error text,
  accepted_at timestamptz not null default clock_timestamp(),
  deadline timestamptz not null,
  primary key (tenant_id, conversation_id, seq),
  constraint outbox_message unique (tenant_id, message_id)  -- enqueued twice is sent once
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- A channel that must not be written to before a time, whatever its lanes say.
create table channel_pause (
  tenant_id uuid not null,
  channel_id uuid not null,
  until timestamptz not null,
  reason smallint not null,             -- 1 the platform asked for it, 2 credentials refused,
                                        -- 3 not active, 4 the platform does not answer
  primary key (tenant_id, channel_id)
);

-- Work on a channel's registration. An unregister job carries copies of the sealed columns, because
-- the row is changed or gone when it runs; they open with the channel's id. The others read the row.
create table registration_job (
  tenant_id uuid not null,
  channel_id uuid not null,
  seq bigint generated always as identity,
  operation smallint not null check (operation between 1 and 4),  -- connector::Operation
  channel_type text not null,
  config_sealed bytea,
  secret_sealed bytea,
  state_sealed bytea,
  webhook_url text,                     -- as it was registered; null: as it would be now
  wanted integer not null default 1,    -- rises when it is asked for again while it runs
  attempt integer not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  deadline timestamptz not null,        -- of an unregister job
  lease_owner uuid,
  fence bigint not null default 0,
  transcript bytea,                     -- sealed, bound to the channel's id
  last_error text,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, channel_id, seq)
) with (fillfactor = 70);
create unique index registration_job_one on registration_job (tenant_id, channel_id, operation)
  where operation <> 2;
create index registration_job_due on registration_job (next_at);

do $$
declare
  table_name text;
begin
  foreach table_name in array array['lane', 'outbox', 'channel_pause', 'registration_job'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format($policy$create policy tenant on %I to backchannel_gateway
      using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
      with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)$policy$,
      table_name);
    execute format('create policy definer on %I to backchannel_definer using (true) with check (true)',
                   table_name);
    execute format('grant select, insert, update, delete on %I to backchannel_gateway', table_name);
    execute format('grant select, insert, update on %I to backchannel_definer', table_name);
  end loop;
end $$;
grant usage on sequence fence to backchannel_gateway, backchannel_definer;

-- Messages -------------------------------------------------------------------------------------
-- These run with the caller's rights, inside the tenant of the transaction.

-- Called in the transaction that inserts an agent's message with status queued.
create function outbox_enqueue(p_tenant uuid, p_conversation uuid, p_channel uuid, p_message uuid,
                               p_sort_at timestamptz, p_sort_seq bigint)
returns void language plpgsql as $fn$
declare
  v_due timestamptz := clock_timestamp();
begin
  select greatest(v_due, p.until) into v_due from channel_pause p
  where p.tenant_id = p_tenant and p.channel_id = p_channel;
  -- A lane that exists keeps its time: its first message may be waiting for a retry. The update
  -- locks it until this transaction ends, so that nobody removes it as empty meanwhile.
  insert into lane as l (tenant_id, conversation_id, channel_id, next_at)
  values (p_tenant, p_conversation, p_channel, coalesce(v_due, clock_timestamp()))
  on conflict (tenant_id, conversation_id) do update set channel_id = excluded.channel_id;
  insert into outbox (tenant_id, conversation_id, message_id, channel_id, sort_at, sort_seq, deadline)
  values (p_tenant, p_conversation, p_message, p_channel, p_sort_at, p_sort_seq,
          clock_timestamp() + interval '24 hours')
  on conflict on constraint outbox_message do nothing;
end $fn$;

-- Sets a message's status and tells whoever watches. What a platform already confirmed stays.
create function outbox_message_status(p_conversation uuid, p_sort_at timestamptz, p_sort_seq bigint,
                                      p_message uuid, p_status smallint, p_error text)
returns void language plpgsql as $fn$
begin
  update message m set status = p_status, error = p_error
  where m.tenant_id = current_tenant() and m.conversation_id = p_conversation
    and m.sort_at = p_sort_at and m.sort_seq = p_sort_seq and m.id = p_message
    and (m.status is distinct from p_status or m.error is distinct from p_error)
    and m.status not in (3, 4);
  if found then
    insert into realtime_event (tenant_id, conversation_id, message_id, kind)
    values (current_tenant(), p_conversation, p_message, 1);
  end if;
end $fn$;

-- Before a call leaves: its number, the answers it follows from, and a longer lease. -1 where the
-- lease was lost, else 0, or the milliseconds the channel must be left alone.
create function outbox_ask(p_conversation uuid, p_fence bigint, p_message uuid, p_attempt integer,
                           p_asked smallint, p_answered smallint, p_transcript bytea,
                           p_lease_ms bigint)
returns bigint language plpgsql as $fn$
declare
  t uuid := current_tenant();
  v_row outbox%rowtype;
  v_pause bigint;
begin
  perform from lane l where l.tenant_id = t and l.conversation_id = p_conversation
    and l.fence = p_fence and l.lease_owner is not null for update;
  if not found then return -1; end if;
  if p_asked = p_answered + 1 then
    select ceil(extract(epoch from p.until - clock_timestamp()) * 1000)::bigint into v_pause
    from channel_pause p join lane l on l.tenant_id = p.tenant_id and l.channel_id = p.channel_id
    where l.tenant_id = t and l.conversation_id = p_conversation and p.until > clock_timestamp();
    if v_pause > 0 then return v_pause; end if;
  end if;
  update lane l set next_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  where l.tenant_id = t and l.conversation_id = p_conversation;
  update outbox o set state = 1, attempt = p_attempt, asked = p_asked, answered = p_answered,
    transcript = p_transcript
  where o.tenant_id = t and o.conversation_id = p_conversation and o.message_id = p_message
  returning * into v_row;
  if not found then return -1; end if;
  perform outbox_message_status(p_conversation, v_row.sort_at, v_row.sort_seq, p_message, 1::smallint,
                                null);
  return 0;
end $fn$;

-- The message is settled: sent (2), failed (5) or uncertain (6). p_unreachable: null leaves the
-- conversation as it is. False where the lease was lost.
create function outbox_settle(p_conversation uuid, p_fence bigint, p_message uuid, p_status smallint,
                              p_error text, p_remote_id text, p_metadata jsonb, p_unreachable text,
                              p_moved_to text)
returns boolean language plpgsql as $fn$
declare
  t uuid := current_tenant();
  v_row outbox%rowtype;
  v_touches boolean := p_unreachable is not null or p_moved_to is not null;
begin
  -- Conversation before lane, as whoever sends into the conversation locks them.
  if p_status = 2 and not v_touches then
    select c.unreachable_reason is not null into v_touches from conversation c
    where c.tenant_id = t and c.id = p_conversation;
  end if;
  if v_touches then
    perform from conversation c where c.tenant_id = t and c.id = p_conversation
    for no key update;
  end if;
  perform from lane l where l.tenant_id = t and l.conversation_id = p_conversation
    and l.fence = p_fence for update;
  if not found then return false; end if;
  delete from outbox o
  where o.tenant_id = t and o.conversation_id = p_conversation and o.message_id = p_message
  returning * into v_row;
  if not found then return true; end if;  -- settled before; the answer to that commit was lost

  update message m set status = case when m.status in (3, 4) then m.status else p_status end,
    error = p_error, remote_id = coalesce(p_remote_id, m.remote_id),
    metadata = case when p_metadata is null then m.metadata
                    else coalesce(m.metadata, '{}') || p_metadata end
  where m.tenant_id = t and m.conversation_id = p_conversation and m.sort_at = v_row.sort_at
    and m.sort_seq = v_row.sort_seq and m.id = p_message;
  insert into realtime_event (tenant_id, conversation_id, message_id, kind)
  values (t, p_conversation, p_message, 1);

  if v_touches and (p_status = 2 or p_unreachable is not null) then
    update conversation c set unreachable_reason = p_unreachable
    where c.tenant_id = t and c.id = p_conversation
      and c.unreachable_reason is distinct from p_unreachable;
    if found then
      insert into realtime_event (tenant_id, conversation_id, kind) values (t, p_conversation, 2);
    end if;
  end if;
  if p_moved_to is not null then
    begin
      update conversation c set remote_thread = p_moved_to
      where c.tenant_id = t and c.id = p_conversation and c.remote_thread is distinct from p_moved_to;
    exception when unique_violation then
      null;  -- the new thread is live already: its first message came before this answer
    end;
  end if;

  -- The lane is locked, so nobody can be adding to it now.
  if exists (select from outbox o where o.tenant_id = t and o.conversation_id = p_conversation) then
    update lane l set lease_owner = null,
      next_at = greatest(clock_timestamp(), (select p.until from channel_pause p
        where p.tenant_id = t and p.channel_id = l.channel_id))
    where l.tenant_id = t and l.conversation_id = p_conversation;
  else
    delete from lane l where l.tenant_id = t and l.conversation_id = p_conversation;
  end if;
  return true;
end $fn$;

-- Nobody is to write to the channel for a while, and its waiting lanes know it.
create function channel_pause(p_channel uuid, p_ms bigint, p_reason smallint)
returns void language plpgsql as $fn$
declare
  t uuid := current_tenant();
  v_until timestamptz := clock_timestamp() + p_ms * interval '1 millisecond';
begin
  insert into channel_pause as p (tenant_id, channel_id, until, reason)
  values (t, p_channel, v_until, p_reason)
  on conflict (tenant_id, channel_id) do update
    set reason = case when p.until > excluded.until then p.reason else excluded.reason end,
        until = greatest(p.until, excluded.until);
  update lane l set next_at = v_until
  where l.tenant_id = t and l.channel_id = p_channel and l.lease_owner is null
    and l.next_at < v_until;
end $fn$;

-- The channel works again: what was held for its credentials or its being inactive goes now.
create function channel_resume(p_channel uuid)
returns void language plpgsql as $fn$
begin
  delete from channel_pause p
  where p.tenant_id = current_tenant() and p.channel_id = p_channel and p.reason in (2, 3);
  if found then
    update lane l set next_at = clock_timestamp()
    where l.tenant_id = current_tenant() and l.channel_id = p_channel and l.lease_owner is null
      and l.next_at > clock_timestamp();
  end if;
end $fn$;

-- Back into the queue. What was answered well so far stays in the transcript (p_answered), so that
-- the pieces already sent of a long text are not sent again. False where the lease was lost.
create function outbox_again(p_conversation uuid, p_fence bigint, p_message uuid, p_attempt integer,
                             p_answered smallint, p_transcript bytea, p_delay_ms bigint,
                             p_error text, p_pause_ms bigint, p_pause_reason smallint)
returns boolean language plpgsql as $fn$
declare
  t uuid := current_tenant();
  v_row outbox%rowtype;
  v_channel uuid;
begin
  select l.channel_id into v_channel from lane l
  where l.tenant_id = t and l.conversation_id = p_conversation and l.fence = p_fence
    and l.lease_owner is not null for update;
  if not found then return false; end if;
  update outbox o set state = 0, attempt = p_attempt, asked = p_answered, answered = p_answered,
    transcript = p_transcript, last_error = coalesce(p_error, o.last_error)
  where o.tenant_id = t and o.conversation_id = p_conversation and o.message_id = p_message
  returning * into v_row;
  if not found then return false; end if;
  perform outbox_message_status(p_conversation, v_row.sort_at, v_row.sort_seq, p_message, 0::smallint,
                                null);
  -- Never slept beyond the deadline: then it is told as failed.
  update lane l set lease_owner = null,
    next_at = least(v_row.deadline, clock_timestamp() + p_delay_ms * interval '1 millisecond')
  where l.tenant_id = t and l.conversation_id = p_conversation;
  if p_pause_ms > 0 then perform channel_pause(v_channel, p_pause_ms, p_pause_reason); end if;
  return true;
end $fn$;

-- Registrations --------------------------------------------------------------------------------

-- Called before the row is removed, changed or switched off; runs as the tenant of the transaction.
-- What the gateway serves itself has no platform to tell.
create function registration_enqueue_unregister(p_channel uuid)
returns void language sql as $fn$
  insert into registration_job (tenant_id, channel_id, operation, channel_type, config_sealed,
                                secret_sealed, state_sealed, deadline)
  select c.tenant_id, c.id, 2, c.type, c.config_sealed, c.secret_sealed, c.state_sealed,
         clock_timestamp() + interval '24 hours'
  from channel c where c.tenant_id = current_tenant() and c.id = p_channel
    and c.type not in ('widget', 'webchat')
$fn$;

-- p_operation: register, unregister, check or poll. A job that exists is due now and starts afresh.
create function registration_enqueue(p_channel uuid, p_operation text)
returns void language plpgsql as $fn$
declare
  v_operation smallint := array_position(array['register', 'unregister', 'check', 'poll'],
                                         p_operation);
begin
  if v_operation is null then
    raise exception 'no such operation' using errcode = '22023';
  end if;
  if v_operation = 2 then
    perform registration_enqueue_unregister(p_channel);
    return;
  end if;
  if v_operation = 1 then
    -- Registering the same credentials again makes an unregistration that did not run yet wrong.
    delete from registration_job j using channel c
    where j.tenant_id = current_tenant() and j.channel_id = p_channel and j.operation = 2
      and j.lease_owner is null and c.tenant_id = j.tenant_id and c.id = j.channel_id
      and c.type = j.channel_type and c.config_sealed = j.config_sealed;
  end if;
  insert into registration_job as j (tenant_id, channel_id, operation, channel_type, deadline)
  select c.tenant_id, c.id, v_operation, c.type, 'infinity'
  from channel c where c.tenant_id = current_tenant() and c.id = p_channel
    and c.type not in ('widget', 'webchat')
  on conflict (tenant_id, channel_id, operation) where operation <> 2 do update
    set wanted = j.wanted + 1, attempt = 0, transcript = null, channel_type = excluded.channel_type,
        next_at = case when j.lease_owner is null then clock_timestamp() else j.next_at end;
end $fn$;

-- Whether a job of the channel may run now: one at a time, and before a registration every
-- unregistration has had its first try.
create function registration_may_run(p_tenant uuid, p_channel uuid, p_seq bigint,
                                     p_operation smallint)
returns boolean language sql stable as $fn$
  select not exists (
    select from registration_job o
    where o.tenant_id = p_tenant and o.channel_id = p_channel and o.seq <> p_seq
      and ((o.lease_owner is not null and o.next_at > clock_timestamp())
        or (p_operation <> 2 and o.operation = 2 and o.attempt = 0)
        or (p_operation = 2 and o.operation = 2 and o.attempt = 0 and o.seq < p_seq)
        or (p_operation > 2 and o.operation = 1)))
$fn$;

-- Enqueues a registration and leases it to the caller where it may run at once. No row otherwise:
-- then it is claimed in its turn.
create function registration_start(p_channel uuid, p_owner uuid, p_lease_ms bigint)
returns table (job_seq bigint, job_fence bigint) language plpgsql as $fn$
begin
  perform registration_enqueue(p_channel, 'register');
  perform pg_advisory_xact_lock(7242561890374104);
  return query
  update registration_job j set lease_owner = p_owner, fence = nextval('fence'),
    next_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  where j.tenant_id = current_tenant() and j.channel_id = p_channel and j.operation = 1
    and (j.lease_owner is null or j.next_at <= clock_timestamp())
    and registration_may_run(j.tenant_id, j.channel_id, j.seq, j.operation)
  returning j.seq, j.fence;
end $fn$;

-- Doors across tenants: they hand out what is due and take nothing from the caller but bounds -----

-- At most p_tenant_cap lanes of a tenant are leased at a time, and tenants take turns.
create function claim_lanes(p_owner uuid, p_limit integer, p_tenant_cap integer, p_lease_ms bigint)
returns table (lane_tenant uuid, lane_conversation uuid, lane_fence bigint)
language sql security definer set search_path = backchannel, pg_temp as $fn$
  with recursive tenant as (
    (select l.tenant_id from lane l order by l.tenant_id limit 1)
    union all
    select (select l.tenant_id from lane l where l.tenant_id > t.tenant_id
            order by l.tenant_id limit 1)
    from tenant t where t.tenant_id is not null
  ), due as (
    select d.tenant_id, d.conversation_id, d.next_at,
           row_number() over (partition by d.tenant_id order by d.next_at) as turn
    from tenant t
    cross join lateral (
      select count(*) as leased from lane b
      where b.tenant_id = t.tenant_id and b.lease_owner is not null and b.next_at > clock_timestamp()
    ) busy
    cross join lateral (
      select l.tenant_id, l.conversation_id, l.next_at from lane l
      where l.tenant_id = t.tenant_id and l.next_at <= clock_timestamp()
      order by l.next_at limit greatest(p_tenant_cap - busy.leased, 0)
    ) d
    where t.tenant_id is not null
  ), picked as (
    select l.tenant_id, l.conversation_id from lane l
    join (select * from due order by turn, next_at limit p_limit) d
      on l.tenant_id = d.tenant_id and l.conversation_id = d.conversation_id
    where l.next_at <= clock_timestamp()
    for update of l skip locked
  )
  update lane l set lease_owner = p_owner, fence = nextval('fence'),
    next_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  from picked p where l.tenant_id = p.tenant_id and l.conversation_id = p.conversation_id
  returning l.tenant_id, l.conversation_id, l.fence
$fn$;

-- One claimer at a time, so that two of them cannot take two jobs of one channel.
create function claim_registrations(p_owner uuid, p_limit integer, p_tenant_cap integer,
                                    p_lease_ms bigint)
returns table (job_tenant uuid, job_channel uuid, job_seq bigint, job_fence bigint)
language plpgsql security definer set search_path = backchannel, pg_temp as $fn$
begin
  perform pg_advisory_xact_lock(7242561890374104);
  return query
  with due as (
    select j.* from registration_job j where j.next_at <= clock_timestamp()
    order by j.next_at limit greatest(p_limit * 8, 256)
  ), ranked as (
    select d.tenant_id, d.channel_id, d.seq, d.operation, d.next_at,
      row_number() over (partition by d.tenant_id, d.channel_id
                         order by d.operation <> 2, d.operation, d.seq) as place
    from due d where registration_may_run(d.tenant_id, d.channel_id, d.seq, d.operation)
  ), turns as (
    select r.*, row_number() over (partition by r.tenant_id order by r.operation > 2, r.next_at) as turn
    from ranked r where r.place = 1
  ), picked as (
    select t.tenant_id, t.channel_id, t.seq from turns t where t.turn <= p_tenant_cap
    order by t.operation > 2, t.turn, t.next_at limit p_limit
  )
  update registration_job j set lease_owner = p_owner, fence = nextval('fence'),
    next_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  from picked p where j.tenant_id = p.tenant_id and j.channel_id = p.channel_id and j.seq = p.seq
  returning j.tenant_id, j.channel_id, j.seq, j.fence;
end $fn$;

-- A gateway that stops gives back what it holds. Its late writes do not match the new fence.
create function release_leases(p_owner uuid)
returns void language sql security definer set search_path = backchannel, pg_temp as $fn$
  update lane l set lease_owner = null, fence = nextval('fence'), next_at = clock_timestamp()
  where l.lease_owner = p_owner;
  update registration_job j set lease_owner = null, fence = nextval('fence'),
    next_at = clock_timestamp() where j.lease_owner = p_owner;
$fn$;

-- Every active channel of these types is looked after: registered where nobody did it (a gateway
-- died between creating and registering), checked, and polled where its platform must be asked.
create function schedule_registrations(p_types text[], p_polling text[], p_spread_ms bigint)
returns integer language plpgsql security definer set search_path = backchannel, pg_temp as $fn$
declare
  v_made integer;
begin
  insert into registration_job (tenant_id, channel_id, operation, channel_type, deadline, next_at)
  select c.tenant_id, c.id, o.operation, c.type, 'infinity',
         clock_timestamp() + case when o.operation = 1 then 0 else random() * p_spread_ms end
                             * interval '1 millisecond'
  from channel c
  cross join (values (1::smallint), (3::smallint), (4::smallint)) as o (operation)
  where c.is_active and c.type = any (p_types)
    and (o.operation <> 1 or (c.registration_state = 0
                              and c.created_at < clock_timestamp() - interval '1 minute'))
    and (o.operation <> 4 or c.type = any (p_polling))
    and not exists (select from registration_job j
      where j.tenant_id = c.tenant_id and j.channel_id = c.id and j.operation = o.operation)
  on conflict do nothing;
  get diagnostics v_made = row_count;
  return v_made;
end $fn$;

-- For metrics only.
create function outbox_depth()
returns table (waiting bigint, oldest_ms bigint)
language sql stable security definer set search_path = backchannel, pg_temp as $fn$
  select count(*), coalesce(extract(epoch from clock_timestamp() - min(o.accepted_at)) * 1000, 0)::bigint
  from outbox o
$fn$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'claim_lanes(uuid,integer,integer,bigint)',
    'claim_registrations(uuid,integer,integer,bigint)',
    'release_leases(uuid)',
    'schedule_registrations(text[],text[],bigint)',
    'outbox_depth()'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
end $$;
revoke create on schema backchannel from backchannel_definer;
