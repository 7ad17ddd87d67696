"""The command `ditto doctor`: what was examined, as text or as JSON."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence

from . import __version__
from .console import say
from .doctor import Finding, State, examine
from .errors import DONE, INTERNAL_ERROR
from .host import Host

_MARKS: dict[State, str] = {"ok": "ok", "absent": "--", "warning": "??", "problem": "!!"}


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(command=_doctor)
    parser.add_argument("--json", action="store_true", help="for programs")


def _doctor(arguments: argparse.Namespace) -> int:
    findings = examine(Host())
    healthy = not any(finding.state == "problem" for finding in findings)
    if arguments.json:
        say(json.dumps({"ok": healthy, "findings": [vars(f) for f in findings]}, indent=2))
    else:
        say(_as_text(findings, healthy))
    return DONE if healthy else INTERNAL_ERROR


def _as_text(findings: Sequence[Finding], healthy: bool) -> str:
    lines = [f"ditto {__version__}, Python {platform.python_version()}, {platform.platform()}"]
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            lines += ["", topic]
        lines.append(f"  {_MARKS[finding.state]}  {finding.text}")
    verdict = (
        "The Lite engine works." if healthy else "The Lite engine does not work here; see the lines with !!."
    )
    if any(finding.state == "warning" for finding in findings):
        verdict += " The lines with ?? say what else is wrong."
    return "\n".join([*lines, "", verdict])
