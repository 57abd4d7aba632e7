"""Texts of mails as they are sent, each with what must not be readable afterwards."""

from __future__ import annotations

HEX = "0123456789abcdef0123456789abcdef"
SIGNED = "MQ:1tXyZ9:aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9d"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.TJVA95OrM7E2cBab30RMHrHDcEfxjoYZgeFONFh7HgQ"

# Text, and the secrets in it.
TELLING: list[tuple[str, list[str]]] = [
    # Links of Django, allauth and others.
    (f"https://shop.example/reset/MQ/c9x2ab-{HEX}/", ["MQ/", "c9x2ab", HEX]),
    (f"http://127.0.0.1:8000/accounts/reset/MTIz/{HEX[:6]}-{HEX}/", ["MTIz", HEX]),
    ("https://a.example/accounts/password/reset/key/1-set-password/", ["1-set"]),
    (f"https://a.example/accounts/confirm-email/{SIGNED}/", [SIGNED, "MQ:", "aB3dE5"]),
    ("https://a.example/activate/ann/", ["/ann"]),
    ("Open https://a.example/login?user=7&sesame=AAAAbQ3fZk and go on", ["AAAAbQ3fZk"]),
    ("https://a.example/x?token=abc", ["abc"]),
    ("https://a.example/x?uid=MQ&sig=kitten;code=hello", ["MQ", "kitten", "hello"]),
    ("https://a.example/#access_token=abcd&state=x1", ["abcd"]),
    ("https://a.example/app#/reset/abcdef", ["abcdef"]),
    ("https://ann:hunter2@a.example/files", ["hunter2", "ann"]),
    ("https://a.example/i/3f2b8c1e-4a5b-4c6d-8e9f-0a1b2c3d4e5f", ["3f2b8c1e", "0a1b2c3d4e5f"]),
    ("bit.ly/3xYz9Ab", ["3xYz9Ab"]),
    ("www.shop.example/reset/MQ/tok", ["MQ", "tok"]),
    ("[Log in](https://a.example/magic/kitten)!", ["kitten"]),
    ("https://a.example/kich-hoat/meo-con", ["meo-con"]),
    ("https://a.example/%72eset/%6D%65%6F", ["%6D"]),
    ("otpauth://totp/Shop:ann?secret=JBSWY3DPEHPK3PXP&issuer=Shop", ["JBSWY3DPEHPK3PXP"]),
    ("shop-app://open?t=kitten", ["kitten"]),
    ("mailto:leave+Zk3x9Qa8@lists.example?subject=leave-Zk3x9Qa8", ["Zk3x9Qa8"]),
    # Behind a port.
    ("The password on localhost:8000 is Sommerwind.", ["Sommerwind"]),
    ("Your password for localhost:8000 is: Sommerwind", ["Sommerwind"]),
    ("Password on localhost:8000: Sommer wind", ["Sommer", "wind"]),
    ("mật khẩu của localhost:8000 là Sommerwind7", ["Sommerwind7"]),
    ("Your [2FA]:48213", ["48213"]),
    ("PIN [ada]:48213", ["48213"]),
    # Codes.
    ("Your code is 482913.", ["482913"]),
    ("482913 is your Shop verification code", ["482913"]),
    ("G-482913 is your sign-in code.", ["482913"]),
    ("Your one-time password: 482 913", ["482", "913"]),
    ("Enter this code:\r\n\r\n    482-913\r\n", ["482-913"]),
    ("Use 4 8 2 9 1 3 as your PIN", ["4 8 2 9"]),
    ("OTP 4829", ["4829"]),
    ("Your code: kwqzpt", ["kwqzpt"]),
    ("Your code is QWERTZ", ["QWERTZ"]),
    ("Your code:\n\nABCD-EFGH\n\nIt is good for 10 minutes.", ["ABCD", "EFGH"]),
    ("Gift code TEA4YOU24", ["TEA4YOU24"]),
    ("Recovery codes:\n1234-5678\n2345-6789\n34567890\n", ["1234", "2345", "34567890"]),
    ("Your co\u00adde is 48\u200b2913", ["2913", "48"]),
    ("482913: log in to Shop with it", ["482913"]),
    ("Mã xác nhận của bạn là 739201", ["739201"]),
    ("739201 là mã xác thực của bạn", ["739201"]),
    ("Mã OTP: 7392", ["7392"]),
    ("Ma xac nhan: 739201", ["739201"]),
    ("Ma\u0303 xa\u0301c nhâ\u0323n 739201", ["739201"]),
    ("Mã giảm giá CHAO2024", ["CHAO2024"]),
    # Passwords.
    ("Your password: correct horse battery", ["correct", "horse", "battery"]),
    ("Password is hunTer2!", ["hunTer2"]),
    ("Username: ann\nPassword:\nhunter", ["hunter"]),
    ("Mật khẩu: meo.con", ["meo.con"]),
    ("Mật khẩu mới của bạn là Meo#123", ["Meo#123"]),
    ("api key = kitten", ["kitten"]),
    # Tokens by themselves.
    (f"It is {JWT} today", [JWT, JWT.split(".")[1]]),
    (f"sha {HEX}", [HEX]),
    ("Paste aB3-x9Zk_Lm2-Qr8Tt1 there", ["x9Zk", "Qr8Tt1"]),
    ("Paste q1Wz/e9Rt+Y7u8I0p5Aa== there", ["q1Wz", "Y7u8I0p5Aa"]),
]

