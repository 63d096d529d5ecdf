"""Who presents a key: what is known of it, until when, and that the way there does not grow with the number of keys."""

from collections.abc import Mapping

import pytest

from proxy.core.keys import digest_keyed, digest_plain
from proxy.core.settings import ClientKey
from proxy.server.application import Identity
from proxy.server.keyring import ANYBODY, Keyring

PEPPER = b"a pepper of some length"


def key(name: str, secret: str, routes: frozenset[str] | None = None, **more: object) -> ClientKey:
    return ClientKey(name, digest_plain(secret), routes, **more)  # type: ignore[arg-type]


def ring(*keys: ClientKey, wall: float = 0.0, **more: object) -> Keyring:
    return Keyring(keys, lambda: wall, **more)  # type: ignore[arg-type]


class TestKeys:
    KEYS = ring(key("ci", "sk-ci", frozenset({"lamp"})), key("team", "sk-team"), key("umlaut", "schlüssel"))

    @pytest.mark.parametrize(
        ("headers", "who"),
        [
            ({"authorization": "Bearer sk-ci"}, "ci"),
            ({"authorization": "bearer sk-team"}, "team"),
            ({"authorization": "Bearer  sk-team "}, "team"),
            ({"x-api-key": "sk-team"}, "team"),
            ({"authorization": "Basic abc", "x-api-key": "sk-team"}, "team"),
            ({"authorization": "Bearer", "x-api-key": "sk-team"}, "team"),
            ({"authorization": "Bearer schlüssel"}, "umlaut"),
            ({}, None),
            ({"authorization": ""}, None),
            ({"authorization": "Bearer "}, None),
            ({"authorization": "sk-ci"}, None),
            ({"authorization": "Bearer sk-ci2"}, None),
            ({"authorization": "Bearer SK-CI"}, None),
            ({"authorization": "Basic sk-ci"}, None),
            ({"authorization": "Bearer wrong", "x-api-key": "sk-team"}, None),
            ({"x-api-key": ""}, None),
            ({"x-api-key": "\udcff\udc80"}, None),
            ({"authorization": f"Bearer {digest_plain('sk-ci')}"}, None),
        ],
    )
    def test_who_asks(self, headers: Mapping[str, str], who: str | None) -> None:
        identity = self.KEYS.identify(headers)
        assert (identity.key if identity else None) == who

    def test_a_key_brings_its_routes(self) -> None:
        assert self.KEYS.identify({"x-api-key": "sk-ci"}) == Identity("ci", frozenset({"lamp"}))
        assert self.KEYS.identify({"x-api-key": "sk-team"}) == Identity("team", None)

    def test_without_keys_everybody_may(self) -> None:
        nobody = ring()
        assert nobody.identify({}) is ANYBODY
        assert nobody.identify({"authorization": "Bearer whatever"}) is ANYBODY
        assert (ANYBODY.key, ANYBODY.routes) == (None, None)


class TestDigests:
    def test_keyed_and_plain_ones_side_by_side(self) -> None:
        keys = (ClientKey("new", digest_keyed("sk-new", PEPPER), tags=("team",)), key("old", "sk-old"))
        both = ring(*keys, pepper=PEPPER)
        assert both.identify({"x-api-key": "sk-new"}) == Identity("new", None, ("team",))
        assert both.identify({"x-api-key": "sk-old"}) == Identity("old")
        assert both.identify({"x-api-key": "sk-other"}) is None
        assert ring(*keys, pepper=b"another pepper altogether").identify({"x-api-key": "sk-new"}) is None

    def test_a_digest_is_no_key(self) -> None:
        keyed = digest_keyed("sk-new", PEPPER)
        closed = ring(ClientKey("new", keyed), pepper=PEPPER)
        for presented in (keyed, keyed.removeprefix("hmac:")):
            assert closed.identify({"x-api-key": presented}) is None

    def test_an_empty_store_lets_nobody_in(self) -> None:
        assert ring(closed=True).identify({}) is None
        assert ring(closed=True).identify({"x-api-key": "x"}) is None

    def test_what_is_remembered_ends_too(self) -> None:
        now = [0.0]
        former = (digest_plain("sk-before"), 50.0)
        keys = (key("ci", "sk-now", expires=100.0, former=(former,)), key("ever", "sk-ever"))
        dated = Keyring(keys, lambda: now[0])
        before, after = {"authorization": "Bearer sk-before"}, {"authorization": "Bearer sk-now"}
        for moment, replaced, present in ((0.0, "ci", "ci"), (49.9, "ci", "ci"), (50.0, None, "ci"), (100.0, None, None)):
            now[0] = moment
            for headers, who in ((before, replaced), (after, present), ({"x-api-key": "sk-ever"}, "ever")):
                identity = dated.identify(headers)
                assert (identity.key if identity else None) == who, moment

    def test_no_secret_in_any_repr(self) -> None:
        one = key("ci", "sk-ci", former=((digest_plain("sk-before"), 1.0),))
        for shown in (repr(one), repr(ring(one, pepper=PEPPER))):
            assert digest_plain("sk-ci") not in shown
            assert digest_plain("sk-before") not in shown
            assert "pepper" not in shown


class Counted(dict[str, object]):
    """Counts what it is asked."""

    asked = 0

    def get(self, key: object, default: object = None) -> object:  # type: ignore[override]
        self.asked += 1
        return super().get(key, default)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [1, 100_000])
def test_the_way_to_a_key_is_as_long_for_one_as_for_a_hundred_thousand(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: one digest and one look-up, whether the key is there, nearly there or nothing like it."""
    from proxy.server import keyring

    keys = [ClientKey(f"k{n}", digest_keyed(f"sk-{n}", PEPPER)) for n in range(number)]
    made: list[str] = []
    large = ring(*keys, pepper=PEPPER)
    entries = Counted(large._entries)
    monkeypatch.setattr(large, "_entries", entries)
    monkeypatch.setattr(keyring, "digest_keyed", lambda token, pepper: made.append(token) or digest_keyed(token, pepper))
    for presented, who in ((f"sk-{number - 1}", f"k{number - 1}"), ("sk-00", None), ("sk-", None), ("x" * 40, None)):
        entries.asked = 0
        made.clear()
        identity = large.identify({"x-api-key": presented})
        assert (identity.key if identity else None) == who
        assert (entries.asked, made) == (1, [presented])
