"""`nexios worker` and `nexios outbox`, as processes on a real database."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.notes import Store


@pytest.fixture
def worker(notes: Store) -> Iterator["subprocess.Popen[str]"]:
    """A worker whose start has been told; killed if the test left it."""
    process = notes.start("-m", "nexios", "worker", "main:app", "--workers", "1")
    try:
        assert line(process) == "started"
        assert line(process) == "delivering; SIGTERM or Ctrl-C stops"
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_delivery_at_hand_is_finished_and_no_other_begun(
    notes: Store, worker: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    # Two streams: the second waits for the one worker, not for the first event.
    notes.note("2", "0")
    assert line(worker) == "begun 2"
    worker.send_signal(number)
    out, err = worker.communicate(timeout=60)
    assert out.split("\n") == ["done 2", "closed", "stopped", ""]
    assert worker.returncode == 0, err
    assert "Traceback" not in err
    assert [
        row["number"] for row in notes.rows("SELECT number FROM orders WHERE number LIKE 'did%'")
    ] == ["did 2"]
    assert notes.rows("SELECT attempts, state FROM nx_delivery") == [
        {"attempts": 0, "state": "ready"}
    ]


def test_a_second_signal_gives_the_delivery_back(
    notes: Store, worker: "subprocess.Popen[str]"
) -> None:
    notes.note("60")
    assert line(worker) == "begun 60"
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=1)
    worker.terminate()
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "done" not in out
    assert "stopped before all deliveries were done; they are given back" in err
    assert "Traceback" not in err
    assert notes.rows("SELECT attempts, state FROM nx_delivery") == [
        {"attempts": 0, "state": "ready"}
    ]


def test_the_grace_ends_the_wait(notes: Store) -> None:
    notes.write(grace_s=0.5)
    notes.note("60")
    process = notes.start("-m", "nexios", "worker", "main:app")
    assert [line(process), line(process), line(process)][-1] == "begun 60"
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "given back" in err
    assert notes.rows("SELECT attempts FROM nx_delivery") == [{"attempts": 0}]


def test_dead_letters_are_listed_redriven_and_warned_about(
    notes: Store, worker: "subprocess.Popen[str]"
) -> None:
    notes.note("bad,0")
    assert [line(worker) for _ in range(3)] == ["begun bad", "begun 0", "done 0"]
    worker.terminate()
    assert worker.wait(timeout=60) == 0

    code, out, err = notes.nexios("outbox", "list", "main:app")
    assert (code, err) == (0, "")
    head, error = out.splitlines()
    assert head.startswith("1  notes  dead after 1  shop.order-noted  orders:")
    assert error == "    ZeroDivisionError: by nothing"
    assert notes.nexios("outbox", "list", "main:app", "--consumer", "x")[1] == "no dead letters\n"

    code, out, err = notes.nexios("outbox", "redrive", "main:app")
    assert code == 2
    assert "say which: --consumer NAME, --seq NUMBER or --all" in err
    code, out, err = notes.nexios("outbox", "redrive", "main:app", "--all")
    assert (code, out) == (0, "redriven  1\n")
    assert err.startswith("warning: later events of orders:")
    assert err.endswith(" have run before 1  notes\n")
    out = notes.nexios("outbox", "list", "main:app")[1]
    assert out == "no dead letters\npending  notes  1\n"
    assert notes.nexios("outbox", "redrive", "main:app", "--seq", "7")[1] == "redriven  0\n"


def test_a_blocked_lane_is_let_go_by_skip(notes: Store) -> None:
    notes.write(on_dead="block")
    notes.note("bad,0")
    process = notes.start("-m", "nexios", "worker", "main:app")
    assert [line(process) for _ in range(3)][-1] == "begun bad"
    assert notes.nexios("outbox", "skip", "main:app", "--consumer", "notes", "--seq", "2")[0] == 1
    listed = ""
    while "blocked after 1" not in listed:
        listed = notes.nexios("outbox", "list", "main:app")[1]
    done = notes.nexios("outbox", "skip", "main:app", "--consumer", "notes", "--seq", "1")
    assert done == (0, "skipped  1  notes\n", "")
    assert [line(process), line(process)] == ["begun 0", "done 0"]
    process.terminate()
    assert process.communicate(timeout=60)[0] == "closed\nstopped\n"


def test_what_cannot_work_is_refused_with_3(tmp_path: Path) -> None:
    notes = Store(tmp_path, "sqlite://")
    code, _, err = notes.nexios("worker", "main:idle")
    assert code == 3
    assert "no OutboxStore is bound" in err
    code, _, err = notes.nexios("worker", "main:module")
    assert code == 3
    assert "fix: name the NexiosApp object" in err
    notes.url = "postgresql://app:secret@127.0.0.1:1/notes"
    notes.write()
    (notes.folder / "main.py").write_text(
        (notes.folder / "main.py").read_text().replace("/notes')", "/notes', start_timeout_s=0.1)")
    )
    code, _, err = notes.nexios("worker", "main:app")
    assert code == 3
    assert "cannot reach" in err
    assert "secret" not in err
    assert "Traceback" not in err
    code, _, err = notes.nexios("outbox", "list", "main:idle")
    assert code == 1
    assert "binds no OutboxStore" in err
