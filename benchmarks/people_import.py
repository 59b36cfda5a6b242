"""What importing people costs: rows a second and peak memory of `kentongan people import`, at several lengths.

Each length is imported into an empty ledger, then a second time as it is, then with every tenth person changed, as the
command does it, process start included. Beside them: how long another process that writes twenty times a second waited
for the ledger meanwhile, the machine's load, and how long counting an audience takes.

    python benchmarks/people_import.py --people 10000 1000000 --folder /var/lib/kentongan
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kentongan.keys import StateKeys
from kentongan.ledger import Ledger
from kentongan.ledger.people import count_people
from kentongan.settings import Audience

_ROOT = Path(__file__).resolve().parents[1]
_COMMAND = "import sys; from console.main import main; sys.exit(main())"
_LETTERS = str.maketrans("0123456789", "abcdefghij")
_EVERY = 0.05  # seconds between two writes of the process beside


def write_list(path: Path, count: int, *, changed: bool = False) -> None:
    """Writes people who exist nowhere: one telephone, one of three groups, one of 80,000 villages."""
    with path.open("w") as file:
        file.write("reference,phone,language,groups,regions\n")
        for n in range(count):
            group = "officials" if changed and n % 10 == 0 else ("subscriber", "fishers", "schools")[n % 3]
            village = f"{11 + n % 38}.{1 + n % 20:02}.{1 + n % 15:02}.{2001 + n % 7}"
            # Digits alone could be those of the telephone, which no reference may hold.
            reference = str(n).translate(_LETTERS)
            file.write(f"{reference},+62812{10_000_000 + n:08},{('id', 'en')[n % 20 == 0]},{group},{village}\n")


def run_import(state: Path, file: Path) -> dict[str, float]:
    """Runs the command; seconds, CPU seconds and peak memory in MiB of its process, and the longest wait beside it."""
    environment = {**os.environ, "KENTONGAN_STATE": str(state)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "people", "import", str(file), "--json"],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    waits = [0.0]
    ended = threading.Event()

    def write_beside() -> None:
        with Ledger.open(state / "ledger.db") as ledger:
            while not ended.wait(_EVERY):
                start = time.monotonic()
                ledger.write(lambda write: write.sql("UPDATE meta SET value = value WHERE name = ''"))
                waits.append(time.monotonic() - start)

    other = threading.Thread(target=write_beside)
    other.start()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    ended.set()
    other.join()
    if status:
        sys.exit(f"the import failed: status {status}")
    return {
        "seconds": round(took, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
        "others_median_wait": round(sorted(waits)[len(waits) // 2], 3),
        "others_99_in_100_wait": round(sorted(waits)[len(waits) * 99 // 100], 3),
        "others_longest_wait": round(max(waits), 3),
        "others_writes": len(waits) - 1,
        "load": round(os.getloadavg()[0], 1),
    }


def measure(folder: Path, count: int) -> list[dict[str, object]]:
    """The figures for one length of list."""
    state = folder / f"state-{count}"
    state.mkdir(mode=0o700)
    first, second = folder / f"{count}.csv", folder / f"{count}-changed.csv"
    write_list(first, count)
    write_list(second, count, changed=True)
    StateKeys.open(state)
    Ledger.open(state / "ledger.db").close()
    results: list[dict[str, object]] = []
    for name, file in (("new", first), ("the same again", first), ("every tenth changed", second)):
        figures = run_import(state, file)
        rates = {f"rows_a_{each}": round(count / figures[f"{each}s"]) for each in ("second", "cpu_second")}
        results.append({"people": count, "list": name, **rates, **figures})
        print(json.dumps(results[-1]), flush=True)
    with Ledger.open(state / "ledger.db") as ledger:
        start = time.monotonic()
        found = ledger.read(
            lambda read: count_people(read, family="phone", audience=Audience(groups=("fishers",), regions=("33",)))
        )
        results.append({"people": count, "counted": found, "count_seconds": round(time.monotonic() - start, 2)})
        print(json.dumps(results[-1]), flush=True)
    return results


def main() -> None:
    """Measures and writes JSON lines, and all of them into `--results`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where the ledger is made; the disk is part of what is measured")
    parser.add_argument("--results", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wanted.folder, prefix="kentongan-people-") as name:
        results = [each for count in wanted.people for each in measure(Path(name), count)]
    if wanted.results is not None:
        wanted.results.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
