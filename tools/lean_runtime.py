"""A virtual environment that holds what `adapt.Classifier.load(...).predict(...)` needs, no more.

    python tools/lean_runtime.py FOLDER
    pip --python FOLDER/bin/python install --no-deps .

or what is named: what an export needs

    python tools/lean_runtime.py FOLDER onnxruntime numpy Pillow

The packages are links to those of the environment that runs this: torch takes minutes to install.
"""

import sys
import sysconfig
import venv
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

NEEDED = ("torch", "torchvision", "open_clip_torch", "safetensors", "Pillow", "numpy")


def with_requirements(names: tuple[str, ...]) -> set[str]:
    """These distributions and all that they pull in, as far as it is installed."""
    waiting, wanted = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        wanted.add(name)
        for text in distribution(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return wanted


def main(folder: Path, names: tuple[str, ...]) -> None:
    venv.create(folder, with_pip=False)
    here = Path(sysconfig.get_path("purelib"))
    there = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    for name in sorted(with_requirements(names)):
        tops = {file.parts[0] for file in distribution(name).files or []}
        for top in tops - {"..", "__pycache__"}:
            link = there / top
            if not link.exists():
                link.symlink_to(here / top)
    print(f"{folder}: {', '.join(sorted(path.name for path in there.iterdir()))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]) or NEEDED)
