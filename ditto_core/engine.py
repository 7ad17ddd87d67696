"""The interface every engine implements: six stages, from a source and speech to rendered faces.

register -> encode_speech -> sample_motion -> stitch -> warp -> decode, then `blend.put_back`, which is
shared. Registration and motion compute at once; warp and decode return lazy sequences.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from .data import Audio, Avatar, FaceCrops, FeatureVolumes, Keypoints, Motion, Source, SpeechFeatures
from .errors import EngineError
from .host import Host
from .options import AvatarOptions, MotionOptions, StitchOptions


class Engine(ABC):
    """One talking-head system behind the shared stages.

    What flows between them, and its shapes, is in `data`; an engine adds what it needs in subclasses. Every
    stage raises an `EngineError` for what another engine made (`check_own`), an `InputError` for what cannot
    be used, and `Interrupted` when the host is stopped.
    """

    name: ClassVar[str]
    """Short name used in options and error messages."""

    label: ClassVar[str]
    """What the user sees, with the quality he can expect."""

    ignores: ClassVar[frozenset[str]] = frozenset()
    """Options of the stages, and keys of `ctrl_info`, that change nothing here."""

    panels: ClassVar[Mapping[str, Sequence[str]]] = {"Head, degrees": ("yaw", "pitch", "roll")}
    """Channels of motion that are drawn together, by what they move."""

    @abstractmethod
    def register(self, source: Source, options: AvatarOptions, host: Host) -> Avatar:
        """Find the face in every source frame and prepare what rendering needs.

        Raises `FaceNotFoundError` when no frame shows one, and `MediaError` for frames that cannot be read.
        """

    @abstractmethod
    def encode_speech(self, audio: Audio, host: Host) -> SpeechFeatures:
        """Turn sound into speech features."""

    @abstractmethod
    def sample_motion(
        self, avatar: Avatar, speech: SpeechFeatures, options: MotionOptions, host: Host
    ) -> Motion:
        """Draw the motion of face and head from speech: exactly ceil(seconds * fps) frames."""

    @abstractmethod
    def stitch(self, avatar: Avatar, motion: Motion, options: StitchOptions) -> Keypoints:
        """Put the motion on the avatar."""

    @abstractmethod
    def warp(self, keypoints: Keypoints) -> FeatureVolumes:
        """Move the source's appearance to the driving keypoints, lazily."""

    @abstractmethod
    def decode(self, volumes: FeatureVolumes) -> FaceCrops:
        """Turn warped features into face pictures, lazily."""

    def same_as(self, other: Engine) -> bool:
        """Whether what the other one makes can take the place of what this one makes."""
        return self.name == other.name

    def check_own(self, *inputs: MadeByEngine) -> None:
        """Raise an `EngineError` when something another engine made is connected here."""
        if common_engine(*inputs).name != self.name:
            raise EngineError(
                f"This was made by {inputs[0].engine.label}; {self.label} cannot go on with it."
            )


class MadeByEngine(Protocol):
    """Any stage output."""

    @property
    def engine(self) -> Engine: ...


def common_engine(*outputs: MadeByEngine) -> Engine:
    """The engine that made all of these stage outputs, or an `EngineError` when they differ."""
    engine = outputs[0].engine
    if len({output.engine.name for output in outputs}) > 1:
        made = ", ".join(f"{type(output).__name__} by {output.engine.label}" for output in outputs)
        raise EngineError(f"These come from different engines: {made}. Connect one engine to both branches.")
    if not all(engine.same_as(output.engine) for output in outputs):
        made = ", ".join(type(output).__name__ for output in outputs)
        raise EngineError(
            f"These come from {engine.label} with different data, as Ditto Replace Data sets it: {made}. "
            "Connect one engine to both branches."
        )
    return engine
