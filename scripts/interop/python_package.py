"""Is the wheel under 20 MB, does it import in under 0.3 s, and does it import no framework?

    python scripts/interop/python_package.py WHEEL
"""

import os
import subprocess
import sys

LARGEST_MB = 20
LONGEST_SECONDS = 0.3
SCRIPT = """
import sys, time
begin = time.perf_counter()
import autodistillation
seconds = time.perf_counter() - begin
heavy = [name for name in ("torch", "tensorflow", "transformers", "numpy") if name in sys.modules]
assert not heavy, heavy
print(seconds)
"""


def main() -> None:
    size = os.path.getsize(sys.argv[1]) / 1e6
    runs = [subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True) for _ in range(5)]
    seconds = sorted(float(run.stdout) for run in runs)[2]
    print(f"wheel {size:.1f} MB, import {seconds * 1000:.0f} ms")
    assert size < LARGEST_MB, f"the wheel has {size:.1f} MB, more than {LARGEST_MB}"
    assert seconds < LONGEST_SECONDS, f"the import takes {seconds:.2f} s, more than {LONGEST_SECONDS}"


if __name__ == "__main__":
    main()
