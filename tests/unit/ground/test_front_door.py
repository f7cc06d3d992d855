import subprocess
import sys

import sylvian


def test_every_public_name_opens() -> None:
    for name in sylvian.__all__:
        assert getattr(sylvian, name) is not None


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, sylvian, sylvian.cli;"
        "heavy = {'torch', 'lightning', 'matplotlib', 'scipy', 'numpy', 'pydantic', 'numba'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rooms_without_torch_import_without_torch() -> None:
    code = (
        "import sys, importlib, pkgutil;"
        "names = ['sylvian.' + room for room in ('data', 'decode', 'evaluate', 'text')];"
        "rooms = [importlib.import_module(name) for name in names];"
        "[importlib.import_module(m.name) for r in rooms"
        " for m in pkgutil.walk_packages(r.__path__, r.__name__ + '.')];"
        "print(sorted({'torch', 'lightning', 'transformers', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
