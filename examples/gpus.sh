#!/usr/bin/env bash
# A study on several GPUs of this machine: a Dask worker for each, and the run that feeds them.
#
#   examples/gpus.sh 0,1,2,3 mine.toml study/mine
#
# Ctrl-C stops it; the same command goes on from the last finished tile.
set -euo pipefail

if [ $# -lt 3 ]; then
  echo "usage: $0 GPU[,GPU...] PRESET_OR_FILE DIR [option of chaotrain run]..." >&2
  exit 2
fi
IFS=, read -ra gpus <<<"$1"
source=$2 out=$3
shift 3

scratch=$(mktemp -d)
scheduler=$scratch/scheduler.json
started=()

stop() {
  [ ${#started[@]} -eq 0 ] || kill -TERM "${started[@]}" 2>/dev/null || true
  wait || true
  rm -rf "$scratch"
}
trap stop EXIT

# Dask has workers give memory back at every step, which makes a tile a tenth slower: leave that out.
export DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON='{"MALLOC_TRIM_THRESHOLD_": None}'
# In sessions of their own, so that Ctrl-C reaches the run alone, which is to store what it has.
setsid dask scheduler --host 127.0.0.1 --port 0 --no-dashboard --scheduler-file "$scheduler" &
started+=($!)
for gpu in "${gpus[@]}"; do
  # The one device that this worker sees is the one that JAX computes on.
  CUDA_VISIBLE_DEVICES=$gpu setsid dask worker --scheduler-file "$scheduler" --nthreads 1 \
    --memory-limit 0 --no-dashboard --local-directory "$scratch" --death-timeout 60 &
  started+=($!)
done

for _ in {1..600}; do
  if [ -s "$scheduler" ]; then break; fi
  sleep 0.1
done

# What feeds the workers computes no tile; on a GPU it would take memory from one of them.
JAX_PLATFORMS=cpu chaotrain run "$source" --out "$out" --dask "$scheduler" "$@"
