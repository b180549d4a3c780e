"""Changes of cases as events: what was created, changed or deleted, told at least once.

The service tells nobody of a change, and rows do not say when they were changed. So a watch looks:
it reads the newest page, counts what is older, and reads all of it again little by little. What it
knows is in a state, a file or a store, and so are the events that nobody has acknowledged yet::

    import asyncio

    from aicc_async import AICCClient, NewCase

    NEW = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
    )


    async def main() -> None:
        async with (
            AICCClient.from_env() as aicc,
            aicc.watch_cases(state="watch.db", every=1) as watch,
        ):
            case_id = await aicc.create_case(NEW)
            async for event in watch:
                print(event.kind, event.case.title, event.changes)
                if event.kind == "changed":
                    break
                # Somebody changes it.
                await aicc.change_case(case_id, creator_id=NEW.creator_id, priority="High")


    asyncio.run(main())

It prints::

    created Parcel lost {}
    changed Parcel lost {'priority': (…, 'High')}

A ``CaseEvent`` has an ``id`` of its own, ``kind`` (``created``, ``changed``, ``deleted``,
``shape``), ``case_id``, ``case`` (the row, of a deleted one the last), ``changes`` (field: old and
new value) and ``seen_at``. ``to_dict(event)`` and ``to_json(event)`` write it.

An event is acknowledged when the loop asks for the next one; where its body raises, or the process
is killed, it comes again. With ``manual_ack=True`` only ``await event.ack()`` does that, from any
task: events of other cases go on meanwhile, and the next one of the same case waits. A consumer
keeps the ``id`` of what it has done, or does nothing that must not be done twice.

What is there when a watch begins is taken as known, and not told. Inside ``async with`` that moment
is its entry, else it is when the first event is asked for. A watch looks only while an event is
asked for; ``aclose()``, or the end of ``async with``, gives the state free.

``watch.look_at(case_id)`` reads a case that you have heard of elsewhere at once: what changed of it
is told as an event. Its list row is read, so one that the list does not show yet is told later.

What it costs, and how late it tells
------------------------------------

``every`` (30 s) is the time between two looks, ``period`` (an hour) the time in which all cases of
the ``lookback`` (7 days) are read again. ``watch.plan()`` says what that costs, before it begins::

    import asyncio

    from aicc_async import AICCClient


    async def main() -> None:
        async with AICCClient.from_env() as aicc:
            plan = await aicc.watch_cases(state="watch.db", lookback="30d").plan()
        print(plan.requests, "requests an hour while nothing happens")
        print(plan.new_within, "s for new cases,", plan.changed_within, "s for others")


    asyncio.run(main())

It prints::

    … requests an hour while nothing happens
    30.0 s for new cases, 3630.0 s for others

- A new case is told with the next look after the list shows it. So is a change of one of the newest
  cases: of as many as fit in a page, and of all that are younger than five minutes.
- A case that comes late, or is dated in the past, and a deletion move a count: they are found by
  the next look, which counts halves until few rows are left to read. A deletion is told one look
  later, since it has to be missed twice.
- A change of an older case moves no count. It is found when its row is read again: within the
  period, and a look.
- A look is a request for the newest page and one for each window of up to 10,000 cases and a month;
  a period is a request for each hundred cases. Looks that find something ask for more. All of it
  has the priority ``worker`` (the newest) or ``bulk`` (the rest) in a shared budget.

What is promised
----------------

- Each change between two readings of a row is told, at least once, with the last state; events of a
  case come in their order. What a reading finds, rows and events, is one transaction of the state.
- Nothing is told that did not happen. A case is ``deleted`` only if two readings without a doubt
  lack it (all pages agree, no total may be capped, no date is of another zone) and its detail is
  answered with "no such case", while that of another case is there. Errors never delete.
- A look that fails for lack of a service, for HTTP 429 or 5xx, or for an answer that cannot be
  read, is logged once and repeated. Wrong credentials and a missing right are raised.
- For what is forgotten the earlier one of two clocks counts, this machine's and the service's: one
  that jumps ahead forgets nothing, and one that lags misses nothing.
- An extension field that all rows have from now on, or no row any more, is one event ``shape`` with
  the names of such fields. Their rows are renewed without an event.
- Under a query, a case that does not match any more is told as ``changed``, once, with what its
  detail shows, and then forgotten: it is ``created`` again if it matches later.

Not promised: what changed and changed back between two readings; cases that are older than the
look-back, or that came and went while no watch looked; an event for each single change, where there
were several. A tenant whose last listed case is deleted has nothing to compare with: that is told
once there is another one. A service that counts wrongly (a time without cases has some) is watched
by the newest page and by reading again alone.

The state
---------

``state`` is the path of an SQLite file on a local disk, for its owner alone (mode 0600), or a store
that replicas share. **Contact data is in it**: each row is kept whole, in some 200 bytes (a case in
450 of a file), since
only so can old values be told. One process uses a file at a time; another one has ``WatchError``.
A state is of one query, one base URL and one zone; ``every``, ``period`` and ``lookback`` may be
others each time. When a state is lost, a new one takes what is there then as known.

A store has the methods of ``WatchState``, and keeps ``KnownCase`` and ``PendingEvent`` records; a
``Look`` is what it has to keep in one transaction.
"""

from .event import CaseEvent
from .plan import WatchPlan
from .sqlite import SQLiteWatchState
from .state import KnownCase, Look, PendingEvent, WatchState
from .watch import CaseWatch

__all__ = [
    "CaseEvent",
    "CaseWatch",
    "KnownCase",
    "Look",
    "PendingEvent",
    "SQLiteWatchState",
    "WatchPlan",
    "WatchState",
]
