"""Running experiments: forms of an experiment, options, progress, exceptions, interruptions."""

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import kadsim
import pyarrow.parquet as pq
import pytest
from jupyter_client.manager import start_new_kernel

from conftest import LONG, SMALL, STUDY


def digest(folder):
    text = subprocess.run([kadsim.find_program(), "inspect", folder], check=True, capture_output=True, text=True).stdout
    return next(line for line in text.splitlines() if line.startswith("digest"))


def test_a_path_a_text_and_a_dict_are_one_experiment():
    Path("small.toml").write_text(SMALL)
    runs = [kadsim.run("small.toml"), kadsim.run(Path("small.toml"), out="path")]
    runs += [kadsim.run(SMALL, out="text"), kadsim.run(tomllib.loads(SMALL), out="dict")]
    assert len({digest(run.path) for run in runs}) == 1
    assert [str(run.path) for run in runs] == ["out/small", "path/small", "text/small", "dict/small"]


def test_settings_of_each_type():
    set = {
        "lookup.alpha": 5, "lookup.stop": "closest-answered", "link.fast_error.rate": 0.25, "output.results": True,
        "link.delay_ms": {"choice": [1, 2.5]}, "output.tables": ("ticks", "operations"), "phase.putting.count": 12,
    }
    experiment = kadsim.run(SMALL, set=set, seed=9, threads=1).experiment
    assert experiment["lookup"]["alpha"] == 5 and experiment["lookup"]["stop"] == "closest-answered"
    assert experiment["link"]["fast_error"]["rate"] == 0.25 and experiment["link"]["delay_ms"] == {"choice": [1, 2.5]}
    assert experiment["output"] == {**experiment["output"], "results": True, "tables": ["ticks", "operations"]}
    assert experiment["phase"][0]["count"] == 12 and experiment["seed"] == 9


def test_numbers_of_numpy_and_paths_are_values():
    numpy = pytest.importorskip("numpy")
    Path("nodes.csv").write_text("node,key\n" + "".join(f"{node},{node * 1000}\n" for node in range(50)))
    experiment = tomllib.loads(SMALL.replace("network.nodes = 300\n", ""))
    experiment["network"] = {"ids": Path("nodes.csv")}
    run = kadsim.run(experiment, set={"lookup.alpha": numpy.int64(2), "link.fast_error.rate": numpy.float64(0.5)})
    assert run.experiment["lookup"]["alpha"] == 2 and run.nodes.num_rows == 100
    for value in [object(), b"alpha", None]:
        with pytest.raises(TypeError, match="TOML has no value of type"):
            kadsim.run(SMALL, set={"lookup.alpha": value})


def test_a_text_of_every_letter_keeps_them():
    from kadsim import _toml

    text = "".join(map(chr, range(1, 0x180))) + '\\"\U0001f600'
    given = {"a b": text, "list": [1, [2.5, 1e300], {"x.y": True}], "none": {}, "t": [{"a": 1}, {"b": {"c": -1}}]}
    assert tomllib.loads(_toml.experiment_of(given)) == given
    assert tomllib.loads(f"v = {_toml.text_of(given)}") == {"v": given}


def test_a_finished_run_is_replaced_by_force_alone():
    assert kadsim.run(SMALL).experiment["seed"] == 7
    with pytest.raises(kadsim.RunFailed, match="force") as refused:
        kadsim.run(SMALL, seed=8)
    assert refused.value.status == 2 and refused.value.run is None
    assert kadsim.run(SMALL, seed=8, force=True).experiment["seed"] == 8


def test_an_invalid_file_has_file_line_and_key():
    Path("wrong.toml").write_text(SMALL.replace("count = 10", "count = -10") + "[clock]\ntikc_ms = 3\n")
    with pytest.raises(kadsim.ExperimentError) as wrong:
        kadsim.run("wrong.toml")
    error = wrong.value
    assert (error.file, error.line, error.column, error.key) == ("wrong.toml", 12, 9, "phase.putting.count")
    assert "count" in error.message and "allowed" in error.label
    second = error.errors[1]
    assert (second.line, second.key) == (20, "clock.tikc_ms") and "tick_ms" in second.help
    assert "wrong.toml:12:9" in str(error) and "^" in str(error)
    assert not Path("out").exists()


def test_an_invalid_setting_names_the_command_line():
    with pytest.raises(kadsim.ExperimentError) as wrong:
        kadsim.run(SMALL, set={"lookup.alpha": 0})
    assert (wrong.value.file, wrong.value.line, wrong.value.key) == ("command line", 1, "lookup.alpha")


