"""Preprocessing on the values that real complaints hold."""

from typing import Any

import pytest

from components import features
from components.features import MISSING_ZIP_ID, transformed_name

pytestmark = pytest.mark.whole


def test_zip_codes_become_the_number_of_their_first_three_digits() -> None:
    from components.preprocessing import zip_prefix_ids

    expected = {
        "33510": 335,
        "335XX": 335,
        "335xx": 335,
        "335**": 335,
        "945": 945,
        " 94510 ": 945,
        "08540": 85,
        "8540": 85,
        "8540-1234": 85,
        "08540-1234": 85,
        "085401234": 85,
        "00501": 5,
        "00000": 0,
        "": MISSING_ZIP_ID,
        "XXXXX": MISSING_ZIP_ID,
        "12": MISSING_ZIP_ID,
        "33510.0": MISSING_ZIP_ID,
        "K1A 0B1": MISSING_ZIP_ID,
        "\uff11\uff12\uff13\uff14\uff15": MISSING_ZIP_ID,
        "N/A": MISSING_ZIP_ID,
    }

    assert dict(zip(expected, zip_prefix_ids(list(expected)).numpy(), strict=True)) == expected


def test_a_narrative_becomes_words_without_redactions_amounts_and_punctuation() -> None:
    from components.preprocessing import normalized_narrative

    expected = {
        "On XX/XX/2015 XXXX XXXX took {$1200.00} !": "on redacted redacted took amount",
        "XX/XX/XXXX": "redacted",
        "Acct XXXX-XXXX, paid $5.50.": "acct redacted paid amount",
        "I didn't, I did n't; “no”": "i didnt i did nt no",
        "ÉCOLE\u00a0Straße 日本 é": "école straße 日本 é",
        "line\r\n\r\nbreak\ttab": "line break tab",
        "Exxon maxx xx-large": "exxon maxx redacted large",
        "  ": "",
        "": "",
    }

    found = [text.decode() for text in normalized_narrative(list(expected)).numpy()]

    assert dict(zip(expected, found, strict=True)) == expected


def test_a_narrative_of_20000_characters_is_cut() -> None:
    from components.preprocessing import normalized_narrative, token_ids

    words = " ".join(map(str, range(7_000)))

    ids = token_ids(normalized_narrative([words, "été" * 7_000, ""]))

    assert ids.dense_shape.numpy().tolist() == [3, features.MAX_NARRATIVE_TOKENS]
    assert ids.indices.numpy()[-1].tolist() == [1, 0]


def test_token_ids_leave_zero_for_padding_and_are_stable() -> None:
    from components.preprocessing import token_ids

    ids = token_ids([" ".join(map(str, range(300)))]).values.numpy()

    assert ids.min() >= 1
    assert ids.max() < features.TOKEN_BUCKETS
    # FarmHash, as serving in another process and another TensorFlow must compute it.
    assert token_ids(["no refund yet"]).values.numpy().tolist() == [6917, 3414, 3729]


def test_a_word_of_a_narrative_counts_once() -> None:
    import tensorflow as tf

    from components.preprocessing import token_ids

    ids = token_ids(["no refund no", "", "yet no refund yet", "no"])

    no, refund, yet = token_ids(["no refund yet"]).values.numpy().tolist()
    assert tf.sparse.to_dense(ids).numpy().tolist() == [
        [no, refund, 0],
        [0, 0, 0],
        [yet, no, refund],
        [no, 0, 0],
    ]


def test_bytes_that_are_not_utf8_do_not_fail_a_prediction() -> None:
    from components.preprocessing import length_ids, normalized_narrative, token_ids

    narrative = normalized_narrative([b"caf\xe9 closed"])

    assert token_ids(narrative).values.shape[0] > 0
    assert length_ids(narrative).numpy()[0] > 0


def test_length_ids_double_with_each_step() -> None:
    from components.preprocessing import length_ids

    texts = ["", "a", "ab", "abc", "a" * 4, "a" * 1023, "a" * 1024, "a" * 10**6]

    assert length_ids(texts).numpy().tolist() == [0, 1, 2, 2, 3, 10, 11, 15]


def test_the_transform_graph_numbers_known_unknown_and_missing_values(transformed: Any) -> None:
    import tensorflow as tf
    import tensorflow_transform as tft

    output = tft.TFTransformOutput(transformed.graph)
    raw = {
        "product": tf.constant([["MORTGAGE "], [" credit\u00a0 card"], ["Never seen"]]),
        "company": tf.sparse.from_dense([["Bank 1"], [""], ["Mortgage"]]),
        "zip_code": tf.sparse.from_dense([["335XX"], [""], [""]]),
    }

    # Serving gives the graph every column of the schema.
    raw |= {
        column: tf.sparse.from_dense([[""]] * 3)
        for column in features.TEXT_COLUMNS
        if column not in raw and column in output.raw_feature_spec()
    }

    ids = output.transform_raw_features(raw)

    zip_codes = ids[transformed_name(features.ZIP_CODE_KEY)].numpy().ravel().tolist()
    assert zip_codes == [335, MISSING_ZIP_ID, MISSING_ZIP_ID]
    categories = ids[transformed_name(features.CATEGORIES_KEY)].numpy()
    columns = list(features.VOCABULARY_SIZES)
    products = categories[:, columns.index("product")].tolist()
    companies = categories[:, columns.index("company")].tolist()
    vocabulary = output.vocabulary_by_name(features.CATEGORIES_KEY)
    known = [vocabulary[index].decode() for index in (*products[:2], companies[0])]
    assert known == ["product=mortgage", "product=credit card", "company=bank 1"]
    unknown = range(len(vocabulary), len(vocabulary) + features.OUT_OF_VOCABULARY_BUCKETS)
    assert products[2] in unknown
    # A company by a product's name is still a company that was never seen.
    assert companies[2] in unknown
    assert companies[1] == features.MISSING_CATEGORY_ID
    assert (categories[:, columns.index("sub_issue")] == features.MISSING_CATEGORY_ID).all()


def test_every_feature_of_the_model_is_transformed(transformed: Any) -> None:
    import tensorflow_transform as tft

    from components.model import ID_FEATURES

    spec = tft.TFTransformOutput(transformed.graph).transformed_feature_spec()

    keys = {*ID_FEATURES, features.NARRATIVE_KEY, features.LABEL_KEY}
    assert set(spec) == {transformed_name(key) for key in keys}
    for key, (columns, _) in ID_FEATURES.items():
        assert spec[transformed_name(key)].shape == [columns]
