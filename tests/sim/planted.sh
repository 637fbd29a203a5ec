#!/bin/sh
# Each planted bug must be found within its number of seeds. The one that found
# it last is tried first; where it does not any more, the story of that seed has
# changed, and all are tried.
set -eu
sim=$1
failed=0
"$sim" --seeds 1..20 >/dev/null || {
    echo "the build with planted bugs fails with none of them on"
    exit 1
}
list=$("$sim" --list-bugs)
hunt() {
    out=$("$sim" --bug "$1" --profile "$2" --seeds "$3") && return 1
    return 0
}
while read -r name profile seeds first; do
    { [ "$first" -gt 0 ] && hunt "$name" "$profile" "$first..$first"; } ||
        hunt "$name" "$profile" "1..$seeds" || {
        echo "$name: NOT found within $seeds seeds"
        failed=1
        continue
    }
    echo "$name: $(echo "$out" | grep '^FAILED' || echo "crashed")"
done <<END
$list
END
exit $failed
