"""Dockerfile, compose.yaml and the systemd unit, as far as they can be judged without an engine and a manager."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sallyport.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
SITE = "accounts.example.org"
UNIT = ROOT / "deploy" / "sallyport.service"
WORST_EXPOSURE = "20"  # of 100; 12 where this was written


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert linted("hadolint", "--no-color", str(ROOT / "Dockerfile")) == ""


def test_compose_yaml_fits_the_schema_of_compose() -> None:
    linted("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml"))


def test_systemd_understands_every_line_of_the_unit(tool: Callable[[str], str], tmp_path: Path) -> None:
    assert linted(tool("systemd-analyze"), "verify", "--man=no", str(unit_of_here(tmp_path))) == ""


def test_the_unit_leaves_the_service_little_that_it_could_do(tool: Callable[[str], str], tmp_path: Path) -> None:
    unit = str(unit_of_here(tmp_path))
    linted(tool("systemd-analyze"), "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", unit)


def test_the_unit_lets_the_service_write_where_its_settings_say(tmp_path: Path) -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    shutil.copy(ROOT / "deploy" / "sallyport.toml", tmp_path)
    settings = load({}, {}, tmp_path)
    state = [Path("/var/lib") / name for name in unit["StateDirectory"].split()]
    assert [settings.database_path.parent, settings.keys_dir] == state
    assert (unit["ProtectSystem"], unit["User"], unit["WorkingDirectory"]) == ("strict", "sallyport", "/etc/sallyport")
    assert settings.env == "production"


def test_the_image_refuses_plain_http_and_keeps_its_data_on_its_volumes(tmp_path: Path) -> None:
    settings = load({}, image_settings() | {"SALLYPORT_PUBLIC_URL": f"https://{SITE}"}, tmp_path)
    assert settings.env == "production"
    workdir = instruction("WORKDIR")[-1]
    places = [Path(workdir) / settings.database_path, Path(workdir) / settings.keys_dir / "any"]
    volumes = YAML(typ="safe").load(instruction("VOLUME")[0])
    assert [str(place.parent) for place in places] == volumes
    assert instruction("USER")[-1] == "10001:10001"


def test_nothing_but_what_the_dockerfile_copies_gets_into_a_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copied = {source for line in instruction("COPY") if "--from" not in line for source in sources(line)}
    admitted = {rule[1:].removesuffix("/*.txt") for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert admitted == copied
    assert [path for path in copied if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["node1", "node2"])
def test_the_settings_of_a_node_in_compose_yaml_can_be_started_with(name: str, tmp_path: Path) -> None:
    compose = compose_file()
    node, proxy = compose["services"][name], compose["services"]["proxy"]
    settings = node_settings(node, tmp_path)
    assert [str(one) for one in settings.trusted_proxies] == [f"{proxy['networks']['front']['ipv4_address']}/32"]
    assert settings.public_url == f"https://{proxy['environment']['SALLYPORT_SITE']}"
    assert f"keys:{settings.keys_dir}" in node["volumes"]
    assert f"{name}:{settings.port}" in proxy["environment"]["SALLYPORT_NODES"].split()
    assert (node["read_only"], node["cap_drop"], node["user"]) == (True, ["ALL"], "10001:10001")
    assert "ports" not in node
    assert "ports" not in compose["services"]["db"]


def test_every_file_and_secret_that_compose_yaml_names_is_there_or_is_described() -> None:
    compose, told = compose_file(), (ROOT / "docs" / "deploy.md").read_text()
    services = compose["services"].values()
    mounted = [mount.split(":")[0] for service in services for mount in service.get("volumes", [])]
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).is_file()] == []
    assert {name for name in mounted if not name.startswith("./")} == compose["volumes"].keys()
    granted = {name for service in services for name in service.get("secrets", [])}
    assert granted == compose["secrets"].keys()
    assert [one["file"] for one in compose["secrets"].values() if one["file"].removeprefix("./") not in told] == []
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_database_url_in_the_docs_names_the_service_of_compose_yaml() -> None:
    hosts = re.findall(r"postgresql://sallyport:.+?@(\w+)/", (ROOT / "docs" / "deploy.md").read_text())
    assert set(hosts) == {"db"}
    assert "db" in compose_file()["services"]


def linted(name: str, *arguments: str) -> str:
    """Run a linter from the virtual environment or the path; return its output. Fails where it found something."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which(name, path=places)
    assert found, f"{name} is missing: requirements/dev.txt brings it"
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def unit_of_here(folder: Path) -> Path:
    """Return a copy of the unit that starts a program of this machine, which is what systemd looks for."""
    text = UNIT.read_text()
    assert "ExecStart=/opt/sallyport/bin/sallyport serve\n" in text
    copy = folder / "sallyport.service"
    copy.write_text(text.replace("/opt/sallyport/bin/sallyport", "/bin/true"))
    return copy


def instruction(name: str) -> list[str]:
    """Return the arguments of every such instruction of the Dockerfile, each on one line."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", text, re.MULTILINE)


def sources(copied: str) -> list[str]:
    """Return what a COPY takes from the build's folder, by the full name of the copied file or folder."""
    *taken, to = (word for word in copied.split() if not word.startswith("--"))
    assert to
    return taken


def image_settings() -> dict[str, str]:
    """Return the variables of the service that the image sets."""
    return dict(re.findall(r"(SALLYPORT_\w+)=(\S+)", " ".join(instruction("ENV"))))


def compose_file() -> dict[str, Any]:
    """Return compose.yaml with its one variable filled in."""
    text = re.sub(r"\$\{SALLYPORT_SITE:\?[^}]*\}", SITE, (ROOT / "compose.yaml").read_text())
    assert "${" not in text
    found: dict[str, Any] = YAML(typ="safe").load(text)
    return found


def node_settings(node: dict[str, Any], folder: Path) -> Settings:
    """Return the settings of a node, with its secrets in a folder of this machine."""
    values = {
        "database_url": "postgresql://sallyport:words@db/sallyport",
        "admin_password": "an operator chose these words",
    }
    for name in node["secrets"]:
        (folder / name).write_text(values[name] + "\n")
    given = {name: value.replace("/run/secrets", str(folder)) for name, value in node["environment"].items()}
    settings = load({}, image_settings() | given, folder)
    assert settings.database_url.reveal() == values["database_url"]
    return settings
