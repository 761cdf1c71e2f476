-- The cities of the country $1 (normalised), largest first, then by name; and whether it is a country at all.
-- The conditions are the expressions that our migration indexes; adopted tables may hold codes of any case and padding.
select
  exists (select from public.country where upper(btrim(code::text) collate "C") = $1) as is_country,
  array_agg(name::text order by population desc nulls last, name::text collate "C") as names,
  array_agg(population::bigint order by population desc nulls last, name::text collate "C") as populations
from public.city
where upper(btrim(countrycode::text) collate "C") = $1
