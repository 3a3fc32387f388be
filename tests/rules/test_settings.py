"""Settings: read once, refused early, all faults in one message."""

from pathlib import Path
from typing import Any

import pytest

from sallyport.kernel.clock import DAY, HOUR, MINUTE
from sallyport.kernel.mailroute import MailFolder, MailServer
from sallyport.settings import Settings, SettingsRefusedError, load, table


def read(
    folder: Path, environ: dict[str, str] | None = None, flags: dict[str, str] | None = None, toml: str = ""
) -> Settings:
    if toml:
        (folder / "sallyport.toml").write_text(toml)
    given = {f"SALLYPORT_{name}": value for name, value in (environ or {}).items()}
    return load(flags or {}, {"PATH": "/bin", **given}, folder)


def faults(folder: Path, environ: dict[str, str] | None = None, toml: str = "") -> list[str]:
    with pytest.raises(SettingsRefusedError) as refused:
        read(folder, environ, toml=toml)
    return str(refused.value).splitlines()


def test_without_a_word_the_defaults_of_the_contract_hold(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.database_path == Path("data/sallyport.db")
    assert settings.keys_dir == Path("data/keys")
    assert (settings.public_url, settings.issuer_name) == ("http://127.0.0.1:8080", "Sallyport")
    assert (settings.registration, settings.profile, settings.require_mfa) == ("open", "standard", "none")
    assert settings.admin_password is None
    assert (settings.mail_url, settings.mail_from) == (MailFolder(Path("data/outbox")), "")
    assert settings.password_min_length == 15
    assert (settings.cors_origins, settings.trusted_proxies, settings.trusted_roles) == ((), (), ("admin",))
    assert (settings.backup_code_login, settings.throttle) == (False, True)
    assert (settings.session_idle, settings.session_absolute) == (7 * DAY, 30 * DAY)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("PORT", "http", "a whole number from 0 to 65535 is wanted"),
        ("PORT", "65536", "a whole number from 0 to 65535 is wanted"),
        ("PORT", "-1", "a whole number from 0 to 65535 is wanted"),
        ("PORT", "٨", "a whole number from 0 to 65535 is wanted"),
        ("PORT", "9" * 5_000, ""),
        ("WORKERS", "0", "a whole number from 1 to 64 is wanted"),
        ("DATABASE_URL", "postgresql://", "or postgresql://user:password@host/name is wanted"),
        ("DATABASE_URL", "sqlite://", "a URL like sqlite:///./data/sallyport.db"),
        ("DATABASE_URL", "sqlite:///:memory:", "a URL like"),
        ("DATABASE_URL", "mysql://db", "a URL like"),
        ("PUBLIC_URL", "accounts.example.org", "a URL like https://accounts.example.org is wanted"),
        ("PUBLIC_URL", "ftp://example.org", "a URL like"),
        ("PUBLIC_URL", "https://example.org/?a=b", "a URL like"),
        ("PUBLIC_URL", "https://[", ""),
        ("ISSUER_NAME", "", "a printable name without a colon is wanted"),
        ("ISSUER_NAME", "a:b", "a printable name without a colon is wanted"),
        ("ISSUER_NAME", "a\nb", "a printable name without a colon is wanted"),
        ("SIGNING_ALGORITHM", "none", "one of ES256, EdDSA is wanted"),
        ("REGISTRATION", "yes", "one of open, closed is wanted"),
        ("PROFILE", "strict", "one of standard, nist is wanted"),
        ("PASSWORD_MIN_LENGTH", "7", "a whole number from 8 to 64 is wanted"),
        ("PASSWORD_MIN_LENGTH", "65", "a whole number from 8 to 64 is wanted"),
        ("SESSION_IDLE", "1 week", "a duration like 30m, 12h or 7d is wanted"),
        ("SESSION_IDLE", "0d", "a duration like"),
        ("SESSION_ABSOLUTE", "30", "a duration like"),
        ("MAIL_URL", "http://mail", "a URL like smtp://mail.example.org or file:./data/outbox is wanted"),
        ("REQUIRE_MFA", "roles:", "none, all, or roles:a,b is wanted"),
        ("MFA_RESET", "some", "all, none, or not-roles:a,b is wanted"),
        ("MFA_RESET", "not-roles:", "all, none, or not-roles:a,b is wanted"),
        ("MFA_RESET_DELAY", "23h", "a duration from 24h to 30d is wanted"),
        ("MFA_RESET_DELAY", "31d", "a duration from 24h to 30d is wanted"),
        ("MFA_RESET_DELAY", "72", "a duration like 30m, 12h or 7d is wanted"),
        ("REQUIRE_MFA", "some", "none, all, or roles:a,b is wanted"),
        ("BACKUP_CODE_LOGIN", "yes", "one of true, false, on, off is wanted"),
        ("THROTTLE", "0", "one of true, false, on, off is wanted"),
        ("CORS_ORIGINS", "*", "'*' is not an exact origin"),
        ("CORS_ORIGINS", "https://a.example, https://b.example/", "'https://b.example/' is not an exact origin"),
        ("CORS_ORIGINS", "null", "'null' is not an exact origin"),
        ("TRUSTED_PROXIES", "everyone", "'everyone' does not appear to be an IPv4 or IPv6 network"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("TRUSTED_ROLES", " , ", "name one role at least"),
        ("ADMIN_PASSWORD", "too short", "15 to 1024 characters are wanted"),
        ("ADMIN_PASSWORD", "x" * 1025, "15 to 1024 characters are wanted"),
        ("ADMIN_PASSWORD_FILE", "/nowhere/at/all", "No such file or directory"),
        ("REGISTRATOIN", "open", "there is no such setting"),
        ("PORT_FILE", "/etc/port", "there is no such setting"),
    ],
)
def test_each_fault_is_named_with_what_would_do(tmp_path: Path, name: str, text: str, wanted: str) -> None:
    (told,) = faults(tmp_path, {name: text})
    assert told.startswith(f"SALLYPORT_{name.removesuffix('_FILE') if 'ADMIN' in name else name}: ")
    assert wanted in told


