import pytest

from zorgkiosk.site.sync.backoff import wait_s


@pytest.mark.parametrize(
    ("attempt", "jitter", "expected_s"),
    [
        (0, 0.0, 1.0),
        (1, 0.0, 1.0),
        (2, 0.0, 2.0),
        (3, 0.0, 4.0),
        (6, 0.0, 32.0),
        (7, 0.0, 60.0),
        (1_000_000, 0.0, 60.0),
        (1, 1.0, 0.5),
        (3, 0.5, 3.0),
        (9, 1.0, 30.0),
    ],
)
def test_pauses_double_up_to_the_bound_and_jitter_takes_up_to_half(
    attempt: int, jitter: float, expected_s: float
) -> None:
    assert wait_s(attempt, jitter, first_s=1.0, most_s=60.0) == expected_s
