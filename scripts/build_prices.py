"""Builds `proxy/stores/prices/prices.json`, the price list that ships with the proxy. Run by a developer, never at run time.

    pip install genai-prices
    pip download --no-deps litellm
    python scripts/build_prices.py --litellm litellm-*.whl

The list is that of the `genai-prices` package (MIT, Pydantic Services), reduced to the vendors that presets know and to
what is priced by tokens or by request. It is compared with the second list that the `litellm` wheel carries (MIT, Berri AI):
where the two disagree about a model the first one stands, the row is marked (`doubt`) and the report names it. Only a rate
for audio that the first list lacks altogether is taken from the second: without it audio would be charged as text.
"""

import argparse
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from proxy.config.known_models import KNOWN_MODELS
from proxy.core.usage import Price
from proxy.tokens.price_list import LISTS, SERVICES, ListFile, PriceList, Rate, Row, Source, Step

TARGET = Path(__file__).parent.parent / "proxy" / "stores" / "prices" / "prices.json"
INSIDE = "litellm/model_prices_and_context_window_backup.json"

#: Unit of genai-prices -> our rate. `_mtok` is dollars per million tokens, `requests_kcount` dollars per thousand requests.
RATES = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_in",
    "cache_audio_read_mtok": "audio_cached",
    "output_audio_mtok": "audio_out",
    "input_image_mtok": "image_in",
    "cache_image_read_mtok": "image_cached",
    "output_image_mtok": "image_out",
    "output_reasoning_mtok": "reasoning",
    "requests_kcount": "per_request",
}
#: Words for a service tier in genai-prices' conditions. Others (`search_type`, `route`) cannot be told from an answer.
CONDITIONS = ("service_tier", "processing", "speed")
CLAUSES = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*", "regex": "~"}

#: litellm's provider -> (its names' prefix, the preset that serves them).
SECOND = {
    "openai": ("", "openai"),
    "anthropic": ("", "anthropic"),
    "azure": ("azure/", "azure"),
    "gemini": ("gemini/", "gemini"),
    "mistral": ("mistral/", "mistral"),
    "deepseek": ("deepseek/", "deepseek"),
    "xai": ("xai/", "xai"),
    "groq": ("groq/", "groq"),
    "perplexity": ("perplexity/", "perplexity"),
    "bedrock_converse": ("", "bedrock"),
    "cohere_chat": ("", "cohere"),
    "cerebras": ("cerebras/", "cerebras"),
    "openrouter": ("openrouter/", "openrouter"),
}
SECOND_RATES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "audio_in": "input_cost_per_audio_token",
    "audio_out": "output_cost_per_audio_token",
}


@dataclass
class Report:
    """What a person should read before committing the new list."""

    rows: int = 0
    unpriced: list[str] = field(default_factory=list)
    beyond: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    filled: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def nano(amount: Decimal, per: int = 1) -> int:
    """Dollars as whole nano-dollars, rounded: some prices were converted from other currencies and end in long fractions."""
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"{amount} is no price")
    return int((amount * 1_000_000_000 / per).quantize(Decimal(1), ROUND_HALF_UP))


def clause(match: Any) -> list[Any]:
    """genai-prices' conditions on a name in the short form of `price_list.matches`."""
    for attribute, sign in CLAUSES.items():
        value = getattr(match, attribute, None)
        if value is not None:
            return [sign, value if sign == "~" else value.lower()]
    inner = getattr(match, "or_", None)
    if inner is None:
        return ["and", *map(clause, match.and_)]
    grouped: dict[str, list[Any]] = {}
    for sign, *values in map(clause, inner):
        if sign in ("and", "or"):
            grouped.setdefault("or", []).append([sign, *values])
        else:
            grouped.setdefault(sign, []).extend(values)
    nested = grouped.pop("or", [])
    parts = [[sign, *dict.fromkeys(values)] for sign, values in grouped.items()] + nested
    return parts[0] if len(parts) == 1 else ["or", *parts]


def rate_of(unit: str, value: Any) -> Rate:
    per = 1000 if unit == "requests_kcount" else 1
    if isinstance(value, Decimal):
        return nano(value, per)
    pairs = [(tier.start, nano(tier.price, per)) for tier in sorted(value.tiers, key=lambda tier: tier.start)]
    return [nano(value.base, per), *(number for pair in pairs for number in pair)]


