"""Reads on in the log of a local step while the step runs."""

from components.errors import RunError
from orchestration.local.run_record import RunFolder
from orchestration.log_following import LogLook
from orchestration.run_view import UNFINISHED


class FollowedLog:
    """The log of a step, of all attempts: each one appends to it."""

    def __init__(self, folder: RunFolder, step: str) -> None:
        """Takes the run's folder, and the name of one of its steps."""
        self._folder = folder
        self._step = step
        self._offset = 0

    def look(self) -> LogLook:
        """Reads what has been logged since the last look; a run that has died is over.

        Raises:
            RunError: If the run's record is damaged, or the log cannot be read.
        """
        # The state first: a step that has ended by now has logged all that it ever will.
        record = self._folder.observe()
        step = record.step(self._step)
        return LogLook(
            run=record.id,
            step=step,
            gained=self._read_on(),
            is_over=step.state not in UNFINISHED or record.state not in UNFINISHED,
        )

    def _read_on(self) -> bytes:
        path = self._folder.log(self._step)
        try:
            with path.open("rb") as log:
                if log.seek(0, 2) < self._offset:  # Somebody has emptied it.
                    self._offset = 0
                log.seek(self._offset)
                gained = log.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror}") from error
        self._offset += len(gained)
        return gained
