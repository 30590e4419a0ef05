"""A repository of the Hugging Face hub, as plain open_clip and its model pages read it."""

from adapt.export.base import FORMATS, Format
from adapt.export.formats.open_clip import read, write

FORMATS.register(
    "hub",
    Format(
        "the layout of the Hugging Face hub: what open_clip loads, and the model card",
        write,
        read,
        card="README.md",
    ),
)
