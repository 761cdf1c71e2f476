-- What of the cities that ship with the project is left to do; no row, where nothing is.
select
  to_regclass('public.city') is not null or to_regclass('public.country') is not null as has_users_tables,
  getdatabaseencoding()::text as encoding
from cities_cache.sample_data
where sample_data.created and not sample_data.loaded
for update
