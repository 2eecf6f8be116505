"""Simulates Kademlia networks of millions of nodes, and reads the results as tables.

>>> import kadsim
>>> run = kadsim.run("das.toml", set={"lookup.alpha": 5})  # doctest: +SKIP
>>> run.summary["sampling.found.mean"]                     # doctest: +SKIP

`run` runs an experiment or a study with the program `kadsim` that this package brings along, and returns its folder as a
`Run` or a `Study`. `open` opens a folder that is there already. Tables are pyarrow tables, read when they are asked for.
"""

from importlib.metadata import version

from kadsim._base import KadsimError
from kadsim._errors import Diagnostic, ExpectationFailed, ExperimentError, RunFailed
from kadsim._folders import Cell, Run, Study, open
from kadsim._program import find_program
from kadsim._run import run

__all__ = [
    "Cell",
    "Diagnostic",
    "ExpectationFailed",
    "ExperimentError",
    "KadsimError",
    "Run",
    "RunFailed",
    "Study",
    "find_program",
    "open",
    "run",
]

__version__ = version("kadsim")
