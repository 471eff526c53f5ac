#!/usr/bin/env bash
# Tests everything, goes on after a failure, and ends with the sum: "N passed, N failed". Expects scripts/env.sh.
set -uo pipefail

transcript=$(mktemp)
trap 'rm -f "$transcript"' EXIT

step() { # name, command
    local name=$1
    shift
    echo "== $name"
    if "$@" 2>&1; then
        echo "step result: ok ($name)"
    else
        echo "step result: FAILED ($name)"
    fi | tee -a "$transcript"
}

step "sum of results" scripts/sum_test.sh
step "protos" proto/lint.sh
step "manifests" deploy/k8s/validate.sh
step "lint" scripts/lint.sh

echo "== tests"
failed_runs=0
cargo test --release --locked --workspace --no-fail-fast 2>&1 | tee -a "$transcript" || failed_runs=1

# A timing would depend on what else the machine does; a count does not.
step "instructions" scripts/instructions.sh

# After the tests, which build the program under test: the two cores are its own then. One schedule: others are drawn by hand.
step "fail points" make --no-print-directory failpoints
step "chaos" make --no-print-directory chaos SEED=1795310942
step "chaos signals" scripts/chaos_signals.sh
awk -v failed_runs="$failed_runs" -f scripts/sum.awk "$transcript"
