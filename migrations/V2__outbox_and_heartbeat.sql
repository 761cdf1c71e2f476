-- The outbox: what changed, written in the writer's own transaction and visible in the same instant as the change.
-- No identity and no second index: the relay tells rows apart by ctid, since they are never updated, and each of the
-- two would cost writers a twentieth of their rate.
create table cities_cache.outbox (
  xid xid8 not null default pg_current_xact_id(),
  codes text[] -- distinct and normalised; null: anything may have changed
) with (
  -- Rows live for milliseconds. Dead ones are cleared early, and the table is not cut short, since that takes a lock
  -- that writers would wait for.
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  vacuum_truncate = false
);

-- Where a publication FOR ALL TABLES may carry this table along (a setting), PostgreSQL refuses to delete rows that
-- subscribers couldn't tell apart.
alter table cities_cache.outbox replica identity full;

-- Once a snapshot is drained, only rows of transactions that it saw running, or later ones, can still come: the relay
-- asks for those alone, so that a poll stays cheap beside a snapshot held open and hundreds of thousands of dead rows.
create index outbox_xid on cities_cache.outbox (xid);

-- The heartbeat: the leader counts `number` up, and whoever finds a row here knows that this server is the primary
-- that the leader serves. UNLOGGED, because crash recovery and a promoted standby empty such a table, and a standby
-- refuses to read it. `table_oid` is this table's own oid: a restored dump has another one.
create unlogged table cities_cache.heartbeat (
  only_row boolean primary key default true check (only_row),
  generation text not null,
  number bigint not null,
  topic text not null,
  table_oid oid not null
) with (
  -- Updated four times a second, for ever: leave room for heap-only updates.
  fillfactor = 10,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  vacuum_truncate = false
);

-- The functions (oid and xmin of each) after whose replacement all writers were last waited for; at most one row.
create table cities_cache.settled (
  only_row boolean primary key default true check (only_row),
  functions text not null
);
