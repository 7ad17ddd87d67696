"""Configuration pickles are read whole, and never run."""

from __future__ import annotations

import builtins
import json
import pickle
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.golden import table
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.ditto.config import data_files, open_config, read_data
from ditto_core.errors import InputError, ModelError
from ditto_core.models.configs import read_config

SAMPLES = Path(__file__).parent / "golden" / "ditto" / "cfg_samples"
FILES = {
    "pytorch": SAMPLES / "cfg_pytorch_np2_p4.pkl",
    "trt": SAMPLES / "cfg_trt_np1_p2.pkl",
    "trt_online": SAMPLES / "cfg_trt_online_np2_p5.pkl",
}
WHOLE = FILES["pytorch"].read_bytes()


def described(value: Any) -> Any:
    """The value as `expected.json` describes it, arrays as type, shape and sum."""
    if isinstance(value, np.ndarray):
        return {"__ndarray__": [str(value.dtype), list(value.shape), float(value.astype(np.float64).sum())]}
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    return [described(item) for item in value] if isinstance(value, (list, tuple)) else value


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("name", FILES)
def test_the_published_structure_in_every_spelling(name: str):
    expected = table("ditto/cfg_samples/expected")["expected"][name]
    assert described(read_config(FILES[name])) == expected


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">i4"),
        np.array([True, False]),
        np.arange(12, dtype=np.int64)[::2],
    ],
    ids=["float32", "columns first", "big endian", "bool", "every other"],
)
def test_arrays_of_every_protocol(array: np.ndarray, protocol: int, tmp_path: Path):
    read = read_config(written(tmp_path / "a.pkl", {"array": array}, protocol))["array"]
    assert np.array_equal(read, array)
    assert read.dtype == array.dtype.newbyteorder("=")
    assert read.flags.writeable


def test_numpy_numbers_become_numbers(tmp_path: Path):
    assert read_config(written(tmp_path / "a.pkl", {"n": np.float32(0.5)})) == {"n": 0.5}


