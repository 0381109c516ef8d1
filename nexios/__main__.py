"""`python -m nexios` is the `nexios` command."""

from nexios.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m nexios")
