"""An empty working folder, no keys in the environment, and no look at this machine's ports."""

from pathlib import Path

import pytest

from proxy.config import discover, local_servers
from proxy.providers.presets import PRESETS

GOOD = """\
providers: {a: {kind: vllm, models: {x: {price: {input: 2.5, output: 10}, context_window: 8k}}}, b: {kind: ollama}}
routes:
  - {model: [m, "m-*"], targets: [a/x, [b/y, {to: b/z, when: {images: true}}]]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for preset in PRESETS.values():
        for variable in preset.env:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("UNDIMMED_KEY", raising=False)
    monkeypatch.delenv("UNDIMMED_DEBUG", raising=False)
    monkeypatch.setattr(local_servers, "list_models", lambda port, key=None: None)
    monkeypatch.setattr(discover.read_settings, "__defaults__", (lambda port, key: None,))
    return tmp_path


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "undimmed.yaml"
    path.write_text(GOOD)
    return path
