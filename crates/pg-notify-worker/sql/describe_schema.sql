-- How far a former start has come, and what speaks against going on.
select
  to_regnamespace('cities_cache') is not null as has_schema,
  to_regclass('cities_cache.schema_history') is not null as has_history,
  to_regclass('cities_cache.sample_data') is not null as has_tables,
  exists (select from pg_publication as publication where publication.puballtables) as has_publication_for_all,
  current_database()::text as database,
  current_user::text as role
