"""ComfyUI-Ditto's engine room: portrait and speech in, talking-head video out. Imports without ComfyUI."""

__version__ = "0.1.0"
