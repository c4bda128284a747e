"""What a store of tasks promises, the same for every store (`ports.TaskStore`)."""

from __future__ import annotations

import time

import attrs
import pytest
import trio
from task_worlds import DONE, MANY, NOW, QUESTION, SLOW, YES, Clock, made, moved, new_store

from zcp_actors.errors import NotJSON, Overloaded, UsageError
from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import OpenQuestion, Origin, Place, Status, Task
from zcp_actors.tasks import MemoryTaskStore

ENDED = [Status.COMPLETED, Status.FAILED, Status.CANCELLED]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def make(request, tmp_path, clock):
    """A factory of open stores, each with its own tasks."""
    async with trio.open_nursery() as nursery:
        made = 0

        async def keep(store, *, task_status=trio.TASK_STATUS_IGNORED):
            async with store:
                task_status.started(store)
                await trio.sleep_forever()

        async def open_store(**options):
            nonlocal made
            made += 1
            return await nursery.start(keep, new_store(request.param, tmp_path / f"{made}.db", clock, **options))

        with trio.fail_after(30):
            yield open_store
        nursery.cancel_scope.cancel()


@pytest.fixture
async def store(make):
    return await make()


async def created(store, owner="one", **changes):
    task = made(**changes)
    lease = await store.create(task, owner, max_open=MANY)
    return attrs.evolve(task, revision=1), lease


# ---- one record
async def test_a_new_task_has_the_first_revision_and_the_first_fence(store):
    lease = await store.create(made(revision=7), "one", max_open=MANY)

    assert (lease.place, lease.owner, lease.fence) == (Place("app", "ann", "t1"), "one", 1)
    assert (await store.read(lease.place)).revision == 1


async def test_a_new_task_is_kept_together_with_its_journal(store):
    await store.create(made(), "one", max_open=MANY, entries={"b": [1], "a": {"x": 2}})
    assert list((await store.entries(made().place)).items()) == [("b", [1]), ("a", {"x": 2})]


async def test_a_record_is_read_as_it_was_written(store):
    task = Task(
        place=Place("app", "änn \x00", "t'1"),
        origin=Origin(
            method="tasks/create",
            target="review",
            params={"payload": {"n": 1.5, "none": None, "deep": [[{}]]}, "_meta": {"progressToken": 7}},
            version="2026-07-28",
            capabilities={"elicitation": {}},
            client_info={"name": "tester", "version": "1"},
            log_level="debug",
        ),
        status=Status.INPUT_REQUIRED,
        created=NOW + 0.1,
        updated=NOW + 0.3,
        ttl=60.5,
        poll=0.25,
        on_restart="fail",
        message="half 😀 way",
        questions={"b": QUESTION, "a": OpenQuestion(method="sampling/createMessage", params={"maxTokens": 1})},
        answers={"z": YES, "c": {"error": {"code": -1, "message": "no", "data": None}}},
        revision=1,
    )
    await store.create(task, "one", max_open=MANY)

    read = await store.read(task.place)
    assert read == task
    assert (list(read.questions), list(read.answers)) == (["b", "a"], ["z", "c"])

    ended = tasks.finish(task, {"result": {"content": [{"type": "text", "text": "ü"}]}}, NOW + 1)
    await store.write(ended).wait()
    assert await store.read(task.place) == attrs.evolve(ended, revision=2)


@pytest.mark.parametrize("place", [("app", "ann", "t2"), ("app", "bob", "t1"), ("other", "ann", "t1"), ("", "", "")])
async def test_what_is_somewhere_else_is_not_there(store, place):
    """R87: another principal's task is answered as an unknown one."""
    task, _ = await created(store)
    elsewhere = attrs.evolve(task, place=Place(*place))

    assert await store.read(elsewhere.place) is None
    assert await store.entries(elsewhere.place) == {}
    assert await store.write(tasks.cancel(elsewhere, "mine", NOW)).wait() is False
    assert (await store.read(task.place)).status is Status.WORKING


async def test_a_place_that_no_text_can_name_is_not_there(store):
    task, _ = await created(store)

    assert await store.read(task.place._replace(id="\ud800")) is None


async def test_an_id_is_given_once(store):
    task, _ = await created(store)

    with pytest.raises(UsageError, match="'t1' of 'app' already"):
        await created(store, message="another")
    assert await store.read(task.place) == task


