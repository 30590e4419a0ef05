"""RegMean against NumPy's least squares on the inputs themselves."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.ensembling.weights.regmean import regmean
from adapt.errors import RecipeError
from adapt.training.features.grams import LinearPart

INPUTS, OUTPUTS = 6, 4
WHOLE = LinearPart("w", True, 0, OUTPUTS)
TURNED = LinearPart("p", False, 0, INPUTS)


def models(count: int = 3) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"w": (OUTPUTS, INPUTS), "p": (INPUTS, OUTPUTS), "b": (OUTPUTS,)}
    return [
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        for _ in range(count)
    ]


def inputs(rows: int, count: int = 3, seed: int = 1) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(INPUTS, INPUTS))
    return [random.normal(size=(rows + n, INPUTS)) @ mixing for n in range(count)]


def gram(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.T @ values / len(values))


def least_squares(values: list[np.ndarray], matrices: list[np.ndarray]) -> np.ndarray:
    """The nearest to the mean of all W that minimise the sum of |X_i W - X_i W_i|^2 / rows."""
    mean = np.mean(matrices, axis=0)
    scaled = [part / np.sqrt(len(part)) for part in values]
    answers = [x @ (w - mean) for x, w in zip(scaled, matrices, strict=True)]
    solution = np.linalg.lstsq(np.concatenate(scaled), np.concatenate(answers), rcond=None)[0]
    return np.asarray(mean + solution)


@pytest.mark.parametrize("rows", [40, 1])
def test_it_is_least_squares(rows: int) -> None:
    """One row of each model, two and three: of many solutions it is that nearest to the mean."""
    states, seen, others = models(2), inputs(rows, 2), inputs(rows, 2, seed=2)
    grams = [{WHOLE: gram(x), TURNED: gram(y)} for x, y in zip(seen, others, strict=True)]
    merged = regmean(states, iter(grams), off_diagonal=1)
    expected = least_squares(seen, [state["w"].double().numpy().T for state in states])
    np.testing.assert_allclose(merged["w"].T, expected, rtol=1e-4, atol=1e-5)
    expected = least_squares(others, [state["p"].double().numpy() for state in states])
    np.testing.assert_allclose(merged["p"], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(merged["b"], (states[0]["b"] + states[1]["b"]) / 2)
    assert merged.adjusted == {"w", "p"}


def test_the_closed_form_with_smaller_products() -> None:
    states, seen = models(), inputs(30)
    merged = regmean(states, [{WHOLE: gram(x)} for x in seen])["w"]
    grams = []
    for x in seen:
        scaled = 0.9 * gram(x).numpy()
        np.fill_diagonal(scaled, np.diag(gram(x).numpy()))
        grams.append(scaled)
    weighted = [g @ s["w"].double().numpy().T for g, s in zip(grams, states, strict=True)]
    expected = np.linalg.inv(np.sum(grams, axis=0)) @ np.sum(weighted, axis=0)
    np.testing.assert_allclose(merged.T, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("off_diagonal", [0.9, 1.0])
def test_equal_models_stay_as_they_are(off_diagonal: float) -> None:
    state = models()[0]
    merged = regmean([state] * 3, [{WHOLE: gram(x)} for x in inputs(30)], off_diagonal)
    assert all(torch.equal(merged[name], state[name]) for name in state)


def test_rows_with_inputs_of_their_own() -> None:
    states, first, second = models(), inputs(30), inputs(30, seed=2)
    parts = LinearPart("w", True, 0, 1), LinearPart("w", True, 1, 3)
    grams = [dict(zip(parts, (gram(x), gram(y)), strict=True)) for x, y in zip(first, second)]  # noqa: B905
    merged = regmean(states, grams, off_diagonal=1)["w"]
    matrices = [state["w"].double().numpy() for state in states]
    upper = least_squares(first, [m[:1].T for m in matrices]).T
    lower = least_squares(second, [m[1:3].T for m in matrices]).T
    expected = np.concatenate([upper, lower, np.mean(matrices, axis=0)[3:]])
    np.testing.assert_allclose(merged, expected, rtol=1e-4, atol=1e-5)


def test_weights_of_inputs_that_are_always_zero_are_averaged() -> None:
    states, seen = models(), inputs(30)
    for x in seen:
        x[:, 2] = 0
    merged = regmean(states, [{WHOLE: gram(x)} for x in seen])["w"]
    mean = sum(state["w"].double() for state in states) / 3
    torch.testing.assert_close(merged[:, 2], mean[:, 2].float())
    assert not torch.allclose(merged[:, 1], mean[:, 1].float(), atol=1e-3)


def test_one_model_is_refused() -> None:
    with pytest.raises(RecipeError, match="too few models"):
        regmean(models(1), [{}])
