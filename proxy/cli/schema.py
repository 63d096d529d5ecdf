"""`undimmed schema`: the shape of the YAML, for editors that complete and check while one types."""

import argparse
import json

from proxy.cli.terminal import out


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """No options: `undimmed schema > undimmed.schema.json`."""
    commands.add_parser(
        "schema",
        help="print the JSON Schema of undimmed.yaml, for editors",
        description="Print the JSON Schema of undimmed.yaml. Editors with a YAML language server take it in the first line "
        "of the file: # yaml-language-server: $schema=undimmed.schema.json",
    )


def run(args: argparse.Namespace) -> int:
    """Prints and is done."""
    from proxy.config.models import Document

    schema = Document.model_json_schema()
    out().say(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))
    return 0
