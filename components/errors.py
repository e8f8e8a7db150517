"""The project's errors.

PipelineError
├── InputDataError      a CSV file, a row or a column that the pipeline cannot take
├── SettingsError       a setting, or a combination of settings, that is not valid
├── WorkflowError       a compiled workflow that is broken or cannot be honoured
├── MetadataError       a metadata store that cannot be reached or does not fit
└── RunError            a run that failed, was interrupted or cannot be found

Library code raises one of these with a message of one line that names the file, row or key
and the mend. The command line prints that line and exits with status 1.
"""


class PipelineError(Exception):
    """Base of every error that the project raises for its users."""


class InputDataError(PipelineError):
    """A CSV file, a row or a column that the pipeline cannot take."""


class SettingsError(PipelineError):
    """A setting, or a combination of settings, that is not valid."""


class WorkflowError(PipelineError):
    """A compiled workflow that is broken or cannot be honoured."""


class MetadataError(PipelineError):
    """A metadata store that cannot be reached or does not fit."""


class RunError(PipelineError):
    """A run that failed, was interrupted or cannot be found."""
