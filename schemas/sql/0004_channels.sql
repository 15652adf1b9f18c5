-- The inbound side of callback URLs that channels share, of media, and of what comes out of order.
--
-- Remote ids are taken in turns. Three parties may write about one remote id at once: a delivery
-- that stores its message, a delivery that speaks of it (a status, a reaction, a removal), and the
-- send whose answer names it. Each first takes a lock of the transaction:
--   remote_id_lock   of one remote id, by echoes, by sends, and by what finds no message;
--   channel_lock     shared by whoever stores messages, exclusive by what finds no message,
-- and looks again behind it, in a statement of its own. So of two parties the later one sees what
-- the earlier one wrote. Locks come before rows, in the order channel, remote id, each sorted.

grant create on schema backchannel to backchannel_definer;

-- Tables -----------------------------------------------------------------------------------------

-- Which accounts of a platform a channel stands for: what its connector says of itself once the
-- platform has confirmed the channel's credentials.
create table channel_account (
  tenant_id uuid not null,
  channel_id uuid not null,
  type text not null,
  account text not null,
  primary key (tenant_id, channel_id, account),
  foreign key (tenant_id, channel_id) references channel (tenant_id, id) on delete cascade
);
create index channel_account_lookup on channel_account (type, account);

-- Further remote ids of a message: a long text is sent in pieces.
create table message_alias (
  tenant_id uuid not null,
  channel_id uuid not null,
  remote_id text not null,
  conversation_id uuid not null,        -- with the next three: the key of the message
  sort_at timestamptz not null,
  sort_seq bigint not null,
  message_id uuid not null,
  primary key (tenant_id, channel_id, remote_id)
);

-- Our messages whose remote id is not known (yet), for statuses that name them by our own id. Of
-- columns that no status changes, so that updates may stay inside their page.
create index message_unnamed on message (tenant_id, id)
  where remote_id is null and sender_type = 1;

-- What was said of a message before the message came. A channel has at most 4096 slots, filled in
-- turn, so that one whose platform speaks of messages nobody here knows cannot fill the table.
create sequence early_change_turn;
create table early_change (
  tenant_id uuid not null,
  channel_id uuid not null,
  slot smallint not null,
  target text not null,                 -- remote id of the message
  turn bigint not null,                 -- order of arrival
  kind smallint not null,               -- connector::EventKind: 4, 5, 6
  at timestamptz not null,
  actor text not null,
  content text not null,
  state smallint,
  code text not null,
  up_to boolean not null,
  received_at timestamptz not null default now(),
  primary key (tenant_id, channel_id, slot)
);
create index early_change_target on early_change (tenant_id, channel_id, target);
create index early_change_age on early_change using brin (received_at);

