"""What mkdocs calls while it builds the site: adds generated pages, links and formulas."""

import itertools
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tools.site import methods, notebooks, pages  # noqa: E402


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation, and let fences marked `math` become formulas."""
    sections: dict[str, list[Any]] = {}
    for item in config.nav or []:
        for title, inner in item.items():
            sections[title] = inner
    written = [path for path, _ in pages.generated()]
    sections["Tutorials"].append(
        {"Notebooks": [f"{notebooks.PLACE}/{name}.md" for name in notebooks.names()]}
    )
    sections["Methods"] += [
        "methods/all_numbers.md",
        *(f"methods/{name}.md" for name in methods.names()),
    ]
    sections["Reference"] += [
        pages.KEYS,
        {"Commands": [path for path in written if path.startswith(pages.COMMANDS)]},
        {"Python API": [path for path in written if path.startswith(pages.API)]},
    ]
    listed = str(config.nav)
    others = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name not in listed)
    sections["Guides"] += others
    benchmarks = sorted(
        (ROOT / "docs" / "benchmarks").rglob("*.md"), key=lambda path: (path.stem != "index", path)
    )
    sections["Benchmarks"] += [path.relative_to(ROOT / "docs").as_posix() for path in benchmarks]
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "math", "class": "math", "format": formula}]
    return config


def formula(source: str, *_: Any, **__: Any) -> str:
    """TeX to MathML, which browsers draw without a script."""
    return f'<div class="formula">{convert(source.strip(), display="block")}</div>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the figures of notebooks."""
    for path, content in itertools.chain(pages.generated(), notebooks.generated()):
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Complete a written page."""
    return pages.written(page.file.src_uri, markdown)
