"""Credentials that refresh: fetching tokens ahead of time, off the request path.

`refresher` decides when and keeps one task per credential; `fetching` knows which family a source belongs to; each family
is one file that knows the issuer's requests. They see the world through `surroundings` alone, so that the rehearsals can
put a simulated issuer and virtual time in its place.
"""
