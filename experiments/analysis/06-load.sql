-- How evenly is the load spread over nodes?
-- In the folder of a run.
with ranked as (
    select phase, contacts, percent_rank() over (partition by network, phase order by contacts desc) as place
    from 'nodes.parquet'
)
select phase, round(avg(contacts), 1) as mean, max(contacts) as most,
       round(sum(contacts) filter (place < 0.01) / sum(contacts), 4) as share_of_busiest_1_percent,
       round(sum(contacts) filter (place < 0.10) / sum(contacts), 4) as share_of_busiest_10_percent,
       round(avg((contacts = 0)::int), 4) as never_asked
from ranked group by phase order by phase;
