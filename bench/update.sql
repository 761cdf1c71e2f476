-- Writers as pgbench plays them: each changes one city after the other, by chance.
\set id random(:first, :last)
update city set population = population + 1 where id = :id;
