"""A real ComfyUI server on a free port, with this pack as its custom node, for the tests marked `comfy`.

COMFYUI_DIR names the checkout (default ~/ComfyUI), which is only read. Its virtual environment is made once
in .comfy_host/venv; COMFY_HOST_VENV names another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STATE = ROOT / ".comfy_host"
PACK = "ComfyUI-Ditto"
PINS = ("torch==2.13.0", "torchvision==0.28.0", "torchaudio==2.11.0")
START_SECONDS = 180
Graph = dict[str, dict[str, Any]]


class RefusedError(Exception):
    """The server did not accept a graph; `node_errors` says why, by node."""

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__(json.dumps(reply)[:2000])
        self.node_errors: dict[str, Any] = reply.get("node_errors", {})


@dataclass(frozen=True)
class ComfyServer:
    """A running server, its folder (input, output, temp, models, user) and its log."""

    url: str
    base: Path
    log: Path

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return json.load(reply)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            raise RefusedError(json.load(error)) from error
        return json.loads(text) if text else None

    def queue(self, graph: Graph) -> str:
        """Hand in a graph in API form; its prompt id."""
        return self.post("/prompt", {"prompt": graph, "client_id": "tests"})["prompt_id"]

    def result(self, prompt_id: str, seconds: float = 120) -> Result:
        """Wait until a graph is done."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry and entry.get("status"):
                return Result(entry["outputs"], dict(entry["status"]["messages"]))
            time.sleep(0.05)
        raise TimeoutError(f"{prompt_id} took more than {seconds} s:\n{self.log.read_text()[-3000:]}")

    def run(self, graph: Graph) -> Result:
        return self.result(self.queue(graph))

    def forget(self) -> None:
        """Empty the cache, so that what ran before runs again and says again what it noticed."""
        self.post("/free", {"free_memory": True})
        # Emptied between two graphs: the first may still be served from the cache, the next one is not.
        self.run({"1": {"class_type": "PreviewAny", "inputs": {"source": "nothing"}}})

    def file(self, entry: dict[str, str]) -> Path:
        """Where a saved result lies."""
        return self.base / entry["type"] / entry["subfolder"] / entry["filename"]


@dataclass(frozen=True)
class Result:
    """What a graph left: ui outputs by node, and the events of its run with their details."""

    outputs: dict[str, dict[str, Any]]
    events: dict[str, dict[str, Any]]

    @property
    def succeeded(self) -> bool:
        return "execution_success" in self.events

    @property
    def error(self) -> dict[str, Any]:
        """node_id, node_type, exception_type and exception_message of the node that failed."""
        return self.events["execution_error"]

    @property
    def cached(self) -> set[str]:
        return set(self.events["execution_cached"]["nodes"])


def checkout() -> Path | None:
    """ComfyUI's folder, when there is one."""
    folder = Path(os.environ.get("COMFYUI_DIR") or Path.home() / "ComfyUI")
    return folder if (folder / "main.py").is_file() else None


@contextmanager
def comfy_server(comfy: Path, base: Path) -> Iterator[ComfyServer]:
    """Start a server with its files under `base`, wait until it answers, and stop it in the end."""
    _lay_out(base)
    port = _free_port()
    server = ComfyServer(f"http://127.0.0.1:{port}", base, base / "server.log")
    command = [
        *comfy_command(comfy, comfy / "main.py"),
        *("--cpu", "--listen", "127.0.0.1", "--port", str(port), "--disable-auto-launch"),
        *("--base-directory", str(base), "--database-url", f"sqlite:///{base}/user/comfyui.db"),
        *_known(comfy, "--disable-api-nodes"),
    ]
    with server.log.open("w") as log:
        process = subprocess.Popen(command, cwd=comfy, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def comfy_command(comfy: Path, script: Path) -> list[str]:
    """How to run a script that imports ComfyUI's modules."""
    launcher = Path(__file__).with_name("comfy_main.py")
    return [str(environment(comfy)), str(launcher), str(comfy), str(script)]


def environment(comfy: Path) -> Path:
    """The Python to run ComfyUI with; its packages are installed when they are not there yet."""
    given = os.environ.get("COMFY_HOST_VENV")
    folder = Path(given) if given else STATE / "venv"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if given:
        return python
    requirements = (comfy / "requirements.txt", ROOT / "requirements.txt")
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in requirements) + repr(PINS).encode())
    stamp = folder / "installed"
    if stamp.is_file() and stamp.read_text() == wanted.hexdigest():
        return python
    venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, PINS[0]], check=True)
    listed = [argument for path in requirements for argument in ("-r", str(path))]
    # Releases of 2025 import requests without naming it.
    subprocess.run([*pip, *PINS, "requests", *listed], check=True)
    # torchaudio's is built for CUDA and fails where it cannot load; without it, Python code takes its place.
    for compiled in folder.glob("**/torchaudio/lib/_torchaudio*"):
        compiled.unlink()
    stamp.write_text(wanted.hexdigest())
    return python


def _lay_out(base: Path) -> None:
    for name in ("custom_nodes", "models", "input", "output", "user/default"):
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "custom_nodes" / PACK).symlink_to(ROOT, target_is_directory=True)
    # Otherwise a dialog with templates covers the canvas on the first visit.
    settings = {"Comfy.TutorialCompleted": True}
    (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(settings))


def _known(comfy: Path, *flags: str) -> list[str]:
    """Those of `flags` that this release has."""
    options = (comfy / "comfy" / "cli_args.py").read_text()
    return [flag for flag in flags if f'"{flag}"' in options]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(server: ComfyServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            server.get("/system_stats")
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"ComfyUI did not start:\n{server.log.read_text()[-5000:]}")
