#!/bin/sh
# Replaces the node pods one at a time, as `overlays/three-zone` needs after `kubectl apply -k` (its StatefulSets wait to be
# told). The next pod goes only when all are ready, and have been for a while: the same bar as a rolling update's.
#
#   deploy/k8s/roll.sh [--namespace hansard] [--settle 15]
set -eu

namespace=hansard
settle=15
selector=app.kubernetes.io/name=hansard,app.kubernetes.io/component=node

while [ $# -gt 0 ]; do
    case $1 in
    --namespace) namespace=$2 && shift 2 ;;
    --settle) settle=$2 && shift 2 ;;
    *) echo "usage: $0 [--namespace NAME] [--settle SECONDS]" >&2 && exit 2 ;;
    esac
done

k() {
    kubectl --namespace "$namespace" "$@"
}

wait_ready() {
    k wait pod --selector "$selector" --for=condition=Ready --timeout=15m
}

# The revision that a pod should have, by the StatefulSet that owns it.
wanted() {
    owner=$(k get pod "$1" --output 'jsonpath={.metadata.ownerReferences[0].name}')
    k get statefulset "$owner" --output 'jsonpath={.status.updateRevision}'
}

has() {
    k get pod "$1" --output 'jsonpath={.metadata.labels.controller-revision-hash}'
}

wait_ready
for pod in $(k get pods --selector "$selector" --output 'jsonpath={.items[*].metadata.name}'); do
    if [ "$(has "$pod")" = "$(wanted "$pod")" ]; then
        echo "$pod is up to date"
        continue
    fi
    before=$(k get pod "$pod" --output 'jsonpath={.metadata.uid}')
    echo "$pod: draining and replacing"
    k delete pod "$pod" --wait=true
    until after=$(k get pod "$pod" --output 'jsonpath={.metadata.uid}' 2>/dev/null) && [ "$after" != "$before" ]; do
        sleep 1
    done
    wait_ready
    sleep "$settle"
    wait_ready
done
echo "all nodes are up to date"
