from proxy.stores.histogram import DURATION, FIRST_CONTENT, WAITED, Histogram


def test_bounds_are_inclusive():
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.0, 1.0, 1.5, 2.0, 3.0):
        histogram.add(seconds)
    assert histogram.counts == [2, 2, 1]
    assert histogram.count == 5
    assert histogram.sum == 7.5
    assert repr(histogram) == "<Histogram 5 in 7.500 s>"


def test_quantiles_are_upper_bounds():
    histogram = Histogram((1.0, 2.0, 3.0))
    assert histogram.quantile(0.5) is None
    for seconds in (0.5, 1.5, 1.5, 9.0):
        histogram.add(seconds)
    assert [histogram.quantile(share) for share in (0.0, 0.25, 0.5, 0.75, 0.99)] == [1.0, 1.0, 2.0, 2.0, None]


def test_shipped_bounds_are_in_order():
    for bounds in (FIRST_CONTENT, DURATION, WAITED):
        assert list(bounds) == sorted(set(bounds))
