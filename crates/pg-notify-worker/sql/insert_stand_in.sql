-- One row that says "anything may have changed", for all rows that this statement's snapshot sees. They stand in the
-- table's first `blocks` blocks.
insert into cities_cache.outbox (codes)
values (null)
returning
  outbox.ctid,
  pg_current_snapshot()::text as snapshot,
  pg_snapshot_xmax(pg_current_snapshot()) as xmax,
  array(select pg_snapshot_xip(pg_current_snapshot())) as xip,
  pg_relation_size('cities_cache.outbox'::regclass) / current_setting('block_size')::bigint as blocks
