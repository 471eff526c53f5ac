#!/usr/bin/env bash
# Formatting and clippy. Expects scripts/env.sh.
set -euo pipefail

cargo fmt --all --check || {
    echo "lint: run make fmt" >&2
    exit 1
}
RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/clippy.sh cargo build --release --locked --workspace --all-targets --keep-going
echo "lint: clean"
