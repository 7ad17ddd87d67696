"""Renders one clip and prints the most memory this process held, in MB; `benchmarks/memory.py` runs it.

    python -m benchmarks.memory_render SOURCE AUDIO OUTPUT MAX_SIZE [DITTO_PYTORCH small|full]

With a release, Ditto renders: with its networks, or with small ones that take and give the same shapes.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from ditto_core import talk
from ditto_core.ditto import networks
from ditto_core.engines import load_engine
from ditto_core.host import Host

TESTS = Path(__file__).resolve().parent.parent / "tests"


def use_small_networks() -> None:
    """Let Ditto's networks be the tests' stand-ins in this process."""
    sys.path.insert(0, str(TESTS))
    from helpers.ditto_release import SMALL

    networks._NETWORKS.update(SMALL)


def main(source: str, audio: str, output: str, max_size: str, release: str = "", size: str = "full") -> None:
    if size == "small":
        use_small_networks()
    engine = load_engine("ditto", Host(), data_root=Path(release)) if release else "lite"
    talk(source, audio, output, engine=engine, max_size=int(max_size))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / (1024**2 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    main(*sys.argv[1:])
