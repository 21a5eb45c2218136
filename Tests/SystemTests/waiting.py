"""Conditions that are waited for, instead of times."""
import time

from server import PATIENCE


def eventually(condition, seconds=PATIENCE):
    """What `condition` returns, as soon as that is true; what it returned last if it stays false for so long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


def becomes(wanted, look):
    """Waits until `look` returns what is wanted."""
    found = []

    def holds():
        found[:] = [look()]
        return found == [wanted]
    assert eventually(holds), f"{found[0]}, not {wanted}"
