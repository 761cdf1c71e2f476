-- The cities of the country $1 (normalised), largest first, then by name; and whether it is a country at all.
-- Populations are text, exactly as PostgreSQL holds the number; those that JSON has no number for stand last, with nulls.
-- The conditions are the expressions that our migration indexes; adopted tables may hold codes of any case and padding.
select
  exists (select from public.country where upper(btrim(code::text) collate "C") = $1) as is_country,
  array_agg(name order by size desc nulls last, name collate "C", population) as names,
  array_agg(population order by size desc nulls last, name collate "C", population) as populations
from (
  select
    city.name::text as name,
    city.population::text as population,
    case when city.population::text not in ('NaN', 'Infinity', '-Infinity') then city.population end as size
  from public.city
  where upper(btrim(countrycode::text) collate "C") = $1
) as cities
