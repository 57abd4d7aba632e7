"""Mail of children whose parent has its database connection open: they never use that one."""

from tests.delivery.log.test_processes import run  # noqa: F401 - a fixture

SET_UP = """
from django.core.mail import EmailMessage
from django.db import connection, transaction
from mailsetup.backends import EmailBackend
from mailsetup.effective.threads import is_inherited
from mailsetup.models import SMTPProfile

SMTPProfile.objects.create(
    slug="shop", host="127.0.0.1", login="none", encryption="none", sending="background"
)

def put(subject):
    message = EmailMessage(subject, "Text", "shop@example.com", ["ann@example.com"])
    assert EmailBackend().send_messages([message]) == 1

def in_child(subject):
    child = os.fork()
    if not child:
        ended = 1
        try:
            before = connection.connection
            put(subject)
            assert connection.connection is before
            ended = 0
        finally:
            os._exit(ended)
    assert os.waitpid(child, 0)[1] == 0

connection.ensure_connection()
"""


def test_children_store_their_mail_by_connections_of_their_own(run):  # noqa: F811
    script = """
for nth in range(3):
    in_child(f"child {nth}")
put("parent")
assert not is_inherited("default")
"""
    assert run(SET_UP + script) == ["child 0", "child 1", "child 2", "parent"]


def test_rollback_of_the_parent_leaves_the_mail_of_its_child(run):  # noqa: F811
    script = """
try:
    with transaction.atomic():
        in_child("child")
        put("parent")
        raise ValueError
except ValueError:
    pass
"""
    assert run(SET_UP + script) == ["child"]


def test_child_that_closes_what_it_inherited_goes_on_by_itself(run):  # noqa: F811
    script = """
child = os.fork()
if not child:
    assert is_inherited("default")
    connection.close()
    put("child")
    os._exit(is_inherited("default"))
assert os.waitpid(child, 0)[1] == 0
"""
    assert run(SET_UP + script) == ["child"]
