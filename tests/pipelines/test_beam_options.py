"""Beam's flags, as Beam itself understands them."""

import pytest

from pipelines.beam_options import beam_pipeline_args
from pipelines.settings import BeamSettings


def test_the_default_is_one_process_in_memory() -> None:
    assert beam_pipeline_args(BeamSettings(), "image:1") == [
        "--runner=DirectRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
        "--sdk_container_image=image:1",
    ]


def test_more_options_are_passed_on_after_the_rest() -> None:
    args = beam_pipeline_args(
        BeamSettings(options=("--experiments=a", "--experiments=b")), "image:1"
    )

    assert args[-2:] == ["--experiments=a", "--experiments=b"]


def test_the_flags_are_a_list_of_their_own() -> None:
    # TFX 1.15.1 adds a list to it, which a tuple refuses.
    first, second = (
        beam_pipeline_args(BeamSettings(), "image:1"),
        beam_pipeline_args(BeamSettings(), "image:1"),
    )

    assert isinstance(first, list)
    assert first is not second


@pytest.mark.whole
def test_beam_reads_every_flag() -> None:
    from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

    settings = BeamSettings(running_mode="multi_processing", workers=3)

    options = PipelineOptions(beam_pipeline_args(settings, "image:1"))

    direct = options.view_as(DirectOptions)
    assert options.view_as(StandardOptions).runner == "DirectRunner"
    assert (direct.direct_running_mode, direct.direct_num_workers) == ("multi_processing", 3)
    assert options.get_all_options().get("invalid_options", []) == []
