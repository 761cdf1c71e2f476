-- One statement, so one snapshot: the outbox from the cursor on, the heartbeat, and what the relay has to know about
-- this server. There is a line even where the outbox is empty. `null::text` gives way to the fingerprint where a number
-- is read for publishing.
select
  pg_backend_pid() as pid,
  pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
  -- A transaction that notified can't be prepared, and one that waits for a synchronous standby holds the lock that
  -- all notifying commits of the cluster take.
  current_setting('max_prepared_transactions')::int = 0 and current_setting('synchronous_standby_names') = '' as may_park,
  heartbeat.generation,
  heartbeat.number,
  null::text as fingerprint,
  unpublished.ctid::text as ctid,
  unpublished.xid::text as xid,
  unpublished.codes
from (values (true)) as always
left join cities_cache.heartbeat on heartbeat.table_oid = 'cities_cache.heartbeat'::regclass::oid
left join lateral (
  select outbox.ctid, outbox.xid, outbox.codes
  from cities_cache.outbox
  where outbox.xid >= $1::text::xid8
  order by outbox.xid
  limit $2
) as unpublished on true
