-- Which share of the retrieves has found its segment in 4 s, and how does that share grow with time?
-- In the folder of a run with a retrieve phase.
select phase, deadline_ms, round(avg(coalesce(found and end_ms - due_ms <= deadline_ms, false)::int), 4) as found_in_time
from 'operations.parquet', unnest([250, 500, 1000, 2000, 4000, 8000, 12000]) as deadlines(deadline_ms)
where kind = 'retrieve' group by phase, deadline_ms order by phase, deadline_ms;
