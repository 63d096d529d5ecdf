import os

from proxy.stores import process
from proxy.stores.process import read_process


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
