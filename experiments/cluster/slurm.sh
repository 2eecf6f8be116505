#!/usr/bin/env bash
# The cells of a sweep as a Slurm array: a task runs one shard of them, on machines that share the folder.
#
# Usage: sbatch --array=1-N slurm.sh FILE [ARGS for kadsim, such as --out DIR]
# A task that fails or is preempted is queued again, and goes on with the cells that are not done.
#SBATCH --job-name=kadsim
#SBATCH --ntasks=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=kadsim-%A-%a.log
set -euo pipefail
shard="$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
"${KADSIM:-kadsim}" sweep "$@" --shard "$shard" --threads "${SLURM_CPUS_PER_TASK:-1}"
