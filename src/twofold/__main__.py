"""`python -m twofold`, and the command `twofold`: signals are heard before anything else is imported."""

from twofold.interrupts import listening


def main() -> None:
    """Run the command line."""
    with listening():
        from twofold.cli.main import main as command

        command()


if __name__ == "__main__":
    main()
