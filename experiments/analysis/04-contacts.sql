-- How many contacts does an operation send, and how many of them succeed or fail?
-- In the folder of a run.
select phase, round(avg(attempts), 2) as sent, round(avg(succeeded), 2) as answered, round(avg(failed), 2) as failed,
       round(avg(abandoned), 2) as not_waited_for, round(avg(stored), 2) as stored
from 'operations.parquet' group by phase order by min(operation);
