"""Settings of the validation of data."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationSettings:
    """What stops a run before anything is trained.

    Attributes:
        fail_on_anomalies: Stop the run where the data do not fit the schema, before Transform;
            ``false`` only reports it.
        fail_on_drift: Count drift against the previous span, and skew against what the model was
            asked, as such an anomaly; ``false`` only reports them.
    """

    fail_on_anomalies: bool = True
    fail_on_drift: bool = False
