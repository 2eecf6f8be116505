#!/usr/bin/env bash
# Runs the published results and says whether they hold; see README.md beside this file. `--quick` runs the
# smaller set. KADSIM names the program, if it is not to be built here.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/venv
packages=('duckdb>=1,<2')
[ "${1:-}" = --quick ] || packages+=('matplotlib>=3.8,<4')
[ -x "$venv/bin/python" ] || python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
if [ -z "${KADSIM:-}" ]; then
    cargo build --locked --quiet --release
    KADSIM=target/release/kadsim
fi
exec "$venv/bin/python" experiments/published/verify.py --kadsim "$KADSIM" "$@"
