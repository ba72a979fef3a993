"""A journal keeps what was paid for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.answers import AnswerJournal, ModelAnswer, read_journal
from gateway.evals.errors import JournalCorrupted
from gateway.http.token_usage import Usage

texts = st.text(st.characters(), max_size=20)
answers = st.builds(
    ModelAnswer,
    texts,
    texts,
    texts,
    texts,
    st.none() | texts,
    st.none() | st.builds(Usage, st.integers(0, 99), st.integers(0, 99)),
    st.none() | st.floats(-99, 0),
)


@given(st.lists(answers, max_size=5), st.integers(0, 400))
def test_what_was_written_whole_is_read_again_wherever_a_kill_cut_the_last_line(
    tmp_path_factory: pytest.TempPathFactory, given: list[ModelAnswer], cut: int
) -> None:
    folder = Path(tmp_path_factory.mktemp("journal"))
    with AnswerJournal(folder) as journal:
        for answer in given:
            journal.add_answer(answer)
    if not given:
        assert not journal.path.exists()
        return
    data = journal.path.read_bytes()
    last = data[:-1].rfind(b"\n") + 1
    journal.path.write_bytes(data[: max(last, len(data) - 1 - cut)])
    with AnswerJournal(folder) as journal:
        assert dict(journal.answers) == {answer.journal_key: answer for answer in given[:-1]}
        journal.add_answer(given[-1])
    assert read_journal(journal.path) == {answer.journal_key: answer for answer in given}


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"input_id": 1, "model": "m", "asked": "a", "text": "t"}'])
def test_a_line_that_is_no_answer_is_named(tmp_path: Path, line: str) -> None:
    with AnswerJournal(tmp_path) as journal:
        journal.add_answer(ModelAnswer("i", "m", "a", "t"))
    with journal.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(JournalCorrupted, match=r"answers\.jsonl line 2 is not an answer"):
        AnswerJournal(tmp_path)
