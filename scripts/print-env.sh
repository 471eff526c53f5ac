#!/usr/bin/env bash
# Prints what scripts/env.sh set, as shell lines.
set -euo pipefail

for name in ROCKSDB_LIB_DIR ROCKSDB_INCLUDE_DIR CARGO_TARGET_DIR; do
    if [ -n "${!name:-}" ]; then
        printf 'export %s=%q\n' "$name" "${!name}"
    else
        echo "unset $name"
    fi
done
