"""The place of a topic on a process: whatever is lost, members get a gapless run or a reset."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nexios.application.backplane import Arrived, Position, Slice
from nexios.websockets.cursor import Cursor, State, Step


class Model:
    """A store that loses, trims and forgets; its link; and what members were told."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.epochs = 0
        self.log: list[Arrived] = []
        self.head = Position("0", 0)
        self.cursor = Cursor()
        self.cursor.begin(self.head)
        self.told: list[Arrived | Position] = [self.head]
        self.published: dict[str, list[Arrived]] = {"0": []}

    def publish(self, *, heard: bool) -> None:
        place = Position(self.head.epoch, self.head.offset + 1)
        message = Arrived(place, self.head.offset, f"{place}", None, b"")
        self.head = place
        self.log.append(message)
        self.published[place.epoch].append(message)
        if heard:
            self.hear(message)

    def again(self) -> None:
        """The last message comes twice, as after a reconnect."""
        if self.log:
            self.hear(self.log[-1])

    def hear(self, message: Arrived) -> None:
        step = self.cursor.take(message)
        if step is Step.RESET:
            self.told.append(Position(message.position.epoch, message.previous))
        if step in (Step.RESET, Step.DELIVER):
            self.told.append(message)

    def trim(self) -> None:
        self.log = self.log[-1:]

    def wipe(self) -> None:
        self.epochs += 1
        self.log = []
        self.head = Position(str(self.epochs), 0)
        self.published[self.head.epoch] = []

    def read(self) -> None:
        """Read one page, if the cursor wants one."""
        after = self.cursor.last
        assert after is not None
        if self.cursor.state is not State.CATCHING_UP:
            return
        beyond = [one for one in self.log if one.position.offset > after.offset]
        known = after.epoch == self.head.epoch and after.offset <= self.head.offset
        first = beyond[0].previous if beyond else self.head.offset
        whole = known and first == after.offset
        part = Slice(tuple(beyond[: self.page]) if known else (), self.head, whole)
        step, told = self.cursor.read(part)
        if step is Step.RESET:
            self.told.append(self.head)
        self.told.extend(told)

    def settle(self) -> None:
        self.cursor.found()
        for _ in range(len(self.log) + 2):
            self.read()
        assert self.cursor.state is State.FOLLOWING


MOVES = {
    "say": lambda model: model.publish(heard=True),
    "lose": lambda model: model.publish(heard=False),
    "again": Model.again,
    "trim": Model.trim,
    "wipe": Model.wipe,
    "down": lambda model: model.cursor.lost(),
    "up": lambda model: model.cursor.found(),
    "read": Model.read,
}


@settings(max_examples=500)
@given(page=st.integers(1, 4), moves=st.lists(st.sampled_from(sorted(MOVES)), max_size=60))
def test_any_mix_of_loss_and_catching_up_is_gapless_or_reset(page: int, moves: list[str]) -> None:
    model = Model(page)
    for move in moves:
        MOVES[move](model)
    model.settle()

    at = Position("", 0)
    for told in model.told:
        if isinstance(told, Position):
            at = told
            continue
        assert (told.position.epoch, told.previous) == (at.epoch, at.offset)
        at = told.position
    assert at == model.head


def test_a_reissued_offset_is_noticed_by_its_id() -> None:
    cursor = Cursor()
    cursor.begin(Position("e", 0))
    assert cursor.take(Arrived(Position("e", 1), 0, "a", None, b"")) is Step.DELIVER
    assert cursor.take(Arrived(Position("e", 1), 0, "a", None, b"")) is Step.IGNORE
    assert cursor.take(Arrived(Position("e", 1), 0, "b", None, b"")) is Step.RESET
    assert cursor.reason == "rewound"


def test_a_late_message_from_before_the_head_is_ignored() -> None:
    cursor = Cursor()
    cursor.begin(Position("e", 5))
    assert cursor.take(Arrived(Position("e", 4), 3, "a", None, b"")) is Step.IGNORE
    assert cursor.last == Position("e", 5)
