"""The command line: `talk`, the scripts of Ditto's documents, `demo`, and the commands of other modules.

Results go to stdout, everything said on the way to stderr.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import secrets
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .console import ConsoleHost, say
from .controls.presets import PRESETS
from .convert_command import add_convert
from .demo import demo
from .ditto.streaming import ONLINE
from .doctor_command import add_doctor
from .download_command import add_download
from .engine import Engine
from .engines import ENGINE_NAMES, load_engine, with_data
from .errors import BAD_INPUT, DONE, INTERNAL_ERROR, DittoError, InputError, Interrupted
from .execution_flags import add_execution, execution_of, typed_execution
from .flags import (
    BY_NAME,
    FLAGS,
    Flag,
    add_controls,
    add_flag,
    as_controls,
    by_target,
    ignored,
    tell_ignored,
    typed_controls,
    typed_flags,
    with_values,
)
from .host import Host
from .options import AUTO
from .scripts import SCRIPTS, Script, draws_online, open_engine, published_options
from .talking_head import TalkOptions, talk

_log = logging.getLogger(__name__)

_EXAMPLES = """\
examples:
  ditto talk --source portrait.jpg --audio speech.wav --output talking.mp4
  ditto talk --source person.mp4 --audio speech.mp3 --output dubbed.mp4 --max_size 1080
  ditto talk --source two.jpg --face from-left:1 --audio speech.wav --output right.mp4
  ditto inference_video --source_video person.mp4 --audio speech.wav --output dubbed.mp4
  ditto demo
  ditto download ditto-pytorch
  ditto convert tensorrt --onnx_dir checkpoints/ditto_onnx --trt_dir checkpoints/ditto_trt_custom
  ditto doctor
"""


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
        _set_up_logging(arguments.verbose)
        return arguments.command(arguments)
    except SystemExit as leave:  # argparse has said why
        return int(leave.code or DONE)
    except Interrupted as stopped:
        raise KeyboardInterrupt from stopped
    except DittoError as error:
        return _fail(error, str(error), BAD_INPUT)
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback unless asked for
        told = f"{type(error).__name__}: {error} (this is a defect of the pack; -v shows where)"
        return _fail(error, told, INTERNAL_ERROR)


def _set_up_logging(verbose: bool) -> None:
    """Users get what the pack itself warns of, in its name; with -v everything, as developers want it."""
    logging.basicConfig(force=True, format=logging.BASIC_FORMAT if verbose else "ditto: %(message)s")
    logging.getLogger(__package__).setLevel(logging.DEBUG if verbose else logging.WARNING)
    # FFmpeg's own messages come as "libav" once a library such as torchvision has asked for them.
    logging.getLogger("libav").setLevel(logging.DEBUG if verbose else logging.CRITICAL)
    if not verbose:  # the AV1 encoder talks past FFmpeg; 1: errors only
        os.environ.setdefault("SVT_LOG", "1")
    if not (verbose or sys.warnoptions):  # what libraries warn developers of
        warnings.simplefilter("ignore")


def _fail(error: Exception, told: str, code: int) -> int:
    _log.debug("Where it happened:", exc_info=error)
    with suppress(OSError):
        sys.stderr.write(f"ditto: error: {' '.join(told.split())}\n")
    return code


def _talk(arguments: argparse.Namespace) -> int:
    with closing(ConsoleHost(arguments.quiet)) as host:
        host.device, execution = execution_of(arguments)
        given = {**_online(arguments), **_given(arguments)}
        options = _streamed(with_values(TalkOptions(), by_target(given)), arguments, arguments.online)
        engine = load_engine(arguments.engine, host, execution=execution)
        return _render(engine, ("source", "audio", "output"), options, arguments, host)


def _script(arguments: argparse.Namespace) -> int:
    """One of the documented scripts."""
    script: Script = arguments.script
    with closing(ConsoleHost(arguments.quiet)) as host:
        host.device, execution = execution_of(arguments)
        given = _given(arguments)
        if "seed" not in given:
            given["seed"] = secrets.randbelow(2**32)
            host.notice(f"Seed: {given['seed']} (--seed {given['seed']} gives the same motion again).")
        data_root = arguments.data_root or _if_there(script.data_root)
        cfg_pkl = arguments.cfg_pkl or _if_there(script.cfg_pkl)
        engine = open_engine(arguments.engine, host, data_root, cfg_pkl, execution)
        return _render(engine, script.files, _script_options(engine, given, arguments), arguments, host)


def _script_options(engine: Engine, given: dict[str, Any], arguments: argparse.Namespace) -> TalkOptions:
    """What a script makes of the flags given, of `--online` and, where it reads it, of the configuration."""
    script: Script = arguments.script
    configured = published_options(engine) if script.reads_options else {}
    if script.reads_options and draws_online(engine):  # its own overlap and steps are meant for streams
        options = script.options(given, {**_online(arguments), **configured})
        return _streamed(options, arguments, online=True)
    options = script.options({**_online(arguments), **given}, configured)
    return _streamed(options, arguments, arguments.online)


def _if_there(place: Path) -> Path | None:
    return place if place.exists() else None


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The flags that were typed, after those that `--settings` stands for."""
    return {**PRESETS.get(arguments.settings, {}), **typed_flags(arguments)}


