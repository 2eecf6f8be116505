-- How much do networks of other seeds differ?
-- In the folder of a run, or of a cell, with several networks.
select metric, count(value) as networks, round(avg(value), 4) as mean, round(stddev_samp(value), 4) as deviation,
       round(min(value), 4) as least, round(max(value), 4) as most
from 'summary.parquet'
where regexp_matches(metric, '^[^.]+[.](duration_ms[.]p50|duration_ms[.]p99|attempts[.]mean|found[.]mean|recall[.]mean)$')
group by metric having networks > 1 order by metric;
