"""Logs of a service: one JSON object a line on stderr, with the batch under `batch` throughout.

Everything goes the same way, what libraries say through the standard library's logging included.
Times are UTC. Keys, passwords and session tokens are never among the values.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TextIO

import structlog

LogFormat = Literal["json", "console"]
LOG_FORMATS: tuple[LogFormat, ...] = ("json", "console")


def configure_logs(
    format: LogFormat = "json",
    *,
    is_verbose: bool = False,
    stream: TextIO | None = None,
    **labels: str,
) -> None:
    """Set up the logs of this process; the last call counts.

    Args:
        format: `json` for machines, `console` for people.
        is_verbose: whether steps that change nothing are told too.
        stream: where to write; stderr without it.
        labels: what every line carries, such as `service="operator"`.
    """
    out = sys.stderr if stream is None else stream
    level = logging.DEBUG if is_verbose else logging.INFO

    def label(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**labels, **event}

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        label,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time")
    )
    last: list[Any] = [renderer]
    if format == "json":
        last.insert(0, structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # What others say below a warning is about them, not about a batch.
    root.setLevel(logging.WARNING)