def test_all_faults_are_told_in_one_message(tmp_path: Path) -> None:
    told = faults(tmp_path, {"PORT": "x", "PROFILE": "x", "NOTHING": "x"}, toml='registration = "x"\nnowhere = 1\n')
    assert [line.split(":")[0] for line in told] == [
        "SALLYPORT_NOTHING",
        "SALLYPORT_NOWHERE",
        "SALLYPORT_PORT",
        "SALLYPORT_REGISTRATION",
        "SALLYPORT_PROFILE",
    ]


def test_a_fault_never_tells_the_password(tmp_path: Path) -> None:
    told = faults(tmp_path, {"ADMIN_PASSWORD": "sesame"})
    assert "sesame" not in "".join(told)


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    toml = 'host = "file"\nport = 1\nissuer_name = "file"\n'
    settings = read(tmp_path, {"HOST": "environment", "PORT": "2"}, {"host": "flag"}, toml)
    assert (settings.host, settings.port, settings.issuer_name, settings.workers) == ("flag", 2, "file", 1)


def test_a_flag_that_is_not_given_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, {"HOST": "environment"}, {"host": ""}).host == "environment"


def test_the_file_speaks_toml(tmp_path: Path) -> None:
    toml = """
        port = 9000
        backup_code_login = true
        throttle = false
        trusted_roles = ["admin", "help desk"]
        trusted_proxies = ["10.0.0.0/8", "::1"]
        admin_password = "an operator chose these words"
    """
    settings = read(tmp_path, toml=toml)
    assert (settings.port, settings.backup_code_login, settings.throttle) == (9000, True, False)
    assert settings.trusted_roles == ("admin", "help desk")
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.admin_password
    assert settings.admin_password.reveal() == "an operator chose these words"


@pytest.mark.parametrize("toml", ["port = ", "port = 1\nport = 2", "\x00"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, toml: str) -> None:
    (told,) = faults(tmp_path, toml=toml)
    assert told.startswith(str(tmp_path / "sallyport.toml"))


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("an operator chose these words\r\n")
    settings = read(tmp_path, {"ADMIN_PASSWORD_FILE": str(secret)})
    assert settings.admin_password
    assert settings.admin_password.reveal() == "an operator chose these words"
    both = {"ADMIN_PASSWORD_FILE": str(secret), "ADMIN_PASSWORD": "an operator chose these words"}
    assert "not both" in faults(tmp_path, both)[0]


def test_settings_do_not_print_a_secret(tmp_path: Path) -> None:
    settings = read(tmp_path, {"ADMIN_PASSWORD": "an operator chose these words"})
    assert "operator" not in repr(settings)


def test_variables_of_tests_and_benches_are_no_settings(tmp_path: Path) -> None:
    read(tmp_path, {"TEST_DATABASE": "x", "BENCH_SECONDS": "x"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (7 * DAY, 30 * DAY)),
        ({"PROFILE": "nist"}, (HOUR, DAY)),
        ({"PROFILE": "nist", "SESSION_IDLE": "30m"}, (30 * MINUTE, DAY)),
        ({"SESSION_IDLE": "90s", "SESSION_ABSOLUTE": "12h"}, (90_000_000, 12 * HOUR)),
    ],
)
def test_a_profile_decides_where_nothing_more_exact_is_said(
    tmp_path: Path, given: dict[str, str], expected: tuple[int, int]
) -> None:
    settings = read(tmp_path, given)
    assert (settings.session_idle, settings.session_absolute) == expected


