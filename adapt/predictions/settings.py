"""How predictions are computed and written."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, fraction, one_of, or_none
from adapt.training.settings import ACCELERATORS, INFERENCE_PRECISIONS

FEATURE_FORMATS = ("npy", "parquet")
TRANSDUCTIVE = (MIX, TRANSCLIP) = ("mix", "transclip")
"""What predictions may learn from the whole set."""


@dataclass(frozen=True)
class PredictionSettings:
    """What decides on the rows and bytes of a table of predictions.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(
        rows_per_part=or_none(at_least(1, most=100_000_000), "one file"),
        batch_size=at_least(1),
        top=at_least(1),
        threshold=or_none(fraction(), "the stored one"),
        features=or_none(one_of(FEATURE_FORMATS), ""),
        transductive=or_none(one_of(TRANSDUCTIVE), "each image by itself"),
        device=one_of(ACCELERATORS),
        precision=one_of(INFERENCE_PRECISIONS),
    )

    format: str | None = None
    """`csv`, `parquet` or `jsonl`; by the suffix of the output if None."""
    rows_per_part: int | None = None
    """Rows of each file of a folder of parts; one file if None."""
    batch_size: int = 64
    """Images computed at once. Other sizes may change the last bits of a probability."""
    top: int = 5
    """Classes listed for each image."""
    threshold: float | None = None
    """Confidence below which an image is `abstained`, in place of the stored threshold."""
    features: str | None = None
    """Format of a file of image features beside each table: `npy` or `parquet`; none if None."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `gpu`, `cuda` or `mps`."""
    precision: str = "32"
    """`32`, `tf32` (CUDA's tensor cores) or `bf16`, as `runtime.inference_precision` of a run."""
    null: bool = False
    """A list on standard input ends its paths with NUL."""
    transductive: str | None = None
    """`mix`: correct probabilities by the mix of classes that the whole set suggests; `transclip`:
    let images that look alike agree (arXiv:2406.01837)."""
    trust: bool = False
    """Open an export of the format `torch` too, which can run code."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
        if self.transductive is not None and self.rows_per_part is not None:
            raise ValueError(
                "transductive - not with parts - every row depends on all images, so that no part "
                "can be finished before the last image is read - leave out --rows-per-part"
            )
