"""The endpoints that clients may call and that targets serve: one word for both sides."""

import enum


class Endpoint(enum.StrEnum):
    """What a request asks of a model. A breaker belongs to one provider, endpoint and model, since one
    endpoint of a provider can fail alone (OpenAI 2024-12-26: chat above 90 % errors, completions clean)."""

    # Looked up several times per call; an enum's own hash is made in Python.
    __hash__ = str.__hash__

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"  # of a Messages request
    IMAGES = "images"
    IMAGE_EDITS = "image_edits"
    IMAGE_VARIATIONS = "image_variations"
    SPEECH = "speech"
    TRANSCRIPTIONS = "transcriptions"
    TRANSLATIONS = "translations"
    MODERATIONS = "moderations"
    RERANK = "rerank"
    INPUT_TOKENS = "input_tokens"
    COMPACT = "compact"
    #: Asks us what a request would cost; no provider hears of it.
    TOKENS = "tokens"
    REALTIME = "realtime"
    #: What follows names no model: it goes to an account (`pipeline/accounts.py`).
    FILES = "files"
    BATCHES = "batches"
    STORED = "stored"
    RELAY = "relay"


#: What goes in and comes out is text: it can be counted where a provider reports nothing, and a probe of one token is cheap.
#: Everything else is relayed rather than read: nothing is estimated, and nobody asks for a picture to see who is awake.
TEXTUAL = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS, Endpoint.RESPONSES, Endpoint.MESSAGES})
#: Answered in one go, without anything being generated bit by bit.
PROMPT = frozenset(
    {Endpoint.EMBEDDINGS, Endpoint.MODERATIONS, Endpoint.RERANK, Endpoint.COUNT_TOKENS, Endpoint.INPUT_TOKENS}
)
