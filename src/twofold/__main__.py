"""`python -m twofold`, and the command `twofold`: signals are heard before anything else is imported."""

import gc

from twofold.interrupts import listening

COLLECT_AFTER = 50_000
"""New objects after which Python looks for reference cycles. Its default, 700, costs imports and figures about 5 %."""


def main() -> None:
    """Run the command line."""
    with listening():
        gc.set_threshold(COLLECT_AFTER, 20, 20)
        from twofold.cli.main import main as command

        command()


if __name__ == "__main__":
    main()
