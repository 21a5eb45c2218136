#!/bin/sh
# Writes Sources/Reflection/Descriptors.swift from the .proto files beside this script. Needs protoc (Debian:
# protobuf-compiler). Takes the path of the file to write; without one, writes the committed one.
set -eu
cd "$(dirname "$0")"
target=${1:-../Sources/Reflection/Descriptors.swift}
set=$(mktemp)
trap 'rm -f "$set"' EXIT

# Without --include_source_info: comments are for readers of the files, not for every client.
protoc --proto_path=. --descriptor_set_out="$set" \
    vencejo/v1/prediction.proto vencejo/v1/control.proto inference/inference.proto grpc/health/v1/health.proto \
    grpc/reflection/v1/reflection.proto grpc/reflection/v1alpha/reflection.proto

{
    echo '// Made by proto/generate.sh from the files in proto/: change those, then run it. proto/check.sh compares.'
    echo
    echo '/// A google.protobuf.FileDescriptorSet of all that we serve, in hexadecimal digits.'
    echo 'let descriptorSet: StaticString = """'
    od -An -v -tx1 "$set" | tr -d ' \n' | fold -w 110 | sed -e 's/^/    /' -e 's/$/\\/' -e '$s/\\$//'
    echo
    echo '    """'
} > "$target"