async def test_a_write_makes_the_next_revision(store):
    task, _ = await created(store)

    assert await store.write(moved(task, message="on")).wait() is True
    assert await store.read(task.place) == moved(task, message="on", revision=2)
    assert await store.write(moved(task, message="further", revision=2)).wait() is True
    assert (await store.read(task.place)).revision == 3


@pytest.mark.parametrize("revision", [0, 1, 3])
async def test_a_change_of_a_record_that_is_not_the_newest_writes_nothing(store, revision):
    task, lease = await created(store)
    await store.write(moved(task, message="on")).wait()

    assert await store.write(moved(task, message="late", revision=revision), lease, {"k": 1}).wait() is False

    assert (await store.read(task.place)).message == "on"
    assert await store.entries(task.place) == {}


async def test_of_two_changes_of_one_record_the_first_is_written(store):
    task, _ = await created(store)

    first, second = store.write(moved(task, message="first")), store.write(moved(task, message="second"))

    assert (await first.wait(), await second.wait()) == (True, False)
    assert (await store.read(task.place)).message == "first"


async def test_a_read_sees_the_writes_before_it_though_nobody_waited_for_them(store):
    task, _ = await created(store)
    for number in range(50):
        store.write(moved(task, message=str(number), revision=number + 1))

    assert (await store.read(task.place)).message == "49"


@pytest.mark.parametrize("status", ENDED)
async def test_what_has_ended_is_never_replaced(store, status):
    task, lease = await created(store)
    ended = moved(task, status, outcome=DONE)
    assert await store.write(ended, lease).wait()

    for another in (*ENDED, Status.WORKING):
        late = moved(ended, another, message="late", revision=2)
        assert await store.write(late, None, {"k": 1}).wait() is False
        assert await store.write(late, lease).wait() is False
    assert await store.read(task.place) == moved(ended, revision=2)
    assert await store.entries(task.place) == {}


async def test_a_task_may_have_ended_before_it_is_kept(store):
    task, _ = await created(store, status=Status.COMPLETED, outcome=DONE)

    assert await store.read(task.place) == task
    assert await store.claim("app", "two", [SLOW], 9) == []


async def test_an_answer_and_the_holders_report_at_once_are_both_kept(store):
    """`protocol.tasks.merge`: whoever comes second makes its change again on what the first wrote."""
    asked = tasks.ask(made(), "k", QUESTION, NOW)
    lease = await store.create(asked, "one", max_open=MANY)
    base = await store.read(asked.place)

    answered = store.write(tasks.answer(base, "k", YES, NOW + 1))
    reported = tasks.report(base, "still here", NOW + 2)
    assert (await answered.wait(), await store.write(reported, lease).wait()) == (True, False)
    merged = tasks.merge(reported, await store.read(base.place))
    assert await store.write(merged, lease).wait() is True

    kept = await store.read(base.place)
    assert (kept.answers, kept.questions, kept.message, kept.revision) == ({"k": YES}, {}, "still here", 3)


async def test_a_cancel_of_somebody_else_stands_against_the_holders_result(store):
    task, lease = await created(store)
    cancelled = store.write(tasks.cancel(task, "not wanted", NOW))

    assert await store.write(tasks.finish(task, DONE, NOW), lease).wait() is False
    assert await cancelled.wait() is True
    assert (await store.read(task.place)).status is Status.CANCELLED


# ---- the journal
async def test_a_journal_is_read_in_the_order_in_which_its_keys_were_first_written(store):
    task, lease = await created(store)
    await store.write(task, lease, {"b": {"n": 1}, "a": [None, 2.5, "ü"]}).wait()
    await store.write(moved(task, revision=2), lease, {"c": False, "b": "again"}).wait()

    assert list((await store.entries(task.place)).items()) == [("b", "again"), ("a", [None, 2.5, "ü"]), ("c", False)]


async def test_an_entry_of_none_is_removed_and_written_again_it_is_the_last(store):
    task, _ = await created(store)
    await store.write(task, None, {"a": 1, "b": 2}).wait()
    await store.write(moved(task, revision=2), None, {"a": None, "unknown": None}).wait()
    assert await store.entries(task.place) == {"b": 2}

    await store.write(moved(task, revision=3), None, {"a": 3}).wait()
    assert list(await store.entries(task.place)) == ["b", "a"]


