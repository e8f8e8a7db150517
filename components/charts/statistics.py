"""TFDV's statistics of the data, by split: tables, charts, and the distance between splits."""

from collections.abc import Iterator, Sequence

from components.charts.drift import AT_LEAST, Distance, distances
from components.charts.feature_statistics import (
    FILE_NAME,
    FeatureStatistics,
    NumberStatistics,
    SplitStatistics,
    TextStatistics,
    read_split,
)
from components.charts.files import read_splits
from components.charts.ranking import (
    is_free_text,
    most_different,
    names_by_length,
    names_of,
    names_with_missing,
    top_values,
)
from components.charts.section import Block, Cell, Chart, Note, Section, Table
from components.charts.statistics_figures import (
    FEATURES,
    VALUES,
    distance_figure,
    has_histogram,
    histogram_figure,
    missing_figure,
    text_length_figure,
    top_values_figure,
)
from components.charts.text import (
    counted,
    number_cell,
    number_text,
    percent_cell,
    percent_decimals,
    percent_text,
    short,
)

#: The most splits, features of a table, features with a chart of their own, and values of one.
_SPLITS, _TABLE_FEATURES, _OWN_CHARTS, _TABLE_VALUES = 6, 60, 12, 20

_TITLE_LENGTH = 60

#: Distances that differ by less differ by rounding.
_ROUNDING = 1e-9

_OF_VALUES = "of the examples that have a value"

_CUT_NOTE = (
    "TFDV keeps the 1,000 most frequent values of a split: where there are more, the distance may "
    "only be known to be at least so great, and the share of a value that was not kept is unknown. "
    "ExampleValidator's thresholds are on the distance by TFDV, of shares of the values kept. "
)


def statistics_section(uri: str) -> Section:
    """Returns the statistics of all splits.

    Args:
        uri: The artifact of StatisticsGen.
    """
    found, errors = read_splits(uri, FILE_NAME, read_split)
    blocks: list[Block] = [Note(text=str(error), level="unreadable") for error in errors]
    if len(found) > _SPLITS:
        blocks.append(Note(text=f"Not shown: {counted(len(found) - _SPLITS, 'split')} more."))
    if found:
        blocks += statistics_blocks(list(found.values())[:_SPLITS])
    return Section(id="statistics", title="Statistics of the data", blocks=blocks)


def statistics_blocks(splits: Sequence[SplitStatistics]) -> list[Block]:
    """Returns tables and charts of statistics.

    Args:
        splits: At least one split. The others are compared with the first.
    """
    names = names_of(splits)
    blocks: list[Block] = [_splits_table(splits)]
    blocks += [
        Note(text=f"Split {short(split.name)} has no examples.", level="warning")
        for split in splits
        if not split.examples
    ]
    if not names:
        return [*blocks, Note(text="The data have no features.", level="warning")]
    if len(names) > _TABLE_FEATURES:
        text = f"Tables show the first {_TABLE_FEATURES} of {len(names):,} features."
        blocks.append(Note(text=text))
    measured = {other.name: distances(splits[0], other) for other in splits[1:]}
    everything = [each for found in measured.values() for each in found]
    shown = names[:_TABLE_FEATURES]
    blocks += [_features_table(splits, shown), *_missing_blocks(splits)]
    if not measured:
        blocks.append(Note(text="There is only one split, so there are no distances."))
    for name, found in measured.items():
        blocks += distance_blocks(splits[0].name, name, found)
    blocks += _number_blocks(splits, shown, everything)
    blocks += _text_blocks(splits, shown, everything)
    return blocks


def distance_blocks(one: str, other: str, found: Sequence[Distance]) -> list[Block]:
    """Returns the distances of features between two splits as a chart and a table.

    Args:
        one: Name of a split.
        other: Name of another.
        found: The distances, the greatest first.
    """
    one, other = short(one, _TITLE_LENGTH), short(other, _TITLE_LENGTH)
    if not found:
        return [Note(text=f"No feature can be compared between {one} and {other}.")]
    first = found[0]
    has_cut = any(abs(each.by_tfdv - each.value) > _ROUNDING for each in found)
    shares = [f"its share in {one}, %", f"its share in {other}, %"]
    return [
        Chart(
            title=f"Distance between {one} and {other}",
            figure=distance_figure(found),
            description=f"{short(first.feature)} differs most between {one} and {other}: "
            f"{first.measure} distance {_worded(first)}, where 0 is alike and 1 is the "
            f"most.{_drawn(len(found), FEATURES, 'features that differ most')}",
        ),
        Table(
            title=f"Distance between {one} and {other}, by feature",
            columns=[
                "feature",
                "measure",
                "distance",
                "accuracy",
                *(["distance by TFDV"] if has_cut else []),
                "value that differs most",
                *shares,
            ],
            decimals=percent_decimals(shares),
            rows=[_distance_row(each, with_tfdv=has_cut) for each in found[:_TABLE_FEATURES]],
            note="L-infinity is the greatest difference between the shares of a value; shares are "
            f"{_OF_VALUES}. {_CUT_NOTE if has_cut else ''}The Jensen-Shannon divergence is "
            "estimated from TFDV's histograms of ten buckets. A small split differs by "
            f"chance alone.{_drawn(len(found), _TABLE_FEATURES, 'features that differ most')}",
        ),
    ]


