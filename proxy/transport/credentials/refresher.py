"""Keeps a live token in every credential that does not last.

One task per credential, so that there is never more than one request for the same token. It fetches, hands the token over,
and sleeps until most of its life is over; after a failure it sleeps longer each time. Only a provider's refusal wakes it
early, and never out of the wait after a failure: an issuer that is down is asked once per step, whatever the traffic does.
The request path never waits for any of this: it reads `CredentialState.credential`, and when a token has ended the
credential is simply not ready.

A reload hands over the rings of the new configuration: a source that is still there keeps its token and its task, one that
is gone is stopped.
"""

import asyncio
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from proxy.core.settings import Credential
from proxy.core.sources import CredentialSource
from proxy.policy.credentials import CredentialRing, CredentialState
from proxy.policy.renewal import DOUBT_EVERY, Backoff, renew_after
from proxy.transport.credentials.fetching import fetch
from proxy.transport.credentials.surroundings import Denied, Surroundings
from proxy.wire.token_answers import Denial, Grant


class _Flow:
    """One credential's tokens, fetched one after the other. `state` is who gets them now."""

    def __init__(self, state: CredentialState, source: CredentialSource, around: Surroundings) -> None:
        self.state = state
        self._source = source
        self._around = around
        self._backoff = Backoff(around.rng)
        self._early = asyncio.Event()
        self._refused = False
        self._settled = False
        self._doubted_at = -math.inf
        if state.lease is not None:
            state.lease.on_refused = self._ask_again
        self.task = around.loop.create_task(self._run(), name=f"refresh {state.credential.id}")

    def hand_over(self, state: CredentialState) -> None:
        """From now on the tokens go to this state, which a reload has put in the place of the old one."""
        if state is not self.state:
            state.adopt(self.state)
            self.state = state
        if self._refused:
            self._early.set()  # people have been at work: what was wrong may be mended

    def _ask_again(self) -> None:
        """A provider has refused the token."""
        if not self._settled:
            return
        loop = self._around.loop
        self._doubted_at = max(self._doubted_at + DOUBT_EVERY, loop.time())
        loop.call_at(self._doubted_at, self._early.set)

    async def _run(self) -> None:
        while True:
            wait = await self._refresh()
            await self._sleep(self._around.loop.time() + wait)

    async def _refresh(self) -> float:
        """Fetch once and report; gives the seconds until the next time."""
        began = self._around.loop.time()
        try:
            grant = await fetch(self._source, self._around)
        except Denied as error:
            return self._failed(error.denial)
        except Exception as error:
            # A bug of ours must not end the refreshes of a credential that still lives; `/health` shows it.
            return self._failed(Denial(f"the refresh failed: {type(error).__name__}"))
        return self._succeeded(grant, began)

    def _succeeded(self, grant: Grant, began: float) -> float:
        now = self._around.loop.time()
        ends = None if grant.life is None else began + grant.life
        known = self.state.credential
        self._settled, self._refused = True, False
        self._backoff.reset()
        self.state.renew(replace(known, secret=grant.secret, aws=grant.aws, expires_at=ends), now)
        life = None if ends is None else ends - now
        return renew_after(life, grant.renew_in, self._around.rng)

    def _failed(self, denial: Denial) -> float:
        now = self._around.loop.time()
        self._settled, self._refused = False, denial.final
        wait = self._backoff.wait(denial.final, denial.retry_after)
        self.state.not_renewed(denial.text, denial.final, now + wait, now)
        return wait

    async def _sleep(self, until: float) -> None:
        """Until that time, or until woken. In between the end of the token is reported when it comes."""
        self._early.clear()
        lease = self.state.lease
        ends = lease.ends if lease is not None else math.inf
        if self._around.loop.time() < ends < until and not await self._woken(ends):
            self.state.announce(self._around.loop.time())
        if not self._early.is_set():
            await self._woken(until)

    async def _woken(self, until: float) -> bool:
        try:
            async with asyncio.timeout_at(until):
                await self._early.wait()
        except TimeoutError:
            return False
        return True


class Refresher:
    """The tasks of one proxy. Use from a running loop; `follow` at the start and after each reload, `aclose` once."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._flows: dict[tuple[str, CredentialSource], _Flow] = {}

    def follow(self, rings: Iterable[CredentialRing]) -> None:
        """Keep tokens in the credentials of these rings and in no others."""
        flows: dict[tuple[str, CredentialSource], _Flow] = {}
        for ring in rings:
            for state, source in _renewable(ring):
                key = (ring.provider, source)
                flow = self._flows.pop(key, None)
                if flow is None:
                    flow = _Flow(state, source, self._around)
                else:
                    flow.hand_over(state)
                flows[key] = flow
        for gone in self._flows.values():
            gone.task.cancel()
        self._flows = flows

    async def aclose(self) -> None:
        """Stop fetching."""
        tasks = [flow.task for flow in self._flows.values()]
        self._flows = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._around.http.aclose()


def _renewable(ring: CredentialRing) -> Iterator[tuple[CredentialState, CredentialSource]]:
    for state in ring.credentials:
        source = state.credential.source
        if source is not None:
            yield state, source


async def fill(credential: Credential, around: Surroundings) -> Credential:
    """The credential with a token, fetched now and once. Raises Denied. One that lasts comes back as it is."""
    if credential.source is None:
        return credential
    grant = await fetch(credential.source, around)
    return replace(credential, secret=grant.secret, aws=grant.aws)
