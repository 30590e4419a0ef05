"""The file that travels with an export reads images as this package does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapt.data.decoding.open import open_image
from adapt.data.decoding.preprocessing import RESIZE_MODES, Preprocessing
from adapt.export import preprocess
from tests.helpers.exports import noise


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("kind", ["RGB", "RGBA", "L", "P", "turned", "CMYK"])
def test_it_gives_the_same_bytes(mode: str, kind: str, tmp_path: Path) -> None:
    own = Preprocessing(24, [0, 0, 0], [1, 1, 1], "bilinear", mode, 9)
    for number, pixels in enumerate(noise(8)):
        image, path = Image.fromarray(pixels), tmp_path / f"{number}.png"
        if kind == "RGBA":
            image.putalpha(Image.fromarray(pixels[..., 0]))
        elif kind == "turned":
            exif = Image.Exif()
            exif[0x0112] = 6
            path = path.with_suffix(".jpg")
            image.save(path, exif=exif)
        elif kind == "CMYK":
            image, path = image.convert("CMYK"), path.with_suffix(".tif")
        elif kind != "RGB":
            image = image.convert(kind)
        if kind != "turned":
            image.save(path)
        given = preprocess.read(str(path), own.to_dict())
        np.testing.assert_array_equal(given, own.pixels(open_image(path)))


def test_it_needs_numpy_and_pillow_alone(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; own = runpy.run_path(sys.argv[1]);"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "assert not loaded & {'torch', 'adapt', 'torchvision'}, loaded; print(own['read'].__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, preprocess.__file__],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.strip() == "read"
