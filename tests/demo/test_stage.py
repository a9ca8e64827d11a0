import signal
from pathlib import Path

import pytest

from scorer.demo import stage, train


@pytest.mark.parametrize("number", stage.STOPS)
def test_a_stop_is_deferred_until_the_end_of_the_block(number: signal.Signals) -> None:
    done = []
    before = signal.getsignal(number)

    def interrupted() -> None:
        with stage._uninterrupted():
            signal.raise_signal(number)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done
    assert signal.getsignal(number) is before


def test_a_model_is_trained_if_none_is_next_to_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(stage, "MODELS", tmp_path)
    monkeypatch.setattr(train, "add", lambda models, version: asked.append(models / version))
    with stage.opened() as opened:
        assert asked == [opened.models / "1"]
        assert opened.models.is_relative_to(opened.sandbox.folder)
        assert opened.config.is_relative_to(opened.sandbox.folder)
    assert not opened.sandbox.folder.exists()
