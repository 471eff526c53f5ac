#!/usr/bin/env bash
# Counts the instructions of the hot paths and compares them with tests/instructions/figures.txt. Expects scripts/env.sh.
set -euo pipefail

scripts/build.sh -- hansard-instructions
exec "${CARGO_TARGET_DIR:-target}/release/hansard-instructions" "$@"
