"""The columns of a consumer complaint: names, kinds, vocabulary sizes and the label.

One home for every column name. It imports nothing, so that the data tools and the command
line can read it without TensorFlow.
"""

import types
from collections.abc import Mapping

LABEL_KEY = "consumer_disputed"
NARRATIVE_KEY = "consumer_complaint_narrative"
ZIP_CODE_KEY = "zip_code"

#: The most frequent values that each categorical column keeps in its vocabulary.
VOCABULARY_SIZES: Mapping[str, int] = types.MappingProxyType(
    {
        "product": 32,
        "sub_product": 128,
        "issue": 256,
        "sub_issue": 384,
        "company": 512,
        "state": 64,
        "company_response": 16,
        "timely_response": 4,
    }
)

#: Hash buckets for values outside the vocabulary.
OUT_OF_VOCABULARY_BUCKETS = 4

#: The first three digits of a ZIP code name a sectional center: 000 to 999.
ZIP_PREFIX_LENGTH = 3

#: The CSV header, in order.
COLUMNS: tuple[str, ...] = (
    "product",
    "sub_product",
    "issue",
    "sub_issue",
    NARRATIVE_KEY,
    "company",
    "state",
    ZIP_CODE_KEY,
    "company_response",
    "timely_response",
    LABEL_KEY,
)


def transformed_name(key: str) -> str:
    """Returns the name of the transformed feature that comes from column ``key``."""
    return f"{key}_xf"
