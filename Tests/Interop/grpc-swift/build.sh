#!/bin/sh
# Builds the client, or what the arguments say, in .build-interop at the top; minutes, the first time.
set -eu
cd "$(dirname "$0")"
exec swift build --scratch-path ../../../.build-interop --jobs 2 "$@"
