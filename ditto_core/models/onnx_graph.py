"""Changes ONNX graphs so that every runtime can execute them.

The published warping network holds a `GridSample3D` that no runtime knows: it becomes the `GridSample` of
opset 20, and for a TensorRT that cannot sample volumes, operators it has. Half precision leaves sampling in
float32. All this needs the package `onnx`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import ModelError
from .onnx_file import as_it_is, check_stays_inside, read_facts
from .onnx_sampling import sampling_function

if TYPE_CHECKING:
    import onnx

CUSTOM, STANDARD = "GridSample3D", "GridSample"
OPSET = 20
"""The first one in which `GridSample` takes volumes."""

_DOMAIN = "ditto"
_IR_VERSION = 10
"""What opset 20 asks for; a later one would shut out older runtimes."""

_MODES: dict[Any, str] = {0: "linear", 1: "nearest", 2: "cubic", "bilinear": "linear", "bicubic": "cubic"}
_PADDINGS: dict[Any, str] = {0: "zeros", 1: "border", 2: "reflection"}


def needs_rewrite(path: Path) -> bool:
    """Whether an ONNX file holds the custom operator. Raises a `ModelError` for what is no ONNX file."""
    return CUSTOM in read_facts(path).operators


def usable(path: Path) -> str | bytes:
    """What ONNX Runtime is to open: the path, or the network itself where the file has to be rewritten.

    Raises a `ModelError` also when the file keeps weights outside its folder.
    """
    return rewritten(path) if needs_rewrite(path) else as_it_is(path)


def rewritten(path: Path) -> bytes:
    """The network of an ONNX file with the standard operator instead of the custom one."""
    return standard(load_model(path)).SerializeToString()


def load_model(path: Path) -> onnx.ModelProto:
    """An ONNX file with all its weights; `ModelError` when it is damaged or wants some from elsewhere."""
    check_stays_inside(path)
    package = _onnx()
    try:
        return package.load(str(path))
    except Exception as error:  # protobuf and onnx raise classes of their own
        raise ModelError(f"The model file {path} cannot be read: {error}") from error


def standard(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model at opset 20 or later, its volumes sampled by the standard operator."""
    package = _onnx()
    changed = package.ModelProto()
    changed.CopyFrom(model)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 1)
    for node in changed.graph.node:
        if node.op_type == CUSTOM or (node.op_type == STANDARD and opset < OPSET):
            given = {each.name: package.helper.get_attribute_value(each) for each in node.attribute}
            node.CopyFrom(
                package.helper.make_node(
                    STANDARD, list(node.input), list(node.output), name=node.name, **_sampling(given)
                )
            )
    return changed if opset >= OPSET else _upgraded(changed)


def decomposed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its sampling of volumes in simpler operators: gathers and weights.

    Raises a `ModelError` for sampling that is not linear or pads by reflection.
    """
    import onnx.inliner

    changed = standard(model)
    used: dict[str, onnx.FunctionProto] = {}
    for node in changed.graph.node:
        if node.op_type == STANDARD:
            given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            function = sampling_function(_DOMAIN, OPSET, **_sampling(given))
            used[function.name] = function
            node.op_type, node.domain = function.name, _DOMAIN
            del node.attribute[:]
    if not used:
        return changed
    changed.functions.extend(used.values())
    changed.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
    inlined: onnx.ModelProto = onnx.inliner.inline_local_functions(changed)
    return inlined


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in float16, its inputs, outputs and sampling in float32."""
    from onnxruntime.transformers import float16

    half = cast(Any, float16)  # it carries no types
    changed = _onnx().ModelProto()
    changed.CopyFrom(model)
    kept = [*half.DEFAULT_OP_BLOCK_LIST, STANDARD, CUSTOM]
    try:
        result: onnx.ModelProto = half.convert_float_to_float16(
            changed, keep_io_types=True, op_block_list=kept
        )
    except Exception as error:  # it raises whatever onnx raises
        raise ModelError(f"The network {model.graph.name} cannot be turned into float16: {error}") from error
    # It casts a weight that several operators need in float32 once for each, under one name.
    single = {node.output[0]: node for node in result.graph.node}
    del result.graph.node[:]
    result.graph.node.extend(single.values())
    return result


def _upgraded(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnx import version_converter

    try:
        upgraded: onnx.ModelProto = version_converter.convert_version(model, OPSET)
    except Exception as error:  # the converter raises RuntimeErrors and its own
        raise ModelError(
            f"The network {model.graph.name} cannot be brought to opset {OPSET}: {error}"
        ) from error
    upgraded.ir_version = max(upgraded.ir_version, _IR_VERSION)
    return upgraded


def _sampling(given: dict[str, Any]) -> dict[str, Any]:
    """How an operator samples, in the words of opset 20; exporters write numbers, texts or nothing."""
    plain = {name: value.decode() if isinstance(value, bytes) else value for name, value in given.items()}
    mode = plain.get("mode", plain.get("interpolation_mode", "linear"))
    padding = plain.get("padding_mode", "zeros")
    return {
        "mode": _MODES.get(mode, mode),
        "padding_mode": _PADDINGS.get(padding, padding),
        "align_corners": int(plain.get("align_corners", 0)),
    }


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelError("Changing ONNX networks needs the package onnx: pip install onnx.") from error
    return onnx
