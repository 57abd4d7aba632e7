"""Measures sending in the background, against django-post-office and django-mailer."""
