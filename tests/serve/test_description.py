"""The description fits the routes, and what the server says fits the description."""

import json
from typing import Any

import jsonschema

from adapt.serve.description import description
from tests.helpers.serving import Running, form, pictures


def fits(server: Running, content: Any, name: str) -> None:
    """Check against a schema, by an independent reader."""
    document = server.ask("GET", "/openapi.json").content
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(content)


def test_answers_fit_it(server: Running, guarded: Running) -> None:
    first, second = pictures(2)
    body, kind = form(("a", "image/png", first), ("b", "image/png", b"x"))
    fits(server, server.predict(body, kind).content, "Predictions")
    other = server.predict(second, query="?class=a&class=b")
    fits(server, other.content, "Predictions")
    fits(server, server.predict(b"").content, "Error")
    for path, name in [("/model", "Model"), ("/health", "Alive"), ("/ready", "Ready")]:
        fits(server, server.ask("GET", path).content, name)
    document = guarded.ask("GET", "/openapi.json").content
    assert document["paths"]["/predict"]["post"]["security"] == [{"token": []}]


def test_it_names_every_route_and_status(server: Running) -> None:
    document = json.loads(json.dumps(description(server.service.settings, False)))
    routes = {route.path: route.methods for route in server.service.app().routes}  # type: ignore[attr-defined]
    own = {path for path in routes if path not in ("/", "/openapi.json")}
    assert set(document["paths"]) == own
    for path, operations in document["paths"].items():
        assert {verb.upper() for verb in operations} == routes[path] - {"HEAD"}
        for operation in operations.values():
            assert operation["summary"] if "summary" in operation else operation["responses"]
    sizes = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert sizes["application/json"]["schema"]["properties"]["images"]["maxItems"] == 8
    assert "securitySchemes" not in document["components"]
