"""What the server counts, as text that Prometheus reads."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one server.

    >>> metrics = Metrics(lambda: 3, lambda: "3f2a")
    >>> metrics.images.labels("200").inc()
    >>> b'adapt_images_total{status="200"} 1.0' in metrics.text()
    True
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, waiting: Callable[[], float], model: Callable[[], str]) -> None:
        self._model = model
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "adapt_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "adapt_request_seconds",
            "From the head of a request to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.images = Counter("adapt_images", "Images answered.", ["status"], registry=registry)
        self.batches = Histogram(
            "adapt_batch_images", "Images of a batch.", buckets=SIZES, registry=registry
        )
        self.computing = Histogram(
            "adapt_batch_seconds", "To compute a batch.", buckets=SECONDS, registry=registry
        )
        self.reloads = Counter(
            "adapt_reloads", "Reloads of the model.", ["result"], registry=registry
        )
        gauge = Gauge("adapt_waiting_images", "Images not answered yet.", registry=registry)
        gauge.set_function(waiting)
        self._serving = Gauge(
            "adapt_model", "1 for the model that is served.", ["model"], registry=registry
        )

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch."""
        self.batches.observe(size)
        self.computing.observe(seconds)

    def text(self) -> bytes:
        """All of them, in the text format of Prometheus."""
        self._serving.clear()
        self._serving.labels(self._model()).set(1)
        return generate_latest(self._registry)
