-- The core: people, businesses, channels, conversations, and the inbound transaction.
--
-- Every tenant table begins its keys with tenant_id and has forced row-level security; the tenant
-- of a transaction is set by set_config('app.tenant', ..., true). A business's id is its tenant id.
-- Functions owned by backchannel_definer are the only doors that cross tenants. They take no tenant
-- from the caller: it comes from the row that an unguessable or verified id names.

do $$
declare
  role_name text;
begin
  foreach role_name in array array['backchannel_gateway', 'backchannel_definer'] loop
    begin
      if not exists (select from pg_roles where rolname = role_name) then
        execute format('create role %I nologin noinherit nosuperuser nobypassrls', role_name);
      end if;
    exception when duplicate_object or unique_violation then
      null;  -- another database of this cluster was migrated at the same moment
    end;
  end loop;
  if not pg_has_role(current_user, 'backchannel_definer', 'member') then
    execute format('grant backchannel_definer to %I', current_user);
  end if;
  if not pg_has_role(current_user, 'backchannel_gateway', 'member') then
    execute format('grant backchannel_gateway to %I', current_user);
  end if;
end $$;

grant usage on schema backchannel to backchannel_gateway, backchannel_definer;
-- `alter function ... owner to` asks that the new owner may create in the schema.
grant create on schema backchannel to backchannel_definer;

create function current_tenant() returns uuid language sql stable parallel safe
  return nullif(current_setting('app.tenant', true), '')::uuid;

-- People -------------------------------------------------------------------------------------

-- No grant to the gateway: people are reached through the functions of 0003_api.sql alone.
create table app_user (
  id uuid primary key,
  email text not null,
  email_key text not null unique,       -- case-folded
  full_name text not null,
  password_hash text not null,          -- PHC string, scrypt
  is_verified boolean not null default true,
  is_google_account boolean not null default false,
  avatar_url text,
  token_version integer not null default 1,
  disabled_at timestamptz,
  created_at timestamptz not null default now()
);

create table business (
  tenant_id uuid primary key,
  owner_id uuid not null unique,
  name text not null,
  website text,
  industry text,
  team_size text,
  goal text,
  plan text not null default 'free',
  expose_channel_secrets boolean not null default false,
  created_at timestamptz not null default now()
);

create table membership (
  tenant_id uuid not null,
  user_id uuid not null,
  id uuid not null,
  role text not null check (role in ('owner', 'admin', 'agent')),
  status text not null default 'offline' check (status in ('live', 'away', 'offline')),
  is_active boolean not null default true,
  invited_at timestamptz not null default now(),
  primary key (tenant_id, user_id)
);
create index membership_user on membership (user_id);

-- One row per counted resource; a conditional update inside the creating transaction keeps plan
-- limits exact under any race.
create table usage_counter (
  tenant_id uuid not null,
  resource text not null,               -- 'channels', 'messages:2026-11', ...
  used integer not null default 0 check (used >= 0),
  primary key (tenant_id, resource)
);

-- Data keys of a tenant, wrapped by a master key that never enters the database.
create table tenant_key (
  tenant_id uuid not null,
  key_id integer not null,
  master_key text not null,
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, key_id)
);

-- Channels -----------------------------------------------------------------------------------

create table widget (
  tenant_id uuid not null,
  id uuid not null,
  domain text not null,                 -- lower-case punycode host
  name text not null,
  welcome_heading text not null,
  welcome_tagline text not null,
  primary_color text not null,
  show_online_badge boolean not null,
  logo_url text,
  config jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint widget_domain unique (tenant_id, domain)
);
create unique index widget_id on widget (id);

