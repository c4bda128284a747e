"""
Servers killed at random moments, over and over, while tasks are made, asked about, answered and finished.

What a client was told stands: a task that was created is there, a result that was seen is the result, what was answered
is not asked again, and an effect that was recorded is not repeated. Real processes, SIGKILL, one file for several of
them, both revisions; the kills come at random, or just after something that a client did. A failure names its seed:
`CRASH_SEED=… pytest …` runs with the same choices, though not with the same schedule; `CRASH_KILLS=…` runs for longer.
Sources: `ports.TaskStore`; reliability: crash tests on real processes (R82, R83).
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections import Counter

import trio
from raw_peer import STATEFUL, STATELESS, Gone, Refused, talking
from task_forks import forked, forks
from task_servers import LEASE, UNCERTAIN

WORLDS = 2
"""Files, so that one is busy while the other waits for a lease to lapse."""
SERVERS = 3
"""Processes of one file."""
AUTHORS = 8
"""Clients of one file, each with one task at a time."""
KILLS = int(os.environ.get("CRASH_KILLS", "75"))
"""Of one file's servers; thousands for a night."""
MOST_QUESTIONS = 3

RECOVERY_SECONDS = LEASE * 4 / 3 + 5
"""What is documented, and what running a handler again, with its questions, takes on two busy cores."""

CANCELS = 0.15
"""Of tasks, that their authors think better of."""
CANCELLED = "(cancelled)"
ENDED = ("completed", "failed", "cancelled")


class Deeds:
    """The log of all handlers, read as it grows."""

    def __init__(self, path):
        self.path = path
        path.touch()
        self._file = path.open("rb")
        self.counts = Counter()

    def close(self):
        self._file.close()

    def __getitem__(self, deed):
        for line in self._file.read().splitlines():
            read = json.loads(line)
            self.counts[read["what"], read["name"], read["n"]] += 1
        return self.counts[deed]


