"""A simulated provider: a schedule, counters and a bill. Says what becomes of a request; sends nothing itself."""

from collections import deque
from random import Random

from proxy.rehearse.answers import Asked
from proxy.rehearse.behaviour import Behaviour, Mode, Situation, decide
from proxy.rehearse.bill import Bill, BillEntry
from proxy.rehearse.schedule import Schedule, always
from proxy.rehearse.script import Accept, Script, write
from proxy.rehearse.shelf import Shelf

#: How many requests a provider remembers.
KEPT = 8


class SimulatedProvider:
    """Judges requests by its schedule. `now` is seconds since the rehearsal began. `begin` and `end` bracket every
    request that it accepted, so `in_flight` is what the provider itself would see. `requests`: the last ones it was sent."""

    def __init__(self, name: str, schedule: Schedule | None = None) -> None:
        self.name = name
        self.schedule = schedule or Schedule()
        self.bill = Bill()
        self.shelf = Shelf()
        self.served = 0
        self.in_flight = 0
        self.requests: deque[Asked] = deque(maxlen=KEPT)
        self._recent: deque[float] = deque()

    def __repr__(self) -> str:
        return f"<SimulatedProvider {self.name}: {self.served} served, {self.in_flight} in flight>"

    def become(self, behaviour: Behaviour) -> None:
        """From now on and until told otherwise."""
        self.schedule = always(behaviour)

    def schedule_for(self, asked: Asked, now: float) -> Schedule:
        """By which schedule to treat this request; providers that treat all alike have one."""
        return self.schedule

    def begin(self, asked: Asked, now: float, rng: Random) -> tuple[Script, BillEntry]:
        """Take a request in: its script, and the entry on which to note what was generated."""
        self.served += 1
        self.requests.append(asked)
        self.in_flight += 1
        behaviour, age = self.schedule_for(asked, now).at(now)
        situation = Situation(
            serial=self.served,
            in_flight=self.in_flight,
            recent=self._count(now, keep=behaviour.rate is not None),
            age=age,
            path=asked.path,
            model=asked.model,
            key=asked.key,
            input_tokens=asked.input_tokens,
        )
        identity = f"{self.name}-{self.served}"
        script = write(behaviour, decide(behaviour, situation, rng), asked, identity, rng, self.shelf)
        entry = BillEntry(now, identity, asked.model, asked.key, asked.input_tokens)
        return script, self.bill.open(entry) if script.model_ran else entry

    def end(self, entry: BillEntry, *, complete: bool) -> None:
        self.in_flight -= 1
        entry.complete = complete

    def listens(self, now: float) -> Accept:
        """What its listener does with new connections, for those that have a real one. A mode that strikes only some of the
        requests cannot be shown before the request is read."""
        behaviour, _ = self.schedule.at(now)
        if behaviour.spare_models or behaviour.share < 1.0 or behaviour.fail_every or behaviour.succeed_every:
            return Accept.OK
        if behaviour.models or behaviour.endpoints or behaviour.keys:
            return Accept.OK
        return {Mode.REFUSE: Accept.REFUSE, Mode.CONNECT_HANG: Accept.HANG}.get(behaviour.mode, Accept.OK)

    def _count(self, now: float, *, keep: bool) -> int:
        if not keep:
            return 0
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        self._recent.append(now)
        return len(self._recent)
