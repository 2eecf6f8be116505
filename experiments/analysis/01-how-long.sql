-- How long do operations take?
-- In the folder of a run.
select phase, kind, count(*) as operations,
       round(quantile_cont(duration_ms, 0.5), 1) as p50_ms, round(quantile_cont(duration_ms, 0.9), 1) as p90_ms,
       round(quantile_cont(duration_ms, 0.99), 1) as p99_ms, round(max(duration_ms), 1) as max_ms
from 'operations.parquet' group by phase, kind order by min(operation);