create table channel (
  tenant_id uuid not null,
  id uuid not null,
  type text not null,
  config_sealed bytea not null,         -- JSON object as the caller sent it
  secret_sealed bytea not null,         -- minted with the row
  state_sealed bytea,                   -- JSON object: what the connector asked to keep
  is_active boolean not null default true,
  revision integer not null default 1,  -- rises with every change a cached copy must notice
  registration_state smallint not null default 0,
  registration_error text,
  registration_checked_at timestamptz,
  registration_instructions jsonb,      -- what a human must enter at the platform
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index channel_id on channel (id);

-- Conversations ------------------------------------------------------------------------------

create table contact (
  tenant_id uuid not null,
  id uuid not null,
  name text,
  email text,
  external_id text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);

create table contact_alias (
  tenant_id uuid not null,
  channel_id uuid not null,
  remote_id text not null,
  contact_id uuid not null,
  primary key (tenant_id, channel_id, remote_id)
);

-- Cold: not written per message.
create table conversation (
  tenant_id uuid not null,
  id uuid not null,
  channel_id uuid,
  channel_type text not null,
  contact_id uuid,
  remote_thread text,
  created_at timestamptz not null default now(),
  first_response_at timestamptz,
  resolved_at timestamptz,
  closed_at timestamptz,
  handoff_reason text,
  unreachable_reason text,              -- the contact blocked us or left; null: can be written to
  primary key (tenant_id, id)
);
create unique index conversation_live on conversation (tenant_id, channel_id, remote_thread)
  where closed_at is null;
create index conversation_contact on conversation (tenant_id, contact_id);

-- Hot and narrow: written once per batch and conversation. unread, last_message_at, message_count
-- and preview are in no index, so that the update stays inside its page (HOT). inbox_at is the
-- index's key and lags last_message_at by less than 15 s.
create table conversation_head (
  tenant_id uuid not null,
  conversation_id uuid not null,
  channel_id uuid,
  assignee_id uuid,
  status smallint not null default 0,
  has_unread boolean not null default false,
  unread integer not null default 0,
  message_count integer not null default 0,
  inbox_at timestamptz not null,
  last_message_at timestamptz not null,
  preview text,
  primary key (tenant_id, conversation_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index conversation_head_inbox on conversation_head (tenant_id, status, inbox_at desc);
create index conversation_head_unread on conversation_head (tenant_id) where has_unread;

-- Order in a conversation: platform time, platform sequence, arrival.
create table message (
  tenant_id uuid not null,
  conversation_id uuid not null,
  sort_at timestamptz not null,
  sort_seq bigint not null,
  id uuid not null,
  channel_id uuid,
  sender_type smallint not null,
  sender_id uuid,
  kind smallint not null default 0,
  status smallint,                      -- of outgoing messages
  content text not null,
  attachments jsonb,
  metadata jsonb,
  remote_id text,
  reply_to text,                        -- remote id of the message answered
  error text,
  edited_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, sort_at, sort_seq, id)
);
create index message_remote on message (tenant_id, channel_id, remote_id)
  where remote_id is not null;

-- The mark of an effect: unique, and written again by every redelivery, so that a duplicate waits
-- for the same durability as the first.
create table event_key (
  tenant_id uuid not null,
  channel_id uuid not null,
  key uuid not null,
  message_id uuid not null,
  redelivered integer not null default 0,
  unknown boolean not null default false,  -- of a kind no connector understood yet: replay may free it
  first_seen timestamptz not null default now(),  -- equal to received_at of its raw_event
  primary key (tenant_id, channel_id, key)
);
create index event_key_age on event_key using brin (first_seen);
create index event_key_unknown on event_key (tenant_id, channel_id, first_seen) where unknown;

-- Deliveries byte for byte, for replay through a newer connector.
create table raw_event (
  tenant_id uuid not null,
  id uuid not null,                     -- of the first message or event it became
  channel_id uuid not null,
  received_at timestamptz not null default now(),
  content_type text,
  body bytea not null
) partition by range (received_at);
alter table raw_event alter column body set compression lz4;
create index raw_event_age on raw_event using brin (received_at);
create table raw_event_default partition of raw_event default;

-- Deliveries that were authentic and could not be stored as conversations.
create table quarantine (
  tenant_id uuid not null,
  channel_id uuid not null,
  key uuid not null,                    -- of the bytes
  id uuid not null,
  received_at timestamptz not null default now(),
  redelivered integer not null default 0,
  reason text not null,
  content_type text,
  body bytea not null,
  replayed_at timestamptz,
  primary key (tenant_id, channel_id, key)
);

create table realtime_event (
  seq bigint generated always as identity primary key,
  tenant_id uuid not null,
  conversation_id uuid not null,
  message_id uuid,
  kind smallint not null,               -- 0 message, 1 changed message, 2 conversation
  created_at timestamptz not null default now()
);

-- Row-level security ---------------------------------------------------------------------------

do $$
declare
  table_name text;
begin
  foreach table_name in array array['business', 'membership', 'usage_counter', 'tenant_key',
      'widget', 'channel', 'contact', 'contact_alias', 'conversation', 'conversation_head',
      'message', 'event_key', 'raw_event', 'raw_event_default', 'quarantine', 'realtime_event'] loop
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
-- A plan is changed by the operator alone, through a function.
revoke update, delete on business from backchannel_gateway;
grant update (name, website, industry, team_size, goal, expose_channel_secrets) on business
  to backchannel_gateway;
alter table app_user enable row level security;
alter table app_user force row level security;
create policy definer on app_user to backchannel_definer using (true) with check (true);
grant select, insert, update on app_user to backchannel_definer;

-- Doors ----------------------------------------------------------------------------------------

-- The channel a webhook names. The caller still has to verify the delivery.
create function resolve_hook(p_channel uuid)
returns table (tenant_id uuid, type text, config_sealed bytea, secret_sealed bytea,
               state_sealed bytea, is_active boolean, revision integer)
language sql stable security definer set search_path = backchannel as $$
  select c.tenant_id, c.type, c.config_sealed, c.secret_sealed, c.state_sealed, c.is_active,
         c.revision
  from channel c where c.id = p_channel
$$;

-- The inbound transaction ------------------------------------------------------------------------
--
-- Two statements: ingest_known for events whose conversation the gateway remembers, ingest_resolve
-- for the rest. Both take parallel arrays, one element per event, and derive the tenant from the
-- channel. Locks are taken in one order (keys, then conversations, each sorted), so that several
-- writers never wait in a circle. An error leaves nothing behind.
--
-- The settings on the functions keep one generic plan that walks indexes: custom plans cost 250 us
-- per call, and a plan made on empty tables turns to sequential scans that stay.

-- The effects of fresh events (the relation f) are one text, shared by both statements.
do $build$
declare
  effects constant text := $sql$
    m as (
      insert into message (tenant_id, conversation_id, sort_at, sort_seq, id, channel_id,
                           sender_type, sender_id, kind, content, attachments, metadata, remote_id,
                           reply_to)
      select f.t, f.conversation, f.sort_at, f.sort_seq, f.mid, f.channel, f.sender_type, f.sender,
             f.kind, f.content, f.attachments, f.metadata, f.remote_id, f.reply_to
      from f
    ), latest as (
      -- One row per conversation: its newest event of this batch, and what the batch adds. A time
      -- in the future must not pin a conversation to the top of the inbox.
      select distinct on (f.t, f.conversation)
             f.t, f.conversation, f.channel, f.ord,
             least(f.sort_at, now() + interval '1 minute') as at, left(f.content, 120) as preview,
             count(*) over w as added,
             count(*) filter (where f.sender_type = 0) over w as unread
      from f
      window w as (partition by f.t, f.conversation)
      order by f.t, f.conversation, f.sort_at desc, f.sort_seq desc, f.ord desc
    ), h as (
      update conversation_head as head set
        last_message_at = greatest(head.last_message_at, l.at),
        inbox_at = case when greatest(head.last_message_at, l.at) - head.inbox_at
                             >= interval '15 seconds'
                        then greatest(head.last_message_at, l.at) else head.inbox_at end,
        preview = case when l.at >= head.last_message_at then l.preview else head.preview end,
        message_count = head.message_count + l.added,
        unread = head.unread + l.unread,
        has_unread = head.has_unread or l.unread > 0,
        status = case when head.status = 2 and l.unread > 0 then 0 else head.status end
      from (select * from latest order by ord) l
      where head.tenant_id = l.t and head.conversation_id = l.conversation
        and head.channel_id = l.channel and head.status <> 3
      returning l.added
    ), r as (
      insert into raw_event (tenant_id, id, channel_id, content_type, body)
      select f.t, f.mid, f.channel, f.raw_type, f.raw from f where f.raw is not null
    ), e as (
      insert into realtime_event (tenant_id, conversation_id, message_id, kind)
      select f.t, f.conversation, f.mid, 0::smallint from f order by f.ord
    )
  $sql$;
  settings constant text := $sql$
    language plpgsql security definer
    set search_path = backchannel
    set plan_cache_mode = force_generic_plan
    set enable_hashjoin = off
    set enable_mergejoin = off
    set enable_seqscan = off
  $sql$;
begin
  -- Answers the ordinals (from 1) that were fresh; the others were stored before.
  -- BC001: a conversation was closed meanwhile, or is of another channel: forget it and resolve.
  -- BC002: a channel is gone.
  execute format($sql$
    create function ingest_known(
      p_channel uuid[], p_key uuid[], p_mid uuid[], p_conversation uuid[], p_sender uuid[],
      p_sort_at timestamptz[], p_sort_seq bigint[], p_sender_type smallint[], p_kind smallint[],
      p_content text[], p_attachments jsonb[], p_metadata jsonb[], p_remote_id text[],
      p_reply_to text[], p_raw bytea[], p_raw_type text[])
    returns integer[] %s as $fn$
    declare
      known bigint; fresh integer[]; stored bigint; updated bigint;
    begin
      with i as materialized (
        select c.tenant_id as t, x.*
        from unnest(p_channel, p_key, p_mid, p_conversation, p_sender, p_sort_at, p_sort_seq,
                    p_sender_type, p_kind, p_content, p_attachments, p_metadata, p_remote_id,
                    p_reply_to, p_raw, p_raw_type) with ordinality
             as x(channel, key, mid, conversation, sender, sort_at, sort_seq, sender_type, kind,
                  content, attachments, metadata, remote_id, reply_to, raw, raw_type, ord)
        join channel c on c.id = x.channel
      ), d as (
        insert into event_key as k (tenant_id, channel_id, key, message_id)
        select i.t, i.channel, i.key, i.mid from i order by i.ord
        on conflict (tenant_id, channel_id, key) do update set redelivered = k.redelivered + 1
        returning k.message_id
      ), f as materialized (
        -- A duplicate returns the older message's id, so this join is the test for freshness.
        select i.* from i join d on d.message_id = i.mid
      ), %s
      select (select count(*) from i), (select array_agg(f.ord::integer) from f),
             (select count(*) from f), (select coalesce(sum(h.added), 0) from h)
      into known, fresh, stored, updated;
      if known <> cardinality(p_channel) then
        raise exception 'a channel is gone' using errcode = 'BC002';
      end if;
      if stored <> updated then
        raise exception 'a conversation is closed or of another channel' using errcode = 'BC001';
      end if;
      return coalesce(fresh, '{}');
    end $fn$
  $sql$, settings, effects);

  -- The same for events whose conversation is not known: p_conversation and p_sender are proposals
  -- of new ids, and p_contact_remote, p_contact_name, p_thread say whom and what to look for.
  -- Answers a row per fresh event with the ids that now hold. Keys come first, so that a late
  -- redelivery never opens a conversation.
  execute format($sql$
    create function ingest_resolve(
      p_channel uuid[], p_key uuid[], p_mid uuid[], p_conversation uuid[], p_sender uuid[],
      p_sort_at timestamptz[], p_sort_seq bigint[], p_sender_type smallint[], p_kind smallint[],
      p_content text[], p_attachments jsonb[], p_metadata jsonb[], p_remote_id text[],
      p_reply_to text[], p_raw bytea[], p_raw_type text[],
      p_contact_remote text[], p_contact_name text[], p_thread text[])
    returns table (ord integer, conversation uuid, contact uuid) %s as $fn$
    #variable_conflict use_column
    declare
      tenants uuid[]; types text[]; fresh integer[]; contacts uuid[]; conversations uuid[];
      stored bigint; updated bigint;
    begin
      select array_agg(c.tenant_id order by x.o), array_agg(c.type order by x.o)
      into tenants, types
      from unnest(p_channel) with ordinality as x(channel, o) join channel c on c.id = x.channel;
      if coalesce(cardinality(tenants), 0) <> cardinality(p_channel) then
        raise exception 'a channel is gone' using errcode = 'BC002';
      end if;

      with d as (
        insert into event_key as k (tenant_id, channel_id, key, message_id)
        select x.t, x.channel, x.key, x.mid
        from unnest(tenants, p_channel, p_key, p_mid) with ordinality as x(t, channel, key, mid, o)
        order by x.o
        on conflict (tenant_id, channel_id, key) do update set redelivered = k.redelivered + 1
        returning k.message_id
      )
      select array_agg(x.o::integer order by x.o) into fresh
      from unnest(p_mid) with ordinality as x(mid, o) join d on d.message_id = x.mid;
      if fresh is null then return; end if;

      -- Contacts. The scalar subquery hands all key columns to the index at once; a left join was
      -- seen to walk a whole tenant.
      with wanted as (
        select distinct on (x.t, x.channel, x.remote) x.t, x.channel, x.remote, x.name, x.proposal
        from unnest(fresh) as n(o)
        cross join lateral (select tenants[n.o], p_channel[n.o], p_contact_remote[n.o],
                                   p_contact_name[n.o], p_sender[n.o])
             as x(t, channel, remote, name, proposal)
        where (select a.contact_id from contact_alias a where a.tenant_id = x.t
                 and a.channel_id = x.channel and a.remote_id = x.remote) is null
        order by x.t, x.channel, x.remote, n.o
      ), linked as (
        insert into contact_alias as a (tenant_id, channel_id, remote_id, contact_id)
        select w.t, w.channel, w.remote, w.proposal from wanted w order by w.t, w.channel, w.remote
        on conflict (tenant_id, channel_id, remote_id) do update set contact_id = a.contact_id
        returning a.contact_id
      )
      insert into contact (tenant_id, id, name)
      select w.t, w.proposal, w.name from wanted w join linked l on l.contact_id = w.proposal;

      select array_agg((select a.contact_id from contact_alias a where a.tenant_id = tenants[n.o]
                          and a.channel_id = p_channel[n.o]
                          and a.remote_id = p_contact_remote[n.o]) order by n.i)
      into contacts from unnest(fresh) with ordinality as n(o, i);

      -- Conversations: the live one of a thread, or a new one with its head.
      with wanted as (
        select distinct on (x.t, x.channel, x.thread) x.t, x.channel, x.thread, x.contact,
               x.proposal, x.type, x.at
        from unnest(fresh, contacts) as n(o, contact_id)
        cross join lateral (select tenants[n.o], p_channel[n.o], p_thread[n.o], n.contact_id,
                                   p_conversation[n.o], types[n.o],
                                   least(p_sort_at[n.o], now() + interval '1 minute'))
             as x(t, channel, thread, contact, proposal, type, at)
        where (select c.id from conversation c where c.tenant_id = x.t and c.channel_id = x.channel
                 and c.remote_thread = x.thread and c.closed_at is null) is null
        order by x.t, x.channel, x.thread, n.o
      ), opened as (
        insert into conversation as c (tenant_id, id, channel_id, channel_type, contact_id,
                                       remote_thread)
        select w.t, w.proposal, w.channel, w.type, w.contact, w.thread
        from wanted w order by w.t, w.channel, w.thread
        on conflict (tenant_id, channel_id, remote_thread) where closed_at is null
        do update set contact_id = c.contact_id
        returning c.id
      )
      insert into conversation_head (tenant_id, conversation_id, channel_id, inbox_at,
                                     last_message_at)
      select w.t, w.proposal, w.channel, w.at, '-infinity'
      from wanted w join opened o on o.id = w.proposal;

      select array_agg((select c.id from conversation c where c.tenant_id = tenants[n.o]
                          and c.channel_id = p_channel[n.o] and c.remote_thread = p_thread[n.o]
                          and c.closed_at is null) order by n.i)
      into conversations from unnest(fresh) with ordinality as n(o, i);
      if array_position(conversations, null) is not null then
        raise exception 'a conversation was closed meanwhile' using errcode = 'BC001';
      end if;

      with f as materialized (
        select tenants[n.o] as t, p_channel[n.o] as channel, p_mid[n.o] as mid,
               n.conversation, n.contact as sender, p_sort_at[n.o] as sort_at,
               p_sort_seq[n.o] as sort_seq, p_sender_type[n.o] as sender_type,
               p_kind[n.o] as kind, p_content[n.o] as content, p_attachments[n.o] as attachments,
               p_metadata[n.o] as metadata, p_remote_id[n.o] as remote_id,
               p_reply_to[n.o] as reply_to, p_raw[n.o] as raw, p_raw_type[n.o] as raw_type,
               n.o as ord
        from unnest(fresh, conversations, contacts) as n(o, conversation, contact)
      ), %s
      select (select count(*) from f), (select coalesce(sum(h.added), 0) from h)
      into stored, updated;
      if stored <> updated then
        raise exception 'a conversation was closed meanwhile' using errcode = 'BC001';
      end if;
      return query select n.o, n.conversation, n.contact
                   from unnest(fresh, conversations, contacts) as n(o, conversation, contact);
    end $fn$
  $sql$, settings, effects);
end $build$;

-- An event that is not a new message: an edit, a removal, a reaction, a status, a change of the
-- contact or the thread, or a kind nobody knows yet. Answers 'stored', 'duplicate', or 'missing'
-- when the message it speaks of is not here (nothing is written then; an edit becomes a message).
-- p_kind: connector::EventKind. p_mid names the event in raw_event.
create function ingest_change(
  p_channel uuid, p_key uuid, p_mid uuid, p_kind integer, p_at timestamptz, p_thread text,
  p_target text, p_actor text, p_content text, p_state smallint, p_code text, p_attachments jsonb,
  p_metadata jsonb, p_raw bytea, p_raw_type text)
returns text language plpgsql security definer set search_path = backchannel
set plan_cache_mode = force_generic_plan
as $fn$
declare
  t uuid; seen uuid; v_conversation uuid; v_at timestamptz; v_seq bigint; v_id uuid;
begin
  select c.tenant_id into t from channel c where c.id = p_channel;
  if t is null then raise exception 'a channel is gone' using errcode = 'BC002'; end if;

  if p_kind in (3, 4, 5, 6) then
    select m.conversation_id, m.sort_at, m.sort_seq, m.id into v_conversation, v_at, v_seq, v_id
    from message m
    where m.tenant_id = t and m.channel_id = p_channel and m.remote_id = p_target
    order by m.sort_at desc limit 1;
    -- Only an edit brings what is needed to store the message; the others keep their raw bytes.
    if v_id is null and p_kind = 3 then
      return case when exists (select from event_key k where k.tenant_id = t
                                 and k.channel_id = p_channel and k.key = p_key)
                  then 'duplicate' else 'missing' end;
    end if;
  end if;

  insert into event_key as k (tenant_id, channel_id, key, message_id, unknown)
  values (t, p_channel, p_key, p_mid, p_kind = 13)
  on conflict (tenant_id, channel_id, key) do update set redelivered = k.redelivered + 1
  returning k.message_id into seen;
  if seen <> p_mid then return 'duplicate'; end if;

  if p_raw is not null then
    insert into raw_event (tenant_id, id, channel_id, content_type, body)
    values (t, p_mid, p_channel, p_raw_type, p_raw);
  end if;

  if v_id is not null then
    update message m set
      content = case when p_kind = 3 and coalesce(m.edited_at, '-infinity') <= p_at
                     then p_content else m.content end,
      attachments = case when p_kind = 3 and coalesce(m.edited_at, '-infinity') <= p_at
                         then p_attachments else m.attachments end,
      edited_at = case when p_kind = 3 then greatest(m.edited_at, p_at) else m.edited_at end,
      deleted_at = case when p_kind = 4 then coalesce(m.deleted_at, p_at) else m.deleted_at end,
      metadata = case
        when p_kind = 3 then nullif(coalesce(m.metadata, '{}') || coalesce(p_metadata, '{}'), '{}')
        when p_kind = 5 and p_content = '' then
          nullif(coalesce(m.metadata, '{}') #- array['reactions', p_actor], '{}')
        when p_kind = 5 then coalesce(m.metadata, '{}') || jsonb_build_object('reactions',
          coalesce(m.metadata -> 'reactions', '{}') || jsonb_build_object(p_actor, p_content))
        else m.metadata end,
      -- queued < sending < sent < delivered < read; failed only before it was delivered; what was
      -- uncertain is settled by any word of the platform.
      status = case
        when p_kind <> 6 or p_state is null then m.status
        when m.status = 6 then p_state
        when p_state = 5 then case when m.status in (3, 4) then m.status else 5 end
        when m.status = 5 then case when p_state in (3, 4) then p_state else m.status end
        else greatest(m.status, p_state) end,
      error = case when p_kind = 6 and p_state = 5 and m.status not in (3, 4)
                   then coalesce(nullif(p_content, ''), p_code) else m.error end
    where m.tenant_id = t and m.conversation_id = v_conversation and m.sort_at = v_at
      and m.sort_seq = v_seq and m.id = v_id;
    insert into realtime_event (tenant_id, conversation_id, message_id, kind)
    values (t, v_conversation, v_id, 1);
    return 'stored';
  end if;

  if p_kind in (8, 9) then
    select c.id into v_conversation from conversation c
    where c.tenant_id = t and c.channel_id = p_channel and c.remote_thread = p_thread
      and c.closed_at is null;
    if v_conversation is null then return 'stored'; end if;
    if p_kind = 8 then
      update conversation c
      set unreachable_reason = case when p_state = 0 then null else p_content end
      where c.tenant_id = t and c.id = v_conversation;
    else
      -- Where the new thread is live already (its first message came before the notice of the
      -- move) the old conversation stays as it is.
      update conversation c set remote_thread = p_content
      where c.tenant_id = t and c.id = v_conversation and not exists (
        select from conversation other where other.tenant_id = t and other.channel_id = p_channel
          and other.remote_thread = p_content and other.closed_at is null);
      insert into contact_alias as a (tenant_id, channel_id, remote_id, contact_id)
      select t, p_channel, p_actor, c.contact_id from conversation c
      where c.tenant_id = t and c.id = v_conversation and c.contact_id is not null
        and p_actor <> ''
      on conflict (tenant_id, channel_id, remote_id) do nothing;
    end if;
    insert into realtime_event (tenant_id, conversation_id, kind) values (t, v_conversation, 2);
  end if;
  return 'stored';
end $fn$;

-- A delivery that was authentic and could not become anything else. Its key is of its bytes.
create function ingest_quarantine(p_channel uuid, p_key uuid, p_id uuid, p_reason text,
                                  p_body bytea, p_content_type text)
returns void language plpgsql security definer set search_path = backchannel
set plan_cache_mode = force_generic_plan as $fn$
declare
  t uuid;
begin
  select c.tenant_id into t from channel c where c.id = p_channel;
  if t is null then raise exception 'a channel is gone' using errcode = 'BC002'; end if;
  insert into quarantine as q (tenant_id, channel_id, key, id, reason, content_type, body)
  values (t, p_channel, p_key, p_id, p_reason, p_content_type, p_body)
  on conflict (tenant_id, channel_id, key) do update set redelivered = q.redelivered + 1;
end $fn$;

-- Housekeeping -----------------------------------------------------------------------------------

-- Makes the raw partitions of the coming days and drops those past keeping; deletes old realtime
-- rows and dedupe keys in bounded steps. Runs as the tables' owner, takes nothing from the caller
-- but bounds, and is repeated every few minutes.
create function sweep(p_raw_days integer, p_key_days integer, p_realtime_hours integer)
returns void language plpgsql security definer set search_path = backchannel, pg_temp as $fn$
declare
  day date; partition_name text;
begin
  if not pg_try_advisory_xact_lock(7242561890374103) then return; end if;
  for day in select generate_series(current_date, current_date + 3, interval '1 day')::date loop
    partition_name := 'raw_event_' || to_char(day, 'YYYYMMDD');
    if to_regclass('backchannel.' || partition_name) is null then
      begin
        execute format('create table %I partition of raw_event for values from (%L) to (%L)',
                       partition_name, day, day + 1);
        execute format('alter table %I enable row level security', partition_name);
        execute format('alter table %I force row level security', partition_name);
      exception when check_violation then
        -- Rows of that day are in the default partition already; it keeps them.
        null;
      end;
    end if;
  end loop;
  for partition_name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'backchannel.raw_event'::regclass and c.relname ~ '^raw_event_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - greatest(p_raw_days, 1)
  loop
    execute format('drop table %I', partition_name);
  end loop;
  delete from realtime_event where seq in (
    select seq from realtime_event
    where created_at < now() - make_interval(hours => greatest(p_realtime_hours, 1))
    order by seq limit 50000);
  delete from event_key where ctid in (
    select ctid from event_key
    where first_seen < now() - make_interval(days => greatest(p_key_days, 30)) limit 20000);
end $fn$;

-- Rights -----------------------------------------------------------------------------------------

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'resolve_hook(uuid)',
    'ingest_known(uuid[],uuid[],uuid[],uuid[],uuid[],timestamptz[],bigint[],smallint[],smallint[],'
      || 'text[],jsonb[],jsonb[],text[],text[],bytea[],text[])',
    'ingest_resolve(uuid[],uuid[],uuid[],uuid[],uuid[],timestamptz[],bigint[],smallint[],'
      || 'smallint[],text[],jsonb[],jsonb[],text[],text[],bytea[],text[],text[],text[],text[])',
    'ingest_change(uuid,uuid,uuid,integer,timestamptz,text,text,text,text,smallint,text,jsonb,'
      || 'jsonb,bytea,text)',
    'ingest_quarantine(uuid,uuid,uuid,text,bytea,text)'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
  revoke all on function sweep(integer, integer, integer) from public;
  grant execute on function sweep(integer, integer, integer) to backchannel_gateway;
end $$;
