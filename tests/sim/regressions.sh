#!/bin/sh
# Runs the seeds that found something once: "seed profile what", one a line.
set -eu
sim=$1
failed=0
while read -r seed profile what; do
    case "$seed" in '#'* | '') continue ;; esac
    "$sim" --seeds "$seed..$seed" --profile "$profile" >/dev/null || {
        echo "seed $seed, profile $profile: is back: $what"
        failed=1
    }
done <"$2"
exit $failed
