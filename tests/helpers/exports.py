"""Models with every part of a verdict, and images of all shapes."""

import numpy as np
import torch
from PIL import Image

from adapt.data.decoding.preprocessing import PixelArray
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty

RULES = {
    "aps": {"conformal_score": "aps"},
    "raps": {"conformal_score": "raps", "conformal_penalty": 0.05, "conformal_free_ranks": 1},
    "lac, empty": {"conformal_empty": True},
}


def full(classifier: Classifier, rule: str = "raps", detector: str = "energy") -> Classifier:
    """With thresholds in the middle of what the model says of noise, so that both sides occur."""
    images = noise(24)
    logits = torch.cat([classifier(_pixels(classifier, image)) for image in images]).detach()
    probabilities = classifier.probabilities(logits).numpy()
    own = classifier.temperature
    energies = own * torch.logsumexp(logits.double() / own, 1).numpy()
    scores = energies if detector == "energy" else probabilities.max(1)
    return classifier.with_uncertainty(
        Uncertainty(
            abstain_below=float(np.median(probabilities.max(1))),
            abstain_coverage=0.5,
            conformal_level=0.6,
            conformal_threshold=float(np.median(probabilities)) if rule == "aps" else 0.55,
            unknown_detector=detector,
            unknown_threshold=float(np.median(scores)),
            **RULES[rule],
        )
    )


def _pixels(classifier: Classifier, image: PixelArray) -> torch.Tensor:
    return classifier.backbone.preprocessing(Image.fromarray(image))[None]


def noise(count: int) -> list[PixelArray]:
    """Blocks of colours, tall, wide, small and large."""
    random = np.random.default_rng(0)
    sides = [(40, 60), (75, 33), (32, 32), (20, 15), (64, 300), (310, 41), (5, 9), (128, 96)]
    images = []
    for number in range(count):
        height, width = sides[number % len(sides)]
        grid = random.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
        images.append(np.kron(grid, np.ones((4, 4, 1), np.uint8))[:height, :width])
    return images


def cached(classifier: Classifier, neighbours: int = 2) -> Classifier:
    """With a head that looks at stored features."""
    generator = torch.Generator().manual_seed(1)
    keys = torch.nn.functional.normalize(torch.randn(6, 24, generator=generator), dim=1)
    head = classifier.head
    votes = torch.eye(3).repeat(2, 1)
    return classifier.with_learned_head(
        CacheHead(head.weight.detach(), head.bias.detach(), keys, votes, 3.0, neighbours)
    )
