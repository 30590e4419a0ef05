"""Modules that are found because they are in a folder."""

import importlib
import pkgutil


def import_siblings(module: str) -> None:
    """Import every module of a module's folder, so that what they register is known.

    Args:
        module: Its dotted name.
    """
    package = importlib.import_module(module.rpartition(".")[0])
    for sibling in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{sibling.name}")
