"""A stand-in for NVIDIA's `tensorrt`: the calls that versions 10.13 and 11.4 have in common, and only those.

Names, arguments and results are those of the real Python bindings. An "engine" holds the ONNX network it was
parsed from and runs it with ONNX Runtime on the memory whose addresses it is given.
"""

from __future__ import annotations

import ctypes
import enum
import json
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

MAGIC = b"fake plan "
VOLUMES = (11, 2)

Shape = tuple[int, ...]


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def __init__(self) -> None:
        self.ready = True


class Logger(ILogger):
    def __init__(self, min_severity: Severity = Severity.WARNING) -> None:
        super().__init__()

    def log(self, severity: Severity, msg: str) -> None: ...


class IProgressMonitor:
    def __init__(self) -> None:
        self.ready = True


class NetworkDefinitionCreationFlag(enum.Enum):
    STRONGLY_TYPED = 1

    def __int__(self) -> int:
        return self.value


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8, FP8, BF16, INT64, INT4 = range(10)


_TYPES = {
    TensorProto.FLOAT: (DataType.FLOAT, np.float32),
    TensorProto.FLOAT16: (DataType.HALF, np.float16),
    TensorProto.INT64: (DataType.INT64, np.int64),
    TensorProto.INT32: (DataType.INT32, np.int32),
}


class Network:
    def __init__(self, typed: bool) -> None:
        self.typed = typed
        self.model: onnx.ModelProto | None = None

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    def get_input(self, index: int) -> types.SimpleNamespace:
        return _tensor(self.model.graph.input[index])

    @property
    def num_outputs(self) -> int:
        return len(self.model.graph.output)

    def get_output(self, index: int) -> types.SimpleNamespace:
        return _tensor(self.model.graph.output[index])


class ParserError:
    def __init__(self, told: str) -> None:
        self._told = told

    def desc(self) -> str:
        return self._told


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Shape, Shape, Shape]] = {}

    def set_shape(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        if not all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
            raise ValueError("inconsistent profile")
        self.shapes[input] = (tuple(min), tuple(opt), tuple(max))


class TimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytearray:
        return bytearray(self.content)


class Config:
    def __init__(self, machine: str) -> None:
        self.builder_optimization_level = 3
        self.progress_monitor: Any = None
        self.profiles: list[Profile] = []
        self.cache: TimingCache | None = None
        self._machine = machine.encode()

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache:
        return TimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if not cache.content:
            cache.content = self._machine
        if not cache.content.startswith(self._machine) and not ignore_mismatch:
            return False
        self.cache = cache
        return True


class Engine:
    def __init__(self, plan: bytes) -> None:
        length = int.from_bytes(plan[len(MAGIC) : len(MAGIC) + 4], "little")
        start = len(MAGIC) + 4
        self.facts: dict[str, Any] = json.loads(plan[start : start + length])
        self.model = onnx.load_from_string(plan[start + length :])
        self.values = {value.name: value for value in (*self.model.graph.input, *self.model.graph.output)}
        self.names = list(self.values)

    @property
    def num_io_tensors(self) -> int:
        return len(self.names)

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        read = name in {value.name for value in self.model.graph.input}
        return TensorIOMode.INPUT if read else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return _TYPES[self.values[name].type.tensor_type.elem_type][0]

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Shape]:
        given = self.facts["profile"].get(name)
        fixed = _shape(self.values[name])
        return [tuple(each) for each in given] if given else [fixed, fixed, fixed]

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shapes: dict[str, Shape] = {}
        self.addresses: dict[str, int] = {}
        content = engine.model.SerializeToString()
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        least, _, most = self.engine.get_tensor_profile_shape(name, 0)
        self.shapes[name] = shape
        return len(shape) == len(least) and all(
            a <= b <= c for a, b, c in zip(least, shape, most, strict=True)
        )

    def get_tensor_shape(self, name: str) -> Shape:
        if -1 not in _shape(self.engine.values[name]):
            return _shape(self.engine.values[name])
        feed = {each: np.zeros(shape, self._dtype(each)) for each, shape in self.shapes.items()}
        return self.session.run([name], feed)[0].shape

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        outputs = [value.name for value in self.engine.model.graph.output]
        results = self.session.run(outputs, {name: self._memory(name) for name in self.shapes})
        for name, result in zip(outputs, results, strict=True):
            self._memory(name)[...] = result
        return True

    def _memory(self, name: str) -> np.ndarray:
        shape = self.get_tensor_shape(name) if name not in self.shapes else self.shapes[name]
        dtype = self._dtype(name)
        count = int(np.prod(shape)) * dtype.itemsize
        buffer = (ctypes.c_char * count).from_address(self.addresses[name])
        return np.frombuffer(buffer, dtype=dtype).reshape(shape)

    def _dtype(self, name: str) -> np.dtype:
        return np.dtype(_TYPES[self.engine.values[name].type.tensor_type.elem_type][1])


