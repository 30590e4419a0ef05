"""Modules that are found because they are in a folder."""

import importlib
import pkgutil


def import_modules(package: str) -> None:
    """Import every module of a package, so that what they register is known.

    Args:
        package: Its dotted name.
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def import_siblings(module: str) -> None:
    """Import every module of a module's folder; see `import_modules`.

    Args:
        module: Its dotted name.
    """
    import_modules(module.rpartition(".")[0])
