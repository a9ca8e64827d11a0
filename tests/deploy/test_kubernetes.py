"""deploy/kubernetes as kustomize renders it: the schemas of Kubernetes and KEDA, and what these files promise."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from scorer import settings
from scorer.settings import Settings
from tests.deploy.dockerfile import CONTEXT, Stages
from tests.deploy.pod import Objects, amount, selects, strict
from tests.deploy.tools import kustomized, validated

FOLDER = CONTEXT / "deploy/kubernetes"
OVERLAYS = sorted(folder.name for folder in (FOLDER / "overlays").iterdir())
VERSIONS = ("1.28", "1.37")  # the oldest and the newest that these files are for
# config/crd/bases/keda.sh_scaledobjects.yaml of github.com/kedacore/keda/v2 v2.21.0 (Apache-2.0)
KEDA = Path(__file__).with_name("keda") / "keda.sh_scaledobjects.yaml"
KEDA_SHA256 = "af35555862a83933b074af14ad439c4b4ceabaf4daa3e9338e9b23e36d308d80"
# Its schema takes any metadata of a trigger: these are the names in pkg/scalers/kafka_scaler.go of that version.
KAFKA_TRIGGER = {
    *("bootstrapServers", "consumerGroup", "topic", "partitionLimitation", "lagThreshold", "activationLagThreshold"),
    *("offsetResetPolicy", "allowIdleConsumers", "excludePersistentLag", "scaleToZeroOnInvalidOffset", "version"),
    *("limitToPartitionsWithLag", "ensureEvenDistributionOfPartitions", "fullMetadata", "tls", "unsafeSsl", "sasl"),
    *("saslTokenProvider", "awsRegion"),
}
TOPIC_PARTITIONS = 12  # as in docs/kubernetes.md


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> Objects:
    return Objects(kustomized(FOLDER / "overlays" / request.param))


@pytest.fixture
def loaded(objects: Objects, tmp_path: Path) -> Settings:
    """The settings of a replica in it."""
    *_, name = objects.container["args"]
    file = tmp_path / Path(name).name
    file.write_text(objects.files()[name])
    return settings.load(file, objects.environment("scorer-0")).settings


def written(objects: list[Any], folder: Path) -> Path:
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return file


def follows_keda(scaled: Mapping[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    definition = yaml.safe_load(KEDA.read_text())
    (version,) = definition["spec"]["versions"]
    schema, instance = folder / "schema.json", folder / "scaled.json"
    schema.write_text(json.dumps(strict(version["schema"]["openAPIV3Schema"])))
    instance.write_text(json.dumps(scaled))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), str(instance)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_conforms_to_the_kubernetes_schemas(objects: Objects, version: str, tmp_path: Path) -> None:
    done = validated(written(objects.all, tmp_path), version)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed for resource") == len(objects.all) - 1
    assert "Couldn't find schema for kind ScaledObject" in done.stdout + done.stderr


def test_a_mistyped_key_is_detected(objects: Objects, tmp_path: Path) -> None:
    replica = objects.one("StatefulSet")
    replica["spec"]["template"]["spec"]["terminationGracePeriod"] = 45
    done = validated(written([replica], tmp_path), VERSIONS[-1])
    del replica["spec"]["template"]["spec"]["terminationGracePeriod"]
    assert done.returncode != 0
    assert "terminationGracePeriod" in done.stdout + done.stderr


def test_the_scaled_object_conforms_to_the_keda_schema(objects: Objects, tmp_path: Path) -> None:
    assert hashlib.sha256(KEDA.read_bytes()).hexdigest() == KEDA_SHA256
    scaled = objects.one("ScaledObject")
    done = follows_keda(scaled, tmp_path)
    assert done.returncode == 0, done.stdout
    wrong = scaled | {"spec": scaled["spec"] | {"minReplicas": 2}}
    assert "minReplicas" in follows_keda(wrong, tmp_path).stdout


def test_the_scaled_object_avoids_the_known_pitfalls(objects: Objects, loaded: Settings) -> None:
    spec = objects.one("ScaledObject")["spec"]
    (trigger,) = spec["triggers"]
    kafka, metadata = loaded.kafka, trigger["metadata"]
    assert metadata.keys() <= KAFKA_TRIGGER
    assert metadata["bootstrapServers"] == kafka.bootstrap_servers
    assert metadata["consumerGroup"] == kafka.group_id
    assert (metadata["topic"],) == kafka.input_topics, "without a topic, KEDA counts every topic of the group"
    assert metadata["offsetResetPolicy"] == kafka.start_from
    assert metadata["excludePersistentLag"] == "true"
    assert metadata["limitToPartitionsWithLag"] == "false"
    assert spec["minReplicaCount"] >= 1, "a transaction's marker and an absent broker look like work and like none"
    assert spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    assert spec["maxReplicaCount"] <= TOPIC_PARTITIONS
    target = objects.one("StatefulSet")
    assert spec["scaleTargetRef"] == {
        "apiVersion": target["apiVersion"],
        "kind": target["kind"],
        "name": target["metadata"]["name"],
    }
    assert "replicas" not in target["spec"], "each apply would undo the scaling"
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_the_pod_runs_with_least_privilege(objects: Objects) -> None:
    pod, container = objects.pod, objects.container
    account = objects.one("ServiceAccount")
    assert pod["serviceAccountName"] == account["metadata"]["name"] != "default"
    assert [pod["automountServiceAccountToken"], account["automountServiceAccountToken"]] == [False, False]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,  # otherwise root alone could read a Secret's files of mode 0440
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert all(volume.keys() == {"name", "configMap"} for volume in pod["volumes"])
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}


def test_the_pod_runs_as_the_user_of_the_image(objects: Objects, stages: Stages) -> None:
    context = objects.pod["securityContext"]
    assert dict(stages["scorer"])["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_the_memory_request_equals_its_limit_and_cpu_is_unlimited(objects: Objects) -> None:
    resources = objects.container["resources"]
    assert resources["limits"] == {"memory": resources["requests"]["memory"]}
    assert amount(resources["requests"]["memory"]) >= 2**28
    assert resources["requests"]["cpu"] == "1", "a replica is one process that uses one core"


def test_the_grace_period_exceeds_the_shutdown_deadline(objects: Objects, loaded: Settings) -> None:
    assert objects.pod["terminationGracePeriodSeconds"] >= loaded.shutdown.deadline_s + 10


def test_the_probes_use_the_port_that_the_replica_listens_on(objects: Objects, loaded: Settings) -> None:
    (port,) = objects.container["ports"]
    assert loaded.http is not None
    assert port == {"name": "http", "containerPort": loaded.http.port}
    assert loaded.http.host == "0.0.0.0"  # noqa: S104  kubelets and Prometheus are outside of the pod
    (service,) = objects.one("Service")["spec"]["ports"]
    assert [service["port"], service["targetPort"]] == [loaded.http.port, "http"]
    probes = {name: objects.container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"http"}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert paths == {"startup": "/live", "liveness": "/live", "readiness": "/ready"}
    assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] >= 120


def test_each_selector_selects_the_replicas_and_nothing_else(objects: Objects) -> None:
    replica = objects.one("StatefulSet")
    labels = replica["spec"]["template"]["metadata"]["labels"]
    assert selects(replica["spec"]["selector"], labels)
    assert selects(objects.one("PodDisruptionBudget")["spec"]["selector"], labels)
    assert selects(objects.one("NetworkPolicy")["spec"]["podSelector"], labels)
    assert selects({"matchLabels": objects.one("Service")["spec"]["selector"]}, labels)
    spread = objects.pod["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert all(selects(each["labelSelector"], labels) for each in spread)
    assert replica["spec"]["serviceName"] == objects.one("Service")["metadata"]["name"]
    assert {each["metadata"].get("namespace") for each in objects.all} == {"scorer"}


def test_only_the_configured_servers_can_be_reached(objects: Objects, loaded: Settings) -> None:
    spec = objects.one("NetworkPolicy")["spec"]
    assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
    (into,) = spec["ingress"]
    assert into["ports"] == [{"protocol": "TCP", "port": "http"}]
    allowed = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"]): peer
        for rule in spec["egress"]
        for peer in rule["to"]
        for port in rule["ports"]
    }
    dns = allowed.pop(("kube-system", 53))
    assert dns["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert loaded.features is not None
    addresses = [*loaded.kafka.bootstrap_servers.split(","), loaded.features.url.split("/")[2]]
    named = [address.split(":") for address in addresses]
    assert sorted(allowed) == sorted((host.split(".")[1], int(port)) for host, port in named)


def test_replicas_are_disrupted_one_at_a_time(objects: Objects) -> None:
    assert objects.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    spec = objects.one("StatefulSet")["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}, "by default, one after another"


def test_a_replaced_replica_keeps_its_static_membership(objects: Objects, loaded: Settings) -> None:
    assert loaded.kafka.instance_id == "scorer-0"
    assert loaded.kafka.properties["session.timeout.ms"] == "60000"
    assert "group.protocol" not in loaded.kafka.properties, "instance_id is meant for the classic protocol"
    assert objects.pod["enableServiceLinks"] is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_overlay_sets_the_delivery_that_it_is_named_after(overlay: str) -> None:
    variables = Objects(kustomized(FOLDER / "overlays" / overlay)).environment("scorer-0")
    assert variables["SCORER_KAFKA__DELIVERY"] == overlay


def test_a_changed_setting_triggers_a_rolling_update(objects: Objects) -> None:
    names = {each["metadata"]["name"] for each in objects.all if each["kind"] == "ConfigMap"}
    used = {source["configMapRef"]["name"] for source in objects.container["envFrom"] if "configMapRef" in source}
    used |= {volume["configMap"]["name"] for volume in objects.pod["volumes"]}
    assert used == names
    assert all(len(name.rpartition("-")[2]) == 10 for name in names), "kustomize puts a hash of the content there"
