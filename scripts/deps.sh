#!/usr/bin/env bash
# Installs the system packages that are missing, and says so. What for: `build`, `test`, `bench`, or several.
set -euo pipefail

packages=()
want() { # command or file that shows that the package is there, package
    command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || packages+=("$2")
}
want_any() { # package, then files one of which shows that it is there
    local package=$1 file
    shift
    for file in "$@"; do
        [ -e "$file" ] && return
    done
    packages+=("$package")
}

for purpose in "$@"; do
    case $purpose in
    build)
        want cc gcc
        want c++ g++
        want make make
        # Reads RocksDB's header at build time.
        # Not libclang-cpp, which comes with the compiler alone.
        want_any libclang-dev /usr/lib/llvm-*/lib/libclang{,-[0-9]*}.so /usr/lib/*/libclang{,-[0-9]*}.so
        [ "${ROCKSDB:-system}" = bundled ] || want_any librocksdb-dev /usr/include/rocksdb/c.h
        ;;
    test)
        # The manifests' and the protos' validators come from PyPI and npm, into ~/.cache/hansard-tools.
        want npm npm
        want python3 python3
        python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
        want /bin/kill procps
        # What counts instructions.
        want valgrind valgrind
        # What chaos bends the machine with.
        want ip iproute2
        want nft nftables
        want strace strace
        want mkfs.ext4 e2fsprogs
        want mount mount
        want nsenter util-linux
        want_any libfaketime /usr/lib/*/faketime/libfaketimeMT.so.1
        ;;
    bench)
        want python3 python3
        ;;
    *)
        echo "scripts/deps.sh: no such purpose: $purpose" >&2
        exit 2
        ;;
    esac
done

command -v cargo >/dev/null || {
    echo "deps: there is no Rust toolchain; get one from https://rustup.rs" >&2
    exit 1
}
[ ${#packages[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "deps: missing: ${packages[*]} (names of Debian packages); install their like with your package manager" >&2
    exit 1
fi
root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps: missing: ${packages[*]}; as root: apt-get install --no-install-recommends ${packages[*]}" >&2
        exit 1
    }
    root=(sudo)
fi
echo "deps: installing ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
"${root[@]}" apt-get -qq update
"${root[@]}" apt-get -qq install --yes --no-install-recommends "${packages[@]}"
