#!/usr/bin/env bash
# Builds `hansard` with fail points under a name of its own, and fires all of them. Expects scripts/env.sh.
set -euo pipefail

release="${CARGO_TARGET_DIR:-target}/release"
# What is compiled is used as it is, but for the crates that have points: these are compiled anew and not optimised.
quick=()
for crate in cli node router storage; do
    quick+=(--config "profile.release.package.hansard-$crate.opt-level=0")
done
# First this one, then what ships: `hansard` is never left as a program with fail points.
scripts/build.sh "${quick[@]}" --features hansard-cli/failpoints -- hansard
ln -f "$release/hansard" "$release/hansard-with-failpoints"
scripts/build.sh -- hansard hansard-chaos hansard-failpoints
exec "$release/hansard-failpoints" --hansard "$release/hansard-with-failpoints" --chaos "$release/hansard-chaos"
