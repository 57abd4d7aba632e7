"""A profile that cannot send: it waits or is stopped, for all workers, and its mail is kept."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from mailsetup import effective
from mailsetup.delivery import manage
from mailsetup.delivery.outbox import courier, standing, workers
from mailsetup.delivery.outbox.standing import Standing, resume
from mailsetup.models import Attempt, Lease, Message, ProfileState, SMTPProfile, State
from mailsetup.signals import profile_stopped
from mailsetup.smtp.errors import Stage, TransportError
from tests.backend_servers import PASSWORD, store

from .conftest import WORKER, mail, put


def states() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


def let_pass() -> None:
    """Let the time pass for which profiles and messages wait."""
    ProfileState.objects.exclude(held_until=None).update(
        held_until=timezone.now() - timedelta(seconds=1)
    )
    Message.objects.filter(state=State.QUEUED).update(due_at=timezone.now())


def test_refused_login_stops_the_profile_at_the_second_time(profile, server, work):
    heard = []
    profile_stopped.connect(lambda **told: heard.append(told), weak=False, dispatch_uid="test")
    server.refuse_login = True
    put(*(mail() for _ in range(20)))
    try:
        work()
        assert (server.auth_commands, heard) == (1, [])
        assert work() == 0
        let_pass()
        work()
        let_pass()
        assert work() == 0
    finally:
        profile_stopped.disconnect(dispatch_uid="test")
    assert server.auth_commands == 2
    assert states() == [State.QUEUED] * 20
    assert [told["profile"] for told in heard] == ["shop"]
    assert ProfileState.objects.get(slug="shop").stopped_at
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["stop_profile"] * 2


def test_edit_of_the_password_ends_the_stop(profile, server, work):
    ProfileState.objects.create(
        slug="shop",
        stopped_at=timezone.now(),
        kept_settings=standing.settings_mark(effective.resolve()),
    )
    put(mail())
    assert work() == 0
    # The mark of a secret tells seconds apart.
    row = SMTPProfile.objects.get()
    row.username = "other@example.com"
    row.set_password("wrong")
    row.save()
    assert not Standing(effective.resolve()).is_stopped
    row.username = profile.username
    row.login = "none"
    row.save()
    assert not Standing(effective.resolve()).is_stopped


def change(**values):
    """Edit the profile, as the form does; the password is typed again."""
    row = SMTPProfile.objects.get()
    for name, value in values.items():
        setattr(row, name, value)
    row.set_password(values.get("password", PASSWORD))
    row.save()


def stop():
    """Have the profile stopped, as two refused logins leave it."""
    ProfileState.write(
        "shop",
        stopped_at=timezone.now(),
        stopped_reason="The old reason.",
        kept_settings=standing.settings_mark(effective.resolve()),
        login_settings=standing.settings_mark(effective.resolve()),
        refusals=2,
        failures=3,
    )


def test_edit_ends_the_stop_though_the_server_is_away_then(profile, server, work):
    port = profile.port
    stop()
    put(mail())
    change(port=1)
    work()
    kept = Standing(effective.resolve())
    assert (kept.is_stopped, kept.is_held, kept.state.failures) == (False, True, 1)
    assert "The old reason." not in kept.state.held_reason
    let_pass()
    change(port=port)
    assert work() == 1
    assert states() == [State.SENT]


def test_other_account_is_refused_twice_before_it_is_stopped(profile, server, work, caplog):
    heard = []
    profile_stopped.connect(lambda **told: heard.append(told), weak=False, dispatch_uid="test")
    stop()
    put(mail())
    server.refuse_login = True
    change(username="other@example.com")
    try:
        work()
        kept = Standing(effective.resolve())
        assert (kept.is_stopped, kept.is_held, heard) == (False, True, [])
        assert "The mail of the profile shop waits" in caplog.text
        let_pass()
        work()
    finally:
        profile_stopped.disconnect(dispatch_uid="test")
    assert Standing(effective.resolve()).is_stopped
    assert (server.auth_commands, len(heard)) == (2, 1)


def test_quota_after_an_edit_is_a_hold_and_no_stop(profile, server, work):
    server.refuse_content = "550 5.4.5 Daily user sending limit exceeded."
    stop()
    put(mail())
    change(username="other@example.com")
    work()
    kept = Standing(effective.resolve())
    assert (kept.is_stopped, kept.is_held) == (False, True)


def test_probe_after_an_edit_forgets_how_often_the_others_failed(profile, server, work):
    put(mail())
    for port in (1, 2):
        change(port=port)
        work()
        let_pass()
        assert ProfileState.objects.get().failures == 1, port
    work()
    assert ProfileState.objects.get().failures == 2


def test_mail_that_waited_for_its_profile_goes_with_the_edit(profile, server, work, told):
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    put(mail(), mail(headers={"X-Mailsetup-Send-At": later}), profile="shop")
    change(active=False)
    work()
    waiting, wished = Message.objects.order_by("pk")
    assert "switched off" in waiting.reason
    assert waiting.due_at > timezone.now()
    change(active=True)
    assert work() == 0
    told.clear()
    manage.go_on("shop")
    assert told == [[waiting.pk]]
    assert work() == 1
    assert Message.objects.get(pk=wished.pk).due_at == wished.due_at


def test_mail_that_waited_for_any_profile_goes_with_the_first_one(profile, server, work, told):
    put(mail())
    SMTPProfile.objects.all().delete()
    work()
    assert Message.objects.get().due_at > timezone.now()
    other = store(server, slug="other")
    manage.go_on(other.slug)
    assert work() == 1
    assert states() == [State.SENT]


def test_resumed_profile_sends_what_it_kept(profile, server, work):
    mark = standing.settings_mark(effective.resolve())
    ProfileState.objects.create(slug="shop", stopped_at=timezone.now(), kept_settings=mark)
    put(mail())
    assert work() == 0
    assert resume("shop")
    assert not resume("shop")
    assert work() == 1
    state = ProfileState.objects.get(slug="shop")
    assert (state.stopped_at, state.refusals, state.login_settings) == (None, 0, mark)


def test_other_password_in_the_environment_ends_the_stop(profile, monkeypatch):
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "one")
    effective.forget()
    before = standing.settings_mark(effective.resolve())
    monkeypatch.setenv("MAILSETUP_SHOP_PASSWORD", "two")
    effective.forget()
    after = standing.settings_mark(effective.resolve())
    assert before != after
    assert before[:-4] == after[:-4]


def test_quota_holds_the_profile_and_no_mail_fails(profile, server, work):
    server.refuse_content = "550 5.4.5 Daily user sending limit exceeded."
    put(mail(), mail())
    work()
    assert states() == [State.QUEUED] * 2
    state = ProfileState.objects.get(slug="shop")
    assert state.held_until > timezone.now() + timedelta(minutes=30)
    assert "limit exceeded" in state.held_reason
    assert Attempt.objects.count() == 1
    server.refuse_content = ""
    let_pass()
    assert work() == 2
    assert states() == [State.SENT] * 2
    assert ProfileState.objects.get(slug="shop").held_until is None


def test_server_out_of_reach_is_asked_ever_more_rarely_by_one_message(profile, server, work):
    SMTPProfile.objects.update(port=1, host="127.0.0.1")
    row = SMTPProfile.objects.get()
    row.set_password(PASSWORD)
    row.save()
    put(*(mail() for _ in range(5)))
    waits = []
    for _ in range(4):
        work()
        state = ProfileState.objects.get(slug="shop")
        waits.append((state.held_until - timezone.now()).total_seconds())
        let_pass()
    assert Attempt.objects.filter(seconds__gt=0).count() == Attempt.objects.count() == 4
    assert states() == [State.QUEUED] * 5
    assert all(later > 1.3 * earlier for earlier, later in pairwise(waits))


def test_only_one_worker_probes(profile, server):
    put(mail())
    ProfileState.objects.create(
        slug="shop", held_until=timezone.now() - timedelta(seconds=1), failures=3
    )
    first, second = Standing(effective.resolve()), Standing(effective.resolve())
    assert first.wants_probe
    assert second.wants_probe
    assert first.take_probe()
    assert not second.take_probe()


def test_login_that_nobody_proved_is_tried_by_one_worker_at_a_time(profile, server):
    put(mail(), mail())
    assert Lease.take("login:shop", "another", 60)
    assert courier.work_once(10, worker=WORKER) == 0
    assert server.auth_commands == 0
    Lease.release("login:shop", "another")
    assert courier.work_once(10, worker=WORKER) == 2
    assert not Lease.objects.exists()
    # Proven, it needs no lease.
    assert Lease.take("login:shop", "another", 60)
    put(mail())
    assert courier.work_once(10, worker=WORKER) == 1


def test_lease_to_sign_in_of_a_worker_that_has_ended_is_free(profile, server):
    put(mail())
    here, _pid, start = workers.identity().rsplit("/", 2)
    assert Lease.take("login:shop", f"{here}/4194304/{start}#7", 60)
    assert courier.work_once(10, worker=WORKER) == 1


def test_who_waited_for_the_lease_hears_of_the_refusal_before(profile, server):
    """Read before the other worker was refused, the profile seemed to be free to try."""
    put(mail(), mail())
    waiting = Standing(effective.resolve())
    server.refuse_login = True
    courier.work_once(10, worker=WORKER)
    assert not waiting.is_held
    assert not waiting.may_sign_in("another")
    assert server.auth_commands == 1
    waiting.let_others_sign_in()
    assert not Lease.objects.exists()


def test_refusals_of_two_workers_at_once_are_both_counted(profile, server):
    first, second = Standing(effective.resolve()), Standing(effective.resolve())
    error = TransportError("No", stage=Stage.LOGIN)
    first.refused(error)
    second.refused(error)
    assert Standing(effective.resolve()).is_stopped


def test_proof_of_the_login_is_renewed_before_it_is_over(profile, server):
    put(mail())
    courier.work_once(10, worker=WORKER)
    old = timezone.now() - timedelta(seconds=0.6 * standing.PROVEN_SECONDS)
    ProfileState.objects.update(login_at=old)
    put(mail())
    courier.work_once(10, worker=WORKER)
    assert ProfileState.objects.get().login_at > old


@pytest.mark.parametrize("change", [{"active": False, "is_default": False}, {"host": "smtp://"}])
def test_profile_that_cannot_be_used_keeps_its_mail(profile, server, work, change):
    put(mail(), profile="shop")
    SMTPProfile.objects.update(**change)
    work()
    row = Message.objects.get()
    assert row.state == State.QUEUED
    assert row.due_at > timezone.now() + timedelta(minutes=1)
    assert row.reason
    assert not server.connections


def test_deleted_profile_keeps_its_mail_and_the_others_go(profile, server, work):
    second = SMTPProfile.objects.get()
    second.pk, second.slug, second.is_default = None, "second", False
    second.uuid = "5b8f0d0c-7a53-4d5b-9d59-0e2d0e3f6a11"
    second.save()
    put(mail(), profile="second")
    put(mail())
    second.delete()
    work()
    assert sorted(states()) == [State.QUEUED, State.SENT]
    assert "no SMTP profile named" in Message.objects.get(state=State.QUEUED).reason


def test_lost_password_holds_the_profile_and_nothing_is_asked(profile, server, work, settings):
    put(mail())
    SMTPProfile.objects.update(password_sealed="gAAAAABnonsense")
    work()
    assert states() == [State.QUEUED]
    assert "Enter the password again" in ProfileState.objects.get(slug="shop").held_reason
    assert server.connections == 0


def test_profile_set_to_do_not_send_drops_what_waits(profile, server, work):
    put(mail())
    SMTPProfile.objects.update(do_not_send=True)
    work()
    assert states() == [State.DROPPED]
    assert not server.mails


def test_quota_told_for_one_recipient_holds_the_profile_too(profile, server, work):
    server.refused = {"last@example.com": "550 5.4.5 Daily user sending limit exceeded."}
    put(mail(to=["bob@example.com", "last@example.com"]), mail())
    work()
    assert states() == [State.QUEUED] * 2
    assert Message.objects.order_by("pk")[0].remaining == ["last@example.com"]
    assert ProfileState.objects.get(slug="shop").held_until


def test_edit_ends_a_hold_and_one_message_finds_out(profile, server, work):
    right = SMTPProfile.objects.get().port
    row = SMTPProfile.objects.get()
    row.port = 1
    row.set_password(PASSWORD)
    row.save()
    put(mail(), mail())
    work()
    assert Standing(effective.resolve()).is_held
    row.port = right
    row.set_password(PASSWORD)
    row.save()
    assert not Standing(effective.resolve()).is_held
    assert Standing(effective.resolve()).wants_probe
    assert work() == 2


@pytest.mark.parametrize("values", [{"stopped_at": timezone.now()}, {"held_until": None}])
def test_test_that_passes_lifts_what_kept_the_mail_back(profile, server, work, told, values):
    values = {name: value or timezone.now() + timedelta(hours=1) for name, value in values.items()}
    mark = standing.settings_mark(effective.resolve())
    ProfileState.objects.create(slug="shop", kept_settings=mark, **values)
    (row,) = put(mail())
    assert work() == 0
    told.clear()
    manage.remember_test(effective.resolve(), passed=False, stage="login")
    assert work() == 0
    manage.remember_test(effective.resolve(), passed=True, stage="")
    assert told == [[row.pk]]
    assert work() == 1
