"""The `Classifier`: what every method returns and everything else consumes."""

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adapt.common.files import json_text
from adapt.common.typed import resolve_path
from adapt.data.decoding.open import open_image
from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.data.labels.classes import ClassName, check_names
from adapt.data.labels.naming import given_classes
from adapt.errors import AdaptError, BundleError, DataError, one_line
from adapt.models.backbones import Backbone, BackboneSpec, build_backbone, load_backbone
from adapt.models.base_weights import read_whole
from adapt.models.bundle.low_rank import LowRank
from adapt.models.bundle.manifest import (
    ADAPTER,
    ENCODERS,
    HEAD,
    PROBE,
    PROMPT_WEIGHTS,
    SEVERAL_LABELS,
    UNCERTAINTY,
    described,
    facts_of,
)
from adapt.models.bundle.probe import (
    FACTS,
    Differences,
    ProbeAnswers,
    answer,
    as_tensors,
    check_answers,
    facts_hash,
    probe_images,
)
from adapt.models.bundle.process import verify_in_another_process
from adapt.models.bundle.read import Bundle
from adapt.models.bundle.reference import Reference, with_reference
from adapt.models.bundle.tensors import load_tensors
from adapt.models.bundle.write import write_bundle
from adapt.models.cache_head import CacheHead, head_from_state, reach
from adapt.models.heads import KeepTensor, computed, linear_head, text_weights, zero_shot_weights
from adapt.models.prediction.display import DisplayedClassifier
from adapt.models.prediction.inputs import Inputs
from adapt.models.prediction.labelling import ONE_LABEL, Labelling, labelling_of
from adapt.models.prediction.stream import Judged, Prediction, Predictor
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.models.templates import class_prompts, resolve_templates
from adapt.models.weight_files import uncompiled


