"""Which words of the prompts speak for a class: each is left out in turn."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights

MOST_WORDS = 12
"""Of one class; the most frequent in its prompts."""


@dataclass(frozen=True)
class WordEffect:
    """What a word of the prompts of a class does for an image."""

    class_name: str
    word: str
    prompts: int
    """How many prompts of the class have it."""
    change: float
    """Of the logit of the class when the word is left out; below zero: the word speaks for it."""


def word_effects(classifier: Classifier, feature: Tensor, classes: list[int]) -> list[WordEffect]:
    """What each word of the prompts of some classes does for an image, strongest first.

    A prompt that is nothing but the word stays as it is.

    Args:
        classifier: With a head from text.
        feature: Unit feature of the image, (D,).
        classes: Class numbers.
    """
    effects = []
    for number in classes:
        prompts, weights = classifier.prompts[number], classifier.prompt_weights
        own = None if weights is None else [weights[number]]
        with torch.no_grad():
            whole = text_weights(classifier.backbone, [prompts], own)[0] @ feature
            for word, count in frequent_words(prompts):
                rest = [without(prompt, word) for prompt in prompts]
                left = text_weights(classifier.backbone, [rest], own)[0] @ feature
                name = classifier.class_names[number]
                effects.append(WordEffect(name, word, count, float(left - whole)))
    return sorted(effects, key=lambda effect: -abs(effect.change))


def frequent_words(prompts: list[str]) -> list[tuple[str, int]]:
    """The words of prompts with the number of prompts that have them, at most `MOST_WORDS`.

    >>> frequent_words(["a photo of a cat.", "a cat"])
    [('a', 2), ('cat', 2), ('of', 1), ('photo', 1)]
    """
    counts = Counter(word for prompt in prompts for word in set(map(bare, prompt.split())) if word)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]


def bare(word: str) -> str:
    """A word in lower case, without the signs around it.

    >>> bare("Cat.")
    'cat'
    """
    return word.strip(".,;:!?\"'()").lower()


def without(prompt: str, word: str) -> str:
    """A prompt without a word.

    >>> without("a photo of a cat.", "a"), without("cat", "cat")
    ('photo of cat.', 'cat')
    """
    kept = [part for part in prompt.split() if bare(part) != word]
    return " ".join(kept) if kept else prompt
