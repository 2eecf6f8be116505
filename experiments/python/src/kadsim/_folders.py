"""Folders of finished runs and studies, and the tables in them."""

from __future__ import annotations

import functools
import html
import json
import tomllib
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kadsim._base import KadsimError
from kadsim._program import output_of


def open(folder: str | PathLike[str]) -> Run | Any:
    """Opens the folder of a finished run, as a `Run`, or of a finished study, as a `Study`.

    Raises:
        KadsimError: The folder is missing, or holds neither, or is not finished.
    """
    path = Path(folder)
    if (path / "study.json").is_file():
        return Study(path)
    return Run(path)


class _Folder:
    """A folder with tables."""

    _KIND = ""
    # A file that such a folder has.
    _MARK = ""

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        """The folder."""
        if not self.path.is_dir():
            unfinished = self.path.with_name(self.path.name + ".partial")
            hint = f"; {unfinished} is not finished" if unfinished.is_dir() else ""
            raise KadsimError(f"there is no folder {self.path}{hint}")
        if _is_unfinished(self.path.resolve()):
            raise KadsimError(f"{self.path}: the {self._KIND} is not finished")
        if not (self.path / self._MARK).is_file():
            raise KadsimError(f"{self.path} holds no finished {self._KIND}: it has no {self._MARK}")

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Reads a table, or some of its columns.

        Raises:
            KadsimError: The folder has no such table; the message names those that it has.
        """
        path = self.path / f"{name}.parquet"
        if not path.is_file():
            tables = ", ".join(sorted(table.stem for table in self.path.glob("*.parquet")))
            raise KadsimError(f"{self.path} has no table {name}; it has {tables} (output.tables says which are written)")
        return pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)

    @functools.cached_property
    def _closing(self) -> dict[str, list[Any]]:
        return dict(json.loads(output_of(["inspect", "--closing", "--json", "--", str(self.path)])))

    def __str__(self) -> str:
        """Returns the closing table as text."""
        return output_of(["inspect", "--closing", "--", str(self.path)])

    def __repr__(self) -> str:
        return f"kadsim.{type(self).__name__}({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Returns the closing table for a notebook."""
        head = _html_row("th", self._closing["columns"])
        body = "".join(_html_row("td", row) for row in self._closing["rows"])
        caption = f"<caption style='text-align: left'>{html.escape(str(self.path))}</caption>"
        return f"<table>{caption}<thead>{head}</thead><tbody>{body}</tbody></table>"

    def report(self, file: str | PathLike[str] | None = None, *, open: bool = False) -> Path:
        """Writes a report of the folder: one HTML page that needs no network. Returns its path.

        Args:
            file: Where to write it; by default a file beside the folder, with `.html` behind the folder's name.
            open: Whether to show it in a browser.

        Raises:
            KadsimError: The program cannot make it; the message is its own.
        """
        path = Path(file) if file is not None else self.path.with_name(self.path.name + ".html")
        output_of(["report", f"-o{path}", "--", str(self.path)])
        if open:
            webbrowser.open(path.resolve().as_uri())
        return path


class Run(_Folder):
    """A finished run.

    The tables are properties, each read at its first use and kept. `table` reads some columns of one.
    """

    _KIND = "run"
    _MARK = "summary.json"

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """`summary.json`: the metrics, `PHASE.COLUMN.STATISTIC` and others, and `warnings`."""
        return dict(json.loads((self.path / "summary.json").read_text("utf-8")))

    @functools.cached_property
    def experiment(self) -> dict[str, Any]:
        """`resolved.toml`: the experiment with every default."""
        return tomllib.loads((self.path / "resolved.toml").read_text("utf-8"))

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return str(self.experiment["name"])

    @property
    def phases(self) -> list[str]:
        """The names of the phases, in order."""
        return [str(phase["name"]) for phase in self.experiment["phase"]]

    @functools.cached_property
    def operations(self) -> pa.Table:
        """The table `operations`: a row for each lookup, provide and retrieve."""
        return self.table("operations")

    @functools.cached_property
    def ticks(self) -> pa.Table:
        """The table `ticks`: a row for each `clock.tick_ms` in which something happened."""
        return self.table("ticks")

    @functools.cached_property
    def nodes(self) -> pa.Table:
        """The table `nodes`: a row for each node at the end of each phase."""
        return self.table("nodes")

    @functools.cached_property
    def connections(self) -> pa.Table:
        """The table `connections`: a row for each request, if `output.tables` has it."""
        return self.table("connections")

    @functools.cached_property
    def routing(self) -> pa.Table:
        """The table `routing`: a row for each entry of a routing table, if `output.tables` has it."""
        return self.table("routing")

    @functools.cached_property
    def metrics(self) -> pa.Table:
        """The table `summary`: a row for each metric of each network by itself."""
        return self.table("summary")

    @functools.cached_property
    def timings(self) -> pa.Table:
        """The table `timings`: where the time of the machine went."""
        return self.table("timings")


@dataclass(frozen=True)
class Cell:
    """A cell of a study."""

    index: int
    """Its index, from 0."""
    settings: Mapping[str, str]
    """The value on each axis, as the folder's name and the tables have it."""
    path: Path
    """Its folder."""

    @property
    def run(self) -> Run:
        """The run of the cell."""
        return Run(self.path)