-- Attachments whose bytes are ours, or are to be. The body is stored as it is: pictures and
-- documents are compressed already, and a range of a plain value is read without the rest.
create table media (
  tenant_id uuid not null,
  id uuid not null,                     -- of the attachment
  channel_id uuid,
  message_remote_id text,
  state smallint not null default 0,    -- 0 pending, 1 ready, 2 failed
  source jsonb,                         -- the attachment as its connector gave it, less the bytes
  content_type text,
  file_name text,
  size bigint,
  sha256 bytea,
  body bytea,
  attempt integer not null default 0,
  next_at timestamptz not null default now(),
  lease_owner uuid,
  fence bigint not null default 0,
  error text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
alter table media alter column body set storage external;

alter table realtime_event
  add column state smallint,            -- of kind 3: the status that was told of the message
  add column actor uuid;                -- of kind 4: the user who assigned the conversation
comment on column realtime_event.kind is
  '0 message, 1 changed message, 2 conversation, 3 status of a message, 4 assignment';

do $$
declare
  table_name text;
begin
  foreach table_name in array array['channel_account', 'message_alias', 'early_change', 'media'] loop
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
grant delete on early_change to backchannel_definer;
-- A status may be the first to name a sent message, and then finds its echo stored already.
grant delete on message, media, conversation, conversation_head to backchannel_definer;
grant usage on sequence early_change_turn to backchannel_gateway, backchannel_definer;

-- Accounts ---------------------------------------------------------------------------------------

-- The accounts a channel stands for are these and no others. Runs with the caller's rights, inside
-- the tenant of the transaction.
create function channel_accounts_replace(p_channel uuid, p_type text, p_accounts text[])
returns void language plpgsql as $fn$
declare
  t uuid := current_tenant();
begin
  perform from channel c where c.tenant_id = t and c.id = p_channel for key share;
  if not found then return; end if;
  delete from channel_account a
  where a.tenant_id = t and a.channel_id = p_channel
    and (a.type <> p_type or a.account <> all (p_accounts));
  insert into channel_account (tenant_id, channel_id, type, account)
  select distinct t, p_channel, p_type, x.account from unnest(p_accounts) as x(account)
  on conflict do nothing;
end $fn$;

-- The channels that stand for these accounts, whatever their tenants. The caller still has to
-- verify the delivery for each.
create function resolve_accounts(p_type text, p_accounts text[])
returns table (account text, channel_id uuid)
language sql stable security definer set search_path = backchannel, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off as $fn$
  select a.account, a.channel_id from channel_account a
  join channel c on c.id = a.channel_id and c.tenant_id = a.tenant_id and c.type = a.type
  where a.type = p_type and a.account = any (p_accounts)
  order by a.account, a.channel_id limit 4096
$fn$;

-- Turns ------------------------------------------------------------------------------------------

create function channel_lock(p_channel uuid) returns bigint language sql immutable parallel safe
  return uuid_hash_extended(p_channel, 1);

create function remote_id_lock(p_channel uuid, p_remote_id text) returns bigint
language sql immutable parallel safe
  return hashtextextended(p_remote_id, uuid_hash_extended(p_channel, 2));

-- Before several changes: takes at once and in order the locks of those that find no message.
-- p_any: the message may be a customer's, which is stored without a lock of its remote id.
create function ingest_change_locks(p_channel uuid[], p_target text[], p_any boolean[])
returns void language plpgsql security definer set search_path = backchannel
set plan_cache_mode = force_generic_plan set enable_hashjoin = off set enable_mergejoin = off
set enable_seqscan = off as $fn$
declare
  channels bigint[]; remotes bigint[]; v_key bigint;
begin
  select array_agg(distinct channel_lock(x.channel)) filter (where x.of_any),
         array_agg(distinct remote_id_lock(x.channel, x.target))
  into channels, remotes
  from unnest(p_channel, p_target, p_any) as x(channel, target, of_any)
  where (select m.id from message m where m.channel_id = x.channel and m.remote_id = x.target
           and m.tenant_id = (select c.tenant_id from channel c where c.id = x.channel)
         limit 1) is null;
  foreach v_key in array coalesce(channels, '{}') loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array coalesce(remotes, '{}') loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
end $fn$;

-- Messages and what changes them -----------------------------------------------------------------
-- These run with the caller's rights and take the tenant as a condition: row-level security holds
-- for the gateway, and the definer's functions have derived it from a channel. Generic plans and
-- index scans are asked for by the functions that call them.

-- The message with a remote id, or with it as an alias.
create type message_place as (conversation_id uuid, sort_at timestamptz, sort_seq bigint, id uuid);
create function message_of_remote(p_tenant uuid, p_channel uuid, p_remote_id text)
returns message_place language plpgsql stable as $fn$
declare
  v_place message_place;
begin
  select m.conversation_id, m.sort_at, m.sort_seq, m.id into v_place from message m
  where m.tenant_id = p_tenant and m.channel_id = p_channel and m.remote_id = p_remote_id
  order by m.sort_at desc limit 1;
  if v_place.id is null then
    select a.conversation_id, a.sort_at, a.sort_seq, a.message_id into v_place from message_alias a
    where a.tenant_id = p_tenant and a.channel_id = p_channel and a.remote_id = p_remote_id;
  end if;
  return v_place;
end $fn$;

-- queued < sending < sent < delivered < read; failed only before it was delivered; what was
-- uncertain is settled by any word of the platform. p_said null leaves it as it is.
create function message_status_after(p_status smallint, p_said smallint)
returns smallint language sql immutable parallel safe
return case
  when p_said is null then p_status
  when p_status = 6 then p_said
  when p_said = 5 then case when p_status in (3, 4) then p_status else p_said end
  when p_status = 5 then case when p_said in (3, 4) then p_said else p_status end
  else greatest(p_status, p_said) end;

-- What was taken back is not kept: the text of a message has been emptied, and the conversation's
-- preview goes where it is of that message. It is of the latest one, as a rule; where clocks
-- disagree, of the one whose text it has (p_content).
create function preview_forget(p_tenant uuid, p_place message_place, p_content text)
returns void language sql as $fn$
  update conversation_head h set preview = null
  from (select true) as one
  left join lateral (
    select n.content, (n.sort_at, n.sort_seq, n.id)
                      < (p_place.sort_at, p_place.sort_seq, p_place.id) as is_older
    from message n
    where n.tenant_id = p_tenant and n.conversation_id = p_place.conversation_id
      and n.id <> p_place.id
    order by n.sort_at desc, n.sort_seq desc, n.id desc limit 1
  ) latest on true
  where h.tenant_id = p_tenant and h.conversation_id = p_place.conversation_id
    and h.preview <> ''
    and (coalesce(latest.is_older, true)
      or (h.preview = left(p_content, 120)
        and h.preview is distinct from left(latest.content, 120)))
$fn$;

-- An edit (3), a removal (4), a reaction (5) or a status (6) takes effect. False where the message
-- is gone: it was an echo, merged into ours while this waited for its row.
create function message_change(
  p_tenant uuid, p_place message_place, p_kind integer, p_at timestamptz, p_actor text,
  p_content text, p_state smallint, p_code text, p_up_to boolean, p_attachments jsonb,
  p_metadata jsonb)
returns boolean language plpgsql as $fn$
declare
  v_content text;
begin
  if p_kind = 4 then
    select m.content into v_content from message m
    where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
      and m.sort_at = p_place.sort_at and m.sort_seq = p_place.sort_seq and m.id = p_place.id
    for no key update;
  end if;
  -- An edit that comes behind its removal brings nothing back.
  update message m set
    content = case when p_kind = 4 then ''
                   when p_kind = 3 and m.deleted_at is null
                        and coalesce(m.edited_at, '-infinity') <= p_at
                   then p_content else m.content end,
    attachments = case when p_kind = 3 and m.deleted_at is null
                            and coalesce(m.edited_at, '-infinity') <= p_at
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
    -- A customer's message has no status: one that is "read up to" there is only a place.
    status = case when p_kind <> 6 or (m.sender_type = 0 and m.status is null) then m.status
                  else message_status_after(m.status, p_state) end,
    error = case when p_kind = 6 and p_state = 5 and m.status is distinct from 3
                      and m.status is distinct from 4
                 then coalesce(nullif(p_content, ''), p_code)
                 when p_kind = 6 and m.status in (5, 6) and p_state in (2, 3, 4)
                      and message_status_after(m.status, p_state) = p_state then null
                 else m.error end
  where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
    and m.sort_at = p_place.sort_at and m.sort_seq = p_place.sort_seq and m.id = p_place.id;
  if not found then return false; end if;
  if p_kind = 4 then perform preview_forget(p_tenant, p_place, v_content); end if;
  insert into realtime_event (tenant_id, conversation_id, message_id, kind, state)
  values (p_tenant, p_place.conversation_id, p_place.id, case when p_kind = 6 then 3 else 1 end,
          case when p_kind = 6 then p_state end);

  if p_kind = 6 and p_state = 4 and p_up_to then
    with older as (
      update message m set status = 4
      where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
        and (m.sort_at, m.sort_seq, m.id) < (p_place.sort_at, p_place.sort_seq, p_place.id)
        and m.status in (2, 3)
      returning m.id
    )
    insert into realtime_event (tenant_id, conversation_id, message_id, kind, state)
    select p_tenant, p_place.conversation_id, o.id, 3, 4 from older o;
  end if;
  return true;
end $fn$;

-- What was said of these remote ids before their message was here takes effect on it.
create function early_changes_apply(p_tenant uuid, p_channel uuid, p_remote_ids text[],
                                    p_place message_place)
returns void language plpgsql as $fn$
declare
  v_early early_change;
begin
  for v_early in
    with taken as (
      delete from early_change e where e.tenant_id = p_tenant and e.channel_id = p_channel
        and e.target = any (p_remote_ids)
      returning e.*
    )
    select * from taken order by at, turn
  loop
    perform message_change(p_tenant, p_place, v_early.kind, v_early.at, v_early.actor,
                           v_early.content, v_early.state, v_early.code, v_early.up_to, null, null);
  end loop;
end $fn$;

-- An echo of a message of ours was stored before we knew that it is ours: p_place takes over what
-- was said of it, and the echo goes. A conversation that held nothing else goes with it: the echo
-- had opened it, because ours was closed meanwhile.
create function message_merge_echo(p_tenant uuid, p_place message_place, p_echo message)
returns void language plpgsql as $fn$
declare
  v_content text;
begin
  select m.content into v_content from message m
  where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
    and m.sort_at = p_place.sort_at and m.sort_seq = p_place.sort_seq and m.id = p_place.id;
  -- As it is now: something may have been said of it since it was read.
  delete from message m
  where m.tenant_id = p_tenant and m.conversation_id = p_echo.conversation_id
    and m.sort_at = p_echo.sort_at and m.sort_seq = p_echo.sort_seq and m.id = p_echo.id
  returning m.* into p_echo;
  if not found then return; end if;
  delete from media x using jsonb_array_elements(coalesce(p_echo.attachments, '[]')) as a
  where x.tenant_id = p_tenant and x.id = (a ->> 'id')::uuid;
  update message m set
    status = message_status_after(m.status, p_echo.status),
    error = case when p_echo.status = 5 and m.status is distinct from 3
                      and m.status is distinct from 4 then p_echo.error else m.error end,
    content = case when m.deleted_at is not null or p_echo.deleted_at is not null then ''
                   when p_echo.edited_at is null then m.content else p_echo.content end,
    edited_at = coalesce(p_echo.edited_at, m.edited_at),
    deleted_at = coalesce(m.deleted_at, p_echo.deleted_at),
    metadata = case when p_echo.metadata -> 'reactions' is null then m.metadata
      else coalesce(m.metadata, '{}') || jsonb_build_object('reactions',
        coalesce(m.metadata -> 'reactions', '{}') || (p_echo.metadata -> 'reactions')) end
  where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
    and m.sort_at = p_place.sort_at and m.sort_seq = p_place.sort_seq and m.id = p_place.id;
  if p_echo.deleted_at is not null then
    -- Ours has the echo's text, whose own removal did not know of ours.
    perform preview_forget(p_tenant, p_place, v_content);
  end if;
  update conversation_head h set message_count = h.message_count - 1
  where h.tenant_id = p_tenant and h.conversation_id = p_echo.conversation_id;
  insert into realtime_event (tenant_id, conversation_id, message_id, kind) values
    (p_tenant, p_echo.conversation_id, p_echo.id, 1),
    (p_tenant, p_place.conversation_id, p_place.id, 1);

  if p_echo.conversation_id <> p_place.conversation_id then
    delete from conversation_head h
    where h.tenant_id = p_tenant and h.conversation_id = p_echo.conversation_id
      and h.message_count = 0
      and not exists (select from message m
        where m.tenant_id = p_tenant and m.conversation_id = p_echo.conversation_id);
    if found then
      delete from conversation c where c.tenant_id = p_tenant and c.id = p_echo.conversation_id;
    end if;
    insert into realtime_event (tenant_id, conversation_id, kind)
    values (p_tenant, p_echo.conversation_id, 2);
  end if;
end $fn$;

-- A message of ours has got its remote ids; the first is its own, the others are aliases.
create function message_named(p_tenant uuid, p_channel uuid, p_place message_place,
                              p_remote_ids text[])
returns void language plpgsql as $fn$
declare
  v_key bigint; v_echo message;
begin
  for v_key in
    select distinct remote_id_lock(p_channel, x.id) from unnest(p_remote_ids) as x(id) order by 1
  loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
  update message m set remote_id = p_remote_ids[1]
  where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
    and m.sort_at = p_place.sort_at and m.sort_seq = p_place.sort_seq and m.id = p_place.id
    and m.remote_id is null;
  insert into message_alias (tenant_id, channel_id, remote_id, conversation_id, sort_at, sort_seq,
                             message_id)
  select distinct p_tenant, p_channel, x.id, p_place.conversation_id, p_place.sort_at,
         p_place.sort_seq, p_place.id
  from unnest(p_remote_ids) as x(id)
  where x.id <> (select m.remote_id from message m
    where m.tenant_id = p_tenant and m.conversation_id = p_place.conversation_id
      and m.sort_at = p_place.sort_at and m.sort_seq = p_place.sort_seq and m.id = p_place.id)
  on conflict (tenant_id, channel_id, remote_id) do nothing;
  for v_echo in
    select m.* from message m
    where m.tenant_id = p_tenant and m.channel_id = p_channel and m.remote_id = any (p_remote_ids)
      and m.sender_type = 1 and m.id <> p_place.id
      -- What an agent said here has a user for its sender: a platform that repeats an id must not
      -- take a message away.
      and (m.sender_id is null or exists (
        select from contact c where c.tenant_id = m.tenant_id and c.id = m.sender_id))
    order by m.conversation_id, m.sort_at, m.sort_seq, m.id
  loop
    perform message_merge_echo(p_tenant, p_place, v_echo);
  end loop;
  perform early_changes_apply(p_tenant, p_channel, p_remote_ids, p_place);
end $fn$;

-- A send has been answered with its remote ids. Called inside the tenant, in the transaction that
-- settles the message and behind the update that does it. Repeating it changes nothing.
create function remote_ids_known(p_conversation uuid, p_sort_at timestamptz, p_sort_seq bigint,
                                 p_message uuid, p_remote_ids text[])
returns void language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $fn$
declare
  t uuid := current_tenant(); v_channel uuid; v_ids text[];
begin
  v_ids := array_remove(array_remove(p_remote_ids, null), '');
  select m.channel_id into v_channel from message m
  where m.tenant_id = t and m.conversation_id = p_conversation and m.sort_at = p_sort_at
    and m.sort_seq = p_sort_seq and m.id = p_message;
  if v_channel is null or coalesce(cardinality(v_ids), 0) = 0 then return; end if;
  perform message_named(t, v_channel,
                        row(p_conversation, p_sort_at, p_sort_seq, p_message)::message_place, v_ids);
end $fn$;

-- The thread of the conversation that holds a message with one of these remote ids, the first of
-- them that is known; null where none is.
create function thread_of_references(p_channel uuid, p_references text[])
returns text language plpgsql stable security definer set search_path = backchannel, pg_temp
set plan_cache_mode = force_generic_plan set enable_seqscan = off as $fn$
declare
  t uuid; v_reference text; v_place message_place; v_thread text;
begin
  select c.tenant_id into t from channel c where c.id = p_channel;
  if t is null then return null; end if;
  foreach v_reference in array p_references loop
    v_place := message_of_remote(t, p_channel, v_reference);
    if v_place.id is not null then
      select c.remote_thread into v_thread from conversation c
      where c.tenant_id = t and c.id = v_place.conversation_id and c.channel_id = p_channel;
      if v_thread is not null then return v_thread; end if;
    end if;
  end loop;
  return null;
end $fn$;

-- The inbound transaction ------------------------------------------------------------------------
-- As in 0001_core.sql, and besides: rows for attachments with bytes, what was said of a message
-- before it came, and echoes of messages that are here already.

drop function ingest_known(uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[], bigint[],
  smallint[], smallint[], text[], jsonb[], jsonb[], text[], text[], bytea[], text[]);
drop function ingest_resolve(uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[], bigint[],
  smallint[], smallint[], text[], jsonb[], jsonb[], text[], text[], bytea[], text[], text[],
  text[], text[]);
drop function ingest_change(uuid, uuid, uuid, integer, timestamptz, text, text, text, text,
  smallint, text, jsonb, jsonb, bytea, text);

-- One attachment: with its bytes, or to be fetched (p_body null).
create function ingest_media(p_tenant uuid, p_channel uuid, p_remote_id text, p_id uuid,
                             p_source jsonb, p_body bytea)
returns void language plpgsql as $fn$
begin
  insert into media (tenant_id, id, channel_id, message_remote_id, state, source, content_type,
                     file_name, size, sha256, body)
  values (p_tenant, p_id, p_channel, p_remote_id, case when p_body is null then 0 else 1 end,
          p_source, nullif(p_source ->> 'mime_type', ''), nullif(p_source ->> 'file_name', ''),
          coalesce(octet_length(p_body), (p_source ->> 'size')::bigint), sha256(p_body), p_body)
  on conflict (tenant_id, id) do nothing;
end $fn$;

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
  -- The places of events whose message was spoken of before it came.
  early constant text := $sql$
    (select array_agg(f.ord::integer) from f
     where exists (select from early_change c where c.tenant_id = f.t and c.channel_id = f.channel
                     and c.target = f.remote_id))
  $sql$;
  -- Where there is one channel an expression does, which costs a tenth of a statement.
  channel_locks constant text := $sql$
    if p_channel[1] = all (p_channel) then
      if pg_advisory_xact_lock_shared(channel_lock(p_channel[1])) is null then null; end if;
    else
      perform pg_advisory_xact_lock_shared(x.key)
      from (select distinct channel_lock(u.channel) as key from unnest(p_channel) as u(channel)
            order by key) x;
    end if
  $sql$;
  media constant text := $sql$
    for i in 1 .. coalesce(cardinality(p_media_ord), 0) loop
      continue when p_media_ord[i] <> all (coalesce(fresh, '{}'));
      perform ingest_media((select c.tenant_id from channel c where c.id = p_channel[p_media_ord[i]]),
                           p_channel[p_media_ord[i]], p_remote_id[p_media_ord[i]], p_media_id[i],
                           p_media_source[i], p_media_body[i]);
    end loop
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
  -- Answers the ordinals (from 1) that were fresh; the others were stored before. For all but
  -- echoes. p_media_ord: of each attachment's event.
  -- BC001: a conversation was closed meanwhile, or is of another channel: forget it and resolve.
  -- BC002: a channel is gone.
  execute format($sql$
    create function ingest_known(
      p_channel uuid[], p_key uuid[], p_mid uuid[], p_conversation uuid[], p_sender uuid[],
      p_sort_at timestamptz[], p_sort_seq bigint[], p_sender_type smallint[], p_kind smallint[],
      p_content text[], p_attachments jsonb[], p_metadata jsonb[], p_remote_id text[],
      p_reply_to text[], p_raw bytea[], p_raw_type text[],
      p_media_ord integer[], p_media_id uuid[], p_media_source jsonb[], p_media_body bytea[])
    returns integer[] %1$s as $fn$
    declare
      known bigint; fresh integer[]; stored bigint; updated bigint; early integer[];
    begin
      %4$s;
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
      ), %2$s
      select (select count(*) from i), (select array_agg(f.ord::integer) from f),
             (select count(*) from f), (select coalesce(sum(h.added), 0) from h), %3$s
      into known, fresh, stored, updated, early;
      if known <> cardinality(p_channel) then
        raise exception 'a channel is gone' using errcode = 'BC002';
      end if;
      if stored <> updated then
        raise exception 'a conversation is closed or of another channel' using errcode = 'BC001';
      end if;
      if early is not null then
        perform early_changes_apply(c.tenant_id, c.id, array[p_remote_id[n.o]],
                                    row(p_conversation[n.o], p_sort_at[n.o], p_sort_seq[n.o],
                                        p_mid[n.o])::message_place)
        from unnest(early) as n(o) join channel c on c.id = p_channel[n.o];
      end if;
      %5$s;
      return coalesce(fresh, '{}');
    end $fn$
  $sql$, settings, effects, early, channel_locks, media);

  -- The same for events whose conversation is not known, and for echoes: p_conversation and
  -- p_sender are proposals of new ids, and p_contact_remote, p_contact_name, p_thread say whom and
  -- what to look for. Answers a row per stored event with the ids that now hold. Keys come first,
  -- so that a late redelivery never opens a conversation.
  execute format($sql$
    create function ingest_resolve(
      p_channel uuid[], p_key uuid[], p_mid uuid[], p_conversation uuid[], p_sender uuid[],
      p_sort_at timestamptz[], p_sort_seq bigint[], p_sender_type smallint[], p_kind smallint[],
      p_content text[], p_attachments jsonb[], p_metadata jsonb[], p_remote_id text[],
      p_reply_to text[], p_raw bytea[], p_raw_type text[],
      p_media_ord integer[], p_media_id uuid[], p_media_source jsonb[], p_media_body bytea[],
      p_contact_remote text[], p_contact_name text[], p_thread text[])
    returns table (ord integer, conversation uuid, contact uuid) %1$s as $fn$
    #variable_conflict use_column
    declare
      tenants uuid[]; types text[]; fresh integer[]; contacts uuid[]; conversations uuid[];
      stored bigint; updated bigint; early integer[]; echoed integer[];
      has_echoes constant boolean := 1 = any (p_sender_type);
    begin
      select array_agg(c.tenant_id order by x.o), array_agg(c.type order by x.o)
      into tenants, types
      from unnest(p_channel) with ordinality as x(channel, o) join channel c on c.id = x.channel;
      if coalesce(cardinality(tenants), 0) <> cardinality(p_channel) then
        raise exception 'a channel is gone' using errcode = 'BC002';
      end if;
      %4$s;
      if has_echoes then
        perform pg_advisory_xact_lock(x.key)
        from (select distinct remote_id_lock(u.channel, u.remote) as key
              from unnest(p_channel, p_remote_id, p_sender_type) as u(channel, remote, sender_type)
              where u.sender_type = 1 and u.remote is not null order by key) x;
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

      -- An echo of a message that is here, or of one earlier in this batch, adds nothing; the bytes
      -- of its delivery are kept, because they may hold other events.
      if has_echoes then
        select array_agg(n.o order by n.o) filter (where not n.is_here),
               array_agg(n.o) filter (where n.is_here)
        into fresh, echoed
        from (
          select x.o, p_sender_type[x.o] = 1 and p_remote_id[x.o] is not null and (
                   (message_of_remote(tenants[x.o], p_channel[x.o], p_remote_id[x.o])).id is not null
                   or exists (select from unnest(fresh) as b(o)
                              where b.o < x.o and p_sender_type[b.o] = 1
                                and p_channel[b.o] = p_channel[x.o]
                                and p_remote_id[b.o] = p_remote_id[x.o])) as is_here
          from unnest(fresh) as x(o)) n;
        insert into raw_event (tenant_id, id, channel_id, content_type, body)
        select tenants[x.o], p_mid[x.o], p_channel[x.o], p_raw_type[x.o], p_raw[x.o]
        from unnest(echoed) as x(o) where p_raw[x.o] is not null;
        if fresh is null then return; end if;
      end if;

      -- Contacts. The scalar subquery hands all key columns to the index at once; a left join was
      -- seen to walk a whole tenant.
      with wanted as (
        select distinct on (x.t, x.channel, x.remote) x.t, x.channel, x.remote, x.name, x.proposal,
               x.type
        from unnest(fresh) as n(o)
        cross join lateral (select tenants[n.o], p_channel[n.o], p_contact_remote[n.o],
                                   p_contact_name[n.o], p_sender[n.o], types[n.o])
             as x(t, channel, remote, name, proposal, type)
        where (select a.contact_id from contact_alias a where a.tenant_id = x.t
                 and a.channel_id = x.channel and a.remote_id = x.remote) is null
        order by x.t, x.channel, x.remote, n.o
      ), linked as (
        insert into contact_alias as a (tenant_id, channel_id, remote_id, contact_id)
        select w.t, w.channel, w.remote, w.proposal from wanted w order by w.t, w.channel, w.remote
        on conflict (tenant_id, channel_id, remote_id) do update set contact_id = a.contact_id
        returning a.contact_id
      )
      -- Who it is at the platform is often all there is: a phone number, an address of mail. On a
      -- page of the business's own it is a number we drew.
      insert into contact (tenant_id, id, name, external_id, email)
      select w.t, w.proposal, w.name,
             case when w.type not in ('widget', 'webchat') then w.remote end,
             case when w.remote ~ '^[^@[:space:]]+@[^@[:space:]]+$' then w.remote end
      from wanted w join linked l on l.contact_id = w.proposal;

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
               n.i as ord
        from unnest(fresh, conversations, contacts) with ordinality
             as n(o, conversation, contact, i)
      ), %2$s
      select (select count(*) from f), (select coalesce(sum(h.added), 0) from h), %3$s
      into stored, updated, early;
      if stored <> updated then
        raise exception 'a conversation was closed meanwhile' using errcode = 'BC001';
      end if;
      if early is not null then
        perform early_changes_apply(tenants[fresh[n.i]], p_channel[fresh[n.i]],
                                    array[p_remote_id[fresh[n.i]]],
                                    row(conversations[n.i], p_sort_at[fresh[n.i]],
                                        p_sort_seq[fresh[n.i]], p_mid[fresh[n.i]])::message_place)
        from unnest(early) as n(i);
      end if;
      %5$s;
      return query select n.o, n.conversation, n.contact
                   from unnest(fresh, conversations, contacts) as n(o, conversation, contact);
    end $fn$
  $sql$, settings, effects, early, channel_locks, media);
