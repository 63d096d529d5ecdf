import pytest

from proxy.config.addresses import is_loopback, is_private, parse_base_url
from proxy.core.settings import Origin


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443, "/v1")),
        ("https://API.openai.com/v1/", Origin("https", "api.openai.com", 443, "/v1")),
        ("http://127.0.0.1:11434", Origin("http", "127.0.0.1", 11434)),
        ("http://[::1]:8000/v1", Origin("http", "::1", 8000, "/v1")),
        ("http://büro.example/v1", Origin("http", "xn--bro-hoa.example", 80, "/v1")),
    ],
)
def test_base_urls(url: str, origin: Origin) -> None:
    assert parse_base_url(url) == origin


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("api.openai.com", "must begin with"),
        ("ftp://x/v1", "must begin with"),
        ("https://", "must begin with"),
        ("https://u:sk-secret@x/v1", "user name"),
        ("https://x/v1?key=sk-secret", "query"),
        ("https://x/v1?", "query"),
        ("https://x/v1#a", "fragment"),
        ("https://x:99999/v1", "not a URL"),
        ("https://x:0/v1", "port"),
        ("https://x/a b", "characters"),
        ("https://x/é", "characters"),
        ("https://[::1/v1", "not a URL"),
        ("https://x/v1/chat/completions", "must end before /chat/completions"),
        ("https://x/v1/models/", "must end before /models"),
    ],
)
def test_base_urls_that_are_none(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_base_url(url)
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "loopback", "private"),
    [
        ("localhost", True, True),
        ("127.8.9.1", True, True),
        ("::1", True, True),
        ("10.1.2.3", False, True),
        ("fd00::1", False, True),
        ("vllm", False, True),
        ("vllm.svc.cluster.local", False, True),
        ("8.8.8.8", False, False),
        ("2001:4860::8888", False, False),
        ("api.example.com", False, False),
        ("localhost.example.com", False, False),
    ],
)
def test_how_far_away(host: str, loopback: bool, private: bool) -> None:
    assert (is_loopback(host), is_private(host)) == (loopback, private)
