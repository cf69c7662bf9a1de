from __future__ import annotations

from pathlib import Path

import pytest

from channels.core_partners import hash_password
from gateway.settings.check import Finding, check

HASH = hash_password("secret", bytes(16))
CLIENT = '[[channel]]\nname = "bigpayer"\nkind = "core-client"\nsender_id = "A"\nreceiver_id = "B"\n'
ENDPOINT = '[[channel]]\nname = "core"\nkind = "core-endpoint"\n'
PARTNER = f'[[channel.partner]]\nname = "hospital"\nuser = "h"\npassword_hash = "{HASH}"\n'
REST = '[channel.rest]\nissuer = "i"\naudience = "a"\nkeys = "/nowhere.json"\n'
TOKEN = 'form = "rest"\ntoken_url = "http://t.example/"\nclient_id = "c"\nclient_secret_env = "NOT_SET_ANYWHERE"\n'
SFTP = '[[channel]]\nname = "files"\nkind = "sftp"\nhost = "h"\nuser = "u"\nhost_key = ["ssh-ed25519 AAAA"]\n'


def found(tmp_path: Path, text: str) -> list[Finding]:
    path = tmp_path / "baton.toml"
    path.write_text(f'[gateway]\ndata_dir = "{tmp_path}/var"\n{text}')
    return check(path)


@pytest.mark.parametrize(
    ("text", "key", "inside"),
    [
        (f'{ENDPOINT}host = "10.0.0.1"\n{PARTNER}', "channel.0.host", "off loopback"),
        (ENDPOINT, "channel.0.partner", "Nobody may call"),
        (f"{ENDPOINT}{PARTNER}{PARTNER}", "channel.0.partner.1.name", "have this name"),
        (f'{ENDPOINT}{PARTNER}relay = {{ "*" = "nobody" }}\n', "channel.0.partner.0.relay", "not there"),
        (
            f'{ENDPOINT}{PARTNER}relay = {{ "*" = "bigpayer" }}\nrelay_as = "gateway"\n{CLIENT}url = "http://127.0.0.1/"\n',
            "channel.0.partner.0.relay_as",
            "no address",
        ),
        (f'{ENDPOINT}{PARTNER}accepts = ["837"]\n', "channel.0.partner.0.accepts", "no such use"),
        (f'{ENDPOINT}{PARTNER}certificate = ["x"]\n', "channel.0.partner.0.certificate", "no certificate"),
        (f'{ENDPOINT}[[channel.partner]]\nname = "hospital"\n', "channel.0.partner.0", "nobody signs in"),
        (f'{ENDPOINT}[[channel.partner]]\nname = "h"\nuser = "u"\npassword_hash = "hunter2"\n', "", ""),
        (f"{ENDPOINT}{REST}{PARTNER}", "channel.0.rest", "no certificate"),
        (f"{ENDPOINT}{REST}{PARTNER}", "channel.0.rest.keys", "cannot be read"),
        (f'{ENDPOINT}{PARTNER}client_id = "c"\n', "channel.0.partner.0", "X.509"),
        (f'{CLIENT}form = "rest"\nurl = "http://127.0.0.1/"\n', "channel.0", "token_url"),
        (f'{CLIENT}{TOKEN}url = "https://payer.example/"\n', "channel.0", "X.509"),
        (f'{CLIENT}{TOKEN}url = "http://127.0.0.1/"\npaths = {{ "x" = "/" }}\n', "channel.0", "no kind of message"),
        (f'{CLIENT}{TOKEN}url = "http://127.0.0.1/"\n', "channel.0.token_url", "in the clear"),
        (f'{CLIENT}{TOKEN}url = "http://127.0.0.1/"\n', "channel.0.client_secret_env", "cannot be had"),
        (f'{CLIENT}url = "http://payer.example/core"\n', "channel.0.url", "in the clear"),
        (f'{CLIENT}url = "https://u:p@payer.example/"\n', "channel.0", "without user name"),
        (f'{CLIENT}url = "https://payer.example/"\nuser = "u"\n', "channel.0", "password_env"),
        (
            f'{CLIENT}url = "https://payer.example/"\nuser = "u"\npassword_env = "NOT_SET_ANYWHERE"\n',
            "channel.0.password_env",
            "cannot be had",
        ),
        (f'{CLIENT}url = "https://payer.example/"\nauthority = "/nowhere.pem"\n', "channel.0.authority", "TLS"),
        (f'{SFTP}folder = "/in"\n', "channel.0", "nobody is let in"),
        (f'{SFTP}key = "/nowhere"\n', "channel.0", "give folder, out"),
        (f'{SFTP}key = "/nowhere"\nfolder = "/in"\n', "channel.0.key", "cannot be read"),
    ],
)
def test_settings_of_core_and_sftp_that_cannot_work_are_named(tmp_path: Path, text: str, key: str, inside: str) -> None:
    findings = found(tmp_path, text)
    assert findings and any(key in each.key and inside.lower() in each.text.lower() for each in findings), findings
    assert not any("hunter2" in each.text for each in findings)


def test_settings_of_core_that_work_have_no_finding(tmp_path: Path) -> None:
    client = f'{CLIENT}url = "http://127.0.0.1:9443/core"\n'
    endpoint = f'{ENDPOINT}{PARTNER}relay = {{ "*" = "bigpayer" }}\naccepts = ["270", "278", "ack:999"]\n'
    assert found(tmp_path, endpoint + client) == []
