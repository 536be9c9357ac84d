#!/usr/bin/env bash
# A study on a SLURM cluster: a Dask scheduler, a worker a task, and the run that feeds them.
#
#   sbatch examples/slurm.sh mine.toml study/mine --set inits=50
#
# Preempted or out of time, it goes back into the queue and on from the last finished tile. The
# study, and data that is not bundled, must lie where all nodes see them.
#SBATCH --job-name=chaotrain
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: sbatch $0 PRESET_OR_FILE DIR [option of chaotrain run]..." >&2
  exit 2
fi
source=$1 out=$2
shift 2

# The scheduler writes its address here; a folder of this job that all nodes see.
shared=$(mktemp -d "$PWD/.chaotrain-${SLURM_JOB_ID:-job}-XXXXXX")
scheduler=$shared/scheduler.json
started=()

# shellcheck disable=SC2329 # it is the trap that calls it
stop() {
  [ ${#started[@]} -eq 0 ] || kill -TERM "${started[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$shared"
}
trap stop EXIT

# Dask has workers give memory back at every step, which makes a tile a tenth slower: leave that out.
export DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON='{"MALLOC_TRIM_THRESHOLD_": None}'
dask scheduler --port 0 --no-dashboard --scheduler-file "$scheduler" &
started+=($!)
# A worker computes one tile at a time on all processors of its task; SLURM watches its memory.
srun --ntasks="${SLURM_NTASKS:-1}" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --kill-on-bad-exit=0 \
  dask worker --scheduler-file "$scheduler" --nthreads 1 --memory-limit 0 --no-dashboard \
  --local-directory "${TMPDIR:-/tmp}" --death-timeout 60 &
started+=($!)

for _ in {1..600}; do
  if [ -s "$scheduler" ]; then break; fi
  sleep 0.1
done

chaotrain run "$source" --out "$out" --dask "$scheduler" "$@" &
run=$!
# The run keeps what is finished and ends with 143. A signal also ends `wait`: hence the loop.
trap 'kill -TERM "$run" 2>/dev/null || true' TERM
while true; do
  code=0
  wait "$run" || code=$?
  if ! kill -0 "$run" 2>/dev/null; then break; fi
done

if [ "$code" -eq 143 ] && [ -n "${SLURM_JOB_ID:-}" ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
