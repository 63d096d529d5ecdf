import pytest
from tiktoken_ext import openai_public

from proxy.tokens.encoding import CL100K, O200K, PATTERNS, SPECIAL_TOKENS, bare_name, build, encoding_name, needed


@pytest.mark.parametrize("name", [O200K, CL100K])
def test_constants_are_those_of_tiktoken(name, monkeypatch):
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    theirs = openai_public.ENCODING_CONSTRUCTORS[name]()
    assert PATTERNS[name] == theirs["pat_str"]
    assert SPECIAL_TOKENS[name] == theirs["special_tokens"]


def test_known_token_ids(encodings):
    assert encodings[O200K].encode_ordinary("hello world") == [24912, 2375]
    assert encodings[CL100K].encode_ordinary("hello world") == [15339, 1917]
    assert encodings[O200K].decode(encodings[O200K].encode_ordinary("naïve 日本 🎉")) == "naïve 日本 🎉"
    assert encodings[O200K].n_vocab == 200019
    assert encodings[CL100K].n_vocab == 100277


@pytest.mark.parametrize("data", [b"", b"IQ== 1\nIg== 0\n", b"IQ== 5\n"])
def test_rank_files_out_of_order_are_refused(data):
    with pytest.raises(ValueError, match="not a rank file"):
        build(O200K, data)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini", O200K),
        ("gpt-4.1", O200K),
        ("gpt-5.2-pro", O200K),
        ("o3-mini", O200K),
        ("ft:gpt-4o:acme::1", O200K),
        ("gpt-oss-120b", O200K),
        ("openai/gpt-oss-20b", O200K),
        ("gpt-6-sol", O200K),
        ("codex-mini-latest", O200K),
        ("claude-sonnet-5", O200K),
        ("", O200K),
        ("/", O200K),
        ("gpt-4", CL100K),
        ("GPT-4-turbo-2024-04-09", CL100K),
        ("gpt-3.5-turbo", CL100K),
        ("gpt-35-turbo-16k", CL100K),
        ("openai/gpt-4", CL100K),
        ("text-embedding-3-small", CL100K),
        ("text-davinci-003", CL100K),
    ],
)
def test_encoding_of_a_model(model, name):
    assert encoding_name(model) == name


def test_bare_name():
    assert bare_name("accounts/fireworks/models/Llama-v3") == "llama-v3"


def test_only_needed_vocabularies_are_loaded():
    assert needed([]) == {O200K}
    assert needed(["claude-sonnet-5", "gpt-5"]) == {O200K}
    assert needed(["gpt-4", "gpt-5"]) == {O200K, CL100K}
