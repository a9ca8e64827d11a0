import shutil

import pytest

from tests.deploy.dockerfile import CONTEXT, Image, Stages, parse

MOUNTED = ("deploy/scorer.yaml", "models", "schemas")


@pytest.fixture(scope="session")
def stages() -> Stages:
    return parse(CONTEXT / "Dockerfile")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, stages: Stages) -> Image:
    """The result of `docker build`, from the Dockerfile's instructions, with the mounts of docker-compose.yml."""
    folder = tmp_path_factory.mktemp("image")
    args = {"PREFIX": str(folder / "prefix"), "KERNELS": str(folder / "kernels")}
    Image(folder / "build", args).build(stages["build"])
    return mounted(Image(folder / "final", args).build(stages["scorer"]))


@pytest.fixture(scope="session")
def demo_image(tmp_path_factory: pytest.TempPathFactory, image: Image, stages: Stages) -> Image:
    """The same for the target `demo`, which begins with what was installed for the other."""
    folder = tmp_path_factory.mktemp("demo-image")
    prefix = shutil.copytree(image.args["PREFIX"], folder / "prefix", symlinks=True)
    args = {"PREFIX": str(prefix), "KERNELS": image.args["KERNELS"]}
    Image(folder / "build", args).build(stages["build-demo"])
    return mounted(Image(folder / "final", args).build(stages["demo"]))


def mounted(image: Image) -> Image:
    for name in MOUNTED:
        source, target = CONTEXT / name, image.folder / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return image