def _splits_table(splits: Sequence[SplitStatistics]) -> Table:
    return Table(
        title="Splits",
        columns=["split", "examples", "features"],
        rows=[[short(split.name), split.examples, len(split.features)] for split in splits],
    )


def _features_table(splits: Sequence[SplitStatistics], names: Sequence[str]) -> Table:
    rows: list[list[Cell]] = []
    is_exact = True
    for name, split, feature in _each(splits, names):
        is_exact = is_exact and feature.missing_is_exact
        rows.append(
            [
                short(name),
                feature.type,
                short(split.name),
                feature.examples,
                feature.missing,
                percent_cell(feature.missing_share),
                feature.values,
                feature.text.unique if feature.text else None,
            ]
        )
    note = "Missing: examples without the feature, and examples with no value in it."
    if not is_exact:
        note += " Where an example can have several values, TFDV counts only the former."
    return Table(
        title="Features",
        columns=[
            "feature",
            "type",
            "split",
            "examples",
            "missing",
            "missing, %",
            "values",
            "unique",
        ],
        rows=rows,
        note=note,
        decimals=percent_decimals(["missing, %"]),
    )


def _missing_blocks(splits: Sequence[SplitStatistics]) -> list[Block]:
    if not any(split.examples for split in splits):
        return []
    names = names_with_missing(splits)
    if not names:
        return [Note(text="No feature misses a value.", level="good")]
    shares = ", ".join(
        f"{percent_text(share)} in {short(split.name)}"
        for split in splits
        if (share := split.missing_share(names[0])) is not None
    )
    return [
        Chart(
            title="Missing values",
            figure=missing_figure(splits),
            description=f"Of {counted(len(names_of(splits)), 'feature')}, {len(names):,} "
            f"{'misses' if len(names) == 1 else 'miss'} values; most of all {short(names[0])}: "
            f"{shares}.{_drawn(len(names), FEATURES, 'features that miss most')}",
        )
    ]


def _worded(distance: Distance) -> str:
    words = "at least " if distance.accuracy == AT_LEAST else ""
    return f"{words}{number_text(distance.value)}"


def _distance_row(each: Distance, *, with_tfdv: bool) -> list[Cell]:
    shares = [percent_cell(share) for share in each.shares or (None, None)]
    return [
        short(each.feature),
        each.measure,
        each.value,
        each.accuracy,
        *([each.by_tfdv] if with_tfdv else []),
        short(each.most_different, _TITLE_LENGTH) if each.shares else None,
        *shares,
    ]


def _number_blocks(
    splits: Sequence[SplitStatistics], names: Sequence[str], measured: Sequence[Distance]
) -> list[Block]:
    rows: list[list[Cell]] = []
    for name, split, feature in _each(splits, names):
        if feature.number:
            rows.append([short(name), short(split.name), *_number_cells(feature, feature.number)])
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                title="Features of numbers",
                columns=[
                    "feature",
                    "split",
                    "minimum",
                    "10%",
                    "median",
                    "90%",
                    "maximum",
                    "mean",
                    "standard deviation",
                    "zeros, %",
                    "NaN",
                ],
                decimals=percent_decimals(["zeros, %"]),
                rows=rows,
                note="TFDV estimates the median and the quantiles of 10% and 90%.",
            )
        )
    drawn = [
        name for name in names_of(splits) if any(has_histogram(split, name) for split in splits)
    ]
    for name in most_different(drawn, measured, _OWN_CHARTS):
        blocks.append(
            Chart(
                title=f"Histogram of {short(name, _TITLE_LENGTH)}",
                figure=histogram_figure(splits, name),
                description=_histogram_description(splits, name),
            )
        )
    return [*blocks, *_charts_left_out(len(drawn), "The histograms")]


def _number_cells(feature: FeatureStatistics, number: NumberStatistics) -> list[Cell]:
    return [
        number_cell(number.minimum),
        number_cell(number.quantile(0.1)),
        number_cell(number.median),
        number_cell(number.quantile(0.9)),
        number_cell(number.maximum),
        number_cell(number.mean),
        number_cell(number.std_dev),
        percent_cell(number.zeros / feature.values),
        number.not_numbers,
    ]


def _histogram_description(splits: Sequence[SplitStatistics], name: str) -> str:
    described = [
        f"{short(split.name)} from {number_text(number.minimum)} to "
        f"{number_text(number.maximum)}, mean {number_text(number.mean)}"
        for split in splits
        if (number := split.number(name)) is not None
    ]
    return f"{'; '.join(described)}. Counts are estimated from TFDV's buckets."


