#!/bin/sh
# Writes Sources/Generated from proto/. Needs protoc (Debian: protobuf-compiler); builds its two Swift plugins, which takes
# a minute. With --check it writes nothing and fails when proto/ has changed since.
set -eu
cd "$(dirname "$0")"
proto=../../../proto
files="vencejo/v1/prediction.proto inference/inference.proto"
made=$PWD/Sources/Generated

if [ "${1:-}" = --check ]; then
    (cd $proto && sha256sum --check --quiet "$made/proto.sha256") && exit
    echo "Tests/Interop/grpc-swift/Sources/Generated is older than proto/: run Tests/Interop/grpc-swift/generate.sh" >&2
    exit 1
fi

scratch=../../../.build-interop
for plugin in protoc-gen-swift protoc-gen-grpc-swift-2; do
    ./build.sh --product $plugin
done
protoc --proto_path=$proto \
    --plugin=$scratch/debug/protoc-gen-swift --swift_out="$made" --swift_opt=FileNaming=DropPath \
    --plugin=$scratch/debug/protoc-gen-grpc-swift-2 --grpc-swift-2_out="$made" \
    --grpc-swift-2_opt=FileNaming=DropPath,Server=false \
    $files
(cd $proto && sha256sum $files) > "$made/proto.sha256"
