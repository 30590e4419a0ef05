"""What the report says of prompts that a run chose."""

from dataclasses import replace

from adapt.report.record.read import RunRecord
from adapt.report.tables.cells import Text
from adapt.report.tables.prompts import prompts_table, search_words, sentences_words
from tests.helpers.report_fixture import rows_of

SEARCH = {
    "kept": True, "candidates": 81, "chosen": ["a {}", "the {}"], "held_out_images": 1200,
    "gain": 0.0417, "standard_error": 0.011, "accuracy_before": 0.5, "accuracy_after": 0.52,
}  # fmt: skip


def test_nothing_is_said_of_runs_that_chose_nothing(run: RunRecord) -> None:
    assert prompts_table(run) is None
    assert search_words(run) is None
    assert sentences_words(run) is None


def test_weights_stand_in_order_with_their_scores(run: RunRecord) -> None:
    columns = [
        {"name": "a {}", "weight": 0.25, "score": 1.5},
        {"name": "the {}", "weight": 0.75, "score": 2.598},
    ]
    chosen = replace(run, prompts={"choice": {"columns": columns}})
    table = prompts_table(chosen)
    assert table is not None
    assert list(rows_of(table)) == ["the {}", "a {}"]
    assert [cell.text for cell in rows_of(table)["the {}"]] == ["the {}", "75.0 %", "2.598"]
    columns[0]["score"] = columns[1]["score"] = None
    table = prompts_table(chosen)
    assert table is not None
    assert table.header == ["prompt", "weight"]


def test_a_search_tells_its_gain_and_what_became_of_it(run: RunRecord) -> None:
    def words(**other: object) -> str:
        text = search_words(replace(run, prompts={"choice": {"search": SEARCH | other}}))
        assert isinstance(text, Text)
        return text.words

    assert words().startswith("Searched among 81 prompts on 1,200 training images")
    assert "`a {}`, `the {}`. They are used: the gain in log-likelihood is +0.042" in words()
    assert "+2.0" in words()
    assert "They are not used" in words(kept=False)
    assert "every class has one training image" in words(held_out_images=0)


def test_a_file_of_sentences_is_named(run: RunRecord) -> None:
    text = sentences_words(replace(run, prompts={"file": "x.json", "beside_templates": True}))
    assert isinstance(text, Text)
    assert text.words == "Each class has sentences of x.json, beside the templates."