async def test_a_journal_is_a_copy_of_what_was_given_and_of_what_is_kept(store):
    task, _ = await created(store)
    given = {"a": [1]}
    reply = store.write(task, None, given)
    given["a"].append(2)
    await reply.wait()
    (await store.entries(task.place))["a"].append(3)

    assert await store.entries(task.place) == {"a": [1]}


async def test_an_entry_that_is_no_json_is_refused_and_nothing_is_written(store):
    task, _ = await created(store)

    with pytest.raises(NotJSON, match=r"entries\['when'\]"):
        store.write(moved(task, message="on"), None, {"fine": 1, "when": object()})

    assert await store.read(task.place) == task
    assert await store.entries(task.place) == {}


async def test_a_journal_belongs_to_its_task(store):
    task, _ = await created(store)
    other, _ = await created(store, id="t2")
    await store.write(task, None, {"k": 1}).wait()
    await store.write(other, None, {"k": 2}).wait()

    assert [await store.entries(one.place) for one in (task, other)] == [{"k": 1}, {"k": 2}]


# ---- pages
async def test_pages_go_through_the_tasks_of_one_principal_by_age_and_id(store):
    for id, age in [("d", 2), ("a", 3), ("c", 1), ("b", 1)]:
        await created(store, id=id, created=NOW + age)
    await created(store, id="x", principal="bob")
    await created(store, id="y", app="other")

    first = await store.page("app", "ann", None, 3)
    rest = await store.page("app", "ann", (first[-1].created, first[-1].id), 3)

    assert [[task.id for task in page] for page in (first, rest)] == [["b", "c", "d"], ["a"]]
    assert await store.page("app", "ann", (NOW + 3, "a"), 3) == []
    assert await store.page("app", "nobody", None, 3) == []


async def test_a_page_begins_after_a_task_that_is_gone(store, clock):
    await created(store, id="a", ttl=5.0)
    await created(store, id="b", created=NOW + 1)
    clock.now += 5
    await store.sweep("app")

    assert [task.id for task in await store.page("app", "ann", (NOW, "a"), 9)] == ["b"]


# ---- limits
async def test_a_principal_has_at_most_so_many_tasks_of_one_app_that_have_not_ended(store):
    for number in range(2):
        await store.create(made(id=f"t{number}"), "one", max_open=2)
    await store.create(made(id="x", principal="bob"), "one", max_open=2)
    await store.create(made(id="y", app="other"), "one", max_open=2)

    with pytest.raises(Overloaded, match="2 of your tasks of 'app' have not ended"):
        await store.create(made(id="t3"), "one", max_open=2)
    assert await store.read(Place("app", "ann", "t3")) is None

    await store.write(tasks.cancel(await store.read(Place("app", "ann", "t0")), "", NOW)).wait()
    await store.create(made(id="t3"), "one", max_open=2)


async def test_an_expired_task_does_not_count_as_one_that_has_not_ended(store, clock):
    await store.create(made(ttl=5.0), "one", max_open=1)
    clock.now += 5

    await store.create(made(id="t2", created=clock.now), "one", max_open=1)


async def test_of_many_creations_at_once_no_more_than_the_limit_succeed(store):
    refused = 0

    async def create(number):
        nonlocal refused
        try:
            await store.create(made(id=f"t{number}"), "one", max_open=3)
        except Overloaded:
            refused += 1

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(create, number)

    assert (refused, len(await store.page("app", "ann", None, 99))) == (17, 3)


async def test_a_full_store_turns_new_tasks_away_and_forgets_none(make):
    store = await make(max_tasks=3)
    for number in range(3):
        await created(store, id=f"t{number}", status=Status.COMPLETED if number else Status.WORKING)

    with pytest.raises(Overloaded, match="3 tasks, its limit: raise max_tasks"):
        await created(store, id="one-too-many")

    assert [task.id for task in await store.page("app", "ann", None, 9)] == ["t0", "t1", "t2"]


async def test_what_has_expired_makes_room_whose_ever_it_is(make, clock):
    store = await make(max_tasks=2)
    heard = []
    store.watch("other", lambda place, task: heard.append((place.id, task)))
    await created(store, id="old", app="other", principal="bob", ttl=5.0)
    await created(store, id="young")
    clock.now += 5
    heard.clear()

    await created(store, id="new")

    assert [task.id for task in await store.page("app", "ann", None, 9)] == ["new", "young"]
    assert heard == [("old", None)]


