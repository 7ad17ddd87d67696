"""Sets up `.venv` and runs the developer's commands: demo, test, lint. Needs nothing but Python.

    python tools/dev.py demo           write output/demo.mp4 from the bundled portrait and speech
    python tools/dev.py test [...]     run the tests; what follows goes to pytest
    python tools/dev.py lint           ruff, pyright and the borders between the rooms

The first call installs what is needed and takes some minutes, mostly PyTorch; later calls start at once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
TORCH = ("torch==2.13.0", "torchvision==0.28.0")


def main() -> int:
    """Run one command and give its exit code."""
    if sys.version_info < (3, 10):
        sys.exit(
            "Python 3.10 or newer is needed; this is {}.{} at {}.".format(
                *sys.version_info[:2], sys.executable
            )
        )
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("demo", "test", "lint"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on")
    options = parser.parse_args()
    try:
        return {"demo": demo, "test": test, "lint": lint}[options.command](options.arguments)
    except KeyboardInterrupt:
        return 130


def demo(arguments: list[str]) -> int:
    set_up(".")
    return in_venv("-m", "ditto_core", "demo", *arguments)


def test(arguments: list[str]) -> int:
    set_up(".[dev]")
    return in_venv("-m", "pytest", "-q", *arguments)


def lint(_arguments: list[str]) -> int:
    set_up(".[dev]")
    checks = (
        ("-m", "ruff", "check", "."),
        ("-m", "ruff", "format", "--check", "."),
        ("-m", "pyright", "--pythonpath", str(PYTHON)),
        ("-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
    )
    codes = [in_venv(*check) for check in checks]
    return int(any(codes))  # that of a signal is below 0


def in_venv(*arguments: str) -> int:
    """Run the virtual environment's Python in the root of the pack."""
    return subprocess.call([str(PYTHON), *arguments], cwd=ROOT)


def set_up(target: str) -> None:
    """Make `.venv` with this Python and install `target` ('.' or '.[dev]') there, unless that is done."""
    wanted = stamp()
    if PYTHON.exists() and wanted in (read_stamp(target), read_stamp(".[dev]")):
        return
    if not venv_fits():
        make_venv()
    say(f"Installing {' and '.join(TORCH)} (once; a large download)")
    pip("install", *TORCH)
    say(f"Installing the pack and what it needs ({target})")
    pip("install", "--editable", target)
    stamp_file(target).write_text(wanted, encoding="utf-8")


def venv_fits() -> bool:
    """Whether `.venv` is whole and of this Python's version."""
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return PYTHON.exists() and subprocess.call([str(PYTHON), "-c", check], stderr=subprocess.DEVNULL) == 0


def make_venv() -> None:
    say(f"Making {VENV} with Python {sys.version.split()[0]}")
    made = subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)], cwd=ROOT)
    if made != 0 or not PYTHON.exists():
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            "Python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv"
        )


def pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    if subprocess.call(command, cwd=ROOT) != 0:
        sys.exit("pip could not install what is needed (see above). Run the same command again to go on.")


def stamp() -> str:
    """Changes with the Python, the torch and the requirements asked for, and when the folder has moved."""
    text = sys.version + " ".join(TORCH) + str(ROOT) + (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def stamp_file(target: str) -> Path:
    return VENV / ("installed-dev" if "dev" in target else "installed")


def read_stamp(target: str) -> str | None:
    file = stamp_file(target)
    return file.read_text(encoding="utf-8") if file.exists() else None


def say(message: str) -> None:
    print(f"- {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
