"""One mistake does not hide another."""


def test_a_bad_value_does_not_hide_mistakes_beside_it(complain) -> None:
    found = complain(
        "providers: {a: {kind: ollama}}\n"
        "routes:\n"
        "  - model: m\n"
        "    targets: [b/x]\n"
        "    strategy: fastst\n"
        "  - {model: m, targets: [a/x], tmeout: 3}\n"
    )
    assert [line.split(":")[0] for line in found] == ["4", "5", "6", "6"]
    assert 'no provider "b"' in found[0]
    assert "already served by routes[0]" in "".join(found[2:])


def test_what_was_left_out_does_not_cause_complaints(complain) -> None:
    text = (
        "providers: {a: {kind: ollama}, b: {kind: vllm, max_connections: many}}\n"
        "routes:\n"
        "  - {model: m, targets: [[{to: a/x, weight: 2}, b/x]], strategy: wieghted}\n"
    )
    found = complain(text)
    assert len(found) == 2, found
    assert "many" in found[0]
    assert '"weighted"' in found[1]


def test_an_element_without_its_required_key_is_still_known_by_name(complain) -> None:
    found = complain("providers: {a: {knd: ollama}}\nroutes: [{model: m, targets: [a/x]}]\n")
    assert len(found) == 2, found
    assert all(line.startswith("1: providers.a.k") for line in found)


def test_wrong_items_of_a_list_do_not_make_it_empty(complain) -> None:
    found = complain("providers: {a: {kind: ollama}}\nroutes:\n  - {model: m, targets: [a/x, 3, {to: a/y, weight: 0}]}\n")
    assert not any("must not be empty" in line for line in found)
    assert len(found) == 2, found


def test_sections_that_are_commented_out_are_not_there(complain) -> None:
    assert complain("server:\nkeys:\nproviders: {a: {kind: ollama, direct: true}}\nroutes:\ndefaults:\n") == []


def test_a_section_of_the_wrong_shape_stops_only_what_needs_it(complain) -> None:
    found = complain("providers: [a]\nroutes: [{model: m, targets: [a/x]}, {model: m, targets: [a/x]}]\n")
    assert len(found) == 2, found
    assert "expected a mapping" in found[0]
    assert "already served" in found[1]
