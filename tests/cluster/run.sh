#!/usr/bin/env bash
# A sweep of 24 cells by a plain run, by shards, and by each recipe of experiments/cluster: all have to lead to the same
# digest. Installs what it needs from Debian's packages and PyPI; Slurm's daemons run on this host, as long as this does.
set -euo pipefail
cd "$(dirname "$0")/../.."

need() { command -v "$1" >/dev/null || missing+=("$2"); }
missing=()
need parallel parallel
need munged munge
need slurmctld slurmctld
need slurmd slurmd
need sbatch slurm-client
need shellcheck shellcheck
if ((${#missing[@]})); then
    as_root=$([ "$(id -u)" = 0 ] || echo sudo)
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
venv=$PWD/target/venv-cluster
if ! "$venv/bin/python" -c 'import snakemake, ray, pandas, pyarrow, duckdb' 2>/dev/null; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        'snakemake>=9,<10' 'ray>=2,<3' 'pandas>=2,<4' 'pyarrow>=18,<27' 'duckdb>=1,<2'
fi

recipes=$PWD/experiments/cluster
shellcheck "$recipes"/*.sh tests/*/*.sh

if [ -z "${KADSIM:-}" ]; then
    cargo build --locked --quiet
    KADSIM=$PWD/target/debug/kadsim
fi
export KADSIM
grid=$PWD/tests/cluster/grid.toml
here=$PWD
work=$(mktemp -d)
daemons=()
clear_up() {
    ((${#daemons[@]} == 0)) || kill "${daemons[@]}" 2>/dev/null || true
    wait || true
    rm -rf "$work"
}
trap clear_up EXIT
cd "$work"

passed=0 failed=0
# Whether the study in a folder is the one of the plain run.
same() {
    local digest
    digest=$("$KADSIM" inspect "$1/grid" | awk '$1 == "digest" { print $2; exit }')
    if [ "$digest" = "$wanted" ]; then
        echo "ok   $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1: $digest, not $wanted"
        failed=$((failed + 1))
    fi
}

"$KADSIM" run "$grid" --out run --quiet
wanted=$("$KADSIM" inspect run/grid | awk '$1 == "digest" { print $2; exit }')
[ ${#wanted} = 64 ]

for shard in 1/3 2/3 3/3; do
    "$KADSIM" sweep "$grid" --out shards --quiet --shard "$shard"
done
same shards

"$recipes/parallel.sh" "$grid" --out parallel
same parallel

"$venv/bin/snakemake" -s "$recipes/Snakefile" --cores 2 --quiet all \
    --config file="$grid" out=snakemake kadsim="$KADSIM"
same snakemake

RAY_AUTH_MODE=disabled RAY_USAGE_STATS_ENABLED=0 "$venv/bin/python" "$recipes/ray_cells.py" "$grid" --out ray \
    --kadsim "$KADSIM" --metric getting.attempts.mean 2>ray.log || { cat ray.log; exit 1; }
same ray

mkdir -p slurm/state slurm/spool
chmod 755 . slurm
head -c 1024 /dev/urandom >slurm/key
chmod 400 slurm/key
host=$(hostname -s)
cat >slurm/slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$work/slurm/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm/slurm.conf
munged --force --foreground --socket="$work/slurm/munge.socket" --key-file="$work/slurm/key" \
    --pid-file="$work/slurm/munged.pid" --log-file="$work/slurm/munged.log" --seed-file="$work/slurm/seed" \
    >slurm/munged.out 2>&1 &
daemons+=($!)
for _ in {1..50}; do
    [ -S slurm/munge.socket ] && break
    sleep 0.1
done
slurmctld -D >slurm/slurmctld.out 2>&1 &
daemons+=($!)
slurmd -D >slurm/slurmd.out 2>&1 &
daemons+=($!)
for _ in {1..100}; do
    sinfo --noheader --states=idle 2>/dev/null | grep -q idle && break
    sleep 0.2
done
timeout 120 sbatch --quiet --wait --array=1-3 "$recipes/slurm.sh" "$grid" --out slurm-out ||
    { cat slurm/*.out kadsim-*.log; exit 1; }
same slurm-out

# The examples of experiments/README.md, on the study that they name.
"$KADSIM" run "$here/experiments/grid.toml" --quiet
if "$venv/bin/python" "$here/tests/python/readme.py" "$here/experiments/README.md" Studies; then
    echo "ok   README"
    passed=$((passed + 1))
else
    failed=$((failed + 1))
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
