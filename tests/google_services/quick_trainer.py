"""The Trainer's executor, which waits for seconds only, as a test does."""

from components import google_cloud_trainer


class Executor(google_cloud_trainer.Executor):
    """The same but for its times."""

    POLL_SECONDS = 0.05
    PATIENCE_SECONDS = 1.0
