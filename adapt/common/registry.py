"""Tables of things that are found by being in a folder."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from adapt.common.discovery import import_modules
from adapt.errors import RecipeError

Thing = TypeVar("Thing")


class Registry(Generic[Thing]):
    """Things by name, registered by the modules of one package.

    The modules are imported when the table is read, so a new file there is all that a new thing
    needs.

    Args:
        kind: What the things are called in messages.
        package: Dotted name of the package.
        first: Names that come first, in this order; the others follow by name.
    """

    def __init__(self, kind: str, package: str, first: Sequence[str] = ()) -> None:
        self._kind, self._package, self._first = kind, package, list(first)
        self._things: dict[str, Thing] = {}

    def register(self, name: str, thing: Thing) -> None:
        """Make a thing known under a name.

        Raises:
            RecipeError: When the name is taken.
        """
        if name in self._things:
            raise RecipeError(
                f"{self._kind} {name} - registered twice - {self._package} has it already - choose "
                "another name"
            )
        self._things[name] = thing

    def table(self) -> dict[str, Thing]:
        """All things by name."""
        import_modules(self._package)
        others = sorted(self._things.keys() - set(self._first))
        names = [name for name in self._first if name in self._things]
        return {name: self._things[name] for name in [*names, *others]}
