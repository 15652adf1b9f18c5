-- Files: fetching what platforms keep, what agents upload, and losing what nobody may see any more.
--
-- A row of media is one file; its id is that of the attachments which name it. Rows of deliveries
-- (0004) have the message they came with, uploads have the conversation they were made for. Fetching
-- is claimed by leases and fences as everything that leaves (0002): while leased, next_at is the end
-- of the lease. Messages are locked before media, as whoever merges or takes back a message does.

grant create on schema backchannel to backchannel_definer;

alter table media
  add column conversation_id uuid,      -- of an upload; null: came with a delivery
  add column used_at timestamptz,       -- an upload's first sending
  add column checked_at timestamptz not null default now();  -- somebody still names it
create index media_due on media (tenant_id, next_at) where state = 0;
create index media_unused on media (tenant_id, created_at)
  where conversation_id is not null and used_at is null;
create index media_age on media (checked_at);

-- Which messages of agents carry a file.
create table media_use (
  tenant_id uuid not null,
  media_id uuid not null,
  message_id uuid not null,             -- with the next three: the key of the message
  conversation_id uuid not null,
  sort_at timestamptz not null,
  sort_seq bigint not null,
  primary key (tenant_id, media_id, message_id)
);
alter table media_use enable row level security;
alter table media_use force row level security;
create policy tenant on media_use to backchannel_gateway
  using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
create policy definer on media_use to backchannel_definer using (true) with check (true);
grant select, insert, update, delete on media_use to backchannel_gateway, backchannel_definer;

-- Messages that were taken back and still have something to lose. A message leaves the index when
-- its attachments have been emptied; an insert never enters it.
create index message_taken_back on message (tenant_id)
  where deleted_at is not null and attachments @? '$[*] ? (@.state != "failed")';

-- The ids of attachments, where they are ids.
create function attachment_ids(p_attachments jsonb) returns uuid[] language sql immutable
return (
  select coalesce(array_agg((a ->> 'id')::uuid), '{}')
  from jsonb_array_elements(case when jsonb_typeof(p_attachments) = 'array' then p_attachments
                                 else '[]' end) as a
  where a ->> 'id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$');

-- The list with the members of p_patch put into the attachment of this id.
create function attachments_patched(p_attachments jsonb, p_id uuid, p_patch jsonb) returns jsonb
language sql immutable
return (
  select jsonb_agg(case when a.value ->> 'id' = p_id::text then a.value || p_patch else a.value end
                   order by a.ordinality)
  from jsonb_array_elements(p_attachments) with ordinality as a);

-- The message that brought a file: by its remote id, or one it got later. No row where there is none
-- that names the file.
create function media_message(p_tenant uuid, p_channel uuid, p_remote_id text, p_id uuid)
returns setof message language sql stable as $fn$
  select m.* from message m
  where m.tenant_id = p_tenant and m.channel_id = p_channel and m.remote_id = p_remote_id
    and m.attachments @> jsonb_build_array(jsonb_build_object('id', p_id))
  union all
  select m.* from message_alias a
  join message m on m.tenant_id = a.tenant_id and m.conversation_id = a.conversation_id
    and m.sort_at = a.sort_at and m.sort_seq = a.sort_seq and m.id = a.message_id
  where a.tenant_id = p_tenant and a.channel_id = p_channel and a.remote_id = p_remote_id
    and m.attachments @> jsonb_build_array(jsonb_build_object('id', p_id))
$fn$;

-- What a fetch came to: ready (1) with its bytes, or failed (2) with a reason; its message shows it.
-- 'lost' where the lease was lost, 'deleted' where the message was taken back meanwhile. Repeating
-- after an unknown outcome is safe. Runs with the caller's rights inside the tenant.
create function media_settle(p_id uuid, p_fence bigint, p_state smallint, p_content_type text,
                             p_file_name text, p_sha256 bytea, p_body bytea, p_error text)
returns text language plpgsql set enable_seqscan = off as $fn$
declare
  t uuid := current_tenant();
  v_file media;
  v_message message;
  v_patch jsonb;
