-- Which nodes are asked most, and why?
-- In the folder of a run with output.in_degree = true. A node is hot if many routing tables name it (in_degree) or if
-- what is asked for lies near its key (segments); what it asks itself (started) costs others, not the node.
select phase, node, contacts, round(contacts / avg(contacts) over (partition by network, phase), 1) as times_the_mean,
       in_degree, segments, started
from 'nodes.parquet' qualify row_number() over (partition by phase order by contacts desc, node) <= 10
order by phase, contacts desc, node;
