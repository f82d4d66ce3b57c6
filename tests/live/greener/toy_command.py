"""A command for tests: counts, writes each number to a file, and may save at a signal and go on from there."""

import os
import pathlib
import signal
import sys
import time


def main(folder: pathlib.Path, steps: int, code: int) -> int:
    saved = folder / "saved"
    done = int(saved.read_text()) if saved.exists() else 0
    asked = []
    signal.signal(signal.SIGUSR1, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(7))
    with (folder / "log").open("a") as log:
        print("pid", os.getpid(), file=log, flush=True)
        while done < steps:
            time.sleep(0.02)
            done += 1
            print("step", done, time.time(), file=log, flush=True)
            if asked:
                saved.write_text(str(done))
                return 85
    return code


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
