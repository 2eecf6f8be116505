#!/usr/bin/env bash
# The cells of a sweep by GNU parallel, on this machine or, with its --sshlogin, on others that share the folder.
# Each cell is a process of its own with one thread; what stops half-way goes on when it is called again.
#
# Usage: parallel.sh FILE [ARGS for kadsim, such as --out DIR]
set -euo pipefail
kadsim=${KADSIM:-kadsim}
"$kadsim" sweep "$@" --list | cut -f1 |
    parallel "$kadsim" sweep "$@" --threads 1 --quiet --index {}
