"""Import the code of another project from its clone, with the few changes a CPU needs.

Nothing of theirs is copied: a patch is a text that must stand in their file and what takes its
place while the file is imported. Modules that only load data or weights are replaced by a stub.
"""

import importlib
import importlib.machinery
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple
from unittest.mock import MagicMock


class Patch(NamedTuple):
    """A change of the text of one file."""

    file: str
    """Path inside the clone, with `/`."""
    old: str
    """What must stand there at least once."""
    new: str
    """What is read in its place, everywhere in the file."""


NO_GPU = ".cuda()"


def on_cpu(*files: str) -> tuple[Patch, ...]:
    """Patches that take `.cuda()` out of files."""
    return tuple(Patch(file, NO_GPU, "") for file in files)


def new_numpy(file: str) -> Patch:
    """A patch of the accuracy they share: NumPy no longer makes a float of an array of one."""
    return Patch(file, ".float().sum(0, keepdim=True).cpu().numpy())", ".float().sum())")


def patched(file: str, text: str, patches: Sequence[Patch]) -> str:
    """The text of a file after its patches.

    Args:
        file: Path inside the clone.
        text: What stands there.
        patches: Of all files.

    Raises:
        ValueError: When a text to be replaced is not there: the clone is of another version.
    """
    for patch in patches:
        if patch.file == file:
            if patch.old not in text:
                raise ValueError(
                    f"{file} - text to patch is missing - {patch.old!r} - take the commit that "
                    "docs/benchmarks/peers.md names"
                )
            text = text.replace(patch.old, patch.new)
    return text


class _Loader(importlib.machinery.SourceFileLoader):
    """Reads a file with its patches, and keeps no bytecode."""

    folder: Path
    patches: Sequence[Patch]

    def get_code(self, fullname: str) -> CodeType:
        path = Path(self.path)
        file = path.relative_to(self.folder).as_posix()
        text = patched(file, path.read_text(encoding="utf-8"), self.patches)
        return compile(text, str(path), "exec", dont_inherit=True)


def _hook(
    folder: Path, patches: Sequence[Patch]
) -> Callable[[str], importlib.machinery.FileFinder]:
    loader = type("Loader", (_Loader,), {"folder": folder, "patches": patches})
    finder = importlib.machinery.FileFinder.path_hook((loader, [".py"]))

    def hook(path: str) -> importlib.machinery.FileFinder:
        if not Path(path).is_relative_to(folder):
            raise ImportError(path)
        return finder(path)

    return hook


def stub(name: str) -> ModuleType:
    """A module in which every name exists and does nothing."""
    module = ModuleType(name)
    module.__path__ = []
    module.__getattr__ = lambda key: MagicMock(name=f"{name}.{key}")  # type: ignore[method-assign]
    return module


@contextmanager
def their_code(
    clones: Sequence[Path], patches: Sequence[Patch] = (), stubs: Sequence[str] = ()
) -> Iterator[Callable[[str], ModuleType]]:
    """Import from clones; afterwards `sys.modules` and `sys.path` are as they were.

    Args:
        clones: Folders that come first on the path; patches are looked up in every one.
        patches: Changes of their files.
        stubs: Modules that are replaced.

    Yields:
        `importlib.import_module`.
    """
    before, path = dict(sys.modules), list(sys.path)
    hooks = [
        _hook(clone.resolve(), [p for p in patches if (clone / p.file).is_file()])
        for clone in clones
    ]
    sys.modules.update({name: stub(name) for name in stubs})
    sys.path[:0] = [str(clone.resolve()) for clone in clones]
    sys.path_hooks[:0] = hooks
    try:
        yield importlib.import_module
    finally:
        sys.path[:] = path
        for hook in hooks:
            sys.path_hooks.remove(hook)
            for entry in [e for e in sys.path_importer_cache if _belongs(e, clones)]:
                del sys.path_importer_cache[entry]
        for name in set(sys.modules) - set(before):
            if name in stubs or _belongs(_place(sys.modules[name]), clones):
                del sys.modules[name]
        sys.modules.update(before)


def _place(module: ModuleType) -> str:
    """File of a module, or folder of a package without one."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "")


def _belongs(path: str, clones: Sequence[Path]) -> bool:
    return bool(path) and any(Path(path).is_relative_to(clone.resolve()) for clone in clones)


def commit(clone: Path) -> str:
    """Commit and day of a clone, as `d0e2d6f (2023-05-10)`."""
    command = ["git", "-C", str(clone), "log", "-1", "--format=%h (%cs)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
