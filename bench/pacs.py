"""The recipe `pacs_photo` on the real PACS images, kept as tables and figures under docs/.

    python bench/pacs.py ../shared/data/pacs docs/benchmarks/pacs

`manifest.csv` of the data (path,label,split,note) becomes one table per domain; nothing else is
changed. None of the images is copied: the gallery of mistakes is left out.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from adapt import run

EVALS = {"photo": "photo", "art": "art_painting", "cartoon": "cartoon", "sketch": "sketch"}
KEPT = ("scores.json", "curve.json", "per_class.csv", "confusion.csv", "metrics.csv", "recipe.yaml")


def write_tables(pacs: Path, folder: Path) -> list[str]:
    """One table per domain, and the overrides that point the recipe at them."""
    manifest = pd.read_csv(pacs / "manifest.csv")
    manifest["domain"] = manifest["path"].str.split("/").str[0]
    for domain, rows in manifest.groupby("domain"):
        rows[["path", "label", "split"]].to_csv(folder / f"{domain}.csv", index=False)
    root = pacs.resolve()

    def source(domain: str, split: str) -> str:
        rows = f", split: {split}" if split else ""
        return f"{{kind: table, path: '{folder / domain}.csv', root: '{root}'{rows}}}"

    overrides = [f"data.train={source('photo', 'train')}", "~evals.test"]
    return overrides + [
        f"evals.{name}={source(domain, 'val' if name == 'photo' else '')}"
        for name, domain in EVALS.items()
    ]


def main() -> None:
    """Run and keep what holds no image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pacs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", nargs="*", default=[], help="overrides, key.path=value")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        overrides = write_tables(arguments.pacs, Path(temporary))
        done = run("pacs_photo", [*overrides, *arguments.set], Path(temporary, "run"), quiet=False)
        for name in KEPT:
            text = (done.folder / name).read_text(encoding="utf-8")
            text = text.replace(str(arguments.pacs.resolve()), "pacs").replace(temporary, "tables")
            (arguments.out / name).write_text(text, encoding="utf-8")
        shutil.copytree(
            done.folder / "figures",
            arguments.out / "figures",
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("mistakes", "*.svg"),
        )
    table = {
        m: {e: round(100 * row["accuracy"], 1) for e, row in v.items()}
        for m, v in done.scores["models"].items()
    }
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
