#!/usr/bin/env bash
# Runs the tests of every crate that has properties with CASES cases each, drawn by SEED. Expects scripts/env.sh.
set -euo pipefail

export PROPTEST_CASES=${CASES:-20000}
export PROPTEST_RNG_SEED=${SEED:-$((RANDOM << 15 | RANDOM))}

packages=()
for manifest in $(grep -l '^proptest' ./*/Cargo.toml ./tests/*/Cargo.toml); do
    packages+=(-p "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -1)")
done
echo "properties: CASES=$PROPTEST_CASES SEED=$PROPTEST_RNG_SEED"
cargo test --release --locked --no-fail-fast "${packages[@]}"
echo "properties cases=$PROPTEST_CASES seed=$PROPTEST_RNG_SEED failures=0"
