"""The cells of a sweep on a Ray cluster, whose machines share the output folder; prints a line for each metric asked for.

Usage: ray_cells.py FILE [--out DIR] [--kadsim PATH] [--metric KEY]...
"""
import argparse
import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import ray

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--out", default="out")
parser.add_argument("--kadsim", default="kadsim")
parser.add_argument("--metric", action="append", default=[])
args = parser.parse_args()
call = [args.kadsim, "sweep", args.file, "--out", args.out]


@ray.remote(num_cpus=1, max_retries=3)
def run(index):
    subprocess.run([*call, "--index", str(index), "--threads", "1", "--quiet"], check=True)


ray.init()
cells = json.loads(subprocess.run([*call, "--list", "--json"], check=True, capture_output=True).stdout)
ray.get([run.remote(cell["index"]) for cell in cells])

# The process that ends last writes the table over all cells, in the study's folder, which has study.json.
study = next(parent for parent in Path(cells[0]["path"]).parents if (parent / "study.json").exists())
table = pq.read_table(study / "summary.parquet").to_pandas()
for metric in args.metric:
    print(metric, table[table.metric == metric].groupby("cell").value.mean().round(3).to_dict())
