"""Rules of ours over built manifests that a schema does not know. Each finding says what to do."""

import pathlib
import re
import sys

import yaml

SERVE = pathlib.Path(__file__).parents[2] / "cli/src/serve"
PORTS = {"node": {"rpc", "health"}, "router": {"grpc", "ws", "health"}}


def settings(role):
    """The environment variables that `hansard node` or `hansard router` takes; it refuses all others."""
    keys = re.findall(r'Key::new\("(\w+)"', (SERVE / f"{role}.rs").read_text(encoding="utf-8"))
    assert len(keys) > 10, f"{SERVE}/{role}.rs does not list its settings as it used to"
    # A table, which only a file can hold.
    return {f"HANSARD_{key.upper()}" for key in keys} - {"HANSARD_RATES"}


def pods(documents):
    for document in documents:
        if document["kind"] in ("StatefulSet", "Deployment"):
            yield document, document["spec"]["template"]["spec"]


def named(documents, kind):
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def check_pod(owner, spec, configs, accounts):
    """One StatefulSet or Deployment."""
    name = f"{owner['kind']} {owner['metadata']['name']}"
    if spec.get("enableServiceLinks") is not False:
        yield f"{name}: set enableServiceLinks to false, else Services look like HANSARD_ settings"
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{name}: no pod of ours needs a token of Kubernetes"
    if spec["serviceAccountName"] not in accounts:
        yield f"{name}: there is no ServiceAccount {spec['serviceAccountName']}"
    if spec["terminationGracePeriodSeconds"] < 120:
        yield f"{name}: a drain may take 120 s"
    if not spec["securityContext"].get("runAsNonRoot"):
        yield f"{name}: must not run as root"
    for container in spec["containers"]:
        yield from check_container(name, container, configs)


def check_container(name, container, configs):
    """One container: its probes, its rights, its settings."""
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "grpc" not in container.get(probe, {}):
            yield f"{name}: {probe} must ask the gRPC health service"
    rights = container.get("securityContext", {})
    if rights.get("allowPrivilegeEscalation") is not False or rights.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: the container has more rights than it needs"
    if rights.get("capabilities", {}).get("drop") != ["ALL"]:
        yield f"{name}: drop all capabilities"
    ports = {port["name"] for port in container["ports"]}
    if ports != PORTS[container["name"]]:
        yield f"{name}: has the ports {sorted(ports)}"
    if ":" not in container["image"]:
        yield f"{name}: the image has no tag"
    for source in container.get("envFrom", []):
        config = source["configMapRef"]["name"]
        if config not in configs:
            yield f"{name}: there is no ConfigMap {config}"
            continue
        yield from check_settings(name, container, configs[config]["data"])


def check_settings(name, container, config):
    """Every setting exists, and is said once."""
    own = [variable["name"] for variable in container["env"]]
    for variable in sorted(set(own) | set(config)):
        if variable not in settings(container["name"]):
            yield f"{name}: hansard {container['name']} has no setting {variable}"
    for variable in sorted(set(own) & set(config)):
        yield f"{name}: {variable} is set in the pod and in the ConfigMap"
    paths = [variable["value"] for variable in container["env"] if variable.get("value", "").startswith("/")]
    mounts = [mount["mountPath"] + "/" for mount in container["volumeMounts"]]
    for path in paths:
        if not any(path.startswith(mount) for mount in mounts):
            yield f"{name}: {path} is not mounted"


def check_founding(documents):
    """All seeds exist, and as many as must agree."""
    configs = named(documents, "ConfigMap").values()
    settings = next(config["data"] for config in configs if "HANSARD_SEEDS" in config["data"])
    hosts = set()
    for name, owner in named(documents, "StatefulSet").items():
        service = owner["spec"]["serviceName"]
        hosts |= {f"{name}-{ordinal}.{service}:7400" for ordinal in range(owner["spec"]["replicas"])}
    seeds = settings["HANSARD_SEEDS"].split(",")
    for seed in seeds:
        if seed not in hosts:
            yield f"the seed {seed} is no pod of these StatefulSets"
    if int(settings["HANSARD_BOOTSTRAP_EXPECT"]) != len(seeds):
        yield "HANSARD_BOOTSTRAP_EXPECT must be the number of seeds"


def check(documents):
    """All rules over one built overlay."""
    configs, accounts = named(documents, "ConfigMap"), named(documents, "ServiceAccount")
    for owner, spec in pods(documents):
        yield from check_pod(owner, spec, configs, accounts)
    yield from check_founding(documents)
    rolling = [s for s in named(documents, "StatefulSet").values() if s["spec"]["updateStrategy"]["type"] != "OnDelete"]
    if len(named(documents, "StatefulSet")) > 1 and rolling:
        yield "several StatefulSets must not roll by themselves: they would all roll at once"
    policies = named(documents, "NetworkPolicy")
    if policies.get("default-deny", {}).get("spec", {}).get("podSelector") != {}:
        yield "there must be a NetworkPolicy default-deny for all pods"
    for name in ("hansard-node", "hansard-router"):
        if named(documents, "PodDisruptionBudget").get(name, {}).get("spec", {}).get("maxUnavailable") != 1:
            yield f"the PodDisruptionBudget {name} must allow one at a time"


def main(paths):
    findings = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            documents = [document for document in yaml.safe_load_all(file) if document]
        findings += [f"{path}: {what}" for what in check(documents)]
    print("\n".join(findings), end="\n" if findings else "", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
