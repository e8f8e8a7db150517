"""The columns of a consumer complaint: names, kinds, id ranges and the label.

One home for all that ExampleGen, Transform and Trainer must agree on. It imports nothing, so
that the data tools and the command line can read it without TensorFlow.
"""

import types
from collections.abc import Mapping

LABEL_KEY = "consumer_disputed"
NARRATIVE_KEY = "consumer_complaint_narrative"
ZIP_CODE_KEY = "zip_code"
COMPLAINT_ID_KEY = "complaint_id"

#: Made by Transform from the narrative: how long it is, on a logarithmic scale.
NARRATIVE_LENGTH_KEY = "narrative_length"

#: The categorical columns, and how many of each one's values the vocabulary has room for.
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

#: The transformed feature that holds the ids of all categorical columns, in that order.
CATEGORIES_KEY = "categories"

#: The most frequent values that the vocabulary, one for all categorical columns, keeps.
VOCABULARY_SIZE = sum(VOCABULARY_SIZES.values())

#: Hash buckets for values outside the vocabulary.
OUT_OF_VOCABULARY_BUCKETS = 8

#: The id of a missing value, after the vocabulary and the hash buckets.
MISSING_CATEGORY_ID = VOCABULARY_SIZE + OUT_OF_VOCABULARY_BUCKETS

#: The first three digits of a ZIP code name a sectional center: 000 to 999.
ZIP_PREFIX_LENGTH = 3

#: The id of a ZIP code that is missing or redacted, after the prefixes.
MISSING_ZIP_ID = 10**ZIP_PREFIX_LENGTH

#: Ids of the narrative's words; id 0 is left for padding.
TOKEN_BUCKETS = 2**14

#: A narrative counts up to here, in characters and then in distinct words. The longest complaints
#: run to tens of thousands of characters, and one of them would set the size of its whole batch.
MAX_NARRATIVE_CHARACTERS = 4_000
MAX_NARRATIVE_TOKENS = 400

#: Ids of the narrative's length: 0 for none, then one for each power of two of its bytes.
NARRATIVE_LENGTH_BUCKETS = 16

#: The columns whose values an evaluation tells apart.
SLICE_KEYS = ("product", "state", "company_response")

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

#: Other columns of published complaints, which may be in a file and are no part of the examples.
UNREAD_COLUMNS: tuple[str, ...] = (
    "date_received",
    "date_sent_to_company",
    "company_public_response",
    "tags",
    "consumer_consent_provided",
    "submitted_via",
    COMPLAINT_ID_KEY,
)

#: The columns that are text: every one but the label, which is 0 or 1.
TEXT_COLUMNS: tuple[str, ...] = tuple(column for column in COLUMNS if column != LABEL_KEY)


#: The only split of the examples that a model was asked about; they have no label.
SERVING_SPLIT = "serving"


def transformed_name(key: str) -> str:
    """Returns the name of the transformed feature that comes from column ``key``."""
    return f"{key}_xf"
