"""`nexios audit`, as a process on a real database."""

import json
import re
from pathlib import Path

from tests.support.notes import Store


def test_the_trail_is_sealed_verified_and_printed(notes: Store) -> None:
    notes.note("1", "2", "3")
    code, out, err = notes.nexios("audit", "seal", "main:app")
    sealed = re.fullmatch(r"seal 1  3 changes  ([0-9a-f]{64})\n", out)
    assert sealed is not None, (code, out, err)
    assert notes.nexios("audit", "seal", "main:app")[:2] == (0, "nothing to seal\n")
    verified = notes.nexios("audit", "verify", "main:app", "--known", sealed[1])
    assert verified == (0, "ok: 1 seal over 3 changes\n", "")

    code, out, err = notes.nexios("audit", "export", "main:app")
    lines = [json.loads(text) for text in out.splitlines()]
    assert (code, err, [one["version"] for one in lines]) == (0, "", [1, 1, 1])
    assert all(one["diff"]["orders"]["inserted"] for one in lines)
    assert all(one["use_case"].endswith("Notes.note") for one in lines)
    second = lines[1]
    only = notes.nexios("audit", "export", "main:app", "--stream", second["stream"])[1]
    assert [json.loads(text) for text in only.splitlines()] == [second]
    rest = notes.nexios("audit", "export", "main:app", "--after", str(second["id"]))[1]
    assert [json.loads(text) for text in rest.splitlines()] == [lines[2]]


def test_a_digest_that_no_seal_has_is_told(notes: Store) -> None:
    notes.note("0")
    notes.nexios("audit", "seal", "main:app")
    code, out, err = notes.nexios("audit", "verify", "main:app", "--known", "ab" * 32)
    assert (code, out) == (1, "")
    assert "the trail of main:app was changed" in err
    assert "no seal has the known digest: the last ones were taken away" in err
    assert "good: 1 seal over 1 change" in err
    code, _, err = notes.nexios("audit", "verify", "main:app", "--known", "abc")
    assert code == 2
    assert "a digest is 64 hexadecimal digits" in err


def test_a_changed_row_is_named_by_its_seal(notes: Store) -> None:
    notes.note("0")
    notes.nexios("audit", "seal", "main:app")
    # Who may write tables may take the trigger away as well.
    if notes.url.startswith("sqlite"):
        notes.rows("DROP TRIGGER IF EXISTS nx_audit_no_update")
    else:
        notes.rows("DROP TRIGGER IF EXISTS nx_append_only ON nx_audit")
    notes.rows("UPDATE nx_audit SET actor = 'nobody'")
    code, out, err = notes.nexios("audit", "verify", "main:app")
    assert (code, out) == (1, "")
    assert re.search(r"\n  a change that seal 1 covers .+\n  covered: marks \d+ to \d+\n", err)
    assert "good: 0 seals over 0 changes" in err
    assert "Traceback" not in err


def test_without_a_trail_the_module_to_include_is_named(tmp_path: Path) -> None:
    code, _, err = Store(tmp_path, "sqlite://").nexios("audit", "verify", "main:idle")
    assert code == 1
    assert "main:idle binds no AuditTrail that NexiosApp sees" in err
