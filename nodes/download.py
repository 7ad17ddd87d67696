"""Fetches model files, when the user says so."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.errors import DownloadError
from ..ditto_core.models.catalogue import catalogue
from ..ditto_core.models.download import by_hand, download
from ..ditto_core.models.inventory import take_inventory, tell_set
from .comfy_host import ComfyHost
from .inputs import chosen

SETS = {name: name for name in catalogue().sets}
SET_TOOLTIP = "What to fetch: " + "; ".join(f"{name}: {use}" for name, use in catalogue().sets.items()) + "."


class DittoDownload(io.ComfyNode):
    """Set of model files to a report."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoDownload",
            display_name="Ditto Download",
            category="Ditto/Load",
            description="Tells which published model files are there, and fetches what is missing when "
            "download is switched on.",
            inputs=[
                io.Combo.Input("files", options=list(SETS), default="ditto-pytorch", tooltip=SET_TOOLTIP),
                io.Boolean.Input(
                    "download",
                    default=False,
                    tooltip="Off: only tell what is there and what is missing. On: fetch what is missing "
                    "when the node runs. That may be gigabytes.",
                ),
                io.String.Input(
                    "endpoint",
                    default="",
                    tooltip="Address of a mirror of the Hugging Face hub. Empty: HF_ENDPOINT, or the hub. "
                    "Your HF_TOKEN is not sent to an address given here.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="What is there, what is missing, as text."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, files: str, download: bool, endpoint: str) -> float:  # noqa: ARG003
        return float("nan")  # files come and go: look again each time

    @classmethod
    def execute(cls, files: str, download: bool, endpoint: str) -> io.NodeOutput:
        host = ComfyHost()
        name = chosen("files", files, SETS)
        if download:
            fetch(name, host, endpoint)
        report = tell_set(name, host.model_folders())
        host.notice(report)
        return io.NodeOutput(report, ui=host.shown_notices())


def fetch(name: str, host: ComfyHost, endpoint: str) -> None:
    """Download a set; an error also says what to put where."""
    files, folders = catalogue().of_set(name), host.model_folders()
    try:
        # The address may have come with somebody else's workflow.
        download(files, folders, host, endpoint, send_token=not endpoint)
    except DownloadError as error:
        left = by_hand(take_inventory(files, folders).wanted, folders[0], endpoint)
        raise DownloadError(
            f"{error}\n\nTo do it by hand, put each file where its first line says:\n{left}"
        ) from error
