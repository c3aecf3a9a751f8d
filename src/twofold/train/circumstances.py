"""The circumstances of a run: versions, threads, devices; and which of them differ now."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping

from twofold.engine import Engine
from twofold.engines import ENGINES, TITLES
from twofold.plain import Parsed
from twofold.runs import Circumstances
from twofold.setup.versions import LIBRARIES, code, versions


def _kernel(pools: list[dict[str, Parsed]]) -> str:
    """The library of NumPy's matrix products and the kind of processor that it computes for."""
    blas = sorted(
        {
            f"{pool['internal_api']} {pool.get('architecture', '')}".strip()
            for pool in pools
            if pool["user_api"] == "blas"
        }
    )
    return ", ".join(blas)


def circumstances(engines: Mapping[str, Engine], processes: int = 1) -> Circumstances:
    """The circumstances of this process and these engines: versions, threads, devices."""
    from threadpoolctl import threadpool_info

    facts: dict[str, Parsed] = {
        "versions": versions(*engines),
        "code": code(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "blas_threads": max((pool["num_threads"] for pool in threadpool_info()), default=1),
        "blas_kernel": _kernel(threadpool_info()),
        "devices": {name: engine.device for name, engine in engines.items()},
    }
    if "torch" in engines and "torch" in sys.modules:
        facts["torch_capability"] = str(sys.modules["torch"].backends.cpu.get_cpu_capability())
    for name, engine in engines.items():
        if ENGINES[name].library not in LIBRARIES:  # NumPy's threads are those of BLAS, its arithmetic is the recipe's
            facts |= {f"{name}_threads": engine.threads, f"{name}_arithmetic": engine.arithmetic}
    if processes > 1:
        facts["processes"] = processes
    return Circumstances(**facts)


def differences(then: Circumstances, today: Circumstances) -> Iterator[str]:
    """A phrase for each circumstance that numbers depend on and that differs today."""
    after = _deciding(today)
    for key, value in _deciding(then).items():
        if after.get(key) != value:
            yield f"{key} {value}, now {after.get(key)}"


def _deciding(circumstances: Circumstances) -> dict[str, Parsed]:
    """The circumstances that numbers depend on, by readable names."""
    values: dict[str, Parsed] = dict(circumstances.versions)
    if circumstances.code is not None:
        values["code of Twofold"] = f"{circumstances.code[:12]}..."
    values |= {f"device of the {name} engine": device for name, device in circumstances.devices.items()}
    values["threads of BLAS"] = circumstances.blas_threads
    if circumstances.blas_kernel is not None:
        values["kernel of BLAS"] = circumstances.blas_kernel
    if circumstances.torch_capability is not None:
        values["instructions of PyTorch"] = circumstances.torch_capability
    for name, title in TITLES.items():
        for what in ("threads", "arithmetic"):
            if (value := getattr(circumstances, f"{name}_{what}", None)) is not None:
                values[f"{what} of {title}"] = value
    return values
