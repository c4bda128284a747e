"""Any order of events on a store of tasks, against a model of what it promises (`ports.TaskStore`)."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import attrs
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from task_worlds import DONE, MANY, QUESTION, SLOW, YES, Clock, made, moved, new_store

from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import Lease, Place, Status, Task

LEASE = 10.0
BROKEN = {"error": {"code": -32603, "message": "broke", "data": None}}

CHANGES = {
    "begin": tasks.begin,
    "ask a": lambda task, now: tasks.ask(task, "a", QUESTION, now),
    "ask b": lambda task, now: tasks.ask(task, "b", QUESTION, now),
    "answer a": lambda task, now: tasks.answer(task, "a", YES, now),
    "answer a otherwise": lambda task, now: tasks.answer(task, "a", BROKEN, now),
    "answer what was not asked": lambda task, now: tasks.answer(task, "z", YES, now),
    "answer all": lambda task, now: tasks.answer(tasks.answer(task, "a", YES, now), "b", YES, now),
    "take a": lambda task, now: tasks.take(task, "a"),
    "report": lambda task, now: tasks.report(task, f"at {now}", now),
    "complete": lambda task, now: tasks.finish(task, DONE, now),
    "fail": lambda task, now: tasks.finish(task, BROKEN, now),
    "cancel": lambda task, now: tasks.cancel(task, "not wanted", now),
    "come back to life": lambda task, now: moved(task, Status.WORKING, message="risen"),
}


@attrs.define
class Known:
    """What the model knows of one task."""

    task: Task
    owner: str | None
    until: float
    fence: int = 1
    journal: dict[str, int] = attrs.Factory(dict)
    history: list[Task] = attrs.Factory(list)
    swept: bool = False

    def gone(self, now):
        return self.swept or (self.task.expires is not None and self.task.expires <= now)

    def held(self, now):
        return self.owner is not None and self.until > now

    def holds(self, lease, now):
        return (lease.owner, lease.fence) == (self.owner, self.fence) and self.held(now)

    def put(self, task):
        self.history.append(self.task)
        self.task = task
        if task.ended:
            self.owner = None


class Run:
    """A trio run in a thread, with an open store in it."""

    def __init__(self, store):
        self.store, self.ready = store, threading.Event()
        self.thread = threading.Thread(target=trio.run, args=(self.live,))
        self.thread.start()
        assert self.ready.wait(30)

    async def live(self):
        self.token, self.over = trio.lowlevel.current_trio_token(), trio.Event()
        async with self.store:
            self.ready.set()
            await self.over.wait()

    def do(self, act, *args, **options):
        async def call():
            with trio.fail_after(30):
                done = act(*args, **options)
                return await (done.wait() if hasattr(done, "wait") else done)

        return trio.from_thread.run(call, trio_token=self.token)

    def sync(self, act, *args):
        return trio.from_thread.run_sync(act, *args, trio_token=self.token)

    def end(self):
        trio.from_thread.run_sync(self.over.set, trio_token=self.token)
        self.thread.join(30)


class TaskStoreMachine(RuleBasedStateMachine):
    kind: str
    places = Bundle("places")
    owners = st.sampled_from(["one", "two", "three"])

    @initialize()
    def open(self):
        self.clock = Clock()
        self.folder = tempfile.TemporaryDirectory()
        self.run = Run(new_store(self.kind, Path(self.folder.name) / "tasks.db", self.clock, lease=LEASE))
        self.store, self.known, self.heard = self.run.store, {}, {}
        self.handed, self.read = [], {}
        self.run.sync(self.store.watch, "app", self.heard.__setitem__)

    def teardown(self):
        self.run.end()
        self.folder.cleanup()

    # ---- what happens
    @rule(target=places, owner=owners, principal=st.sampled_from(["ann", "bob"]), ttl=st.sampled_from([None, 25.0]))
    def create(self, owner, principal, ttl):
        status = Status.QUEUED if len(self.known) % 2 else Status.WORKING
        now = self.clock.now
        task = made(f"t{len(self.known)}", principal, ttl=ttl, status=status, created=now, updated=now)
        lease = self.run.do(self.store.create, task, owner, max_open=MANY)
        assert lease == Lease(task.place, owner, 1)
        self.known[task.place] = Known(attrs.evolve(task, revision=1), owner, now + LEASE)
        self.handed.append(lease)
        return task.place

    @rule(
        place=places,
        change=st.sampled_from(sorted(CHANGES)),
        age=st.sampled_from([0, 0, 0, 1, 2]),
        key=st.sampled_from([None, "k", "l"]),
    )
    def somebody_without_a_lease_writes(self, place, change, age, key):
        self._write(place, change, age, None, key)

    @rule(
        place=places,
        change=st.sampled_from(sorted(CHANGES)),
        age=st.sampled_from([0, 0, 0, 1, 2]),
        which=st.integers(0, 3),
        key=st.sampled_from([None, "k", "l"]),
    )
    def a_worker_writes_however_stale(self, place, change, age, which, key):
        given = [lease for lease in self.handed if lease.place == place]
        self._write(place, change, age, given[-1 - which % len(given)], key)

    def _write(self, place, change, age, lease, key):
        known, now = self.known[place], self.clock.now
        base = ([*known.history, known.task])[-1 - age % (len(known.history) + 1)]
        after = CHANGES[change](base, now)
        entries = {} if key is None else {key: len(known.history)}
        allowed = not known.gone(now) and not known.task.ended and base.revision == known.task.revision
        allowed = allowed and (lease is None or known.holds(lease, now))

        assert self.run.do(self.store.write, after, lease, entries) is allowed

        if allowed:
            known.put(attrs.evolve(after, revision=base.revision + 1))
            known.journal |= entries

    @rule(place=places)
    def whoever_ever_had_a_lease_writes(self, place):
        """At most one holder can write."""
        wrote = []
        for lease in [lease for lease in self.handed if lease.place == place]:
            known = self.known[place]
            if self.run.do(self.store.write, moved(known.task, message=f"{lease.fence}"), lease):
                wrote.append((lease.owner, lease.fence))
                known.put(moved(known.task, message=f"{lease.fence}", revision=known.task.revision + 1))
        known, now = self.known[place], self.clock.now
        held = not known.gone(now) and known.held(now)
        assert wrote == ([(known.owner, known.fence)] if held else [])

    @rule(owner=owners, limit=st.sampled_from([1, 2, 99]))
    def somebody_claims(self, owner, limit):
        now = self.clock.now
        free = [place for place, it in self.known.items() if not (it.gone(now) or it.task.ended or it.held(now))]

        claimed = self.run.do(self.store.claim, "app", owner, [SLOW], limit)

        assert [task.place for task, _ in claimed] == free[:limit]
        for task, lease in claimed:
            known = self.known[task.place]
            known.put(moved(known.task, revision=known.task.revision + 1))
            known.owner, known.fence, known.until = owner, known.fence + 1, now + LEASE
            assert (task, lease) == (known.task, Lease(task.place, owner, known.fence))
            self.handed.append(lease)

    @rule(place=places, which=st.integers(0, 3))
    def a_lease_is_let_go_however_stale(self, place, which):
        given = [lease for lease in self.handed if lease.place == place]
        lease, known = given[-1 - which % len(given)], self.known[place]
        self.run.do(self.store.let_go, [lease])
        if (lease.owner, lease.fence) == (known.owner, known.fence):
            known.owner = None

    @rule(seconds=st.sampled_from([0.5, 5.0, LEASE, 25.0]))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule()
    def what_has_expired_is_swept(self):
        now = self.clock.now
        expired = [known for known in self.known.values() if known.gone(now) and not known.swept]

        assert self.run.do(self.store.sweep, "app") == len(expired)

        for known in expired:
            known.swept = True
            assert self.heard[known.task.place] is None

    @rule(place=places)
    def another_principal_finds_nothing(self, place):
        elsewhere = Place(place.app, "eve", place.id)
        assert self.run.do(self.store.read, elsewhere) is None
        assert self.run.do(self.store.entries, elsewhere) == {}
        assert self.run.do(self.store.write, attrs.evolve(self.known[place].task, place=elsewhere)) is False
        assert self.run.do(self.store.page, "app", "eve", None, MANY) == []

    # ---- what always holds
    @invariant()
    def every_task_is_as_the_model_says(self):
        now = self.clock.now
        for place, known in self.known.items():
            gone = known.gone(now)
            assert self.run.do(self.store.read, place) == (None if gone else known.task)
            assert self.run.do(self.store.entries, place) == ({} if gone else known.journal)

    @invariant()
    def pages_show_each_principal_its_own(self):
        now = self.clock.now
        for principal in ("ann", "bob"):
            mine = [known.task for place, known in self.known.items() if place.principal == principal]
            living = [task for task in mine if not self.known[task.place].gone(now)]
            living.sort(key=lambda task: (task.created, task.id))
            assert self.run.do(self.store.page, "app", principal, None, MANY) == living

    @invariant()
    def watchers_have_heard_the_newest(self):
        for place, known in self.known.items():
            assert self.heard[place] == (None if known.swept else known.task)

    @invariant()
    def what_ended_stays_and_time_never_runs_backwards(self):
        for place, known in self.known.items():
            read, before = self.run.do(self.store.read, place), self.read.get(place)
            if read is not None and before is not None:
                assert read.updated >= before.updated
                assert read.revision >= before.revision
                assert read == before or not before.ended
            assert read is None or known.gone(self.clock.now) is False
            self.read[place] = read or before


class MemoryMachine(TaskStoreMachine):
    kind = "memory"


class SqliteMachine(TaskStoreMachine):
    kind = "sqlite"


TestTasksInMemory = MemoryMachine.TestCase
TestTasksInMemory.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestTasksInAFile = SqliteMachine.TestCase
TestTasksInAFile.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
