"""Metadata targets: what is taken, what is refused, and that no message shows a password."""

import pathlib

import pytest

from components.errors import MetadataError
from orchestration.metadata_target import GrpcTarget, MetadataTarget, MySqlTarget, SqliteTarget

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sqlite:m.db", SqliteTarget(pathlib.Path("m.db"))),
        ("sqlite:/var/lib/m.db", SqliteTarget(pathlib.Path("/var/lib/m.db"))),
        ("sqlite:../a b/m.db", SqliteTarget(pathlib.Path("../a b/m.db"))),
        ("sqlite:me@home:1/what?.db#2", SqliteTarget(pathlib.Path("me@home:1/what?.db#2"))),
        ("sqlite:größe.db", SqliteTarget(pathlib.Path("größe.db"))),
        ("sqlite:file:m.db", SqliteTarget(pathlib.Path("file:m.db"))),
        ("mysql://u@h/d", MySqlTarget("u", "h", 3306, "d")),
        ("mysql://u@h:3307/d", MySqlTarget("u", "h", 3307, "d")),
        ("mysql://u@h:/d", MySqlTarget("u", "h", 3306, "d")),
        (
            "mysql://u@mysql.kubeflow.svc/ml_$1",
            MySqlTarget("u", "mysql.kubeflow.svc", 3306, "ml_$1"),
        ),
        ("mysql://u@10.0.0.7/d", MySqlTarget("u", "10.0.0.7", 3306, "d")),
        ("mysql://u@[2001:db8::1]/d", MySqlTarget("u", "2001:db8::1", 3306, "d")),
        ("mysql://u@[::1]:3307/d", MySqlTarget("u", "::1", 3307, "d")),
        ("mysql://me%40home%3A%2F%25@h/d", MySqlTarget("me@home:/%", "h", 3306, "d")),
        ("mysql://j%C3%BCrgen@h/d", MySqlTarget("jürgen", "h", 3306, "d")),
        ("grpc://h:8080", GrpcTarget("h", 8080)),
        ("grpc://h:8080/", GrpcTarget("h", 8080)),
        (
            "grpc://metadata-grpc-service.kubeflow:1",
            GrpcTarget("metadata-grpc-service.kubeflow", 1),
        ),
        ("grpc://[::1]:65535", GrpcTarget("::1", 65535)),
    ],
)
def test_reads_a_target_and_writes_it_back(text: str, target: MetadataTarget) -> None:
    read = MetadataTarget.parse(text)

    assert read == target
    assert MetadataTarget.parse(str(read)) == target


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (SqliteTarget(pathlib.Path("/a/m.db")), "sqlite:/a/m.db"),
        (MySqlTarget("me@home:/%", "h", 3306, "d"), "mysql://me%40home%3A%2F%25@h:3306/d"),
        (MySqlTarget("u", "::1", 3307, "d"), "mysql://u@[::1]:3307/d"),
        (GrpcTarget("h", 1), "grpc://h:1"),
        (GrpcTarget("::1", 1), "grpc://[::1]:1"),
    ],
)
def test_text_of_a_target(target: MetadataTarget, text: str) -> None:
    assert str(target) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown form"),
        ("m.db", "unknown form"),
        ("sqlite", "unknown form"),
        ("SQLITE:m.db", "unknown form"),
        ("http://h:1", "unknown form"),
        ("mysql:u@h/d", "unknown form"),
        ("sqlite:", "the path must name a file"),
        ("sqlite:folder/", "the path must name a file"),
        ("sqlite::memory:", "the path must name a file"),
        ("sqlite:.", "the path names no file"),
        ("sqlite:/", "the path must name a file"),
        ("sqlite:///m.db", "straight after the colon"),
        ("sqlite:a\0b", "not printable UTF-8"),
        ("sqlite:a\nb", "not printable UTF-8"),
        ("sqlite:\udcff", "not printable UTF-8"),
        ("mysql://h/d", "the user is missing"),
        ("mysql://@h/d", "the user is missing"),
        ("mysql://u@/d", "the host is missing"),
        ("mysql://u@h", "the database must be"),
        ("mysql://u@h/", "the database must be"),
        ("mysql://u@h/d/e", "the database must be"),
        ("mysql://u@h/1d", "the database must be"),
        ("mysql://u@h/d;drop", "the database must be"),
        ("mysql://u@h/" + "d" * 65, "the database must be"),
        ("mysql://u@h:0/d", "the port must be 1 to 65535"),
        ("mysql://u@h:65536/d", "the port must be 1 to 65535"),
        ("mysql://u@h:x/d", "only a port"),
        ("mysql://u@h:\uff18\uff10/d", "only a port"),
        ("mysql://u@h:-1/d", "only a port"),
        ("mysql://u@::1/d", "only a port"),
        ("mysql://u@[::1]x:1/d", "only a port"),
        ("mysql://u@[::1/d", "cannot be read"),
        ("mysql://u@[::g]/d", "neither a name nor an address"),
        ("mysql://u@a..b/d", "neither a name nor an address"),
        ("mysql://u@" + "a" * 64 + "/d", "neither a name nor an address"),
        ("mysql://u@h,i/d", "neither a name nor an address"),
        ("mysql://u%ff@h/d", "cannot be read"),
        ("mysql://\udcff@h/d", "not printable UTF-8"),
        ("mysql://u@h/d\n", "not printable UTF-8"),
        ("mysql://u@h/d?ssl=1", "nothing may follow ? or #"),
        ("mysql://u@h/d?", "nothing may follow ? or #"),
        ("mysql://u@h/d#e", "nothing may follow ? or #"),
        ("grpc://h", "the port is missing"),
        ("grpc://h:", "the port is missing"),
        ("grpc://:1", "the host is missing"),
        ("grpc://u@h:1", "a gRPC target has no user"),
        ("grpc://h:1/d", "a gRPC target has no path"),
    ],
)
def test_refuses_with_one_line_that_lists_the_forms(text: str, reason: str) -> None:
    with pytest.raises(MetadataError) as caught:
        MetadataTarget.parse(text)

    message = str(caught.value)
    assert reason in message
    assert message.endswith(
        "use sqlite:PATH, mysql://USER@HOST[:PORT]/DATABASE or grpc://HOST:PORT"
    )
    assert "\n" not in message


