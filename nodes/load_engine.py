"""Chooses the engine that does the work."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.engines import engine_state, shared_engine
from ..ditto_core.models.execution import CompileChoice, Execution, PrecisionChoice, RunnerChoice
from .comfy_host import ComfyHost, ModelFolders
from .common_inputs import engine_input, engine_output
from .option_input import option_inputs

EXECUTION = {
    "runner": "What executes the networks: auto takes PyTorch where its files are installed, otherwise ONNX "
    "Runtime. tensorrt needs an NVIDIA GPU and engines for it. Ditto only.",
    "precision": "auto: fp16 on GPUs from Volta on, fp32 on the CPU. bf16 is faster on CPUs that compute in "
    "it, and nearly exact. Networks that need it stay in fp32. Ditto in PyTorch only.",
    "compile": "On a CUDA GPU: default and max-autotune compile the networks when they first run, which "
    "takes minutes; graphs records their work once. Ditto in PyTorch only.",
}


class DittoLoadEngine(io.ComfyNode):
    """Engine by name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoLoadEngine",
            display_name="Ditto Load Engine",
            category="Ditto/Load",
            description="Chooses the engine that animates the face. Connect one engine to the whole graph.",
            inputs=[
                engine_input(),
                *option_inputs(Execution, EXECUTION, optional=True),
            ],
            outputs=[engine_output()],
        )

    @classmethod
    def fingerprint_inputs(cls, engine: str, **_others: object) -> str:
        return engine_state(engine, ModelFolders())

    @classmethod
    def execute(
        cls,
        engine: str,
        runner: RunnerChoice = Execution.runner,
        precision: PrecisionChoice = Execution.precision,
        compile: CompileChoice = Execution.compile,
    ) -> io.NodeOutput:
        host = ComfyHost()
        loaded = shared_engine(engine, host, Execution(runner, precision, compile))
        return io.NodeOutput(loaded, ui=host.shown_notices())
