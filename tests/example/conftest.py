"""What a visitor types, and who is signed in."""

import pytest
from django.contrib.auth import get_user_model


@pytest.fixture
def order() -> dict[str, str]:
    return {
        "tea": "lotus",
        "quantity": "3",
        "name": "Nguyễn Thị Ánh",
        "email": "anh@khach.example",
        "address": "12 Phố Huế\nHà Nội",
        "note": "<b>Giao</b> buổi sáng",
    }


@pytest.fixture
def question() -> dict[str, str]:
    return {
        "name": 'Bob "B" O\'Neil',
        "email": "bob@khach.example",
        "subject": "Nước nóng?",
        "message": "Xin chào,\n\n.một dòng bắt đầu bằng dấu chấm & <i>hết</i>",
    }


@pytest.fixture
def visitor(db):
    return get_user_model().objects.create_user("vi", "visitor@example.com", "a visitor's word")


@pytest.fixture
def staff(db):
    return get_user_model().objects.create_user(
        "st", "staff@example.com", "a clerk's word", is_staff=True
    )
