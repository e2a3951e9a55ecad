#!/bin/sh
# The emulated link (runtime/link) beside the kernel's own token bucket (tbf)
# between two network namespaces: the same sender and receiver, limited by one or
# the other. Needs root, ip and tc (iproute2), and a kernel with veth and sch_tbf.
# usage: linkcheck.sh [NETWORK=RATE...]     RATE as tc writes it (default: the paper's Table 3)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- 3g=1100kbit 4g=5850kbit wifi=18880kbit
[ "$(id -u)" = 0 ] || { echo "linkcheck.sh: needs root, for network namespaces" >&2; exit 1; }
for tool in ip tc; do
	command -v $tool >/dev/null || { echo "linkcheck.sh: $tool is missing (Debian: iproute2)" >&2; exit 1; }
done

near=bnc-near-$$ far=bnc-far-$$
work=$(mktemp -d)
clean() {
	ip netns del "$near" 2>/dev/null || true
	ip netns del "$far" 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM
"${GO:-go}" build -C "$root" -o "$work/linkcheck" ./tools/linkcheck

ip netns add "$near"
ip netns add "$far"
ip link add eth0 netns "$near" type veth peer name eth0 netns "$far"
# Frames as on a real network: no segments that only the kernel sees.
ip -n "$near" link set eth0 gso_max_segs 1
ip -n "$near" addr add 10.99.0.1/24 dev eth0
ip -n "$far" addr add 10.99.0.2/24 dev eth0
ip -n "$near" link set eth0 up
ip -n "$far" link set eth0 up

# measure [NETWORK]: bit/s that arrive, without and with headers
measure() {
	ip netns exec "$far" "$work/linkcheck" receive 10.99.0.2:9 eth0 2s "${SECONDS_EACH:-10}s" >"$work/rates" &
	receiver=$!
	until [ -n "$(ip netns exec "$far" ss -Hltn sport = 9)" ]; do
		kill -0 $receiver || return 1
	done
	ip netns exec "$near" "$work/linkcheck" send 10.99.0.2:9 "$@"
	wait $receiver
}

# The kernel's bucket counts frames with their headers, the link what they carry:
# compared is what each counts. The bucket is deep enough for a busy machine to
# keep up with the rate; it is empty before measuring begins.
printf '%-6s %12s %14s %14s %14s %12s\n' network rate kernel "(payload)" link link/kernel
worst=0
for pair in "$@"; do
	name=${pair%%=*} rate=${pair#*=}
	tc -n "$near" qdisc add dev eth0 root tbf rate "$rate" burst 64kb latency 400ms
	measure
	read -r payload kernel <"$work/rates"
	tc -n "$near" qdisc del dev eth0 root
	measure "$name"
	read -r link rest <"$work/rates"
	awk -v n="$name" -v r="$rate" -v k="$kernel" -v p="$payload" -v l="$link" 'BEGIN {
		printf "%-6s %12s %9.3f Mbit %9.3f Mbit %9.3f Mbit %12.4f\n", n, r, k/1e6, p/1e6, l/1e6, l/k
		exit !(l/k > 0.95 && l/k < 1.05)
	}' || worst=1
done
[ $worst = 0 ] || { echo "linkcheck.sh: more than 5% apart" >&2; exit 1; }
