"""The Hugging Face hub: a model is pushed as it is, and pulled from one commit.

A bundle with CLIP's own text encoder is a folder of plain open_clip, so what was pushed also loads
with `open_clip.create_model_and_transforms("hf-hub:owner/name")`.

Tokens come from the hub's own places alone: `HF_TOKEN`, or `hf auth login`.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from adapt.common.content import content_hash
from adapt.common.typed import resolve_path
from adapt.errors import AdaptError, BundleError, ModelError, RecipeError, RunError, one_line
from adapt.export.load import verify
from adapt.export.record import RECORD
from adapt.export.registries.card import card_of
from adapt.export.registries.folders import GB, MOST_BYTES, arrive, files_of, listing_of
from adapt.models.bundle.manifest import MANIFEST, SIGNATURE

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

README, ATTRIBUTES = "README.md", ".gitattributes"
OF_THE_HUB = (README, ATTRIBUTES)
"""Files of a repository that are no part of a model."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
COMMIT = re.compile("[0-9a-f]{40}")
MOST_FILES, LISTING_BYTES = 10_000, 64 * 10**6
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


@dataclass(frozen=True)
class Pushed:
    """What was written to a repository."""

    repository: str
    commit: str
    url: str
    files: list[str]


@dataclass(frozen=True)
class Pulled:
    """What was read from a repository."""

    folder: Path
    commit: str
    files: list[str]
    left: list[str]
    """Other files of the repository, which were not downloaded."""


def push(
    model: str | Path, repository: str, public: bool = False, base: str | Path | None = None
) -> Pushed:
    """Verify a model, and write its files and a `README.md` to the hub in one commit.

    Args:
        model: A bundle or an export.
        repository: `owner/name`; made where there is none. It may hold an earlier model, whose
            files are replaced, and nothing else.
        public: Whether everybody may read it. A repository that exists must be so already.
        base: See `adapt.models.classifier.Classifier.load`.

    Raises:
        BundleError: When the model was altered, or the hub holds other bytes afterwards.
        RecipeError: When the repository is used for something else, or is not as public as asked.
        ModelError: When it cannot be written with this token, or there is none.
        RunError: When the hub cannot be reached.
    """
    folder = resolve_path(model)
    _check_name(repository)
    verify(folder, base)
    names = files_of(folder)
    content = {name: folder / name for name in names}
    card = card_of(folder, repository).encode()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    with _failures_of(repository):
        if get_token() is None:
            raise ModelError(f"{repository} - no token - the hub lets nobody write - {LOG_IN}")
        api = _api()
        head = _place(api, repository, public)
        held = _tree(api, repository, head)
        old = _held_model(api, repository, head, held)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(name, str(path)) for name, path in content.items()
        ]
        if README not in content:
            operations.append(CommitOperationAdd(README, card))
        operations += [CommitOperationDelete(name) for name in sorted(old - set(names))]
        done = api.create_commit(
            repository, operations, commit_message="A model of adapt", parent_commit=head
        )
        written = _tree(api, repository, done.oid)
    wrong = [name for name in names if not _equals(written.get(name), content[name])]
    wrong += sorted(set(written) - set(names) - set(OF_THE_HUB))
    if wrong:
        raise BundleError(
            f"{repository}@{done.oid} - not the model that was pushed - {wrong[0]} is missing or "
            "another - push it again, into a new repository"
        )
    url = f"{api.endpoint}/{repository}"
    return Pushed(repository, done.oid, url, [*names, *({README} - set(names))])


def pull(
    source: str, out: str | Path, base: str | Path | None = None, most_bytes: int = MOST_BYTES
) -> Pulled:
    """Read a model from one commit of a repository; it appears when it is whole and verified.

    Only files that the model lists are downloaded. Nothing of them is run.

    Args:
        source: `owner/name@COMMIT`, all 40 digits: names of branches and tags may come to mean
            something else.
        out: New folder, or an empty one.
        base: See `adapt.models.classifier.Classifier.load`.
        most_bytes: Most that is downloaded.

    Raises:
        RecipeError: When no commit is given, the folder holds something, or the model is larger.
        ModelError: When there is no such repository or commit, or none that this token may read.
        BundleError: When it holds no model, or one that was altered.
        RunError: When the hub cannot be reached, or the folder cannot be written.
    """
    repository, _, revision = source.partition("@")
    _check_name(repository)
    with _failures_of(source):
        api = _api()
        commit = str(api.model_info(repository, revision=revision or None).sha)
    if COMMIT.fullmatch(revision) is None:
        given = f"{revision} is now" if revision else "the newest commit is"
        raise RecipeError(
            f"{source} - revision not pinned - {given} {commit}, and may be another tomorrow - "
            f"write {repository}@{commit}"
        )
    if commit != revision:
        raise ModelError(f"{source} - not a commit - the hub calls it {commit} - give that")
    pulled: list[Pulled] = []

    def fetch(part: Path) -> None:
        with _failures_of(source):
            pulled.append(_fetched(api, repository, commit, part, most_bytes))

    folder = arrive(out, fetch, base)
    return replace(pulled[0], folder=folder)


