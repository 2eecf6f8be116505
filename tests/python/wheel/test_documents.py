"""What the documents show: the examples of the package's README, the notebook, the queries of experiments/analysis."""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import kadsim
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "experiments/python/README.md").read_text("utf-8")
NOTEBOOK = ROOT / "experiments/python/first-questions.ipynb"
QUERIES = sorted((ROOT / "experiments/analysis").glob("*.sql"))
QUESTIONS = [path.read_text("utf-8").splitlines()[0].removeprefix("-- ") for path in QUERIES]


def examples(text):
    """Returns each example with the heading that it stands under."""
    heading = ""
    for found in re.finditer(r"^#+ ([^\n]+)$|```python\n(.*?)```", text, re.M | re.S):
        heading = found[1] or heading
        if found[2] is not None:
            yield heading, found[2]


@pytest.fixture
def clone(folder):
    """A folder with the experiments of a clone, to run in."""
    for path in (ROOT / "experiments").glob("**/*"):
        if path.suffix in (".toml", ".csv"):
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    return folder


def run_example(code, interrupt_when=None):
    """Runs an example in a process of its own, and interrupts it once, if `interrupt_when` is given and returns true."""
    env = {**os.environ, "MPLBACKEND": "agg"}
    process = subprocess.Popen([sys.executable, "-W", "error", "-c", code], env=env, stdout=subprocess.PIPE, text=True)
    if interrupt_when is not None:
        while not interrupt_when() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    printed = process.communicate()[0]
    assert process.returncode == 0
    return printed


EXAMPLES = dict(examples(README))


def test_each_job_has_at_most_ten_lines():
    jobs = dict(examples(README.split("\n## Five jobs\n")[1]))
    assert len(jobs) == 5
    for heading, code in jobs.items():
        lines = [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith(("#", "import "))]
        assert len(lines) <= 10 and max(map(len, lines)) <= 120, heading


def test_the_first_example(clone):
    printed = run_example(EXAMPLES["kadsim in Python"])
    run = kadsim.open("out/quickstart")
    assert str(run).rstrip() in printed and str(run.summary["sampling.found.mean"]) in printed


def test_retrieve_times_as_a_plot(clone):
    run_example(EXAMPLES["Distribution of retrieve times for alpha 1, 3 and 5"])
    picture = Path("retrieve-times.svg").read_text()
    assert "<svg" in picture and picture.count("alpha = ") >= 3
    medians = [kadsim.open(f"out/alpha={alpha}/quickstart").summary["sampling.duration_ms.p50"] for alpha in [1, 3, 5]]
    assert medians == sorted(medians, reverse=True)


def test_a_crawl_imported_and_simulated(clone):
    printed = run_example(EXAMPLES["A crawl, imported and simulated"])
    summary = kadsim.open("out/crawl").summary
    assert "12D3Koo" in printed and str(summary["lookups.failed.mean"]) in printed
    # As crawl.toml expects of the same list.
    assert 8 < summary["lookups.failed.mean"] < 12 and 5000 < summary["lookups.duration_ms.p50"] < 7000


def test_a_study_of_60_cells_interrupted_and_continued(clone):
    code = EXAMPLES["A study of 60 cells with intervals, interrupted and continued"]
    done = []

    def some_are_done():
        done[:] = clone.glob("out/grid/*/*/*/summary.json")
        return len(done) >= 5

    printed = run_example(code, some_are_done)
    assert 5 <= len(done) < 60
    study = kadsim.open("out/grid")
    assert len(study.cells) == 60 and set(study.means["n"].to_pylist()) <= {0, 5}
    # The cells that were done have not run again.
    latest = max(path.stat().st_mtime_ns for path in clone.glob("out/grid/*/*/*/summary.json"))
    assert all(path.stat().st_mtime_ns < latest for path in done[:5])
    assert printed.count("lookup.alpha") == 2


def test_the_hottest_nodes_and_why(clone):
    printed = run_example(EXAMPLES["The hottest nodes, and why"])
    nodes = kadsim.open("out/hot/quickstart").nodes.to_pandas().query("phase == 'sampling'")
    assert str(nodes.contacts.max()) in printed and len(printed.splitlines()) == 11 + 5
    correlation = {line.split()[0]: float(line.split()[1]) for line in printed.splitlines()[-5:-1]}
    assert correlation["in_degree"] > 0.1 < correlation["segments"] and abs(correlation["started"]) < 0.1


def test_cells_found_against_time(clone):
    run_example(EXAMPLES["Cells found against time"])
    assert "<svg" in Path("found.svg").read_text()
    summary = kadsim.open("out/das").summary
    assert 0.5 < summary["sampling.in_time.4000"] < summary["sampling.in_time.12000"] <= summary["sampling.found.mean"]


