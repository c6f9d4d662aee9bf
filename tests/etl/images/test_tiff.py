"""TIFFs of every form: either the pixels that a second decoder finds, or a rejection that says why; nothing between."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from etl.errors import RecordError
from etl.images import normalise
from tests.etl.images.drawing import encode, grey_rgb, picture, stored_for
from tests.etl.images.tiff_forms import (
    BLACK_IS_ZERO,
    CFA,
    CIELAB,
    CMYK,
    COMPRESSIONS,
    FLOAT,
    PALETTE,
    RGB,
    SIGNED,
    UNSIGNED,
    VOID,
    WHITE_IS_ZERO,
    YCBCR,
    Form,
    write,
)

HEIGHT, WIDTH = 11, 19
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3}
RNG = np.random.default_rng(11)
PALETTES = {bits: {320: (3, tuple(map(int, RNG.integers(0, 65536, 3 << bits))))} for bits in (1, 2, 4, 8, 16)}


def forms() -> Iterator[Form]:
    """Yields forms that occur and forms that hardly do; each order, layout and compression with most of them."""
    grey = [Form(colours, bits) for colours in (0, 1) for bits in (*range(1, 18), 24, 32, 64)]
    numbers = [Form(bits=bits, sample_format=kind) for kind in (SIGNED, VOID) for bits in (8, 16, 32)]
    numbers += [Form(bits=bits, sample_format=FLOAT) for bits in (16, 32, 64)]
    colour = [
        Form(colours, bits, planar=planar, extra=extra)
        for colours, bits, planar in itertools.product((BLACK_IS_ZERO, RGB, CMYK), (1, 4, 8, 12, 16, 32), (1, 2))
        for extra in ((), (0,), (1,), (2,), (2, 0), (0, 2))
        if extra or colours != BLACK_IS_ZERO
    ]
    others = [Form(PALETTE, bits, tags=tags) for bits, tags in PALETTES.items()]
    others += [Form(colours, planar=planar) for colours in (YCBCR, CIELAB) for planar in (1, 2)]
    everything = [*grey, *numbers, *colour, *others]
    for form, order in itertools.product(everything, "<>"):
        yield replace(form, order=order)
    usual = [form for form in everything if form.bits in (1, 4, 8, 12, 16) and form.sample_format == UNSIGNED]
    layouts = ({"rows": 4}, {"tile": 16}, {"fill_order": 2}, {"predictor": 2}, {"big": True})
    for form, compression in itertools.product(usual, COMPRESSIONS):
        for number, layout in enumerate(layouts):
            if compression == "none" and "predictor" in layout:
                continue
            if "predictor" not in layout or form.bits in (8, 16):
                order = "<>"[(number + form.bits + form.planar) % 2]
                yield replace(form, compression=compression, order=order, **layout)


def draw(form: Form) -> np.ndarray:
    """Draws samples over the whole range; colours are no larger than an associated alpha."""
    count = COLOURS[form.photometric] + len(form.extra)
    if form.sample_format == FLOAT:
        return RNG.random((HEIGHT, WIDTH, count)).astype(f"f{form.bits // 8}")
    samples = RNG.integers(0, 1 << min(form.bits, 62), (HEIGHT, WIDTH, count))
    if form.sample_format == SIGNED:
        samples -= 1 << (form.bits - 1)
    if form.extra[:1] == (1,):
        kept = COLOURS[form.photometric]
        samples[..., :kept] = np.minimum(samples[..., :kept], samples[..., kept : kept + 1])
    return samples


def read_elsewhere(data: bytes, form: Form, shape: tuple[int, ...]) -> np.ndarray | None:
    """Reads the samples with the second decoder; None where it can't."""
    try:
        samples = tifffile.imread(io.BytesIO(data))
    except (ValueError, NotImplementedError, tifffile.TiffFileError):
        return None
    if form.planar == 2 and shape[2] > 1:
        return np.moveaxis(samples.reshape(shape[2], *shape[:2]), 0, -1)
    return np.asarray(samples.reshape(shape))


