#!/usr/bin/env bash
# The Python package as a user installs it: its wheel in a fresh virtual environment, checked for types and tested, with
# the examples of its README, the notebook and the queries of experiments/analysis.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/venv-wheel
pip=("$venv/bin/pip" --quiet --disable-pip-version-check)
rm -rf "$venv"
python3 -m venv "$venv"
# Compiles the program for release. The man pages and completions of the wheel are what this program prints.
time "${pip[@]}" install './experiments/python[analysis]'
"${pip[@]}" install 'mypy>=1.15,<3' 'nbclient>=0.10,<1' 'polars>=1,<3' 'pytest>=8,<10' 'types-tqdm'
unset KADSIM
export PATH="$PWD/$venv/bin:$PATH"

(cd experiments/python && mypy)
pytest --quiet --no-header -p no:cacheprovider tests/python/wheel
