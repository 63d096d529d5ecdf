import os

from proxy.stores import process
from proxy.stores.process import find_memory_limit, read_process


def test_figures_of_this_process():
    figures = read_process()
    assert figures.resident > 1_000_000
    assert figures.cpu > 0
    descriptor = os.dup(1)
    try:
        assert read_process().descriptors == figures.descriptors + 1
    finally:
        os.close(descriptor)


def test_systems_without_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_STATM", tmp_path / "absent")
    monkeypatch.setattr(process, "_DESCRIPTORS", tmp_path / "absent")
    figures = read_process()
    assert figures.resident > 1_000_000
    assert figures.descriptors is None


def test_the_smallest_limit_of_the_own_group_and_those_above_holds(monkeypatch, tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("1:name=systemd:/old\n0::/pod/box\n")
    monkeypatch.setattr(process, "_OWN_GROUPS", own)
    groups = tmp_path / "groups"
    (groups / "pod/box").mkdir(parents=True)
    monkeypatch.setattr(process, "_GROUPS", groups)
    assert find_memory_limit() is None
    (groups / "memory.max").write_text("4000\n")
    (groups / "pod/memory.max").write_text("2000\n")
    (groups / "pod/box/memory.max").write_text("max\n")
    assert find_memory_limit() == 2000
    (groups / "memory").mkdir()
    (groups / "memory/memory.limit_in_bytes").write_text("1000\n")
    assert find_memory_limit() == 1000
    (groups / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert find_memory_limit() == 2000, "that is how version 1 spells no limit"
    own.unlink()
    assert find_memory_limit() is None
