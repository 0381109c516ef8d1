"""Members in a table."""

import json
from typing import Final

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, UniqueConstraint

from examples.accounts.domain.member import Member, MemberId, Members, Named, VouchedBy
from nexios.adapters.persistence import IdentityType, Mapper, Rows, SqlRepository
from nexios.domain import AlreadyExists

metadata: Final = MetaData()

members: Final = Table(
    "members",
    metadata,
    Column("id", IdentityType(MemberId), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", String(32), nullable=False),
    Column("password_hash", Text),
    Column("vouched_by", String(400)),
    Column("roles", Text, nullable=False),
    UniqueConstraint("name", name="members_name_key"),
    UniqueConstraint("vouched_by", name="members_vouched_by_key"),
)


class MemberMapper(Mapper[Member]):
    """One row for each member; the roles as a list in JSON."""

    root = members
    criteria = {
        Named: lambda spec: members.c.name == spec.name,
        VouchedBy: lambda spec: members.c.vouched_by == spec.by,
    }
    constraints = {
        "members_name_key": lambda _: AlreadyExists("the name is taken"),
        "members_vouched_by_key": lambda _: AlreadyExists("the member is there already"),
    }

    def dump(self, member: Member) -> Rows:
        return {
            "members": [
                {
                    "id": member.id,
                    "name": member.name,
                    "password_hash": member.password_hash,
                    "vouched_by": member.vouched_by,
                    "roles": json.dumps(member.roles),
                }
            ]
        }

    def load(self, rows: Rows) -> Member:
        (row,) = rows["members"]
        return Member(
            id=MemberId.parse(row["id"]),
            name=row["name"],
            password_hash=row["password_hash"],
            vouched_by=row["vouched_by"],
            roles=tuple(json.loads(row["roles"])),
        )


class SqlMembers(SqlRepository[Member, MemberId], Members):
    """Members in SQLite or PostgreSQL."""

    mapper = MemberMapper()
