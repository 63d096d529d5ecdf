"""The endpoints that clients may call and that targets serve: one word for both sides."""

import enum


class Endpoint(enum.StrEnum):
    """What a request asks of a model. A breaker belongs to one provider, endpoint and model, since one
    endpoint of a provider can fail alone (OpenAI 2024-12-26: chat above 90 % errors, completions clean)."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"  # of a Messages request
