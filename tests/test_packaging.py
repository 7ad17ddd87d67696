"""The pack installs as it says: metadata, requirements, and a wheel that holds what it needs and no more."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import ditto_core

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10: pytest brings its forerunner
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
CORE = ROOT / "ditto_core"
SHIPPED = [
    path.relative_to(ROOT).as_posix()
    for path in CORE.rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_requirements_are_the_dependencies_without_torch(metadata: dict[str, Any]) -> None:
    dependencies = metadata["project"]["dependencies"]
    torch = [line for line in dependencies if line.startswith("torch")]
    assert len(torch) == 1
    assert sorted(requirements()) == sorted(set(dependencies) - set(torch))


def test_requirements_pin_nothing_the_host_has() -> None:
    for line in requirements():
        assert re.fullmatch(r"[a-z-]+>=[\d.]+", line), f"{line}: a lower bound and nothing else"
    assert not re.search(r"^(torch|comfy)", "\n".join(requirements()), re.MULTILINE)


def test_the_version_is_said_once_in_two_places(metadata: dict[str, Any]) -> None:
    assert metadata["project"]["version"] == ditto_core.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", ditto_core.__version__)
    assert f"## {ditto_core.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_registry_gets_what_it_asks_for(metadata: dict[str, Any]) -> None:
    project, comfy = metadata["project"], metadata["tool"]["comfy"]
    assert "comfyui" not in project["name"].lower()
    assert (ROOT / project["license"]["file"]).is_file()
    assert (ROOT / project["readme"]).is_file()
    assert project["urls"]["Repository"].endswith("/ComfyUI-Ditto")
    assert any(line.startswith("Operating System ::") for line in project["classifiers"])
    assert comfy["DisplayName"] == "ComfyUI-Ditto"
    assert comfy["PublisherId"]
    assert "web" not in comfy, "WEB_DIRECTORY names it; twice makes the page load it twice"


def test_the_wheel_holds_the_engine_room_with_its_files_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packed = [name for name in names if ".dist-info/" not in name]
    assert sorted(packed) == sorted(SHIPPED)
    licences = {Path(name).name for name in names if "/licenses/" in name}
    assert {"LICENSE", "NOTICE"} <= licences


def test_the_installed_command_is_the_module(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
        (points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "ditto = ditto_core.__main__:main" in archive.read(points).decode()
    code = (
        "import ditto_core, ditto_core.__main__ as door; print(ditto_core.__file__); door.main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    place, version = done.stdout.splitlines()
    assert Path(place).is_relative_to(tmp_path)
    assert version == ditto_core.__version__


@pytest.mark.parametrize("folder", ["ditto_core", "nodes"])
def test_modules_import_each_other_relatively(folder: str) -> None:
    """ComfyUI loads the pack under a name of its own, where `import ditto_core` finds nothing."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            for name in names:
                assert name.split(".")[0] not in ("ditto_core", "nodes"), f"{path}:{node.lineno}"


def test_importing_the_package_loads_no_library() -> None:
    code = "import sys, ditto_core; assert 'torch' not in sys.modules; assert ditto_core.__version__"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="no_such_name"):
        ditto_core.no_such_name  # noqa: B018


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_documents_name_every_node_and_their_links_lead_somewhere() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "nodes").glob("*.py"):
        for node in re.findall(r'node_id="(\w+)"', path.read_text(encoding="utf-8")):
            assert f"`{node}`" in readme
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert link.startswith("http") or (document.parent / link).exists(), f"{document.name}: {link}"
