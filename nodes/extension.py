"""The list of nodes ComfyUI gets."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .blend_mask import DittoBlendMask
from .comfy_host import register_model_folder
from .control_face import DittoBlinks, DittoEmotion, DittoEmotionSchedule, DittoExpression, DittoEyes
from .control_motion import DittoFade, DittoFrameControl, DittoHeadPose, DittoPreset
from .convert_tensorrt import DittoConvertTensorRT
from .crops_to_images import DittoCropsToImages
from .decode import DittoDecode
from .download import DittoDownload
from .example import DittoExample
from .frames_to_images import DittoFramesToImages
from .frames_to_video import DittoFramesToVideo
from .keypoints_to_images import DittoKeypointsToImages
from .lmdm_sample import DittoLMDMSample
from .load_avatar import DittoLoadAvatar
from .load_engine import DittoLoadEngine
from .motion_stitch import DittoMotionStitch
from .motion_tensor import DittoMotionFromTensor, DittoMotionToTensor
from .plot_controls import DittoPlotControls
from .plot_motion import DittoPlotMotion
from .put_back_blend import DittoPutBackBlend
from .replace_data import DittoReplaceData
from .superres import DittoLoadSuperRes, DittoSuperRes
from .talking_head import DittoTalkingHead
from .warp3d import DittoWarp3D
from .wav2feat import DittoWav2Feat

NODES: list[type[io.ComfyNode]] = [
    DittoTalkingHead,
    DittoExample,
    DittoLoadEngine,
    DittoReplaceData,
    DittoDownload,
    DittoConvertTensorRT,
    DittoLoadAvatar,
    DittoWav2Feat,
    DittoLMDMSample,
    DittoMotionStitch,
    DittoWarp3D,
    DittoDecode,
    DittoPutBackBlend,
    DittoLoadSuperRes,
    DittoSuperRes,
    DittoFramesToImages,
    DittoFramesToVideo,
    DittoPlotMotion,
    DittoPreset,
    DittoEmotion,
    DittoEmotionSchedule,
    DittoExpression,
    DittoEyes,
    DittoBlinks,
    DittoHeadPose,
    DittoFade,
    DittoFrameControl,
    DittoPlotControls,
    DittoMotionToTensor,
    DittoMotionFromTensor,
    DittoCropsToImages,
    DittoBlendMask,
    DittoKeypointsToImages,
]


class DittoExtension(ComfyExtension):
    """Hands the nodes to ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> DittoExtension:
    """Called once by ComfyUI when it loads the pack."""
    register_model_folder()
    return DittoExtension()
