"""What does not answer is asked less and less often, and no longer than its limit."""

from __future__ import annotations

from hub.sdk.poll_backoff import PollBackoff


def test_patience_doubles_up_to_its_limit_and_ends_with_success() -> None:
    patience = PollBackoff(5)
    pauses = []
    for _ in range(4):
        patience.failed()
        pause = 0
        while not patience.due():
            pause += 1
        pauses.append(pause)
    assert pauses == [1, 3, 5, 5]
    patience.succeeded()
    assert patience.due()


def test_a_poll_that_is_rarer_than_the_longest_pause_is_never_skipped() -> None:
    patience = PollBackoff(0)
    patience.failed()
    assert patience.due()
