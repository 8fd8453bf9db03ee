#!/usr/bin/env bash
# Measures sluice beside the floor (the least that a C loop can do) and, with --peers, beside nginx, lighttpd and h2o:
# installs what is missing, builds, and writes report.md, report.json and chart.svg.
#
# Usage: scripts/bench.sh [--quick] [--peers] [--lab [--lane LANE] [--idle] | --files] [--rounds N] [--out DIR]
#
#   --quick     about two minutes instead of twelve (with --peers: three instead of thirty). Without the large working
#               set, unless with --files
#   --peers     also nginx, lighttpd and h2o from Debian's packages
#   --lab       in the lab (ktls-lab.sh), in instruction time: compares plaintext, kernel TLS and user TLS on one
#               kernel, to about 2 %, whatever else the machine does. Five to fifteen minutes. With --peers: nginx, too
#   --lane LANE with --lab: kernel, OpenSSL and nginx of a lane (bookworm, trixie, newest; see lib/lanes.sh)
#   --idle      with --lab: only the memory of 1,000 and of 8,000 idle connections, not in instruction time
#   --files     only the large working set: 20,000 files, uniform and skewed, names that don't exist, and a crawler;
#               and a slow disk (FUSE: as root). Three minutes; with --peers (nginx with and without open_file_cache,
#               lighttpd, h2o) six, with --quick less
#   --rounds N  how often every case is measured; the report has the medians (default: 3; --quick 2; --lab 1)
#   --out DIR   where the report goes (default: bench-report at the top of the repository)
#
# Without --lab the figures are times: leave the machine alone meanwhile. Kernel TLS is measured where this kernel has
# it. Exit status: 0, or 1 if a server sent wrong bytes or a measurement failed; targets that are missed change nothing.
#
# Environment:
#   SLUICE_LAB_TIMEOUT  seconds for the lab (default here: 3600)
#   SLUICE_CACHE        see lib/packages.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/packages.sh"
# shellcheck source=lib/lanes.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/lanes.sh"

repo=$(repo_root)
peers='' lab='' lane='' idle='' files='' with=() out=$repo/bench-report plan=(--command "scripts/bench.sh${*:+ $*}")

while (($#)); do
    case $1 in
    --quick) plan+=(--quick) ;;
    --peers) peers=yes ;;
    --lab) lab=yes ;;
    --idle)
        idle=yes
        plan+=(--idle)
        ;;
    --lane)
        lane=${2:-}
        lane_suites "$lane" >/dev/null
        shift
        ;;
    --files)
        files=yes
        plan+=(--files)
        ;;
    --rounds)
        [[ ${2:-} =~ ^[1-9][0-9]?$ ]] || die "--rounds needs a number from 1 to 99"
        plan+=(--rounds "$2")
        shift
        ;;
    --out)
        (($# > 1)) || die "--out needs a folder: --out DIR"
        out=$2
        shift
        ;;
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        exit
        ;;
    *) die "unknown argument '$1': see --help" ;;
    esac
    shift
done

[[ ! $lane$idle || $lab ]] || die "--lane and --idle are for --lab"
[[ ! $lab || ! $files ]] || die "--files measures times, --lab instructions: one of them"

install_peers() {
    local -a wanted=() services=()
    # Somebody's own nginx may come from another package than ours, so the program counts.
    PATH=$PATH:/usr/sbin command -v nginx >/dev/null || wanted+=(nginx-light) services+=(nginx)
    PATH=$PATH:/usr/sbin command -v lighttpd >/dev/null || services+=(lighttpd)
    command -v h2o >/dev/null || services+=(h2o)
    wanted+=(lighttpd lighttpd-mod-openssl h2o)
    need_servers "${services[*]}" "${wanted[@]}"
}

require_swift
need_packages wrk gcc libc6-dev libssl-dev libcrypt-dev openssl pkg-config python3 curl strace valgrind
# Its counters are shown where the machine has them; the benchmark does without.
command -v perf >/dev/null || ! apt-cache show linux-perf >/dev/null 2>&1 || need_packages linux-perf
if [[ $peers ]]; then
    # A lane has an nginx of its own.
    [[ $lane ]] || install_peers
    plan+=(--peers)
fi

swift build --package-path "$repo" -c release --product sluice >&2
tools=$(cache_dir)/bench
mkdir -p "$tools" "$out"
out=$(cd "$out" && pwd -P)
for tool in floor connections; do
    gcc -std=gnu11 -O2 -Wall -Wextra -pthread -o "$tools/$tool" "$repo/scripts/bench/$tool.c" -lssl -lcrypto
done
gcc -std=gnu11 -O2 -Wall -Wextra -o "$tools/slow-disk" "$repo/Tests/SlowDisk/main.c"
"$repo/scripts/certs.sh" --out "$tools" >/dev/null 2>&1 || die "scripts/certs.sh failed: run it to see why"

commit=$(git -C "$repo" rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -z $(git -C "$repo" status --porcelain -- Sources Package.swift 2>/dev/null) ]] || commit+=' with local changes'
plan+=(--commit "$commit" --sluice "$repo/.build/release/sluice" --tools "$tools")

# Debian's Python, not another that may be first on PATH: the lab sees this machine's files, slowly.
rm -f "$out"/report.json "$out"/report.md "$out"/chart.svg
bench=(/usr/bin/python3 -B "$repo/scripts/bench/bench.py" "${plan[@]}")
if [[ $lane ]]; then
    python=$(realpath /usr/bin/python3)
    programs=(/usr/bin/python3 "/usr/lib/${python##*/}" "$repo/scripts/bench" "$tools" "$repo/.build/release/sluice")
    for program in "${programs[@]}" "$tools"/{floor,connections} wrk openssl curl; do with+=(--with "$program"); done
    SLUICE_LAB_ICOUNT=${idle:-1} SLUICE_LAB_TIMEOUT=${SLUICE_LAB_TIMEOUT:-3600} \
        "$repo/scripts/ktls-lab.sh" --lane "$lane" "${with[@]}" "${bench[@]}" --lab >"$out/report.json"
elif [[ $lab ]]; then
    SLUICE_LAB_FORCE=1 SLUICE_LAB_ICOUNT=${idle:-1} SLUICE_LAB_OUT=$out SLUICE_LAB_TIMEOUT=${SLUICE_LAB_TIMEOUT:-3600} \
        "$repo/scripts/ktls-lab.sh" "${bench[@]}" --lab --out "$out"
else
    "${bench[@]}" --out "$out"
fi
/usr/bin/python3 -B "$repo/scripts/bench/report.py" "$out"
