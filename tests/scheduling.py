"""Hands out the tests, by files, also when a worker has ended."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from .selection import APART


class Files(LoadFileScheduling):
    """A file's tests go to one worker; those that a worker which ended left undone go to another, but for the one that
    ended it.

    That of pytest-xdist 3.8 hands this one out again, until so many workers have ended that it gives up, hands out what
    was done, and forgets to tell a worker that no test follows its last: both wait for ever. Its pull request 1371, its
    issues 1323, 1327 and 1378.

    A row of faults mostly waits, and shares nothing with the others: each is handed out by itself.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(APART) else super()._split_scope(nodeid)

    def remove_node(self, node: WorkerController) -> str | None:
        workload = self.assigned_work.pop(node)
        undone = {name: scope for scope, unit in workload.items() for name, done in unit.items() if not done}
        if not undone:
            return None
        ended, *rest = undone
        for name in rest:
            self.workqueue.setdefault(undone[name], {})[name] = False
        for other in self.assigned_work:
            self._reschedule(other)
        return ended

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:
            return  # it took the place of one that ended just now, and has not told its tests: it will
        super()._reschedule(node)
        if not self.workqueue and not node.shutting_down:
            node.shutdown()  # when it has run what it was given: until then it keeps its last test
