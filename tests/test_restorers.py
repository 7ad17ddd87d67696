"""The networks of super-resolution: read through the real path, equal to the recordings, or a clear error."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.golden import Golden, assert_within
from helpers.restorers import full_width, saved, small_restoreformer, small_upscaler
from helpers.seeded_weights import fill_
from torch import Tensor, nn

from ditto_core.blend import restorers
from ditto_core.blend.restorers import Restorer
from ditto_core.blend.superres_files import CODEFORMER_LICENCE, model_files, open_restorers
from ditto_core.blend.superres_plan import SuperResOptions
from ditto_core.errors import InputError, ModelError
from ditto_core.host import Host


class Folders(Host):
    """Model folders below one of our own, and what was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notices: list[str] = []
        self.managed: list[Any] = []

    def model_folders(self) -> list[Path]:
        return [self.folder / "ditto"]

    def shared_folders(self, kind: str) -> list[Path]:
        return [self.folder / kind]

    def notice(self, message: str) -> None:
        self.notices.append(message)

    def manage(self, model: Any) -> None:
        self.managed.append(model)


def picture(height: int = 40, width: int = 56) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "file", "output"),
    [
        ("gfpgan", "GFPGANv1.4.pth", "out.face"),
        ("codeformer", "codeformer.safetensors", "out.face_w0.5"),
    ],
)
def test_a_face_restorer_of_full_width_gives_the_recorded_face(
    name: str, file: str, output: str, tmp_path: Path
) -> None:
    golden = Golden(f"latentsync/{name}")
    path = saved(tmp_path / file, fill_(full_width(name), f"latentsync/{name}"), wrap="params_ema")
    face = F.interpolate(golden["in.small"], size=(512, 512), mode="bilinear", align_corners=False)
    restorer = Restorer(path)
    with torch.inference_mode():
        painted = restorer._repainted((face + 1) / 2, fidelity=0.5)[:, :, ::8, ::8] * 2 - 1
    assert_within(painted, golden[output], 1e-3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_codeformer_works_in_bf16(tmp_path: Path) -> None:
    path = saved(tmp_path / "codeformer.pth", fill_(full_width("codeformer"), "latentsync/codeformer"))
    painted = Restorer(path, precision="bf16")(F.interpolate(picture(16, 16), size=(512, 512)))
    assert painted.isfinite().all()
    assert painted.std() > 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_codebook_entries_are_looked_up_in_the_precision_they_have(dtype: torch.dtype) -> None:
    codebook = nn.Embedding(16, 6).to(dtype)
    codes = torch.randint(16, (2, 4, 1), generator=torch.Generator().manual_seed(0))
    entries = restorers.looked_up(codebook, codes, (2, 2, 2, 6))
    assert entries.shape == (2, 6, 2, 2)
    assert entries.dtype == dtype
    assert torch.equal(entries[1, :, 1, 0], codebook.weight[codes[1, 2, 0]])


@pytest.mark.parametrize("file", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("wrap", ["", "params_ema"])
def test_an_upscaler_is_read_from_every_kind_of_file(file: str, wrap: str, tmp_path: Path) -> None:
    network = small_upscaler()
    restorer = Restorer(saved(tmp_path / file, network, wrap))
    given = picture()
    result = restorer(given)
    assert (restorer.kind, restorer.scale, restorer.name) == ("upscaler", 2, "net")
    assert restorer.nbytes == restorer.path.stat().st_size
    assert result.shape == (1, 3, 80, 112)
    with torch.inference_mode():
        inside = network(given).clamp(0, 1)[:, :, 16:-16, 16:-16]
    assert_within(result[:, :, 16:-16, 16:-16], inside, 1e-6)

    restorer.release()
    assert torch.equal(restorer(given), result)


def test_an_upscaler_s_tiles_leave_no_seams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = Restorer(saved(tmp_path / "net.pth", small_upscaler()))
    whole = restorer(picture().expand(2, -1, -1, -1))
    monkeypatch.setattr(restorers, "TILE", 16)
    assert_within(restorer(picture().expand(2, -1, -1, -1)), whole, 1e-6)


def test_a_face_network_is_fed_minus_one_to_one_and_always_the_same_noise(tmp_path: Path) -> None:
    restorer = Restorer(saved(tmp_path / "net.pth", small_upscaler()))
    asked: list[dict[str, Any]] = []

    def model(face: Tensor, **options: Any) -> tuple[Tensor]:
        asked.append(options)
        assert face.is_contiguous()
        return (face * 2,)

    restorer.network._model = model
    restorer._network = type(
        "Loaded", (), {"model": staticmethod(model), "device": "cpu", "dtype": torch.float32}
    )
    face = torch.full((1, 3, 512, 512), 0.4).to(memory_format=torch.channels_last)
    for kind in ("GFPGAN", "CodeFormer", "RestoreFormer"):
        restorer.kind = kind
        assert restorer(face, fidelity=0.7).mean().item() == pytest.approx(0.3)
    assert asked == [{"return_rgb": False, "randomize_noise": False}, {"weight": 0.7}, {}]
    with pytest.raises(InputError, match="512x512"):
        restorer(face[:, :, :256])


def test_restoreformer_is_recognised_and_repaints_a_face(tmp_path: Path) -> None:
    restorer = Restorer(saved(tmp_path / "RestoreFormer.pth", small_restoreformer(), "params"))
    face = F.interpolate(picture(16, 16), size=(512, 512))
    assert restorer.kind == "RestoreFormer"
    with torch.inference_mode():
        expected = (restorer.network.model(face * 2 - 1)[0] + 1) / 2
    assert torch.equal(restorer(face), expected.clamp(0, 1))


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


def test_a_file_that_is_no_network_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"gone\.pth is missing"):
        Restorer(tmp_path / "gone.pth")
    (tmp_path / "torn.pth").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ModelError, match=r"torn\.pth.*damaged"):
        Restorer(tmp_path / "torn.pth")
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(ModelError, match=r"bomb\.pth.*more than weights"):
        Restorer(tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()
    other = saved(tmp_path / "other.pth", nn.Linear(3, 3))
    with pytest.raises(ModelError, match=r"other\.pth holds no network that enlarges"):
        Restorer(other)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelError, match=r"list\.pth holds no network"):
        Restorer(tmp_path / "list.pth")
    weights = dict(small_upscaler().state_dict())
    weights["body.0.weight"] = torch.zeros(9, 3, 3, 3)
    torch.save(weights, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=r"odd\.pth is damaged or of an unknown variant"):
        Restorer(tmp_path / "odd.pth")


