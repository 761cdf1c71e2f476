-- The first number of a generation, for this database alone: a restored dump has another table_oid.
insert into cities_cache.heartbeat (generation, number, topic, table_oid)
values ($1, 1, $2, 'cities_cache.heartbeat'::regclass::oid)
on conflict (only_row) do update set
  generation = excluded.generation,
  number = excluded.number,
  topic = excluded.topic,
  table_oid = excluded.table_oid
