#!/usr/bin/env bash
# Measures what docs/performance.md quotes, and prints its tables: scripts/bench.sh HANSARD. Run it on a machine that does nothing else.
# SECONDS_EACH=10: of each load. LARGE=1: also a million rooms and ten million stored messages, which takes half an hour. BESIDE=: a
# command that measures another system; it is run between two standard loads, and what it says is printed.
set -euo pipefail

hansard=$1
seconds=${SECONDS_EACH:-10}
# On the real disk of the checkout: a file system in memory has nothing to sync.
data=$(mktemp -d "$PWD/bench.XXXXXX")
trap 'rm -rf "$data"' EXIT
report="$data/report"

# Runs a load to its end; a report that says that something was lost ends all.
load() {
    "$hansard" load "$@" --dev --data "$data" --output json >"$report" 2>"$data/said" || {
        cat "$report" "$data/said" >&2
        echo "bench: hansard load $* failed" >&2
        exit 1
    }
}

# One of its figures, by name, with so many digits behind the point.
figure() {
    local value
    value=$(grep -o "\"$1\":[0-9.e+-]*" "$report" | head -n 1)
    printf "%.${2:-1}f" "${value##*:}"
}

# Messages to a flush of a device, of all nodes together.
batch() {
    awk -v rate="$(figure rate)" -v fsyncs="$(figure fsyncs_per_second)" 'BEGIN { printf "%.1f", rate / fsyncs }'
}

append() {
    local what=$1
    shift
    load append --nodes 3 --routers 1 --bytes 200 --seconds "$seconds" "$@"
    echo "| $what | $(figure server_cpu_us_per_message) | $(figure client_cpu_us_per_message) | $(figure rate 0) |" \
        "$(figure ack_p50_ms 2) / $(figure ack_p99_ms 2) | $(figure written_bytes_per_message 0) | $(batch) |" \
        "$(figure lost 0), $(figure duplicated 0), $(figure reordered 0) |"
}

standard=(--rooms 64 --publishers 64 --inflight 32)
echo "| load | server CPU us per message | of the load itself | acked per second | p50 / p99 ms | bytes written per message | messages per flush | lost, doubled, reordered |"
echo "|---|---|---|---|---|---|---|---|"
append "standard: 64 rooms, 64 publishers, 32 in flight" "${standard[@]}"
if [ -n "${BESIDE:-}" ]; then
    beside=$(bash -c "$BESIDE" 2>&1) || beside="$beside (failed)"
    append "standard, again" "${standard[@]}"
fi
append "one publisher, one in flight" --rooms 1 --publishers 1 --inflight 1
append "48 shards" "${standard[@]}" --shards 48
if [ -n "${LARGE:-}" ]; then
    # The rows of what was stored are compacted once, when flushes follow: in the warm-up.
    append "beside 1,000,000 rooms" "${standard[@]}" --preload-rooms 1000000 --warmup 60
    append "beside 10,000,000 messages" "${standard[@]}" --preload-messages 10000000 --warmup 60
    append "standard, at the end" "${standard[@]}"
fi
if [ -n "${beside:-}" ]; then
    printf '\nBeside it:\n%s\n' "$beside"
fi

echo
echo "| load | figure |"
echo "|---|---|"
load history --rooms 64 --messages 5000 --seconds "$seconds"
echo "| pages of 100, 32 readers | $(figure pages_per_second 0) pages/s, p50 $(figure forwards_p50_ms) and p99 $(figure forwards_p99_ms) ms forwards, $(figure backwards_p50_ms) and $(figure backwards_p99_ms) ms backwards, server CPU $(figure server_cpu_us_per_page 0) us a page |"
load recovery --messages 1500000 --rate 2000 --seconds "$seconds"
echo "| a node that lost its disk | $(figure rate 0) messages/s; p99 of an ack $(figure before_ack_p99_ms 0) ms before, $(figure during_ack_p99_ms 0) ms during; lost $(figure lost 0) |"
load failover --kills 6
echo "| a killed leader's rooms are silent | p50 $(figure led_silence_p50_ms 0), p99 $(figure led_silence_p99_ms 0) ms; the others p50 $(figure other_silence_p50_ms 0), p99 $(figure other_silence_p99_ms 0) ms |"
