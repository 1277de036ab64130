import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.site.sync.window import MAX_IN_FLIGHT, Window


def test_no_more_batches_than_allowed_are_on_their_way() -> None:
    window = Window(0)
    for last in range(1, MAX_IN_FLIGHT + 1):
        assert window.has_room
        window.note_sent(last * 100, 0.0, 5.0)
    assert not window.has_room
    assert window.note_ack(100, 1.0, 5.0) and window.has_room


def test_an_ack_in_the_middle_of_a_batch_is_progress_and_keeps_the_batch_on_its_way() -> None:
    window = Window(0)
    window.note_sent(100, 0.0, 5.0)
    assert window.note_ack(40, 4.0, 5.0) and window.acked == 40
    assert not window.overdue(8.9) and window.overdue(9.0)


def test_without_an_ack_it_goes_back_to_what_is_acked_and_then_to_all_that_is_held() -> None:
    window = Window(7)
    window.note_sent(20, 0.0, 5.0)
    assert not window.overdue(4.9) and window.overdue(5.0)
    window.rewind()
    assert window.sent == 7 and window.has_room and not window.overdue(99.0)
    window.note_sent(20, 5.0, 10.0)
    assert window.overdue(15.0)
    window.rewind()
    assert (window.sent, window.acked) == (0, 7)


def test_an_ack_of_the_past_is_no_news_and_of_the_future_moves_on() -> None:
    window = Window(7)
    assert not window.note_ack(7, 0.0, 5.0) and not window.note_ack(3, 0.0, 5.0)
    assert window.note_ack(50, 0.0, 5.0)
    assert (window.acked, window.sent) == (50, 50)


def test_how_long_the_hub_is_silent_counts_over_re_sends_until_an_ack() -> None:
    window = Window(0)
    assert window.unanswered_since_s is None
    window.note_sent(5, 1.0, 5.0)
    window.rewind()
    window.note_sent(5, 6.0, 5.0)
    assert window.unanswered_since_s == 1.0
    window.note_ack(5, 7.0, 5.0)
    assert window.unanswered_since_s is None


steps = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 30)),
    st.tuples(st.just("ack"), st.integers(0, 400)),
    st.tuples(st.sampled_from(["rewind", "restart"]), st.just(0)),
)


@pytest.mark.long
@given(st.lists(steps, max_size=60))
def test_whatever_happens_acked_only_grows_and_the_next_row_is_never_beyond_a_gap(todo: list[tuple[str, int]]) -> None:
    window, acked, out = Window(0), 0, 0
    for now_s, (what, number) in enumerate(todo):
        match what:
            case "send" if window.has_room:
                window.note_sent(window.sent + number, float(now_s), 5.0)
                out = max(out, window.sent)
            case "ack":
                window.note_ack(min(number, out), float(now_s), 5.0)
            case "rewind":
                window.rewind()
            case "restart":
                window.restart()
        assert acked <= window.acked <= out
        assert window.sent <= out
        acked = window.acked
