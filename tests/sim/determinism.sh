#!/bin/sh
# The same seeds twice give the same hashes of everything that happened.
set -eu
sim=$1
for profile in calm crash net disk all paid writers batches; do
    one=$("$sim" --seeds 1..12 --profile "$profile" --hash)
    two=$("$sim" --seeds 1..12 --profile "$profile" --hash)
    [ "$one" = "$two" ] || {
        echo "profile $profile: two runs of the same seeds differ"
        exit 1
    }
done
echo "96 seeds, each twice: the same"