def _online(arguments: argparse.Namespace) -> dict[str, Any]:
    """The flags that `--online` stands for."""
    names = ("overlap_v2", "sampling_timesteps") if arguments.online else ()
    return {name: getattr(ONLINE, name) for name in names}


def _render(
    engine: Engine, files: Sequence[str], options: TalkOptions, arguments: argparse.Namespace, host: Host
) -> int:
    begun = time.perf_counter()
    if arguments.cfg_data:
        engine = with_data(engine, arguments.cfg_data, host)
    changing = typed_controls(arguments)
    tell_ignored(engine, _unused(engine, arguments), host)
    if options.blend.alpha is not None and options.blend.mode != "custom":
        host.notice(f"--blend_alpha is about blend mode custom; {options.blend.mode} does not use it.")
    path = talk(
        *(getattr(arguments, name) for name in files),
        engine=engine,
        options=replace(options, controls=as_controls(changing)),
        host=host,
    )
    say(f"Wrote {path} in {time.perf_counter() - begun:.1f} s.")
    return DONE


def _unused(engine: Engine, arguments: argparse.Namespace) -> list[str]:
    """The typed flags that change nothing with this engine."""
    settings = PRESETS.get(arguments.settings, {})
    unused = ignored(engine, settings)
    used = ", ".join(name for name in settings if name not in unused)
    told = [f"--settings {arguments.settings}{f' (but for {used})' if used else ''}"] if unused else []
    typed = [*typed_flags(arguments), *typed_controls(arguments), *typed_execution(arguments)]
    return [*told, *(f"--{name}" for name in ignored(engine, typed))]


def _streamed(options: TalkOptions, arguments: argparse.Namespace, online: bool) -> TalkOptions:
    """The options with motion drawn online or not, and what `--chunksize` sets."""
    if arguments.chunksize is None:
        return replace(options, online=online)
    if not online:
        raise InputError("--chunksize is about --online; add --online or leave it out.")
    return replace(options, online=True, chunksize=tuple(arguments.chunksize))


