#!/usr/bin/env bash
# Cargo's RUSTC_WORKSPACE_WRAPPER for lints: clippy in the place of rustc for our own crates. The compiled dependencies of
# the release profile are used as they are, and our crates are not optimised, programs not even linked.
set -euo pipefail

link=yes
previous=
arguments=()
for argument in "$@"; do
    case "$previous $argument" in
    "--crate-type bin" | *" --test") link=no ;;
    "--crate-name build_script_build") exec "$@" ;;
    esac
    previous=$argument
    arguments+=("$argument")
done
if [ "$link" = no ]; then
    for index in "${!arguments[@]}"; do
        case "${arguments[$index]}" in
        --emit=*) arguments[index]=--emit=dep-info,metadata ;;
        esac
    done
fi
exec clippy-driver "${arguments[@]}" -C opt-level=0 -D warnings
