"""Controls of the face: emotion, expression, eyes and blinks."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.controls.control import Controls
from ..ditto_core.controls.curve import Curve, Moment
from ..ditto_core.controls.parts import (
    Blinks,
    Emotion,
    EmotionSchedule,
    Expression,
    Eyes,
    EyeSource,
)
from ..ditto_core.controls.text import parse_emotion_schedule, parse_gaps, parse_seconds
from ..ditto_core.emotion import EMOTIONS
from ..ditto_core.options import MotionOptions, StitchOptions
from .control_inputs import (
    BETWEEN,
    between_input,
    controls_input,
    controls_output,
    curve_input,
    seconds_input,
)
from .inputs import NO_CONTROLS, chosen
from .option_input import option_input

NO_SECOND = "none"
EYE_SOURCES: dict[str, EyeSource | None] = {
    "as the stage says": None,
    "driven": "driven",
    "original": "original",
    "first frame": "first frame",
}


class DittoEmotion(io.ComfyNode):
    """Emotion by name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoEmotion",
            display_name="Ditto Emotion",
            category="Ditto/Controls",
            description="An emotion, or two at once, throughout or for some time. Several of these nodes in "
            "a row lie over each other. Ditto only: Lite ignores emotions.",
            inputs=[
                io.Combo.Input(
                    "emotion",
                    options=list(EMOTIONS),
                    default="neutral",
                    tooltip="What the face shows. The classes are the checkpoint's; its number is the place "
                    "in the list, from 0 angry.",
                ),
                io.Combo.Input(
                    "second",
                    options=[NO_SECOND, *EMOTIONS],
                    default=NO_SECOND,
                    tooltip="Another emotion shown at the same time.",
                ),
                seconds_input("start", "Seconds after which it begins."),
                seconds_input("end", "Seconds after which it is gone; 0 for the end of the clip."),
                option_input(
                    Emotion, "fade", "Seconds in which it comes and goes, within start and end.", step=0.1
                ),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(
        cls,
        emotion: str,
        second: str,
        start: float,
        end: float,
        fade: float,
        controls: Controls = NO_CONTROLS,
    ) -> io.NodeOutput:
        labels = (emotion,) if second == NO_SECOND else (emotion, second)
        until = Moment(end, in_seconds=True) if end else None
        return io.NodeOutput(controls.plus(Emotion(labels, Moment(start, in_seconds=True), until, fade)))


class DittoEmotionSchedule(io.ComfyNode):
    """Emotions that take turns."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoEmotionSchedule",
            display_name="Ditto Emotion Schedule",
            category="Ditto/Controls",
            description="Emotions one after the other, written as text. Ditto only: Lite ignores emotions.",
            inputs=[
                io.String.Input(
                    "schedule",
                    default="0: neutral, 3s: happy + surprise, 6s: neutral",
                    multiline=True,
                    tooltip="time: emotion, with commas or line breaks between. A time is a frame (75) or "
                    "seconds (3s), an emotion a name or number, several with + between them.",
                ),
                option_input(
                    EmotionSchedule, "fade", "Seconds in which an emotion replaces the one before.", step=0.1
                ),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(cls, schedule: str, fade: float, controls: Controls = NO_CONTROLS) -> io.NodeOutput:
        return io.NodeOutput(controls.plus(EmotionSchedule(parse_emotion_schedule(schedule), fade)))


class DittoExpression(io.ComfyNode):
    """How much the mouth moves."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoExpression",
            display_name="Ditto Expression",
            category="Ditto/Controls",
            description="How much the mouth moves, throughout and over time. Lite honours both.",
            inputs=[
                option_input(
                    StitchOptions,
                    "mouth_amount",
                    "How far the mouth moves: 0 not at all, 1 natural, 2 exaggerated. Replaces mouth_amount.",
                    name="amount",
                    step=0.05,
                ),
                curve_input(
                    "gate",
                    "Share of the speech's lips over time (vad_alpha): 1 all, 0 the source's own lips; with "
                    "Lite they are shut. Blank: 1.",
                ),
                between_input(),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(
        cls, amount: float, gate: str, between: str, controls: Controls = NO_CONTROLS
    ) -> io.NodeOutput:
        curve = Curve.parse(gate, chosen("between", between, BETWEEN))
        return io.NodeOutput(controls.plus(Expression(amount, curve)))


class DittoEyes(io.ComfyNode):
    """Whose eyes, and where they look."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoEyes",
            display_name="Ditto Eyes",
            category="Ditto/Controls",
            description="Whose eyes are shown and where they look. Lite honours driven and original, and "
            "cannot move the gaze.",
            inputs=[
                io.Combo.Input(
                    "source",
                    options=list(EYE_SOURCES),
                    default="as the stage says",
                    tooltip="driven: lids and gaze from the engine. original: the source's own. first frame: "
                    "driven, for eyes that stay as in the first frame (eye_f0_mode); with the checkpoint's "
                    "reference character these are its eyes, so that little changes.",
                ),
                curve_input(
                    "gaze_x",
                    "Where to look: to the picture's right above 0, left below, about -30 to 30. "
                    "Blank: unchanged.",
                ),
                curve_input(
                    "gaze_y",
                    "Where to look: up above 0, down below, about -30 to 30. Blank: unchanged.",
                ),
                between_input(),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(
        cls, source: str, gaze_x: str, gaze_y: str, between: str, controls: Controls = NO_CONTROLS
    ) -> io.NodeOutput:
        way = chosen("between", between, BETWEEN)
        whose = chosen("source", source, EYE_SOURCES)
        return io.NodeOutput(controls.plus(Eyes(whose, Curve.parse(gaze_x, way), Curve.parse(gaze_y, way))))


class DittoBlinks(io.ComfyNode):
    """How often the eyes blink, or when."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoBlinks",
            display_name="Ditto Blinks",
            category="Ditto/Controls",
            description="How often the eyes blink, or when, also in clips under six seconds, to which the "
            "published schedule gives no blink. Lite honours rate and times. A clip of a person blinks as it "
            "did, unless its eyes are driven.",
            inputs=[
                option_input(
                    MotionOptions,
                    "blink_rate",
                    "Blinks a minute, irregular as people's; 0 for none.",
                    name="per_minute",
                    default=15.0,
                    step=1.0,
                ),
                io.String.Input(
                    "gaps",
                    default="",
                    tooltip="Instead of the rate: frames (25 a second) with open eyes before each blink, "
                    "used in turn, such as 50, 80 (delta_eye_open_n). Ditto only.",
                ),
                io.String.Input(
                    "times",
                    default="",
                    tooltip="Instead of rate and gaps: seconds at which a blink begins, such as 0.5, 2, 3.2.",
                ),
                controls_input(),
            ],
            outputs=[controls_output()],
        )

    @classmethod
    def execute(
        cls, per_minute: float, gaps: str, times: str, controls: Controls = NO_CONTROLS
    ) -> io.NodeOutput:
        return io.NodeOutput(controls.plus(Blinks(per_minute, parse_gaps(gaps), parse_seconds(times))))
