import bisect
import collections
import csv
import itertools
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import tracemalloc

import pytest

from components import errors, features
from data import companies, generator, narratives, phrases, places, sample, vocabulary

ROOT = pathlib.Path(generator.__file__).parents[1]
ROWS = 12_000
SEED = 11


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows of a generated file, as a CSV reader sees them."""
    path = tmp_path_factory.mktemp("generated") / "complaints.csv"
    generator.write_complaints(path, rows=ROWS, seed=SEED)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def texts(table):
    return [row[features.NARRATIVE_KEY] for row in table if row[features.NARRATIVE_KEY]]


def share(rows, holds):
    return sum(map(holds, rows)) / len(rows)


def run_child(code, *args, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT), **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


# The file


def test_same_rows_and_seed_give_the_same_bytes_in_every_process(tmp_path):
    # Given two processes that hash strings differently and have different locales
    code = (
        "import pathlib, sys; from data import generator;"
        "generator.write_complaints(pathlib.Path(sys.argv[1]), rows=2500, seed=3)"
    )
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    # When both write the same file
    run_child(code, first, PYTHONHASHSEED="0", PYTHONUTF8="1")
    run_child(code, second, PYTHONHASHSEED="4242", LC_ALL="POSIX", PYTHONUTF8="0")
    # Then the bytes agree
    assert first.read_bytes() == second.read_bytes()


def test_longer_file_begins_with_the_shorter_one(tmp_path):
    short, long = tmp_path / "short.csv", tmp_path / "long.csv"
    generator.write_complaints(short, rows=1_037, seed=5)
    generator.write_complaints(long, rows=2_100, seed=5)
    assert long.read_bytes().startswith(short.read_bytes())
    assert long.stat().st_size > short.stat().st_size


def test_another_seed_gives_other_complaints(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    generator.write_complaints(one, rows=50, seed=1)
    generator.write_complaints(two, rows=50, seed=2)
    assert one.read_bytes() != two.read_bytes()


def test_committed_sample_is_what_the_generator_writes(tmp_path):
    path = tmp_path / "sample.csv"
    sample.write_sample(path)
    assert path.read_bytes() == sample.SAMPLE_PATH.read_bytes(), (
        "data/complaints_sample.csv has drifted: run `python -m data.sample` and commit the result"
    )


def test_committed_sample_stays_small():
    assert sample.SAMPLE_PATH.stat().st_size < 5_000_000


def test_header_has_the_columns_in_order(table):
    assert tuple(table[0]) == features.COLUMNS


@pytest.mark.parametrize("rows", [1, 999, 1_000, 1_001])
def test_file_has_as_many_rows_as_asked_for(tmp_path, rows):
    path = tmp_path / "complaints.csv"
    generator.write_complaints(path, rows=rows, seed=0)
    with path.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == rows


def test_records_end_with_a_line_feed_alone(tmp_path):
    path = tmp_path / "complaints.csv"
    generator.write_complaints(path, rows=300, seed=0)
    content = path.read_bytes()
    assert content.startswith(",".join(features.COLUMNS).encode() + b"\n")
    assert content.endswith((b",0\n", b",1\n"))
    assert not re.search(rb",(Yes|No),[01]\r\n", content)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(rows):
        tracemalloc.start()
        try:
            generator.write_complaints(tmp_path / "complaints.csv", rows=rows, seed=0)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)  # fills the tables that stay
    assert peak(20_000) < 1.3 * peak(2_000)


def test_progress_is_told_every_thousand_rows_and_at_the_end(tmp_path):
    told = []
    generator.write_complaints(
        tmp_path / "complaints.csv", rows=2_500, seed=0, on_progress=told.append
    )
    assert told == [1_000, 2_000, 2_500]


# The columns


def test_sub_products_issues_and_sub_issues_belong_to_their_parents(table):
    products = {product.name: product for product in vocabulary.PRODUCTS}
    for row in table:
        product = products[row["product"]]
        assert row["sub_product"] in {"", *dict(product.sub_products)}
        issues = {issue.name: dict(issue.sub_issues) for issue in product.issues}
        assert row["sub_issue"] in {"", *issues[row["issue"]]}


@pytest.mark.parametrize(
    ("column", "allowed"),
    [
        ("company", {name for terms in companies.COMPANIES.values() for name, _ in terms}),
        ("state", {"", *(state.code for state in places.STATES)}),
        ("company_response", set(dict(vocabulary.COMPANY_RESPONSES))),
        ("timely_response", {"Yes", "No"}),
        (features.LABEL_KEY, {"0", "1"}),
    ],
)
def test_values_come_from_the_vocabulary(table, column, allowed):
    assert {row[column] for row in table} <= allowed


@pytest.mark.parametrize("column", ["product", "company_response"])
def test_every_frequent_term_turns_up(table, column):
    seen = {row[column] for row in table}
    expected = {
        "product": {product.name for product in vocabulary.PRODUCTS if product.weight > 2},
        "company_response": set(dict(vocabulary.COMPANY_RESPONSES)),
    }
    assert seen >= expected[column]


def test_vocabularies_fit_the_models(table):
    for column, size in features.VOCABULARY_SIZES.items():
        assert len({row[column] for row in table}) <= size


def test_few_companies_take_most_complaints(table):
    counts = collections.Counter(row["company"] for row in table)
    assert len(counts) > 150
    top_ten = sum(count for _, count in counts.most_common(10))
    assert 0.45 < top_ten / len(table) < 0.75


def test_company_names_hold_what_trips_careless_readers(table):
    names = {row["company"] for row in table}
    for mark in (",", "&", '"', "\u00a0", "\u00e9"):
        assert any(mark in name for name in names), repr(mark)


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("sub_product", 0.2, 0.32),
        ("sub_issue", 0.45, 0.6),
        (features.NARRATIVE_KEY, 0.37, 0.43),
        ("state", 0.005, 0.015),
        (features.ZIP_CODE_KEY, 0.008, 0.022),
        ("product", 0, 0),
        ("issue", 0, 0),
        ("company", 0, 0),
        ("company_response", 0, 0),
    ],
)
def test_values_are_missing_as_often_as_in_reality(table, column, low, high):
    assert low <= share(table, lambda row: row[column] == "") <= high


def test_an_untimely_response_is_not_timely(table):
    late = [row for row in table if row["company_response"] == vocabulary.UNTIMELY_RESPONSE]
    assert late
    assert {row["timely_response"] for row in late} == {"No"}


def test_zip_code_lies_in_the_state(table):
    prefixes = {state.code: set(state.zip_prefixes()) for state in places.STATES}
    for row in table:
        zip_code = row[features.ZIP_CODE_KEY]
        if zip_code in {"", "XXXXX"}:
            continue
        whole = zip_code.zfill(5) if len(zip_code) == 4 else zip_code
        assert whole[:3] in prefixes[row["state"]], row


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        ("99999", 0.8, 0.95),
        ("999XX", 0.03, 0.1),
        ("9999", 0.01, 0.06),
        ("999", 0.005, 0.03),
        ("XXXXX", 0.002, 0.02),
    ],
)
def test_zip_codes_have_the_forms_of_the_real_ones(table, form, low, high):
    def form_of(row):
        return "".join("9" if c.isdigit() else c for c in row[features.ZIP_CODE_KEY])

    assert low <= share(table, lambda row: form_of(row) == form) <= high


# The narratives


def test_narratives_are_one_to_twenty_thousand_characters(texts):
    lengths = list(map(len, texts))
    assert min(lengths) >= 1
    assert max(lengths) <= narratives.MAX_LENGTH
    assert 800 <= statistics.median(lengths) <= 1_200
    assert sum(length > 4_000 for length in lengths) > 0.01 * len(lengths)


def compose(first_draw):
    """One narrative whose length is drawn as ``first_draw``."""
    draw = itertools.chain([first_draw], iter(random.Random(0).random, None)).__next__
    return narratives.compose("Mortgage", "Other", "Ocwen", draw).text


def test_longest_narrative_is_cut_at_the_limit():
    assert len(compose(1 - 2**-53)) == narratives.MAX_LENGTH


def test_shortest_narrative_is_shorter_than_a_sentence():
    assert 1 <= len(compose(0.0)) < 30


@pytest.mark.parametrize(
    ("mark", "low", "high"),
    [
        ("\n", 0.33, 0.45),
        ("\n\n", 0.08, 0.25),
        ("\r\n", 0.05, 0.2),
        ('"', 0.1, 0.5),
        (",", 0.8, 1),
        ("'", 0.4, 0.9),
        ("\u2019", 0.02, 0.2),
        ("\u00a0", 0.01, 0.1),
        ("\u00a7", 0.01, 0.3),
        ("\u201c", 0.005, 0.2),
        ("\u2014", 0.005, 0.2),
        ("\u00f1", 0.005, 0.2),
        ("\u00e9", 0.005, 0.2),
        ("XXXX", 0.8, 1),
        ("XX/XX/XXXX", 0.5, 1),
        ("{$", 0.5, 1),
    ],
)
def test_narratives_hold_the_marks_of_real_ones(texts, mark, low, high):
    assert low <= share(texts, lambda text: mark in text) <= high


def test_no_slot_is_left_unfilled(texts):
    assert not [text for text in texts if narratives._SLOT.search(text)]


def test_carriage_returns_come_only_before_line_feeds(texts):
    # The csv module quotes a lone carriage return in some versions of Python only.
    assert all(text.count("\r") == text.count("\r\n") for text in texts)


@pytest.mark.parametrize("product", vocabulary.PRODUCTS, ids=lambda product: product.name)
def test_every_product_and_issue_has_a_narrative(product):
    draw = random.Random(0).random
    for issue in product.issues:
        assert narratives.compose(product.name, issue.name, "Ocwen", draw).text


def words(text):
    return set(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize(
    "cue", phrases.FIRM_CUES + phrases.CALM_CUES, ids=lambda cue: cue.sentences[0]
)
def test_cue_has_a_word_of_its_own(cue):
    # Given every other phrase that a narrative may hold
    others = [c for c in phrases.FIRM_CUES + phrases.CALM_CUES if c is not cue]
    phrase_lists = [other.sentences for other in others]
    phrase_lists += [theme.sentences for theme in phrases.THEMES]
    phrase_lists += [*phrases.BY_PRODUCT.values(), phrases.COMMON, phrases.RARE, phrases.TINY]
    elsewhere = words(" ".join(itertools.chain.from_iterable(phrase_lists)))
    # Then a bag of words can tell the cue apart, whichever way it is said
    assert set.intersection(*map(words, cue.sentences)) - elsewhere


# The label


def test_one_complaint_in_five_is_disputed(table):
    assert 0.19 <= share(table, lambda row: row[features.LABEL_KEY] == "1") <= 0.22


def rank_auc(scores, labels):
    """The share of (disputed, undisputed) pairs that the scores put in order."""
    undisputed = sorted(score for score, label in zip(scores, labels, strict=True) if not label)
    disputed = [score for score, label in zip(scores, labels, strict=True) if label]
    won = sum(
        bisect.bisect_left(undisputed, score) + bisect.bisect_right(undisputed, score)
        for score in disputed
    )
    return won / (2 * len(disputed) * len(undisputed))


@pytest.fixture(scope="module")
def drawn():
    """Complaints with the probability their label was drawn with, and the label."""
    complaints = itertools.islice(generator._complaints(SEED), ROWS)
    return [(complaint.probability, complaint.fields[-1] == "1") for complaint in complaints]


def test_no_model_can_score_better_than_the_noise_allows(drawn):
    probabilities, labels = zip(*drawn, strict=True)
    assert 0.77 <= rank_auc(probabilities, labels) <= 0.80


def test_labels_follow_their_probabilities(drawn):
    # Given complaints in ten groups of rising probability
    size = ROWS // 10
    ordered = sorted(drawn)
    groups = [ordered[start : start + size] for start in range(0, ROWS, size)]
    # Then each group is disputed as often as its probabilities say
    for group in groups:
        expected = statistics.mean(probability for probability, _ in group)
        assert share(group, lambda pair: pair[1]) == pytest.approx(expected, abs=0.05)


def test_label_leans_on_the_narratives_wording(table):
    with_word = {
        word: [row for row in table if word in row[features.NARRATIVE_KEY].lower()]
        for word in ("unacceptable", "appreciate")
    }
    rates = {
        word: share(rows, lambda row: row[features.LABEL_KEY] == "1")
        for word, rows in with_word.items()
    }
    assert rates["unacceptable"] > rates["appreciate"] + 0.15


# Errors: one line, the path or value, the mend


def assert_one_line(caught, *parts):
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("rows", [0, -3])
def test_too_few_rows_are_refused(tmp_path, rows):
    with pytest.raises(errors.InputDataError) as caught:
        generator.write_complaints(tmp_path / "complaints.csv", rows=rows, seed=0)
    assert_one_line(caught, f"rows is {rows}", "at least 1")
    assert not list(tmp_path.iterdir())


def test_negative_seed_is_refused(tmp_path):
    with pytest.raises(errors.InputDataError) as caught:
        generator.write_complaints(tmp_path / "complaints.csv", rows=1, seed=-1)
    assert_one_line(caught, "seed is -1", "0 or a positive")
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_refused(tmp_path):
    path = tmp_path / "absent" / "complaints.csv"
    with pytest.raises(errors.InputDataError) as caught:
        generator.write_complaints(path, rows=1, seed=0)
    assert_one_line(caught, str(path), "does not exist", "create it")


def test_folder_in_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(errors.InputDataError) as caught:
        generator.write_complaints(tmp_path, rows=1, seed=0)
    assert_one_line(caught, str(tmp_path), "it is a folder")


def test_folder_that_is_not_writable_is_refused():
    # Given a read-only folder, and a user whom that stops (root it does not)
    code = """
