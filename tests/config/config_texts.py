"""Small configurations for the tests of the rules."""

PROVIDERS = "providers: {a: {kind: vllm, direct: true}, b: {kind: ollama, direct: true}}\n"
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
KEYS = f"keys: [{{name: k, hash: {DIGEST}}}]\n"


def route(text: str) -> str:
    return f"{PROVIDERS}routes: [{{model: m, {text}}}]\n"


def defaults(text: str) -> str:
    return f"{PROVIDERS}routes: [{{model: m, targets: [a/x, b/x]}}]\ndefaults: {{{text}}}\n"


def provider(text: str) -> str:
    return f"providers: {{p: {{direct: true, {text}}}}}\n"
