"""The command line: `talk`, `demo` and `doctor`.

Its flags are fields of the stages' options: `FLAGS` names each once, defaults and limits stay with the
options. Results go to stdout, everything said on the way to stderr.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import torch
from tqdm import tqdm

from . import __version__
from .data import FaceChoice, as_fps
from .demo import demo
from .doctor import Finding, examine
from .engines import AUTO, ENGINE_NAMES
from .errors import DittoError, Interrupted
from .host import Host
from .talking_head import TalkOptions, talk

DONE, INTERNAL_ERROR, BAD_INPUT = 0, 1, 2

_log = logging.getLogger(__name__)

_EXAMPLES = """\
examples:
  ditto talk --source portrait.jpg --audio speech.wav --output talking.mp4
  ditto talk --source person.mp4 --audio speech.mp3 --output dubbed.mp4 --max_size 1080
  ditto talk --source two.jpg --face from-left:1 --audio speech.wav --output right.mp4
  ditto demo
  ditto doctor
"""


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false") from None


def _boolean_or_auto(text: str) -> bool | None:
    return None if text.lower() == "auto" else _boolean(text)


def _face(text: str) -> FaceChoice:
    rule, _, value = text.partition(":")
    try:
        if text == "largest":
            return FaceChoice()
        if rule == "from-left":
            return FaceChoice("from left", index=int(value))
        if rule == "nearest":
            x, y = value.split(",")
            return FaceChoice("nearest", point=(float(x), float(y)))
    except ValueError:
        pass  # said below, as for an unknown rule
    raise argparse.ArgumentTypeError(f"{text!r} is none of largest, from-left:N, nearest:X,Y")


@dataclass(frozen=True)
class Flag:
    """`--name VALUE`, which sets `field` (the name's own unless given) of one part of `TalkOptions`."""

    part: str
    name: str
    parse: Callable[[str], Any]
    value: str
    help: str
    field: str = ""

    @property
    def target(self) -> str:
        return self.field or self.name


FLAGS: dict[str, tuple[Flag, ...]] = {
    "source": (
        Flag("avatar", "max_size", int, "N", "longest side in pixels; larger sources are scaled down"),
        Flag("avatar", "face", _face, "RULE", "largest, from-left:N (0 first) or nearest:X,Y (0..1)"),
        Flag("avatar", "template_n_frames", int, "N", "frames used of a source video, -1 for all"),
        Flag("avatar", "crop_scale", float, "X", "side of the face crop, relative to the face"),
        Flag("avatar", "crop_vx_ratio", float, "X", "crop moved right, as a fraction of its side"),
        Flag("avatar", "crop_vy_ratio", float, "X", "crop moved down, as a fraction of its side"),
        Flag("avatar", "crop_do_rotate", _boolean, "true|false", "turn the crop upright with the face"),
    ),
    "motion": (
        Flag("motion", "seed", int, "N", "the same seed gives the same motion"),
        Flag("motion", "fps", as_fps, "N", "frames a second of the result"),
        Flag("motion", "blinks", _boolean, "true|false", "let the eyes blink"),
        Flag("stitch", "mouth_amount", float, "X", "how far the mouth moves, 0..2"),
        Flag("stitch", "head_amount", float, "X", "how far the head moves, 0..2"),
        Flag("stitch", "fade_in", int, "N", "frames in which motion begins, -1 for none"),
        Flag("stitch", "fade_out", int, "N", "frames in which motion ends, -1 for none"),
        Flag("stitch", "drive_eye", _boolean_or_auto, "auto|true|false", "blink; auto: not for a video"),
    ),
    "result": (
        Flag("blend", "blend_amount", float, "X", "rendered face against the source, 0..1", "amount"),
        Flag("blend", "feather", float, "X", "soft border, as a fraction of the crop, 0..0.5"),
        Flag("video", "codec", str, "NAME", "h264, hevc, vp9 or av1"),
        Flag("video", "crf", int, "N", "quality, 0 (best) to 51"),
        Flag("video", "preset", str, "NAME", "speed against size, from ultrafast to veryslow"),
        Flag("video", "pixel_format", str, "NAME", "yuv420p plays everywhere"),
        Flag("video", "audio_codec", str, "NAME", "aac, opus, or auto for what suits the file"),
        Flag("video", "audio_bitrate", int, "N", "bits a second"),
    ),
}


class ConsoleHost(Host):
    """Shows progress bars and notices on stderr; a bar only where somebody can watch it."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._stage = ""
        self._bar: tqdm[NoReturn] | None = None

    def progress(
        self,
        stage: str,
        done: int,
        total: int,
        preview: torch.Tensor | None = None,  # noqa: ARG002
    ) -> None:
        self._tell(lambda: self._show(stage, done, total))

    def notice(self, message: str) -> None:
        self._tell(lambda: tqdm.write(message, file=sys.stderr))

    def close(self) -> None:
        if self._bar is not None:
            self._tell(self._bar.close)

    def _show(self, stage: str, done: int, total: int) -> None:
        if self._bar is None or self._stage != stage:
            self.close()
            self._stage, self._bar = stage, tqdm(desc=stage, total=total, unit="frame", disable=None)
        self._bar.update(done - self._bar.n)

    def _tell(self, speak: Callable[[], object]) -> None:
        """Speak unless told to be quiet; fall silent when the reader has gone, while the work goes on."""
        if self.quiet:
            return
        try:
            speak()
        except BrokenPipeError:
            self.quiet = True


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error is said."""

    def __init__(self, **more: Any) -> None:
        super().__init__(allow_abbrev=False, **more)

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def run(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and give the exit code; errors are said on stderr in one line each."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console may lack a path's letters
    try:
        arguments = _parser().parse_args(argv)
        logging.basicConfig(force=True)
        logging.getLogger(__package__).setLevel(logging.DEBUG if arguments.verbose else logging.WARNING)
        return arguments.command(arguments)
    except SystemExit as leave:  # argparse has said why
        return int(leave.code or DONE)
    except Interrupted as stopped:
        raise KeyboardInterrupt from stopped
    except BrokenPipeError:
        raise
    except DittoError as error:
        return _fail(error, str(error), BAD_INPUT)
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback unless asked for
        told = f"{type(error).__name__}: {error} (this is a defect of the pack; -v shows where)"
        return _fail(error, told, INTERNAL_ERROR)


def _fail(error: Exception, told: str, code: int) -> int:
    _log.debug("Where it happened:", exc_info=error)
    with suppress(BrokenPipeError):
        sys.stderr.write(f"ditto: error: {' '.join(told.split())}\n")
    return code


def _talk(arguments: argparse.Namespace) -> int:
    begun = time.perf_counter()
    with closing(ConsoleHost(arguments.quiet)) as host:
        path = talk(
            arguments.source,
            arguments.audio,
            arguments.output,
            engine=arguments.engine,
            options=_options(arguments),
            host=host,
        )
    _say(f"Wrote {path} in {time.perf_counter() - begun:.1f} s.")
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    begun = time.perf_counter()
    with closing(ConsoleHost(arguments.quiet)) as host:
        path = demo(arguments.output, host)
    _say(f"Wrote {path.resolve()} in {time.perf_counter() - begun:.1f} s.")
    return DONE


def _doctor(arguments: argparse.Namespace) -> int:
    findings = examine(Host())
    healthy = not any(finding.problem for finding in findings)
    if arguments.json:
        _say(json.dumps({"ok": healthy, "findings": [vars(f) for f in findings]}, indent=2))
    else:
        _say(_as_text(findings, healthy))
    return DONE if healthy else INTERNAL_ERROR


def _as_text(findings: Sequence[Finding], healthy: bool) -> str:
    lines = [f"ditto {__version__}, Python {platform.python_version()}, {platform.platform()}"]
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            lines += ["", topic]
        lines.append(f"  {'!!' if finding.problem else 'ok'}  {finding.text}")
    verdict = (
        "The Lite engine works." if healthy else "The Lite engine does not work here; see the lines with !!."
    )
    return "\n".join([*lines, "", verdict])


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _options(arguments: argparse.Namespace) -> TalkOptions:
    """The options with what was given on the command line."""
    options = TalkOptions()
    for flag in (flag for flags in FLAGS.values() for flag in flags):
        value = getattr(arguments, flag.name)
        if value is not _NOT_GIVEN:
            part = replace(getattr(options, flag.part), **{flag.target: value})
            options = replace(options, **{flag.part: part})
    return options


_NOT_GIVEN = object()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ditto",
        description="Portrait and speech in, talking-head video out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    common = _Parser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help="log details and show tracebacks")
    common.add_argument("-q", "--quiet", action="store_true", help="no progress, no notices")
    speak = commands.add_parser(
        "talk",
        parents=[common],
        help="make the person in a picture or video speak",
        usage="ditto talk --source FILE --audio FILE --output FILE [OPTIONS]",
    )
    _add_talk(speak)

    show = commands.add_parser("demo", parents=[common], help="render the bundled portrait and speech")
    show.add_argument("--output", type=Path, default=Path("output/demo.mp4"), metavar="FILE")
    show.set_defaults(command=_demo)

    check = commands.add_parser(
        "doctor", parents=[common], help="tell what is installed and whether it works"
    )
    check.add_argument("--json", action="store_true", help="for programs")
    check.set_defaults(command=_doctor)
    return parser


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_talk)
    files = parser.add_argument_group("files and engine")
    for name, meaning in (
        ("source", "picture or video of a person"),
        ("audio", "speech, or a video with speech"),
        ("output", "video to write, or to replace: .mp4, .mov, .mkv or .webm"),
    ):
        files.add_argument(f"--{name}", required=True, type=Path, metavar="FILE", help=meaning)
    choices = ", ".join(ENGINE_NAMES)
    files.add_argument(
        "--engine", choices=ENGINE_NAMES, default=AUTO, metavar="NAME", help=f"{choices} (default: {AUTO})"
    )
    defaults = TalkOptions()
    for title, flags in FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            default = _as_typed(getattr(getattr(defaults, flag.part), flag.target))
            group.add_argument(
                f"--{flag.name}",
                type=flag.parse,
                default=_NOT_GIVEN,
                metavar=flag.value,
                help=f"{flag.help} (default: {default})",
            )


def _as_typed(value: object) -> str:
    """A default as the user would type it."""
    if isinstance(value, FaceChoice):
        return value.rule
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    if isinstance(value, bool):
        return str(value).lower()
    return "auto" if value is None else str(value)
