"""Who wrote a model: an Ed25519 signature (RFC 8032) of the file that lists all others.

That file holds the hash of every other and of itself, so signing its hash signs the whole folder.
"""

from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from adapt.common.typed import misfit, resolve_path
from adapt.errors import BundleError, MissingExtraError, RecipeError, one_line
from adapt.export.record import RECORD, Record
from adapt.models.bundle.manifest import MANIFEST, OWN_HASH, SIGNATURE, read_manifest, read_mapping
from adapt.models.bundle.read import check_files

ALGORITHM = "ed25519"
FIELDS: dict[str, Any] = {"algorithm": str, "signs": str, "signature": str}
SIGN, AGAIN = "sign it: adapt sign", "sign it again: adapt sign"


def sign(folder: str | Path, key: str | Path) -> Path:
    """Write `signature.json` beside a bundle or an export, in place of an earlier one.

    Args:
        folder: The model; its files are checked first.
        key: File of an Ed25519 private key, PEM without a password (`openssl genpkey -algorithm
            ed25519`).

    Raises:
        BundleError: When the model was altered.
        RecipeError: When the file holds no such key.
        MissingExtraError: When `cryptography` is not installed.
    """
    folder = resolve_path(folder)
    private, signs = _key(key, private=True), _listing(folder)
    signature = private.sign(signs.encode()).hex()
    write_json(folder / SIGNATURE, {"algorithm": ALGORITHM, "signs": signs, "signature": signature})
    return folder / SIGNATURE


def check_signature(folder: str | Path, key: str | Path) -> None:
    """Check that a model is as the owner of a key signed it.

    Args:
        folder: The model.
        key: File of an Ed25519 public key, PEM (`openssl pkey -pubout`).

    Raises:
        BundleError: When there is no signature, or it is of another key or another model.
        RecipeError: When the file holds no such key.
        MissingExtraError: When `cryptography` is not installed.
    """
    folder = resolve_path(folder)
    public, signs, path = _key(key, private=False), _listing(folder), folder / SIGNATURE
    if not path.is_file():
        raise BundleError(f"{folder} - not signed - there is no {SIGNATURE} - {SIGN}")
    content = read_mapping(path)
    problems = [misfit(hint, content.get(name), name) for name, hint in FIELDS.items()]
    if set(content) != set(FIELDS) or any(problems) or content["algorithm"] != ALGORITHM:
        raise BundleError(f"{path} - not a signature - {str(content)[:60]} - {AGAIN}")
    if content["signs"] != signs:
        raise BundleError(f"{path} - of another model - {content['signs'][:40]} - {AGAIN}")
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(bytes.fromhex(content["signature"]), signs.encode())
    except (InvalidSignature, ValueError) as error:
        raise BundleError(
            f"{path} - not of this key - {resolve_path(key)} - get the model from its owner again, "
            "or check that this is the owner's key"
        ) from error


def _listing(folder: Path) -> str:
    """Name and hash of the file that lists all others, which are as it says."""
    if (folder / RECORD).is_file():
        Record.read(folder)
        name, content = RECORD, read_mapping(folder / RECORD)
    else:
        name, content = MANIFEST, read_manifest(folder)
        check_files(folder, content["files"], MANIFEST)
    return f"{name} {content[OWN_HASH]}"


def _key(path: str | Path, private: bool) -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError(
            f"signature - cryptography is not installed - {error} - pip install 'adapt-clip[sign]'"
        ) from error
    path = resolve_path(path)
    kind = "private" if private else "public"
    try:
        data = path.read_bytes()
        if private:
            key: Any = serialization.load_pem_private_key(data, password=None)
        else:
            key = serialization.load_pem_public_key(data)
    except FileNotFoundError as error:
        raise RecipeError(
            f"{path} - not found - given as the {kind} key - check the path"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise RecipeError(
            f"{path} - not a {kind} key - {one_line(error)} - give a PEM file without a password"
        ) from error
    wanted = ed25519.Ed25519PrivateKey if private else ed25519.Ed25519PublicKey
    if not isinstance(key, wanted):
        given = type(key).__name__
        raise RecipeError(
            f"{path} - another kind of key - {given} - make one: openssl genpkey -algorithm ed25519"
        )
    return key