class World:
    """One file, its servers and its clients, and what the clients know."""

    def __init__(self, folder, rng, label):
        self.store, self.deeds, self.forks, self.rng, self.label = (
            folder / "tasks.db",
            Deeds(folder / "log"),
            forks,
            rng,
            label,
        )
        self.peers = {}
        """Those that live: peer to process id."""
        self.created = {}
        """Acknowledged: id to name."""
        self.seen = {}
        """Results, by id."""
        self.answered = set()
        """(id, key) of what a server took."""
        self.cancelled = {}
        """Those that somebody tried to cancel: id to whether a server said that it did."""
        self.faults = []
        self.killed = []
        """Process ids."""
        self.last_kill = 0.0
        self.over = False
        self._changed = trio.Event()
        self._moments = []

    # The servers
    async def slot(self):
        """A place for a server: another one starts when it is killed."""
        words = ["stdio", str(self.store), str(self.deeds.path), str(LEASE)]
        while True:
            async with forked(*words) as server:
                pid = server.pid
                era = self.rng.choice([STATEFUL, STATELESS])
                async with talking(server.stdout, server.stdin, era, self.answer) as peer:
                    try:
                        await peer.introduce()
                        self.peers[peer] = pid
                        self._wake()
                        await peer.until(lambda: False)
                    except Gone:
                        if pid not in self.killed:
                            self.faults.append(f"server {pid} ended, and nobody had killed it")

    def _wake(self):
        self._changed.set()
        self._changed = trio.Event()

    async def peer(self, era=None):
        """One that lives, of any revision."""
        while not (found := [each for each in self.peers if era in (None, each.era)]):
            await self._changed.wait()
        return self.rng.choice(found)

    def moment(self, peer):
        """Something happens between this peer and its server: a good time to kill it."""
        for waiting in self._moments:
            waiting.append(peer)
        self._moments.clear()
        self._wake()

    async def killer(self):
        while len(self.killed) < KILLS:
            victims = await self._victims()
            for peer in victims:
                pid = self.peers.pop(peer, None)
                if pid is not None:
                    self.killed.append(pid)
                    await trio.to_thread.run_sync(forks().kill, pid)
            self.last_kill = trio.current_time()
        self.over = True

    async def _victims(self):
        draw = self.rng.random()
        if draw < 0.1:
            await trio.sleep(self.rng.uniform(0, 0.2))
            return list(self.peers)
        if draw < 0.4:
            await trio.sleep(self.rng.uniform(0, 0.2))
            return [await self.peer()]
        waiting = []
        self._moments.append(waiting)
        while not waiting:
            await self._changed.wait()
        await trio.sleep(self.rng.choice([0, 0.001, 0.003, 0.01]) * self.rng.random())
        return waiting

    # Their clients
    async def answer(self, method, params):
        """A question of 2025-11-25."""
        peer_word = params["message"]
        self._not_answered_before(peer_word)
        await trio.sleep(self.rng.uniform(0, 0.01))
        return self._word(peer_word)

    def _word(self, message):
        return {"action": "accept", "content": {"word": message.upper()}}

    def _not_answered_before(self, message):
        name, n = message.split(" ")
        if self.deeds["got", name, int(n)]:
            self.faults.append(f"{message!r} was asked though its handler had the answer")

    async def author(self, n):
        count = 0
        while not self.over:
            count += 1
            await self.task(f"{self.label}-{n}-{count}", self.rng.randrange(MOST_QUESTIONS + 1))

    async def task(self, name, questions):
        peer = await self.peer()
        self.moment(peer)
        try:
            id = await peer.create("ask", name=name, count=questions)
        except Gone:
            return  # it may be there, and may not
        self.created[id] = name, questions
        if self.rng.random() < CANCELS:
            await self.cancel(id)
        outcome = None
        while outcome is None:
            if peer.gone or peer.era == STATELESS:
                peer = await self.peer()
            try:
                outcome = await self.followed(peer, id)
            except Gone:
                continue
        self.seen[id] = outcome

    async def cancel(self, id):
        await trio.sleep(self.rng.uniform(0, 0.05))
        peer = await self.peer()
        self.cancelled[id] = False
        self.moment(peer)
        try:
            said = await peer.cancel(id)
            # The newer revision acknowledges the wish alone: the task may have ended otherwise before.
            self.cancelled[id] = said.get("status") == "cancelled"
            peer = await self.peer()
            if (await peer.get(id))["status"] not in ENDED:
                self.faults.append(f"{self.created[id]} goes on after its cancel was acknowledged")
        except (Gone, Refused):
            return  # nobody knows; or it had ended

    async def followed(self, peer, id):
        """Look at a task and do what it needs; its outcome, when it has one."""
        if peer.era == STATEFUL:
            self.moment(peer)
            return await self.outcome(peer, id)
        task = await peer.get(id)
        if task["status"] in ENDED:
            return outcome_of(task)
        for key, question in task.get("inputRequests", {}).items():
            message = question["params"]["message"]
            self._not_answered_before(message)
            if (id, key) in self.answered:
                self.faults.append(f"{message!r} was asked though its answer was acknowledged")
            self.moment(peer)
            await peer.ask("tasks/update", {"taskId": id, "inputResponses": {key: self._word(message)}})
            self.answered.add((id, key))
        await trio.sleep(0.02)
        return None

    async def outcome(self, peer, id):
        """How a task ended, in either revision; waits for that in 2025-11-25."""
        if peer.era == STATELESS:
            return outcome_of(await peer.status(id, *ENDED))
        try:
            return text_of(await peer.result(id))
        except Refused as error:
            return CANCELLED if error.message.startswith("the task was cancelled") else error.message

    async def run(self):
        async with trio.open_nursery() as servers:
            for _ in range(SERVERS):
                servers.start_soon(self.slot)
            async with trio.open_nursery() as clients:
                clients.start_soon(self.killer)
                for n in range(AUTHORS):
                    clients.start_soon(self.author, n)
            self.recovered = trio.current_time() - self.last_kill
            await self.judge()
            servers.cancel_scope.cancel()

    # What must hold
    async def judge(self):
        assert self.faults == []
        assert self.recovered < RECOVERY_SECONDS
        for id, (name, questions) in self.created.items():
            seen, again = self.seen[id], await self.outcome(await self.peer(), id)
            assert again == seen, f"{name}: another result than before"
            effects = [self.deeds["effect", name, n] for n in range(questions)]
            assert max(effects, default=0) <= 1, f"{name}: {effects}"
            if self.cancelled.get(id) or seen == CANCELLED:
                assert seen == CANCELLED, f"{name}: its cancel was acknowledged"
                assert id in self.cancelled, f"{name}: nobody cancelled it"
            elif not UNCERTAIN.search(seen):
                assert seen == " ".join(f"{name} {n}".upper() for n in range(questions)), name
                assert effects == [1] * questions, f"{name}: {effects}"
        await self._nothing_works_for_ever()
        connection = sqlite3.connect(self.store)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()

    async def _nothing_works_for_ever(self):
        """Those, too, of whose creation nobody was told: they have ended, or ask."""
        connection = sqlite3.connect(self.store)
        with trio.fail_after(RECOVERY_SECONDS):
            while True:
                rows = connection.execute("SELECT id, record FROM tasks WHERE NOT ended").fetchall()
                working = [id for id, record in rows if json.loads(record)["status"] != "input_required"]
                if not working:
                    break
                await trio.sleep(0.05)
        connection.close()
        assert not {id for id, _ in rows} & self.created.keys()

    def told(self):
        uncertain = sum(bool(UNCERTAIN.search(each)) for each in self.seen.values())
        cancelled = sum(each == CANCELLED for each in self.seen.values())
        tasks = f"{len(self.created)} tasks, {cancelled} cancelled, {uncertain} uncertain"
        return f"{len(self.killed)} kills, {tasks}, recovered in {self.recovered:.2f} s"


def text_of(result):
    return result["content"][0]["text"]


def outcome_of(task):
    if task["status"] == "cancelled":
        return CANCELLED
    return task["error"]["message"] if "error" in task else text_of(task["result"])


async def test_what_was_acknowledged_survives_kills_and_nothing_recorded_is_done_twice(tmp_path):
    seed = os.environ.get("CRASH_SEED") or str(random.SystemRandom().randrange(10**9))
    worlds = []
    try:
        with trio.fail_after(60 + KILLS):
            async with trio.open_nursery() as nursery:
                for n in range(WORLDS):
                    folder = tmp_path / str(n)
                    folder.mkdir()
                    world = World(folder, random.Random(f"{seed}-{n}"), f"w{n}")
                    worlds.append(world)
                    nursery.start_soon(world.run)
    except BaseException as error:
        error.add_note(f"CRASH_SEED={seed}")
        raise
    finally:
        for world in worlds:
            world.deeds.close()

    print(f"CRASH_SEED={seed}", *[world.told() for world in worlds], sep="\n")  # noqa: T201 - shown with -s
    assert sum(len(world.killed) for world in worlds) >= WORLDS * KILLS
