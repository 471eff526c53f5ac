#!/bin/sh
# Lints the .proto files with buf, and checks them against the committed descriptors for breaking changes.
# buf comes from npm into ~/.cache/hansard-tools once; after that this works offline.
set -eu

VERSION=1.75.0
here=$(cd "$(dirname "$0")" && pwd)
tools=${HANSARD_TOOLS:-$HOME/.cache/hansard-tools}
buf=$tools/buf-$VERSION/node_modules/.bin/buf

if [ ! -x "$buf" ]; then
    command -v npm >/dev/null || {
        echo "proto/lint.sh: npm is missing; install it with: apt-get install --no-install-recommends nodejs npm" >&2
        exit 1
    }
    mkdir -p "$tools/buf-$VERSION"
    npm install --prefix "$tools/buf-$VERSION" --no-audit --no-fund --loglevel=error "@bufbuild/buf@$VERSION" >&2
fi

cd "$here"
"$buf" lint
"$buf" breaking --against "src/gen/descriptors.bin#format=binpb"
echo "proto: lint clean, no breaking change"
