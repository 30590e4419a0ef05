"""What a program of our own leaves out of its imports, because most models do not need it."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

TRANSFORMERS, TIMM = "transformers", "timm"
COMPILER, ITS_TOOLS, ASKED = "torch._dynamo", "torch._dynamo.utils", "is_compile_supported"


def import_open_clip() -> None:
    """Import open_clip without transformers, timm and torch's compiler.

    They take most of the time of a command. Models that need transformers or timm find them when
    they are built; torchvision imports the compiler for a single function, which is looked up when
    it is called. For commands alone: in a program of others open_clip must find all that is
    installed.
    """
    if "open_clip" in sys.modules:
        return
    stands_in: dict[str, ModuleType | None] = {
        TRANSFORMERS: None,
        TIMM: None,
        COMPILER: _Later(COMPILER),
        ITS_TOOLS: _Later(ITS_TOOLS),
    }
    added = {name: module for name, module in stands_in.items() if name not in sys.modules}
    sys.modules.update(added)  # type: ignore[arg-type]
    try:
        import_module("open_clip")
    finally:
        _drop(added)


class _Later(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name != ASKED:
            return getattr(_whole(self.__name__), name)

        def asked(*values: Any) -> Any:
            return getattr(_whole(ITS_TOOLS), ASKED)(*values)

        return asked


def _whole(name: str) -> ModuleType:
    """The module itself."""
    _drop({name: module for name, module in sys.modules.items() if isinstance(module, _Later)})
    return import_module(name)


def _drop(added: dict[str, ModuleType | None]) -> None:
    """Take stand-ins out, so that whoever comes later imports the modules themselves."""
    for name, module in added.items():
        if name in sys.modules and sys.modules[name] is module:
            del sys.modules[name]
