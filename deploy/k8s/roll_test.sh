#!/bin/sh
# roll.sh takes one pod at a time and skips those that are up to date, shown with a kubectl of our own that keeps three pods
# in files, one of them new already, and refuses to delete one while another is not ready.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT INT TERM
mkdir "$state/bin" "$state/pods"
for zone in a b c; do
    echo "old uid-$zone-1 ready" >"$state/pods/hansard-node-$zone-0"
done
echo "new uid-b-1 ready" >"$state/pods/hansard-node-b-0"

cat >"$state/bin/kubectl" <<'STUB'
#!/bin/sh
set -eu
[ "$1 $2" = "--namespace test" ] || exit 64
shift 2
case "$1 $2" in
"wait pod")
    # A pod that was replaced becomes ready when somebody waits for it.
    for pod in "$STATE"/pods/*; do sed -i 's/starting/ready/' "$pod"; done ;;
"get pods") echo "hansard-node-a-0 hansard-node-b-0 hansard-node-c-0" ;;
"get pod")
    read -r revision uid _ <"$STATE/pods/$3"
    case $5 in
    *uid*) echo "$uid" ;;
    *ownerReferences*) echo "${3%-0}" ;;
    *revision-hash*) echo "$revision" ;;
    esac ;;
"get statefulset") echo new ;;
"delete pod")
    grep -q starting "$STATE"/pods/* && { echo "two at a time" >>"$STATE/faults"; exit 1; }
    echo "$3" >>"$STATE/deleted"
    echo "new uid-$3-2 starting" >"$STATE/pods/$3" ;;
*) exit 64 ;;
esac
STUB
chmod +x "$state/bin/kubectl"

STATE=$state PATH=$state/bin:$PATH "$here/roll.sh" --namespace test --settle 0 >"$state/log" || {
    cat "$state/log" >&2
    echo "roll_test.sh: roll.sh failed" >&2
    exit 1
}
[ "$(tr '\n' ' ' <"$state/deleted")" = "hansard-node-a-0 hansard-node-c-0 " ] || {
    echo "roll_test.sh: it replaced $(cat "$state/deleted")" >&2
    exit 1
}
[ ! -f "$state/faults" ] || { echo "roll_test.sh: it took two pods at a time" >&2 && exit 1; }
STATE=$state PATH=$state/bin:$PATH "$here/roll.sh" --namespace test --settle 0 | grep -q "hansard-node-a-0 is up to date" || {
    echo "roll_test.sh: a second run is not a no-op" >&2
    exit 1
}