# Texts that stay as they are.
ORDINARY = [
    "Order 10023",
    "Order: 2 × Snow bud tea",  # noqa: RUF001
    "Your order 10023 has left. Total: 1,250.00 EUR, paid on 2026-05-01 at 12:30.",
    "Invoice no. 20260501-17 over $1,200",
    "Call +84 912 345 678 or 0912 345 678.",
    "Tổng cộng 250.000 ₫ cho đơn hàng 10023, giao ngày 05/01/2026",
    "Mã đơn hàng 10023",
    "Xác nhận đơn hàng 10023",
    "Your password was changed",
    "Password reset on shop.example",
    "Password reset on 127.0.0.1:18052",
    "Password reset on localhost:8000; your password was reset on [::1]:8000",
    "The code is required. Your password is still valid.",
    "Reply code 550, error code 10061",
    "Please read our code of conduct from 2024",
    "Your code for order 10023 expires in 1440 minutes; call 0912345678 for help",
    "To choose a new password:\nOpen the page that we sent.",
    "https://shop.example/",
    "https://shop.example/teas/green-tea-2024/?page=2&utm_source=news&lang=vi#brewing",
    "See https://docs.djangoproject.com/en/5.2/topics/email/ (Sending email).",
    "ERROR (EXTERNAL IP): ImproperlyConfigured at mailsetup.exceptions.ConfigurationError",
    "-------------------- ==================== ____________________",
    "ann.example@example.com wrote: and/or, this/that/the_other_thing-too",
    "Câu hỏi: trà xanh",
    "",
]

# A source, and what must not be readable in it afterwards.
TELLING_HTML: list[tuple[str, list[str]]] = [
    ('<a href="https://a.example/x?uid=MQ&amp;token=abc">Go</a>', ["MQ", "abc"]),
    ("<a href='/reset/MQ/tok/'>Go</a>", ["MQ", "tok"]),
    ("<a href=/reset/MQ/tok>Go</a>", ["MQ", "tok"]),
    ('<a href="https&#58;//a.example&#47;reset/kitten">Go</a>', ["kitten"]),
    ('<a title=">" href="/reset/kitten">Go</a>', ["kitten"]),
    ("<p>Your code: <b>482913</b></p>", ["482913"]),
    ("<p>Your code is <b>48</b>2<i>913</i></p>", ["48", "913"]),
    ("<p>Your code is &#52;&#56;2913</p>", ["2913", "&#52;"]),
    (
        "<p>Your code</p><table><tr>\n<td>4</td>\n<td>8</td>\n<td>2</td>\n<td>9</td></tr></table>",
        [">4<", ">8<", ">2<", ">9<"],
    ),
    (
        '<div style="color: red">Mã xác nhận</div>\n\n<div style="font-size: 1em">739201</div>',
        ["7392"],
    ),
    ('<input name="code" value="482913">', ["482913"]),
    ("<!-- token: kitten -->", ["kitten"]),
    ('<!--[if mso]><v:rect href="https://a.example/reset/kitten"><![endif]-->', ["kitten"]),
    ("<p title=it's>https://a.example/reset/kitten", ["kitten"]),
    ("<p>Password: hunter2</p", ["hunter2"]),
    ('<img alt="Your code 482913" src="data:image/png;base64,iVBORw0KGgo">', ["482913", "iVBOR"]),
    ("https://a.example/re<wbr>set/kitten", ["kitten"]),
]

ORDINARY_HTML = [
    "<p>Order 10023 &amp; more</p>",
    '<p style="color:#123456">Hello</p>',
    '<a href="https://shop.example/teas/">Teas</a> <img src="cid:logo">',
    '<a href="tel:+84912345678">Call</a>',
    "a < b and c > d",
    "",
]