def read_step(prices: Any, constraint: Any, report: Report) -> Step:
    """One set of prices and when it holds. Units that no usage counts are left out, and reported."""
    rates: dict[str, Rate] = {}
    for unit, value in vars(prices).items():
        if unit.startswith("_") or value is None:
            continue
        name = RATES.get(unit)
        if name is None:
            report.beyond[unit] = report.beyond.get(unit, 0) + 1
        else:
            rates[name] = rate_of(unit, value)
    since = getattr(constraint, "start_date", None)
    hours = None
    if hasattr(constraint, "start_time"):
        start, end = constraint.start_time, constraint.end_time
        if start.utcoffset() or end.utcoffset():
            raise ValueError("hours of a day that are not in UTC")
        hours = (start.hour * 60 + start.minute, end.hour * 60 + end.minute)
    return Step(rates, since, hours)


def complete(step: Step, free: bool) -> Step | None:
    """The step with both main rates; None: it is not priced by tokens. Embeddings have no output to charge."""
    if not step.rates:
        return Step({"input": 0, "output": 0}, step.since, step.hours) if free else None
    if "input" not in step.rates:
        return None
    return Step({"input": step.rates["input"], "output": 0, **step.rates}, step.since, step.hours)


def service_of(variant: Any) -> str | None:
    """The service tier that a variant is for; None: it is for something else, or changes nothing."""
    (condition, word), *more = variant.when.items()
    return word if not more and condition in CONDITIONS and word in SERVICES else None


def read_row(model: Any, report: Report) -> Row:
    from genai_prices.types import ConditionalPrice

    prices = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    free = ":free" in model.id
    steps = [complete(read_step(one.prices, one.constraint, report), free) for one in prices]
    whole = [step for step in steps if step is not None]
    services: dict[str, list[Step]] = {}
    for variant in model.price_variants or ():
        service = service_of(variant)
        if service is not None:
            services.setdefault(service, []).append(read_step(variant.prices, variant.constraint, report))
    # A row of which only some steps are priced by tokens would charge the wrong one: it is not priced at all.
    priced = len(whole) == len(steps)
    return Row(model.id, clause(model.match), whole if priced else [], services if priced else {})


def read_vendors(report: Report) -> dict[str, list[Row]]:
    from genai_prices.data import providers

    wanted = dict.fromkeys(name for names in LISTS.values() for name in names)
    known = {provider.id: provider for provider in providers}
    vendors: dict[str, list[Row]] = {}
    for name in wanted:
        vendors[name] = [read_row(model, report) for model in known[name].models]
        report.rows += len(vendors[name])
        report.unpriced += [f"{name}/{row.id}" for row in vendors[name] if not row.steps]
    return vendors


