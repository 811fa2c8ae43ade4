"""Check the built sdist and wheel: ``python tools/check_distributions.py FOLDER``.

Their metadata must be valid, the wheel must hold every file of the package and nothing else, and
the sdist all that a wheel and the tests are made of.
"""

import email
import sys
import tarfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

ROOT = Path(__file__).parents[1]
PACKAGE = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "skrouter").rglob("*")
    if path.suffix == ".py" or path.name == "py.typed"
}

FOR_THE_TESTS = [
    "conftest.py",
    "tests/conftest.py",
    "README.md",
    "docs/api/nn.rst",
    "constraints.txt",
]


def check_metadata(text):
    """Raise where a field is not valid, or one that a reader needs is missing."""
    metadata = Metadata.from_email(text, validate=True)
    headers = email.message_from_bytes(text)
    needed = ["Summary", "Requires-Python", "License-Expression", "Project-URL", "Keywords"]
    missing = [name for name in needed if name not in headers]
    assert not missing, f"metadata lacks {missing}"
    assert metadata.description, "metadata has no description"
    assert metadata.description_content_type == "text/markdown"
    return metadata


def check_wheel(path):
    """Check the metadata and the files of a wheel."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        (described,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = check_metadata(archive.read(described))
    folder = described.split("/")[0]
    held = {name for name in names if not name.startswith(folder)}
    assert held == PACKAGE, f"differs from the package: {sorted(held ^ PACKAGE)}"
    assert f"{folder}/licenses/LICENSE" in names
    return metadata


def check_sdist(path):
    """Check the metadata and the files of an sdist."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        top = archive.getnames()[0].split("/")[0]
        metadata = check_metadata(archive.extractfile(f"{top}/PKG-INFO").read())
    needed = PACKAGE | {"LICENSE", "pyproject.toml", "setup.cfg", *FOR_THE_TESTS}
    assert needed <= names, f"the sdist lacks {sorted(needed - names)}"
    return metadata


def main(folder):
    """Check the one wheel and the one sdist in a folder."""
    (wheel,) = Path(folder).glob("*.whl")
    (sdist,) = Path(folder).glob("*.tar.gz")
    of_wheel, of_sdist = check_wheel(wheel), check_sdist(sdist)
    assert (of_wheel.name, of_wheel.version) == (of_sdist.name, of_sdist.version)
    print(f"{wheel.name} and {sdist.name}: metadata valid, {len(PACKAGE)} files of the package")


if __name__ == "__main__":
    main(*sys.argv[1:])