@pytest.mark.parametrize("user", ["", "\udcff"])
def test_refuses_a_user_that_no_server_can_have(user: str) -> None:
    with pytest.raises(MetadataError, match="the user is"):
        MySqlTarget(user, "h", 3306, "d")


@pytest.mark.parametrize("scheme", ["mysql", "grpc"])
@pytest.mark.parametrize("user_info", [f"u:{SECRET}", f":{SECRET}", f"u%40x:{SECRET}", "u:"])
def test_a_password_is_sent_to_the_environment_variable(scheme: str, user_info: str) -> None:
    with pytest.raises(MetadataError, match=r"holds a password: .* variable MYSQL_PWD") as caught:
        MetadataTarget.parse(f"{scheme}://{user_info}@h:1/d")

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://u:a@{SECRET}@h/d",
        f"mysql://u:a:{SECRET}@h/d",
        f"mysql://u:/{SECRET}@h/d",
        f"mysql://u://{SECRET}@h/d",
        f"mysql://u:?{SECRET}@h/d",
        f"mysql://u:#{SECRET}@h/d",
        f"mysql://u:[{SECRET}@h/d",
        f"mysql://u:\n{SECRET}@h/d",
        f"mysql:///u:{SECRET}@h/d",
        f"MYSQL://u:{SECRET}@h/d",
        f"mysql+pymysql://u:{SECRET}@h/d",
        f"mysql:u:{SECRET}@h/d",
        f"mysql:/u:{SECRET}@h/d",
        f"mysql:u:{SECRET}",
        f"u:{SECRET}@h/d",
        f"sqlite://u:{SECRET}@h/d",
        # A forgotten host, a password in the place of the port, or among options.
        f"mysql://u:{SECRET}",
        f"mysql://u:{SECRET}/d",
        f"mysql://u@h:{SECRET}/d",
        f"mysql://u@h/d?password={SECRET}",
        f"mysql://u@h/d#{SECRET}",
    ],
)
def test_never_shows_a_password(text: str) -> None:
    with pytest.raises(MetadataError) as caught:
        MetadataTarget.parse(text)

    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.__cause__)
