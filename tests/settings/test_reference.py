from pathlib import Path

from scorer.settings import load
from scorer.settings.catalogue import CATALOGUE, Shape
from scorer.settings.reference import EXAMPLE, markdown

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == markdown(), "run: python -m scorer.settings.reference > docs/configuration.md"


def test_every_setting_has_a_meaning_and_an_expectation() -> None:
    for setting in CATALOGUE.values():
        assert setting.meaning
        assert setting.expects


def test_every_number_but_a_port_and_a_ratio_has_a_unit() -> None:
    numbers = {setting.dotted for setting in CATALOGUE.values() if "number" in setting.expects}
    without = {dotted for dotted in numbers if not CATALOGUE[tuple(dotted.split("."))].unit}
    assert without == {"http.port", "serve.port", "kafka.max_dead_letter_ratio"}


def test_the_example_loads(tmp_path: Path) -> None:
    (tmp_path / "scorer.yaml").write_text(EXAMPLE)
    settings = load(tmp_path / "scorer.yaml", {"REDIS_PASSWORD": "p"}).settings
    assert settings.features is not None
    assert settings.features.url == "redis://scorer:p@localhost:6379/0"


def test_the_page_names_every_setting() -> None:
    page = PAGE.read_text()
    for setting in CATALOGUE.values():
        if setting.shape is not Shape.GROUP:
            assert f"`{setting.dotted}`<br>`{setting.variable}`" in page
