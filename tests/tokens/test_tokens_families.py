import pytest

from proxy.tokens.families import FAMILIES, family_of
from proxy.tokens.scripts import Script, digit_extra, find_script


@pytest.mark.parametrize(
    ("model", "percent"),
    [
        ("gpt-4o", 100),
        ("some-new-model", 100),
        ("anthropic/claude-sonnet-4.5", 118),
        ("claude-opus-4-5", 118),
        ("claude-opus-4-7-20260101", 153),
        ("claude-sonnet-5", 153),
        ("gemini-2.5-flash", 110),
        ("mistral-large-latest", 105),
        ("deepseek-chat", 107),
        ("Qwen/Qwen3-32B", 102),
        ("meta-llama/Llama-3.3-70B-Instruct", 102),
        ("llama-4-scout", 100),
        ("grok-4", 100),
        ("us.anthropic.claude-opus-4-8-v1:0", 153),
        ("claude-opus-4.7", 153),
        ("meta.llama4-scout-17b", 100),
        ("ft:gpt-4o-mini:acme", 100),
    ],
)
def test_ratio_of_a_family(model, percent):
    assert family_of(model).percent == percent


def test_hidden_reasoning():
    hides = {
        model: family_of(model).hides_reasoning for model in ("o3-mini", "gpt-5", "gpt-5-chat-latest", "gpt-4o", "gpt-5.1")
    }
    assert hides == {"o3-mini": True, "gpt-5": True, "gpt-5-chat-latest": False, "gpt-4o": False, "gpt-5.1": True}


@pytest.mark.parametrize(
    ("text", "extra"), [("", 0), ("abc", 0), ("7", 0), ("12", 1), ("123", 2), ("1234", 2), ("12,345", 3)]
)
def test_digit_rule(text, extra):
    assert digit_extra(text) == extra


def test_keys_are_bare_names():
    assert all(prefix == prefix.lower() and "/" not in prefix for prefix in FAMILIES)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", Script.OTHER),
        ("plain English, with 12 numbers", Script.OTHER),
        ("naïve café, Straße", Script.OTHER),
        ("Съешь же ещё этих мягких французских булок", Script.CYRILLIC),
        ("敏捷的棕色狐狸跳过了懒狗", Script.HAN),
        ("すばしっこい茶色の狐がのろまな犬を飛び越える", Script.KANA),
        ("다람쥐 헌 쳇바퀴에 타고파", Script.HANGUL),
        ("نص حكيم له سر قاطع وذو شأن عظيم", Script.ARABIC),
        ("ऋषियों को सताने वाले दुष्ट राक्षसों", Script.DEVANAGARI),
        ("half English и половина", Script.OTHER),
        ("👍👍👍", Script.OTHER),
    ],
)
def test_scripts(text, script):
    assert find_script(text) is script
    assert find_script(text * 5000) is script


def test_other_letters_have_ratios_of_their_own():
    family = family_of("claude-sonnet-4-5")
    assert [family.ratio(script) for script in (Script.OTHER, Script.CYRILLIC)] == [118, 204]
    assert family_of("gpt-4o").ratio(Script.CYRILLIC) == 100


def test_hidden_prompts_of_tools():
    assert family_of("claude-sonnet-4").tools.fixed == 346
    assert family_of("claude-sonnet-4.5").tools.fixed == 550
    assert family_of("gpt-5.1").tools is None
