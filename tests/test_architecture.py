"""The house rules that a machine can keep: floors, purity, sizes."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "proxy").rglob("*.py"))

#: Imports only go down; same number = siblings, which never import each other.
FLOORS = {
    "core": 1,
    "wire": 2,
    "providers": 3,
    "policy": 3,
    "tokens": 3,
    "transport": 4,
    "stores": 4,
    "pipeline": 5,
    "server": 6,
    "gateway": 7,
    "assemble": 8,
    "restoring": 8,
    "watchtower": 8,
    "config": 8,
    "supervisor": 9,
    "rehearse": 9,
    "cli": 10,
    "__main__": 11,
}
PURE = ("core", "wire", "providers", "policy", "tokens")
IMPURE_MODULES = {
    "asyncio", "aiohttp", "socket", "ssl", "time", "os", "pathlib", "io", "logging", "structlog", "threading",
    "concurrent", "subprocess", "tempfile", "secrets", "urllib.request", "uvloop", "httptools",
}  # fmt: skip
#: The aiohttp client costs more than a whole request of ours; it serves the control plane and the demo's client only.
AIOHTTP = {
    "server/connection.py", "server/inlet.py", "server/guard.py", "server/admin.py", "server/listener.py", "cli/demo.py",
    "transport/credentials/http.py", "transport/judging.py",
}  # fmt: skip
MAX_LINES = 400


def place(path: Path) -> str:
    parts = path.relative_to(ROOT / "proxy").parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(tree: ast.AST) -> list[str]:
    found: list[str] = []
    guarded = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for node in guarded:
        node.body = []  # only types, never run
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def ours(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "proxy" and len(parts) > 1 else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_down(path: Path) -> None:
    here = place(path)
    if here == "__init__":
        return
    for name in imports(ast.parse(path.read_text())):
        there = ours(name)
        if there is None or there == here or there == "__version__":
            continue
        assert FLOORS[there] < FLOORS[here], f"{here} (floor {FLOORS[here]}) imports {name} (floor {FLOORS[there]})"


@pytest.mark.parametrize("path", [p for p in SOURCES if place(p) in PURE], ids=lambda p: str(p.relative_to(ROOT)))
def test_pure_floors_touch_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for name in imports(tree):
        assert name not in IMPURE_MODULES, f"imports {name}"
        assert name.split(".")[0] not in IMPURE_MODULES, f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            assert node.func.value.id != "random", f"line {node.lineno}: module-level dice"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input"), f"line {node.lineno}: {node.func.id}()"


@pytest.mark.parametrize("path", [p for p in SOURCES if place(p) == "pipeline"], ids=lambda p: p.stem)
def test_pipeline_can_run_in_virtual_time(path: Path) -> None:
    for name in imports(ast.parse(path.read_text())):
        assert name.split(".")[0] not in {"time", "socket", "aiohttp", "httptools", "uvloop", "os", "datetime"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_LINES
    tree = ast.parse(text)
    assert ast.get_docstring(tree) or not text.strip(), "opens with what it is about"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 70, f"{node.name} is too long"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_aiohttp_stays_at_the_edges(path: Path) -> None:
    relative = str(path.relative_to(ROOT / "proxy"))
    if any(name.split(".")[0] == "aiohttp" for name in imports(ast.parse(path.read_text()))):
        assert relative in AIOHTTP


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_vague_module_names(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_broad_except_swallows(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
            assert not (broad and silent), f"line {node.lineno}: swallows everything"
