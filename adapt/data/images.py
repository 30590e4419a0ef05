"""Labelled images from any source: the one public name that knows every reader."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import ParamSpec

from adapt.data.sources.archives import from_archive
from adapt.data.sources.combine import combine
from adapt.data.sources.embedded import from_embedded
from adapt.data.sources.folders import from_folder
from adapt.data.sources.hub import from_hub
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.shards import from_shards
from adapt.data.sources.tables import from_frame, from_table

P = ParamSpec("P")


def _class_method(read: Callable[P, ImageList]) -> "classmethod[Images, P, Images]":
    """A class method that takes what a reader takes, and says what it says."""

    def make(cls: "type[Images]", /, *args: P.args, **kwargs: P.kwargs) -> "Images":
        images = read(*args, **kwargs)
        return cls(**{field.name: getattr(images, field.name) for field in fields(ImageList)})

    given = inspect.signature(read)
    first = inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [first, *given.parameters.values()]
    vars(make)["__signature__"] = given.replace(parameters=parameters, return_annotation="Images")
    make.__doc__, make.__name__ = read.__doc__, read.__name__
    return classmethod(make)


class Images(ImageList):
    """A list of labelled images, opened one by one on demand; see `ImageList`.

    >>> Images.from_embedded("pictograms", "emoji", "test").class_names[:2]
    ['animal', 'arrow']
    """

    from_folder = _class_method(from_folder)
    from_table = _class_method(from_table)
    from_frame = _class_method(from_frame)
    from_archive = _class_method(from_archive)
    from_shards = _class_method(from_shards)
    from_hub = _class_method(from_hub)
    from_embedded = _class_method(from_embedded)
    combine = _class_method(combine)