def _fetched(api: "HfApi", repository: str, commit: str, part: Path, most_bytes: int) -> Pulled:
    """Download first the list, then what it lists, after a look at the sizes."""
    held = _tree(api, repository, commit)
    listing = _listing_name(f"{repository}@{commit}", held)
    if listing is None:
        raise BundleError(
            f"{repository}@{commit} - holds no model - neither {MANIFEST} nor {RECORD} is among "
            f"its {len(held)} files - pull what `adapt push` wrote"
        )
    _download(api, repository, commit, part, [listing], held)
    listed = set(listing_of(part)["files"])
    if missing := sorted(listed - set(held)):
        raise BundleError(
            f"{repository}@{commit} - incomplete - {missing[0]} is in {listing}, but not in the "
            "repository - push the model again"
        )
    wanted = sorted(listed | ({SIGNATURE} & set(held)))
    size = sum(held[name].size for name in wanted)
    if size > most_bytes:
        raise RecipeError(
            f"{repository}@{commit} - larger than allowed - {size / GB:.1f} GB, at most "
            f"{most_bytes / GB:.1f} - allow more with --max-gb"
        )
    _download(api, repository, commit, part, wanted, held)
    rmtree(part / ".cache", ignore_errors=True)
    left = sorted(set(held) - {*wanted, listing, *OF_THE_HUB})
    return Pulled(part, commit, sorted({*wanted, listing}), left)


def _download(
    api: "HfApi",
    repository: str,
    commit: str,
    part: Path,
    names: list[str],
    held: dict[str, "RepoFile"],
) -> None:
    for name in names:
        if name in (MANIFEST, RECORD, SIGNATURE) and held[name].size > LISTING_BYTES:
            raise BundleError(
                f"{repository}@{commit} - {name} - too large to be one - {held[name].size} bytes - "
                "pull what `adapt push` wrote"
            )
        api.hf_hub_download(repository, name, revision=commit, local_dir=part)
        if (size := (part / name).stat().st_size) != held[name].size:
            raise BundleError(
                f"{repository}@{commit} - {name} - not as long as the hub says - {size} bytes, "
                f"expected {held[name].size} - pull again"
            )


def _place(api: "HfApi", repository: str, public: bool) -> str:
    """The newest commit of the repository, which is made where there is none."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repository)
    except RepositoryNotFoundError:
        api.create_repo(repository, private=not public)
        info = api.model_info(repository)
    if bool(info.private) is public:
        raise RecipeError(
            f"{repository} - {'private' if public else 'public'} already - a push changes no "
            f"rights - {'leave --public out' if public else 'say --public'}, or change them on its "
            "page"
        )
    return str(info.sha)


def _tree(api: "HfApi", repository: str, commit: str) -> dict[str, "RepoFile"]:
    """Files of a commit by their path."""
    from huggingface_hub.hf_api import RepoFile

    entries = list(
        islice(api.list_repo_tree(repository, recursive=True, revision=commit), MOST_FILES + 1)
    )
    if len(entries) > MOST_FILES:
        raise BundleError(
            f"{repository}@{commit} - holds no model - it has more than {MOST_FILES} files - pull "
            "what `adapt push` wrote"
        )
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _listing_name(place: str, held: dict[str, Any]) -> str | None:
    names = [name for name in (MANIFEST, RECORD) if name in held]
    if len(names) == 2:
        raise BundleError(f"{place} - two models - {' and '.join(names)} - pull one of them")
    return names[0] if names else None


def _held_model(
    api: "HfApi", repository: str, commit: str, held: dict[str, "RepoFile"]
) -> set[str]:
    """Files of the model that the repository holds already, which may be replaced."""
    from tempfile import TemporaryDirectory

    own = {*OF_THE_HUB, MANIFEST, RECORD, SIGNATURE}
    listing = _listing_name(repository, held)
    if listing is not None:
        with TemporaryDirectory() as folder:
            _download(api, repository, commit, Path(folder), [listing], held)
            own |= set(listing_of(Path(folder))["files"])
    if strange := sorted(set(held) - own):
        raise RecipeError(
            f"{repository} - holds other files - {strange[0]} - choose a new repository, which "
            "holds a model and nothing else"
        )
    return set(held) - set(OF_THE_HUB)


def _equals(there: "RepoFile | None", path: Path) -> bool:
    """Whether the hub holds the bytes of a file: it knows large ones by SHA-256."""
    if there is None or there.size != (size := path.stat().st_size):
        return False
    if there.lfs is not None:
        return bool(there.lfs.sha256 == content_hash(path))
    blob = f"blob {size}\0".encode() + path.read_bytes()
    return bool(there.blob_id == hashlib.sha1(blob, usedforsecurity=False).hexdigest())


def _check_name(repository: str) -> None:
    if NAME.fullmatch(repository) is None or ".." in repository or "--" in repository:
        raise RecipeError(
            f"{repository[:200]} - not the name of a repository - wanted owner/name - write it "
            "as its page does"
        )


def _api() -> "HfApi":
    from huggingface_hub import HfApi, constants

    constants.HF_HUB_DISABLE_TELEMETRY = True  # or it tells which programs run it
    return HfApi(library_name="adapt")


@contextmanager
def _failures_of(place: str) -> Iterator[None]:
    """Say in our words what the hub's client raises."""
    from huggingface_hub import errors

    try:
        yield
    except AdaptError:
        raise
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"{place} - no such revision - the repository is there - look it up on its page"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"{place} - no such repository - there is none, or it is not open to you - check the "
            f"name, or {LOG_IN}"
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise RunError(
            f"{place} - not asked - HF_HUB_OFFLINE is set - unset it to use the network"
        ) from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (401, 403):
            raise ModelError(
                f"{place} - not allowed - the hub answered {status} - use a token that may: "
                f"{LOG_IN}"
            ) from error
        raise RunError(
            f"{place} - the hub refused - {one_line(error)} - try again later"
        ) from error
    except Exception as error:  # its HTTP library differs between its versions
        raise RunError(
            f"{place} - the hub cannot be reached - {type(error).__name__}: {one_line(error)} - "
            "check the network, and HF_ENDPOINT if it is set"
        ) from error
