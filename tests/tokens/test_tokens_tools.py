import json

from proxy.tokens.parts import Tools
from proxy.tokens.tools import MAX_DEPTH, find_words, render

WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}


def test_functions_become_typescript():
    assert render([WEATHER, {"name": "now"}]) == (
        "namespace functions {\n"
        "\n"
        "// Get the current weather in a given location\n"
        "type get_current_weather = (_: {\n"
        "// The city and state, e.g. San Francisco, CA\n"
        "location: string,\n"
        "// The unit of temperature to return\n"
        'unit?: "celsius" | "fahrenheit",\n'
        "}) => any;\n"
        "\n"
        "type now = () => any;\n"
        "\n"
        "} // namespace functions"
    )


def rendered(schema):
    text = render([{"name": "f", "parameters": {"type": "object", "properties": {"x": schema}, "required": ["x"]}}])
    return text.partition("(_: {\n")[2].partition("\n}) => any;")[0]


def test_types():
    types = {
        '{"type": "integer"}': "x: number,",
        '{"type": "boolean"}': "x: boolean,",
        '{"type": "null"}': "x: null,",
        '{"type": ["string", "null"]}': "x: string | null,",
        '{"enum": [1, 2]}': "x: 1 | 2,",
        '{"type": "array", "items": {"type": "string"}}': "x: string[],",
        '{"type": "array"}': "x: any[],",
        '{"anyOf": [{"type": "string"}, {"type": "number"}]}': "x: string | number,",
        '{"$ref": "#/x"}': "x: any,",
        '{"type": 5}': "x: any,",
    }
    assert {text: rendered(json.loads(text)) for text in types} == types


def test_nested_objects_are_indented():
    inner = {"type": "object", "properties": {"y": {"type": "string", "description": "why"}}}
    assert rendered(inner) == "x: {\n  // why\n  y?: string,\n},"


def test_endless_nesting_is_cut_off():
    schema = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    assert rendered(schema).count("[]") == MAX_DEPTH + 1


def test_nonsense_is_rendered_as_something():
    nonsense = {"name": None, "description": 5, "parameters": {"type": "object", "properties": {"a": 3}, "required": "no"}}
    assert "a?: any," in render([nonsense, {"parameters": []}, {}])


def test_types_that_repeat_themselves_are_written_out_once():
    schema = {"type": "string"}
    for _ in range(60):
        schema = {"type": ["object", "array", "null"], "properties": {"x": schema}, "items": schema}
    assert len(rendered(schema)) < 5000
    assert rendered({"type": [5]}) == "x: any,"


def test_words_of_a_definition():
    item = {"type": "object", "properties": {"deep": {"enum": ["a", 1]}}}
    inner = {"description": "a list", "items": item, "anyOf": [{"properties": {"other": True}}, 3]}
    words = find_words(Tools([{**WEATHER, "parameters": {"properties": {"list": inner}}}, {"parameters": []}]))
    assert words.texts == [
        "get_current_weather",
        "Get the current weather in a given location",
        "list",
        "a list",
        "deep",
        '"a", 1',
        "other",
    ]
    assert (words.descriptions, words.props) == (2, 3)


def test_words_of_endless_nesting_are_cut_off():
    schema = {"enum": ["last"]}
    for _ in range(500):
        schema = {"items": schema}
    assert find_words(Tools([{"parameters": schema}])).texts == []
