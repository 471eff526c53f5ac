#!/usr/bin/env bash
# Builds programs of the workspace: scripts/build.sh [OPTION OF CARGO …] -- PROGRAM…. Dependencies get the features that the whole workspace
# asks for, its tests included, so that what `cargo test --workspace` has compiled is used, and the other way round. Expects scripts/env.sh.
set -euo pipefail

options=()
while [ "$1" != -- ]; do
    options+=("$1")
    shift
done
shift
# One small test among what is built brings in what the tests ask for.
exec cargo build --release --locked --workspace --test tidy "${options[@]}" "${@/#/--bin=}"
