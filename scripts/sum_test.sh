#!/usr/bin/env bash
# Tests scripts/sum.awk.
set -euo pipefail
cd "$(dirname "$0")"

check() { # failed runs, expected line, expected status, text
    local said status=0
    said=$(printf '%s\n' "$4" | awk -v failed_runs="$1" -f sum.awk) || status=$?
    [ "$said" = "$2" ] && [ "$status" = "$3" ] || {
        echo "sum_test: expected '$2' and $3, got '$said' and $status for: $4" >&2
        exit 1
    }
}

good='test result: ok. 20 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'
bad='test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s'
check 0 "20 passed, 0 failed" 0 "$good"
check 0 "23 passed, 2 failed" 1 "$good"$'\n'"test a ... ok"$'\n'"$bad"
check 1 "23 passed, 2 failed" 1 "$good"$'\n'"$bad"
check 1 "20 passed, 1 failed" 1 "$good"
check 1 "0 passed, 1 failed" 1 "error: could not compile"
check 0 "21 passed, 1 failed" 1 "$good"$'\n'"step result: ok (lint)"$'\n'"step result: FAILED (deploy)"
check 0 "0 passed, 0 failed" 0 "I said: test result: ok. 9 passed; 0 failed"