begin
  select f.channel_id, f.message_remote_id into v_file.channel_id, v_file.message_remote_id
  from media f where f.tenant_id = t and f.id = p_id;
  select * into v_message
  from media_message(t, v_file.channel_id, v_file.message_remote_id, p_id) limit 1;
  if v_message.id is not null then
    select * into v_message from message m
    where m.tenant_id = t and m.conversation_id = v_message.conversation_id
      and m.sort_at = v_message.sort_at and m.sort_seq = v_message.sort_seq and m.id = v_message.id
    for no key update;
  end if;
  if v_message.deleted_at is not null then
    p_state := 2;
    p_error := 'deleted';
  end if;

  update media f set state = p_state, lease_owner = null, error = p_error,
    content_type = case when p_state = 1 then p_content_type else f.content_type end,
    file_name = case when p_state = 1 then p_file_name else f.file_name end,
    size = case when p_state = 1 then octet_length(p_body) else f.size end,
    sha256 = case when p_state = 1 then p_sha256 end,
    body = case when p_state = 1 then p_body end
  where f.tenant_id = t and f.id = p_id and f.fence = p_fence and f.state = 0;
  if not found then
    -- Settled before; the answer to that commit was lost.
    return case when exists (select from media f where f.tenant_id = t and f.id = p_id
                               and f.fence = p_fence and f.state = p_state)
                then 'settled' else 'lost' end;
  end if;
  if v_message.deleted_at is not null then return 'deleted'; end if;
  if v_message.id is not null then
    v_patch := case when p_state = 1
      then jsonb_build_object('state', 'ready', 'content_type', p_content_type,
                              'size', octet_length(p_body), 'name', p_file_name)
      else jsonb_build_object('state', 'failed', 'error', p_error) end;
    update message m set attachments = attachments_patched(m.attachments, p_id, v_patch)
    where m.tenant_id = t and m.conversation_id = v_message.conversation_id
      and m.sort_at = v_message.sort_at and m.sort_seq = v_message.sort_seq and m.id = v_message.id;
    insert into realtime_event (tenant_id, conversation_id, message_id, kind)
    values (t, v_message.conversation_id, v_message.id, 1);
  end if;
  return 'settled';
end $fn$;

-- Doors across tenants: they take nothing from the caller but bounds -------------------------------
-- Without sequential scans: a plan made on empty tables would keep them.

-- At most p_tenant_cap files of a tenant are fetched at a time, and tenants take turns. A claim
-- counts as an attempt, so that a file whose fetching ends a gateway is not fetched for ever.
create function claim_media(p_owner uuid, p_limit integer, p_tenant_cap integer, p_lease_ms bigint)
returns table (media_tenant uuid, media_id uuid, media_fence bigint)
language sql security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
  with recursive tenant as (
    (select f.tenant_id from media f where f.state = 0 order by f.tenant_id limit 1)
    union all
    select (select f.tenant_id from media f where f.state = 0 and f.tenant_id > t.tenant_id
            order by f.tenant_id limit 1)
    from tenant t where t.tenant_id is not null
  ), due as (
    select d.tenant_id, d.id, d.next_at,
           row_number() over (partition by d.tenant_id order by d.next_at) as turn
    from tenant t
    cross join lateral (
      select count(*) as leased from media b
      where b.tenant_id = t.tenant_id and b.state = 0 and b.lease_owner is not null
        and b.next_at > clock_timestamp()
    ) busy
    cross join lateral (
      select f.tenant_id, f.id, f.next_at from media f
      where f.tenant_id = t.tenant_id and f.state = 0 and f.next_at <= clock_timestamp()
      order by f.next_at limit greatest(p_tenant_cap - busy.leased, 0)
    ) d
    where t.tenant_id is not null
  ), picked as (
    select f.tenant_id, f.id from media f
    join (select * from due order by turn, next_at limit p_limit) d
      on f.tenant_id = d.tenant_id and f.id = d.id
    where f.state = 0 and f.next_at <= clock_timestamp()
    for update of f skip locked
  )
  update media f set lease_owner = p_owner, fence = nextval('fence'), attempt = f.attempt + 1,
    next_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  from picked p where f.tenant_id = p.tenant_id and f.id = p.id
  returning f.tenant_id, f.id, f.fence
$fn$;

-- Files of messages that were taken back lose their bytes, and the messages all but the kinds of
-- their attachments. Says how many messages there were. An upload that another message carries too
-- stays until that one is taken back.
create function erase_media(p_limit integer)
returns integer language plpgsql security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
declare
  v_message message;
  v_erased integer := 0;
