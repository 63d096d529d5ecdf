from proxy.config.known_models import KNOWN_MODELS
from proxy.providers.presets import PRESETS


def test_every_model_is_served_by_presets_that_exist_each_once() -> None:
    for public, places in KNOWN_MODELS.items():
        vendors = [vendor for vendor, _ in places]
        assert vendors, public
        assert len(set(vendors)) == len(vendors), public
        assert set(vendors) <= set(PRESETS), public
        assert "custom" not in vendors


def test_openrouter_never_comes_first() -> None:
    assert all(places[0][0] != "openrouter" for places in KNOWN_MODELS.values())
