-- What does alpha change, and is the difference larger than chance?
-- In the folder of a study with lookup.alpha in its [sweep] and several networks.
select "lookup.alpha"::int as alpha, * exclude (cell, "lookup.alpha", metric, mean, ci95, n), metric,
       round(mean, 3) as mean, round(ci95, 3) as ci95, n as networks
from 'study.parquet'
where regexp_matches(metric, '^[^.]+[.](duration_ms[.]p50|attempts[.]mean|found[.]mean)$')
order by metric, cell;
