"""Trees of images in folders: what is read, of which kinds of images, and what is told."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from image_trees import Tree, build, pack, same
from PIL import Image

from cl_bench.data import DataError, image_folder


def test_a_folder_is_read_in_sorted_order(root: Path, write_tree: Tree):
    data = build(write_tree(root / "mine"))
    assert data.class_names == ("ant", "bee", "cat")
    assert data.train_images.shape == data.test_images.shape == (6, 3, 6, 6)
    assert data.train_labels.tolist() == data.test_labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 20, 21, 40, 41]
    assert data.test_images[:, 1, 5, 5].tolist() == [101, 102, 121, 122, 141, 142]
    assert (data.name, data.source) == ("image_folder", "image folder mine")


def test_a_path_may_be_relative_to_a_place(root: Path, write_tree: Tree, monkeypatch: pytest.MonkeyPatch):
    write_tree(root / "mine")
    assert len(image_folder(path="mine", root=str(root)).train_images) == 6
    monkeypatch.setenv("CL_BENCH_DATA", str(root))
    assert len(image_folder(path="mine", root=None, size=3).train_images) == 6


def test_hidden_files_and_what_is_no_image_are_ignored(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    expected = build(folder)
    (folder / "train" / ".hidden").mkdir()
    (folder / "train" / ".hidden" / "0.png").write_bytes(b"")
    (folder / "train" / "cat" / "._0.png").write_bytes(b"")
    (folder / "train" / "cat" / "notes.txt").write_text("notes")
    (folder / "readme.png").write_bytes(b"")
    assert same(build(folder), expected)
    assert same(build(pack(folder, root / "packed.tar")), expected)


def test_images_of_unequal_size_name_the_file_unless_a_size_is_given(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    Image.new("RGB", (9, 7), (200, 100, 50)).save(folder / "test" / "bee" / "1.png")
    message = (
        r"mine: test/bee/1\.png must be of the size of .*train/ant/0\.png, 6x6, got 9x7; give size=<pixels>"
    )
    with pytest.raises(DataError, match=message):
        build(folder)
    data = build(folder, size=4)
    assert data.train_images.shape == (6, 3, 4, 4)
    assert (data.test_images[3] == torch.tensor([200, 100, 50]).view(3, 1, 1)).all()


@pytest.mark.parametrize("size", [0, -1])
def test_the_size_must_be_positive(root: Path, size: int):
    with pytest.raises(ValueError, match="size must be positive, got size="):
        build(root, size=size)


def test_greyscale_images_keep_one_channel(root: Path, write_tree: Tree):
    data = build(write_tree(root / "mine", mode="L"))
    assert data.train_images.shape == (6, 1, 6, 6)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 20, 21, 40, 41]


@pytest.mark.parametrize("coloured", ["train/ant/0.png", "train/bee/1.png", "test/cat/1.png"])
def test_one_colour_image_makes_all_of_them_rgb(root: Path, write_tree: Tree, coloured: str):
    folder = write_tree(root / "mine", mode="L")
    grey = build(folder)
    Image.new("RGB", (6, 6), (1, 2, 3)).save(folder / coloured)
    data = build(folder)
    pixels = torch.cat([data.train_images, data.test_images])
    is_coloured = (pixels == torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1)).all((1, 2, 3))
    assert pixels.shape == (12, 3, 6, 6)
    assert is_coloured.sum() == 1
    expected = torch.cat([grey.train_images, grey.test_images]).expand(-1, 3, -1, -1)
    assert torch.equal(pixels[~is_coloured], expected[~is_coloured])


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_other_colour_modes_become_rgb(root: Path, write_tree: Tree, mode: str):
    folder = write_tree(root / "mine")
    suffix = "tiff" if mode == "CMYK" else "png"
    Image.new("RGB", (6, 6), (255, 0, 0)).convert(mode).save(folder / "test" / "cat" / f"9.{suffix}")
    assert build(folder).test_images[-1, :, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("value", "read"), [(0, 0), (128, 0), (129, 1), (40_000, 156), (65_535, 255)])
@pytest.mark.parametrize("name", ["1.png", "1.tif", "1.pgm"])
def test_sixteen_bits_of_grey_become_eight_and_are_told(
    root: Path, write_tree: Tree, name: str, value: int, read: int
):
    folder = write_tree(root / "mine", mode="L")
    path = folder / "train" / "bee" / "1.png"
    path.unlink()
    grey = np.full((6, 6), value, np.uint16)
    if name.endswith(".pgm"):
        path.with_name(name).write_bytes(b"P5 6 6 65535\n" + grey.astype(">u2").tobytes())
    else:
        Image.fromarray(grey).save(path.with_name(name))
    data = build(folder)
    assert data.train_images[3].unique().tolist() == [read]
    assert data.notes == ("mine: 1 of 12 images: of 16 bits a channel, read with 8",)


@pytest.mark.parametrize("kind", [2, 6])
def test_sixteen_bits_of_colour_are_told(root: Path, write_tree: Tree, kind: int):
    folder = write_tree(root / "mine")
    pixels = np.full((6, 6, 3 if kind == 2 else 4), 0xFF00, np.uint16)
    (folder / "train" / "bee" / "1.png").write_bytes(deep_png(pixels, kind=kind))
    data = build(folder)
    assert data.train_images[3].unique().tolist() == [255]
    assert data.notes[0] == "mine: 1 of 12 images: of 16 bits a channel, read with 8"


def test_pixels_of_no_known_range_are_a_data_error(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine", mode="L")
    Image.fromarray(np.full((6, 6), 0.5, np.float32)).save(folder / "train" / "bee" / "1.tif")
    with pytest.raises(DataError, match=r"train/bee/1\.tif must have 8 or 16 bits a channel, got mode F"):
        build(folder)


def deep_png(pixels: np.ndarray, *, kind: int) -> bytes:
    """A PNG of 16 bits a channel; Pillow writes none. `kind` is 2 for RGB, 6 for RGBA."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_what_is_transparent_is_shown_on_white(root: Path, write_tree: Tree, mode: str):
    """A black shape on nothing is a shape: it was all black without its transparency."""
    folder = write_tree(root / "mine", mode="L")
    shape = Image.new("L", (6, 6), 0)
    shape.paste(255, (0, 0, 3, 6))
    image = Image.merge("LA", (Image.new("L", (6, 6), 0), shape))
    path = folder / "train" / "bee" / ("1.png" if mode != "PA" else "1.webp")
    if mode == "P":
        shape.convert("P").save(path, transparency=0)  # palette entry 0 is transparent, 255 is white
    elif mode == "PA":
        (folder / "train" / "bee" / "1.png").unlink()
        image.convert("RGBA").save(path, lossless=True)
    else:
        image.convert(mode).save(path)
    data = build(folder)
    left, right = data.train_images[3, :, :, :3], data.train_images[3, :, :, 3:]
    assert left.unique().tolist() == ([255] if mode == "P" else [0])
    assert right.unique().tolist() == [255]
    assert data.notes == ("mine: 1 of 12 images: with transparency, shown on white",)
    assert data.train_images.shape[1] == (1 if mode == "LA" else 3)


