"""Models that are called like others."""

from pydantic import BaseModel


class Thing(BaseModel):
    other: int
