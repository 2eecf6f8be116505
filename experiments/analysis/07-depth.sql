-- How far from the origin's table do operations go, and what does each step cost in time?
-- In the folder of a run.
select phase, depth, count(*) as operations, round(median(duration_ms), 1) as p50_ms, round(avg(attempts), 1) as contacts
from 'operations.parquet' group by phase, depth order by phase, depth;
