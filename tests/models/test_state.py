"""What changes often stands beside the profile, keyed by its name."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.utils import timezone

from mailsetup.models import ProfileState, ProfilesVersion, SMTPProfile

pytestmark = pytest.mark.django_db


def test_the_last_test_is_remembered_without_touching_the_profile():
    SMTPProfile(slug="shop", host="smtp.example.com").save()
    before = ProfilesVersion.current(connection), SMTPProfile.objects.get().revision
    ProfileState.record_test("shop", passed=False, stage="login", settings="a")
    ProfileState.record_test("shop", passed=True, stage="", settings="b")
    state = ProfileState.objects.get()
    assert (state.test_passed, state.test_stage, state.test_settings) == (True, "", "b")
    assert timezone.now() - state.tested_at < timezone.timedelta(minutes=1)
    assert str(state) == "shop"
    assert before == (ProfilesVersion.current(connection), SMTPProfile.objects.get().revision)


def test_a_profile_of_the_environment_has_its_state_too():
    ProfileState.record_test("of-the-environment", passed=True, stage="", settings="x")
    assert ProfileState.objects.get(slug="of-the-environment").test_passed


def test_the_mark_is_one_row_and_never_the_same():
    assert ProfilesVersion.current(connection) == ""
    marks = set()
    for _ in range(3):
        ProfilesVersion.bump()
        marks.add(ProfilesVersion.current(connection))
    assert len(marks) == 3
    assert uuid.UUID(str(ProfilesVersion.objects.get())) in {uuid.UUID(mark) for mark in marks}
