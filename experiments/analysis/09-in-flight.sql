-- How many operations are in flight over time, and how many connections a second does that make?
-- In the folder of a run; a row for each second of simulated time.
select network, phase, floor(time_ms / 1000)::bigint as second, max(active) as most_in_flight, sum(started) as started,
       sum(finished) as finished, sum(connections) as connections
from 'ticks.parquet' where network = 0 group by network, phase, second order by second, phase desc;