class Calls:
    """What a pickle that runs code looks like."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Calls(builtins.eval, "1/0"), r"builtins\.eval|__builtin__\.eval"),
        (Calls(Path.unlink, Path("x")), "getattr|pathlib"),
        (OrderedDict(a=1), "OrderedDict"),
        (np.array(["text"], dtype=object), "type 'O8'"),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), "type 'V12'"),
        ({1, 2}, "set"),
        (Calls("x".encode, "utf-8"), "getattr"),
    ],
    ids=["eval", "file", "class", "objects", "records", "set", "method"],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_anything_else_is_refused_by_name(content: Any, named: str, protocol: int, tmp_path: Path):
    path = written(tmp_path / "bad.pkl", {"content": content}, protocol)
    with pytest.raises(ModelError, match=named) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_what_is_refused_is_not_run(tmp_path: Path):
    target = tmp_path / "precious"
    target.write_text("here")
    with pytest.raises(ModelError, match="may run code"):
        read_config(written(tmp_path / "bad.pkl", Calls(target.unlink)))
    assert target.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (WHOLE[:-9], "damaged"),
        (b"<html>not found</html>", "damaged"),
        (pickle.dumps([1]), "no named"),
    ],
    ids=["empty", "cut off", "a web page", "a list"],
)
def test_a_damaged_file_is_named(content: bytes, words: str, tmp_path: Path):
    path = tmp_path / "cfg.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=words) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_few_bytes_that_stand_for_endlessly_many_are_refused(tmp_path: Path):
    doubled: list[Any] = []
    for _ in range(40):
        doubled = [doubled, doubled]
    arrays = [np.zeros(2**16)] * 1000
    for content in (doubled, arrays):
        path = written(tmp_path / "few.pkl", {"content": content})
        with pytest.raises(ModelError, match="damaged or no configuration: more than 2,097,152 values"):
            read_config(path)


def test_a_missing_or_huge_file_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match=r"gone\.pkl is missing"):
        read_config(tmp_path / "gone.pkl")
    huge = tmp_path / "huge.pkl"
    with huge.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(ModelError, match="far more than a configuration needs"):
        read_config(huge)


@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place: int, byte: int, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("changed") / "cfg.pkl"
    path.write_bytes(WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :])
    with suppress(ModelError):
        assert isinstance(read_config(path), dict)


# What Ditto makes of it


@pytest.mark.parametrize("name", FILES)
def test_a_configuration_gives_what_motion_depends_on(name: str):
    content = read_config(FILES[name])["default_kwargs"]
    config = open_config(FILES[name])
    assert config.character is not None
    reference = content["ch_info"]
    assert np.array_equal(config.character.shape.numpy(), reference["sc"])
    assert np.array_equal(config.character.motion.pitch.numpy(), reference["x_s_info_lst"][0]["pitch"])
    assert np.array_equal(config.character.eyes.gaze.numpy(), reference["eye_ball_lst"][0])
    assert config.limits is not None
    assert np.array_equal(config.limits.numpy(), content["v_min_max_for_clip"])
    assert config.blink_table is not None
    assert config.blink_table.shape == (15, 63)
    assert config.emotion is not None
    assert config.emotion.shape == (600, 8)
    assert (config.fix_kp_cond, config.fix_kp_cond_dim) == (1, (0, 202))
    assert config.fade_type == "d0"
    assert config.fade_out_keys == ("exp",)
    assert config.overall_ctrl_info == {"delta_pitch": 2}
    assert config.options["overlap_v2"] == content["overlap_v2"]


def changed(path: Path, section: str, **values: Any) -> Path:
    content = read_config(FILES["pytorch"])
    content[section].update(values)
    return written(path, content)


def test_values_of_double_precision_are_read_as_single(tmp_path: Path):
    double = np.zeros((4, 265))
    config = open_config(changed(tmp_path / "a.pkl", "default_kwargs", v_min_max_for_clip=double))
    assert config.limits is not None
    assert config.limits.dtype == torch.float32


def test_what_a_configuration_leaves_out_is_left_out(tmp_path: Path):
    path = written(tmp_path / "bare.pkl", {"audio2motion_cfg": {}, "default_kwargs": {"ch_info": None}})
    config = open_config(path)
    assert config.character is config.limits is config.blink_table is config.emotion is None
    assert config.fix_kp_cond == 0
    assert config.fade_out_keys == ("exp",)


def test_data_may_be_replaced_under_their_published_names():
    config = open_config(FILES["pytorch"])
    other = config.replaced({"ch_info": None, "fade_out_keys": None, "delta_eye_arr": np.ones((3, 63))})
    assert other.character is other.fade_out_keys is None
    assert other.blink_table is not None
    assert other.blink_table.shape == (3, 63)
    assert other.limits is config.limits
    with pytest.raises(InputError, match="no 'overlap_v2' in a configuration"):
        config.replaced({"overlap_v2": 3})
    with pytest.raises(InputError, match="delta_eye_arr: 5 numbers instead of 63"):
        config.replaced({"delta_eye_arr": np.ones((3, 5))})
    with pytest.raises(InputError, match="fix_kp_cond: "):
        config.replaced({"fix_kp_cond": float("inf")})


@pytest.mark.parametrize("part", ["pitch", "t", "exp", "scale"])
def test_motion_of_another_width_is_refused(part: str):
    face = as_json(read_data(FILES["pytorch"]))["ch_info"]
    face["x_s_info_lst"][0][part] = [[0.0] * 2]
    with pytest.raises(InputError, match="ch_info: 2 numbers instead of"):
        open_config(FILES["pytorch"]).replaced({"ch_info": face})


def as_json(value: Any) -> Any:
    """The same with arrays as lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_all_data_may_come_from_json(tmp_path: Path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(as_json(read_data(FILES["trt_online"]))))
    replaced = open_config(FILES["pytorch"]).replaced(read_data(path))
    online = open_config(FILES["trt_online"])
    for name in ("limits", "blink_table", "emotion"):
        assert torch.equal(getattr(replaced, name), getattr(online, name))
    assert replaced.character is not None
    assert online.character is not None
    for part in vars(online.character.motion):
        ours, theirs = (getattr(each.character.motion, part) for each in (replaced, online))
        assert torch.equal(ours, theirs)
    assert torch.equal(replaced.character.eyes.gaze, online.character.eyes.gaze)
    assert replaced.overall_ctrl_info == online.overall_ctrl_info


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "cannot be read"), ("[1]", "must be a JSON object"), (None, "cannot be read")],
)
def test_json_that_cannot_be_used_is_named(content: str | None, words: str, tmp_path: Path):
    path = tmp_path / "data.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_data(path)
    assert str(path) in str(caught.value)