class Study(_Folder):
    """A finished study: a run for each combination of the values of a sweep."""

    _KIND = "study"
    _MARK = "study.parquet"

    @functools.cached_property
    def cells(self) -> list[Cell]:
        """The cells, in order."""
        folders = json.loads((self.path / "study.json").read_text("utf-8"))["cells"]
        return [Cell(index, _settings(folder), self.path / folder) for index, folder in enumerate(folders)]

    @property
    def axes(self) -> list[str]:
        """The swept keys in order, `case` among them where there are cases."""
        return list(self.cells[0].settings)

    @functools.cached_property
    def means(self) -> pa.Table:
        """The table `study`: for each cell and metric the mean over networks, `ci95` and the number of networks."""
        return self.table("study")

    @functools.cached_property
    def summary(self) -> pa.Table:
        """The table `summary` over all cells: a row for each metric of each network of each cell."""
        return self.table("summary")

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics, sorted."""
        return sorted(pc.unique(self.means["metric"]).to_pylist())

    def pivot(
        self,
        metric: str,
        rows: str,
        columns: str | None = None,
        *,
        value: str = "mean",
        where: Mapping[str, Any] | None = None,
    ) -> pa.Table:
        """Returns a metric by one axis, or by two: a row for each value of `rows`, a column for each value of `columns`.

        Without `columns`, the columns are `mean`, `ci95` and `n`. Values of axes stand as numbers where all of them are
        numbers, and in the order of the cells.

        Args:
            metric: A key of `summary.json`, such as `lookups.duration_ms.p50`.
            rows: An axis.
            columns: Another axis.
            value: What a cell shows: `mean`, `ci95` (half the width of the 95 % confidence interval) or `n` (networks).
            where: A value for each further axis of several values.

        Raises:
            KadsimError: There is no such metric, axis or value, or a further axis has several values.
        """
        wanted = {key: _setting(one) for key, one in (where or {}).items()}
        for axis in (rows, *([] if columns is None else [columns]), *wanted):
            _one_of("axis", axis, self.axes)
        _one_of("value", value, ["mean", "ci95", "n"])
        cells = [cell for cell in self.cells if all(cell.settings[key] == text for key, text in wanted.items())]
        for axis, text in wanted.items():
            _one_of(f"value of {axis}", text, _distinct(cell.settings[axis] for cell in self.cells))
        for axis in self.axes:
            values = _distinct(cell.settings[axis] for cell in cells)
            if axis not in (rows, columns) and len(values) > 1:
                raise KadsimError(f"{axis} has several values, {', '.join(values)}: choose one by where={{{axis!r}: ...}}")
        found = self._values(metric)
        heads = _distinct(cell.settings[rows] for cell in cells)
        result: dict[str, list[Any]] = {rows: _numbers(heads)}
        if columns is None:
            by_row = {cell.settings[rows]: found.get(cell.index, {}) for cell in cells}
            for name in ("mean", "ci95", "n"):
                result[name] = [by_row[head].get(name) for head in heads]
            return pa.table(result)
        by_pair = {(cell.settings[rows], cell.settings[columns]): found.get(cell.index, {}) for cell in cells}
        for name in _distinct(cell.settings[columns] for cell in cells):
            result[name] = [by_pair.get((head, name), {}).get(value) for head in heads]
        return pa.table(result)

    def _values(self, metric: str) -> dict[int, dict[str, Any]]:
        """Returns mean, ci95 and n of a metric by the index of the cell."""
        rows = self.means.filter(pc.equal(self.means["metric"].cast(pa.string()), metric))
        if rows.num_rows == 0:
            _one_of("metric", metric, self.metrics)
        return {row["cell"]: row for row in rows.select(["cell", "mean", "ci95", "n"]).to_pylist()}


def _html_row(element: str, texts: Sequence[str]) -> str:
    """Returns a row of a table: names on the left, numbers on the right."""
    names, *numbers = (html.escape(text) for text in texts)
    cells = [f"<{element} style='text-align: right'>{text}</{element}>" for text in numbers]
    return f"<tr><th style='text-align: left'>{names}</th>{''.join(cells)}</tr>"


def _is_unfinished(path: Path) -> bool:
    """Returns whether the folder is an unfinished one, or a cell in the folder of a study's unfinished cells."""
    above = next(folder for folder in (path, *path.parents) if "=" not in folder.name)
    return above.suffix == ".partial"


def _settings(folder: str) -> dict[str, str]:
    """Returns the value on each axis from the folder of a cell."""
    pairs = (part.split("=", 1) for part in folder.split("/"))
    return {unquote(key): unquote(value) for key, value in pairs}


def _setting(value: Any) -> str:
    """Returns a value as folders' names have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _numbers(texts: list[str]) -> list[Any]:
    """Returns integers or floats, if all the texts are such."""
    for kind in (int, float):
        try:
            return [kind(text) for text in texts]
        except ValueError:
            continue
    return texts


def _one_of(what: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise KadsimError(f"there is no {what} {given!r}; allowed: {', '.join(allowed)}")
