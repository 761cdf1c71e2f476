-- Our functions as they are: a replaced one has another xmin.
select string_agg(concat_ws(':', function.oid, function.xmin), ' ' order by function.oid)
from pg_proc as function
where function.pronamespace = 'cities_cache'::regnamespace
