"""ComfyUI-Manager runs this after installing requirements.txt. The Lite engine needs nothing more."""

print("[ComfyUI-Ditto] Ready: the Lite engine works at once, without any download.")
