"""Builds the wheel: the program, then the man pages and completions that it prints, then a wheel of all by maturin.

An editable install (`pip install -e`) and a source distribution are not made.

pip calls `build_wheel` (PEP 517). Cargo compiles the program once: maturin finds it built.
"""

import json
import shutil
import subprocess
from pathlib import Path

import maturin
from maturin import get_requires_for_build_wheel

__all__ = ["build_sdist", "build_wheel", "get_requires_for_build_wheel", "prepare_metadata_for_build_wheel"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MANIFEST = ROOT / "Cargo.toml"
# The folder that pyproject.toml names; files under `data` land in the prefix of an environment.
SHARE = HERE / "kadsim.data" / "data" / "share"
COMPLETIONS = {
    "bash": "bash-completion/completions/kadsim",
    "zsh": "zsh/site-functions/_kadsim",
    "fish": "fish/vendor_completions.d/kadsim.fish",
}


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    # maturin wants the folder, and does not look into it yet.
    SHARE.mkdir(parents=True, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    write_share(build_program())
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    raise RuntimeError("kadsim has no source distribution: install it from a clone, `pip install ./experiments/python`")


def build_program():
    """Compiles the program as maturin will, and returns its path."""
    command = ["cargo", "build", "--release", "--locked", "--bin", "kadsim", "--manifest-path", str(MANIFEST)]
    command += ["--message-format", "json-render-diagnostics"]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return next(message["executable"] for message in messages if message.get("executable"))


def write_share(program):
    """Writes what lies under `share` in an environment."""
    shutil.rmtree(SHARE, ignore_errors=True)
    man = SHARE / "man" / "man1"
    man.mkdir(parents=True)
    subprocess.run([program, "man", str(man)], check=True)
    # pyproject.toml can name no file above its folder.
    licences = SHARE / "doc" / "kadsim"
    licences.mkdir(parents=True)
    for licence in ROOT.glob("LICENSE-*"):
        shutil.copy(licence, licences)
    for shell, name in COMPLETIONS.items():
        path = SHARE / name
        path.parent.mkdir(parents=True)
        path.write_bytes(subprocess.run([program, "completions", shell], check=True, stdout=subprocess.PIPE).stdout)
