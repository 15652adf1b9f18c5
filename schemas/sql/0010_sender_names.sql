-- Who answers, told to the visitors of embeds that show it.

grant create on schema backchannel to backchannel_definer;

-- The names of those of these people who belong to the session's business.
create function member_names(p_users uuid[])
returns table (user_id uuid, full_name text)
language sql stable security definer set search_path = backchannel, pg_temp as $fn$
  select u.id, u.full_name from app_user u
  where u.id = any (p_users)
    and exists (select from membership m where m.user_id = u.id
                and m.tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
$fn$;

alter function member_names(uuid[]) owner to backchannel_definer;
revoke all on function member_names(uuid[]) from public;
grant execute on function member_names(uuid[]) to backchannel_gateway;
revoke create on schema backchannel from backchannel_definer;
