"""Signatures say who wrote a model, and fail on any change of it."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from adapt.errors import BundleError, MissingExtraError, RecipeError
from adapt.export.load import verify
from adapt.export.signature import check_signature, sign
from adapt.export.write import export
from adapt.models.bundle.manifest import MANIFEST, SIGNATURE
from adapt.models.classifier import Classifier
from tests.helpers.bundles import edit


def pem(private: bytes, folder: Path, name: str) -> tuple[Path, Path]:
    """Files of a private key and of its public one."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(private)
    paths = folder / f"{name}.pem", folder / f"{name}.pub"
    paths[0].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths[1].write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return paths


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return pem(bytes(range(32)), tmp_path, "own")


@pytest.fixture(scope="module")
def saved(model: Classifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("signed")
    return {
        "bundle": model.save(folder / "bundle"),
        "export": export(model, folder / "export", "lean"),
    }


@pytest.fixture(params=["bundle", "export"])
def folder(request: pytest.FixtureRequest, saved: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved[request.param], tmp_path / "model"))


def test_signed_and_checked(folder: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    path = sign(folder, private)
    check_signature(folder, public)
    verify(folder)  # the signature is a file of its own and disturbs no reader
    content = json.loads(path.read_text())
    key = ed25519.Ed25519PublicKey.from_public_bytes(  # RFC 8032 with the library alone
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        .public_key()
        .public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    )
    listing = next(p for p in (folder / "export.json", folder / MANIFEST) if p.is_file())
    signed = f"{listing.name} {json.loads(listing.read_text())['sha256']}"
    key.verify(bytes.fromhex(content["signature"]), signed.encode())


def test_another_key_is_refused(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    sign(folder, keys[0])
    _, other = pem(bytes(32), tmp_path, "other")
    with pytest.raises(BundleError, match=r"not of this key - .* - get the model from its owner "):
        check_signature(folder, other)


def test_no_signature(folder: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match=r"not signed - there is no signature\.json - sign it: "):
        check_signature(folder, keys[1])


def test_a_change_by_somebody_who_knows_the_hashes(
    saved: dict[str, Path], keys: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(saved["bundle"], tmp_path / "model"))
    sign(folder, keys[0])
    edit(folder, lambda manifest: manifest["info"].update(owner="somebody"))
    with pytest.raises(BundleError, match="of another model"):
        check_signature(folder, keys[1])


def test_a_change_that_is_not_hashed(folder: Path, keys: tuple[Path, Path]) -> None:
    sign(folder, keys[0])
    (folder / "head.safetensors").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"head\.safetensors - altered"):
        check_signature(folder, keys[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("signs"),
        lambda content: content.update(more=1),
        lambda content: content.update(algorithm="none"),
        lambda content: content.update(signature=7),
    ],
)
def test_signatures_that_are_none(
    change: Callable[[dict[str, object]], object], folder: Path, keys: tuple[Path, Path]
) -> None:
    path = sign(folder, keys[0])
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="not a signature"):
        check_signature(folder, keys[1])


def test_a_signature_that_is_not_hexadecimal(folder: Path, keys: tuple[Path, Path]) -> None:
    path = sign(folder, keys[0])
    content = json.loads(path.read_text()) | {"signature": "zz"}
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="not of this key"):
        check_signature(folder, keys[1])


def test_keys_that_are_none(folder: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a private key"):
        sign(folder, keys[1])
    for act, kind in ((sign, "private"), (check_signature, "public")):
        with pytest.raises(RecipeError) as caught:
            act(folder, tmp_path / "nothing.pem")
        assert str(caught.value) == (
            f"{tmp_path / 'nothing.pem'} - not found - given as the {kind} key - check the path"
        )
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "curve.pem").write_bytes(curve)
    with pytest.raises(RecipeError, match="another kind of key"):
        sign(folder, tmp_path / "curve.pem")
    assert not (folder / SIGNATURE).exists()


def test_without_the_extra(
    folder: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(MissingExtraError, match=r"adapt-clip\[sign\]"):
        sign(folder, keys[0])
