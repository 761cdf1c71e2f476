-- One line for the server: its snapshot, the heartbeat, and the capture's fingerprint where $6 asks for it; it has no
-- `ctid`. Then a line for each row of the outbox that may be unread: of the transactions in $2, if they have ended by
-- now, and of those from $1 to $3. Each of the two parts is read in the order of its transactions, $4 rows or a few
-- more: a transaction's rows come together, up to $5 of them. `capture` stands in front of this text.
select
  pg_backend_pid() as pid,
  pg_snapshot_xmax(pg_current_snapshot()) as xmax,
  array(select pg_snapshot_xip(pg_current_snapshot())) as xip,
  -- A transaction that notified can't be prepared, and one that waits for a synchronous standby holds the lock that
  -- all notifying commits of the cluster take.
  current_setting('max_prepared_transactions')::int = 0 and current_setting('synchronous_standby_names') = '' as may_park,
  heartbeat.generation,
  heartbeat.number,
  case when $6 then (select capture.fingerprint from capture) end as fingerprint,
  null::tid as ctid,
  null::xid8 as xid,
  null::text[] as codes
from (values (true)) as always
left join cities_cache.heartbeat on heartbeat.table_oid = 'cities_cache.heartbeat'::regclass::oid
union all
-- What the first line says isn't repeated in these: while writers are many, that was most of what a read took.
select null, null, null, null, null, null, null, ended.ctid, ended.xid,
  -- Without the codes ($7 is false), or where they are far longer than any that our capture writes, a row says
  -- "anything may have changed". The size in bytes is that of the stored value, so nothing is fetched to find it.
  case when $7 and pg_column_size(ended.codes) <= 4096 then ended.codes end
from (
  select whole.*
  from (
    select outbox.ctid, outbox.xid, outbox.codes
    from cities_cache.outbox
    where outbox.xid = any(array(
      select open.xid from unnest($2::xid8[]) as open (xid) where pg_visible_in_snapshot(open.xid, pg_current_snapshot())
    ))
    order by outbox.xid
    fetch first $4 rows with ties
  ) as whole
  limit $5
) as ended
union all
select null, null, null, null, null, null, null, later.ctid, later.xid,
  case when $7 and pg_column_size(later.codes) <= 4096 then later.codes end
from (
  select whole.*
  from (
    select outbox.ctid, outbox.xid, outbox.codes
    from cities_cache.outbox
    where outbox.xid >= $1 and outbox.xid <= $3
    order by outbox.xid
    fetch first $4 rows with ties
  ) as whole
  limit $5
) as later
