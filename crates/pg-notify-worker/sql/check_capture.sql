-- In one snapshot: is the capture complete, has every writer that ran a replaced function ended, and what is the
-- capture like? `$functions` and `$fingerprint` stand for what is in the files of these names.
select
  not exists (select from cities_cache.missing_capture()) as is_complete,
  ($functions) as functions,
  (select settled.functions from cities_cache.settled) as settled,
  ($fingerprint) as fingerprint
