#!/bin/sh
# Builds the client, or what the arguments say, in .build-interop at the top; minutes, the first time. Nobody debugs it:
# without an index and debug information it is there sooner.
set -eu
cd "$(dirname "$0")"
exec swift build --scratch-path ../../../.build-interop --jobs 2 --disable-index-store -debug-info-format none "$@"
