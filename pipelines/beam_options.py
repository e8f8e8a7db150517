"""From the choice of a Beam runner to Beam's flags."""

from pipelines.settings import BeamSettings


def beam_pipeline_args(settings: BeamSettings, image: str) -> list[str]:
    """Returns the flags for Beam.

    Args:
        settings: The choice of runner and its options.
        image: Container image of workers on other machines.

    Returns:
        The flags. A list, because TFX 1.15.1 adds its own list to it.
    """
    # A component of its own has Dataflow's flags, which come after these and win.
    runner = "DirectRunner" if settings.runner == "DataflowRunner" else settings.runner
    return [
        f"--runner={runner}",
        f"--direct_running_mode={settings.running_mode}",
        f"--direct_num_workers={settings.workers}",
        # Without an image for the workers, TFX packs itself into a source distribution for them
        # before each Beam pipeline, whatever the runner.
        f"--sdk_container_image={image}",
        *settings.options,
    ]
