"""The rule that takes the mean of what other val images would have chosen."""

from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.rules.base import Evidence


def test_the_mean_over_resampled_images() -> None:
    """Three of four images prefer alpha 0, by as much as the fourth prefers 1: by hand."""
    losses = {0.0: [0.0, 0.0, 0.0, 3.0], 0.25: [0.6, 0.6, 0.6, 2.4], 1.0: [1.0, 1.0, 1.0, 0.0]}
    # Draws hold the fourth image k times of 4 with probability C(4, k) 3^(4 - k) / 4^4; alpha 0
    # costs 3k, alpha 1 costs 4 - k, so alpha 0 is best for k = 0 and (with the first of equals)
    # k = 1: 189 of 256 draws. The mean is 67 / 256, nearest to 0.25.
    expected = 67 / 256
    found = choose_alpha(Evidence(dict.fromkeys(losses, 0.5), 4, losses=losses), "likelihood_mean")
    assert found == min(losses, key=lambda alpha: abs(alpha - expected))
