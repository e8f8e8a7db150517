"""Whether what an artifact stands for is still where ML Metadata says."""

from tfx import types
from tfx.dsl.io import fileio

from components import bucket_check, object_storage
from components.errors import RunError


def is_there(artifact: types.Artifact) -> bool:
    """Looks for the files of an artifact of an earlier run.

    Its bucket may be another than those that this run's parameters name.

    Args:
        artifact: The artifact.

    Returns:
        False where they, or their bucket, have been deleted.

    Raises:
        RunError: If the bucket cannot be asked.
    """
    place = object_storage.location(artifact.uri)
    if place is not None:
        try:
            bucket_check.open_bucket(place)
        except bucket_check.NoBucketError:
            return False
        except RunError as error:
            raise RunError(
                f"{artifact.type_name} {artifact.id} of an earlier run is at {error}; or compile "
                "with another pipeline_name, which begins without earlier runs"
            ) from error
    return bool(fileio.exists(artifact.uri))