@pytest.mark.parametrize("text", ["schema = \n", "schema = 1\nseed\n", "\n", "\0\n"])
def test_a_text_that_is_no_experiment(text):
    with pytest.raises(kadsim.ExperimentError) as wrong:
        kadsim.run(text)
    assert wrong.value.message and wrong.value.errors


def test_missing_files_wrong_options_and_long_texts():
    with pytest.raises(kadsim.ExperimentError, match="nowhere.toml") as wrong:
        kadsim.run("nowhere.toml")
    assert wrong.value.line is None
    with pytest.raises(kadsim.ExperimentError, match="cannot read the experiment file ./-"):
        kadsim.run("-")
    with pytest.raises(kadsim.RunFailed, match="--threads") as refused:
        kadsim.run(SMALL, threads=257)
    assert refused.value.status == 2
    with pytest.raises(kadsim.ExperimentError, match="4194304"):
        kadsim.run("#" * (8 << 20) + "\n")


def test_a_name_with_a_dash_and_a_space_is_a_path():
    Path("--force x.toml").write_text(SMALL)
    assert kadsim.run("--force x.toml", out="a folder").path == Path("a folder/small")


def test_an_expectation_that_does_not_hold():
    expects = '[[expect]]\nmetric = "getting.found.mean"\nwithin = [0, 1]\n'
    expects += '[[expect]]\nmetric = "getting.attempts.mean"\nwithin = [1000, 2000]\nsource = "made up"\n'
    with pytest.raises(kadsim.ExpectationFailed, match="is not within") as failed:
        kadsim.run(SMALL + expects)
    (expect,) = failed.value.expects
    assert expect["metric"] == "getting.attempts.mean" and expect["within"] == [1000, 2000]
    assert failed.value.run.summary["getting.attempts.mean"] == expect["value"]
    where = '[[expect]]\nmetric = "getting.attempts.mean"\nwithin = [1000, 2000]\nwhere = { "lookup.alpha" = 3 }\n'
    with pytest.raises(kadsim.ExpectationFailed) as failed:
        kadsim.run(STUDY + where)
    assert [expect["cell"] for expect in failed.value.expects] == [2, 3]
    assert len(failed.value.run.cells) == 6


def test_a_run_that_is_cut_off_has_failed_and_has_a_folder():
    with pytest.raises(kadsim.RunFailed, match="cut off by its max_ms") as failed:
        kadsim.run(SMALL, set={"phase.getting.max_ms": 1})
    assert failed.value.status == 1 and failed.value.run.summary["getting.cut_off"] == 1


def test_warnings_are_warnings_of_the_caller():
    with pytest.warns(UserWarning, match="command line:1: .*alpha") as warned:
        kadsim.run(SMALL, set={"lookup.alpha": 11})
    assert warned[0].filename == __file__


def test_a_bar_is_shown_where_it_is_asked_for(capfd):
    many = {"phase.getting.count": 40_000, "phase.getting.draw": "independent"}
    kadsim.run(SMALL, set={**many, "phase.getting.count": 200_000}, threads=1, progress=True)
    shown = capfd.readouterr().err
    # Short parts have none.
    assert "getting" in shown and "putting" not in shown
    kadsim.run(STUDY, set=many, progress=True)
    shown = capfd.readouterr().err
    assert "cells" in shown and "getting" not in shown
    # Neither a terminal nor a notebook.
    kadsim.run(SMALL, set=many, force=True)
    assert capfd.readouterr().err == ""


def interrupt_when(is_time):
    """Sends SIGINT to this process once `is_time` returns true."""
    done = threading.Event()

    def wait():
        while not done.wait(0.05):
            if is_time():
                os.kill(os.getpid(), signal.SIGINT)
                return

    threading.Thread(target=wait, daemon=True).start()
    return done


def is_complete(table):
    return pq.read_metadata(table).metadata[b"kadsim.complete"]


def test_an_interrupted_run_is_unfinished_and_readable():
    watch = interrupt_when(lambda: Path("out/long.partial/operations.parquet").exists())
    with pytest.raises(KeyboardInterrupt) as stopped:
        kadsim.run(LONG)
    watch.set()
    assert any("out/long.partial" in note for note in stopped.value.__notes__)
    assert os.listdir("out") == ["long.partial"]
    assert is_complete("out/long.partial/operations.parquet") == b"false"
    with pytest.raises(kadsim.KadsimError, match="not finished"):
        kadsim.open("out/long")
    with pytest.raises(kadsim.KadsimError, match="not finished"):
        kadsim.open("out/long.partial")


