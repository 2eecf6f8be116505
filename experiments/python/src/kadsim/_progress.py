"""Progress bars from the program's events."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tqdm.auto import tqdm


def is_wanted() -> bool:
    """Returns whether bars are shown where the caller does not say: on a terminal, and in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Bars:
    """One bar for a run, or for the cells of a study. Parts of a run that are short leave no trace."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bar: tqdm[Any] | None = None
        # The part that the bar shows. In a study that is the count of cells, and no cell's part takes its place.
        self._part: int | None = None
        self._is_study = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Shows an event `begin`, `progress` or `end`."""
        if not self._shown:
            return
        kind = event["event"]
        if kind == "begin":
            self._begin(event)
        elif event["id"] == self._part and self._bar is not None:
            self._bar.n = event["done"]
            self._bar.refresh()
            if kind == "end":
                self.close()

    def _begin(self, event: Mapping[str, Any]) -> None:
        is_count_of_cells = event["cell"] is None and event["what"] == "cells"
        if self._is_study and not is_count_of_cells:
            return
        self.close()
        self._is_study = is_count_of_cells
        self._part = event["id"]
        unit = "cell" if is_count_of_cells else "op"
        self._bar = tqdm(desc=event["what"], total=event["total"], unit=unit, unit_scale=not is_count_of_cells, leave=False)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
