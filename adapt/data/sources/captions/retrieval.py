"""Images with captions as a test set of a run that learns classes."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.data.sources.base import source
from adapt.data.sources.captions.pairs import PairsSource


@source("retrieval")
@dataclass
class RetrievalSource(PairsSource):
    """Images with captions, for evals: how well each is found by the other."""

    for_evals: ClassVar[bool] = True
    """Nothing can be learned from it, and no choice made on it."""
