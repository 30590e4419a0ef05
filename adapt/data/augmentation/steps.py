"""The transforms a list of steps may name, and whether their arguments are right.

albumentations 2.0.8 only warns of arguments that it does not know, and of some wrong ones, and
goes on with its defaults; here they are refused. What is allowed keeps an image an image of three
colours and of one size; what these rules leave no choice in (the model's size, masks, boxes)
cannot be given.
"""

import inspect
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from adapt.common.typed import describe
from adapt.data.augmentation.policies import Step, Steps
from adapt.errors import did_you_mean

# It asks the network for newer versions when it is imported.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import cv2
from pydantic import ValidationError

SIZED = ("RandomResizedCrop", "Resize", "RandomCrop", "CenterCrop")
"""Transforms that bring an image to the model's size; one of them is in every list."""
ALLOWED = (
    *SIZED,
    *("HorizontalFlip", "VerticalFlip", "Transpose", "D4", "RandomRotate90", "Rotate"),
    *("SafeRotate", "Affine", "Perspective", "ElasticTransform", "GridDistortion"),
    *("ColorJitter", "RandomBrightnessContrast", "HueSaturationValue", "PlanckianJitter"),
    *("ToGray", "CLAHE", "RandomGamma", "Equalize", "Posterize", "Solarize", "Sharpen"),
    *("GaussianBlur", "MotionBlur", "GaussNoise", "ISONoise", "ImageCompression", "Downscale"),
    "CoarseDropout",
)
"""Names of all allowed transforms of albumentations."""
HIDDEN = {
    *("size", "height", "width", "keep_size", "fit_output", "crop_border", "num_output_channels"),
    *("pad_if_needed", "pad_position", "fill_mask", "mask", "mask_params", "mask_interpolation"),
    *("keypoint_remapping_method", "interpolation_pair"),
}
"""Arguments that a step may not give: they would break the rules, or act on masks and boxes."""
WORDS: dict[str, dict[str, int]] = {
    "interpolation": {
        "nearest": cv2.INTER_NEAREST,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
        "lanczos": cv2.INTER_LANCZOS4,
    },
    "border_mode": {
        "constant": cv2.BORDER_CONSTANT,
        "replicate": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT_101,
        "wrap": cv2.BORDER_WRAP,
    },
}
"""Words for numbers of OpenCV."""
MEAN = "mean"
"""As `fill`: the mean colour of the model's training images, which it takes for grey."""
# Shrinking without averaging would alias; evaluation is cubic too.
RESIZING = {"interpolation": "cubic", "area_for_downscale": "image"}
OWN_DEFAULTS: dict[str, Step] = {"RandomResizedCrop": RESIZING, "Resize": RESIZING}
ADDED_SIZE: Step = {"name": "RandomResizedCrop", "scale": [0.9, 1.0]}


def step_defaults(name: str) -> Step:
    """Defaults of the arguments that a step may give; those that it may not give are left out.

    >>> step_defaults("HorizontalFlip")
    {'p': 0.5}
    """
    hidden = HIDDEN | ({"p"} if name in SIZED else set())
    defaults = {key: value for key, value in _all_defaults(name).items() if key not in hidden}
    for key, words in WORDS.items():
        if key in defaults:
            defaults[key] = next(word for word, number in words.items() if number == defaults[key])
    if "fill" in defaults:
        defaults["fill"] = MEAN
    return {key: _listed(value) for key, value in (defaults | OWN_DEFAULTS.get(name, {})).items()}


def _all_defaults(name: str) -> Step:
    """Defaults of all arguments, as albumentations has them."""
    parameters = inspect.signature(getattr(A, name).__init__).parameters
    return {key: parameter.default for key, parameter in parameters.items() if key != "self"}


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value


def _translate(step: Step, size: int, fill: tuple[float, ...]) -> dict[str, Any]:
    """Arguments as albumentations takes them."""
    fixed = {"size": (size, size), "height": size, "width": size, "pad_if_needed": True}
    given = {key: _tupled(value) for key, value in step.items() if key != "name"}
    for key, words in WORDS.items():
        if key in given:
            given[key] = words[given[key]]
    if given.get("fill") == MEAN:
        given["fill"] = fill
    known = _all_defaults(step["name"])
    return given | {key: value for key, value in fixed.items() if key in known}


def full_step(step: Step) -> Step:
    """The step with all its arguments, those that are not given by their defaults.

    >>> full_step({"name": "HorizontalFlip"})
    {'name': 'HorizontalFlip', 'p': 0.5}
    """
    return {"name": step["name"], **step_defaults(step["name"]), **step}