def _tensor(value: onnx.ValueInfoProto) -> types.SimpleNamespace:
    return types.SimpleNamespace(name=value.name, shape=_shape(value))


def _shape(value: onnx.ValueInfoProto) -> Shape:
    return tuple(
        size.dim_value if size.HasField("dim_value") else -1 for size in value.type.tensor_type.shape.dim
    )


def fake_tensorrt(version: str, gpu: str = "sm_86") -> types.ModuleType:
    """The module of a version, on a machine with that GPU; `built` lists the facts of its engines."""
    numbers = tuple(int(part) for part in version.split(".")[:2])
    module: Any = types.ModuleType("tensorrt")
    machine = f"{version} {gpu} "

    class OnnxParser:
        def __init__(self, network: Network, logger: ILogger) -> None:
            assert logger.ready, "ILogger.__init__ was not called"
            self._network = network
            self._errors: list[ParserError] = []

        @property
        def num_errors(self) -> int:
            return len(self._errors)

        def get_error(self, index: int) -> ParserError:
            return self._errors[index]

        def parse(self, model: bytes, path: str | None = None) -> bool:
            self._network.model = onnx.load_from_string(bytes(model))
            for node in self._network.model.graph.node:
                if node.op_type == "GridSample3D" or (node.op_type == "GridSample" and numbers < VOLUMES):
                    self._errors.append(ParserError(f"No importer registered for op: {node.op_type}"))
            return not self._errors

        def parse_from_file(self, model: str) -> bool:
            return self.parse(onnx.load(model).SerializeToString())

    class Builder:
        def __init__(self, logger: ILogger) -> None:
            assert logger.ready, "ILogger.__init__ was not called"
            self._logger = logger

        def create_network(self, flags: int = 0) -> Network:
            return Network(typed=numbers >= (11, 0) or bool(flags & 2))

        def create_builder_config(self) -> Config:
            return Config(machine)

        def create_optimization_profile(self) -> Profile:
            return Profile()

        def build_serialized_network(self, network: Network, config: Config) -> bytearray | None:
            monitor = config.progress_monitor
            monitor.phase_start("Building Engine", None, 2)
            going = all(monitor.step_complete("Building Engine", step) for step in range(2))
            monitor.phase_finish("Building Engine")
            names = {value.name for value in network.model.graph.input if -1 in _shape(value)}
            shapes = config.profiles[0].shapes if config.profiles else {}
            if not going or not names <= shapes.keys():
                self._logger.log(Severity.ERROR, "Network has dynamic inputs, but no optimization profile")
                return None
            config.cache.content += b"measured "
            facts = {
                "machine": machine,
                "profile": shapes,
                "typed": network.typed,
                "level": config.builder_optimization_level,
            }
            module.built.append(facts)
            told = json.dumps(facts).encode()
            return bytearray(
                MAGIC + len(told).to_bytes(4, "little") + told + network.model.SerializeToString()
            )

    class Runtime:
        def __init__(self, logger: ILogger) -> None:
            module.runtimes += 1

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
            content = bytes(serialized_engine)
            engine = Engine(content) if content.startswith(MAGIC) else None
            return engine if engine is not None and engine.facts["machine"] == machine else None

    module.__version__ = version
    module.built, module.runtimes = [], 0
    for kind in (
        *(ILogger, Logger, IProgressMonitor, NetworkDefinitionCreationFlag, TensorIOMode, DataType),
        *(OnnxParser, Builder, Runtime),
    ):
        setattr(module, kind.__name__, kind)
    return module
