import io
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.cli.main import main
from proxy.cli.run import MAX_ROUTES, describe_targets, show_routes
from proxy.cli.terminal import Terminal
from proxy.config.load import parse
from proxy.core.errors import ConfigError
from proxy.core.settings import Settings


class Supervisor:
    """Takes the place of the real one, and remembers what it was given."""

    def __init__(self) -> None:
        self.load: Callable[[], Settings] | None = None
        self.path: Path | None = None
        self.log_format = ""
        self.access_log = False

    def run_proxy(self, load: Callable[[], Settings], *, path: Path | None, log_format: str, access_log: bool) -> int:
        self.load, self.path, self.log_format, self.access_log = load, path, log_format, access_log
        return 3


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    fake = Supervisor()
    module = types.ModuleType("proxy.supervisor")
    module.run_proxy = fake.run_proxy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "proxy.supervisor", module)
    return fake


def test_runs_the_usual_file_and_passes_the_status_on(file: Path, supervisor: Supervisor, capsys) -> None:
    assert main(["run"]) == 3
    assert supervisor.path == Path("undimmed.yaml")
    assert supervisor.log_format == "json"
    assert supervisor.access_log
    shown = capsys.readouterr()
    assert shown.out == "", "the output belongs to the log"
    assert "m, m-*  a/x -> [b/y | b/z (when), ordered]" in shown.err
    assert "http://127.0.0.1:8080/v1" in shown.err


def test_a_reload_reads_the_file_again(file: Path, supervisor: Supervisor) -> None:
    main(["run", str(file)])
    assert supervisor.load is not None
    first = supervisor.load()
    file.write_text(file.read_text().replace("model: [m,", "model: [n,"))
    assert (first.routes[0].name, supervisor.load().routes[0].name) == ("m", "n")
    file.write_text("nonsense")
    with pytest.raises(ConfigError):
        supervisor.load()


def test_options_of_the_command_line_hold_through_reloads(file: Path, supervisor: Supervisor) -> None:
    main(["run", "--listen", "127.0.0.1:9", "--admin", "off", "--log-format", "console"])
    assert supervisor.load is not None
    for _ in range(2):
        settings = supervisor.load()
        assert (settings.server.port, settings.server.admin_port) == (9, None)
    assert supervisor.log_format == "console"


def test_without_a_file_the_environment_is_printed_as_the_yaml_it_would_be(
    monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor, capsys
) -> None:
    monkeypatch.setenv("XAI_API_KEY", "sk-hush")
    assert main(["run"]) == 3
    shown = capsys.readouterr().err
    assert 'xai: {kind: xai, credentials: ["${XAI_API_KEY}"], direct: true}' in shown
    assert "sk-hush" not in shown
    assert supervisor.path is None
    assert supervisor.load is not None
    settings = supervisor.load()
    printed = shown[shown.index("providers:") : shown.index("undimmed 0")]
    assert parse(printed, "environment", {"XAI_API_KEY": "sk-hush"}) == settings
    assert supervisor.load() == settings


def test_nothing_at_all_is_an_error_for_people(supervisor: Supervisor, capsys) -> None:
    assert main(["run"]) == 1
    assert "undimmed demo" in capsys.readouterr().err
    assert supervisor.load is None


def test_an_invalid_file_starts_nothing(folder: Path, supervisor: Supervisor, capsys) -> None:
    (folder / "f.yaml").write_text("providers: {a: {kind: nonsense}}\n")
    assert main(["run", "f.yaml"]) == 1
    assert "f.yaml:1: providers.a.kind" in capsys.readouterr().err
    assert supervisor.load is None


def test_many_routes_fit_a_screen() -> None:
    routes = ", ".join(f"{{model: m{n}, targets: [a/x{n}]}}" for n in range(60))
    settings = parse(f"providers: {{a: {{kind: vllm, direct: true}}}}\nroutes: [{routes}]", "f", {})
    stream = io.StringIO()
    show_routes(settings, Terminal(stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == MAX_ROUTES + 2
    assert "44 more routes" in lines[-2]
    assert lines[-1] == "  and any model as a/…"
    assert describe_targets(settings.routes[0]) == "a/x0"


def test_many_providers_fit_a_line() -> None:
    providers = ", ".join(f"p{n}: {{kind: vllm, direct: true}}" for n in range(30))
    settings = parse(f"providers: {{{providers}}}", "f", {})
    stream = io.StringIO()
    show_routes(settings, Terminal(stream))
    assert stream.getvalue() == "  and any model as p0/…, p1/…, p2/…, p3/…, p4/… and 25 more\n"
