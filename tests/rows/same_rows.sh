#!/usr/bin/env bash
# same_rows.sh - rows must be the same bytes whatever compiled and runs them.
#
#     tests/rows/same_rows.sh [ROWS]        3000 rows by default
#
# Builds tools/print_rows.c with gcc -O0, gcc -O2, clang -O3 and, for arm64, a
# cross compiler, and compares the SHA-256 of what they print. arm64 runs under
# qemu-user, with libraries of the same Debian release that are fetched into
# build/arm64; it is left out, and said so, where compiler, emulator or archive
# are missing. The last line is `same rows: N builds`, or the exit code is 1.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
rows=${1:-3000}
out=$PWD/build/rows
arm=$PWD/build/arm64
lib=usr/lib/aarch64-linux-gnu
mkdir -p "$out"

# No floats decide rows; the flag keeps those of the report alike too.
flags=(-std=gnu17 -I. -ffp-contract=off -ffunction-sections -fdata-sections
    -Wl,--gc-sections '-DCOHORT_VERSION="0"')
sources=(tools/print_rows.c {population,prose,audit,rows}/*.c llm/{pull,shape,shape_check}.c
    common/{buf,bytes,clock,err,fs,hash,json,log,table,utf8}.c proto/walk.c)
libs=(-lmsgpackc -ljansson -lzstd -lxxhash -lz -lm)

# compile NAME COMPILER FLAGS...
compile() {
    local name=$1
    shift
    "$@" "${flags[@]}" "${sources[@]}" -o "$out/$name" "${more[@]}" "${libs[@]}"
}

builds=0
first=
# same NAME COMMAND...: what it prints must hash as what the first one printed.
same() {
    local name=$1 sum
    shift
    sum=$("$@" data/us.model 42 "$rows" | sha256sum)
    printf '%-16s %s\n' "$name" "${sum%% *}"
    first=${first:-$sum}
    if [ "$sum" != "$first" ]; then
        echo "same_rows: $name prints other rows than the first build" >&2
        exit 1
    fi
    builds=$((builds + 1))
}

# arm64's libraries, without touching this machine's package state.
fetch_arm64() {
    [ ! -e "$arm/root/$lib/libjansson.a" ] || return 0
    command -v apt-get >/dev/null || return 1
    mkdir -p "$arm"/{state/lists/partial,cache/archives/partial,root}
    cat >"$arm/apt.conf" <<EOF
APT::Architectures { "$(dpkg --print-architecture)"; "arm64"; };
Dir::State "$arm/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$arm/cache";
EOF
    (cd "$arm" && export APT_CONFIG=$arm/apt.conf && apt-get update -q &&
        apt-get download -q {libjansson-dev,libzstd-dev,libxxhash-dev,zlib1g-dev,libmsgpack-dev,libmsgpackc2}:arm64 &&
        for deb in *.deb; do dpkg-deb -x "$deb" root; done) >"$arm/log" 2>&1
}

more=()
compile gcc-O0 gcc -O0
same "gcc -O0" "$out/gcc-O0"
compile gcc-O2 gcc -O2
same "gcc -O2" "$out/gcc-O2"
if command -v clang >/dev/null; then
    compile clang-O3 clang -O3
    same "clang -O3" "$out/clang-O3"
else
    echo "skipped: clang is not installed (package clang)"
fi
if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    echo "skipped: arm64 needs the packages gcc-aarch64-linux-gnu and qemu-user"
elif ! fetch_arm64; then
    echo "skipped: arm64's libraries cannot be fetched ($arm/log)"
else
    more=(-static "-L$arm/root/$lib" -isystem "$arm/root/usr/include"
        -isystem "$arm/root/usr/include/aarch64-linux-gnu")
    compile arm64 aarch64-linux-gnu-gcc -O2
    same "arm64, qemu" qemu-aarch64 "$out/arm64"
fi
echo "same rows: $builds builds"
