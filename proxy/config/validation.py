"""The data of a file against the models, going on after the first mistake.

Elements that do not fit (one provider, one route, one key, the server section…) are set aside and the rest is read, so
that the rules of consistency can still be held against it: a user sees every mistake in one go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from proxy.config.messages import locate, say
from proxy.config.models import Document, RouteModel
from proxy.config.source import Data, Path, Source
from proxy.core.errors import ConfigProblem

_COLLECTIONS = ("providers", "routes", "keys")


@dataclass(slots=True)
class Draft:
    """What of a document could be read. `routes` and `keys` of it are numbered as in the file by `route_places` and
    `key_places`. `broken` holds the paths of the elements that were set aside."""

    document: Document
    source: Source
    provider_names: Sequence[str] = ()
    route_places: Sequence[int] = ()
    key_places: Sequence[int] = ()
    broken: set[Path] = field(default_factory=set)

    @property
    def routes(self) -> list[tuple[int, RouteModel]]:
        return list(zip(self.route_places, self.document.routes, strict=True))

    def whole(self, section: str) -> bool:
        """Nothing of this section was set aside, so that what is missing in it is really missing."""
        return not any(path[0] == section for path in self.broken)

    def present(self, section: str) -> bool:
        """The section could be read, if perhaps not all of its elements."""
        return (section,) not in self.broken

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


def _without(data: Mapping[str, Data], broken: set[Path]) -> dict[str, Data]:
    rest: dict[str, Data] = {}
    for key, value in data.items():
        if (key,) in broken:
            continue
        if isinstance(value, dict) and key in _COLLECTIONS:
            rest[key] = {name: item for name, item in value.items() if (key, name) not in broken}
        elif isinstance(value, list) and key in _COLLECTIONS:
            rest[key] = [value[index] for index in _places(value, key, broken)]
        else:
            rest[key] = value
    return rest


def validate(source: Source, known: list[ConfigProblem]) -> tuple[Draft, list[ConfigProblem]]:
    """A draft and what is wrong with the rest. `known` are problems of the same values found before (a reference that
    leads nowhere), which are not reported twice."""
    # A section whose content is all commented out is a section that is not there.
    source.data = {key: value for key, value in source.data.items() if value is not None}
    data = source.data
    broken: set[Path] = set()
    problems: list[ConfigProblem] = []
    told = {problem.key for problem in known}
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        broken = {_element(tuple(mistake["loc"])) for mistake in mistakes}
        problems = [problem for mistake in mistakes if (problem := say(mistake, source)).key not in told]
        document = Document.model_validate(_without(data, broken))
    providers = data.get("providers")
    return Draft(
        document=document,
        source=source,
        provider_names=list(providers) if isinstance(providers, dict) else [],
        route_places=_places(data.get("routes"), "routes", broken),
        key_places=_places(data.get("keys"), "keys", broken),
        broken=broken,
    ), problems
