"""What the demo's config needs at the stand-ins: the secrets that they ask for, and approved templates."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from kentongan.data import data_path
from sandbox import facebook, kannel, mastodon, smtp, telegram, webhook, whatsapp, wordpress, x
from sandbox.server import Sandbox


def instances() -> dict[str, dict[str, Any]]:
    """The demo's channels.yaml, by name."""
    content = yaml.safe_load((data_path("configs") / "demo" / "channels.yaml").read_text("utf-8"))
    found: dict[str, dict[str, Any]] = content["channels"]
    return found


def credentials() -> dict[str, str]:
    """The secrets by the names under which the demo's config looks for them."""
    return {
        "KENTONGAN_DEMO_MASTODON_TOKEN": mastodon.token("default"),
        "KENTONGAN_DEMO_TELEGRAM_TOKEN": telegram.token("default"),
        "KENTONGAN_DEMO_FACEBOOK_TOKEN": facebook.token("default"),
        "KENTONGAN_DEMO_X_TOKEN": x.token("default"),
        "KENTONGAN_DEMO_WORDPRESS_PASSWORD": wordpress.password("default"),
        "KENTONGAN_DEMO_WEBHOOK_SECRET": webhook.secret("default"),
        "KENTONGAN_DEMO_KANNEL_PASSWORD": kannel.password("default"),
        "KENTONGAN_DEMO_SMTP_PASSWORD": smtp.password("default"),
        "KENTONGAN_DEMO_WHATSAPP_TOKEN": whatsapp.token("default"),
        "KENTONGAN_DEMO_WHATSAPP_APP_SECRET": whatsapp.app_secret("default"),
        "KENTONGAN_DEMO_WHATSAPP_VERIFY_TOKEN": whatsapp.VERIFY_TOKEN,
        "KENTONGAN_DEMO_RECEIPT_SECRET": secrets.token_urlsafe(24),
    }


def approve_templates(sandbox: Sandbox, templates: Sequence[Mapping[str, Any]], webhook: str) -> None:
    """Lets the stand-in have approved the agency's templates, and call us with what becomes of a message."""
    known = [{"name": each["name"], "language": each["code"], "body": each["body"]} for each in templates]
    sandbox.stand_in("whatsapp").configure({"webhook": webhook, "templates": known})


def prepare(sandbox: Sandbox, receipts: str) -> None:
    """Lets the stand-ins know what those of the demo's config and of `kentongan init --sandbox` expect of them.

    `receipts`: where the service takes them, as HOST:PORT.
    """
    for name, fields in instances().items():
        if fields["kind"] == "whatsapp":
            approve_templates(sandbox, fields["templates"], f"http://{receipts}/receipts/{name}")
