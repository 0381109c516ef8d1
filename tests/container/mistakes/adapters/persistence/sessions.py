"""What a driver brings."""


class Session:
    pass
