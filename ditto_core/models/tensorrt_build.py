"""Builds TensorRT engines from ONNX files, for the GPU that is here.

Networks are strongly typed: the graph says what is computed in which precision. So fp16 is a change of the
graph (`onnx_graph.halved`), and TensorRT 10 and 11 do the same. Sampling of volumes is TensorRT's own from
11.2 on, before that it is put into simpler operators; no plugin library is needed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import DittoError, Interrupted, ModelError
from ..host import Host
from .onnx_file import check_stays_inside, read_facts
from .onnx_graph import CUSTOM, STANDARD, decomposed, halved, load_model, standard
from .replacing import replacing
from .tensorrt_files import (
    VOLUMES,
    EngineRecord,
    Machine,
    engine_name,
    file_hash,
    import_tensorrt,
    misfit,
    precision_of,
    read_record,
    record_path,
    this_machine,
    version,
)

BATCH = (1, 4, 8)
"""Items at once, at least, mostly and at most, for networks that take any number."""

TIMING_CACHE = "timing.cache"
OPTIMISATION = 5


class _Sound(NamedTuple):
    """An input of sound: its name, then how many items and samples it takes, least, usual and most."""

    input: str
    items: tuple[int, int, int]
    samples: tuple[int, int, int]


_SOUNDS = {
    "hubert": _Sound("input_values", BATCH, (3240, 6480, 12960)),
    "wavlm": _Sound("audio", (1, 1, 1), (1000, 320080, 320080)),
}
"""By the beginning of the network's name."""

FEATURE_AXES = 3
"""Of features of several sounds: items, rows, width."""

HOW_TO_BUILD = "Build it here: python -m ditto_core convert tensorrt --onnx_dir FOLDER --trt_dir FOLDER."

_log = logging.getLogger(__name__)


@dataclass
class Conversion:
    """Engines that were built, those that were there and fit, and why others could not be built."""

    built: list[Path] = field(default_factory=list[Path])
    kept: list[Path] = field(default_factory=list[Path])
    failed: dict[str, str] = field(default_factory=dict[str, str])


def convert_folder(onnx_dir: Path, trt_dir: Path, device: torch.device, host: Host) -> Conversion:
    """An engine in `trt_dir` for every ONNX file in `onnx_dir`; engines that fit are kept.

    Raises a `ModelError` when there are no ONNX files, no TensorRT or no GPU. A file that cannot be converted
    does not stop the others.
    """
    sources = _sources(onnx_dir)
    machine = this_machine(device)
    result = Conversion()
    for number, source in enumerate(sources):
        host.check_interrupted()
        host.progress("engines", number, len(sources))
        engine = trt_dir / engine_name(source)
        why = _against(engine, machine, source)
        if not why:
            result.kept.append(engine)
            continue
        host.notice(f"Building {engine.name}, since {why}. This takes minutes.")
        try:
            build_engine(source, engine, precision_of(source.stem), device, host)
            result.built.append(engine)
        except Interrupted:
            raise
        except DittoError as error:
            result.failed[source.name] = str(error)
            host.notice(f"{source.name} was left out: {error}")
    host.progress("engines", len(sources), len(sources))
    return result


def tell_engines(onnx_dir: Path, trt_dir: Path, device: torch.device) -> str:
    """A line for each engine that `convert_folder` would make: it fits, or what speaks against it."""
    machine = this_machine(device)
    engines = {source: trt_dir / engine_name(source) for source in _sources(onnx_dir)}
    return "\n".join(
        f"{engine}: {f'to be built, since {why}' if (why := _against(engine, machine, source)) else 'fits'}"
        for source, engine in engines.items()
    )


def build_engine(source: Path, engine: Path, precision: str, device: torch.device, host: Host) -> None:
    """Build an engine from an ONNX file, with its record beside it.

    Raises a `ModelError` when TensorRT refuses the network, and whatever the host raises to interrupt.
    """
    trt, machine = import_tensorrt(), this_machine(device)
    with torch.cuda.device(device):
        log, monitor = _listener(trt), _monitor(trt, host, f"build {engine.stem}")
        builder = trt.Builder(log)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        _parse(trt.OnnxParser(network, log), source, precision, version(machine.tensorrt))
        config = builder.create_builder_config()
        config.builder_optimization_level = OPTIMISATION
        config.progress_monitor = monitor
        _add_profile(builder, network, config, source)
        cache = _use_timing_cache(config, engine.with_name(TIMING_CACHE))
        plan = builder.build_serialized_network(network, config)
    if monitor.stopped is not None:
        raise monitor.stopped
    if plan is None:
        raise ModelError(f"TensorRT cannot build {engine.name} from {source}: {log.last_error()}")
    record_path(engine).unlink(missing_ok=True)  # it would say the wrong thing if what follows fails
    with replacing(engine) as unfinished:
        unfinished.write_bytes(memoryview(plan))
    EngineRecord(**vars(machine), precision=precision, onnx=source.name, onnx_sha256=file_hash(source)).save(
        engine
    )
    with replacing(engine.with_name(TIMING_CACHE)) as unfinished:
        unfinished.write_bytes(memoryview(cache.serialize()))