def _demo(arguments: argparse.Namespace) -> int:
    begun = time.perf_counter()
    with closing(ConsoleHost(arguments.quiet)) as host:
        options = with_values(TalkOptions(), by_target(typed_flags(arguments)))
        path = demo(arguments.output, host, options)
    say(f"Wrote {path.resolve()} in {time.perf_counter() - begun:.1f} s.")
    return DONE


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

    for script in SCRIPTS.values():
        files = " ".join(f"--{name} FILE" for name in script.files)
        named = commands.add_parser(
            script.name,
            parents=[common],
            help=script.summary,
            usage=f"ditto {script.name} {files} [OPTIONS]",
        )
        _add_script(named, script)

    show = commands.add_parser("demo", parents=[common], help="render the bundled portrait and speech")
    _add_demo(show)

    get = commands.add_parser(
        "download",
        parents=[common],
        help="fetch model files, or list what there is",
        description="Fetch model files that are not there yet. Without SET: tell what is there and missing.",
    )
    add_download(get)

    change = commands.add_parser(
        "convert", help="write model files in other formats: safetensors, onnx, tensorrt"
    )
    add_convert(change, common)

    check = commands.add_parser(
        "doctor", parents=[common], help="tell what is installed and whether it works"
    )
    add_doctor(check)
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_demo)
    place = Path("output/demo.mp4")
    told = f"video to write, or to replace (default: {place.as_posix()})"
    parser.add_argument("--output", type=Path, default=place, metavar="FILE", help=told)
    for flag in BY_NAME.values():
        if flag.part == "superres":
            add_flag(parser, flag, flag.default)


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_talk)
    files = parser.add_argument_group("files and engine")
    _add_file(files, "source", "picture or video of a person")
    _add_file(files, "audio", "speech, or a video with speech")
    _add_file(files, "output", "video to write, or to replace: .mp4, .mov, .mkv or .webm")
    _add_engine(files)
    _add_settings(files)
    for title, flags in FLAGS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            add_flag(group, flag, flag.default)
    add_controls(parser)
    add_execution(parser)


def _add_script(parser: argparse.ArgumentParser, script: Script) -> None:
    """The documented flags of a script, then what every script takes here besides."""
    parser.set_defaults(command=_script, script=script)
    documented = parser.add_argument_group("documented options")
    source, audio, output = script.files
    _add_file(documented, source, "video or picture of a person")
    _add_file(documented, audio, "speech, or a video with speech")
    _add_file(documented, output, "video to write, or to replace")
    for name, what, place in (
        ("data_root", "folder of Ditto's checkpoints", script.data_root),
        ("cfg_pkl", "Ditto's configuration", script.cfg_pkl),
    ):
        told = f"{what} (default: {place.as_posix()} if it is there, otherwise the model folders)"
        documented.add_argument(f"--{name}", type=Path, metavar="PATH", help=told)
    plain = script.options({})
    for flag in script.flags:
        add_flag(documented, flag, _value(plain, flag))
    add_flag(documented, BY_NAME["seed"], "a new one each time")
    more = parser.add_argument_group("more options", "Ditto's configuration may hold other defaults.")
    _add_engine(more)
    _add_settings(more)
    for flag in BY_NAME.values():
        if flag not in script.flags and flag.name != "seed":
            add_flag(more, flag, _value(plain, flag))
    add_controls(parser)
    add_execution(parser)


def _value(options: TalkOptions, flag: Flag) -> Any:
    """What a flag sets, as these options have it."""
    part, name = flag.target
    return getattr(getattr(options, part), name)


def _add_file(group: Any, name: str, meaning: str) -> None:
    group.add_argument(f"--{name}", required=True, type=Path, metavar="FILE", help=meaning)


def _add_engine(group: Any) -> None:
    told = f"{', '.join(ENGINE_NAMES)} (default: {AUTO})"
    group.add_argument("--engine", choices=ENGINE_NAMES, default=AUTO, metavar="NAME", help=told)
    told = (
        "data in place of the configuration's, such as ch_info or delta_eye_arr: .json or .pkl (Ditto only)"
    )
    group.add_argument("--cfg_data", type=Path, metavar="FILE", help=told)
    told = f"as for speech that is still coming (Ditto only): overlap {ONLINE.overlap_v2}, few steps"
    group.add_argument("--online", action="store_true", help=told)
    size = " ".join(map(str, TalkOptions().chunksize))
    group.add_argument(
        "--chunksize",
        type=int,
        nargs=3,
        metavar=("PAST", "PRESENT", "FUTURE"),
        help=f"frames the speech encoder hears at once, with --online (default: {size})",
    )


def _add_settings(group: Any) -> None:
    told = f"several options at once: {', '.join(PRESETS)}"
    group.add_argument("--settings", choices=PRESETS, metavar="NAME", help=told)
