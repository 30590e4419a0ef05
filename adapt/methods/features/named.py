"""Feature-space methods by name."""

from adapt.errors import did_you_mean
from adapt.methods.base import get, schemas
from adapt.methods.features.base import HeadMethod


def feature_methods() -> list[str]:
    """Names of all methods that fit a head on features and need nothing but these.

    Those made of others are left out, and those that look at groups of images.
    """
    known = schemas(("heads",))
    return [
        name
        for name, schema in known.items()
        if hasattr(schema, "head")
        and not getattr(schema, "composed", False)
        and not getattr(schema, "by_groups", False)
    ]


def feature_method(name: str, setting: str = "candidates") -> HeadMethod:
    """A feature-space method with its defaults.

    Args:
        name: Of the method.
        setting: Where it was named, for the message.

    Raises:
        ValueError: When there is none of that name.
    """
    known = feature_methods()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ValueError(
            f"{setting} - no feature-space method - {name!r}{hint} - choose from {', '.join(known)}"
        )
    chosen: HeadMethod = get(name)()
    return chosen
