"""A whole proxy on real sockets, in this process, in front of simulated providers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from support.simulation import InlineEstimator
from support.simulation import settings as make_settings

from proxy.core.settings import Origin, ServerSettings, Settings
from proxy.rehearse.behaviour import Behaviour
from proxy.rehearse.server import LoopbackProvider
from proxy.supervisor import Proxy

SERVER = ServerSettings(port=0, admin_port=None, drain=2.0)


@dataclass
class Stack:
    """A running proxy and its providers by name."""

    proxy: Proxy
    url: str
    host: str
    port: int
    providers: dict[str, LoopbackProvider]

    def calls(self, name: str) -> int:
        """Model calls that a provider has seen."""
        return self.providers[name].provider.served


@asynccontextmanager
async def running(
    behaviours: Mapping[str, Behaviour], configured: Settings | None = None, server: ServerSettings = SERVER
) -> AsyncIterator[Stack]:
    """Start everything, yield it, stop it. Providers of the settings are redirected to the simulated ones."""
    loop = asyncio.get_running_loop()
    providers = {name: LoopbackProvider(name) for name in behaviours}
    settings = configured or make_settings()
    placed = dict(settings.providers)
    for name, provider in providers.items():
        parts = urlsplit(await provider.start())
        await provider.set_behaviour(behaviours[name])
        placed[name] = replace(placed[name], origin=Origin("http", parts.hostname or "", parts.port or 0, "/v1"))
    proxy = Proxy(replace(settings, providers=placed, server=server), estimator=InlineEstimator(loop))
    host, port = await proxy.start()
    try:
        yield Stack(proxy, f"http://{host}:{port}", host, port, providers)
    finally:
        await proxy.stop(drain=0.5)
        for provider in providers.values():
            await provider.stop()
