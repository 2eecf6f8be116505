"""Progress bars from the program's events."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tqdm.auto import tqdm


def is_wanted() -> bool:
    """Returns whether bars are shown where the caller does not say: on a terminal, and in a notebook."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return sys.stderr.isatty() or getattr(shell, "kernel", None) is not None


# Time that a part of a run must take before its bar is shown.
_DELAY_S = 0.2


class Bars:
    """A bar for each part of a run, one after the other, or one for the cells of a study. None is left in the end."""

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
            self._bar.update(event["done"] - self._bar.n)
            if kind == "end":
                self.close()

    def _begin(self, event: Mapping[str, Any]) -> None:
        is_count_of_cells = event["unit"] == "cell"
        if self._is_study and not is_count_of_cells:
            return
        self.close()
        self._is_study = is_count_of_cells
        self._part = event["id"]
        look: dict[str, Any] = {"unit": "cell"} if is_count_of_cells else {"unit": "op", "unit_scale": True}
        if event["total"] is None:
            look = {"bar_format": "{desc}, {elapsed}"}
        self._bar = tqdm(desc=event["what"], total=event["total"], delay=_DELAY_S, leave=False, **look)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