def test_half_transparent_pixels_are_mixed_and_opaque_images_are_not_told(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    Image.new("RGBA", (6, 6), (100, 0, 0, 255)).save(folder / "train" / "bee" / "0.png")
    assert build(folder).notes == ()
    Image.new("RGBA", (6, 6), (0, 0, 0, 51)).save(folder / "train" / "bee" / "1.png")
    assert build(folder).train_images[3].unique().tolist() == [204]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright_by_their_exif_orientation(root: Path, write_tree: Tree, orientation: int):
    folder = write_tree(root / "mine", mode="L")
    for path in folder.rglob("*.png"):
        Image.new("L", (8, 4), 7).save(path)
    upright = Image.fromarray(np.arange(32, dtype=np.uint8).reshape(4, 8) * 8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(INVERSE[orientation]) if orientation > 1 else upright
    stored.save(folder / "train" / "bee" / "1.png", exif=exif)
    data = build(folder)
    assert torch.equal(data.train_images[3, 0], torch.from_numpy(np.array(upright)))
    told = ("mine: 1 of 12 images: turned upright, as EXIF orientation says",)
    assert data.notes == (told if orientation > 1 else ())


INVERSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def test_of_an_animation_the_first_frame_is_read_and_told(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine", mode="L")
    frames = [Image.new("L", (6, 6), value) for value in (50, 200)]
    frames[0].save(folder / "train" / "bee" / "2.gif", save_all=True, append_images=frames[1:])
    data = build(folder)
    assert data.train_images[4].unique().tolist() == [50]
    assert data.notes == ("mine: 1 of 13 images: of several frames, of which the first is read",)


@pytest.mark.parametrize("ending", ["jfif", "JPG", "jpe", "PNG", "tif", "bmp", "pgm", "webp"])
def test_images_are_known_by_every_usual_ending(root: Path, write_tree: Tree, ending: str):
    folder = write_tree(root / "mine", mode="L")
    kind = {"jfif": "JPEG", "jpe": "JPEG"}.get(ending)
    Image.new("L", (6, 6), 9).save(folder / "train" / "bee" / f"2.{ending}", format=kind)
    data = build(folder)
    assert len(data.train_images) == 7
    assert data.notes == ()


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_left_out_is_told_with_its_number_and_reason(root: Path, write_tree: Tree, packed: bool):
    folder = write_tree(root / "mine", mode="L")
    bee = folder / "train" / "bee"
    (bee / "sub" / "more").mkdir(parents=True)
    for path in (bee / "sub" / "1.png", bee / "sub" / "more" / "2.png", folder / "test" / "3.png"):
        Image.new("L", (6, 6), 9).save(path)
    for name in ("a.heic", "b.heic", "notes", ".hidden.png", "Thumbs.db"):
        (bee / name).write_bytes(b"")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "0.png").write_bytes(b"")
    if not packed:
        (folder / "train" / "none").mkdir()
    (note, *more) = build(pack(folder, root / "mine.tar") if packed else folder).notes
    assert note.partition(" are left out: ")[0].endswith(": 6 files")
    for part in (
        "2 a folder deeper than train/<class>/ (train/bee/sub/",
        "2 ending in .heic (train/bee/",
        "1 without an ending (train/bee/notes)",
        "1 in no class folder (test/3.png)",
    ):
        assert part in note
    assert more == ([] if packed else ["mine: 1 class folder holds no image: train/none"])


def test_what_is_told_comes_from_the_cache_too(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    (folder / "train" / "bee" / "notes.txt").write_text("notes")
    first, second = build(folder), build(folder)
    assert (
        first.notes == second.notes == ("mine: 1 file is left out: 1 ending in .txt (train/bee/notes.txt)",)
    )
    (folder / "train" / "bee" / "more.txt").write_text("notes")
    assert "2 files are left out" in build(folder).notes[0]


def test_images_beside_train_and_test_are_told(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    (folder / "val" / "cat").mkdir(parents=True)
    Image.new("RGB", (6, 6)).save(folder / "val" / "cat" / "0.png")
    assert build(folder).notes == ("mine: only train and test are read, not val",)
    assert build(pack(folder, root / "mine.tar", top="mine/")).notes == (
        "mine.tar: 1 file is left out: 1 in neither train nor test (mine/val/cat/0.png)",
    )


def test_folders_of_classes_without_train_and_test_are_named(root: Path):
    for name in ("cat", "dog"):
        (root / "mine" / name).mkdir(parents=True)
        Image.new("L", (6, 6)).save(root / "mine" / name / "0.png")
    with pytest.raises(
        DataError, match=r"got none in train and test; arrange it so \(its folders are cat, dog"
    ):
        build(root / "mine")


def test_a_class_whose_images_all_lie_too_deep_is_an_error_that_says_so(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    (folder / "test" / "bee").rename(root / "sub")
    (folder / "test" / "bee").mkdir()
    (root / "sub").rename(folder / "test" / "bee" / "sub")
    with pytest.raises(DataError, match=r"'bee' only in train .* 2 a folder deeper than"):
        build(folder)


def test_images_larger_than_memory_are_a_data_error(
    root: Path, write_tree: Tree, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("cl_bench.data.memory.physical_memory", lambda: 100)
    with pytest.raises(DataError, match=r"12 images .* must fit into memory, .*; give a smaller size"):
        build(write_tree(root / "mine"))


def test_train_and_test_must_have_the_same_classes(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    shutil.rmtree(folder / "test" / "bee")
    with pytest.raises(DataError, match="the same classes in train and test, got 'bee' only in train"):
        build(folder)
    with pytest.raises(DataError, match="the same classes in train and test, got 'bee' only in train"):
        build(pack(folder, root / "packed.tar"))


def test_a_folder_without_a_tree_is_a_data_error(root: Path, write_tree: Tree):
    with pytest.raises(
        DataError, match=r"must hold images in train/<class>/ .*, got none in train and test; arrange"
    ):
        build(root)
    folder = write_tree(root / "mine")
    shutil.rmtree(folder / "test")
    with pytest.raises(DataError, match=r"must hold images in train/<class>/ .*, got none in test; arrange"):
        build(pack(folder, root / "packed.tar"))


@pytest.mark.parametrize("content", [b"", b"not an image", None], ids=["empty", "text", "truncated"])
def test_a_damaged_image_is_named(root: Path, cache: Path, write_tree: Tree, content: bytes | None):
    folder = write_tree(root / "mine", side=64)
    path = folder / "train" / "bee" / "1.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1500] if content is None else content)
    with pytest.raises(
        DataError, match=r"train/bee/1\.jpg must be a whole image, got .*; replace or remove it"
    ) as e:
        build(folder)
    assert "\n" not in str(e.value)
    assert not cache.exists()


def test_a_broken_link_among_the_images_is_a_data_error(root: Path, write_tree: Tree):
    folder = write_tree(root / "mine")
    (folder / "train" / "bee" / "2.png").symlink_to(root / "nowhere.png")
    with pytest.raises(DataError, match=r"bee/2\.png must be readable"):
        build(folder)
