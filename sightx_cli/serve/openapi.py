"""The description of the endpoints, as OpenAPI 3.1 has it; a test holds it against what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sightx_cli.bundle.judgement import STATUSES
from sightx_cli.serve.limits import MEBIBYTE, Limits
from sightx_cli.version import VERSION

Schema = dict[str, Any]
IMAGE = {"type": "string", "format": "binary"}
REFUSALS = {
    "400": "There is no image in the body, or the form is damaged.",
    "401": "The token is missing or wrong.",
    "403": "A page of another site asks.",
    "408": "The images did not arrive in time.",
    "413": "The images are too large or too many.",
    "415": "The body is of another type.",
    "421": "The request was sent to a name that is not this server's.",
    "429": "Too many images are waiting; the header Retry-After says in how many seconds to send them again.",
    "503": "Out of memory.",
}
NO_IMAGE_READ = "Not one of the images can be read: the answers say why."


def describe_endpoints(facts: Mapping[str, Any], limits: Limits) -> Schema:
    """Describe the endpoints of a model's server."""
    refused = {status: _build_response(text, _refer("Error")) for status, text in REFUSALS.items()}
    answers = _refer("Answers")
    sizes = (
        f"Up to {limits.files} images of {limits.file_bytes // MEBIBYTE} MB and {limits.image_pixels // 10**6} "
        f"megapixels, {limits.request_bytes // MEBIBYTE} MB together. Nothing is stored, and no name is logged."
    )
    drawn = {
        "description": "The picture; as JSON, where that is what Accept asks for, the map alone and its words.",
        "content": {"image/png": {"schema": IMAGE}, "application/json": {"schema": _refer("Heatmap")}},
    }
    class_name = {
        "name": "class",
        "in": "query",
        "required": False,
        "description": "What the map shows: what speaks for this class. By default the one predicted.",
        "schema": {"type": "string", "enum": list(facts["classes"])},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"SightX: {facts['name']}", "version": VERSION, "description": facts["research"]},
        "components": {
            "schemas": build_schemas(facts),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
        "paths": {
            "/predict": {
                "post": {
                    "summary": "Answer images",
                    "description": sizes,
                    "requestBody": _build_body("files", is_many=True),
                    "responses": {
                        "200": _build_response("An answer for each image, in their order.", answers),
                        "422": _build_response(NO_IMAGE_READ, answers),
                        **refused,
                    },
                }
            },
            "/heatmap": {
                "post": {
                    "summary": "Draw where the answer of an image comes from",
                    "parameters": [class_name],
                    "requestBody": _build_body("file", is_many=False),
                    "responses": {
                        "200": drawn,
                        "422": _build_response("The image cannot be read.", _refer("Error")),
                        **refused,
                        "501": _build_response("No heatmap can be drawn here.", _refer("Error")),
                    },
                }
            },
            "/model": {"get": _build_get("What is served: its classes, its figures, its limits", "Model")},
            "/health": {"get": {**_build_get("Whether the server runs", "Health"), "security": [{}]}},
        },
    }


def build_schemas(facts: Mapping[str, Any]) -> Schema:
    """Build what the endpoints answer."""
    text, number = {"type": "string"}, {"type": "number"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    answer = {
        "name": {**text, "description": "The last part of the file's name."},
        "prediction": {"type": ["string", "null"], "description": "Null where the image cannot be read."},
        "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "probabilities": {
            "type": "object",
            "description": "The calibrated probability of each class; empty where the image cannot be read.",
            "properties": dict.fromkeys(facts["classes"], share),
            "additionalProperties": False,
        },
        "status": {**text, "enum": ["", *STATUSES]},
        "decision": {**text, "enum": ["", "positive", "negative"]},
        "error": {**text, "description": "Why the image cannot be read; empty where it can."},
        "seconds": {**number, "minimum": 0},
        "notes": {"type": "array", "items": text, "description": "What was left out of the image, or assumed of it."},
    }
    heatmap = {
        "class": {**text, "enum": list(facts["classes"])},
        "picture": {**text, "contentEncoding": "base64", "contentMediaType": "image/png"},
        "words": {"type": "array", "items": text},
    }
    limits = {name: {"type": "integer"} for name in ("file_bytes", "image_pixels", "request_bytes", "files")}
    model = {
        "run": text,
        "name": text,
        "task": text,
        "classes": {"type": "array", "items": text},
        "columns": {"type": "array", "items": text, "description": "The columns of a table of predictions."},
        "size_px": {"type": "integer"},
        "figures": {"type": "array", "items": {"type": "object"}},
        "limits": _build_object(limits),
        "research": text,
        "version": text,
    }
    return {
        "Answer": _build_object(answer),
        "Answers": _build_object({"images": {"type": "array", "minItems": 1, "items": _refer("Answer")}}),
        "Heatmap": _build_object(heatmap),
        "Model": {**_build_object(model), "additionalProperties": True},
        "Health": _build_object({"status": {"const": "ok"}}),
        "Error": _build_object({"error": text}),
    }


def _build_object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _build_body(field: str, is_many: bool) -> Schema:
    files = {"type": "array", "items": IMAGE, "minItems": 1} if is_many else IMAGE
    form = {"type": "object", "properties": {field: files}, "required": [field]}
    raw = {kind: {"schema": IMAGE} for kind in ("image/*", "application/dicom", "application/octet-stream")}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}, **raw}}


def _build_get(summary: str, schema: str) -> Schema:
    return {"summary": summary, "responses": {"200": _build_response(f"{summary}.", _refer(schema))}}


def _build_response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refer(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
