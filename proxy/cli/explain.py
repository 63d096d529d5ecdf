"""`undimmed explain MODEL`: where a request would go, and why not elsewhere.

Asks the running proxy, which knows the health of its targets; where none runs, says what the file alone decides.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from proxy.cli.admin_page import fetch, find_admin
from proxy.cli.terminal import Terminal, err, out

if TYPE_CHECKING:
    from proxy.core.call import Needs
    from proxy.core.settings import Route, Settings, Target
    from proxy.core.usage import Price

UNKNOWN = 1

Row = tuple[str, str, str, str]
_HEADS: Row = ("tier", "target", "price per million", "")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The model, and what the request would have."""
    parser = commands.add_parser(
        "explain",
        help="say where a request for a model would go, and why not elsewhere",
        description="Ask the running proxy where a request for MODEL would go now. Where none runs, say what the "
        "configuration alone decides. A proxy whose admin address is not on loopback wants a client key in UNDIMMED_KEY.",
    )
    parser.add_argument("model", metavar="MODEL", help="the name a client would ask for")
    parser.add_argument("--tools", action="store_true", help="the request has tools")
    parser.add_argument("--images", action="store_true", help="the request has images")
    parser.add_argument("--tokens", type=_tokens, default=0, metavar="N", help="its input tokens, about")
    parser.add_argument("--config", metavar="FILE", help="the configuration (default: undimmed.yaml, if it exists)")
    parser.add_argument(
        "--admin", metavar="URL", help="the running proxy's admin address (default: server.admin of the file)"
    )