def _text_blocks(
    splits: Sequence[SplitStatistics], names: Sequence[str], measured: Sequence[Distance]
) -> list[Block]:
    blocks: list[Block] = []
    if table := _texts_table(splits, names):
        blocks.append(table)
    if by_length := names_by_length(splits):
        blocks.append(_length_chart(splits, by_length))
    with_values = [name for name in names_of(splits) if top_values(splits, name)]
    free = [name for name in with_values if is_free_text(splits, name)]
    categorical = [name for name in with_values if name not in free]
    for name in most_different(categorical, measured, _OWN_CHARTS):
        blocks += _top_value_blocks(splits, name)
    if free:
        listed = ", ".join(short(name, _TITLE_LENGTH) for name in free[:FEATURES])
        more = f" and {len(free) - FEATURES:,} more" if len(free) > FEATURES else ""
        blocks.append(
            Note(
                text="Most values are different, so the most frequent ones are not drawn: "
                f"{listed}{more}."
            )
        )
    return [*blocks, *_charts_left_out(len(categorical), "The most frequent values")]


def _texts_table(splits: Sequence[SplitStatistics], names: Sequence[str]) -> Table | None:
    texts = [
        (name, split, feature, feature.text)
        for name, split, feature in _each(splits, names)
        if feature.text
    ]
    if not texts:
        return None
    note = f"Shares are {_OF_VALUES}. Lengths are in bytes of UTF-8."
    columns = [
        "feature",
        "split",
        "unique",
        "most frequent value",
        "its count",
        "its share, %",
        "not UTF-8",
        "mean length",
    ]
    rows = [
        [short(name), short(split.name), *_text_cells(feature, text)]
        for name, split, feature, text in texts
    ]
    if any(text.maximum_length is not None for *_, text in texts):
        columns += ["shortest", "longest"]
        for row, (*_, text) in zip(rows, texts, strict=True):
            row += [number_cell(text.minimum_length), number_cell(text.maximum_length)]
    else:
        note += " Of texts, TFDV keeps the mean length only."
    return Table(
        title="Features of texts",
        columns=columns,
        rows=rows,
        note=note,
        decimals={**percent_decimals(columns), "mean length": 1},
    )


def _text_cells(feature: FeatureStatistics, text: TextStatistics) -> list[Cell]:
    top: list[Cell] = [None, None, None]
    if text.top_values:
        value, count = text.top_values[0]
        top = [short(value), number_cell(count), percent_cell(count / feature.values)]
    return [text.unique, *top, text.invalid, text.average_length]


def _length_chart(splits: Sequence[SplitStatistics], names: Sequence[str]) -> Chart:
    longest = ", ".join(
        f"{number_text(length)} bytes in {short(split.name)}"
        for split in splits
        if (length := split.average_length(names[0])) is not None
    )
    return Chart(
        title="Mean length of texts",
        figure=text_length_figure(splits),
        description=f"The longest texts are those of {short(names[0])}: {longest}."
        f"{_drawn(len(names), FEATURES, 'features with the longest texts')}",
    )


def _top_value_blocks(splits: Sequence[SplitStatistics], name: str) -> list[Block]:
    values = top_values(splits, name)
    title = f"Most frequent values of {short(name, _TITLE_LENGTH)}"
    first = ", ".join(
        f"{percent_text(share)} in {short(split.name)}"
        for split in splits
        if (share := split.value_share(name, values[0])) is not None
    )
    unique = "; ".join(
        f"{counted(text.unique, 'different value')} in {short(split.name)}"
        for split in splits
        if (text := split.text(name)) is not None
    )
    columns = ["value"]
    for split in splits:
        columns += [short(split.name, _TITLE_LENGTH), f"{short(split.name, _TITLE_LENGTH)}, %"]
    rows: list[list[Cell]] = []
    for value in values[:_TABLE_VALUES]:
        row: list[Cell] = [short(value)]
        for split in splits:
            row.append(number_cell(split.value_count(name, value)))
            row.append(percent_cell(split.value_share(name, value)))
        rows.append(row)
    return [
        Chart(
            title=title,
            figure=top_values_figure(splits, name),
            description=f"{short(values[0])} is the most frequent value: {first}, "
            f"{_OF_VALUES}."
            f"{_drawn(len(values), VALUES, 'most frequent values')}",
        ),
        Table(
            title=f"{title}, as counts",
            columns=columns,
            rows=rows,
            decimals=percent_decimals(columns),
            note=f"{unique}. Shares are {_OF_VALUES}."
            f"{_drawn(len(values), _TABLE_VALUES, 'most frequent values')}",
        ),
    ]


def _each(
    splits: Sequence[SplitStatistics], names: Sequence[str]
) -> Iterator[tuple[str, SplitStatistics, FeatureStatistics]]:
    for name in names:
        for split in splits:
            if name in split.features:
                yield name, split, split.features[name]


def _charts_left_out(number: int, what: str) -> list[Block]:
    if number <= _OWN_CHARTS:
        return []
    text = f"{what} of {_OWN_CHARTS} features of {number:,} are drawn: those that differ most."
    return [Note(text=text)]


def _drawn(number: int, limit: int, what: str) -> str:
    """Returns what was left out where not all of so many things have room."""
    return f" Only the {limit} {what} are shown." if number > limit else ""