def show(samples: np.ndarray, form: Form) -> np.ndarray:
    """Makes RGB of samples, in real numbers from 0 to 255."""
    scaled = samples.astype(np.float64) * 255 / ((1 << form.bits) - 1)
    kept = COLOURS[form.photometric]
    colours, alpha = scaled[..., :kept], scaled[..., kept : kept + 1] if form.extra[:1] in ((1,), (2,)) else 255.0
    if form.photometric == WHITE_IS_ZERO:
        colours = 255 - colours
    if form.photometric == PALETTE:
        table = np.reshape(form.tags[320][1], (3, -1)).T * 255 / 65535
        colours = table[samples[..., 0].astype(int)]
    if form.photometric == CMYK:
        colours = (255 - colours[..., :3]) * (255 - colours[..., 3:]) / 255
    colours = np.broadcast_to(colours, (*samples.shape[:2], 3))
    return colours + 255 - alpha if form.extra[:1] == (1,) else colours * alpha / 255 + 255 - alpha


def test_every_form_is_right_or_rejected_with_its_reason() -> None:
    outcomes: Counter[str] = Counter()
    wrong = []
    for form in forms():
        samples = draw(form)
        data = write((samples, form))
        try:
            pixels = normalise.decode_rgb(data)
        except RecordError as error:
            outcomes[error.reason] += 1
            if error.reason != "unsupported":
                wrong.append(f"{form}: {error}")
            continue
        outcomes["decoded"] += 1
        if form.sample_format != UNSIGNED or form.bits > 16 or form.photometric in (YCBCR, CIELAB):
            wrong.append(f"{form}: decoded")
            continue
        elsewhere = read_elsewhere(data, form, samples.shape)
        if elsewhere is None or not np.array_equal(elsewhere, samples):
            wrong.append(f"{form}: the second decoder reads something else")
        # Of more than 8 bits the upper 8 are kept, of colour and of alpha; then they are mixed and rounded.
        limit = 1 if form.bits <= 8 or not form.extra else 2.5
        if np.abs(pixels - show(samples, form)).max() > limit:
            wrong.append(f"{form}: off by {np.abs(pixels - show(samples, form)).max():.0f}")
    assert wrong == []
    assert outcomes["decoded"] > 400
    assert outcomes["unsupported"] > 500


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (Form(bits=32), "its samples have 32 bits, which have no known range"),
        (Form(bits=8, sample_format=SIGNED), "its samples are signed numbers of 8 bits, which have no known range"),
        (Form(bits=32, sample_format=FLOAT), "its samples are float numbers of 32 bits, which have no known range"),
        (Form(CIELAB), "its colours are CIELab"),
        (Form(RGB, 16, planar=2), "colours 2 with 16 bits a sample, extra samples .., planes 2, compression 1"),
        (Form(WHITE_IS_ZERO, 16), "colours 0 with 16 bits a sample"),
        (Form(compression="packbits", predictor=2), "compression 32773 with predictor 2"),
        (Form(PALETTE, tags={320: (3, tuple(range(256)) * 3)}), "its palette .* has 8 bits in place of 16"),
        (Form(RGB, tags={277: (3, (4,)), 258: (3, (8,) * 4)}), "it has 4 samples a pixel, and does not say"),
        (Form(order=">", big=True), "it is a big-endian BigTIFF"),
    ],
    ids=str,
)
def test_a_rejection_says_what_is_unusual(form: Form, reason: str) -> None:
    with pytest.raises(RecordError, match=f"unsupported: TIFF: {reason}"):
        normalise.decode_rgb(write((draw(form), form)))


def test_twelve_bits_keep_their_range() -> None:
    grey = picture()[..., :1].astype(np.int64)
    pixels = normalise.decode_rgb(write((grey * 16 + 5, Form(bits=12))))
    np.testing.assert_array_equal(pixels, grey_rgb(grey[..., 0]))


