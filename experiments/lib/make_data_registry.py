"""Write jcenas/tables/registry.json (name, size, SHA-256 of every prepared file) from the data folder's MANIFEST.json.

Command: JCENAS_DATA=FOLDER python -m experiments.lib.make_data_registry
Cost: none to speak of. `--check` also reads every file and compares its SHA-256 with the manifest.
"""

import hashlib
import json
import pathlib
import sys

from jcenas.tables import store


def main(check: bool) -> None:
    folder = store.data_folder()
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    files = [entry for entry in manifest["files"] if pathlib.Path(entry["file"]).name != "PROVENANCE.md"]
    if check:
        for entry in files:
            found = hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest()
            assert found == entry["sha256"], f"{entry['file']} does not match the manifest"
    rows = [
        f'  {json.dumps(e["file"])}: [{e["bytes"]}, "{e["sha256"]}"]' for e in sorted(files, key=lambda e: e["file"])
    ]
    store.REGISTRY.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{len(rows)} files -> {store.REGISTRY.name}")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