end $build$;

-- An event that is not a new message: an edit, a removal, a reaction, a status, a change of the
-- contact or the thread, or a kind nobody knows yet. Answers 'stored', 'duplicate', or 'missing'
-- when an edit's message is not here (nothing is written then; the edit becomes the message). A
-- removal, a reaction or a status waits for its message.
-- p_kind: connector::EventKind. p_mid names the event in raw_event. p_message_key, of a status: our
-- own id of the message. p_up_to, of a status: all of ours up to this one have been read.
create function ingest_change(
  p_channel uuid, p_key uuid, p_mid uuid, p_kind integer, p_at timestamptz, p_thread text,
  p_target text, p_actor text, p_content text, p_state smallint, p_code text, p_attachments jsonb,
  p_metadata jsonb, p_raw bytea, p_raw_type text, p_message_key uuid, p_up_to boolean,
  p_media_id uuid[], p_media_source jsonb[], p_media_body bytea[])
returns text language plpgsql security definer set search_path = backchannel
set plan_cache_mode = force_generic_plan set enable_seqscan = off
as $fn$
declare
  t uuid; seen uuid; v_conversation uuid; v_place message_place; v_turn bigint;
  v_names boolean := false;
begin
  select c.tenant_id into t from channel c where c.id = p_channel;
  if t is null then raise exception 'a channel is gone' using errcode = 'BC002'; end if;

  if p_kind in (3, 4, 5, 6) then
    v_place := message_of_remote(t, p_channel, p_target);
    if v_place.id is null and p_kind = 6 and p_message_key is not null then
      select m.conversation_id, m.sort_at, m.sort_seq, m.id into v_place from message m
      where m.tenant_id = t and m.id = p_message_key and m.channel_id = p_channel
        and m.remote_id is null and m.sender_type = 1
      for no key update;
      v_names := v_place.id is not null and p_target <> '';
    end if;
    -- Only an edit brings what is needed to store the message.
    if v_place.id is null and p_kind = 3 then
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

  if p_kind in (4, 5, 6) and v_place.id is null and p_target <> '' then
    -- A status is of a message of ours, whose remote id is locked by whoever stores it.
    if p_kind <> 6 or p_up_to then perform pg_advisory_xact_lock(channel_lock(p_channel)); end if;
    perform pg_advisory_xact_lock(remote_id_lock(p_channel, p_target));
    v_place := message_of_remote(t, p_channel, p_target);
    if v_place.id is null then
      v_turn := nextval('early_change_turn');
      insert into early_change (tenant_id, channel_id, slot, target, turn, kind, at, actor, content,
                                state, code, up_to)
      values (t, p_channel, (v_turn % 4096)::smallint, p_target, v_turn, p_kind, p_at, p_actor,
              left(p_content, 2000), p_state, p_code, p_up_to)
      on conflict (tenant_id, channel_id, slot) do update set target = excluded.target,
        turn = excluded.turn, kind = excluded.kind, at = excluded.at, actor = excluded.actor,
        content = excluded.content, state = excluded.state, code = excluded.code,
        up_to = excluded.up_to, received_at = excluded.received_at;
      return 'stored';
    end if;
  end if;

  if v_place.id is not null then
    if v_names then perform message_named(t, p_channel, v_place, array[p_target]); end if;
    while not message_change(t, v_place, p_kind, p_at, p_actor, p_content, p_state, p_code, p_up_to,
                             p_attachments, p_metadata) loop
      v_place := message_of_remote(t, p_channel, p_target);
      exit when v_place.id is null;
    end loop;
    for i in 1 .. coalesce(cardinality(p_media_id), 0) loop
      perform ingest_media(t, p_channel, p_target, p_media_id[i], p_media_source[i],
                           p_media_body[i]);
    end loop;
    return 'stored';
  end if;

  -- Whom a platform names without a thread cannot be written to in any of their conversations.
  if p_kind = 8 and p_thread = '' then
    with changed as (
      update conversation c
      set unreachable_reason = case when p_state = 0 then null else p_content end
      from contact_alias a
      where a.tenant_id = t and a.channel_id = p_channel and a.remote_id = p_actor
        and c.tenant_id = t and c.channel_id = p_channel and c.contact_id = a.contact_id
        and c.closed_at is null
      returning c.id
    )
    insert into realtime_event (tenant_id, conversation_id, kind)
    select t, x.id, 2 from changed x;
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

