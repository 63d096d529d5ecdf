"""From names to routes."""

from random import Random

import pytest
from support.simulation import provider, replace, settings

from proxy.assemble import TargetRegistry, bind_kinds, make_routing
from proxy.core.endpoints import Endpoint
from proxy.core.settings import Route, Settings, Target, When
from proxy.core.usage import Price, Pricing
from proxy.pipeline.queueing import CapacityQueues
from proxy.pipeline.routing import DIRECT, MAX_DIRECT, Routing, compile_glob
from proxy.rehearse.virtual_loop import VirtualLoop
from proxy.tokens.price_list import Row, Step, VendorPrices


def route(*models: str, to: tuple[Target, ...] = (Target("a", "m"),), **more: object) -> Route:
    return Route(models[0], models, (to,), **more)  # type: ignore[arg-type]


def routing(*routes: Route, direct: tuple[str, ...] = (), pricing: Pricing | None = None) -> Routing:
    names = ("a", "b")
    providers = {name: replace(provider(name), direct=name in direct, first_content=77.0, pricing=pricing) for name in names}
    base = settings()
    configured: Settings = replace(base, providers=providers, routes=routes)
    loop = VirtualLoop()
    try:
        registry = TargetRegistry(Random(1), lambda change: None, CapacityQueues(loop))
        return make_routing(configured, registry)
    finally:
        loop.close()


def found(made: Routing, model: str) -> str | None:
    state = made.find(model)
    return state.route.name if state else None


class TestNames:
    MADE = routing(route("gpt-5", "best"), route("gpt-*", "claude-*-latest"), route("gpt-5-mini", "x"), route("*-mini"))

    @pytest.mark.parametrize(
        ("model", "name"),
        [
            ("gpt-5", "gpt-5"),
            ("best", "gpt-5"),
            ("gpt-5-mini", "gpt-5-mini"),
            ("gpt-4o", "gpt-*"),
            ("gpt-4o-mini", "gpt-*"),
            ("gpt-", "gpt-*"),
            ("o4-mini", "*-mini"),
            ("claude-opus-latest", "gpt-*"),
            ("claude-opus-latest-2", None),
            ("GPT-5", None),
            ("gpt", None),
            ("", None),
            ("*", None),
            ("my-gpt-4", None),
            ("gpt-4\nx", "gpt-*"),
        ],
    )
    def test_exact_before_globs_in_order(self, model: str, name: str | None) -> None:
        assert found(self.MADE, model) == name

    def test_the_first_of_two_routes_with_the_same_name_wins(self) -> None:
        made = routing(route("m", to=(Target("a", "one"),)), route("n", "m", to=(Target("a", "two"),)))
        assert found(made, "m") == "m"

    def test_names_are_listed_in_order_without_globs(self) -> None:
        assert self.MADE.names() == ["gpt-5", "best", "gpt-5-mini", "x"]
        assert self.MADE.names(frozenset({"gpt-5-mini"})) == ["gpt-5-mini", "x"]
        assert self.MADE.names(frozenset()) == []


class TestGlobs:
    @pytest.mark.parametrize(
        ("glob", "model", "fits"),
        [
            ("a*", "a", True),
            ("*", "anything/at all", True),
            ("a[12]*", "a[12]x", True),
            ("a[12]*", "a1x", False),
            ("a?*", "a?b", True),
            ("a?*", "abc", False),
            ("a.b*", "axb", False),
            ("a\\*", "a\\x", True),
        ],
    )
    def test_only_the_star_is_special(self, glob: str, model: str, fits: bool) -> None:
        assert (compile_glob(glob).match(model) is not None) is fits

    def test_a_long_name_cannot_make_it_backtrack(self) -> None:
        """With backtracking this would not end in this universe."""
        assert compile_glob("*a" * 20 + "b").match("a" * 2000) is None


