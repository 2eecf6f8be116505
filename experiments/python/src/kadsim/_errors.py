"""Exceptions, with what is in them to act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kadsim._base import KadsimError

if TYPE_CHECKING:
    from kadsim._folders import Run, Study


@dataclass(frozen=True)
class Diagnostic:
    """An error or a warning of an experiment, with its place. What does not exist is `None`.

    The place is where the experiment was given: in a file, in a text (`stdin`), or by `set` (`command line`).
    """

    message: str
    """What is wrong."""
    file: str | None
    """The file as it was given; `stdin` for a text or a dict, `command line` for a value of `set`."""
    line: int | None
    """Line, from 1."""
    column: int | None
    """Column, from 1, in characters."""
    key: str | None
    """The key by its path, as `set` names it: `phase.seeding.count`."""
    label: str | None
    """What is allowed there."""
    help: str | None
    """What was probably meant."""
    cells: str | None
    """The cells of a study that it concerns, where it does not concern all."""

    @classmethod
    def _of(cls, event: Mapping[str, Any]) -> Diagnostic:
        return cls(**{name: event[name] for name in cls.__dataclass_fields__})


class ExperimentError(KadsimError):
    """The experiment is invalid. Nothing has run.

    `file`, `line`, `column`, `key`, `message`, `label` and `help` are those of the first error. The text of the exception
    is what the program prints: all errors, each with its line and a caret.
    """

    def __init__(self, text: str, errors: Sequence[Diagnostic]) -> None:
        super().__init__(text)
        self.errors = tuple(errors)
        """The errors in the order of the text, the first 20."""
        first = self.errors[0] if self.errors else Diagnostic(text, None, None, None, None, None, None, None)
        self.message = first.message
        self.file = first.file
        self.line = first.line
        self.column = first.column
        self.key = first.key
        self.label = first.label
        self.help = first.help


class RunFailed(KadsimError):
    """The run has failed, could not begin, or was cut off by a `max_ms`.

    `status` is the program's exit status: 1 for a run that failed or was cut off, 2 for one that could not begin.
    """

    def __init__(self, message: str, status: int, run: Run | Study | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.run = run
        """The finished run that was cut off, or the study with a cell that failed or was cut off. Otherwise `None`."""


class ExpectationFailed(KadsimError):
    """The run is finished, and an `[[expect]]` of its experiment does not hold."""

    def __init__(self, message: str, run: Run | Study, expects: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message)
        self.run = run
        """The finished run or study."""
        self.expects = tuple(expects)
        """The expectations that do not hold: `metric`, `within`, `value`, `source` and, of a study, `where` and `cell`."""