-- Housekeeping: as in 0001_core.sql, and what no message came for in a week.
create or replace function sweep(p_raw_days integer, p_key_days integer, p_realtime_hours integer)
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
  delete from early_change where ctid in (
    select ctid from early_change where received_at < now() - interval '7 days' limit 20000);
end $fn$;

-- Rights -----------------------------------------------------------------------------------------

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'resolve_accounts(text,text[])',
    'thread_of_references(uuid,text[])',
    'ingest_change_locks(uuid[],text[],boolean[])',
    'ingest_known(uuid[],uuid[],uuid[],uuid[],uuid[],timestamptz[],bigint[],smallint[],smallint[],'
      || 'text[],jsonb[],jsonb[],text[],text[],bytea[],text[],integer[],uuid[],jsonb[],bytea[])',
    'ingest_resolve(uuid[],uuid[],uuid[],uuid[],uuid[],timestamptz[],bigint[],smallint[],'
      || 'smallint[],text[],jsonb[],jsonb[],text[],text[],bytea[],text[],integer[],uuid[],jsonb[],'
      || 'bytea[],text[],text[],text[])',
    'ingest_change(uuid,uuid,uuid,integer,timestamptz,text,text,text,text,smallint,text,jsonb,'
      || 'jsonb,bytea,text,uuid,boolean,uuid[],jsonb[],bytea[])'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
end $$;
revoke create on schema backchannel from backchannel_definer;
