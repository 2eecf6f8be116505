#!/usr/bin/env bash
# The JSON Schema of `kadsim schema` accepts every experiment file of the repository and refuses wrong ones. Makes its
# own virtual environment, the one of tests/python/tables.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
if ! "$venv/bin/python" -c 'import jsonschema' 2>/dev/null; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'jsonschema>=4.20,<5'
fi

${KADSIM:-cargo run --locked --quiet --} schema | "$venv/bin/python" tests/python/schema.py
