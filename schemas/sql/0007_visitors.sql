-- Visitors: who writes to a business through a widget or a webchat on a web page.
--
-- An embed is what a page names: a widget by its UUID, or a webchat by 24 hex digits. A visitor's
-- messages take the way of every inbound message (0004); their remote thread is the visitor's id, on
-- the widget or webchat channel. Whoever only looks at a page leaves no row: one is made with the
-- first message, or when a page says who its visitor is.

grant create on schema backchannel to backchannel_definer;

-- What the gateway acts on has columns; what it only keeps and shows is one object, with the names
-- of the API.
create table webchat (
  tenant_id uuid not null,
  id text not null check (id ~ '^[0-9a-f]{24}$'),
  channel_id uuid not null,
  created_by uuid not null,
  allowed_domains text[] not null,      -- canonical hosts and origins; none: every page
  icon uuid,                            -- a file that belongs to this row alone
  is_enabled boolean not null,
  fields jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint webchat_channel unique (tenant_id, channel_id),
  foreign key (tenant_id, channel_id) references channel (tenant_id, id) on delete cascade
);
create unique index webchat_id on webchat (id);

-- With it a business's own server signs the ids of its people (hex HMAC-SHA256).
create table embed_secret (
  tenant_id uuid not null,
  embed_id text not null,
  id uuid not null,                     -- what the ciphertext is bound to
  sealed bytea not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, embed_id)
);

create table visitor (
  tenant_id uuid not null,
  id uuid not null,                     -- random
  embed_id text not null,
  external_id text,                     -- the business's own id of the person, proven by the secret
  name text,
  email text,
  contact_id uuid,                      -- since the first message, as the next
  conversation_id uuid,                 -- the latest one
  read_at timestamptz,                  -- what was sent to the visitor up to here has been read
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index visitor_person on visitor (tenant_id, embed_id, external_id)
  where external_id is not null;

create index visitor_external on visitor (tenant_id, external_id) where external_id is not null;

-- How satisfied the customer was.
alter table conversation
  add column csat_score smallint check (csat_score between 1 and 5),
  add column csat_comment text,
  add column csat_at timestamptz;

-- Uploads from a page. Before the visitor's first message there is no conversation: conversation_id
-- is then the visitor's id, or the channel's where nobody says who uploads.
alter table media
  add column embed_id text,             -- of uploads from a page
  add column visitor_id uuid;
create index media_unused_of_page on media (tenant_id, embed_id)
  where embed_id is not null and used_at is null;

do $$
declare
  table_name text;
begin
  foreach table_name in array array['webchat', 'embed_secret', 'visitor'] loop
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

-- Webchats are public by their id, as widgets are: the business one belongs to.
create function resolve_webchat(p_webchat text)
returns uuid language sql stable security definer set search_path = backchannel, pg_temp as $$
  select w.tenant_id from webchat w where w.id = p_webchat
$$;
alter function resolve_webchat(text) owner to backchannel_definer;
revoke all on function resolve_webchat(text) from public;
grant execute on function resolve_webchat(text) to backchannel_gateway;
revoke create on schema backchannel from backchannel_definer;
