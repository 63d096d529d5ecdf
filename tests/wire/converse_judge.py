"""botocore's own model of Converse, as a judge of what we send and a reader of what we pretend to answer."""

import re
from functools import cache
from typing import Any

import botocore.parsers
import botocore.session
from botocore.eventstream import EventStream
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator


@cache
def operation(name: str) -> OperationModel:
    return botocore.session.Session().get_service_model("bedrock-runtime").operation_model(name)


def judge(body: dict[str, Any], model: str, name: str = "Converse") -> list[str]:
    """What is wrong with a body; nothing if it is sound. Stricter than botocore's clients: enums, patterns and upper
    limits count too."""
    shape = operation(name).input_shape
    params = {"modelId": model, **body}
    report = ParamValidator().validate(params, shape)
    return ([report.generate_report()] if report.has_errors() else []) + list(_look(params, shape, "body"))


def _look(value: Any, shape: Shape, path: str) -> list[str]:
    problems: list[str] = []
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        for key, inner in value.items():
            if key in shape.members:
                problems += _look(inner, shape.members[key], f"{path}.{key}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            problems += _look(inner, shape.member, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, inner in value.items():
            problems += _look(key, shape.key, f"{path}<{key}>") + _look(inner, shape.value, f"{path}.{key}")
    elif shape.type_name == "string":
        limits = shape.metadata
        if shape.enum and value not in shape.enum:
            problems.append(f"{path}: {value!r} is none of {shape.enum}")
        if len(value) > limits.get("max", len(value)):
            problems.append(f"{path}: longer than {limits['max']}")
        if "pattern" in limits and not path.endswith(".modelId") and not re.fullmatch(limits["pattern"], value):
            problems.append(f"{path}: {value!r} does not match {limits['pattern']}")
    return problems


class _Raw:
    def __init__(self, stream: bytes) -> None:
        self._stream = stream

    def stream(self) -> list[bytes]:
        return [self._stream]

    def close(self) -> None:
        pass


def read_events(stream: bytes) -> list[dict[str, Any]]:
    """A stream as boto3 shows it; raises EventStreamError for an exception frame."""
    shape = operation("ConverseStream").output_shape
    parser = botocore.parsers.EventStreamJSONParser()
    return list(EventStream(_Raw(stream), shape.members["stream"], parser, "ConverseStream"))


def read_answer(body: bytes) -> dict[str, Any]:
    parser = botocore.parsers.RestJSONParser()
    parsed: dict[str, Any] = parser.parse(
        {"status_code": 200, "headers": {}, "body": body}, operation("Converse").output_shape
    )
    return parsed
