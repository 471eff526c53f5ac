#!/usr/bin/env bash
# Interrupts runs of hansard-chaos as Ctrl-C does: one signal ends the faults early and gives a verdict, a second one drops the run, and
# neither leaves anything on the machine. Needs root, and what `make chaos` builds. Expects scripts/env.sh.
set -euo pipefail

release="${CARGO_TARGET_DIR:-target}/release"
# Seconds, far beyond what it takes: for the cluster to serve and a fault to be installed; for a run to heal, check and end.
to_say=180 to_end=120
directory=$(mktemp -d /var/tmp/hansard-chaos-signals.XXXXXX)
run=
trap '[ -z "$run" ] || kill -KILL "$run" 2>/dev/null; rm -rf "$directory"' EXIT

fail() {
    echo "chaos_signals: $1; the run said:" >&2
    tail -n 30 "$directory/said" >&2
    exit 1
}

# Waits until the run says so, or has ended without.
says() {
    timeout "$to_say" grep -q -m 1 -e "$1" <(tail -n +1 -s 0.1 --pid="$run" -f "$directory/said") || fail "nothing was said of \"$1\""
}

# Starts a run of these kinds of faults that would go on for an hour, and waits for the first. It leads a group of processes, as under a
# terminal.
begin() { # kinds
    : >"$directory/said"
    CHAOS_DIR="$directory/run" setsid "$release/hansard-chaos" run --hansard "$release/hansard" \
        --minutes 60 --drills 0 --seed 1 --only "$1" >"$directory/said" 2>&1 &
    run=$!
    says ': Installed('
}

# Ctrl-C reaches all that runs under the terminal.
interrupt() {
    kill -INT -- "-$run"
}

# Waits for the end; the run's status.
ends() {
    local status=0
    timeout "$to_end" tail -s 0.1 --pid="$run" -f /dev/null || fail "the run goes on"
    wait "$run" || status=$?
    run=
    [ -z "$(ip netns list | grep '^hchaos-')" ] || fail "there are namespaces left"
    ! grep -q "$directory" /proc/mounts || fail "there are mounts left"
    [ -z "$(compgen -G '/sys/fs/cgroup/*/hchaos')" ] || fail "there are control groups left"
    return "$status"
}

# A node that stood still on would keep replicas from becoming equal.
begin freeze,cpu
interrupt
ends || fail "the run was ended early and failed"
tail -n 1 "$directory/said" | grep -Eq '^chaos acked=[1-9][0-9]* faults_installed=[1-9][0-9]*/[0-9]+ skipped=0 lost=0 doubled=0 reordered=0 phantom=0$' ||
    fail "there is no verdict"

begin pause,kill
interrupt
says 'all faults are healed'
interrupt
status=0
ends || status=$?
[ "$status" = 1 ] || fail "the run was dropped and ended with $status"
grep -q 'interrupted' "$directory/said" || fail "the run does not say that it was interrupted"
echo "chaos_signals: one signal gives a verdict, two drop the run"
