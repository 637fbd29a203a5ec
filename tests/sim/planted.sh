#!/bin/sh
# Each planted bug must be found within its number of seeds.
set -eu
sim=$1
failed=0
"$sim" --seeds 1..20 >/dev/null || {
    echo "the build with planted bugs fails with none of them on"
    exit 1
}
list=$("$sim" --list-bugs)
while read -r name profile seeds; do
    out=$("$sim" --bug "$name" --seeds "1..$seeds" --profile "$profile") && {
        echo "$name: NOT found within $seeds seeds"
        failed=1
        continue
    }
    echo "$name: $(echo "$out" | grep '^FAILED' || echo "crashed")"
done <<END
$list
END
exit $failed