def test_a_network_works_in_the_precisions_it_is_made_for(tmp_path: Path) -> None:
    upscaler = saved(tmp_path / "net.pth", small_upscaler())
    exact = Restorer(upscaler)(picture())
    assert Restorer(upscaler, precision="auto").network.dtype == torch.float32
    assert_within(Restorer(upscaler, precision="bf16")(picture()), exact, 0.03)
    face = saved(tmp_path / "RestoreFormer.pth", small_restoreformer())
    with pytest.raises(InputError, match=r"does not work in fp16; use one of fp32, bf16"):
        Restorer(face, precision="fp16")


def fake_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small upscalers pass for what their file's name says."""
    kinds = {"gfpganv1.4": "GFPGAN", "gfpganv1.3": "GFPGAN", "codeformer": "CodeFormer"}
    original = Restorer.__init__

    def init(self: Restorer, path: Path, *more: Any) -> None:
        original(self, path, *more)
        self.kind = kinds.get(path.stem.lower(), self.kind)  # type: ignore[assignment]

    monkeypatch.setattr(Restorer, "__init__", init)


def test_methods_find_their_files_and_codeformer_s_licence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_kinds(monkeypatch)
    host = Folders(tmp_path)
    older = saved(tmp_path / "ditto/superres/GFPGANv1.3.pth", small_upscaler())
    face = saved(tmp_path / "facerestore_models/codeformer.pth", small_upscaler())
    large = saved(tmp_path / "upscale_models/sub/4x.safetensors", small_upscaler(4))
    (tmp_path / "upscale_models/readme.txt").write_text("no model")
    assert model_files(host) == {
        "GFPGANv1.3.pth": older, "codeformer.pth": face, "sub/4x.safetensors": large
    }  # fmt: skip

    assert open_restorers(SuperResOptions(), host) == ()
    assert open_restorers(SuperResOptions("both", when="never"), host) == ()
    assert [each.path for each in open_restorers(SuperResOptions("GFPGAN"), host)] == [older]
    assert host.notices == []
    newer = saved(tmp_path / "facerestore_models/GFPGANv1.4.pth", small_upscaler())
    both = open_restorers(SuperResOptions("both"), host)
    assert [each.path for each in both] == [newer, face]
    assert host.notices == [CODEFORMER_LICENCE]
    assert host.managed[-2:] == list(both)
    (only,) = open_restorers(SuperResOptions("model", large), host)
    assert (only.path, only.scale) == (large, 4)


def test_a_connected_network_replaces_the_method_s_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_kinds(monkeypatch)
    host = Folders(tmp_path)
    mine = Restorer(saved(tmp_path / "GFPGANv1.3.pth", small_upscaler()))
    saved(tmp_path / "facerestore_models/codeformer.pth", small_upscaler())
    assert open_restorers(SuperResOptions("both"), host, mine)[0] is mine
    assert open_restorers(SuperResOptions("model"), host, mine) == (mine,)
    with pytest.raises(InputError, match=r"GFPGANv1\.3\.pth is a network of kind GFPGAN.*method CodeFormer"):
        open_restorers(SuperResOptions("CodeFormer"), host, mine)
    with pytest.raises(InputError, match="needs a model"):
        open_restorers(SuperResOptions("model"), host)


def test_folders_that_comfyui_s_other_nodes_use_are_searched_without_comfyui_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "models/facerestore_models/mine.pth", small_upscaler())
    saved(tmp_path / "models/upscale_models/2x.pth", small_upscaler())
    assert set(model_files(Host())) == {"mine.pth", "2x.pth"}


def test_a_missing_file_names_its_places_and_the_download(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"GFPGANv1\.4\.pth.*DittoDownload.* superres$"):
        open_restorers(SuperResOptions("GFPGAN"), Folders(tmp_path))
    with pytest.raises(ModelError, match=r"codeformer\.pth.*DittoDownload.* codeformer$"):
        open_restorers(SuperResOptions("CodeFormer"), Folders(tmp_path))
    with pytest.raises(ModelError, match=r"mine\.pth, which is not in .*far, nor in .*Download.* superres$"):
        open_restorers(SuperResOptions("model", tmp_path / "far/mine.pth"), Folders(tmp_path))
    saved(tmp_path / "ditto/superres/GFPGANv1.4.pth", small_upscaler())
    with pytest.raises(ModelError, match="is no network of kind GFPGAN but one of kind upscaler"):
        open_restorers(SuperResOptions("GFPGAN"), Folders(tmp_path))