# ---- expiry
@pytest.mark.parametrize("status", list(Status))
async def test_whatever_its_status_a_task_is_forgotten_when_its_time_is_over(store, clock, status):
    """R84: the record of a task that still runs goes, too."""
    task, lease = await created(store, status=status, ttl=60.0)
    clock.now = NOW + 59.9
    assert await store.read(task.place) == task

    clock.now = NOW + 60

    assert await store.read(task.place) is None
    assert await store.entries(task.place) == {}
    assert await store.page("app", "ann", None, 9) == []
    assert await store.claim("app", "two", [SLOW], 9) == []
    assert await store.write(tasks.cancel(task, "", NOW), lease).wait() is False
    assert await store.write(tasks.cancel(task, "", NOW)).wait() is False


async def test_a_sweep_removes_what_has_expired_and_its_journal(store, clock):
    for number in range(5):
        task, _ = await created(store, id=f"t{number}", ttl=10.0 + number)
        await store.write(task, None, {"k": number}).wait()
    await created(store, id="other", app="other", ttl=1.0)
    clock.now = NOW + 12

    assert [await store.sweep("app"), await store.sweep("app")] == [3, 0]
    assert [task.id for task in await store.page("app", "ann", None, 9)] == ["t3", "t4"]
    again, _ = await created(store, id="t0")
    assert await store.entries(again.place) == {}


async def test_a_sweep_removes_however_many_there_are(store, clock):
    for number in range(600):
        await store.create(made(id=f"t{number}", ttl=5.0), "one", max_open=1000)
    clock.now += 5

    assert await store.sweep("app") == 600


async def test_a_task_without_a_time_to_live_is_kept(store, clock):
    task, _ = await created(store, ttl=None)
    clock.now += 10**9

    assert (await store.sweep("app"), await store.read(task.place)) == (0, task)


async def test_a_write_may_move_the_time_at_which_a_task_is_forgotten(store, clock):
    task, _ = await created(store, ttl=60.0)
    await store.write(moved(task, ttl=120.0)).wait()
    clock.now = NOW + 60
    assert (await store.sweep("app"), (await store.read(task.place)).ttl) == (0, 120.0)

    clock.now = NOW + 120
    assert await store.sweep("app") == 1


# ---- leases
async def test_the_holder_of_a_lease_may_write_until_it_lapses(make, clock):
    store = await make(lease=10.0)
    task, lease = await created(store)
    clock.now += 9.9
    assert await store.write(moved(task, message="in time"), lease).wait() is True

    clock.now += 0.1
    assert await store.write(moved(task, message="late", revision=2), lease).wait() is False
    assert (await store.read(task.place)).message == "in time"


@pytest.mark.parametrize("wrong", [{"owner": "two"}, {"fence": 0}, {"fence": 2}])
async def test_another_lease_is_no_lease(store, wrong):
    task, lease = await created(store)

    assert await store.write(moved(task, message="mine"), attrs.evolve(lease, **wrong)).wait() is False
    assert await store.read(task.place) == task


async def test_whoever_holds_no_lease_may_answer_and_cancel_whoever_does(make, clock):
    store = await make(lease=10.0)
    task, _ = await created(store)
    assert await store.write(tasks.ask(task, "k", QUESTION, NOW)).wait() is True
    clock.now += 10
    asked = await store.read(task.place)

    assert await store.write(tasks.answer(asked, "k", YES, NOW)).wait() is True


async def test_a_lapsed_lease_may_be_claimed_and_the_fence_rises(make, clock):
    store = await make(lease=10.0)
    task, first = await created(store)
    assert await store.claim("app", "two", [SLOW], 9) == []

    clock.now += 10
    [(claimed, second)] = await store.claim("app", "two", [SLOW], 9)
    assert (claimed, await store.read(task.place)) == (moved(task, revision=2), moved(task, revision=2))
    assert (second.place, second.owner, second.fence) == (task.place, "two", 2)

    clock.now += 10
    [(_, third)] = await store.claim("app", "one", [SLOW], 9)
    assert (third.owner, third.fence) == ("one", 3)
    assert first.fence < second.fence < third.fence