import os, pathlib, sys
from components import errors
from data import generator
if os.geteuid() == 0:
    os.setuid(65534)
try:
    generator.write_complaints(pathlib.Path(sys.argv[1]), rows=1, seed=0)
except errors.InputDataError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o555)
        path = pathlib.Path(folder, "complaints.csv")
        # When that user writes there
        message = run_child(code, path)
    # Then the one line names the file and the mend
    assert message.count("\n") == 1
    assert str(path) in message
    assert "make the folder writable" in message


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_full_disk_is_named_and_leaves_nothing(tmp_path):
    # Given a file beside the target whose every write fails for want of space
    path = tmp_path / "complaints.csv"
    (tmp_path / f".complaints.csv.{os.getpid()}.partial").symlink_to("/dev/full")
    # When complaints are written
    with pytest.raises(errors.InputDataError) as caught:
        generator.write_complaints(path, rows=500, seed=0)
    # Then the message says so, and the folder is empty
    assert_one_line(caught, str(path), "No space left", "free some space")
    assert not list(tmp_path.iterdir())


# Interruption


def interrupt(_):
    raise KeyboardInterrupt


def test_interrupt_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        generator.write_complaints(
            tmp_path / "complaints.csv", rows=3_000, seed=0, on_progress=interrupt
        )
    assert not list(tmp_path.iterdir())


def test_interrupt_keeps_the_older_file(tmp_path):
    path = tmp_path / "complaints.csv"
    path.write_text("older", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        generator.write_complaints(path, rows=3_000, seed=0, on_progress=interrupt)
    assert path.read_text(encoding="utf-8") == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_error_of_the_progress_callback_stays_its_own(tmp_path):
    def fail(_):
        raise BrokenPipeError("standard output is closed")

    with pytest.raises(BrokenPipeError):
        generator.write_complaints(tmp_path / "complaints.csv", rows=10, seed=0, on_progress=fail)
    assert not list(tmp_path.iterdir())


def test_what_is_not_a_file_is_not_replaced(tmp_path: pathlib.Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)

    with pytest.raises(errors.InputDataError, match="is there and is not a file"):
        generator.write_complaints(pipe, rows=1, seed=1)

    assert pipe.is_fifo()
