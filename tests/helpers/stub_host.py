"""A small stand-in for ComfyUI: enough of its modules to import the nodes and run graphs in-process."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from helpers import stub_api as api

ROOT = Path(__file__).parents[2]
PACK = "ditto_pack"
Graph = dict[str, dict[str, Any]]


class InterruptProcessingException(BaseException):
    """What ComfyUI raises when the user pressed stop; newer releases derive it from BaseException."""


class GraphError(AssertionError):
    """A graph ComfyUI's validation would refuse."""


class StubHost:
    """The fake modules, and what happened in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.interrupted = False
        self.free_memory = 64 * 10**9
        self.progress: list[tuple[int, int, Any]] = []
        self.on_progress: Callable[[], None] = lambda: None
        self.patchers: list[Any] = []
        self.shown: dict[str, Any] = {}
        self.modules = self._modules()
        for name, module in self.modules.items():
            sys.modules[name] = module
        self.pack = self._load_pack()
        listed = _result(_result(self.pack.comfy_entrypoint()).get_node_list())
        self.nodes = {node.define_schema().node_id: node for node in listed}

    def close(self) -> None:
        for name in [*self.modules, *(name for name in sys.modules if name.split(".")[0] == PACK)]:
            del sys.modules[name]

    def check_interrupted(self) -> None:
        if self.interrupted:
            self.interrupted = False
            raise InterruptProcessingException

    def temporary_files(self) -> list[Path]:
        return [path for path in (self.folder / "temp").rglob("*") if path.is_file()]

    def core(self, name: str) -> Any:
        """A module of the pack, such as `errors` or `media.sound`, as the nodes see it."""
        return importlib.import_module(f"{PACK}.ditto_core.{name}")

    def run(self, graph: Graph) -> dict[str, tuple[Any, ...]]:
        """Check a graph in API form as ComfyUI would, run it, and give each node's outputs."""
        self.check(graph)
        results: dict[str, tuple[Any, ...]] = {}
        for key in _in_order(graph):
            inputs = {
                name: results[value[0]][value[1]] if _is_link(value) else value
                for name, value in graph[key]["inputs"].items()
            }
            class_type = graph[key]["class_type"]
            ours = class_type in self.nodes
            results[key] = self.call(class_type, **inputs) if ours else tuple(inputs.values())
        return results

    def call(self, class_type: str, **inputs: Any) -> tuple[Any, ...]:
        """Execute one node, widgets that are not given at their defaults; its outputs."""
        schema = self.nodes[class_type].define_schema()
        defaults = {wanted.id: wanted.default for wanted in schema.inputs if isinstance(wanted, api.Widget)}
        with torch.inference_mode():
            given = self.nodes[class_type].execute(**{**defaults, **inputs})
        assert isinstance(given, api.NodeOutput)
        self.shown = given.ui or {}
        return given.args

    def check(self, graph: Graph) -> None:
        """Raise `GraphError` for unknown nodes and inputs, missing inputs, wrong types and ranges."""
        for key, entry in graph.items():
            if entry["class_type"] not in self.nodes:
                if entry["class_type"] not in CORE_INPUTS:
                    raise GraphError(f"node {key}: {entry['class_type']} is unknown")
                continue
            schema = self.nodes[entry["class_type"]].define_schema()
            known = {wanted.id: wanted for wanted in schema.inputs}
            for name in set(entry["inputs"]) - set(known):
                raise GraphError(f"{schema.node_id} has no input {name}")
            for name, wanted in known.items():
                if name not in entry["inputs"]:
                    if not wanted.optional:
                        raise GraphError(f"{schema.node_id}: required input {name} is missing")
                    continue
                self._check_value(graph, schema.node_id, wanted, entry["inputs"][name])

    def output_types(self, class_type: str) -> list[str]:
        if class_type in self.nodes:
            return [output.io_type for output in self.nodes[class_type].define_schema().outputs]
        return CORE_OUTPUTS.get(class_type, [])

    def _check_value(self, graph: Graph, node_id: str, wanted: api.Input, value: Any) -> None:
        if _is_link(value):
            given = self.output_types(graph[value[0]]["class_type"])[value[1]]
            if not set(given.split(",")) & set(wanted.io_type.split(",")):
                raise GraphError(f"{node_id}.{wanted.id} takes {wanted.io_type}, not {given}")
        elif not isinstance(wanted, api.Widget):
            raise GraphError(f"{node_id}.{wanted.id} needs a link")
        elif refusal := wanted.refusal(value):  # type: ignore[attr-defined]
            raise GraphError(f"{node_id}.{wanted.id}: {refusal}")

    def _load_pack(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[PACK] = module
        spec.loader.exec_module(module)
        return module

    def _modules(self) -> dict[str, ModuleType]:
        latest = _module("comfy_api.latest", ComfyExtension=api.ComfyExtension)
        latest.io, latest.ui = api.io_namespace(), api.ui_namespace()  # type: ignore[attr-defined]
        latest.Input = SimpleNamespace(Image=torch.Tensor, Audio=dict, Video=object)  # type: ignore[attr-defined]
        latest.InputImpl = SimpleNamespace(  # type: ignore[attr-defined]
            VideoFromFile=api.VideoFromFile, VideoFromComponents=api.VideoFromComponents
        )
        management = _module(
            "comfy.model_management",
            get_torch_device=lambda: torch.device("cpu"),
            get_free_memory=lambda _device=None: self.free_memory,
            throw_exception_if_processing_interrupted=self.check_interrupted,
            load_models_gpu=self._load_models,
        )
        utils = _module("comfy.utils", ProgressBar=self._progress_bar())
        patcher = _module("comfy.model_patcher", ModelPatcher=_ModelPatcher)
        return {
            "comfy_api": _module("comfy_api", latest=latest),
            "comfy_api.latest": latest,
            "comfy": _module("comfy", model_management=management, utils=utils, model_patcher=patcher),
            "comfy.model_management": management,
            "comfy.utils": utils,
            "comfy.model_patcher": patcher,
            "folder_paths": self._folder_paths(),
        }

    def _load_models(self, patchers: Iterable[Any]) -> None:
        self.patchers.extend(patchers)

    def _progress_bar(self) -> type:
        host = self

        class ProgressBar:
            def __init__(self, total: int, node_id: str | None = None) -> None:
                self.total = total

            def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
                host.progress.append((value, total or self.total, preview))
                host.on_progress()
                host.check_interrupted()

        return ProgressBar

    def _folder_paths(self) -> ModuleType:
        known: dict[str, tuple[list[str], set[str]]] = {}

        def add_model_folder_path(name: str, path: str, is_default: bool = False) -> None:
            paths = known.setdefault(name, ([], set()))[0]
            if path not in paths:
                paths.append(path)

        return _module(
            "folder_paths",
            models_dir=str(self.folder / "models"),
            folder_names_and_paths=known,
            add_model_folder_path=add_model_folder_path,
            get_folder_paths=lambda name: list(known[name][0]),
            get_temp_directory=lambda: str(self.folder / "temp"),
        )


CORE_INPUTS = {
    "SaveVideo": ("filename_prefix", "format", "codec"),
    "PreviewImage": (),
    "LoadImage": ("image", "upload"),
    "LoadAudio": ("audio", "audioUI", "upload"),
}
"""Nodes of ComfyUI that the workflows use, with their widgets in order."""
CORE_OUTPUTS = {"LoadImage": ["IMAGE", "MASK"], "LoadAudio": ["AUDIO"]}
NOTES = ("Note", "MarkdownNote")


def api_form(workflow: dict[str, Any], host: StubHost) -> Graph:
    """A workflow as it is saved, in the form the server runs. Notes do not run."""
    links = {link[0]: link for link in workflow["links"]}
    graph: Graph = {}
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        inputs = dict(zip(_widget_names(node["type"], host), node.get("widgets_values", []), strict=True))
        inputs.pop("control_after_generate", None)
        for socket in node.get("inputs", []):
            if socket.get("link") is not None:
                _, source, slot, *_ = links[socket["link"]]
                inputs[socket["name"]] = [str(source), slot]
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph


def _widget_names(class_type: str, host: StubHost) -> list[str]:
    if class_type in CORE_INPUTS:
        return list(CORE_INPUTS[class_type])
    names: list[str] = []
    for wanted in host.nodes[class_type].define_schema().inputs:
        if isinstance(wanted, api.Widget):
            names.append(wanted.id)
            if getattr(wanted, "control_after_generate", None):
                names.append("control_after_generate")
    return names


class _ModelPatcher:
    def __init__(self, model: Any, load_device: Any, offload_device: Any, size: int = 0) -> None:
        self.model = model
        self.load_device = load_device
        self.offload_device = offload_device
        self.size = size


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(members)
    return module


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that waits for nothing returns; it needs no event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the pack's entry point waits for something")


def _is_link(value: Any) -> bool:
    return isinstance(value, list)


def _in_order(graph: Graph) -> list[str]:
    """Node keys, every node after those it takes its inputs from."""
    done: dict[str, None] = {}

    def visit(key: str) -> None:
        for value in graph[key]["inputs"].values():
            if _is_link(value) and value[0] not in done:
                visit(value[0])
        done[key] = None

    for key in graph:
        if key not in done:
            visit(key)
    return list(done)
