"""Facts to figures, and one self-contained page.

The public names stand in `__init__.pyi`; each is imported when it is first asked for: whoever writes a run's page waits
neither for studies nor for comparisons.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
