"""How often the two-sample test of `adapt monitor` raises a false alarm, and what it notices.

python -m bench.monitor_alarms WORK    # after `python -m bench.monitor encode WORK`
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from adapt.evaluation.unlabelled.two_sample import kernel_test

OUT = Path("docs/benchmarks/monitor_alarms.json")
REPEATS = 2000


def encoded(work: Path) -> dict[str, dict[str, np.ndarray]]:
    """By domain, all sets that a model of it meets: its own, and the test images of the others."""
    found = {}
    for place in sorted(work.glob("p*.npz")):
        with np.load(place) as stored:
            found[place.stem.replace("-", "/", 1)] = {key: stored[key] for key in stored.files}
    for name, arrays in found.items():
        for other, given in list(found.items()):
            if other != name and other.split("/")[0] == name.split("/")[0]:
                assert given["classes"].tolist() == arrays["classes"].tolist()
                for part in ("features", "targets"):
                    arrays[f"{other}:{part}"] = given[f"test:{part}"]
    return found


def false_alarms(work: Path, repeats: int = REPEATS) -> list[dict[str, Any]]:
    """Images of one domain divided at random again and again: how often p is below the level."""
    rows = []
    every = encoded(work)
    for name in ("pictograms/emoji", "pacs/photo"):
        pool = np.concatenate([every[name][f"{part}:features"] for part in ("train", "test")])
        for known, new in ((100, 50), (150, 150)):
            generator, alarms = np.random.default_rng(0), {0.05: 0, 0.01: 0}
            for seed in range(repeats):
                order = generator.permutation(len(pool))[: known + new]
                p = kernel_test(pool[order[:known]], pool[order[known:]], 199, seed).p
                for level in alarms:
                    alarms[level] += p <= level
            rates = {str(level): count / repeats for level, count in alarms.items()}
            rows.append({"data": name, "known": known, "new": new, "rates": rates})
    return rows


def power(work: Path) -> list[dict[str, Any]]:
    """How often the test notices each kind of new place, by how many images there are."""
    rows: list[dict[str, Any]] = []
    for arrays in encoded(work).values():
        known = arrays["train:features"][:200]
        for key, features in arrays.items():
            name = key.removesuffix(":features")
            if name in (key, "train"):
                continue
            kind = "same" if name == "test" else "domain" if "/" in name else "corruption"
            for images in (20, 50, 100):
                p = kernel_test(known, features[:images], 199).p
                rows.append({"kind": kind, "images": images, "noticed": bool(p <= 0.05)})
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    arguments = parser.parse_args()
    content = {"power": power(arguments.work), "false_alarms": false_alarms(arguments.work)}
    OUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
