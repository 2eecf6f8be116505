#!/usr/bin/env bash
# The tables of the quickstart as pandas, pyarrow and DuckDB see them. Makes its own virtual environment.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/venv
if ! "$venv/bin/python" -c 'import pandas, pyarrow, duckdb' 2>/dev/null; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'pandas>=2,<4' 'pyarrow>=18,<27' 'duckdb>=1,<2'
fi

here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out
read -ra kadsim <<< "${KADSIM:-cargo run --locked --quiet --}"
"${kadsim[@]}" run experiments/quickstart.toml --quiet --out "$out" \
    --set 'output.tables=["ticks","operations","nodes","connections","routing"]' \
    --set output.results=true --set output.in_degree=true
"$venv/bin/python" tests/python/tables.py "$out/quickstart" "${kadsim[@]}"
# The examples of README.md read out/quickstart.
(cd "$work" && "$here/$venv/bin/python" "$here/tests/python/readme.py" "$here/README.md" "Reading tables")