def test_the_notebook_answers_the_questions(clone):
    text = NOTEBOOK.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), "commit it without outputs"
    headings = re.findall(r"\"## (\d+)\. (.+?)(?:\\n)?\"", text)
    assert headings == [(str(number), question) for number, question in enumerate(QUESTIONS, 1)]
    begun = time.monotonic()
    (clone / "experiments/python").mkdir(exist_ok=True)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": "experiments/python"}}).execute()
    assert time.monotonic() - begun < 120
    shown = {cell.id: [output.get("data", {}) for output in cell.outputs] for cell in code}
    pictures = sum("image/png" in data for outputs in shown.values() for data in outputs)
    tables = sum("<table" in data.get("text/html", "") for outputs in shown.values() for data in outputs)
    assert pictures >= 4 and tables >= 7
    run = kadsim.open("experiments/python/out/quickstart")
    printed = "".join(output.get("text", "") for cell in code for output in cell.outputs)
    assert f"found in 4 s: {run.summary['sampling.in_time']:.4f}" in printed


def answer(query, folder):
    """Returns the rows of a query in a folder, each as a dict."""
    connection = duckdb.connect()
    connection.execute(f"set file_search_path = '{folder}'")
    result = connection.execute((ROOT / "experiments/analysis" / f"{query}.sql").read_text("utf-8"))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    set = {"networks": 3, "network.nodes": 2000, "output.in_degree": True, "link.slow_error": {"rate": 0.05, "delay_ms": 2000}}
    return kadsim.run(ROOT / "experiments/quickstart.toml", set=set, out=tmp_path_factory.mktemp("quickstart"))


def test_each_query_is_a_question_and_is_listed():
    assert len(QUERIES) == 10 and all(question.endswith("?") for question in QUESTIONS)
    listed = (ROOT / "experiments/analysis/README.md").read_text("utf-8")
    for path, question in zip(QUERIES, QUESTIONS, strict=True):
        assert f"| `{path.name}` | {question} |" in listed


def test_queries_of_a_run_agree_with_its_summary(quickstart):
    summary, folder = quickstart.summary, quickstart.path
    for row in answer("01-how-long", folder):
        assert math.isclose(row["p99_ms"], summary[f"{row['phase']}.duration_ms.p99"], rel_tol=3e-3)
        assert row["operations"] == summary[f"{row['phase']}.attempts.count"]
    (row,) = (row for row in answer("02-found-in-time", folder) if row["deadline_ms"] == 4000)
    assert row["phase"] == "sampling" and row["found_in_time"] == round(summary["sampling.in_time"], 4)
    for row in answer("04-contacts", folder):
        for name, metric in [("sent", "attempts"), ("answered", "succeeded"), ("not_waited_for", "abandoned")]:
            assert math.isclose(row[name], summary[f"{row['phase']}.{metric}.mean"], abs_tol=0.0051)
    hottest = answer("05-hottest-nodes", folder)
    assert len(hottest) == 20 and hottest[0]["contacts"] == summary["nodes.sampling.contacts.max"]
    for row in answer("06-load", folder):
        assert row["most"] == summary[f"nodes.{row['phase']}.contacts.max"]
        assert 0.01 < row["share_of_busiest_1_percent"] < row["share_of_busiest_10_percent"] < 1
    depths = [row for row in answer("07-depth", folder) if row["phase"] == "sampling"]
    assert sum(row["operations"] for row in depths) == summary["sampling.attempts.count"]
    missed, found = answer("08-missed", folder)
    assert found["found"] and not missed["found"] and missed["operations"] + found["operations"] == 30_000
    in_flight = answer("09-in-flight", folder)
    assert sum(row["started"] for row in in_flight) == 12_000
    for row in answer("10-networks", folder):
        assert row["networks"] == 3
        assert math.isclose(row["mean"], summary[f"{row['metric']}.networks.mean"], abs_tol=1e-4)


def test_the_query_of_a_study_agrees_with_its_means(study):
    rows = [row for row in answer("03-alpha", study.path) if row["metric"] == "getting.attempts.mean"]
    assert [row["alpha"] for row in rows] == [1, 1, 3, 3, 10, 10] and {row["networks"] for row in rows} == {3}
    pivot = study.pivot("getting.attempts.mean", "lookup.alpha", "case")
    assert [row["mean"] for row in rows if row["case"] == "calm"] == [round(mean, 3) for mean in pivot["calm"].to_pylist()]
