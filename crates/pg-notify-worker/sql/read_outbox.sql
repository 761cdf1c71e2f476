-- One statement, so one snapshot: the heartbeat and what the relay has to know about this server in one line, which has
-- no `ctid`, and a line for each row of the outbox from the cursor on. `null::text` gives way to the fingerprint where a
-- number is read for publishing.
select
  pg_backend_pid() as pid,
  pg_snapshot_xmin(pg_current_snapshot()) as xmin,
  -- A transaction that notified can't be prepared, and one that waits for a synchronous standby holds the lock that
  -- all notifying commits of the cluster take.
  current_setting('max_prepared_transactions')::int = 0 and current_setting('synchronous_standby_names') = '' as may_park,
  heartbeat.generation,
  heartbeat.number,
  null::text as fingerprint,
  null::tid as ctid,
  null::xid8 as xid,
  null::text[] as codes
from (values (true)) as always
left join cities_cache.heartbeat on heartbeat.table_oid = 'cities_cache.heartbeat'::regclass::oid
union all
-- What the other line says isn't said in each of these: while writers are many, most of what a read took was that.
select null, null, null, null, null, null, unpublished.*
from (
  select outbox.ctid, outbox.xid, outbox.codes
  from cities_cache.outbox
  where outbox.xid >= $1
  order by outbox.xid
  limit $2
) as unpublished
