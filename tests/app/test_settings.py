"""Settings are asked for by their own type; the environment decides the conditions."""

from dataclasses import dataclass
from typing import Literal, Protocol

import pytest
from pydantic import BaseModel

from nexios import Depend, MakeConfig, Module, NexiosApp, profile
from nexios.application.events import Envelope
from nexios.application.handlers import after_commit
from nexios.container.errors import ProfileGap
from nexios.subscriptions import handler_points
from tests.support.asgi import ask
from tests.support.shop import OrderPlaced

pytestmark = pytest.mark.asyncio

Environment = Literal["dev", "test", "staging", "prod"]


class ShopSettings(MakeConfig):
    mail_host: str


class BranchSettings(ShopSettings):
    branch: str = "main"


class Service:
    def __init__(self, settings: ShopSettings, config: MakeConfig) -> None:
        self.settings, self.config = settings, config


async def test_settings_of_the_users_own_class_are_injected_by_their_type() -> None:
    settings = ShopSettings(mail_host="mail.example.org")
    shop = Module("shop", bind=[Service], export=[Service])
    app = NexiosApp(shop, config=settings)

    @app.get("/host")
    async def host(service: Service = Depend(), own: ShopSettings = Depend()) -> str:
        assert own is service.settings is service.config is settings
        return own.mail_host

    assert (await ask(app, "GET", "/host")).body == b"mail.example.org"


async def test_settings_are_known_by_every_class_between_theirs_and_makeconfig() -> None:
    settings = BranchSettings(mail_host="localhost")
    shop = Module("shop", bind=[Service], export=[Service])
    app = NexiosApp(shop, settings)

    @app.get("/host")
    async def host(service: Service = Depend(), own: BranchSettings = Depend()) -> str:
        assert own is service.settings is service.config is settings
        return own.mail_host

    assert (await ask(app, "GET", "/host")).body == b"localhost"


async def test_an_override_of_own_settings_reaches_who_asks_for_the_configuration() -> None:
    app = NexiosApp(config=ShopSettings(mail_host="real"))

    @app.get("/host")
    async def host(config: MakeConfig = Depend()) -> str:
        return str(config["mail_host"])

    app.check()
    with app.override(ShopSettings).value(ShopSettings(mail_host="other")):
        assert (await ask(app, "GET", "/host")).body == b"other"
    assert (await ask(app, "GET", "/host")).body == b"real"


@dataclass(frozen=True)
class MailSettings:
    host: str = "mail"


class DatabaseSettings(BaseModel):
    url: str = "sqlite://"


async def test_any_settings_object_bound_by_value_is_injected_by_its_type() -> None:
    settings = Module("settings")
    settings.bind(MailSettings).value(MailSettings("one"))
    settings.bind(DatabaseSettings).value(DatabaseSettings(url="two"))
    app = NexiosApp(settings.export(MailSettings, DatabaseSettings))

    @app.get("/both")
    async def both(
        mail: MailSettings = Depend(), database: DatabaseSettings = Depend()
    ) -> list[str]:
        return [mail.host, database.url]

    assert (await ask(app, "GET", "/both")).body == b'["one","two"]'


class Mailer(Protocol):
    def name(self) -> str: ...


class Smtp:
    def name(self) -> str:
        return "smtp"


class Printing:
    def name(self) -> str:
        return "printing"


@pytest.mark.parametrize(("env", "name"), [("staging", b"smtp"), ("dev", b"printing")])
async def test_the_configured_environment_is_the_profile(env: Environment, name: bytes) -> None:
    mail = Module("mail").export(Mailer)
    mail.bind(Mailer, when=profile("prod", "staging")).to(Smtp)
    mail.bind(Mailer, when=~profile("prod", "staging")).to(Printing)
    app = NexiosApp(mail, config=MakeConfig(env=env))

    @app.get("/name")
    async def show(mailer: Mailer = Depend()) -> str:
        return mailer.name()

    assert (await ask(app, "GET", "/name")).body == name


async def test_conditions_that_leave_the_environment_without_a_mailer_are_refused() -> None:
    mail = Module("mail").export(Mailer)
    mail.bind(Mailer, when=profile("prod")).to(Smtp)
    with pytest.raises(ProfileGap, match='for profile "test" no binding of Mailer remains'):
        NexiosApp(mail, config=MakeConfig(env="test")).check()


class Notifier:
    @after_commit(OrderPlaced)
    async def tell(self, event: OrderPlaced, envelope: Envelope) -> None: ...


async def test_handlers_of_another_profile_do_not_listen() -> None:
    module = Module("notes")
    module.bind(Notifier, when=profile("prod"))
    assert [point.handles.event_type for point in handler_points([module], "prod")] == [
        OrderPlaced
    ]
    assert handler_points([module], "dev") == []
    NexiosApp(module, config=MakeConfig(env="dev")).check()
