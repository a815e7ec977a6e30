"""SIGTERM and SIGHUP end a program by unwinding it, and a signal that got lost can be sent again."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from jobs.host import signals
from jobs.host.signals import POLITE, unwinding


@pytest.fixture(autouse=True)
def nobody_handles_them_yet() -> Iterator[None]:
    """What other tests import, such as Dagster, leaves handlers of its own in this process."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in POLITE}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_unwinds_the_program_with_the_code_that_a_shell_shows() -> None:
    cleaned = []
    with pytest.raises(SystemExit) as end, unwinding():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append("all")
    assert (end.value.code, cleaned) == (143, ["all"])


def test_an_impatient_second_signal_does_not_cut_the_clean_up_short() -> None:
    cleaned = []
    with pytest.raises(SystemExit) as end, unwinding():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGHUP)
            cleaned.append("all")
    assert (end.value.code, cleaned) == (143, ["all"])


def test_a_signal_whose_exception_got_lost_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "CLEAN_UP_S", -1.0)
    with pytest.raises(SystemExit), unwinding():
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            """As a finaliser drops it."""
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it is deaf")


def test_the_signals_mean_again_what_they_meant_before() -> None:
    with unwinding():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
