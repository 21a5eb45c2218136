#!/usr/bin/env bash
# Serves the sample models on 127.0.0.1:8001, and keeps their audit log beside: what `make serve` does. Keys are made once.
set -euo pipefail
cd "$(dirname "$0")/../.."
vencejo=${VENCEJO_BIN:-.build/release/vencejo}
audit=${VENCEJO_AUDIT_BIN:-.build-agents/release/vencejo-audit}
place=.build/audit
ring=/dev/shm/vencejo-audit-$UID

mkdir -p $place
for purpose in audit checkpoint subject-store subject-index; do
    [ -e $place/keys/$purpose ] || { mkdir -p $place/keys && $vencejo key generate --ring $place/keys/$purpose --purpose $purpose > /dev/null; }
done
# Ctrl-C is for the server alone: the agent writes what is left when that has ended.
setsid $audit run --log $place/log --ring $ring --keys $place/keys --deployment local --anchor $place/anchors.jsonl \
    --metrics-page $ring.metrics \
    > /dev/null 2>> $place/agent.log &
agent=$!
trap 'kill $agent 2> /dev/null; wait $agent || true' EXIT
echo; sed 's/^/    /' Tests/Demo/calls.txt; echo
$vencejo serve --repository Tests/Fixtures/models --control 127.0.0.1:8002 --state .build/state.json --audit-ring $ring "$@" &
server=$!
# A terminal sends SIGINT to the server as well.
trap : INT
trap 'kill -TERM $server 2> /dev/null' TERM
wait $server || wait $server
