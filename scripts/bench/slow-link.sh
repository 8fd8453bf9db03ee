#!/usr/bin/env bash
# Milliseconds from the end of a TLS handshake to the first and to the last byte of 64 KiB, over a link of 1 Mbit/s and 100 ms
# there and back (netem, between network namespaces), with kernel TLS, in the lab.
#
# Usage: scripts/bench/slow-link.sh [LANE]      newest, which makes small records at first, or one that can't
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

if [[ ${1:-} != --inside ]]; then
    # shellcheck source-path=SCRIPTDIR source=../lib/packages.sh
    source "$repo/scripts/lib/packages.sh"
    need_packages curl openssl iproute2 ethtool
    swift build --package-path "$repo" -c release --product sluice >&2
    PATH=$PATH:/usr/sbin:/sbin
    with=(--with "$repo/.build/release/sluice" --with "$repo/scripts/bench/slow-link.sh")
    for program in dirname curl openssl ip tc ethtool head grep sleep seq; do with+=(--with "$program"); done
    exec "$repo/scripts/ktls-lab.sh" --lane "${1:-newest}" "${with[@]}" bash "$repo/scripts/bench/slow-link.sh" --inside
fi

cd /tmp
mkdir -p site /run/netns
head -c 65536 /dev/urandom >site/file
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out certificate -subj /CN=localhost \
    -days 2 2>/dev/null
ip netns add client
ip link add server type veth peer name client netns client
ip address add 10.0.0.1/24 dev server
ip -n client address add 10.0.0.2/24 dev client
ip link set server up
ip -n client link set client up
# Else netem would take 64 KiB for one packet.
ethtool -K server tso off gso off gro off
tc qdisc add dev server root netem rate 1mbit delay 50ms limit 1000
tc -n client qdisc add dev client root netem rate 1mbit delay 50ms limit 1000
"$repo/.build/release/sluice" serve site --host 10.0.0.1 --tls-only --cert certificate --key key --ktls require 2>log &
until grep -q listening log; do sleep 0.1; done
for _ in $(seq 5); do
    ip netns exec client curl -sSk -o /dev/null -w '%{time_appconnect} %{time_starttransfer} %{time_total}\n' \
        https://10.0.0.1:8443/file
done | while read -r handshake first last; do
    ms() { printf '%d' "$((10#${1/./} / 1000 - 10#${handshake/./} / 1000))"; }
    printf 'first byte after %s ms, last byte after %s ms\n' "$(ms "$first")" "$(ms "$last")"
done
kill %1
