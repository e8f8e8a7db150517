"""Ways of calling the API: page by page, and safely more than once."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError

_PAGE_SIZE = 100

_Found = TypeVar("_Found")


def pages(call: Callable[..., Any], items: str, **options: Any) -> Iterator[Any]:
    """Yields what a listing call returns, page by page.

    Args:
        call: The call, such as ``client.runs.list_runs``.
        items: The attribute of its answer that holds the items.
        options: What the call takes besides the page.
    """
    token = ""
    while True:
        answer = call(page_token=token, page_size=_PAGE_SIZE, **options)
        yield from getattr(answer, items) or []
        token = answer.next_page_token or ""
        if not token:
            return


def of_namespace(client: Any) -> dict[str, str]:
    """Returns the options of a listing call for the user's namespace; none for a single user."""
    namespace = client.get_user_namespace()
    if not namespace:
        return {}
    return {"resource_reference_key_type": "NAMESPACE", "resource_reference_key_id": namespace}


def name_is(name: str) -> str:
    """Returns the filter for an exact name, as in KFP's filter.proto."""
    return json.dumps({"predicates": [{"op": 1, "key": "name", "stringValue": name}]})


def create_once(
    find: Callable[[], _Found | None], create: Callable[[], _Found], connection: Connection
) -> tuple[_Found, bool]:
    """Creates something, and does not create it twice where an answer gets lost.

    Args:
        find: Returns what is to be created if it is there.
        create: Creates it.
        connection: How often to try, and how long to wait in between.

    Returns:
        What is there now, and whether it was created.

    Raises:
        ClusterError: If it is refused, or every answer was lost.
    """
    found = find()
    if found is not None:
        return found, False
    for attempt in range(1, connection.attempts + 1):
        try:
            return create(), True
        except ClusterError as error:
            if not error.is_lost:
                raise
            lost = error
        time.sleep(min(connection.backoff_seconds * 2 ** (attempt - 1), 20.0))
        found = find()
        if found is not None:
            return found, True
    raise lost
