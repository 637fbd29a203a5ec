#!/bin/sh
# rows.sh [BIN [N]] - `cohort bench rows` over numbers of workers.
# One line a run: rate, JSON, CPU of each program by row in microseconds, peak
# memory of each in MiB. CPU holds starting and the report at the end, so that
# few rows look dear. Only figures of one run on one quiet machine compare.
set -eu
bin=${1:-build/release/bin}
n=${2:-1000000}

# field JSON NAME: the number behind "NAME":, of the last object that has it.
field() {
    printf '%s\n' "$1" | sed -nE "s/.*\"$2\":([0-9.]+).*/\\1/p"
}

mib() {
    echo $(($(field "$1" "$2") / 1048576))
}

printf '%7s %8s %7s %7s %7s %7s %7s %7s %9s %9s %9s\n' workers rows/s MB/s \
    cpu_us work_us coord broker redis work_MiB coord_MiB redis_MiB
for workers in 1 2 3; do
    json=$("$bin/cohort" bench rows -n "$n" --workers "$workers" --json)
    cpu=${json#*cpu_us_by_process}
    cpu=${cpu%%\}*}
    rss=${json#*peak_rss_bytes}
    printf '%7s %8s %7.0f %7s %7s %7s %7s %7s %9s %9s %9s\n' "$workers" \
        "$(field "$json" rows_per_s)" "$(field "$json" mb_per_s)" \
        "$(field "$json" cpu_us_per_row)" "$(field "$cpu" workers)" \
        "$(field "$cpu" coordinator)" "$(field "$cpu" broker)" \
        "$(field "$cpu" redis)" "$(mib "$rss" worker)" \
        "$(mib "$rss" coordinator)" "$(mib "$rss" redis)"
done
