"""ComfyUI's door to the pack: the nodes in `nodes/` and the help pages in `web/`."""

from .nodes.extension import comfy_entrypoint

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
