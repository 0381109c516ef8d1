"""What `MakeConfig` takes, refuses and shows."""

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import nexios.config
from nexios.app import NexiosApp
from nexios.application.keyring import Secret
from nexios.application.known import Known
from nexios.config import (
    ConfigError,
    ConfigWarning,
    MakeConfig,
    default_config,
    get_config,
    set_config,
)
from nexios.setting_types import checked

KEY = "a-key-of-thirty-two-bytes-or-more!"


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.upper().startswith("NEXIOS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nexios.config, "_default", None)


def refused(**keys: Any) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        MakeConfig(**keys)
    return str(refusal.value).splitlines()


def test_an_empty_configuration_has_every_default() -> None:
    config = MakeConfig()

    assert config.debug is False
    assert config.env == "dev"
    assert config.secret_key is None
    assert config.keyring is None
    assert config.jwt_algorithms == ("HS256",)
    assert config.cors.allow_origins == ()
    assert config.limits.body == 2 * 2**20
    assert "127.0.0.0/8" in config.trusted_proxies
    assert "testclient" in config.trusted_proxies
    assert config.to_dict() == {}
    assert repr(config) == "MakeConfig()"


def test_a_mapping_and_keywords_say_the_same() -> None:
    one = MakeConfig({"debug": True, "cors": {"max_age": 5}})
    two = MakeConfig(debug=True, cors={"max_age": 5})

    assert one.to_dict() == two.to_dict() == {"debug": True, "cors": {"max_age": 5}}
    assert one.cors.max_age == two["cors.max_age"] == 5


def test_debug_none_means_false() -> None:
    assert MakeConfig(debug=None).debug is False


def test_typo_in_a_section_is_refused_with_the_name_that_was_meant() -> None:
    assert refused(cors={"allow_orign": []}) == [
        "1 setting cannot be used",
        "  cors.allow_orign: unknown key; did you mean 'allow_origins'?   (from code)",
    ]


def test_lives_of_tokens_are_above_zero_and_the_policy_is_one_of_two() -> None:
    settings = MakeConfig(auth={"access_s": 60, "revocation": "required"}).auth
    assert (settings.access_s, settings.refresh_grace_s) == (60, 0)
    (_, line) = refused(auth={"refresh_idle_s": 0})
    assert line.startswith("  auth.refresh_idle_s: must be above zero")
    (_, line) = refused(auth={"revocation": "maybe"})
    assert line.startswith("  auth.revocation: must be 'best-effort' or 'required'")


def test_section_key_like_none_lists_those_there_are() -> None:
    (_, line) = refused(realtime={"zzzz": 1})
    assert "known: allowed_origins" in line


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("debg", "debug"),
        ("Debug", "debug"),
        ("cros", "cors"),
        ("secretkey", "secret_key"),
        ("secret-key", "secret_key"),
        ("allowed_host", "allowed_hosts"),
        ("securty", "security"),
        ("trusted_proxys", "trusted_proxies"),
    ],
)
def test_typo_at_the_top_is_refused_with_the_name_that_was_meant(key: str, meant: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        MakeConfig({key: 1})
    assert f"{key}: unknown key; did you mean {meant!r}?" in str(refusal.value)


def test_own_keys_are_kept_frozen_and_readable() -> None:
    config = MakeConfig(is_test=True, db={"host": "x", "ports": [1, 2], "items": 3}, core=1)

    assert config.is_test is True
    assert config.core == 1
    assert config.db.host == "x"
    assert config["db.ports"] == (1, 2)
    assert config.db["items"] == 3
    with pytest.raises(AttributeError):
        config.db.host = "y"
    with pytest.raises(TypeError):
        config.db["host"] = "y"


def test_strict_refuses_own_keys() -> None:
    with pytest.raises(ConfigError, match="is_test: unknown key"):
        MakeConfig(is_test=True, strict=True)


@pytest.mark.parametrize("key", ["to_dict", "_own", "__class__", "a b", "1x"])
def test_own_key_that_would_hide_the_configuration_itself_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used as a name"):
        MakeConfig({key: 1})


def test_all_faults_come_together_each_with_its_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("# ours\nNEXIOS_SERVER__PORT=eighty\n")
    monkeypatch.setenv("NEXIOS_CORS__MAX_AGE", "long")
    lines = refused(debug="perhaps", trusted_proxies=["10.0.0.0/8", "proxy"], cors={"x": 1})

    assert lines[0] == "5 settings cannot be used"
    text = "\n".join(lines)
    assert "cors.x: unknown key" in text
    assert "debug: must be a valid boolean, unable to interpret input   (from code)" in text
    assert "cors.max_age: " in text
    assert "(from environment variable NEXIOS_CORS__MAX_AGE)" in text
    assert "(from .env, line 2)" in text
    assert "'proxy' is no address or network like 10.0.0.0/8   (from code)" in text


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"cors": 5}, "cors: must be a mapping"),
        ({"cors": {"allow_origins": "https://a.example"}}, "cors.allow_origins: must be a list"),
        ({"cors": {"max_age": -1}}, "cors.max_age: must not be negative or endless"),
        ({"limits": {"cookie_pairs": -1}}, "limits.cookie_pairs: must not be negative"),
        ({"limits": {"body": None}}, "limits.body: must be a number of bytes; None is for routes"),
        ({"limits": {"boddy": 1}}, "limits.boddy: unknown key; did you mean 'body'?"),
        ({"server": {"port": 70_000}}, "server.port: must be from 0 to 65535"),
        ({"server": {"grace_s": float("nan")}}, "server.grace_s: must not be negative or endless"),
        ({"env": "production"}, "env: must be 'dev', 'test', 'staging' or 'prod'"),
        ({"secret_key": ""}, "secret_key: must be a text"),
        ({"secret_key": ["a", ""]}, "secret_key: must be a text"),
        ({"secret_key": None}, "secret_key: must be a text"),
        ({"trailing_slash": "maybe"}, "trailing_slash: must be 'strict'"),
        ({"security": {"frame_options": "ALL"}}, "security.frame_options: must be 'DENY'"),
        ({"cors": {"allowed_origins": [], "allow_origins": []}}, "given as allow_origins too"),
    ],
)
def test_a_bad_value_is_named_in_plain_words(keys: dict[str, Any], says: str) -> None:
    lines = refused(**keys)
    assert len(lines) == 2
    assert says in lines[1]


