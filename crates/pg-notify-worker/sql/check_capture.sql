-- Is the capture complete, and has every writer that ran a replaced function ended? A replaced one has another xmin.
select
  not exists (select from cities_cache.missing_capture()) as is_complete,
  (
    select string_agg(concat_ws(':', function.oid, function.xmin), ' ' order by function.oid)
    from pg_proc as function
    where function.pronamespace = 'cities_cache'::regnamespace
  ) as functions,
  (select settled.functions from cities_cache.settled) as settled