def test_the_thumbnail_of_a_raw_file_is_never_taken_for_the_image() -> None:
    full = RNG.integers(0, 256, (40, 64, 3))
    small, reduced = full[::8, ::8], {254: (4, (1,))}
    raw = "a camera's raw file; develop it to a JPEG or a TIFF first"
    files = {
        write((small, Form(RGB, tags=reduced)), sub=(full, Form(RGB))): "a small copy of another, as in cameras' raw",
        write((small, Form(RGB, tags={255: (3, (2,))})), (full, Form(RGB))): "a small copy of another",
        write((small, Form(RGB)), sub=(full, Form(RGB))): "a larger image hangs below the first",
        write((small, Form(RGB)), sub=(full[..., :1], Form(CFA))): raw,
        write((small, Form(RGB)), (full, Form(RGB)), (full[..., :1], Form(CFA))): raw,
        write((full[..., :1], Form(CFA))): raw,
        write((full, Form(RGB, tags={50706: (1, (1, 4, 0, 0))}))): raw,
        write((full, Form(RGB, tags={254: (4, (4,))}))): "the first image is a mask",
    }
    for data, message in files.items():
        with pytest.raises(RecordError, match=f"unsupported: TIFF: .*{message}"):
            normalise.decode_rgb(data)


def test_smaller_images_below_and_further_pages_are_passed_over() -> None:
    full = RNG.integers(0, 256, (40, 64, 3)).astype(np.uint8)
    small = (full[::2, ::2], Form(RGB, tags={254: (4, (1,))}))
    for data in (write((full, Form(RGB)), sub=small), write((full, Form(RGB)), small, (255 - full, Form(RGB)))):
        np.testing.assert_array_equal(normalise.decode_rgb(data), full)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", [Form(RGB), Form(RGB, compression="lzw", tile=16), Form(RGB, 16, order=">")], ids=str)
def test_orientations(form: Form, orientation: int) -> None:
    truth = picture()
    stored = stored_for(truth, orientation).astype(np.int64) << (form.bits - 8)
    data = write((stored, replace(form, tags={274: (3, (orientation,))})))
    np.testing.assert_array_equal(normalise.decode_rgb(data), truth)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize(
    "layout", [{}, {"tile": (32, 32)}, {"rowsperstrip": 16}], ids=lambda layout: next(iter(layout), "")
)
def test_jpegs_in_a_tiff(layout: dict[str, object], subsampling: tuple[int, int]) -> None:
    stream = io.BytesIO()
    noise = RNG.integers(0, 256, (70, 90, 3)).astype(np.uint8)
    tifffile.imwrite(stream, noise, photometric="ycbcr", compression="jpeg", subsampling=subsampling, **layout)
    data = stream.getvalue()
    expected = tifffile.imread(io.BytesIO(data)).astype(int)
    assert np.abs(normalise.decode_rgb(data) - expected).max() <= 1
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    start, length = page.dataoffsets[-1], page.databytecounts[-1]  # type: ignore[union-attr]
    cut = (length // 2 - 1) // 2 * 2
    filled = data[: start + length - cut] + b"\xff\xd9" * (cut // 2) + data[start + length :]
    with pytest.raises(RecordError, match="truncated: the JPEG"):
        normalise.decode_rgb(filled)


def test_strips_that_do_not_hold_the_image() -> None:
    samples, form = RNG.integers(0, 256, (20, 30, 3)), Form(RGB, rows=5)
    short = write((samples, replace(form, tags={279: (4, (450, 450, 400, 450))})))
    with pytest.raises(RecordError, match="truncated: TIFF: a strip or tile is shorter than its pixels"):
        normalise.decode_rgb(short)
    few = write((samples, replace(form, tags={273: (4, (8, 458, 908)), 279: (4, (450, 450, 450))})))
    with pytest.raises(RecordError, match="corrupt: TIFF: 3 strips or tiles do not make up the image"):
        normalise.decode_rgb(few)
    data = write((samples, Form(RGB, compression="deflate")))
    for at in range(20, 800, 50):
        rotten = data[:at] + bytes(20) + data[at + 20 :]
        with pytest.raises(RecordError, match="corrupt: TIFF: a strip or tile does not inflate"):
            normalise.decode_rgb(rotten)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax(compression: str) -> None:
    black = np.where(picture()[..., 0] > 99, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(
        normalise.decode_rgb(encode(black, "TIFF", "1", compression=compression)), grey_rgb(black)
    )
