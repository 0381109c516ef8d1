"""Accounts over HTTP."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from examples.accounts.application.joining import Joining
from examples.accounts.application.passwords import Passwords
from examples.accounts.application.roster import Roster
from examples.accounts.domain.member import Member, MemberId
from nexios import Request
from nexios.application import Unauthenticated
from nexios.application.login import PasswordLogin
from nexios.application.token_pairs import TokenPair, TokenPairs
from nexios.auth import auth, fresh, has_permission, public
from nexios.domain import Page
from nexios.http import Controller, Query, get, post, put
from nexios.middleware import rate_limit

# No text reaches a store with a NUL in it; said here, the document says so too.
TEXT: Final = "^[^\\x00]+$"
Name = Annotated[str, Field(max_length=320, pattern=TEXT)]
Password = Annotated[str, Field(min_length=8, max_length=256, pattern=TEXT)]
Secret = Annotated[str, Field(max_length=200, pattern="^[A-Za-z0-9_-]*$")]


class Told(BaseModel):
    """Base of what clients send: nothing but what is written here."""

    model_config = ConfigDict(extra="forbid")


class NewMember(Told):
    """Somebody who wants to join."""

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{1,30}[a-z0-9]$")]
    password: Password


class NamePassword(Told):
    """Who somebody says they are, and how they prove it."""

    name: Name
    password: Password


class Change(Told):
    """The password as it is, and as it should be."""

    old: Password
    new: Password


class Refresh(Told):
    """What came with the last access token."""

    refresh_token: Secret


class Appointment(Told):
    """The roles from now on."""

    roles: Annotated[list[Literal["moderator", "admin"]], Field(max_length=10)]


class MemberOut(BaseModel):
    """A member as others see them."""

    id: str
    name: str
    roles: list[str]

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(id=str(member.id), name=member.name, roles=list(member.roles))


class MemberPage(BaseModel):
    """One page; give ``next`` as ``after`` to go on."""

    items: list[MemberOut]
    next: str | None

    @classmethod
    def of(cls, page: Page[Member]) -> Self:
        return cls(items=[MemberOut.of(one) for one in page.items], next=page.next)


class Tokens(BaseModel):
    """RFC 6749, 5.1."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str

    @classmethod
    def of(cls, pair: TokenPair) -> Self:
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            expires_in=pair.expires_in,
            token_type=pair.token_type,
        )


class TokenController(Controller, path="/tokens", tags=["tokens"]):
    """Logging in for programs."""

    def __init__(self, login: PasswordLogin, pairs: TokenPairs) -> None:
        self._login = login
        self._pairs = pairs

    @post(status=201)
    @public
    async def open(self, told: NamePassword, request: Request) -> Tokens:
        """Log in with name and password."""
        account = await self._login(told.name, told.password, request.get_client_ip())
        if account is None:
            raise Unauthenticated("name or password is wrong")
        return Tokens.of(await self._pairs.open(account.identity))

    @post("/refresh")
    @public
    async def refresh(self, told: Refresh) -> Tokens:
        """Get the next pair; the old refresh token is of no use from then on."""
        return Tokens.of(await self._pairs.rotate(told.refresh_token))

    @post("/revoke", status=204)
    @public
    async def revoke(self, told: Refresh) -> None:
        """Log out: end the login that a refresh token belongs to."""
        await self._pairs.close(told.refresh_token)


class MeController(Controller, path="/me", tags=["members"], guards=[auth()]):
    """What members do about themselves, by token or by session."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    @get()
    async def show(self, request: Request) -> MemberOut:
        """Show who is logged in."""
        return MemberOut.of(request.user)

    @put("/password", status=204)
    async def change(self, told: Change, request: Request) -> None:
        """Change the password; every other login ends."""
        await self._passwords.change(request.user.identity, told.old, told.new)


class MemberController(Controller, path="/members", tags=["members"]):
    """Signing up, and looking after members."""

    def __init__(self, joining: Joining, roster: Roster) -> None:
        self._joining = joining
        self._roster = roster

    @post(status=201)
    @public
    @rate_limit("60/minute")
    async def sign_up(self, told: NewMember) -> MemberOut:
        """Become a member."""
        return MemberOut.of(await self._joining.sign_up(told.name, told.password))

    @get()
    @has_permission("members:read")
    async def page(
        self,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[str | None, Query(pattern="^[A-Za-z0-9_-]{21}[AQgw]$")] = None,
    ) -> MemberPage:
        """List all members."""
        return MemberPage.of(await self._roster.page(limit, after))

    @get("/{member_id}")
    @auth()
    async def show(self, member_id: MemberId) -> MemberOut:
        """Show a member: oneself, or to moderators anybody."""
        return MemberOut.of(await self._roster.member(member_id))

    @put("/{member_id}/roles")
    @has_permission("members:appoint")
    @fresh(max_age_s=900)
    async def appoint(self, member_id: MemberId, told: Appointment) -> MemberOut:
        """Replace the roles of a member; a quarter of an hour after logging in."""
        return MemberOut.of(await self._roster.appoint(member_id, told.roles))
