"""Modules that are found because they are in a folder."""

import importlib
import pkgutil


def import_modules(package: str) -> None:
    """Import every module of a package and of those in it, so that what they register is known.

    Args:
        package: Its dotted name.
    """
    paths = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(paths, f"{package}."):
        importlib.import_module(module.name)


def import_siblings(module: str) -> None:
    """Import every module of a module's folder and below it; see `import_modules`.

    Args:
        module: Its dotted name.
    """
    import_modules(module.rpartition(".")[0])
