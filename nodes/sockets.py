"""The sockets between the nodes: one custom type per dataclass of `ditto_core.data`.

ComfyUI matches sockets by these strings only, and saved workflows hold them: never rename one.
"""

from __future__ import annotations

from comfy_api.latest import io

EngineSocket = io.Custom("DITTO_ENGINE")
AvatarSocket = io.Custom("DITTO_AVATAR")
SpeechSocket = io.Custom("DITTO_SPEECH")
MotionSocket = io.Custom("DITTO_MOTION")
KeypointsSocket = io.Custom("DITTO_KEYPOINTS")
VolumesSocket = io.Custom("DITTO_VOLUMES")
CropsSocket = io.Custom("DITTO_CROPS")
FramesSocket = io.Custom("DITTO_FRAMES")
ControlsSocket = io.Custom("DITTO_CONTROLS")
SuperResSocket = io.Custom("DITTO_SUPERRES")
FramesOrImages = io.Custom("DITTO_FRAMES,IMAGE")
"""An output that is what its node was given."""
