"""The package's public surface is frozen here, and importing it is cheap."""

import subprocess
import sys

import unimodal


def test_the_public_names_are_these() -> None:
    assert dir(unimodal) == [
        "UnimodalConfig",
        "UnimodalForConditionalGeneration",
        "UnimodalProcessor",
        "__version__",
        "audit_precision",
        "load",
    ]


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, unimodal; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
