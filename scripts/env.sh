# The build's environment; to be sourced.

# Link the distribution's RocksDB where there is one: building it takes longer than everything else together.
unset ROCKSDB_LIB_DIR ROCKSDB_INCLUDE_DIR
if [ "${ROCKSDB:-system}" != bundled ] && [ -f /usr/include/rocksdb/c.h ]; then
    for library in /usr/lib/*/librocksdb.so /usr/lib64/librocksdb.so /usr/lib/librocksdb.so; do
        if [ -e "$library" ]; then
            export ROCKSDB_LIB_DIR="${library%/*}" ROCKSDB_INCLUDE_DIR=/usr/include
            break
        fi
    done
fi

# CI throws its checkout away; what was compiled should outlive it.
if [ -n "${CI:-}" ] && [ -z "${CARGO_TARGET_DIR:-}" ]; then
    export CARGO_TARGET_DIR="$HOME/.cache/hansard-target"
fi