async def test_after_a_claim_the_stale_holder_writes_nothing(make, clock):
    """R83; etcd's lesson: a lock alone is not enough, the fence decides."""
    store = await make(lease=10.0)
    task, stale = await created(store)
    clock.now += 10
    [(claimed, lease)] = await store.claim("app", "two", [SLOW], 9)

    for record in (task, claimed):
        assert await store.write(tasks.finish(record, DONE, NOW), stale, {"k": 1}).wait() is False
    assert await store.write(tasks.finish(task, DONE, NOW), None).wait() is False
    assert await store.read(task.place) == claimed
    assert await store.entries(task.place) == {}
    assert await store.write(tasks.finish(claimed, DONE, NOW), lease).wait() is True


async def test_an_owner_that_claims_its_own_task_again_has_lost_its_first_lease(make, clock):
    store = await make(lease=10.0)
    _, stale = await created(store)
    clock.now += 10
    [(claimed, lease)] = await store.claim("app", "one", [SLOW], 9)

    assert await store.write(moved(claimed, message="stale"), stale).wait() is False
    assert await store.write(moved(claimed, message="new"), lease).wait() is True


async def test_of_two_owners_that_claim_at_once_one_gets_each_task(make, clock):
    store = await make(lease=10.0)
    for number in range(20):
        await created(store, id=f"t{number}")
    clock.now += 10
    claimed = {"two": [], "three": []}

    async def claim(owner):
        for _ in range(10):
            claimed[owner] += [task.id for task, _ in await store.claim("app", owner, [SLOW], 3)]

    async with trio.open_nursery() as nursery:
        for owner in claimed:
            nursery.start_soon(claim, owner)

    assert sorted(claimed["two"] + claimed["three"]) == sorted(f"t{number}" for number in range(20))


async def test_only_what_can_be_run_here_is_claimed(make, clock):
    store = await make(lease=10.0)
    await created(store, id="a")
    await created(store, id="b", target="quick")
    await created(store, id="c", app="other")
    for number, status in enumerate(ENDED):
        await created(store, id=f"ended-{number}", status=status)
    await created(store, id="queued", status=Status.QUEUED)
    clock.now += 10

    claimed = await store.claim("app", "two", [("tools/call", "slow"), ("tasks/create", "quick")], 99)

    assert sorted(task.id for task, _ in claimed) == ["a", "queued"]
    assert await store.claim("app", "two", [], 99) == []


