"""Runs experiments: one call of the program, its events, and what it ends with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import warnings
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import IO, Any

from kadsim import _progress, _toml
from kadsim._errors import Diagnostic, ExpectationFailed, ExperimentError, RunFailed
from kadsim._folders import Run, Study, open
from kadsim._program import find_program


def run(
    experiment: str | PathLike[str] | Mapping[str, Any],
    *,
    set: Mapping[str, Any] | None = None,
    out: str | PathLike[str] | None = None,
    threads: int | None = None,
    seed: int | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> Run | Any:
    """Runs an experiment, and returns its folder: a `Run`, or a `Study` for an experiment with a `[sweep]`.

    An interrupted study goes on with the cells that are not done when it is run again.

    Args:
        experiment: Path of an experiment file, its text (a string with a line feed), or the same as a dict. Paths in a text
            or a dict start at the working directory.
        set: Values for keys by their paths, as in `{"lookup.alpha": 5, "phase.seeding.count": 100}`.
        out: Folder for the run's folder, instead of the experiment's `output.dir`.
        threads: Threads, 1 to 256; by default all cores.
        seed: Seed, instead of the experiment's.
        force: Whether a finished run, or a study with all its cells, is replaced.
        progress: Whether a progress bar is shown; by default on a terminal and in a notebook.

    Returns:
        A `Run`, or a `Study`. The type is `Run | Any`, because only the experiment says which; `study: kadsim.Study =
        kadsim.run(...)` tells a type checker.

    Raises:
        ExperimentError: The experiment is invalid.
        ExpectationFailed: It has run, and an `[[expect]]` does not hold.
        RunFailed: It could not begin (the folder holds a finished run, it needs too much memory), has failed, or was cut
            off by a `max_ms`.
        KeyboardInterrupt: It was interrupted. The folder of an unfinished run stays, with `.partial` behind its name.
    """
    file, text = _source(experiment)
    arguments = ["run", "--json", "--events"]
    for key, value in (set or {}).items():
        arguments.append(f"--set={key}={_toml.text_of(value)}")
    if out is not None:
        arguments.append(f"--out={os.fspath(out)}")
    for name, number in (("threads", threads), ("seed", seed)):
        if number is not None:
            arguments.append(f"--{name}={number}")
    if force:
        arguments.append("--force")
    shown = _progress.is_wanted() if progress is None else progress
    called = _call([*arguments, "--", file], text, shown)
    return called.result()


def _source(experiment: str | PathLike[str] | Mapping[str, Any]) -> tuple[str, str | None]:
    """Returns the program's argument for the experiment, and the text for its standard input."""
    if isinstance(experiment, Mapping):
        return "-", _toml.experiment_of(experiment)
    if isinstance(experiment, str) and "\n" in experiment:
        return "-", experiment
    path = os.fspath(experiment)
    # The program reads the standard input for this name.
    return ("./-" if path == "-" else path), None


class _Call:
    """What a call of the program has ended with."""

    def __init__(self, status: int, output: str, events: list[dict[str, Any]], text: list[str]) -> None:
        self.status = status
        self.events = events
        self.document: dict[str, Any] | None = json.loads(output) if output.strip() else None
        # What is no event: wrong usage, a panic.
        self.text = "".join(text).strip()

    def result(self) -> Run | Study:
        """Returns the folder, or raises what went wrong."""
        for event in self._all("invalid"):
            raise ExperimentError(event["text"], [Diagnostic._of(one) for one in event["errors"]])
        for event in self._all("warnings"):
            for one in event["warnings"]:
                place = "" if one["file"] is None else f"{one['file']}:{one['line']}: "
                warnings.warn(f"{place}{one['message']} ({one['label']})", stacklevel=3)
        if self.status == 130:
            raise KeyboardInterrupt(self._message())
        if self.document is None:
            raise RunFailed(self._message(), self.status)
        folder = open(self.document["path"]) if self._is_whole() else None
        if self.status == 0 and folder is not None:
            return folder
        failing = list(self._failing())
        is_all = failing and not any(part["cut_off"] for part in self._parts())
        if folder is not None and is_all:
            raise ExpectationFailed(self._message(), folder, failing)
        raise RunFailed(self._message(), self.status, folder)

    def _all(self, kind: str) -> Iterator[dict[str, Any]]:
        return (event for event in self.events if event["event"] == kind)

    def _parts(self) -> list[dict[str, Any]]:
        """Returns the document of the run, or of each cell of the study."""
        document = self.document or {}
        parts: list[dict[str, Any]] = document.get("cells", [document])
        return parts

    def _is_whole(self) -> bool:
        """Returns whether the folder holds a finished run, or all cells of a study."""
        return not (self.document or {}).get("failed")

    def _failing(self) -> Iterator[dict[str, Any]]:
        for part in self._parts():
            cell = {"cell": part["index"]} if "index" in part else {}
            yield from ({**expect, **cell} for expect in part["expects"] if not expect["holds"])

    def _message(self) -> str:
        said = [event["message"] for event in self.events if event["event"] in ("failed", "complaint")]
        end = f"exit status {self.status}" if self.status >= 0 else f"signal {signal.Signals(-self.status).name}"
        return "\n".join([*said, self.text]).strip() or f"kadsim has ended with {end}"


def _call(arguments: list[str], text: str | None, shown: bool) -> _Call:
    """Calls the program, and shows its progress.

    It runs in a process group of its own, so that Ctrl-C reaches it once, from here, on a terminal and in a notebook.
    """
    process = subprocess.Popen(
        [find_program(), *arguments],
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    )
    events: list[dict[str, Any]] = []
    other: list[str] = []
    output: list[str] = []
    bars = _progress.Bars(shown)
    # The document on stdout may be longer than a pipe holds.
    reader = threading.Thread(target=lambda: output.extend(_pipe(process.stdout)), daemon=True)
    reader.start()
    try:
        with _ending(process):
            if process.stdin is not None:
                # A text that is too long is not read to its end.
                with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                    stdin.write(text or "")
            for line in _pipe(process.stderr):
                event = _event(line)
                if event is None:
                    other.append(line)
                elif event["event"] in ("begin", "progress", "end"):
                    bars.take(event)
                else:
                    events.append(event)
            process.wait()
    finally:
        bars.close()
        reader.join()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return _Call(process.returncode, "".join(output), events, other)


def _pipe(pipe: IO[str] | None) -> Iterator[str]:
    assert pipe is not None
    return iter(pipe)


@contextlib.contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Ends the program with the block. An exception stops it as Ctrl-C does, and it closes its tables; a second one kills it."""
    try:
        yield
    except BaseException as stopped:
        try:
            process.send_signal(signal.SIGINT)
            # Events that are not read would keep it waiting.
            for event in map(_event, _pipe(process.stderr)):
                if event is not None and event["event"] == "failed":
                    stopped.add_note(event["message"])
            process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        raise


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
