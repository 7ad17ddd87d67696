"""Settings shared by all tests, and what several modules of them are done with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.ditto_release import SMALL, use_small_networks, write_release
from helpers.download_place import Place, serving_place
from helpers.people import face
from helpers.stub_host import StubHost
from hypothesis import settings

from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.checkpoints import find_checkpoints
from ditto_core.ditto.engine import DittoEngine
from ditto_core.host import Host
from ditto_core.media.source import as_source
from ditto_core.models import transfer
from ditto_core.options import AvatarOptions

# The first example of a test often loads a library, and machines differ: time is no property.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


class PlainRoot:
    """Keeps pytest from importing the `__init__.py` in the root: it is ComfyUI's door, no test package."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config: pytest.Config) -> None:
    # A conftest's own hooks are asked for its folder only; a plugin's are asked for the root too.
    config.pluginmanager.register(PlainRoot())


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubHost]:
    """ComfyUI's stand-in with the pack in it."""
    host = StubHost(tmp_path_factory.mktemp("host"))
    yield host
    host.close()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ditto's files with small networks, which are the ones that load meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        yield write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def engine(release: Path) -> DittoEngine:
    """Ditto on small networks."""
    return DittoEngine(find_checkpoints([release]), torch.device("cpu"))


@pytest.fixture(scope="module")
def person(engine: DittoEngine) -> DittoAvatar:
    """A portrait registered with it."""
    return engine.register(as_source(np.asarray(face())), AvatarOptions(), Host())


@pytest.fixture
def ditto(stub: StubHost, release: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the same files, which a test may change, in ComfyUI's models/ditto."""
    for name, build in SMALL.items():
        monkeypatch.setitem(stub.core("ditto.networks")._NETWORKS, name, build)
    folder = Path(shutil.copytree(release, stub.folder / "models" / "ditto"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Files to download from this machine."""
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    for name in ("HF_ENDPOINT", "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving_place(tmp_path / "models" / "ditto") as there:
        yield there
