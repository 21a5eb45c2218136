#!/bin/sh
# Writes Generated/ from proto/. Needs protoc (Debian: protobuf-compiler) and builds its two Swift plugins, which takes
# minutes. With --check it writes nothing and fails when proto/ has changed since.
set -eu
cd "$(dirname "$0")"
proto=../../proto
files="vencejo/v1/prediction.proto inference/inference.proto"
made=$PWD/Generated

if [ "${1:-}" = --check ]; then
    (cd $proto && sha256sum --check --quiet "$made/proto.sha256") && exit
    echo "agents/interop/Generated is older than proto/: run agents/interop/generate.sh" >&2
    exit 1
fi

scratch=../../.build-agents
for plugin in protoc-gen-swift protoc-gen-grpc-swift-2; do
    swift build --package-path .. --scratch-path $scratch --product $plugin
done
protoc --proto_path=$proto \
    --plugin=$scratch/debug/protoc-gen-swift --swift_out="$made" --swift_opt=FileNaming=DropPath \
    --plugin=$scratch/debug/protoc-gen-grpc-swift-2 --grpc-swift-2_out="$made" \
    --grpc-swift-2_opt=FileNaming=DropPath,Server=false \
    $files
(cd $proto && sha256sum $files) > "$made/proto.sha256"