def read_second(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """litellm's table, from its wheel or as the file itself. Floats are read as the decimals that they were written as."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            text = wheel.read(INSIDE)
    else:
        text = path.read_bytes()
    table: Mapping[str, Mapping[str, Any]] = json.loads(text, parse_float=Decimal)
    return table


def second_rates(entry: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, key in SECOND_RATES.items():
        value = entry.get(key)
        if isinstance(value, Decimal | int) and (value or name in ("input", "output")):
            # Per token, and written by programs that multiply floats: to nine digits after the point per million.
            yield name, int((Decimal(value) * 10**15).quantize(Decimal(1)))


def compare(file: ListFile, table: Mapping[str, Mapping[str, Any]], report: Report) -> dict[str, Row]:
    """Rows that the second list says something else about, by their old id: vendor/id -> the marked row."""
    prices = PriceList(file)
    changed: dict[str, Row] = {}
    for name, entry in table.items():
        prefix, preset = SECOND.get(str(entry.get("litellm_provider")), ("", ""))
        if not preset or not name.startswith(prefix) or entry.get("mode") not in ("chat", "responses", "embedding"):
            continue
        if preset == "azure" and name.count("/") > 1:
            continue  # names that only litellm uses
        vendor = prices.vendor(preset)
        tariff = vendor.tariff(name.removeprefix(prefix)) if vendor is not None else None
        price = tariff.price(prices.as_of) if tariff is not None else None
        if tariff is None or tariff.row is None or price is None:
            continue
        report.compared += 1
        theirs = dict(second_rates(entry))
        # Where the price depends on the hour, the second list knows one of the prices.
        hourly = [found for hour in range(24) if (found := tariff.price(prices.as_of + hour * 3600)) is not None]
        price = next((one for one in hourly if not differences(one, theirs)), price)
        differing = differences(price, theirs)
        wholes = {"audio_in": price.input, "audio_out": price.output}
        unsaid = [key for key in wholes if key in theirs and getattr(price, key) is None]
        missing = {key: theirs[key] for key in unsaid if theirs[key] != wholes[key]}
        home = next(vendor for vendor in LISTS[preset] if tariff.row in file.vendors[vendor])
        row = changed.get(f"{home}/{tariff.row.id}", tariff.row)
        if missing:
            row = fill(row, missing)
            report.filled.append(f"{home}/{row.id}: {say(missing)}")
        if differing:
            doubt = f"{name}: {say({key: theirs[key] for key in differing})}"
            row = msgspec.structs.replace(row, doubt=row.doubt or f"litellm {doubt}")
            report.doubts.append(f"{home}/{row.id}: {say({key: getattr(price, key) for key in differing})}; {doubt}")
        if missing or differing:
            changed[f"{home}/{tariff.row.id}"] = row
    return changed


def differences(price: Price, theirs: Mapping[str, int]) -> list[str]:
    """The rates that both lists have, and say differently. What is left is the rounding of a float."""
    pairs = [(name, getattr(price, name), rate) for name, rate in theirs.items()]
    return [name for name, ours, rate in pairs if ours is not None and abs(ours - rate) * 10_000 > ours]


def fill(row: Row, rates: Mapping[str, int]) -> Row:
    steps = [Step({**rates, **step.rates}, step.since, step.hours) for step in row.steps]
    return msgspec.structs.replace(row, steps=steps)


def say(rates: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {rate / 1e9:g}" for name, rate in rates.items())


def lay_out(file: ListFile) -> str:
    """JSON with a line for each row, so that a new list can be reviewed as a diff."""
    encode = msgspec.json.Encoder(order="sorted").encode

    def line(row: Row) -> str:
        plain = {key: value for key, value in msgspec.to_builtins(row).items() if value}
        for step in [*plain.get("steps", []), *(s for steps in plain.get("services", {}).values() for s in steps)]:
            for key in ("since", "hours"):
                if step[key] is None:
                    del step[key]
        return encode(plain).decode()

    blocks = [f'"{name}":[\n' + ",\n".join(line(row) for row in rows) + "\n]" for name, rows in sorted(file.vendors.items())]
    head = f'"date":"{file.date}",\n"sources":{encode(file.sources).decode()}'
    return "{\n" + head + ',\n"vendors":{\n' + ",\n".join(blocks) + "\n}}\n"


def show(report: Report, file: ListFile) -> None:
    prices = PriceList(file)
    print(f"{report.rows} rows, {len(report.unpriced)} of them not priced by tokens:")
    print(*(f"  {name}" for name in report.unpriced), sep="\n")
    print("Units that no usage counts, left out of the rows that have them:")
    print(*(f"  {unit}: {count}" for unit, count in sorted(report.beyond.items())), sep="\n")
    print(f"{report.compared} names compared with litellm. Audio rates taken from there: {len(report.filled)}")
    print(*(f"  {line}" for line in report.filled), sep="\n")
    print(f"Disagreements, in USD per million ({len(report.doubts)}; the first figure is ours):")
    print(*(f"  {line}" for line in report.doubts), sep="\n")
    print("Well-known models without a price:")
    for served in KNOWN_MODELS.values():
        for preset, model in served:
            vendor = prices.vendor(preset)
            if vendor is None or vendor.tariff(model).price(prices.as_of) is None:
                print(f"  {preset}/{model}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", type=Path, required=True, metavar="FILE", help="litellm's wheel, or the table from it")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="default: today")
    args = parser.parse_args()
    report = Report()
    table = read_second(args.litellm)
    wheel = args.litellm.stem.split("-")[1] if args.litellm.suffix == ".whl" else "unknown"
    sources = [
        Source("genai-prices", version("genai-prices"), "MIT, Copyright Pydantic Services Inc.", "the prices"),
        Source("litellm", wheel, "MIT, Copyright Berri AI", "comparison; audio rates that the first has not"),
    ]
    file = ListFile(args.date, sources, read_vendors(report))
    changed = compare(file, table, report)
    vendors = {name: [changed.get(f"{name}/{row.id}", row) for row in rows] for name, rows in file.vendors.items()}
    file = ListFile(file.date, sources, vendors)
    text = lay_out(file)
    if msgspec.json.decode(text, type=ListFile) != file:
        raise ValueError("the list does not read back as it was written")
    TARGET.write_text(text)
    show(report, file)


if __name__ == "__main__":
    main()