def build_transform(step: Step, size: int, fill: tuple[float, ...]) -> Any:
    """The transform of albumentations that a step describes.

    Args:
        step: Name and arguments, already checked; those not given have the step's defaults.
        size: Side of the model's images, in pixels.
        fill: Mean colour, 0 to 255.
    """
    return getattr(A, step["name"])(**_translate(full_step(step), size, fill))


def step_problems(steps: Sequence[Step]) -> list[str]:
    """Everything that is wrong with a list of steps, one sentence each."""
    if not steps:
        return ["augmentation - empty - [] - give at least one step, or `none`"]
    return [sentence for place, step in enumerate(steps) for sentence in _problems_of(step, place)]


def _problems_of(step: Any, place: int) -> Iterator[str]:
    here, known = f"augmentation[{place}]", sorted(ALLOWED)
    if not isinstance(step, dict):
        yield f"{here} - not a mapping - {step!r} - write {{name: TRANSFORM, ARGUMENT: VALUE}}"
        return
    name, choice = step.get("name"), f"choose one of {', '.join(known)}"
    if name is None:
        yield f"{here}.name - missing - nothing - {choice}"
        return
    if name not in known:
        yield f"{here}.name - not a transform{did_you_mean(str(name), known)} - {name!r} - {choice}"
        return
    usual = step_defaults(name)
    for key in [key for key in step if key not in ("name", *usual)]:
        hint = did_you_mean(str(key), usual)
        advice = f"known: {', '.join(sorted(usual)) or 'none'}"
        yield f"{here}.{key} - unknown argument{hint} - {step[key]!r} - {advice}"
    given = {key: step.get(key, value) for key, value in usual.items()}
    yield from (f"{here}.{line}" for line in _mistakes(name, given))


def complete(steps: Steps) -> tuple[Steps, str]:
    """The steps with one that brings images to the model's size, and a sentence if it was added.

    >>> complete([{"name": "HorizontalFlip"}])[0][0]["name"], complete([{"name": "Resize"}])[1]
    ('RandomResizedCrop', '')
    """
    if any(step["name"] in SIZED for step in steps):
        return steps, ""
    return [ADDED_SIZE, *steps], (
        "augmentation: no step brings images to the model's size, so a RandomResizedCrop of 90 to "
        "100 % of the area was put in front"
    )


def _mistakes(name: str, given: Step) -> Iterator[str]:
    """What albumentations says of the arguments, in our form of sentence."""
    wrong = [key for key in WORDS if key in given and given[key] not in WORDS[key]]
    for key in wrong:
        yield f"{key} - not known - {given.pop(key)!r} - choose one of {', '.join(WORDS[key])}"
    schema = getattr(A, name).InitSchema
    for key, what in _complaints(getattr(A, name), given | {"name": name}).items():
        yield f"{key} - {what} - {given.get(key, name)!r} - {_advice(schema, key)}"


def _complaints(transform: Any, step: Step) -> dict[str, str]:
    """What is wrong with each argument; with the step as a whole, under `name`."""
    arguments = _translate(step, 32, (0.0, 0.0, 0.0))
    unset = {k: value for k, value in _all_defaults(step["name"]).items() if k not in arguments}
    try:
        with warnings.catch_warnings():
            # It adjusts what it does not like, with a warning.
            warnings.simplefilter("error", UserWarning)
            # Strict, so that the text "2" is not taken for a number.
            transform.InitSchema.model_validate({**unset, **arguments, "strict": True}, strict=True)
            transform(**arguments)
    except ValidationError as error:
        complaints: dict[str, str] = {}
        for mistake in error.errors():
            place = str(mistake["loc"][0]) if mistake["loc"] else "name"
            complaints.setdefault(place, _what(mistake))
        return complaints
    except Exception as error:  # whatever else its own checks raise
        return {"name": _plain(str(error))}
    return {}


def _what(error: Any) -> str:
    kind, message = error["type"], _plain(error["msg"])
    if kind in ("value_error", "assertion_error") or kind.endswith("_equal"):
        return f"out of range ({message})"
    return "not known" if kind == "literal_error" else "wrong type"


def _plain(text: str) -> str:
    text = " ".join(text.split()).replace(" - ", ": ").removeprefix("Value error, ")
    return text[:1].lower() + text[1:].rstrip(".")


def _advice(schema: Any, key: str) -> str:
    if key not in schema.model_fields:
        return "correct its arguments"
    words = describe(schema.model_fields[key].annotation)
    return f"give {words}" if key != "fill" else f"give {MEAN}, {words}"
