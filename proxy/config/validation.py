"""The data of a file against the models, going on after the first mistake.

Keys that do not fit are left out, elements that are nothing without them (one provider, one route, one key…) set aside,
and the rest is read, so that the rules of consistency can still be held against it: a user sees every mistake in one go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config.messages import locate, say
from proxy.config.models import Document, RouteModel
from proxy.config.source import Data, Path, Source
from proxy.core.errors import ConfigProblem

_COLLECTIONS = ("providers", "routes", "keys")


@dataclass(slots=True)
class Draft:
    """What of a document could be read. `routes` and `keys` of it are numbered as in the file by `route_places` and
    `key_places`. `broken` holds the paths of the elements that were set aside, `damaged` of those that lack a value."""

    document: Document
    source: Source
    provider_names: Sequence[str] = ()
    route_places: Sequence[int] = ()
    key_places: Sequence[int] = ()
    broken: set[Path] = field(default_factory=set)
    damaged: set[Path] = field(default_factory=set)

    @property
    def routes(self) -> list[tuple[int, RouteModel]]:
        return list(zip(self.route_places, self.document.routes, strict=True))

    def whole(self, section: str) -> bool:
        """Nothing of this section was set aside, so that what is missing in it is really missing."""
        return not any(path[0] == section for path in self.broken)

    def present(self, section: str) -> bool:
        """The section could be read, if perhaps not all of its elements."""
        return (section,) not in self.broken

    def hurt(self, location: Path) -> bool:
        """Something that stood around here was left out, so that what seems to contradict it may not."""
        return ("defaults",) in self.damaged or _element(location) in self.damaged

    def locate(self, location: Path) -> Path:
        """Where the file has what the models have at `location`; tiers always have two indices there."""
        return locate(location, self.source.data)

    def problem(self, location: Path, message: str) -> ConfigProblem:
        return self.source.problem(self.locate(location), message)


def _element(location: Path) -> Path:
    return location[:2] if location[0] in _COLLECTIONS and len(location) > 1 else location[:1]


def _places(value: Data, section: str, broken: set[Path]) -> list[int]:
    if not isinstance(value, list) or (section,) in broken:
        return []
    return [index for index in range(len(value)) if (section, index) not in broken]


def _without(data: dict[str, Data], cuts: set[Path]) -> dict[str, Data]:
    """A copy that lacks what stands at these paths."""

    def copy(value: Data, path: Path) -> Data:
        if isinstance(value, dict):
            return {key: copy(item, (*path, key)) for key, item in value.items() if (*path, key) not in cuts}
        if isinstance(value, list):
            return [copy(item, (*path, index)) for index, item in enumerate(value) if (*path, index) not in cuts]
        return value

    return {key: copy(value, (key,)) for key, value in data.items() if (key,) not in cuts}


def _mistakes(data: dict[str, Data]) -> list[ErrorDetails]:
    try:
        Document.model_validate(data)
    except ValidationError as error:
        # A list whose items are all wrong is reported as empty, too.
        return [one for one in error.errors(include_url=False) if one["type"] != "too_short" or not one["input"]]
    return []


def _sort_out(mistakes: Sequence[ErrorDetails], data: dict[str, Data]) -> tuple[set[Path], set[Path], set[Path]]:
    """(single keys to leave out, elements that then lack something, elements to leave out as a whole). Only keys can go
    alone: without an item of a list, the numbers of the others would be wrong."""
    cuts: set[Path] = set()
    damaged: set[Path] = set()
    broken: set[Path] = set()
    for mistake in mistakes:
        path = locate(mistake["loc"], data)
        element = _element(path or tuple(mistake["loc"]))
        if mistake["type"] == "missing" or not path or isinstance(path[-1], int) or path == element != path[:1]:
            broken.add(element)
        elif path == element:
            (cuts if mistake["type"] == "extra_forbidden" else broken).add(path)
        else:
            cuts.add(path)
            if mistake["type"] != "extra_forbidden":
                damaged.add(element)
    return cuts, damaged, broken


def validate(source: Source, known: list[ConfigProblem]) -> tuple[Draft, list[ConfigProblem]]:
    """A draft and what is wrong with the rest. `known` are problems of the same values found before (a reference that
    leads nowhere), which are not reported twice."""
    # A section whose content is all commented out is a section that is not there.
    source.data = {key: value for key, value in source.data.items() if value is not None}
    data = source.data
    mistakes = _mistakes(data)
    told = {problem.key for problem in known}
    problems = [problem for mistake in mistakes if (problem := say(mistake, source)).key not in told]
    cuts, damaged, broken = _sort_out(mistakes, data)
    # Without those keys something required may be missing, and then the whole element goes.
    broken |= {_element(tuple(mistake["loc"])) for mistake in _mistakes(_without(data, cuts))}
    providers = data.get("providers")
    draft = Draft(
        document=Document.model_validate(_without(data, cuts | broken)),
        source=source,
        provider_names=list(providers) if isinstance(providers, dict) else [],
        route_places=_places(data.get("routes"), "routes", broken),
        key_places=_places(data.get("keys"), "keys", broken),
        broken=broken,
        damaged=damaged,
    )
    return draft, problems
