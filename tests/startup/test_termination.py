"""Ctrl-C and SIGTERM end the work, and neither is ever lost."""

from __future__ import annotations

import signal

import pytest

from sightx_cli.startup.termination import Terminated, heeding_termination, holding_interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_a_block_and_is_never_lost(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    done = []

    def work() -> None:
        with heeding_termination(), holding_interrupts():
            signal.raise_signal(number)
            done.append("after the signal")
            raise RuntimeError("what C++ makes of anything")

    with pytest.raises(KeyboardInterrupt) as raised:
        work()
    assert done == ["after the signal"]
    assert isinstance(raised.value, Terminated) is (number is signal.SIGTERM)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
