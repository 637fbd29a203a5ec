#!/bin/sh
# tasks.sh [BIN [N [WORKERS]]] - `cohort bench tasks` over batches and windows.
# tasks.sh --workers "1 2 4 8 16" [BIN [N]] - over numbers of workers, without
# keys and with CURVE beside it.
# One line a run: rate, latency from submit to committed, CPU of all processes.
# Only figures of one run on one quiet machine compare.
set -eu

# bench OPTIONS: "tasks_per_s p50_ms p99_ms cpu_us" of one run.
bench() {
    "$bin/cohort" bench tasks "$@" --json |
        sed -E 's/.*"tasks_per_s":([0-9]+).*"p50_ms":([0-9.]+).*"p99_ms":([0-9.]+).*"cpu_us_per_task":([0-9.]+).*/\1 \2 \3 \4/'
}

over_workers() {
    printf '%7s %5s %10s %9s %9s %8s\n' workers curve tasks/s p50_ms p99_ms cpu_us
    for workers in $1; do
        for curve in no yes; do
            option=
            [ $curve = no ] || option=--curve
            # shellcheck disable=SC2086 # empty means none
            bench -n "$n" --workers "$workers" $option |
                while read -r rate p50 p99 cpu; do
                    printf '%7s %5s %10s %9s %9s %8s\n' \
                        "$workers" "$curve" "$rate" "$p50" "$p99" "$cpu"
                done
        done
    done
}

over_batches() {
    printf '%6s %7s %10s %9s %9s %8s\n' batch window tasks/s p50_ms p99_ms cpu_us
    for window in 4096 16384; do
        for batch in 1 16 64 256; do
            bench -n "$n" --workers "$1" --batch "$batch" --window "$window" |
                while read -r rate p50 p99 cpu; do
                    printf '%6s %7s %10s %9s %9s %8s\n' \
                        "$batch" "$window" "$rate" "$p50" "$p99" "$cpu"
                done
        done
    done
}

series=
if [ "${1:-}" = --workers ]; then
    series=${2:?"--workers \"1 2 4\""}
    shift 2
fi
bin=${1:-build/release/bin}
n=${2:-1000000}
if [ -n "$series" ]; then
    over_workers "$series"
else
    over_batches "${3:-2}"
fi