def test_the_stop_button_of_a_notebook_interrupts(folder):
    manager, client = start_new_kernel(cwd=str(folder))
    try:
        asked = client.execute(f"import kadsim\nkadsim.run({LONG!r})")
        while not Path("out/long.partial/operations.parquet").exists():
            time.sleep(0.05)
        manager.interrupt_kernel()
        # Replies to what the client has asked before come first.
        answers = iter(lambda: client.get_shell_msg(timeout=60), None)
        reply = next(one["content"] for one in answers if one["parent_header"]["msg_id"] == asked)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert is_complete("out/long.partial/operations.parquet") == b"false"


def test_an_interrupted_study_goes_on():
    set = {"phase.getting.count": 2_000, "phase.getting.draw": "independent", "networks": 10}
    watch = interrupt_when(lambda: any(Path("out/study").glob("lookup.alpha=*/case=*/summary.json")))
    with pytest.raises(KeyboardInterrupt):
        kadsim.run(STUDY, set=set, threads=1)
    watch.set()
    done = list(Path("out/study").glob("lookup.alpha=*/case=*/summary.json"))
    assert 0 < len(done) < 6
    times = {path: path.stat().st_mtime_ns for path in done}
    with pytest.raises(kadsim.KadsimError, match="not finished|no study.parquet"):
        kadsim.open("out/study")
    study = kadsim.run(STUDY, set=set)
    assert len(study.cells) == 6 and study.means.num_rows > 0
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_run_ends_with_the_process_that_called_it():
    code = f"import kadsim\nkadsim.run({LONG!r})"
    called = subprocess.Popen([sys.executable, "-c", code])
    watch = threading.Event()
    while not Path("out/long.partial/operations.parquet").exists():
        assert called.poll() is None
        watch.wait(0.05)
    called.kill()
    called.wait()
    # The program holds the lock until it has closed its tables.
    with open("out/long.partial/running.lock") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
    assert is_complete("out/long.partial/operations.parquet") == b"false"


def test_the_program_is_the_one_of_the_environment(monkeypatch):
    program = kadsim.find_program()
    assert Path(program).parent == Path(sys.executable).parent
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    assert told == f"kadsim {kadsim.__version__}\n"
    module = subprocess.run([sys.executable, "-m", "kadsim", "--version"], check=True, capture_output=True, text=True)
    assert module.stdout == told
    monkeypatch.setenv("KADSIM", "/nowhere/kadsim")
    assert kadsim.find_program() == "/nowhere/kadsim"


def test_a_run_and_a_cell_that_fail():
    # Times end at 9e12 ms.
    with pytest.raises(kadsim.RunFailed, match="out/small.partial") as failed:
        kadsim.run(SMALL, set={"link.delay_ms": 9e12})
    assert failed.value.status == 1 and failed.value.run is None
    with pytest.raises(kadsim.RunFailed, match=r"cell 1 \(link.delay_ms=9000000000000\)") as failed:
        kadsim.run(SMALL, set={"sweep": {"link.delay_ms": [1, 9_000_000_000_000]}}, out="study")
    assert failed.value.status == 1 and failed.value.run is None
    assert Path("study/small/link.delay_ms=1/summary.json").exists()


@pytest.mark.parametrize("script, says", [
    ("kill -KILL $$", "signal SIGKILL"),
    ("exit 7", "exit status 7"),
    ("echo 'thread main panicked' >&2; exit 101", "thread main panicked"),
    ("echo '{\"event\": \"progress\"' >&2; echo '[1]' >&2; exit 3", "progress"),
])
def test_a_program_that_breaks_is_a_failed_run(script, says, monkeypatch):
    Path("broken").write_text(f"#!/bin/sh\n{script}\n")
    Path("broken").chmod(0o755)
    monkeypatch.setenv("KADSIM", str(Path("broken").resolve()))
    with pytest.raises(kadsim.RunFailed, match=says) as failed:
        kadsim.run(SMALL)
    assert failed.value.run is None and failed.value.status != 0


def test_man_pages_completions_and_licences_come_with_the_wheel():
    share = Path(sys.prefix, "share")
    assert {path.name for path in (share / "doc/kadsim").iterdir()} == {"LICENSE-APACHE", "LICENSE-MIT"}
    assert "kadsim" in (share / "man/man1/kadsim-run.1").read_text()
    for shell, name in {
        "bash": "bash-completion/completions/kadsim",
        "zsh": "zsh/site-functions/_kadsim",
        "fish": "fish/vendor_completions.d/kadsim.fish",
    }.items():
        printed = subprocess.run([kadsim.find_program(), "completions", shell], check=True, capture_output=True)
        assert (share / name).read_bytes() == printed.stdout
