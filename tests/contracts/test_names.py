"""The four import packages have plain names: nobody else in this environment may own them, and ours is installed as
`baton-gateway` and holds nothing else."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

from setuptools import find_packages

ROOT = Path(__file__).resolve().parents[2]
OURS = {"gateway", "parsers", "mappings", "channels"}
NAME = "baton-gateway"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _top_names(distribution: Distribution) -> set[str]:
    """Packages and modules that a distribution puts at the top of the import path."""
    tops = {Path(str(file)).parts[0] for file in distribution.files or ()}
    listed = distribution.read_text("top_level.txt") or ""
    return {top.removesuffix(".py") for top in tops} | set(listed.split())


def test_no_other_distribution_owns_a_name_of_ours() -> None:
    owners = {_normal(found.metadata["Name"]) for found in distributions() if _top_names(found) & OURS}
    assert owners <= {NAME}


def test_distribution_is_named_for_the_project() -> None:
    assert PROJECT["project"]["name"] == NAME


def test_wheel_holds_our_packages_and_nothing_else() -> None:
    found = PROJECT["tool"]["setuptools"]["packages"]["find"]
    packages = find_packages(str(ROOT), include=found["include"])
    assert {package.partition(".")[0] for package in packages} == OURS


def test_every_package_folder_is_a_package() -> None:
    for name in OURS:
        for folder in {path.parent for path in (ROOT / name).rglob("*.py")}:
            assert (folder / "__init__.py").is_file() or folder.name == "versions" or "migrations" in folder.parts, (
                folder
            )
