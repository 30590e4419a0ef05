"""One file per method; being in this folder is enough to be found."""

import importlib
import pkgutil
from typing import Any

from adapt.methods.base import Method, get, register, schemas

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def method(name: str, **settings: Any) -> Method:
    """A method by name, with its hyper-parameters.

    Raises:
        RecipeError: When there is no such method.
        TypeError: When a hyper-parameter is not known.
        ValueError: When one is out of range.

    >>> method("lora", rank=4).rank
    4
    """
    chosen: Method = get(name)(**settings)
    return chosen


__all__ = ["Method", "get", "method", "register", "schemas"]
