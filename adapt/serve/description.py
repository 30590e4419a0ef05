"""The server described in OpenAPI 3.1, for clients that are generated from it."""

from typing import Any

from adapt.serve.reading import FIELD, JSON, MULTIPART
from adapt.serve.settings import ServerSettings
from adapt.version import __version__

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 1}
NUMBER: Schema = {"type": "number"}
FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1}
FILE: Schema = {"type": "string", "format": "binary"}
REFUSED = {
    400: "The request cannot be understood.",
    401: "No valid token.",
    408: "The body came too slowly.",
    413: "The body, an image or the number of images is too large.",
    415: "Not an image, or a type that is not read.",
    422: "An image that cannot be decoded.",
    503: "Too much to do; try again in a moment.",
    504: "Not answered in time.",
}


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema, most: int | None = None) -> Schema:
    return {"type": "array", "items": items} | ({"maxItems": most} if most else {})


def schemas() -> dict[str, Schema]:
    """What is sent, by name.

    >>> schemas()["Error"]["required"]
    ['error', 'request_id']
    """
    status = {"type": "integer", "minimum": 400, "maximum": 599}
    return {
        "Error": _object(error=TEXT, request_id=TEXT),
        "ImageError": _object(status=status, error=TEXT),
        "Class": _object(label=TEXT, probability=FRACTION),
        "Prediction": _object(
            status={"const": 200},
            label=TEXT,
            confidence=FRACTION,
            top=_list(_of("Class")),
            abstained=_or_null({"type": "boolean"}),
            set=_or_null(_list(TEXT)),
            unknown=_or_null({"type": "boolean"}),
        ),
        "Predictions": _object(
            request_id=TEXT,
            model=TEXT,
            results=_list({"oneOf": [_of("Prediction"), _of("ImageError")]}),
        ),
        "Limits": _object(
            body_bytes=COUNT, pixels=COUNT, images=COUNT, classes=COUNT, seconds=NUMBER
        ),
        "Model": _object(
            model=TEXT,
            base=TEXT,
            class_names=_list(TEXT),
            temperature=NUMBER,
            abstains_below=_or_null(FRACTION),
            set_level=_or_null(FRACTION),
            detects_unknown={"type": "boolean"},
            takes_classes={"type": "boolean"},
            limits=_of("Limits"),
        ),
        "Alive": _object(status={"const": "alive"}),
        "Ready": _object(status={"const": "ready"}, model=TEXT),
        "Reloaded": _object(model=TEXT),
    }


def _json(name: str) -> dict[str, Any]:
    return {JSON: {"schema": _of(name)}}


def _get(summary: str, name: str, *refused: int) -> dict[str, Any]:
    answers = {"200": {"description": summary, "content": _json(name)}}
    return {"get": {"summary": summary, "responses": answers | _refused(*refused)}}


def _refused(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {"description": REFUSED[status], "content": _json("Error")}
        for status in statuses
    }


def _predict(settings: ServerSettings) -> dict[str, Any]:
    images, classes = settings.max_images, settings.max_classes
    base64 = {"type": "string", "contentEncoding": "base64"}
    content = {
        JSON: {"schema": _object(**{FIELD: _list(base64, images)})},
        MULTIPART: {"schema": _object(**{FIELD: _list(FILE, images)})},
        "image/*": {"schema": FILE},
        "application/octet-stream": {"schema": FILE},
    }
    query = [
        {
            "name": "top",
            "in": "query",
            "description": "How many classes are listed per image.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5},
        },
        {
            "name": "class",
            "in": "query",
            "description": "Other class names, for a model whose head comes from its text encoder.",
            "schema": _list(TEXT, classes) | {"minItems": 2},
        },
    ]
    summary = (
        "Predict images. A request with one image has its status; one with several has status 200 "
        "and a status per image."
    )
    good = {"200": {"description": "One result per image.", "content": _json("Predictions")}}
    return {
        "post": {
            "summary": summary,
            "parameters": query,
            "requestBody": {"required": True, "content": content},
            "responses": good | _refused(*REFUSED),
        }
    }


def description(settings: ServerSettings, token: bool) -> dict[str, Any]:
    """The whole description.

    Args:
        settings: The limits.
        token: Whether clients must send one.
    """
    reload = {
        "post": {
            "summary": "Verify and load what is at the path of the model now.",
            "responses": {"200": {"description": "The new model.", "content": _json("Reloaded")}}
            | _refused(401, 422, 503)
            | {"403": {"description": "The server has no token.", "content": _json("Error")}},
        }
    }
    metrics = {"200": {"description": "Text for Prometheus.", "content": {"text/plain": {}}}}
    content: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "adapt", "version": __version__},
        "paths": {
            "/predict": _predict(settings),
            "/model": _get("The model and the limits.", "Model", 401),
            "/health": _get("The process is alive.", "Alive", 503),
            "/ready": _get("The server takes requests.", "Ready", 503),
            "/metrics": {"get": {"summary": "Metrics.", "responses": metrics | _refused(401)}},
            "/reload": reload,
        },
        "components": {"schemas": schemas()},
    }
    if token:
        content["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path in ("/predict", "/model", "/metrics", "/reload"):
            for operation in content["paths"][path].values():
                operation["security"] = [{"token": []}]
    return content
