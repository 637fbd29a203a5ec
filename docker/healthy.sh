#!/bin/sh
# healthy.sh [PID] - does the Cohort program of this container serve? For the
# HEALTHCHECK of the image and the probes of docker/k8s. PID is 1 in a container.
#
# It looks at /proc and connects to nothing: a probe that opened the broker's
# sockets would count as a bad handshake every few seconds. What it sees:
#   any program   the process is there and not stopped (SIGSTOP)
#   broker        both of its sockets listen
#   coordinator   the socket for `cohort submit` listens
# Whether work gets done is another question: `cohort why`, /metrics.
set -eu
pid=${1:-1}
fail() { printf 'unhealthy: %s\n' "$*"; exit 1; }

[ -r "/proc/$pid/stat" ] || fail "there is no process $pid"
stat=$(cat "/proc/$pid/stat")
name=${stat#*(}
name=${name%%)*} # the kernel keeps 15 bytes of it
state=${stat##*) }
state=${state%% *}
case $state in [TtZX]) fail "$name is in state $state" ;; esac

# How many listening sockets the process has: TCP state 0A, or the flag of
# listening unix sockets, whose inode is one of its descriptors.
listening() {
    {
        for fd in "/proc/$pid/fd"/*; do
            readlink "$fd" 2>/dev/null || true
        done | sed -n 's/^socket:\[\([0-9]*\)\]$/mine \1/p'
        cat "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" "/proc/$pid/net/unix" \
            2>/dev/null || true
    } | awk '
        $1 == "mine" { ours[$2] = 1; next }
        $4 == "0A" && ($10 in ours) { n++ }
        $4 == "00010000" && ($7 in ours) { n++ }
        END { print n + 0 }'
}
case $name in
cohort-broker) wanted=2 ;;
cohort-coordina*) wanted=1 ;;
cohort-worker | cohort-scaler | cohort) wanted=0 ;;
*) fail "process $pid is $name, no program of Cohort" ;;
esac
found=$(listening)
[ "$found" -ge "$wanted" ] || fail "$name listens on $found of $wanted sockets"
echo healthy
