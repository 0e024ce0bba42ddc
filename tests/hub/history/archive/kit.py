"""Raw history on disk over real files, fed by a real history, with a clock that moves when told."""

from hub.core.store import Store
from hub.history.archive import RawArchive, RootKey
from hub.history.archive.folder import Folder
from hub.history.archive.table import RawSeriesTable
from hub.history.disk_limits import DiskLimits
from hub.history.memory import History, Scale
from hub.sdk.testing import ManualClock

H, DAY = 3600, 86_400
START = 1_790_000_000
ROOT = b"r" * 32
COLUMNS = (("temperature", "0.01"), ("motion", "1"))


class Disk:
    """One life of a hub, as far as raw history goes."""

    def __init__(
        self,
        path,
        now=START,
        *,
        keep_s=30 * DAY,
        most=64 << 20,
        budget=8 << 20,
        root=lambda: ROOT,
        wanted=lambda place, metric: True,
    ):
        self.path, self.clock = path, ManualClock(now)
        self._options = {"limits": DiskLimits(keep_s, most), "root": RootKey(root, "key-file"), "wanted": wanted}
        self._budget = budget

    async def __aenter__(self):
        self.history = History(self._budget)
        self.store = await Store.open(self.path / "store.db", b"k" * 32)
        self.folder = Folder(self.path / "raw")
        self.memory = RawSeriesTable(self.store)
        self.raw = RawArchive(self.folder, self.memory, self.history, self.clock, drain=lambda: None, **self._options)
        return self

    async def __aexit__(self, *error):
        await self.store.close()

    def say(self, time, *values, place="salle", columns=COLUMNS):
        [group] = self.history.bind(place, columns[: len(values)])
        if group.add([time, *values]):
            self.history.close(group)

    async def write(self):
        self.history.hand_over()
        return await self.raw.write()

    async def read(self, metric="temperature", place="salle", begin=0, end=1 << 40):
        """Sorted, each once."""
        found, edge = set(), begin
        async for until, some in self.raw.walk(place, metric, begin, end):
            assert all(time >= edge for time, _ in some), "something came after it was said that nothing would"
            edge = until
            found.update(some)
        return sorted(found)


def shown(points, step="0.01"):
    scale = Scale(step)
    return [(time, scale(value)) for time, value in points]
