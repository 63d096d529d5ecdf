"""`undimmed keys`: made, shown once, listed, rotated, revoked; and a file that nobody else can use."""

import json
import stat
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from cli_servers import serving

from proxy.cli.key_table import describe_limits
from proxy.cli.main import main
from proxy.config.load import load
from proxy.core.keys import digest_keyed, digest_plain
from proxy.core.limits import Period, Rates, Unit, Unpriced
from proxy.core.settings import ClientKey
from proxy.server.keyring import make_keyring
from proxy.stores.key_store import editing, read_keys

PEPPER = "f00f" * 16
FILE = """\
server: {admin: "off"}
providers: {a: {kind: ollama}}
routes: [{model: [gpt, gpt-big], targets: [a/x]}, {model: other, targets: [a/y]}]
keys: [{name: written, hash: %s}]
key_store: keys.json
"""

Keys = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "undimmed.yaml").write_text(FILE % digest_plain("sk-written"))
    monkeypatch.setenv("UNDIMMED_KEY_PEPPER", PEPPER)
    return folder / "keys.json"


@pytest.fixture
def keys(store: Path, capsys: pytest.CaptureFixture[str]) -> Keys:
    def run(*words: str) -> tuple[int, str, str]:
        status = main(["keys", *words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def accepted() -> Callable[[str], str | None]:
    """Who a key is to a proxy that has just read its files."""
    ring = make_keyring(load(Path("undimmed.yaml")), lambda: 1.0e9)

    def who(key: str) -> str | None:
        identity = ring.identify({"authorization": f"Bearer {key}"})
        return identity.key if identity is not None else None

    return who


def named(name: str) -> ClientKey:
    return next(key for key in load(Path("undimmed.yaml")).keys if key.name == name)


def test_a_key_is_shown_once_and_kept_as_a_digest(keys: Keys, store: Path) -> None:
    status, out, err = keys("create", "ci", "--owner", "Ada")
    key = out.strip()
    assert (status, out) == (0, f"{key}\n"), "nothing but the key, for $(…)"
    assert "ci" in err
    assert key not in err
    assert len(key) == len("sk-undimmed-") + 43, "256 bits"
    text = store.read_text()
    assert key not in text
    assert digest_keyed(key, PEPPER.encode()) in text
    assert digest_plain(key) not in text
    assert PEPPER not in text
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert accepted()(key) == "ci"
    assert accepted()("sk-written") == "written", "keys of the file are as good as before"


def test_what_a_key_may_do_and_use(keys: Keys) -> None:
    limits = "--rpm 60 --tpm 100k --concurrent 3 --usd 12.50 --tokens 1M"
    budgets = "--per day --zone Europe/Berlin --soft --on-unpriced allow"
    words = "--route gpt-big --tag team-a --tag b --expires 2100-01-31 --priority batch"
    assert keys("create", "ci", *words.split(), *limits.split(), *budgets.split())[0] == 0
    key = named("ci")
    assert key.routes == {"gpt"}, "by the route's own name"
    assert key.tags == ("b", "team-a")
    assert key.expires == 4105036800
    assert key.priority == "batch"
    assert describe_limits(key)[0] == "batch"
    assert key.limits.rates == Rates(60, 100_000, 3)
    dollars, tokens = key.limits.budgets
    assert (dollars.amount, dollars.unit, dollars.per, dollars.soft) == (12_500_000_000, Unit.USD, Period.DAY, True)
    assert (dollars.on_unpriced, tokens.on_unpriced) == (Unpriced.ALLOW, Unpriced.BLOCK)
    assert (tokens.amount, tokens.unit, str(tokens.zone)) == (1_000_000, Unit.TOKENS, "Europe/Berlin")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("create written", 'there is a key named "written" already'),
        ("create ci", 'there is a key named "ci" already'),
        ("create new --route gtp", 'there is no route for "gtp"; did you mean "gpt"?'),
        ("create new --tag ä", '"ä" is no tag'),
        ("revoke cj", 'no key named "cj"; known: ci'),
        ("revoke written", "it stands in the configuration"),
        ("rotate nobody", 'no key named "nobody"'),
    ],
)
def test_what_cannot_be_done(keys: Keys, store: Path, words: str, why: str) -> None:
    keys("create", "ci")
    before = store.read_bytes()
    status, out, err = keys(*words.split())
    assert (status, out) == (1, "")
    assert why in err
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        "create x --rpm 0",
        "create x --rpm many",
        "create x --usd -1",
        "create x --usd much",
        "create x --zone Mars/Base",
        "create x --expires 2001-01-01",
        "create x --expires soon",
        "rotate x --grace soon",
    ],
)
def test_values_that_cannot_be_read(keys: Keys, words: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        keys(*words.split())
    assert stopped.value.code == 2


def test_a_rotated_key_has_its_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1.0e9]
    monkeypatch.setattr("proxy.cli.keys._now", lambda: int(now[0]))
    old = keys("create", "ci")[1].strip()
    status, out, err = keys("rotate", "ci", "--grace", "1h")
    new = out.strip()
    assert status == 0
    assert "2001-09-09 02:46 UTC" in err
    ring = make_keyring(load(Path("undimmed.yaml")), lambda: now[0])
    for moment, who in ((1.0e9, "ci"), (1.0e9 + 3599, "ci"), (1.0e9 + 3600, None)):
        now[0] = moment
        identity = ring.identify({"x-api-key": old})
        assert (identity.key if identity else None) == who
        present = ring.identify({"x-api-key": new})
        assert present is not None
    newest = keys("rotate", "ci", "--grace", "0")[1].strip()
    assert [accepted()(key) for key in (old, new, newest)] == [None, None, "ci"]
    assert named("ci").former == (), "what is over is not kept"


