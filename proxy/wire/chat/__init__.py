"""OpenAI's chat completions as a client's format and as a vendor's, and its legacy completions as a client's."""