def test_same_key_in_mapping_and_keyword_is_refused() -> None:
    with pytest.raises(ConfigError, match="debug: is given in the mapping and as a keyword"):
        MakeConfig({"debug": True}, debug=False)


def test_a_fault_never_shows_the_secret() -> None:
    assert "hunter2" not in "\n".join(refused(secret_key=["hunter2", 5], debug="hunter2"))


class TestSources:
    def test_environment_fills_gaps_and_loses_to_code(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEXIOS_CORS__ALLOW_ORIGINS", "https://a.example, https://b.example")
        monkeypatch.setenv("NEXIOS_DEBUG", "true")

        filled = MakeConfig()
        assert filled.cors.allow_origins == ("https://a.example", "https://b.example")
        assert filled.debug is True
        said = MakeConfig(debug=False, cors={"allow_origins": []})
        assert said.cors.allow_origins == ()
        assert said.debug is False

    def test_lists_may_be_json_and_sections_a_json_object(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEXIOS_JWT_ALGORITHMS", '["HS256", "HS512"]')
        monkeypatch.setenv("NEXIOS_CORS", '{"max_age": 7, "allow_methods": ["GET"]}')
        monkeypatch.setenv("NEXIOS_CORS__MAX_AGE", "8")

        config = MakeConfig()
        assert config.jwt_algorithms == ("HS256", "HS512")
        assert config.cors.allow_methods == ("GET",)
        assert config.cors.max_age == 8

    def test_alias_works_in_every_source(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NEXIOS_CORS__ALLOWED_ORIGINS", "https://a.example")
        assert MakeConfig().cors.allow_origins == ("https://a.example",)
        config = MakeConfig(cors={"allowed_origins": ["https://b.example"]})
        assert config.cors.allow_origins == ("https://b.example",)

    def test_dotenv_stands_below_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".env").write_text(
            "PATH=/nowhere\nexport NEXIOS_ENV=staging\n"
            "NEXIOS_SECRET_KEY=\"a # key, with 'marks'\" # kept\nNEXIOS_SERVER__PORT=1 # one\n"
        )
        monkeypatch.setenv("NEXIOS_SERVER__PORT", "2")

        config = MakeConfig(defaults={"env": "test", "server": {"host": "0.0.0.0"}})
        assert config.env == "staging"
        assert config.secret_key is not None
        assert config.secret_key.reveal() == "a # key, with 'marks'"
        assert config.server.port == 2
        assert config.server.host == "0.0.0.0"
        assert os.environ["PATH"] != "/nowhere"

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_key_counts_beside_its_whole_section_wherever_it_stands(
        self, order: int, tmp_path: Path
    ) -> None:
        lines = ['NEXIOS_SERVER={"port": 1, "host": "::"}', "NEXIOS_SERVER__PORT=2"]
        (tmp_path / ".env").write_text("\n".join(lines[::order]))
        server = MakeConfig().server
        assert (server.port, server.host) == (2, "::")

    def test_secret_from_the_environment_is_not_split_at_commas(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEXIOS_SECRET_KEY", "one,two")
        keyring = MakeConfig().keyring
        assert keyring is not None
        assert [secret.reveal() for secret in keyring.all] == ["one,two"]

    def test_variable_near_a_known_name_is_refused_others_are_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NEXIOS_SHOP__CURRENCY", "EUR")
        assert MakeConfig().shop.currency == "EUR"
        monkeypatch.setenv("NEXIOS_DEBUGG", "1")
        with pytest.raises(ConfigError, match=r"debugg: unknown key; did you mean 'debug'\?"):
            MakeConfig()

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("NEXIOS_DEBUG", "has no value"),
            ('NEXIOS_ENV="prod', "quote that is not closed"),
            ('NEXIOS_SECRET_KEY="one"two', "quote that is not closed"),
            ("NEXIOS_=1", "names no setting"),
            ("NEXIOS_CORS____X=1", "names no setting"),
        ],
    )
    def test_broken_dotenv_line_is_a_fault(self, text: str, says: str, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text(f"\n{text}\n")
        with pytest.raises(ConfigError, match=says) as refusal:
            MakeConfig()
        assert refusal.value.faults[0].source == ".env, line 2"

    def test_dotenv_that_is_a_folder_or_not_text(self, tmp_path: Path) -> None:
        (tmp_path / ".env").mkdir()
        MakeConfig()
        (tmp_path / ".env").rmdir()
        (tmp_path / ".env").write_bytes(b"\xff\xfe\x00NEXIOS_DEBUG=1")
        with pytest.raises(ConfigError, match="cannot be read"):
            MakeConfig()

    def test_no_file_of_the_working_directory_is_executed(self, tmp_path: Path) -> None:
        (tmp_path / "nexios.config.py").write_text("raise SystemExit('executed')")
        (tmp_path / "nexios_config.py").write_text("raise SystemExit('executed')")
        MakeConfig()

    def test_the_compat_profile_sets_three_shapes_and_gives_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = MakeConfig()
        monkeypatch.setenv("NEXIOS_COMPAT", "2.11")
        config = MakeConfig()
        changed = {
            key
            for key, value in config.to_dict(effective=True).items()
            if value != plain.to_dict(effective=True)[key]
        }
        assert changed == {"compat", "cors", "errors"}
        assert config.cors.preflight_status == 201
        assert config.errors.http_exception_body == "detail"
        assert config.errors.duplicate_routes == "first-wins"
        assert MakeConfig(cors={"preflight_status": 204}).cors.preflight_status == 204


class TestFrozen:
    def test_assigning_at_any_depth_is_an_attribute_error(self) -> None:
        config = MakeConfig(cors={"custom_error_messages": {"missing_origin": "?"}}, db={"a": {}})
        for target, name in [
            (config, "debug"),
            (config, "new"),
            (config.cors, "max_age"),
            (config.cors.custom_error_messages, "missing_origin"),
            (config.limits, "body"),
            (config.db, "a"),
            (config.db.a, "b"),
        ]:
            with pytest.raises(AttributeError):
                setattr(target, name, 1)
        with pytest.raises(AttributeError):
            del config.debug

    def test_what_was_handed_in_may_change_later_without_effect(self) -> None:
        origins = ["https://a.example"]
        own = {"list": [1]}
        config = MakeConfig(cors={"allow_origins": origins}, own=own)
        origins.append("https://evil.example")
        own["list"].append(2)
        assert config.cors.allow_origins == ("https://a.example",)
        assert config.own["list"] == (1,)
        assert config.to_dict()["own"] == {"list": [1]}

    def test_immutable_false_is_warned_about_and_stays_frozen(self) -> None:
        with pytest.warns(ConfigWarning, match="immutable=False has no effect"):
            config = MakeConfig(immutable=False)
        with pytest.raises(AttributeError):
            config.debug = True  # type: ignore[misc]  # the point of the test


class TestShowing:
    def test_secrets_are_masked_wherever_settings_are_shown(self) -> None:
        config = MakeConfig(
            secret_key=[KEY, KEY * 2],
            database_url="postgresql://shop:hunter2@db.example/shop?x=1",
            mail={"password": "hunter2", "host": "mail.example", "api_key": "hunter2"},
            broker="amqp://u:hunter2@b",
        )

        for text in (
            repr(config),
            config.to_json(),
            str(config.to_dict(effective=True)),
            repr(config.mail),
            repr(config.secret_key),
            f"{config.secret_key}",
            repr(config.keyring),
        ):
            assert KEY not in text
            assert "hunter2" not in text
        assert config.database_url == "postgresql://shop:hunter2@db.example/shop?x=1"
        assert "db.example/shop" in repr(config)
        shown = json.loads(config.to_json())
        assert shown["mail"] == {"password": "***", "host": "mail.example", "api_key": "***"}

    def test_a_secret_of_the_application_is_masked_under_any_name(self) -> None:
        shown = MakeConfig(shop={"stripe": Secret("hunter2")}).to_dict(effective=True)
        assert shown["shop"] == {"stripe": "***"}

    def test_secret_compares_and_refuses_to_travel(self) -> None:
        secret = Secret("x")
        assert secret == Secret("x") != Secret("y")
        assert copy.deepcopy(secret) is secret
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)

    def test_missing_item_is_none_and_missing_attribute_says_so(self) -> None:
        config = MakeConfig(app={"name": "shop"})
        assert config["app.name"] == "shop"
        assert config["app.nothing.deeper"] is None
        assert config["nothing"] is None
        assert config["__dict__"] is None
        assert config["cors.__class__"] is None
        with pytest.raises(AttributeError, match="did you mean 'debug'"):
            _ = config.debugg
        assert not hasattr(config, "nothing_like_it_at_all")


class TestChecks:
    def test_validate_refuses_by_false_or_by_value_error(self) -> None:
        def port(value: int) -> bool:
            raise ValueError("too high")

        with pytest.raises(ConfigError) as refusal:
            MakeConfig(db={"port": 9, "host": ""}, validate={"db.port": port, "db.host": bool})
        assert [fault.path for fault in refusal.value.faults] == ["db.port", "db.host"]
        assert "too high" in str(refusal.value)

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("https//localhost:5000", "https://localhost:5000"),
            ("https//api.nexios.hub", "https://api.nexios.hub"),
            ("localhost:3000", "https://localhost:3000"),
            ("http:/a.example", "http://a.example"),
            ("https://a.example/", "https://a.example"),
            ("https://a.example/path?q", "https://a.example"),
            ("HTTP://a.example/", "http://a.example"),
            (" https://a.example", "https://a.example"),
            ("", "https://example.org"),
        ],
    )
    def test_malformed_origin_starts_with_a_warning(self, written: str, meant: str) -> None:
        with pytest.warns(ConfigWarning) as caught:
            MakeConfig(cors={"allowed_origins": ["https://fine.example", written]})
        (warning,) = caught
        assert warning.filename == __file__
        assert f"cors.allow_origins: {written!r} is no origin and never matches" in str(
            warning.message
        )
        assert f"write {meant!r}" in str(warning.message)

    @pytest.mark.parametrize(
        "entry", ["*", "null", "https://a.example:8443", "https://*.example.org", "app://local"]
    )
    def test_a_proper_origin_is_not_warned_about(self, entry: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            MakeConfig(cors={"allow_origins": [entry]}, realtime={"allowed_origins": [entry]})


class TestProcessDefault:
    def test_get_before_set_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="no configuration is set"):
            get_config()
        assert default_config() is None

    def test_set_config_is_deprecated_and_takes_both_forms(self) -> None:
        with pytest.warns(DeprecationWarning, match="NexiosApp"):
            set_config(debug=True)
        assert get_config().debug is True
        config = MakeConfig()
        with pytest.warns(DeprecationWarning, match="set_config"):
            set_config(config)
        assert get_config() is default_config() is config


def test_an_application_takes_no_mapping_for_its_configuration() -> None:
    with pytest.raises(TypeError, match="config= takes a MakeConfig, not a dict"):
        NexiosApp(config={"debug": True})  # type: ignore[arg-type]


def test_defaults_are_what_they_are_checked_to_be() -> None:
    assert asdict(checked({})) == asdict(Known())


def test_an_application_without_settings_or_models_builds_no_schema() -> None:
    # dependency-injector would load it, and it all of pydantic.
    code = """
import sys
sys.modules["pydantic_settings"] = None
from nexios import NexiosApp
app = NexiosApp()
@app.get("/{id:int}")
async def show(id: int) -> dict[str, object]:
    return {"id": id}
app.check()
print(*(name for name in ("pydantic.main", "pydantic.type_adapter") if name in sys.modules))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.split() == []
