"""The manifests for `scorer serve`: the schemas of Kubernetes, and what the server itself accepts of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from scorer import settings
from tests.deploy.dockerfile import CONTEXT
from tests.deploy.tools import validated
from tests.docs.test_rest import routes_of_the_page

FOLDER = CONTEXT / "deploy/rest"
VERSIONS = ("1.28", "1.37")


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_deployment_conforms_to_the_kubernetes_schemas(version: str) -> None:
    done = validated(FOLDER / "deployment.yaml", version)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed for resource") == 3


def test_the_predictor_of_kserve_is_a_pod(tmp_path: Path) -> None:
    """But for its own limits of replicas, as KServe's schema says."""
    (service,) = documents("kserve.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    pod = {name: value for name, value in service["spec"]["predictor"].items() if name != "minReplicas"}
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod}))
    done = validated(file, VERSIONS[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert pod["containers"][0]["name"] == "kserve-container"


def test_the_server_takes_the_configuration_and_has_the_routes(tmp_path: Path) -> None:
    config, deployment, service = documents("deployment.yaml")
    file = tmp_path / "scorer.yaml"
    file.write_text(config["data"]["scorer.yaml"])
    serve = settings.load(file, environ={}, streaming=False).settings.serve
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": service["spec"]["ports"][0]["targetPort"], "containerPort": serve.port}]
    assert serve.host == "0.0.0.0"  # noqa: S104  as a container must
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    probes = [container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")]
    (kserve,), (azure,) = documents("kserve.yaml"), documents("azureml.yaml")
    probes.append(kserve["spec"]["predictor"]["containers"][0]["readinessProbe"]["httpGet"]["path"])
    routes = azure["environment"]["inference_config"]
    probes += [routes[name]["path"] for name in ("liveness_route", "readiness_route")]
    assert {f"GET {path}" for path in probes} <= routes_of_the_page()
    assert f"POST {routes['scoring_route']['path']}" in routes_of_the_page()