class TestDirect:
    def test_only_where_it_was_allowed(self) -> None:
        made = routing(route("lamp"), direct=("a",))
        state = made.find("a/any-model")
        assert state is not None
        assert state.route.name == DIRECT
        assert [candidate.target.id for candidate in state.candidates] == ["a/any-model"]
        assert [found(made, name) for name in ("b/any-model", "c/x", "a/", "/x", "a", "/")] == [None] * 6

    def test_the_model_may_have_slashes(self) -> None:
        state = routing(route("lamp"), direct=("a",)).find("a/meta/llama-3")
        assert state is not None
        assert [target.model for target in state.route.targets] == ["meta/llama-3"]

    def test_what_a_route_knows_of_the_target_holds(self) -> None:
        price = Price(1, 2)
        known = Target("a", "m", weight=9, max_in_flight=3, context_window=8000, price=price, when=When(tools=True))
        state = routing(route("lamp", to=(known,)), direct=("a",)).find("a/m")
        assert state is not None
        target = state.route.targets[0]
        assert (target.max_in_flight, target.context_window, target.price) == (3, 8000, price)
        assert (target.weight, target.when) == (1, None), "those belong to the place"

    def test_its_price_is_the_usual_one_of_the_vendor_unless_a_route_knows_better(self) -> None:
        pricing = VendorPrices([Row("m", ["=", "m"], [Step({"input": 5, "output": 6})])])
        lamp = route("lamp", to=(Target("a", "known", price=Price(1, 2)),))
        made = routing(lamp, direct=("a",), pricing=pricing)
        tariffs = {name: state.route.targets[0].tariff for name in ("m", "known") if (state := made.find(f"a/{name}"))}
        assert tariffs == {"m": pricing.tariff("m"), "known": None}

    def test_it_shares_the_targets_state(self) -> None:
        made = routing(route("lamp"), direct=("a",))
        by_route, by_address = made.find("lamp"), made.find("a/m")
        assert by_route is not None
        assert by_address is not None
        assert next(by_route.candidates).state is next(by_address.candidates).state

    def test_a_route_of_that_name_goes_first(self) -> None:
        assert found(routing(route("a/m"), direct=("a",)), "a/m") == "a/m"

    def test_the_general_settings_and_the_providers_patience_hold(self) -> None:
        made = routing(route("lamp"), direct=("a",))
        state = made.find("a/x")
        assert state is not None
        assert state.route.timeouts == made.settings.timeouts
        assert state.route.targets[0].first_content == 77.0

    def test_invented_names_do_not_pile_up(self) -> None:
        made = routing(route("lamp"), direct=("a",))
        kept = made.find("a/kept")
        for number in range(3 * MAX_DIRECT):
            made.find(f"a/invented-{number}")
            assert made.find("a/kept") is kept, "what is used stays"
        assert len(list(made.states())) <= MAX_DIRECT + 1


class TestKeys:
    MADE = routing(route("lamp", "light"), route("other"), direct=("a",))

    @pytest.mark.parametrize(
        ("model", "allowed", "may"),
        [
            ("lamp", None, True),
            ("lamp", frozenset({"lamp"}), True),
            ("light", frozenset({"lamp"}), True),
            ("other", frozenset({"lamp"}), False),
            ("a/x", None, True),
            ("a/x", frozenset({"lamp"}), False),
            ("a/x", frozenset({"direct"}), True),
            ("a/x", frozenset({"a/x"}), True),
            ("a/y", frozenset({"a/x"}), False),
            ("lamp", frozenset({"direct"}), False),
            ("lamp", frozenset(), False),
        ],
    )
    def test_what_a_key_may_use(self, model: str, allowed: frozenset[str] | None, may: bool) -> None:
        state = self.MADE.find(model)
        assert state is not None
        assert self.MADE.allows(state, model, allowed) is may


class TestNearest:
    MADE = routing(route("gpt-5"), route("gpt-5-mini"), route("claude-sonnet-5"), route("llama"), route("secret"))

    @pytest.mark.parametrize(
        ("asked", "first"), [("gpt5", "gpt-5"), ("GPT-5-MINI", "gpt-5-mini"), ("claude-sonet-5", "claude-sonnet-5")]
    )
    def test_typing_errors(self, asked: str, first: str) -> None:
        assert self.MADE.nearest(asked, None)[0] == first

    @pytest.mark.parametrize("asked", ["zzzzzz", "", "mistral-large"])
    def test_nothing_far_fetched(self, asked: str) -> None:
        assert self.MADE.nearest(asked, None) == []

    def test_a_key_learns_of_no_other_routes(self) -> None:
        assert self.MADE.nearest("secrets", None) == ["secret"]
        assert self.MADE.nearest("secrets", frozenset({"llama"})) == []
        assert self.MADE.nearest("secrets", frozenset()) == []

    def test_a_megabyte_of_a_name(self) -> None:
        assert len(self.MADE.nearest("gpt-5" * 200_000, None)) <= 3


def test_needs_are_weighed_only_where_they_matter() -> None:
    plain, window, condition = (
        Target("a", "m"),
        Target("a", "m", context_window=1),
        Target("a", "m", when=When(tools=True)),
    )
    for target, weighs in ((plain, False), (window, True), (condition, True)):
        state = routing(route("lamp", to=(target,))).find("lamp")
        assert state is not None
        assert (Endpoint.CHAT in state.weighs_needs) is weighs


def test_every_state_once_in_order_of_mention() -> None:
    one, two = Target("a", "1"), Target("b", "2")
    made = routing(route("x", to=(one, two)), route("y", to=(two, one)), direct=("a",))
    made.find("a/3")
    assert [state.id for state in made.states()] == ["a/1", "b/2", "a/3"]


def test_kinds_are_bound_for_each_provider() -> None:
    assert set(bind_kinds({"a": provider("a"), "b": provider("b")})) == {"a", "b"}
