"""Folders of runs and studies: tables, pivots, closing tables, and what is refused."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import kadsim
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from conftest import SMALL


def test_tables_are_those_of_the_folder(run):
    for name in ["operations", "ticks", "nodes", "timings"]:
        table = getattr(run, name)
        assert isinstance(table, pa.Table) and table.num_rows > 0
        assert getattr(run, name) is table
        assert table.schema.equals(kadsim.open(run.path).table(name).schema)
    assert run.metrics.num_rows > 0
    assert run.operations.num_rows == 30 and run.nodes.num_rows == 600
    assert run.phases == ["putting", "getting"] and run.name == "small"
    found = pc.mean(run.operations.filter(pc.equal(run.operations["phase"], "getting"))["found"].cast("float64"))
    assert math.isclose(found.as_py(), run.summary["getting.found.mean"])
    assert run.summary["nodes.getting.in_degree.mean"] > 0 and run.summary["warnings"] == []


def test_some_columns_of_a_table(run):
    assert run.table("nodes", columns=["node", "contacts"]).column_names == ["node", "contacts"]
    with pytest.raises(kadsim.KadsimError, match="has no table routing; it has nodes, operations, summary, ticks, timings"):
        run.routing


def test_pandas_polars_and_duckdb_take_them(run):
    pandas = run.operations.to_pandas()
    assert len(pandas) == 30 and pandas["found"].sum() == run.summary["getting.found.mean"] * 20
    polars = pytest.importorskip("polars")
    assert polars.from_arrow(run.operations).height == 30
    duckdb = pytest.importorskip("duckdb")
    operations = run.operations
    assert duckdb.sql("select count(*) from operations").fetchall() == [(operations.num_rows,)]


def test_a_notebook_shows_the_closing_table(run, study):
    for folder in (run, study):
        text, page = str(folder), folder._repr_html_()
        for word in ["duration_ms.p50", "putting", "getting"]:
            assert word in text and f">{word}<" in page
        assert page.startswith("<table>") and page.count("<tr>") == len(text.strip().splitlines())
    assert f">{run.summary['getting.attempts.mean']:.2f}<" in run._repr_html_()
    assert "±" in study._repr_html_() and "lookup.alpha" in study._repr_html_()
    assert eval(repr(run)).path == run.path


def test_a_study_has_cells_axes_and_tables(study):
    assert study.axes == ["lookup.alpha", "case"] and len(study.cells) == 6
    last = study.cells[-1]
    assert (last.index, dict(last.settings)) == (5, {"lookup.alpha": "10", "case": "failing"})
    assert last.run.experiment["lookup"]["alpha"] == 10 and last.run.operations.num_rows == 90
    keys = ["lookup.alpha", "case", "link.fast_error.rate"]
    assert study.means.column_names == ["cell", *keys, "metric", "mean", "ci95", "n"]
    assert study.summary.column_names == ["cell", *keys, "network", "metric", "value"]
    assert "getting.found.mean" in study.metrics


def test_a_pivot_has_the_means_of_the_cells(study):
    metric = "getting.attempts.mean"
    pivot = study.pivot(metric, "lookup.alpha", "case")
    assert pivot.column_names == ["lookup.alpha", "calm", "failing"]
    assert pivot["lookup.alpha"].to_pylist() == [1, 3, 10]
    for cell in study.cells:
        row = [1, 3, 10].index(int(cell.settings["lookup.alpha"]))
        mean = cell.run.summary[f"{metric}.networks.mean"]
        assert math.isclose(pivot[cell.settings["case"]][row].as_py(), mean)
    ci95 = study.pivot(metric, "case", "lookup.alpha", value="ci95")
    assert ci95["case"].to_pylist() == ["calm", "failing"] and ci95.column_names == ["case", "1", "3", "10"]
    one = study.pivot(metric, "lookup.alpha", where={"case": "failing"})
    assert one.column_names == ["lookup.alpha", "mean", "ci95", "n"] and one["n"].to_pylist() == [3, 3, 3]
    assert one["mean"].to_pylist() == pivot["failing"].to_pylist()
    # A value of `where` may be a number.
    assert study.pivot(metric, "case", where={"lookup.alpha": 3})["mean"][0].as_py() == pivot["calm"][1].as_py()


def test_values_stand_as_in_the_tables():
    values = [{"uniform": [50, 75]}, {"choice": [1.5, 2]}, 3]
    axes = {"link.delay_ms": values, "phase.getting.draw": ["distinct", "independent"]}
    study = kadsim.run(SMALL, set={"sweep": axes})
    rows = study.means.select(["cell", *study.axes]).to_pylist()
    assert [dict(cell.settings, cell=cell.index) for cell in study.cells] == [rows[place] for place in sorted({
        row["cell"]: place for place, row in reversed(list(enumerate(rows)))
    }.values())]
    pivot = study.pivot("getting.duration_ms.p50", "link.delay_ms", "phase.getting.draw")
    assert pivot.num_rows == 3 and pivot.column_names[1:] == ["distinct", "independent"]


@pytest.mark.parametrize("arguments, says", [
    ({"metric": "getting.fuond.mean", "rows": "case", "columns": "lookup.alpha"}, "no metric 'getting.fuond.mean'"),
    ({"metric": "getting.found.mean", "rows": "alpha"}, "no axis 'alpha'; allowed: lookup.alpha, case"),
    ({"metric": "getting.found.mean", "rows": "case"}, "lookup.alpha has several values, 1, 3, 10"),
    ({"metric": "getting.found.mean", "rows": "case", "where": {"lookup.alpha": 4}}, "no value of lookup.alpha '4'"),
    ({"metric": "getting.found.mean", "rows": "case", "columns": "lookup.alpha", "value": "p50"}, "mean, ci95, n"),
])
def test_a_pivot_refuses_what_does_not_exist(study, arguments, says):
    with pytest.raises(kadsim.KadsimError, match=says):
        study.pivot(**arguments)


def test_open_says_what_a_folder_is(run, study):
    assert isinstance(kadsim.open(str(run.path)), kadsim.Run)
    assert isinstance(kadsim.open(study.path), kadsim.Study)
    assert isinstance(kadsim.open(study.cells[0].path), kadsim.Run)


def test_open_refuses_other_folders(run, study):
    Path("empty").mkdir()
    for path, says in [("nowhere", "no folder nowhere"), ("empty", "no finished run: it has no summary.json")]:
        with pytest.raises(kadsim.KadsimError, match=says):
            kadsim.open(path)
    with pytest.raises(kadsim.KadsimError, match="no finished study"):
        kadsim.Study(run.path)
    shutil.copytree(study.path, "out/study.partial")
    for path in ["out/study.partial", "out/study.partial/lookup.alpha=1/case=calm"]:
        with pytest.raises(kadsim.KadsimError, match="not finished"):
            kadsim.open(path)


def test_a_run_of_one_node_and_no_operation_is_shown():
    one = "schema = 1\nname = 'one'\nseed = 1\nnetwork.nodes = 1\nlookup.beta = 1\n[[phase]]\nname = 'idle'\nkind = 'idle'\nduration_ms = 5\n"
    run = kadsim.run(one)
    assert run.operations.num_rows == 0 and "idle" in run._repr_html_()


def test_names_with_spaces_and_marks(run):
    shutil.copytree(run.path, "a <b>&'c' = d")
    copy = kadsim.open("a <b>&'c' = d")
    assert copy.operations.num_rows == 30 and "<b>" not in copy._repr_html_()


def test_a_damaged_folder_says_which_file(run):
    shutil.copytree(run.path, "damaged")
    Path("damaged/operations.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(pa.ArrowInvalid):
        kadsim.open("damaged").operations
    Path("damaged/summary.json").write_text("{")
    with pytest.raises(kadsim.KadsimError, match="summary.json"):
        str(kadsim.open("damaged"))
    with pytest.raises(json.JSONDecodeError):
        kadsim.open("damaged").summary


def test_every_new_experiment_runs():
    listed = subprocess.run([kadsim.find_program(), "new"], check=True, capture_output=True, text=True).stdout
    for kind in [line.split()[0] for line in listed.splitlines()[1:]]:
        subprocess.run([kadsim.find_program(), "new", kind], check=True, capture_output=True)
        assert kadsim.run(f"{kind}.toml").path == Path("out", kind)

