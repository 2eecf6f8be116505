-- What have retrieves in common that find nothing?
-- In the folder of a run with a provide and a retrieve phase. `holders` are the nodes that took the segment.
with provided as (select network, key, max(stored) as stored from 'operations.parquet' where kind = 'provide' group by all)
select phase, coalesce(found, false) as found, count(*) as operations, round(avg(attempts), 2) as contacts,
       round(avg(failed), 2) as failed, round(avg(depth), 2) as depth, round(avg(provided.stored), 2) as holders
from 'operations.parquet' left join provided using (network, key)
where kind = 'retrieve' group by all order by phase, found;
