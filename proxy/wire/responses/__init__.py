"""OpenAI's Responses API: as a client format of its own, and relayed to vendors that have it."""
