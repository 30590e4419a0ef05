"""How a classifier shows itself in a notebook."""

from typing import TYPE_CHECKING, Any, Protocol

from torch import nn

from adapt.report.displays.html import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _Shown(Protocol):
    backbone: Any
    head: Any
    class_names: list[str]
    head_from_text: bool
    temperature: float

    def parameters(self) -> Any: ...


class DisplayedClassifier:
    """The part of a `Classifier` that a person sees."""

    def plot(self: _Shown) -> "Figure":
        """How alike the classes are to the head; needs matplotlib."""
        from adapt.report.figures.displays.plots import classes_figure

        return classes_figure(self.class_names, self.head.weight.detach().float().cpu().numpy())

    def _repr_html_(self: _Shown) -> str:
        """A table for notebooks: what it is made of."""
        spec, count = self.backbone.spec, len(self.class_names)
        names = ", ".join(self.class_names[:8]) + (", ..." if count > 8 else "")
        learned = "learned" if isinstance(self.head, nn.Linear) else "with a cache of images"
        size = sum(weight.numel() for weight in self.parameters())
        rows = [
            ["model", f"{spec.arch}, {spec.pretrained}"],
            ["weights", f"{size:,}"],
            ["classes", f"{count}: {names}"],
            ["head", "from text" if self.head_from_text else learned],
            ["temperature", f"{self.temperature:g}"],
        ]
        return html_table("Classifier", [], rows)
