#!/usr/bin/env bash
# Opens reports in Chromium and checks what a reader sees; see check.py. Installs Debian's Chromium if it is not there.
# `run.sh --pictures` takes the pictures of the documents instead; see pictures.py.
# KADSIM names the program, if it is not to be built here.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v chromium > /dev/null || ! command -v chromedriver > /dev/null; then
    apt-get update --quiet --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes chromium chromium-driver > /dev/null
fi
venv=target/venv
[ -x "$venv/bin/python" ] || python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check 'selenium>=4,<5' 'duckdb>=1,<2'
if [ -z "${KADSIM:-}" ]; then
    cargo build --locked --quiet --release
    KADSIM=target/release/kadsim
fi
if [ "${1:-}" = --pictures ]; then
    exec "$venv/bin/python" tests/browser/pictures.py "$KADSIM" experiments/pictures
fi
exec "$venv/bin/python" tests/browser/check.py "$KADSIM" "$@"
