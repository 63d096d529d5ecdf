"""Several outages at once, each in a process of the troupe: they share nothing, and Python has one processor each.

A worker reads the configuration for itself, since what has been made of one cannot always be sent; findings can. Results are
the same whoever plays, and come in the order of the outages.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

from proxy.rehearse.findings import Findings
from proxy.rehearse.outage import load
from proxy.rehearse.performance import Plan, rehearse
from proxy.rehearse.twin import Original, Twin, read_twin

#: A start costs about a second: not for less than so many outages a worker.
WORTH = 4


def rehearse_all(
    original: Original, env: Mapping[str, str], outages: Sequence[str], plan: Plan, workers: int | None = None
) -> Iterator[Findings]:
    """The findings of each outage (names or files), in their order, as they come. ConfigError for a mistake in any file."""
    twin = read_twin(original, env)
    known = [load(name) for name in outages]
    count = min(workers or os.cpu_count() or 1, len(outages) // WORTH)
    if count <= 1:
        return (rehearse(twin, outage, plan) for outage in known)
    return _spread(original, dict(env), outages, plan, count)


def _spread(
    original: Original, env: Mapping[str, str], outages: Sequence[str], plan: Plan, count: int
) -> Iterator[Findings]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _begin, (original, env, plan)) as pool:
        yield from pool.map(_play, outages)


class _Worker:
    """What a process of the troupe was given at its start."""

    twin: Twin
    plan: Plan


def _begin(original: Original, env: Mapping[str, str], plan: Plan) -> None:
    _Worker.twin = read_twin(original, env)
    _Worker.plan = plan


def _play(name: str) -> Findings:
    return rehearse(_Worker.twin, load(name), _Worker.plan)
