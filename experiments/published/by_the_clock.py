"""Draws how long the study's retrieves take, by py-dht's schedule and by the clock; called by verify.py."""

import duckdb
import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update({"svg.hashsalt": "kadsim", "svg.fonttype": "none"})
import matplotlib.pyplot as plt  # noqa: E402

SHARES = [share / 200 for share in range(200)]


def draw(study, path):
    """`study` has the folder of a run for each (nodes, procedure)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    labels = {"py-dht": "as py-dht schedules", "iterative": "by the clock"}
    for axis, nodes in zip(axes, (1000, 12_000)):
        for procedure, colour in (("py-dht", "#b0532c"), ("iterative", "#1f5f8b")):
            table = f"'{study[nodes, procedure]}/operations.parquet'"
            sql = f"select quantile_cont(duration_ms, {SHARES}) from {table} where phase = 'retrieves'"
            durations = duckdb.sql(sql).fetchone()[0]
            axis.plot(durations, SHARES, color=colour, label=labels[procedure])
        axis.set_title(f"{nodes:,} nodes".replace(",", " "), fontsize=10)
        axis.set_xlabel("duration of a retrieve, ms")
        axis.set_xlim(0, 1000)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("share of retrieves")
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, metadata={"Date": None})
