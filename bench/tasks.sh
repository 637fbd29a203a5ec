#!/bin/sh
# tasks.sh [BIN [N [WORKERS]]] - `cohort bench tasks` over batches and windows.
# One line a run: rate, latency from submit to committed, CPU of all processes.
# Only figures of one run on one quiet machine compare.
set -eu
bin=${1:-build/release/bin}
n=${2:-1000000}
workers=${3:-2}

printf '%6s %7s %10s %9s %9s %8s\n' batch window tasks/s p50_ms p99_ms cpu_us
for window in 4096 16384; do
    for batch in 1 16 64 256; do
        "$bin/cohort" bench tasks -n "$n" --workers "$workers" \
            --batch "$batch" --window "$window" --json |
            sed -E 's/.*"tasks_per_s":([0-9]+).*"p50_ms":([0-9.]+).*"p99_ms":([0-9.]+).*"cpu_us_per_task":([0-9.]+).*/\1 \2 \3 \4/' |
            while read -r rate p50 p99 cpu; do
                printf '%6s %7s %10s %9s %9s %8s\n' \
                    "$batch" "$window" "$rate" "$p50" "$p99" "$cpu"
            done
    done
done
