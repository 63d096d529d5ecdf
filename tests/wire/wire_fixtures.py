"""Recorded shapes of real providers' streams, content shortened."""

# ruff: noqa: E501

OPENAI = b"".join(
    (
        rb"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_capital","arguments":""}}],"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}"""
        b"\n\n",
        rb"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"country\":\"UK\"}"}}]},"logprobs":null,"finish_reason":null}],"usage":null}"""
        b"\n\n",
        rb"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}"""
        b"\n\n",
        rb"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","system_fingerprint":"fp_1","choices":[],"usage":{"prompt_tokens":53,"completion_tokens":15,"total_tokens":68,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}"""
        b"\n\n",
        rb"""data: [DONE]""" b"\n\n",
    )
)

GROQ = b"".join(
    (
        rb"""data: {"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_1"}}"""
        b"\n\n",
        rb"""data: {"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{"reasoning":"Alright"},"logprobs":null,"finish_reason":null}]}"""
        b"\n\n",
        rb"""data: {"id":"chatcmpl-g","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.05,"prompt_tokens":21,"prompt_time":0.01,"completion_tokens":9,"completion_time":0.2,"total_tokens":30,"total_time":0.21}}}"""
        b"\n\n",
        rb"""data: [DONE]""" b"\n\n",
    )
)

DEEPSEEK = b"".join(
    (
        rb"""data: {"id":"d","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"Hmm"},"logprobs":null,"finish_reason":null}],"usage":null}"""
        b"\n\n",
        rb"""data: {"id":"d","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":6,"completion_tokens":212,"total_tokens":218,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":198},"prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":6}}"""
        b"\n\n",
        rb"""data: [DONE]""" b"\n\n",
    )
)

MISTRAL = b"".join(
    (
        rb"""data: {"id":"m","object":"chat.completion.chunk","created":1,"model":"magistral","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Okay"}]}]},"finish_reason":null}]}"""
        b"\n\n",
        rb"""data: {"id":"m","object":"chat.completion.chunk","created":1,"model":"magistral","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"total_tokens":242,"completion_tokens":232}}"""
        b"\n\n",
        rb"""data: [DONE]""" b"\n\n",
    )
)

ZAI = b"".join(
    (
        rb"""data: {"id":"z","created":1,"object":"chat.completion.chunk","model":"glm","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"1."}}]}"""
        b"\n\n",
        rb"""data: {"id":"z","created":1,"object":"chat.completion.chunk","model":"glm","choices":[{"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":13,"completion_tokens":564,"total_tokens":577,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":561}}}"""
        b"\n\n",
        rb"""data: [DONE]""" b"\n\n",
    )
)

OPENROUTER = b"".join(
    (
        rb""": OPENROUTER PROCESSING""" b"\n\n",
        rb"""data: {"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"content":"Hi","role":"assistant"},"finish_reason":null,"native_finish_reason":null}]}"""
        b"\n\n",
        rb"""data: {"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"content":"","role":"assistant"},"finish_reason":"stop","native_finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9,"cost":0.0001,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"""
        b"\n\n",
        rb"""data: [DONE]""" b"\n\n",
    )
)

OPENROUTER_FAILURE_A = b"".join(
    (
        rb"""data: {"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o","provider":"openai","error":{"code":"server_error","message":"Provider disconnected unexpectedly"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"""
        b"\n\n",
    )
)

OPENROUTER_FAILURE_B = b"".join(
    (
        rb"""data: {"error":{"code":502,"message":"Provider returned error","metadata":{"provider_name":"X"}},"choices":[]}"""
        b"\n\n",
    )
)

SGLANG_OVERFLOW = b"".join(
    (
        rb"""data: {"error": {"object": "error", "message": "The input (300000 tokens) is longer than the model's context length (131072 tokens).", "type": "BadRequestError", "param": null, "code": 400}}"""
        b"\n\n",
    )
)

AZURE_FIRST = b"".join(
    (
        rb"""data: {"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"""
        b"\n\n",
    )
)

OLLAMA_ERROR_LINE = rb'{"error":"an error was encountered while running the model"}'

GEMINI_ERROR = (
    rb'[{"error":{"code":429,"message":"Resource exhausted. Please try again later.","status":"RESOURCE_EXHAUSTED"}}]'
)
