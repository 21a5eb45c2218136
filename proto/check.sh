#!/bin/sh
# Fails when Sources/Reflection/Descriptors.swift is not what proto/generate.sh makes of the .proto files.
set -eu
cd "$(dirname "$0")"
made=$(mktemp)
trap 'rm -f "$made"' EXIT
./generate.sh "$made"
if ! cmp -s "$made" ../Sources/Reflection/Descriptors.swift; then
    echo "Sources/Reflection/Descriptors.swift is older than proto/: run proto/generate.sh and commit what it writes" >&2
    exit 1
fi