class Classifier(DisplayedClassifier, nn.Module):
    """A CLIP with a head for named classes, its preprocessing, temperature and uncertainty.

    Calling it with normalised pixels (B, 3, H, W) gives logits (B, K).

    Args:
        backbone: Both encoders and the preprocessing.
        head: Linear layer on unit image features, or one with a cache of support features.
        class_names: The K class keys, in the order of the logits.
        prompts: The prompts of each class, in the same order.
        head_from_text: Whether the head is what the text encoder says (then it is rebuilt when the
            encoders change), or learned (then it is averaged like any other weight).
        temperature: What logits are divided by; see `labelling`.
        uncertainty: When `predict` abstains, and the rest of `Prediction` beside the label.
        prompt_weights: How much each prompt counts in a head from text; all alike without.

    Raises:
        DataError: When names, prompts, weights, outputs and thresholds per class differ in their
            number, or a class name is no text, empty, or equal to another.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Linear | CacheHead,
        class_names: list[str],
        prompts: list[list[str]],
        head_from_text: bool = True,
        temperature: float = 1.0,
        uncertainty: Uncertainty | None = None,
        prompt_weights: list[list[float]] | None = None,
    ) -> None:
        super().__init__()
        class_names = check_names(class_names, "class_names")
        names, outputs = len(class_names), head.out_features
        if not names == len(prompts) == outputs:
            given = f"{names} class names, {len(prompts)} prompt lists, {outputs} outputs"
            raise DataError(f"classifier - sizes differ - {given} - give one of each per class")
        self.backbone = backbone
        self.head: nn.Linear | CacheHead = head
        counts = [[len(own) for own in given] for given in (prompts, prompt_weights or prompts)]
        if counts[0] != counts[1]:
            advice = "give one for each prompt"
            raise DataError(f"classifier - prompt_weights do not fit - {counts[1]} - {advice}")
        self.class_names, self.prompts = class_names, prompts
        self.prompt_weights = prompt_weights
        self.head_from_text, self.temperature = head_from_text, temperature
        if uncertainty is not None:
            uncertainty.check_classes(len(class_names))
        self.uncertainty = uncertainty
        self.labelling: Labelling = ONE_LABEL
        """What the logits mean: one label of each image, or several."""
        self.low_rank: LowRank | None = None
        """What was added to the pretrained weights, where LoRA alone changed them."""

    @classmethod
    def from_clip(
        cls,
        arch: str,
        pretrained: str,
        class_names: Sequence[str | ClassName],
        templates: list[str] | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
        keep: KeepTensor = computed,
    ) -> "Classifier":
        """Zero-shot classifier on the CPU: the head is built from text prompts.

        Args:
            arch: See `load_backbone`.
            pretrained: See `load_backbone`.
            class_names: Keys (their words are shown to CLIP) or `ClassName`s with own words.
            templates: Set names or templates; default `simple`.
            seed: Only for `pretrained="random"`.
            device: Where texts are encoded: thousands of prompts take seconds on a GPU.
            keep: From a name and a computation to its result, such as
                `adapt.training.features.store.FeatureStore.kept`, so that a head is made once.

        Raises:
            DataError: When a name is no text, empty, or the same as another to a reader or to the
                text encoder, whose context is short.

        Example:
            >>> clf = Classifier.from_clip("adapt-icons-xs", "random", ["cat", "dog"])
            >>> clf(torch.zeros(1, 3, 48, 48)).shape
            torch.Size([1, 2])
        """
        names = given_classes(class_names)
        resolved = resolve_templates(templates or ["simple"])
        backbone = load_backbone(arch, pretrained, seed)
        prompts = class_prompts(names, resolved)
        keys = [name.key for name in names]
        head = linear_head(zero_shot_weights(backbone, keys, prompts, device, keep))
        return cls(backbone, head, keys, prompts).eval()

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (B, K) of normalised pixels (B, 3, H, W)."""
        logits: Tensor = self.head(self.features(pixels))
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        """Unit image features (B, D)."""
        return self.backbone.encode_image(pixels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """What `labelling` makes of the logits over the temperature, on the CPU and in float64.

        So scores are computed, and thresholds chosen on them mean the same here.
        """
        return self.labelling.probabilities(logits.cpu().double() / self.temperature)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def clone(self) -> "Classifier":
        """A deep copy that shares no tensor; parts under `torch.compile` are plain in it."""
        return uncompiled(copy.deepcopy(self))

    def text_head(self) -> Tensor:
        """The head (K, D) that the text encoder says now; differentiable."""
        absent = self.labelling.negations_of_classes
        return text_weights(self.backbone, self.prompts, self.prompt_weights, absent)

    def rebuild_head(self) -> "Classifier":
        """Set the head to what the text encoder says now; returns self."""
        with torch.no_grad():
            self.head.weight.copy_(self.text_head())
            self.head.bias.zero_()
        return self

    def with_learned_head(self, head: nn.Linear | CacheHead) -> "Classifier":
        """A copy that shares no tensor, ready to use, with a head that does not come from text."""
        other = self.clone()
        other.head, other.head_from_text = head, False
        return other.eval()

    def _sharing(self, **changed: Any) -> "Classifier":
        other = copy.copy(self)
        vars(other).update(changed)
        return other

    def with_temperature(self, temperature: float) -> "Classifier":
        """The same weights (shared) with another temperature.

        The uncertainty is kept; its thresholds were chosen at the old temperature.
        """
        return self._sharing(temperature=temperature)

    def with_uncertainty(self, uncertainty: Uncertainty | None) -> "Classifier":
        """The same weights (shared) with other thresholds, or without any.

        Raises:
            DataError: When it holds thresholds per class, but not one for each.
        """
        if uncertainty is not None:
            uncertainty.check_classes(len(self.class_names))
        return self._sharing(uncertainty=uncertainty)

    def with_labelling(self, labelling: Labelling) -> "Classifier":
        """The same weights (shared), read otherwise; a head from text has to be rebuilt for it.

        Raises:
            DataError: When it is for another number of classes.
        """
        labelling.check_classes(len(self.class_names))
        return self._sharing(labelling=labelling)

    def predict(self, inputs: Inputs, batch_size: int = 64, top: int = 5) -> list[Prediction]:
        """Predictions for images, one for each, in their order.

        Args:
            inputs: A path, the bytes of a file, a PIL image, an array or a tensor (see
                `adapt.data.decoding.arrays`), or a list, batch or generator of them. One image
                gives a list of one. An input that cannot be read gives a prediction with `error`
                and no label.
            batch_size: Images computed at once.
            top: How many classes each prediction lists.

        Raises:
            DataError: When the inputs are no images, naming their type.
            RecipeError: When a number is no integer of 1 or more.
        """
        return list(self.predict_iter(inputs, batch_size, top))

    def predict_iter(
        self, inputs: Inputs, batch_size: int = 64, top: int = 5
    ) -> Iterator[Prediction]:
        """Like `predict`, but lazily: for more inputs than fit in memory."""
        return self.predictor.stream(inputs, batch_size, top)

    @property
    def predictor(self) -> Predictor:
        """What `predict` goes through, with more to choose from."""
        own, label = self.backbone.preprocessing, self.labelling.label
        return Predictor(self._judged, self.class_names, own, label=label)

    def _judged(self, images: PixelArray) -> Judged:
        pixels = torch.from_numpy(images).to(self.device)
        features = self.eval().features(self.backbone.preprocessing.normalise_batch(pixels))
        logits = self.head(features).float().cpu()
        probabilities = self.probabilities(logits)
        said = probabilities.numpy(), logits.numpy(), self.temperature
        verdicts = self.labelling.verdicts(self.uncertainty, *said)
        return Judged(probabilities, verdicts, features.float().cpu())

    def save(
        self,
        folder: str | Path,
        info: dict[str, Any] | None = None,
        another_process: bool = False,
        card: str | None = None,
        reference: Reference | None = None,
    ) -> Path:
        """Write the bundle (see `adapt.models.bundle`), load it again and compare its answers.

        Weights are written in float32, whatever they are here.

        Args:
            folder: Where to; made when missing. It may hold an earlier bundle, and nothing else.
            info: Anything JSON can hold that should travel with the model (method, alpha, scores).
            another_process: Load it in a fresh process that knows nothing of this one, as runs do.
            card: Text of `MODEL_CARD.md`, as runs write it.
            reference: Statistics of held-out images, for `adapt monitor`, as runs write them.

        Raises:
            BundleError: When it cannot be written or does not come back; what was there is kept.
        """
        check = verify_in_another_process if another_process else verify_bundle
        bundle = with_reference(self._parts(info or {}, card), reference)
        return write_bundle(resolve_path(folder), bundle, check)

    def _parts(self, info: dict[str, Any], card: str | None) -> Bundle:
        plain = self.clone().float().cpu().eval()
        spec, preprocessing = self.backbone.spec, self.backbone.preprocessing
        images, manifest = probe_images(preprocessing.size), described(self, info)
        tensors = {
            ENCODERS: plain.backbone.model.state_dict(),
            HEAD: plain.head.state_dict(),
            PROBE: as_tensors(images) | plain.answers(images).tensors(),
        }
        if self.low_rank is not None:
            tensors[ADAPTER] = self.low_rank.tensors()
        tensors[PROBE][FACTS] = facts_hash(json.loads(json_text(facts_of(manifest))))
        config = {"model_cfg": spec.config, "preprocess_cfg": preprocessing.to_dict()}
        return Bundle(config, manifest, tensors, spec.text_model, spec.tokenizer, card)

    @classmethod
    def load(cls, folder: str | Path, base: str | Path | None = None) -> "Classifier":
        """Read a bundle; every file is checked against its hash, nothing is downloaded.

        Args:
            folder: The bundle.
            base: The weights that a delta changes: see `adapt.models.base_weights.base_weights`.

        Raises:
            BundleError: Not a bundle, altered, damaged, from another version, or not on the list.
        """
        bundle = read_whole(folder, base)
        try:
            return cls._from_parts(bundle)
        except (AdaptError, LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise BundleError(
                f"{folder} - parts do not match each other - {one_line(error)} - copy the whole "
                "folder again"
            ) from error

    @classmethod
    def _from_parts(cls, bundle: Bundle) -> "Classifier":
        manifest, config = bundle.manifest, bundle.config
        spec = BackboneSpec(
            manifest["arch"],
            manifest["pretrained"],
            config["model_cfg"],
            manifest["base_hash"],
            bundle.text_model,
            bundle.tokenizer,
        )
        sizes = Preprocessing.from_dict(config["preprocess_cfg"])
        backbone = build_backbone(spec, sizes, bundle.tensors[ENCODERS])
        backbone = backbone.with_features(manifest["features"])
        names, stored = manifest["class_names"], manifest.get(UNCERTAINTY)
        made = cls(
            backbone,
            head_from_state(bundle.tensors[HEAD], len(names), backbone.width),
            names,
            manifest["prompts"],
            manifest["head_from_text"],
            float(manifest["temperature"]),
            None if stored is None else Uncertainty.from_dict(stored, len(names)),
            manifest.get(PROMPT_WEIGHTS),
        )
        if ADAPTER in bundle.tensors:
            made.low_rank = LowRank.from_tensors(bundle.tensors[ADAPTER])
        return made.with_labelling(labelling_of(manifest.get(SEVERAL_LABELS))).eval()

    def answers(self, images: list[bytes]) -> ProbeAnswers:
        """What this model says of a probe: from image files to probabilities, and of the texts."""

        def rows_of_head(texts: list[str]) -> Tensor:
            return self.backbone.encode_text(texts) * self.backbone.scale

        return answer(images, self._logits_of_files, self.probabilities, rows_of_head)

    def _logits_of_files(self, images: list[bytes]) -> Tensor:
        own = self.backbone.preprocessing
        pixels = torch.stack([own(open_image(image)) for image in images])
        logits: Tensor = self.eval()(pixels.to(self.device))
        return logits


def verify_bundle(folder: str | Path, base: str | Path | None = None) -> Differences:
    """Load a bundle and compare what it says of its probe with what it said when it was saved.

    Args:
        folder: The bundle.
        base: See `Classifier.load`.

    Raises:
        BundleError: When it cannot be loaded, or its answers differ by more than rounding explains.
    """
    return repeat_probe(Classifier.load(folder, base), folder)


def repeat_probe(classifier: Classifier, folder: str | Path) -> Differences:
    """What a loaded model says of the probe of its bundle, beside what it said when it was saved.

    Raises:
        BundleError: When its answers differ by more than rounding explains.
    """
    stored = load_tensors(resolve_path(folder) / PROBE)
    width = int(classifier.backbone.spec.config["embed_dim"])
    return check_answers(folder, stored, classifier, width, reach(classifier.head))
