-- What leaves, since connectors speak interface 1.1: answers as large as media, several remote ids
-- for one message, a poll's cursor in the transaction of its events, accounts a registration proved.

-- What a human enters at the platform, a verify token or a callback URL with a key, is as secret as
-- the config it comes from. A registration that was written before is made anew by its next check.
alter table channel drop column registration_instructions;
alter table channel add column instructions_sealed bytea;

-- Sealed bytes do not compress.
alter table outbox alter column transcript set storage external;

-- As before, but it looks at the channel's pause whatever is asked: a call that only reads is not
-- counted among those that may have done something (p_asked = p_answered).
create or replace function outbox_ask(p_conversation uuid, p_fence bigint, p_message uuid,
                                      p_attempt integer, p_asked smallint, p_answered smallint,
                                      p_transcript bytea, p_lease_ms bigint)
returns bigint language plpgsql as $fn$
declare
  t uuid := current_tenant();
  v_row outbox%rowtype;
  v_pause bigint;
begin
  perform from lane l where l.tenant_id = t and l.conversation_id = p_conversation
    and l.fence = p_fence and l.lease_owner is not null for update;
  if not found then return -1; end if;
  select ceil(extract(epoch from p.until - clock_timestamp()) * 1000)::bigint into v_pause
  from channel_pause p join lane l on l.tenant_id = p.tenant_id and l.channel_id = p.channel_id
  where l.tenant_id = t and l.conversation_id = p_conversation and p.until > clock_timestamp();
  if v_pause > 0 then return v_pause; end if;
  update lane l set next_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  where l.tenant_id = t and l.conversation_id = p_conversation;
  -- A transcript that is not given stays as it is: it holds the same answers.
  update outbox o set state = 1, attempt = p_attempt, asked = p_asked,
    transcript = case when p_answered = 0 then null else coalesce(p_transcript, o.transcript) end,
    answered = p_answered
  where o.tenant_id = t and o.conversation_id = p_conversation and o.message_id = p_message
  returning * into v_row;
  if not found then return -1; end if;
  perform outbox_message_status(p_conversation, v_row.sort_at, v_row.sort_seq, p_message, 1::smallint,
                                null);
  return 0;
end $fn$;

create or replace function outbox_again(p_conversation uuid, p_fence bigint, p_message uuid,
                                        p_attempt integer, p_answered smallint, p_transcript bytea,
                                        p_delay_ms bigint, p_error text, p_pause_ms bigint,
                                        p_pause_reason smallint)
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
    transcript = case when p_answered = 0 then null else coalesce(p_transcript, o.transcript) end,
    last_error = coalesce(p_error, o.last_error)
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

-- Whether the status a platform told is better than what became of our call: delivered (3) and read
-- (4) always are; failed (5) where it had taken the message first; sent (2) where we cannot tell.
create function outbox_told(p_told smallint, p_ours smallint)
returns boolean language sql immutable parallel safe
  return p_told in (3, 4) or (p_told = 5 and p_ours in (2, 6)) or (p_told = 2 and p_ours = 6);

-- The message is settled: sent (2), failed (5) or uncertain (6). The first of p_remote_ids becomes
-- the message's remote id; all of them are known as its ids from now on. p_unreachable: null leaves
-- the conversation as it is. A remote id the platform told meanwhile stays. False where the lease
-- was lost.
drop function outbox_settle(uuid, bigint, uuid, smallint, text, text, jsonb, text, text);
create function outbox_settle(p_conversation uuid, p_fence bigint, p_message uuid, p_status smallint,
                              p_error text, p_remote_ids text[], p_metadata jsonb,
                              p_unreachable text, p_moved_to text)
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

  update message m set
    status = case when outbox_told(m.status, p_status) then m.status else p_status end,
    error = case when outbox_told(m.status, p_status) then m.error else p_error end,
    remote_id = coalesce(m.remote_id, p_remote_ids[1]),
    metadata = case when p_metadata is null then m.metadata
                    else coalesce(m.metadata, '{}') || p_metadata end
  where m.tenant_id = t and m.conversation_id = p_conversation and m.sort_at = v_row.sort_at
    and m.sort_seq = v_row.sort_seq and m.id = p_message;
  if cardinality(p_remote_ids) > 0 then
    perform remote_ids_known(p_conversation, v_row.sort_at, v_row.sort_seq, p_message, p_remote_ids);
  end if;
  insert into realtime_event (tenant_id, conversation_id, message_id, kind, state)
  values (t, p_conversation, p_message, 3, p_status);

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

-- In the transaction that stores what a run brought ------------------------------------------------

-- The channel's state as the run left it. BC003: the row has changed since it was read.
create function channel_state_move(p_channel uuid, p_revision integer, p_state bytea)
returns void language plpgsql as $fn$
begin
  update channel c set state_sealed = p_state, revision = c.revision + 1
  where c.tenant_id = current_tenant() and c.id = p_channel and c.revision = p_revision;
  if not found then
    raise exception 'the channel has changed' using errcode = 'BC003';
  end if;
end $fn$;

-- Only while the job is still leased to the caller; nobody takes it over before the transaction
-- ends. BC004: it is not.
create function registration_hold(p_channel uuid, p_seq bigint, p_fence bigint)
returns void language plpgsql as $fn$
begin
  perform from registration_job j
  where j.tenant_id = current_tenant() and j.channel_id = p_channel and j.seq = p_seq
    and j.fence = p_fence and j.lease_owner is not null for no key update;
  if not found then
    raise exception 'the job is somebody else''s' using errcode = 'BC004';
  end if;
end $fn$;
