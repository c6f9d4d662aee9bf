"""The trainer's package on Cloud Storage, under a name that says what is in it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import etl
from etl.errors import ConfigError
from trainer.vertex.api import buckets
from trainer.vertex.api.options import Cloud
from trainer.vertex.training import package

ROOT = Path(etl.__file__).parents[1]

_DIGITS = 16


def package_uri(staging_dir: str, root: Path = ROOT) -> str:
    """Returns where the package of the sources here is, or will be.

    The folder's name is a digest of the sources, not of the archive: so it is known before anything is built.

    Args:
        staging_dir: `gs://` path.
        root: The folder with setup.py.

    Raises:
        ConfigError: there are no sources, this being an installed package.
    """
    if not (root / "setup.py").is_file():
        hint = "run the command in the project's folder, or give --package_uri gs://…/petalstream-….tar.gz"
        raise ConfigError("--package_uri", None, f"a package, since {root} holds no setup.py to build one", hint)
    return f"{staging_dir}/packages/{_digest(root)}/{package.FILE_NAME}"


def _digest(root: Path) -> str:
    found = [path for name in package.SOURCES for path in (root / name, *(root / name).rglob("*"))]
    paths = [path for path in found if path.is_file() and not _is_ignored(path.relative_to(root))]
    total = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()[:_DIGITS]


def _is_ignored(path: Path) -> bool:
    return path.suffix == ".pyc" or any(part == "__pycache__" or part.startswith(".") for part in path.parts)


def upload(uri: str, cloud: Cloud) -> bool:
    """Builds the package and uploads it, unless it is there.

    Args:
        uri: What `package_uri` returned.
        cloud: Whose project asks.

    Returns:
        Whether anything was sent.

    Raises:
        ConfigError: no permission, or no such bucket.
        CloudError: it can't be written.
    """
    store = buckets.Buckets(cloud)
    folder, _, name = uri.rpartition("/")
    if any(entry.name == name for entry in store.entries(folder)):
        return False
    with tempfile.TemporaryDirectory(prefix="petalstream-") as directory:
        return store.upload(package.build(Path(directory)), uri, content_type="application/gzip")
