"""The program `kadsim`: where it is, and calls of it that print something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from kadsim._base import KadsimError

_NAME = "kadsim" + (sysconfig.get_config_var("EXE") or "")


def find_program() -> str:
    """Returns the path of the program: that of the variable `KADSIM`, else that of this package, else that of `PATH`.

    Raises:
        KadsimError: There is none.
    """
    given = os.environ.get("KADSIM")
    if given:
        return given
    # The scripts of the environment, of the user, and of `pip install --target`, which puts them beside the package.
    folders = [
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")),
        str(Path(__file__).parent.parent / "bin"),
        str(Path(sys.executable).parent),
    ]
    for folder in folders:
        path = Path(folder, _NAME)
        if path.is_file():
            return str(path)
    found = shutil.which(_NAME)
    if found is None:
        raise KadsimError(f"the program {_NAME} is in none of {', '.join(folders)} and not on PATH; KADSIM may name it")
    return found


def output_of(arguments: list[str]) -> str:
    """Returns what the program prints.

    Raises:
        KadsimError: It ends with another exit status than 0; the message is its own.
    """
    called = subprocess.run([find_program(), *arguments], capture_output=True, encoding="utf-8", check=False)
    if called.returncode != 0:
        raise KadsimError(called.stderr.strip().removeprefix("error: "))
    return called.stdout
