"""Checks the tables of a finished run of experiments/quickstart.toml with pandas, pyarrow and DuckDB.

`tables.py FOLDER KADSIM...`: the run's folder, and the command of the program, which documents the columns.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TABLES = ["ticks", "operations", "nodes", "connections", "routing"]
ARROW = {
    "u8": pa.uint8(), "u32": pa.uint32(), "u64": pa.uint64(), "i64": pa.int64(), "f32": pa.float32(),
    "f64": pa.float64(), "bool": pa.bool_(),
}
OPERATION_COLUMNS = [
    "duration_ms", "attempts", "completed", "succeeded", "failed", "abandoned", "depth", "known", "recall", "stored",
    "store_failed", "lookup_ms", "store_ms",
]
NODE_COLUMNS = ["contacts", "segments", "overhead_ms", "table_entries", "started", "in_degree"]

passed = failed = 0


def check(name, holds, detail=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    print(f"{'ok  ' if holds else 'FAIL'} {name}" + (f": {detail}" if detail and not holds else ""))


def documented(kadsim, table):
    """The columns of a table as `kadsim columns` documents them: name, type and unit. A `?` at a type: may be null."""
    text = subprocess.run([*kadsim, "columns", "--markdown", table], check=True, capture_output=True, text=True).stdout
    rows = [[cell.strip() for cell in line.split(" | ")] for line in text.splitlines() if line.startswith("| `")]
    # The quickstart does not live.
    rows = [row for row in rows if not row[3].rstrip(" |").endswith("; in living runs")]
    return [(name.strip("|` "), kind, unit or "1") for name, kind, unit, *_ in rows]


def fits(found, wanted):
    if wanted == "string":
        value = found.value_type if pa.types.is_dictionary(found) else found
        return pa.types.is_dictionary(found) and (pa.types.is_string(value) or pa.types.is_large_string(value))
    if wanted == "list<i64>":
        return pa.types.is_list(found) and found.value_type == pa.int64()
    return found == ARROW[wanted]


def unit(field):
    return {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}.get("unit")


def nearest_rank(values, share):
    return values[max(math.ceil(share * len(values)), 1) - 1]


def close(a, b, relative):
    return abs(a - b) <= relative * max(abs(a), abs(b)) + 1e-9


def check_statistics(summary, prefix, values):
    """Means and maxima are exact; percentiles within 0.1 %."""
    values = sorted(float(value) for value in values if not pd.isna(value))
    get = {name: summary.get(f"{prefix}.{name}") for name in ["count", "mean", "p50", "p90", "p99", "max"]}
    if not values:
        holds = get["count"] == 0 and all(get[name] is None for name in get if name != "count")
        check(f"summary {prefix}: no values", holds, get)
        return
    own = {
        "count": len(values), "mean": math.fsum(values) / len(values), "p50": nearest_rank(values, 0.5),
        "p90": nearest_rank(values, 0.9), "p99": nearest_rank(values, 0.99), "max": values[-1],
    }
    bad = [name for name in own if get[name] is None or not close(own[name], get[name], 1e-3)]
    bad += [name for name in ["count"] if get[name] != own[name]]
    check(f"summary {prefix}", not bad, {name: (own[name], get[name]) for name in bad})


def main(run, kadsim):
    paths = {name: str(run / f"{name}.parquet") for name in TABLES}
    summary = json.loads((run / "summary.json").read_text())
    arrow = {name: pq.read_table(path) for name, path in paths.items()}
    frames = {name: pd.read_parquet(path) for name, path in paths.items()}
    database = duckdb.connect()

    for name in TABLES:
        columns = documented(kadsim, name)
        names = [column for column, _, _ in columns]
        check(f"{name}: columns are documented", len(names) >= 5, names)
        schema = arrow[name].schema
        check(f"{name}: columns in pyarrow", schema.names == names, schema.names)
        check(f"{name}: columns in pandas", list(frames[name].columns) == names, list(frames[name].columns))
        described = [row[0] for row in database.sql(f"DESCRIBE SELECT * FROM '{paths[name]}'").fetchall()]
        check(f"{name}: columns in DuckDB", described == names, described)
        fields = [(schema.field(column), kind) for column, kind, _ in columns if column in schema.names]
        bad = [str(field) for field, kind in fields if not fits(field.type, kind.rstrip("?"))]
        check(f"{name}: types", not bad, bad)
        bad = [field.name for field, kind in fields if field.nullable != kind.endswith("?")]
        check(f"{name}: nullable only where a value may not exist", not bad, bad)
        bad = [field.name for field, kind in fields if not kind.endswith("?") and arrow[name][field.name].null_count]
        check(f"{name}: no null elsewhere", not bad, bad)
        bad = [(column, unit(schema.field(column))) for column, _, wanted in columns if unit(schema.field(column)) != wanted]
        check(f"{name}: units", not bad, bad)
        times = [column for column, _, wanted in columns if ("_ms" in column) != (wanted == "ms")]
        check(f"{name}: columns in ms are named so", not times, times)
        rows = {
            "pyarrow": arrow[name].num_rows, "pandas": len(frames[name]),
            "DuckDB": database.sql(f"SELECT count(*) FROM '{paths[name]}'").fetchone()[0],
            "metadata": pq.read_metadata(paths[name]).num_rows,
        }
        check(f"{name}: the same rows in all", len(set(rows.values())) == 1, rows)
        metadata = {key.decode(): value.decode() for key, value in (pq.read_metadata(paths[name]).metadata or {}).items()}
        own = [metadata.get(f"kadsim.{key}") for key in ["experiment", "seed", "complete"]]
        check(f"{name}: metadata", own == ["quickstart", "42", "true"] and metadata.get("kadsim.version"), own)

    ticks, operations, nodes, connections, routing = (frames[name] for name in TABLES)
    phases = ["seeding", "sampling"]
    for phase in phases:
        of_phase = operations[operations["phase"] == phase]
        of_nodes = nodes[nodes["phase"] == phase]
        check(f"{phase}: rows of operations as in the summary", len(of_phase) == summary[f"{phase}.attempts.count"])
        check(f"{phase}: rows of nodes as in the summary", len(of_nodes) == summary[f"nodes.{phase}.contacts.count"])
        for column in OPERATION_COLUMNS:
            check_statistics(summary, f"{phase}.{column}", of_phase[column])
        for column in NODE_COLUMNS:
            check_statistics(summary, f"nodes.{phase}.{column}", of_nodes[column])
        found = of_phase["found"].dropna().astype(bool)
        check(f"summary {phase}.found.count", summary[f"{phase}.found.count"] == len(found))
        mean = found.mean() if len(found) else None
        check(f"summary {phase}.found.mean", mean == summary[f"{phase}.found.mean"] or close(mean, summary[f"{phase}.found.mean"], 1e-9))
    sampling = operations[operations["phase"] == "sampling"]
    in_time = (sampling["found"] == True) & (sampling["end_ms"] - sampling["due_ms"] <= 4000)  # noqa: E712
    check("summary sampling.in_time", close(in_time.mean(), summary["sampling.in_time"], 1e-9))
    origins = in_time.groupby(sampling["origin"]).all().mean()
    check("summary sampling.origins_in_time", close(origins, summary["sampling.origins_in_time"], 1e-9))

    retrieves = operations["kind"] == "retrieve"
    check("found of retrieves only", (operations["found"].notna() == retrieves).all())
    check("stored of provides only", (operations["stored"].notna() == (operations["kind"] == "provide")).all())
    check("holder where it is found", (operations["holder"].notna() == (operations["found"] == True)).all())  # noqa: E712
    check("duration is end - start", (operations["duration_ms"] - (operations["end_ms"] - operations["start_ms"])).abs().max() < 1e-6)
    check("results are node ids", operations["result"].map(lambda ids: ids is not None and all(0 <= i < 10_000 for i in ids)).all())
    check("results hold at most 20", operations["result"].map(len).max() <= 20)

    # The order of rows, phases in the order of the experiment.
    order = pd.CategoricalDtype(phases, ordered=True)
    for name, by in {
        "ticks": ["network", "phase", "tick"],
        "operations": ["network", "end_ms", "operation"],
        "nodes": ["network", "phase", "key"],
        "connections": ["network", "time_ms", "operation", "sequence"],
    }.items():
        frame = frames[name][by].reset_index(drop=True)
        if "phase" in by:
            frame["phase"] = frame["phase"].astype(str).astype(order)
        ordered = frame.sort_values(by, kind="stable")
        check(f"{name}: in order of {', '.join(by)}", (ordered.index == frame.index).all() and not frame.duplicated().any())
    keys = nodes[nodes["phase"] == "seeding"].set_index("node")["key"]
    frame = routing.assign(key=routing["node"].map(keys))[["network", "key", "bucket", "position"]]
    ordered = frame.sort_values(["network", "key", "bucket", "position"], kind="stable")
    check("routing: in order of network, key, bucket, position", (ordered.index == frame.index).all())
    near = routing.assign(distance=routing["node"].map(keys) ^ routing["peer"].map(keys))
    grouped = near.groupby(["node", "bucket"])["distance"]
    check("routing: position 0 is the closest to the owner", all(
        group.is_monotonic_increasing for _, group in grouped))
    check("routing: the bucket is the shared leading bits", (near["distance"].map(lambda d: 64 - int(d).bit_length()) == near["bucket"]).all())

    for phase in phases:
        of_nodes = nodes[nodes["phase"] == phase]
        check(f"{phase}: table_entries is the number of rows of routing", of_nodes["table_entries"].sum() == len(routing))
        sent = (connections["phase"] == phase).sum()
        check(f"{phase}: contacts are the rows of connections", of_nodes["contacts"].sum() == sent)
        own = operations[operations["phase"] == phase].groupby("origin").size()
        started = of_nodes.set_index("node")["started"]
        check(f"{phase}: started are the operations by origin", (own.reindex(started.index, fill_value=0) == started).all())
        check(f"{phase}: ticks count them all", ticks[ticks["phase"] == phase]["connections"].sum() == sent)
    sizes = routing.groupby("node").size().reindex(keys.index, fill_value=0)
    own = nodes[nodes["phase"] == "seeding"].set_index("node")["table_entries"]
    check("table_entries of each node", (sizes == own).all())
    named = routing.groupby("peer").size().reindex(keys.index, fill_value=0)
    own = nodes[nodes["phase"] == "sampling"].set_index("node")["in_degree"]
    check("in_degree of each node", (named == own).all())
    query = f"""SELECT count(*) FROM '{paths["operations"]}' o JOIN '{paths["nodes"]}' n
        ON o.origin = n.node AND o.phase = n.phase AND o.network = n.network"""
    check("DuckDB joins operations with nodes", database.sql(query).fetchone()[0] == len(operations))

    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
