"""The templates of SightX's pages."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sightx_cli.report.numbers import format_number, format_range, show_name

if TYPE_CHECKING:
    from jinja2 import Environment


def render_template(name: str, **values: Any) -> str:
    """Render a page; text is escaped, and what cannot be printed in it is a dot.

    Raises jinja2's UndefinedError where the template asks for a value that is not given.
    """
    return _open_templates().get_template(name).render(**values)


@functools.cache  # with the templates, each of which takes a twentieth of a second to compile
def _open_templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sightx_cli.report"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else show_name(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": format_number, "range": format_range, "count": format_number, "name": show_name
    }  # fmt: skip
    return environment