async def test_a_claim_takes_at_most_its_limit(make, clock):
    store = await make(lease=10.0)
    for number in range(5):
        await created(store, id=f"t{number}")
    clock.now += 10

    assert [len(await store.claim("app", "two", [SLOW], 2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_what_is_let_go_may_be_claimed_at_once(store):
    task, lease = await created(store)
    kept, _ = await created(store, id="kept")

    await store.let_go([lease])

    assert await store.write(moved(task, message="late"), lease).wait() is False
    [(claimed, _)] = await store.claim("app", "two", [SLOW], 9)
    assert (claimed.id, (await store.read(kept.place)).revision) == ("t1", 1)


async def test_a_stale_lease_lets_go_of_nothing(make, clock):
    store = await make(lease=10.0)
    _, stale = await created(store)
    clock.now += 10
    [(claimed, lease)] = await store.claim("app", "two", [SLOW], 9)

    await store.let_go([stale, attrs.evolve(stale, place=Place("app", "ann", "unknown"))])

    assert await store.claim("app", "three", [SLOW], 9) == []
    assert await store.write(moved(claimed, message="on"), lease).wait() is True


async def test_a_kept_lease_does_not_lapse(make, clock):
    store = await make(lease=10.0)
    lost = []
    keeping = store.keep("one", lost.append)
    task, lease = await created(store)
    other, _ = await created(store, owner="two", id="t2")
    for _ in range(20):
        clock.now += 5
        assert (await store.read(task.place)) == task
        assert keeping.until > clock.now

    assert [task.id for task, _ in await store.claim("app", "three", [SLOW], 9)] == [other.id]
    assert await store.write(moved(task, message="on"), lease).wait() is True
    assert lost == []
    keeping.close()


async def test_when_it_is_kept_no_longer_a_lease_lapses_within_its_time(make, clock):
    store = await make(lease=10.0)
    keeping = store.keep("one", lambda places: None)
    await created(store)
    for _ in range(4):
        clock.now += 5
        await store.let_go([])
    keeping.close()
    keeping.close()
    assert clock.now < keeping.until <= clock.now + 10
    clock.now = keeping.until - 0.1
    assert await store.claim("app", "two", [SLOW], 9) == []

    clock.now = keeping.until
    assert len(await store.claim("app", "two", [SLOW], 9)) == 1


async def test_a_claimed_task_is_kept_with_the_rest(make, clock):
    store = await make(lease=10.0)
    task, lease = await created(store)
    await store.let_go([lease])
    keeping = store.keep("two", lambda places: None)
    [(claimed, lease)] = await store.claim("app", "two", [SLOW], 9)
    for _ in range(5):
        clock.now += 5
        await store.read(task.place)

    assert await store.claim("app", "three", [SLOW], 9) == []
    assert await store.write(moved(claimed, message="on"), lease).wait() is True
    keeping.close()


async def test_an_owner_is_kept_once_at_a_time(store):
    keeping = store.keep("one", lambda places: None)
    with pytest.raises(UsageError, match="'one' are being kept"):
        store.keep("one", lambda places: None)
    store.keep("two", lambda places: None).close()
    keeping.close()

    store.keep("one", lambda places: None).close()


# ---- watching
async def test_a_watcher_hears_of_every_change_before_whoever_wrote_is_told(make, clock):
    store = await make(lease=10.0)
    heard = []
    store.watch("app", lambda place, task: heard.append((place.id, task and (task.status.value, task.revision))))

    task, _ = await created(store, ttl=60.0)
    assert heard == [("t1", ("working", 1))]
    await store.write(tasks.ask(task, "k", QUESTION, NOW)).wait()
    assert heard[1:] == [("t1", ("input_required", 2))]
    clock.now += 10
    await store.claim("app", "two", [SLOW], 9)
    assert heard[2:] == [("t1", ("input_required", 3))]
    clock.now += 50
    await store.sweep("app")
    assert heard[3:] == [("t1", None)]


async def test_a_watcher_hears_the_record_as_it_is_read(store):
    heard = []
    store.watch("app", lambda place, task: heard.append(task))
    task, _ = await created(store)

    assert heard == [task]


async def test_a_write_that_came_too_late_is_not_heard_of(store):
    task, lease = await created(store)
    heard = []
    store.watch("app", lambda place, task: heard.append(place.id))

    assert await store.write(moved(task, revision=9)).wait() is False
    await store.let_go([lease])
    await store.read(task.place)

    assert heard == []


async def test_a_watcher_hears_of_its_app_until_it_leaves(store):
    mine, others = [], []
    leave = store.watch("app", lambda place, task: mine.append(place.id))
    store.watch("other", lambda place, task: others.append(place.id))
    store.watch("app", lambda place, task: others.append(place.id))
    await created(store)
    await created(store, id="x", app="other")

    leave()
    leave()
    await created(store, id="t2")

    assert (mine, others) == (["t1"], ["t1", "x", "t2"])


async def test_a_change_is_heard_of_though_whoever_wrote_has_left(store):
    task, _ = await created(store)
    heard = []
    store.watch("app", lambda place, task: heard.append(task.message))
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.write(moved(task, message="on")).wait()
    assert scope.cancelled_caught
    await store.read(task.place)

    assert heard == ["on"]


# ---- handles
async def test_handles_are_kept_by_host_oldest_first(store):
    for id in ("b", "a", "c"):
        await store.save_handle("host", {"id": id, "server": {"url": "http://x"}})
    await store.save_handle("other", {"id": "a"})
    await store.save_handle("host", {"id": "b", "server": None})
    await store.drop_handle("host", "a").wait()
    store.drop_handle("host", "unknown")  # whoever does not wait is no worse off

    assert await store.handles("host") == [{"id": "b", "server": None}, {"id": "c", "server": {"url": "http://x"}}]
    assert await store.handles("other") == [{"id": "a"}]
    assert await store.handles("nobody") == []


async def test_a_full_table_of_handles_turns_new_ones_away_and_forgets_none(make):
    store = await make(max_handles=2)
    for id in ("a", "b"):
        await store.save_handle("host", {"id": id})

    with pytest.raises(Overloaded, match="2 task handles, its limit: raise max_handles"):
        await store.save_handle("other", {"id": "c"})
    await store.save_handle("host", {"id": "a", "again": True})
    store.drop_handle("host", "b")
    await store.save_handle("other", {"id": "c"})

    assert await store.handles("host") == [{"id": "a", "again": True}]


@pytest.mark.parametrize("handle", [{}, {"id": 7}, {"id": "a", "when": object()}])
async def test_a_handle_that_cannot_be_found_again_is_refused(store, handle):
    with pytest.raises((UsageError, NotJSON)):
        await store.save_handle("host", handle)


# ---- cancelling
async def test_a_cancelled_creation_leaves_no_task(store):
    with trio.CancelScope() as scope:
        scope.cancel()
        await created(store)
    assert scope.cancelled_caught

    assert await store.page("app", "ann", None, 9) == []


async def test_a_cancelled_creation_takes_back_no_task_of_another(store):
    task, _ = await created(store)
    with trio.CancelScope() as scope:
        scope.cancel()
        await created(store)

    assert await store.read(task.place) == task


async def test_a_cancelled_claim_leaves_the_tasks_to_others(make, clock):
    store = await make(lease=10.0)
    await created(store)
    clock.now += 10
    keeping = store.keep("two", lambda places: None)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.claim("app", "two", [SLOW], 9)
    assert scope.cancelled_caught

    assert len(await store.claim("app", "three", [SLOW], 9)) == 1
    keeping.close()


async def test_leases_are_let_go_though_whoever_did_was_cancelled(store):
    _, lease = await created(store)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.let_go([lease])
    assert scope.cancelled_caught

    assert len(await store.claim("app", "two", [SLOW], 9)) == 1


# ---- opening and closing
async def test_a_store_is_opened_once(make, tmp_path, clock, request):
    store = new_store(request.node.callspec.params["make"], tmp_path / "once.db", clock)
    async with store:
        with pytest.raises(UsageError, match="opened before"):
            await store.__aenter__()
    with pytest.raises(UsageError, match="opened before"):
        await store.__aenter__()


async def test_a_store_that_is_not_open_says_so(make, tmp_path, clock, request):
    store = new_store(request.node.callspec.params["make"], tmp_path / "once.db", clock)

    async def refuse_all():
        for use in (
            lambda: store.create(made(), "one", max_open=1),
            lambda: store.read(made().place),
            lambda: store.entries(made().place),
            lambda: store.page("app", "ann", None, 9),
            lambda: store.claim("app", "one", [SLOW], 9),
            lambda: store.let_go([]),
            lambda: store.sweep("app"),
            lambda: store.save_handle("host", {"id": "a"}),
            lambda: store.handles("host"),
        ):
            with pytest.raises(UsageError, match="async with"):
                await use()
        for use in (
            lambda: store.drop_handle("host", "a"),
            lambda: store.write(made()),
            lambda: store.keep("one", print),
            lambda: store.watch("app", print),
        ):
            with pytest.raises(UsageError, match="async with"):
                use()

    await refuse_all()
    async with store:
        pass
    await refuse_all()


# ---- in memory
async def test_a_task_that_a_watcher_ends_while_others_are_claimed_is_not_claimed(clock):
    async with MemoryTaskStore(now=clock) as store:
        (_, first), (second, other) = await created(store), await created(store, id="t2")
        store.watch("app", lambda place, task: store.write(tasks.cancel(second, "", NOW)))
        await store.let_go([first, other])

        assert [task.id for task, _ in await store.claim("app", "two", [SLOW], 9)] == ["t1"]
        assert (await store.read(second.place)).status is Status.CANCELLED


async def test_the_clock_of_a_store_in_memory_is_the_runs_own(autojump_clock):
    async with MemoryTaskStore(lease=10.0) as store:
        began = store.now()
        assert abs(began - time.time()) < 3600
        task = made(created=began, ttl=60.0)
        await store.create(task, "one", max_open=1)
        await trio.sleep(59)
        assert (await store.read(task.place)).id == task.id
        await trio.sleep(1)

        assert (await store.read(task.place), store.now() - began) == (None, 60.0)


async def test_a_write_in_memory_is_done_when_it_returns(clock):
    heard = []
    async with MemoryTaskStore(now=clock) as store:
        task, _ = await created(store)
        store.watch("app", lambda place, task: heard.append(task.message))

        reply = store.write(moved(task, message="on"))

        assert (reply.settled, reply.result(), heard) == (True, True, ["on"])
