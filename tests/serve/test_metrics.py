"""What Prometheus reads, read by its own parser."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.serving import pictures, running


def test_counts(served_folder: Path) -> None:
    with running(served_folder) as server:
        for body in (*pictures(3), b"bad"):
            server.predict(body)
        server.ask("GET", "/<script>")
        text = server.ask("GET", "/metrics").content
        name = server.service.host.model.name
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["adapt_requests_total", "/predict", "200"] == 3
    assert values["adapt_requests_total", "/predict", "415"] == 1
    assert values["adapt_requests_total", "other", "404"] == 1
    assert values["adapt_images_total", "200"] == 3
    assert values["adapt_images_total", "415"] == 1
    assert values["adapt_request_seconds_count", "/predict"] == 4
    assert values["adapt_batch_images_sum",] == 3
    assert values["adapt_batch_seconds_count",] == 3
    assert values["adapt_waiting_images",] == 0
    assert values["adapt_model", name] == 1
