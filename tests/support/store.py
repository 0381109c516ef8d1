"""A small application on disk, written for one test and forgotten after it."""

import sys
from collections.abc import Iterator
from pathlib import Path


class Files:
    """Writes a package for one test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        for folder in file.relative_to(self.root).parents:
            if folder.name:
                (self.root / folder / "__init__.py").touch()


def tidy_store(root: Path) -> Iterator[Files]:
    """Write an application that keeps every rule; forget what was imported of it."""
    made = Files(root)
    made.write("store/orders/domain/order.py", "from nexios.domain import AggregateRoot\n")
    made.write("store/orders/application/ordering.py", "from store.orders.domain import order\n")
    made.write(
        "store/orders/adapters/http/views.py", "from store.orders.application import ordering\n"
    )
    made.write("store/orders/adapters/persistence/orders.py", "import sqlalchemy\n")
    made.write(
        "store/orders/module.py",
        "from store.orders.adapters.http import views\n"
        "from store.orders.adapters.persistence import orders\n",
    )
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "store"]:
        del sys.modules[name]
