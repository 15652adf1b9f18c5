-- A file whose platform names no type at all (Plivo's pictures) is called by its content once it has
-- been fetched. What a customer sent as a document stays one: there the platform named a type.

create or replace function attachments_patched(p_attachments jsonb, p_id uuid, p_patch jsonb)
returns jsonb language sql immutable
return (
  select jsonb_agg(
           case when a.value ->> 'id' = p_id::text then
             a.value || p_patch || case
               when a.value ->> 'type' = 'file' and a.value ->> 'content_type' is null
                 and p_patch ->> 'content_type' ~ '^(image|video|audio)/'
                 and p_patch ->> 'content_type' <> 'image/svg+xml'
               then jsonb_build_object('type', split_part(p_patch ->> 'content_type', '/', 1))
               else '{}' end
           else a.value end
           order by a.ordinality)
  from jsonb_array_elements(p_attachments) with ordinality as a);