@pytest.mark.parametrize(
    ("text", "roles", "demanded"),
    [
        ("none", (), False),
        ("none", ("a",), False),
        ("all", (), True),
        ("roles:a, b", ("b",), True),
        ("roles:a, b", ("c",), False),
        ("report:all", (), False),
        ("report:roles:a", ("a",), False),
    ],
)
def test_who_must_have_a_second_factor(tmp_path: Path, text: str, roles: tuple[str, ...], demanded: bool) -> None:  # noqa: FBT001  # a column of the table
    assert read(tmp_path, {"REQUIRE_MFA": text}).policy.demands_mfa(roles) is demanded


@pytest.mark.parametrize(
    "text", ["report", "report:", "report:none", "report:roles:", "all:report", "report:report:all"]
)
def test_a_rule_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, {"REQUIRE_MFA": text})
    assert fault.startswith("SALLYPORT_REQUIRE_MFA: none, all, or roles:a,b is wanted")


@pytest.mark.parametrize(("text", "micros"), [("0", 0), ("14d", 14 * 86_400 * 10**6), ("90m", 5_400 * 10**6)])
def test_a_grace_is_a_duration_or_none(tmp_path: Path, text: str, micros: int) -> None:
    assert read(tmp_path, {"MFA_GRACE": text}).policy.mfa_grace == micros


@pytest.mark.parametrize("text", ["-1d", "0d", "soon", "1w", "00"])
def test_a_grace_that_is_no_duration_is_refused(tmp_path: Path, text: str) -> None:
    (fault,) = faults(tmp_path, {"MFA_GRACE": text})
    assert fault.startswith("SALLYPORT_MFA_GRACE: ")


def test_a_slash_at_the_end_of_the_public_url_is_dropped(tmp_path: Path) -> None:
    assert read(tmp_path, {"PUBLIC_URL": "https://example.org/"}).public_url == "https://example.org"


def test_the_scheme_of_the_public_url_is_the_same_in_any_case(tmp_path: Path) -> None:
    """RFC 3986 3.1. What is known for https by it has its cookies marked as such."""
    assert read(tmp_path, {"PUBLIC_URL": "HTTPS://example.org"}).public_url == "https://example.org"


def test_the_table_names_every_setting_once() -> None:
    lines = table().splitlines()[2:]
    named = [line.split("`")[1] for line in lines]
    assert named == [f"SALLYPORT_{name.upper()}" for name in Settings.__dataclass_fields__]
    assert sum("_FILE" in line for line in lines) == 3


def test_settings_are_frozen(tmp_path: Path) -> None:
    settings: Any = read(tmp_path)
    with pytest.raises(AttributeError):
        settings.port = 1


def test_a_list_of_anything_but_text_is_a_fault_of_its_setting(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, toml="trusted_roles = [1, 2]")
    assert "TRUSTED_ROLES" in told


@pytest.mark.parametrize("url", ["http://accounts.example.org", "HTTP://accounts.example.org", None])
def test_production_wants_https(tmp_path: Path, url: str | None) -> None:
    environ = {"ENV": "production"} | ({"PUBLIC_URL": url} if url else {})
    (told,) = faults(tmp_path, environ)
    assert told.startswith("SALLYPORT_PUBLIC_URL: https is wanted")
    assert read(tmp_path, {"ENV": "production", "PUBLIC_URL": "https://accounts.example.org"}).env == "production"
    assert read(tmp_path, {"PUBLIC_URL": "http://accounts.example.org"}).env == "development"


def test_what_is_wrong_together_is_told_beside_what_is_wrong_alone(tmp_path: Path) -> None:
    told = faults(tmp_path, {"ENV": "production", "PORT": "http", "TRUSTED_ROLES": ",", "ADMIN_PASSWORD": "short"})
    assert sorted(line.partition(":")[0] for line in told) == [
        "SALLYPORT_ADMIN_PASSWORD",
        "SALLYPORT_PORT",
        "SALLYPORT_PUBLIC_URL",
        "SALLYPORT_TRUSTED_ROLES",
    ]


def test_a_mail_server_needs_somebody_who_writes(tmp_path: Path) -> None:
    url = {"MAIL_URL": "smtps://mail.example.org"}
    (told,) = faults(tmp_path, url)
    assert told.startswith("SALLYPORT_MAIL_FROM: name the address")
    assert read(tmp_path, url | {"MAIL_FROM": "Accounts@Example.org"}).mail_from == "Accounts@example.org"
    (told,) = faults(tmp_path, url | {"MAIL_FROM": "accounts"})
    assert told.startswith("SALLYPORT_MAIL_FROM: ")


def test_the_password_of_a_mail_server_prints_nowhere_and_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtps://me:of-the-server@mail.example.org\n")
    given = {"MAIL_URL_FILE": str(tmp_path / "url"), "MAIL_FROM": "accounts@example.org"}
    settings = read(tmp_path, given)
    assert isinstance(settings.mail_url, MailServer)
    assert "of-the-server" not in repr(settings)
    (told,) = faults(tmp_path, {"MAIL_URL": "smtp://me:of-the-server@mail.example.org?x=y"})
    assert "of-the-server" not in told