def test_a_revoked_key_is_nobodys(keys: Keys) -> None:
    key = keys("create", "ci")[1].strip()
    assert keys("revoke", "ci")[0] == 0
    assert accepted()(key) is None
    assert keys("create", "ci")[0] == 0, "the name is free again"


def test_the_list(keys: Keys) -> None:
    key = keys("create", "ci", "--owner", "Ada", "--route", "gpt", "--tag", "t", "--rpm", "60", "--usd", "20")[1].strip()
    keys("rotate", "ci")
    status, out, _ = keys("list")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:4] == ["name", "key", "owner", "routes"]
    assert lines[1][:4] == ["written", "in", "the", "file"]
    assert lines[2][0] == "ci"
    for shown in ("Ada", "gpt", "60 rpm", "$20 a month", "old key until"):
        assert shown in out
    assert key not in out
    assert "hmac" not in out
    rows = json.loads(keys("list", "--format", "json")[1])
    assert [row["name"] for row in rows] == ["written", "ci"]
    assert rows[1]["owner"] == "Ada"
    assert rows[1]["old_key_until"] is not None


def test_without_a_store_in_the_configuration(keys: Keys, folder: Path) -> None:
    (folder / "undimmed.yaml").write_text((FILE % ("a" * 64)).replace("key_store: keys.json\n", ""))
    status, out, err = keys("create", "ci")
    assert (status, out) == (1, "")
    assert "add `key_store: keys.json`" in err


def test_without_a_pepper(keys: Keys, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDIMMED_KEY_PEPPER")
    status, out, err = keys("create", "ci")
    assert (status, out) == (1, "")
    assert "UNDIMMED_KEY_PEPPER" in err
    assert not (folder / "keys.json").exists()


@pytest.mark.parametrize(
    ("pepper", "why"),
    [
        (None, "needs the environment variable UNDIMMED_KEY_PEPPER, which is not set"),
        ("another pepper than before", "was made with another pepper"),
        ("short", "has fewer than 16 characters"),
    ],
)
def test_a_store_that_could_not_be_checked_is_refused(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pepper: str | None, why: str
) -> None:
    keys("create", "ci")
    if pepper is None:
        monkeypatch.delenv("UNDIMMED_KEY_PEPPER")
    else:
        monkeypatch.setenv("UNDIMMED_KEY_PEPPER", pepper)
    for command in (["check"], ["keys", "list"], ["keys", "create", "x"]):
        assert main(command) == 1
        assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", '{"keys": [{}]}', "\xff", '{"version": 1, "keys": 5}', '{"version": 9, "keys": []}']
)
def test_a_file_that_is_none_of_ours(keys: Keys, store: Path, text: str) -> None:
    store.write_bytes(text.encode("latin-1"))
    status, _, err = keys("create", "ci")
    assert status == 1
    assert "keys.json is no file of `undimmed keys`" in err or "later version" in err
    assert store.read_bytes() == text.encode("latin-1")


def test_a_name_in_both_places(keys: Keys, store: Path, folder: Path) -> None:
    keys("create", "ci")
    (folder / "undimmed.yaml").write_text((FILE % ("a" * 64)).replace("name: written", "name: ci"))
    status, _, err = keys("list")
    assert status == 1
    assert "stand under keys: and in" in err


def test_many_edits_at_a_time_all_count(store: Path, keys: Keys) -> None:
    with ThreadPool(8) as pool:
        statuses = pool.map(lambda n: main(["keys", "create", f"k{n}"]), range(24))
    assert set(statuses) == {0}
    found = read_keys(store)
    assert found is not None
    assert sorted(key.name for key in found.keys) == sorted(f"k{n}" for n in range(24))
    assert sorted(path.name for path in store.parent.glob("keys.json*")) == ["keys.json", "keys.json.lock"]


def test_an_edit_that_fails_changes_nothing(keys: Keys, store: Path) -> None:
    keys("create", "ci")
    before = store.read_bytes()

    def fail() -> None:
        with editing(store, PEPPER.encode()) as found:
            found.keys.clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.read_bytes() == before
    assert sorted(path.name for path in store.parent.glob("keys.json*")) == ["keys.json", "keys.json.lock"]


def test_the_list_asks_the_running_proxy(keys: Keys) -> None:
    keys("create", "ci", "--usd", "20", "--per", "day")
    page = {"limits": [{"scope": "key", "name": "ci", "budgets": [{"unit": "usd", "spent": "1.25", "per": "day"}]}]}
    asked: list[str] = []

    def answer(path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(path)
        return 200, {}, json.dumps(page).encode()

    with serving(answer) as port:
        url = f"http://127.0.0.1:{port}"
        out = keys("list", "--admin", url)[1]
    assert asked == ["/limits"]
    assert "$20 a day, $1.25 used this day" in out
    assert "used this" not in keys("list", "--admin", url)[1], "nobody there any more"


def test_check_names_budgets_that_a_start_forgets(store: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budgets = "budget: [{usd: 1, per: day}, {usd: 5, per: week}, {tokens: 5}]"
    text = (FILE % ("a" * 64)).replace("name: written,", f"name: written, {budgets},")
    (folder / "undimmed.yaml").write_text(text)
    assert main(["check"]) == 0
    said = capsys.readouterr().out
    assert (
        "without a ledger these budgets begin at 0 with each start: key written (usd a week), key written (tokens a month)"
        in said
    )
    (folder / "undimmed.yaml").write_text(f"{text}ledger: {{}}\n")
    assert main(["check"]) == 0
    assert "begin at 0" not in capsys.readouterr().out
