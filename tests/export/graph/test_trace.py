"""What is traced with decides what stays free."""

from adapt.export.graph.trace import example, free_sizes
from adapt.export.graph.whole import WholeGraph
from adapt.models.classifier import Classifier


def test_no_size_is_taken_for_another(model: Classifier) -> None:
    shape = example(WholeGraph.of(model)).shape
    size = model.backbone.preprocessing.size
    assert len({*shape, size, 1}) == 6
    assert {place: dim.__name__ for place, dim in free_sizes()[0].items()} == {
        0: "batch",
        1: "height",
        2: "width",
    }
