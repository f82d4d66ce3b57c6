"""`jcenas data`."""

import dataclasses
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from jcenas.cli.printing import print_table
from jcenas.errors import InputError


@dataclasses.dataclass(frozen=True)
class Data:
    """Show the prepared data files, or get one into the data folder (JCENAS_DATA, or the user's cache folder).

    Attributes:
        action: what to do.
        name: file to import or fetch, as `jcenas data list` writes it; fetch also takes a folder of files.
        path: where a copy of it lies, for import.
        mirror: HTTP(S) address below which the prepared files lie, for fetch; default JCENAS_MIRROR.
    """

    computes: ClassVar[bool] = False
    action: tyro.conf.Positional[Literal["list", "import", "fetch"]]
    name: tyro.conf.Positional[str] = ""
    path: tyro.conf.Positional[Path | None] = None
    mirror: Annotated[str, tyro.conf.arg(name="from")] = ""

    def __post_init__(self):
        if self.action == "import" and (not self.name or self.path is None):
            raise InputError("jcenas data import needs a NAME and a PATH; `jcenas data list` shows the names")
        if self.action == "fetch" and not self.name:
            raise InputError("jcenas data fetch needs a NAME; `jcenas data list` shows the names")
        if self.action == "list" and self.name:
            raise InputError(f"jcenas data list takes nothing more; leave {self.name!r} out")
        if self.action == "fetch" and self.path is not None:
            raise InputError(f"jcenas data fetch takes one NAME and no path; leave '{self.path}' out")
        if self.action != "fetch" and self.mirror:
            raise InputError(f"--from is for jcenas data fetch; leave it out of jcenas data {self.action}")

    def run(self) -> int:
        """Do it and print where the files are."""
        from jcenas.tables import store
        from jcenas.train import pixel_file

        if self.action == "import":
            assert self.path is not None
            print(store.import_file(self.name, self.path))
        elif self.action == "fetch":
            from jcenas.tables import fetch

            for known in fetch.matching(self.name):
                print(fetch.fetch(known, self.mirror))
        else:
            print(f"data folder: {store.data_folder()}")
            if kept := pixel_file.listing(pixel_file.cache_folder()):
                size, days = sum(one.size_bytes for one in kept) / 2**30, pixel_file.UNUSED_DAYS
                print(
                    f"your own images, decoded: {size:.3g} GiB in {pixel_file.cache_folder()}; what is not used for "
                    f"{days:.0f} days is deleted"
                )
            print_table(
                ("file", "bytes", "state"), [(row.name, f"{row.size_bytes:,}", row.state) for row in store.listing()]
            )
        return 0
