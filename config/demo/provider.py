"""Puts the demo's mail server among the providers of the form."""

from config.demo import state
from mailsetup.providers import Provider, register

NAME = "Demo mail server (this computer)"
HOST = "localhost"


def offer(starttls_port: int, tls_port: int) -> None:
    """Add the provider to the list of the form, at the top."""
    domain = state.ACCOUNT.rpartition("@")[2]
    register(
        Provider.from_dict(
            {
                "id": "demo",
                "name": {"en": NAME, "vi": "Máy chủ thư của bản demo (trên máy này)"},
                "kind": "test",
                "host": HOST,
                "ports": [
                    {"port": starttls_port, "encryption": "starttls"},
                    {"port": tls_port, "encryption": "tls"},
                ],
                "domains": [domain],
                "keywords": ["demo", "localhost"],
                "username_example": state.ACCOUNT,
                "username_hint": {
                    "en": "Type the account that “make demo” printed.",
                    "vi": "Hãy gõ tài khoản mà “make demo” đã in ra.",
                },
                "secret_hint": {
                    "en": "Type the password that “make demo” printed under it.",
                    "vi": "Hãy gõ mật khẩu mà “make demo” đã in ra bên dưới.",
                },
                "notes": {
                    "en": "It keeps every mail for the demo's inbox page and sends nothing on.",
                    "vi": "Máy chủ này giữ mọi thư cho trang hộp thư demo và không gửi đi đâu cả.",
                },
            }
        )
    )