def test_json_as_windows_editors_write_it_is_read(tmp_path: Path):
    (tmp_path / "data.json").write_text('{"fix_kp_cond": 2}', encoding="utf-8-sig")
    assert read_data(tmp_path / "data.json") == {"fix_kp_cond": 2}


def test_an_emotion_of_uneven_rows_is_refused():
    with pytest.raises(InputError, match="emo: The emotion table is no table"):
        open_config(FILES["pytorch"]).replaced({"emo": [[0.5, 0.5], [1.0]]})


def test_the_first_folders_data_files_come_first(tmp_path: Path):
    for place in ("a/ditto_cfg", "a/checkpoints/ditto_cfg", "b/ditto_cfg"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "blink.json").write_text("{}")
    (tmp_path / "b/ditto_cfg/face.pkl").touch()
    found = data_files([tmp_path / "a", tmp_path / "b"])
    assert found == {
        "blink.json": tmp_path / "a/ditto_cfg/blink.json",
        "face.pkl": tmp_path / "b/ditto_cfg/face.pkl",
    }


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("audio2motion_cfg", {"w2f_type": "wavlm"}, "w2f_type is wavlm, here it is hubert"),
        ("audio2motion_cfg", {"audio_feat_dim": 1059}, "audio_feat_dim is 1059, here it is 1103"),
        ("audio2motion_cfg", {"use_emo": False}, "use_emo is False"),
        (
            "default_kwargs",
            {"v_min_max_for_clip": np.zeros((4, 3))},
            "v_min_max_for_clip: 3 numbers instead of 265",
        ),
        (
            "default_kwargs",
            {"delta_eye_arr": np.full((15, 63), np.nan)},
            "delta_eye_arr: values that are no numbers",
        ),
        ("default_kwargs", {"emo": np.zeros((3, 5), np.float32)}, "unusable: emo"),
        ("default_kwargs", {"ch_info": {"x_s_info_lst": []}}, "unusable: ch_info"),
        ("default_kwargs", {"v_min_max_for_clip": np.zeros((1, 265), np.float32)}, "unusable: v_min_max"),
        ("default_kwargs", {"fade_out_keys": "exp"}, "unusable: fade_out_keys"),
        ("default_kwargs", {"overall_ctrl_info": {"delta_pich": 2}}, "sets 'delta_pich'"),
        ("default_kwargs", {"fix_kp_cond": -1}, "unusable: fix_kp_cond"),
        ("default_kwargs", {"fix_kp_cond_dim": [0, 300]}, "unusable: fix_kp_cond_dim"),
        ("default_kwargs", {"fix_kp_cond_dim": [0, 202, 265]}, "unusable: fix_kp_cond_dim"),
        ("default_kwargs", {"fade_type": "x"}, "'x' is none of"),
    ],
)
def test_an_unusable_value_is_named(section: str, values: dict[str, Any], words: str, tmp_path: Path):
    path = changed(tmp_path / "cfg.pkl", section, **values)
    with pytest.raises(ModelError, match=words) as caught:
        open_config(path)
    assert str(path) in str(caught.value)


def test_a_configuration_of_something_else_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="no audio2motion_cfg"):
        open_config(written(tmp_path / "other.pkl", {"model": {}}))
