"""The report of a run: figures, `report.html` and `report.md`, from the run folder alone.

Nothing here loads torch, and importing this package loads neither matplotlib nor jinja2.
"""

from pathlib import Path

from adapt.report.verdict import verdict

__all__ = ["verdict", "write_report"]


def write_report(run_folder: Path, formats: list[str]) -> list[Path]:
    """Write the report of a finished run into its folder.

    A part whose file is absent or damaged is replaced by a sentence that says so; only
    `scores.json` is required. The same files always give the same report, byte for byte.

    Args:
        run_folder: What `adapt run` wrote. `figures/*.png` and `figures/*.svg` are written there
            too.
        formats: Any of `"html"` and `"md"`.

    Returns:
        Every file written, the reports first.

    Raises:
        RecipeError: A format is unknown, or the folder holds no `scores.json`.
        RunError: `scores.json` is damaged, or the report cannot be written.
    """
    # Imported here so that the command line can print a verdict without loading matplotlib.
    from adapt.report.write import write

    return write(Path(run_folder), formats)
