"""The published face networks as the functions the face chain calls, from their ONNX files."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..errors import FaceNotFoundError, ModelError
from ..face.find import FaceFinder
from ..face.region import Picture, Points
from ..models.inventory import remedy
from ..models.runners import OnnxRunner
from .faces import LandmarkNetwork
from .follow import BuiltInMesh, MeshOnCrop, PublishedFaces
from .mesh478 import landmarks_478
from .source import OfficialFaces

DETECTOR_OUTPUTS = 9


def published_faces(found: dict[str, Path], finder: FaceFinder) -> PublishedFaces:
    """The published chain from the files in `found`; without the published mesh the bundled one is used."""
    detector, p106, p203 = (
        OnnxRunner(found[role]) for role in ("detector", "landmarks_106", "landmarks_203")
    )
    networks = OfficialFaces(
        detector=lambda blob: _outputs(detector, blob, DETECTOR_OUTPUTS),
        landmarks_106=lambda blob: _outputs(p106, blob)[0],
        landmarks_203=_landmarks_203(p203),
    )
    if "blaze_face" not in found or "face_mesh" not in found:
        return PublishedFaces(networks, lambda: BuiltInMesh(finder), (detector, p106, p203, *finder.networks))
    blaze, mesh = (OnnxRunner(found[role]) for role in ("blaze_face", "face_mesh"))
    return PublishedFaces(networks, lambda: _published_mesh(blaze, mesh), (detector, p106, p203, blaze, mesh))


def _landmarks_203(runner: OnnxRunner) -> LandmarkNetwork:
    def network(crop: Tensor) -> Tensor:
        outputs = _outputs(runner, crop)
        # The file beside the PyTorch networks gives them third, the one beside the ONNX networks alone.
        return outputs[2] if len(outputs) > 2 else outputs[0]

    return network


def _published_mesh(blaze: OnnxRunner, mesh: OnnxRunner) -> MeshOnCrop:
    def network(crop: Picture) -> Points | None:
        try:
            return landmarks_478(
                crop, lambda view: _outputs(blaze, view, 2), lambda view: _outputs(mesh, view)[0]
            )
        except FaceNotFoundError:
            return None

    return network


def _outputs(runner: OnnxRunner, value: Tensor, wanted: int = 1) -> list[Tensor]:
    """A network's outputs in the file's order, for its first input: the published files differ in names."""
    outputs = list(runner(**{runner.inputs[0]: value}).values())
    if len(outputs) < wanted:
        raise ModelError(
            f"{runner.path} has {len(outputs)} outputs instead of {wanted}: it is another network. "
            f"{remedy(runner.path)}"
        )
    return outputs
