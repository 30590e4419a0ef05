"""The stored logits are those of the stored weights, in any process."""

import math
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from adapt.models.bundle.manifest import PROBE
from adapt.models.classifier import probe_error
from tests.helpers.bundles import forge, learned
from tests.helpers.tiny import VIT, run_python


def test_a_fresh_process_gives_the_probe_logits(folder: Path, tmp_path: Path) -> None:
    """It knows neither the name of the architecture nor the folder of the weights, nor a network.

    Nothing is asked for there, not even while importing.
    """
    code = (
        "import socket\n"
        "def refuse(*_): raise OSError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import sys, torch\n"
        "from safetensors.torch import load_file\n"
        "from adapt.models.classifier import Classifier\n"
        "classifier = Classifier.load(sys.argv[1])\n"
        "probe = load_file(sys.argv[1] + '/probe.safetensors')\n"
        "with torch.no_grad():\n"
        "    print(float((classifier(probe['pixels']) - probe['logits']).abs().max()))\n"
        "    print(float(classifier.rebuild_head().head.weight.double().sum()))\n"
    )
    difference, total = map(float, run_python(code, tmp_path, str(folder)).split())
    assert difference <= 1e-6
    expected = learned(VIT).rebuild_head().head.weight.detach().double().sum()
    assert total == pytest.approx(float(expected))
    probe = load_file(folder / PROBE)
    assert probe["pixels"].shape == (4, 3, 32, 32)
    assert probe["logits"].std(0).min() > 1e-4, "the probe must tell models apart"


def test_probe_error_notices_other_weights(folder: Path) -> None:
    probe = load_file(folder / PROBE)
    save_file({**probe, "logits": probe["logits"] + 0.25}, folder / "p.safetensors")
    forge(folder, PROBE, (folder / "p.safetensors").read_bytes())
    assert math.isclose(probe_error(folder), 0.25, rel_tol=1e-3)