def refresh_engine(engine: Path, source: Path | None, device: torch.device, host: Host) -> None:
    """See that an engine fits this machine and its source; build it again when it does not.

    The host hears of a build, sees its progress and may stop it. Raises a `ModelError` that says why it does
    not fit when it cannot be built again.
    """
    if not engine.is_file() and source is None:
        raise ModelError(f"The engine {engine.name} is missing from {engine.parent}. {HOW_TO_BUILD}")
    why = _against(engine, this_machine(device), source)
    if not why:
        return
    if source is None or not source.is_file():
        raise ModelError(f"The engine {engine} cannot be used: {why}. {HOW_TO_BUILD}")
    again = "again, since" if engine.is_file() else "since"
    host.notice(f"Building {engine.name} {again} {why}. This takes minutes.")
    record = read_record(engine)
    precision = precision_of(source.stem) if record is None else record.precision
    build_engine(source, engine, precision, device, host)


def _against(engine: Path, machine: Machine, source: Path | None) -> str:
    return misfit(engine, machine, source) if engine.is_file() else "it is not there"


def _sources(onnx_dir: Path) -> list[Path]:
    if not onnx_dir.is_dir():
        raise ModelError(f"There is no folder {onnx_dir} with ONNX files.")
    found = {path.stem: path for path in sorted(onnx_dir.glob("*.onnx"))}
    if "warp_network" in found:
        found.pop("warp_network_ori", None)  # the same network
    if not found:
        raise ModelError(f"There are no ONNX files in {onnx_dir}.")
    return list(found.values())


def _parse(parser: Any, source: Path, precision: str, trt_version: tuple[int, ...]) -> None:
    check_stays_inside(source)
    content = _prepared(source, precision, trt_version)
    parsed = parser.parse_from_file(str(source)) if content is None else parser.parse(content)
    if not parsed:
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise ModelError(f"TensorRT cannot read {source}: {'; '.join(errors) or 'it does not say why'}")


def _prepared(source: Path, precision: str, trt_version: tuple[int, ...]) -> bytes | None:
    """The network as TensorRT is to have it; None for the file as it is."""
    samples = bool({CUSTOM, STANDARD} & read_facts(source).operators)
    if precision == "fp32" and not samples:
        return None
    model = load_model(source)
    if samples:
        model = standard(model)
    if precision == "fp16":
        model = halved(model)
    if samples and trt_version < VOLUMES:
        model = decomposed(model)
    return model.SerializeToString()


def _add_profile(builder: Any, network: Any, config: Any, source: Path) -> None:
    """Tell TensorRT the sizes of inputs that the network leaves open."""
    profile, is_open = builder.create_optimization_profile(), False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        if -1 in tensor.shape:
            is_open = True
            profile.set_shape(tensor.name, *_sizes(network, tensor, source))
    if is_open:
        config.add_optimization_profile(profile)


def _sizes(network: Any, tensor: Any, source: Path) -> tuple[tuple[int, ...], ...]:
    """The least, usual and most of an input that leaves sizes open."""
    shape = tuple(tensor.shape)
    sound = next((_SOUNDS[name] for name in _SOUNDS if source.stem.startswith(name)), None)
    if sound is not None and sound.input == tensor.name:
        items = sound.items if shape[0] == -1 and _keeps_items_apart(network) else (1, 1, 1)
        return tuple(zip(items, sound.samples, strict=True))
    if -1 in shape[1:]:
        raise ModelError(
            f"The input {tensor.name} of {source} has the open sizes {shape}; only the number of items may "
            "be open. Export the network with fixed sizes."
        )
    return tuple((count, *shape[1:]) for count in BATCH)


def _keeps_items_apart(network: Any) -> bool:
    """Whether features of several sounds have an axis for them; files may give the rows of one alone."""
    outputs = (network.get_output(index) for index in range(network.num_outputs))
    return all(len(output.shape) == FEATURE_AXES and output.shape[0] == -1 for output in outputs)


def _use_timing_cache(config: Any, path: Path) -> Any:
    """What was measured for other engines on this GPU; begun anew when it is of another one."""
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if not config.set_timing_cache(cache, False):
        _log.info("%s is of another GPU or TensorRT and is begun anew.", path)
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _listener(trt: Any) -> Any:
    """A logger for TensorRT that keeps what went wrong. Its class exists only once TensorRT is loaded."""

    class Listener(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            grave = severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR)
            if grave:
                self.errors.append(message)
            _log.log(logging.WARNING if grave else logging.DEBUG, "TensorRT: %s", message)

        def last_error(self) -> str:
            return self.errors[-1] if self.errors else "it does not say why"

    return Listener()


def _monitor(trt: Any, host: Host, stage: str) -> Any:
    """Shows TensorRT's progress to the host, and stops it when the host asks to."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped: BaseException | None = None
            self.totals: dict[str, int] = {}

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self.totals[name] = steps

        def phase_finish(self, name: str) -> None:
            self.totals.pop(name, None)

        def step_complete(self, name: str, step: int) -> bool:
            try:
                host.check_interrupted()
                if name in self.totals:
                    host.progress(stage, step + 1, self.totals[name])
            except BaseException as error:  # noqa: BLE001  raised later: TensorRT's threads cannot
                self.stopped = error
            return self.stopped is None

    return Monitor()
