#!/usr/bin/env bash
# The JSON Schema of `kadsim schema` accepts every experiment file of the repository and refuses wrong ones, and Taplo takes
# it as experiments/README.md says. Makes its own virtual environment, the one of tests/python/tables.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
if ! "$venv/bin/python" -c 'import jsonschema' 2>/dev/null || ! [ -x "$venv/bin/taplo" ]; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'jsonschema>=4.20,<5' 'taplo==0.9.*'
fi

${KADSIM:-cargo run --locked --quiet --} schema | "$venv/bin/python" tests/python/schema.py

# The lines of the section "In an editor", in a folder with an experiment.
# The backticks are those of Markdown.
# shellcheck disable=SC2016
lines=$(sed -n '/^## In an editor/,/^## /p' experiments/README.md | sed -n '/^```sh$/,/^```$/{/^```/d;p}')
[ "$(wc -l <<<"$lines")" = 3 ]
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$PWD/$venv/bin:$PATH
kadsim() { (cd "$here" && ${KADSIM:-cargo run --locked --quiet --} "$@"); }
here=$PWD
cp experiments/quickstart.toml "$work"
cd "$work"
eval "$lines"
sed -i 's/^count = 2000/cuont = 2000/' quickstart.toml
if said=$(taplo lint 2>&1) || ! grep -q "'cuont' was unexpected" <<<"$said"; then
    echo "FAIL: taplo accepts an unknown key: $said" >&2
    exit 1
fi
echo "taplo takes the schema"
