-- Why the tables can't be captured: one line, the first of what is wrong; null where nothing is.
-- Where neither is there, the migrations create both.
with wanted (name) as (
  values ('city'), ('country')
),
named as (
  select wanted.name, class.oid as relation, class.relkind, class.relispartition
  from wanted
  join pg_namespace as namespace on namespace.nspname = 'public'
  join pg_class as class on class.relnamespace = namespace.oid and class.relname = wanted.name
),
members as (
  select named.name, member.relation
  from named
  cross join lateral (
    select named.relation as relation
    union
    select tree.relid::oid from pg_partition_tree(named.relation) as tree
  ) as member
),
kinds (kind, kind_name) as (
  values ('v'::"char", 'a view'), ('m', 'a materialized view'), ('f', 'a foreign table'), ('S', 'a sequence'),
    ('c', 'a composite type'), ('i', 'an index'), ('I', 'an index')
),
columns (name, column_name, types, expected) as (
  values
    ('city', 'name', array['bpchar', 'varchar', 'text'], 'a text'),
    ('city', 'countrycode', array['bpchar', 'varchar', 'text'], 'a text'),
    ('city', 'population', array['int2', 'int4', 'int8', 'numeric', 'float4', 'float8'], 'a number'),
    ('country', 'code', array['bpchar', 'varchar', 'text'], 'a text')
),
problems (rank, line) as (
  select 1, format('public.%s is there but public.%s is not; the answer for an unknown code depends on both',
    named.name, wanted.name)
  from wanted
  cross join named
  where wanted.name not in (select other.name from named as other)
  union all
  select 2, format('public.%s is %s; only tables can be captured', named.name, kinds.kind_name)
  from named join kinds on kinds.kind = named.relkind
  union all
  select 3, format('%s, a partition of public.%s, is a foreign table; what changes behind it can''t be captured',
    members.relation::regclass, members.name)
  from members join pg_class as class on class.oid = members.relation
  where class.relkind = 'f' and class.relispartition
  union all
  select 4, format('public.%s is a partition of %s; what is written through that one would not be captured',
    named.name, inherits.inhparent::regclass)
  from named join pg_inherits as inherits on inherits.inhrelid = named.relation
  where named.relispartition
  union all
  select 5, format('public.%s inherits from %s; what is written through that one would not be captured',
    named.name, inherits.inhparent::regclass)
  from named join pg_inherits as inherits on inherits.inhrelid = named.relation
  where not named.relispartition
  union all
  select 6, format('%s inherits from public.%s; what is written to it would not be captured',
    inherits.inhrelid::regclass, named.name)
  from named join pg_inherits as inherits on inherits.inhparent = named.relation
  where named.relkind = 'r'
  union all
  select 7, format('public.%s has no column %s', columns.name, columns.column_name)
  from named
  join columns on columns.name = named.name
  where not exists (
    select from pg_attribute as attribute
    where attribute.attrelid = named.relation and attribute.attname = columns.column_name and not attribute.attisdropped
  )
  union all
  select 8, format('column %s of public.%s is %s instead of %s', columns.column_name, columns.name,
    format_type(attribute.atttypid, attribute.atttypmod), columns.expected)
  from named
  join columns on columns.name = named.name
  join pg_attribute as attribute
    on attribute.attrelid = named.relation and attribute.attname = columns.column_name and not attribute.attisdropped
  join pg_type as type on type.oid = attribute.atttypid
  left join pg_type as base on base.oid = type.typbasetype -- a domain is what it is made of
  where coalesce(base.typname, type.typname) <> all(columns.types)
)
select problems.line from problems order by problems.rank, problems.line limit 1
