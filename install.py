"""ComfyUI-Manager runs this after installing requirements.txt. Given names of sets, it downloads them."""

import sys
from pathlib import Path

SCRIPT = Path(__file__).absolute()

if len(sys.argv) > 1:
    # Python follows links; the files belong to the ComfyUI that has the link.
    sys.path[0] = str(SCRIPT.parent)
    from ditto_core.__main__ import main

    sys.exit(main(["download", *sys.argv[1:]]))

print("[ComfyUI-Ditto] Ready: the Lite engine works at once, without any download.")
print("[ComfyUI-Ditto] The official Ditto engine needs its published files (2.2 GB). To get them:")
print(f'    "{sys.executable}" "{SCRIPT}" ditto-pytorch')