def _tokens(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def find_route(settings: "Settings", model: str) -> "Route | None":
    """As the running proxy finds it: exact names, then globs in order, then provider/model."""
    import fnmatch

    from proxy.config.pricing import usual_price
    from proxy.core.settings import Route, Target

    exact = next((route for route in settings.routes if model in route.models), None)
    globs = (route for route in settings.routes for name in route.models if "*" in name and fnmatch.fnmatchcase(model, name))
    found = exact or next(globs, None)
    provider, _, upstream = model.partition("/")
    if found is None and upstream and provider in settings.providers and settings.providers[provider].direct:
        pricing = settings.providers[provider].pricing
        tariff = None if pricing is None else pricing.tariff(upstream)
        target = Target(provider, upstream, price=usual_price(tariff), tariff=tariff)
        return Route(name="direct", models=(model,), tiers=((target,),))
    return found


def show_price(price: "Price | None") -> str:
    """`$2.50 in, $10 out`; an unknown price is said to be unknown."""
    if price is None:
        return "unknown"
    rates = [f"${price.input / 1e9:g} in", f"${price.output / 1e9:g} out"]
    if price.cached is not None:
        rates.insert(1, f"${price.cached / 1e9:g} cached")
    if price.per_request:
        rates.append(f"${price.per_request / 1e9:g} a request")
    rates += [f"above {above:,} tokens ${tier.input / 1e9:g} in, ${tier.output / 1e9:g} out" for above, tier in price.tiers]
    return ", ".join(rates)


def _note(target: "Target", needs: "Needs") -> str:
    from proxy.core.endpoints import Endpoint
    from proxy.policy.abilities import ANYTHING, doubt, misfit

    why = misfit(target, ANYTHING, Endpoint.CHAT, needs) or doubt(target, needs)
    return f"skipped: {why}" if why else ""


def static_rows(route: "Route", needs: "Needs") -> list[Row]:
    """One row per target in the order of asking; the first that fits is marked where its tier leaves no choice."""
    rows: list[Row] = []
    first = True
    for number, tier in enumerate(route.tiers, start=1):
        notes = [_note(target, needs) for target in tier]
        fitting = notes.count("")
        for target, note in zip(tier, notes, strict=True):
            if not note and first:
                alone = fitting == 1 or (route.strategy == "ordered" and "" not in notes[: tier.index(target)])
                note = (
                    "asked first"
                    if alone
                    else ""
                    if route.strategy == "ordered"
                    else f"asked first if {route.strategy} picks it"
                )
            rows.append((str(number), target.id, show_price(target.price), note))
        first = first and not fitting
    return rows


def _explain_file(settings: "Settings", args: argparse.Namespace, terminal: Terminal) -> int:
    import difflib

    from proxy.core.call import Needs

    route = find_route(settings, args.model)
    if route is None:
        names = [name for route in settings.routes for name in route.models]
        near = difflib.get_close_matches(args.model, names, n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        err().say(f'error: {settings.source} has no route for "{args.model}"{hint}')
        return UNKNOWN
    terminal.say(f"{args.model}: route {route.name}, strategy {route.strategy}, up to {route.retry.attempts} attempts")
    rows = static_rows(route, Needs(tools=args.tools, images=args.images, tokens=args.tokens))
    terminal.table([_HEADS, *rows])
    if all(note.startswith("skipped") for *_, note in rows):
        terminal.say("  nothing fits this request: it would be refused")
    return 0


def _show_live(view: Mapping[str, object], terminal: Terminal) -> None:
    goes_to = view.get("goes_to")
    where = f"goes to {goes_to}" if goes_to else "nobody can take it now"
    terminal.say(f"{view.get('model')}: route {view.get('route')}, {terminal.paint(where, 'green' if goes_to else 'red')}")
    targets = view.get("targets")
    rows = [row for row in targets if isinstance(row, dict)] if isinstance(targets, list) else []
    cells = [
        (str(row.get("tier")), str(row.get("target")), _live_price(row.get("price")), str(row.get("why", "")))
        for row in rows
    ]
    terminal.table([_HEADS, *cells])
    for said in dict.fromkeys(
        f"{str(row.get('target')).partition('/')[0]}: {row['status_page']}" for row in rows if "status_page" in row
    ):
        terminal.say(f"  {said}")
    thoughts = [(str(row.get("target")), told) for row in rows if (told := _thoughts(row.get("detectors")))]
    if thoughts:
        terminal.say("What detectors see:")
        terminal.table(thoughts)
    if view.get("detectors_distrusted"):
        terminal.say("Detectors speak against more than half of the targets, so they are not believed.")


def _thoughts(seen: object) -> str:
    """What a detector has to say about a target, in one line; "" for nothing yet."""
    if not isinstance(seen, dict):
        return ""
    told = [str(seen["verdict"]) + (f": {seen['said']}" if seen.get("said") else "")] if seen.get("verdict") else []
    usual = [(seen.get("usual_ttft_ms"), "ms to begin"), (seen.get("usual_tokens_per_s"), "tokens/s")]
    known = [f"{figure:g} {unit}" for figure, unit in usual if isinstance(figure, int | float)]
    if known:
        told.append("usually " + ", ".join(known))
    now = [("slow to begin", seen.get("slow_to_begin")), ("slow to go on", seen.get("slow_to_go_on"))]
    flawed = seen.get("flawed")
    now += [(str(name).replace("_", " "), share) for name, share in flawed.items()] if isinstance(flawed, dict) else []
    bad = [f"{share:.0%} {name}" for name, share in now if isinstance(share, int | float) and share]
    return "; ".join([*told, *(["now " + ", ".join(bad)] if bad else [])])


def _live_price(price: object) -> str:
    """As `show_price`, of what a running proxy says."""
    if not isinstance(price, dict):
        return "unknown"
    names = (("input", "in"), ("cached", "cached"), ("output", "out"), ("per_request", "a request"))
    rates = [f"${price[name]} {word}" for name, word in names if name in price]
    return f"{', '.join(rates)} ({price.get('from')})"


def _message(view: object) -> str:
    error = view.get("error") if isinstance(view, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _query(args: argparse.Namespace) -> str:
    flags: Sequence[tuple[str, object]] = [("tools", int(args.tools)), ("images", int(args.images)), ("tokens", args.tokens)]
    return urlencode([("model", args.model), *((name, value) for name, value in flags if value)])


def _explain_live(url: str, args: argparse.Namespace, terminal: Terminal) -> int | None:
    """Exit status; None: no proxy there that would tell."""
    found = fetch(url, f"/explain?{_query(args)}")
    if found is None:
        return None
    status, view = found
    if status == 200 and isinstance(view, dict) and "targets" in view:
        _show_live(view, terminal)
        return 0
    if status in (401, 403):
        err().say(f"the proxy at {url} wants a client key in UNDIMMED_KEY that is not restricted to some routes")
        return None
    if status == 404 and _message(view):
        err().say(f"error: {_message(view)}")
        return UNKNOWN
    return None


def run(args: argparse.Namespace) -> int:
    """0: explained; 1: no such model. ConfigError where the configuration is needed and invalid."""
    from proxy.config.discover import read_settings

    terminal = out()
    if args.admin is not None:
        status = _explain_live(args.admin, args, terminal)
        if status is not None:
            return status
        settings = read_settings(args.config, os.environ)
    else:
        settings = read_settings(args.config, os.environ)
        admin = find_admin(settings.server)
        status = None if admin is None else _explain_live(admin, args, terminal)
        if status is not None:
            return status
    terminal.say(f"No running proxy told, so this is what {settings.source} alone decides:")
    return _explain_file(settings, args, terminal)