begin
  for v_message in
    select m.* from message m
    where m.deleted_at is not null and m.attachments @? '$[*] ? (@.state != "failed")'
    limit p_limit for no key update skip locked
  loop
    update media f set state = 2, error = 'deleted', lease_owner = null, fence = nextval('fence'),
      body = null, sha256 = null, source = null, file_name = null, content_type = null, size = null
    where f.tenant_id = v_message.tenant_id and f.id = any (attachment_ids(v_message.attachments))
      and case when f.conversation_id is null
        then f.channel_id is not distinct from v_message.channel_id
          and (f.message_remote_id = v_message.remote_id
            or exists (select from message_alias a where a.tenant_id = v_message.tenant_id
                         and a.channel_id = v_message.channel_id
                         and a.remote_id = f.message_remote_id and a.message_id = v_message.id))
        else not exists (
          select from media_use u
          join message other on other.tenant_id = u.tenant_id
            and other.conversation_id = u.conversation_id and other.sort_at = u.sort_at
            and other.sort_seq = u.sort_seq and other.id = u.message_id
          where u.tenant_id = f.tenant_id and u.media_id = f.id and other.deleted_at is null)
        end;
    update message m set attachments = (
      select jsonb_agg(jsonb_build_object('id', a.value -> 'id', 'type', a.value -> 'type',
          'url', null, 'content_type', null, 'size', null, 'name', null, 'state', 'failed',
          'error', 'deleted') order by a.ordinality)
      from jsonb_array_elements(m.attachments) with ordinality as a)
    where m.tenant_id = v_message.tenant_id and m.conversation_id = v_message.conversation_id
      and m.sort_at = v_message.sort_at and m.sort_seq = v_message.sort_seq and m.id = v_message.id;
    insert into realtime_event (tenant_id, conversation_id, message_id, kind)
    values (v_message.tenant_id, v_message.conversation_id, v_message.id, 1);
    v_erased := v_erased + 1;
  end loop;
  return v_erased;
end $fn$;

-- Removes uploads that nobody has sent within p_unused_hours, and looks at up to p_limit further
-- files whether a message still names them; each comes round once in p_check_hours. Says how many
-- rows it has seen, so that it is repeated while there are more.
create function sweep_media(p_unused_hours integer, p_check_hours integer, p_limit integer)
returns integer language plpgsql security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
declare
  v_file record;
  v_seen integer;
  v_carried boolean;
  v_named boolean;
begin
  delete from media f using (
    select x.tenant_id, x.id from media x
    where x.conversation_id is not null and x.used_at is null
      and x.created_at < now() - make_interval(hours => greatest(p_unused_hours, 1))
    limit p_limit for update skip locked) as unused
  where f.tenant_id = unused.tenant_id and f.id = unused.id;
  get diagnostics v_seen = row_count;

  for v_file in
    select f.tenant_id, f.id, f.channel_id, f.message_remote_id, f.conversation_id, f.used_at
    from media f
    where f.checked_at < now() - make_interval(hours => greatest(p_check_hours, 1))
    order by f.checked_at limit p_limit for update skip locked
  loop
    v_seen := v_seen + 1;
    v_carried := exists (
      select from media_use u join message m on m.tenant_id = u.tenant_id
        and m.conversation_id = u.conversation_id and m.sort_at = u.sort_at
        and m.sort_seq = u.sort_seq and m.id = u.message_id
      where u.tenant_id = v_file.tenant_id and u.media_id = v_file.id);
    v_named := v_carried or case
      when v_file.conversation_id is not null then v_file.used_at is null  -- above, in its time
      when v_file.message_remote_id is null then true
      else exists (select from media_message(v_file.tenant_id, v_file.channel_id,
                                             v_file.message_remote_id, v_file.id))
      end;
    if v_named and exists (select from business b where b.tenant_id = v_file.tenant_id) then
      update media f set checked_at = now()
      where f.tenant_id = v_file.tenant_id and f.id = v_file.id;
    else
      delete from media_use u where u.tenant_id = v_file.tenant_id and u.media_id = v_file.id;
      delete from media f where f.tenant_id = v_file.tenant_id and f.id = v_file.id;
    end if;
  end loop;
  return v_seen;
end $fn$;

-- For metrics only.
create function media_depth()
returns table (waiting bigint, oldest_ms bigint)
language sql stable security definer set search_path = backchannel, pg_temp
set enable_seqscan = off as $fn$
  select count(*), coalesce(extract(epoch from clock_timestamp() - min(f.created_at)) * 1000, 0)::bigint
  from media f where f.state = 0
$fn$;

do $$
declare
  signature text;
begin
  foreach signature in array array[
    'claim_media(uuid,integer,integer,bigint)',
    'erase_media(integer)',
    'sweep_media(integer,integer,integer)',
    'media_depth()'] loop
    execute format('alter function %s owner to backchannel_definer', signature);
    execute format('revoke all on function %s from public', signature);
    execute format('grant execute on function %s to backchannel_gateway', signature);
  end loop;
end $$;
revoke create on schema backchannel from backchannel_definer;
