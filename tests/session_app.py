"""An app that serves everything a client can ask for."""

from __future__ import annotations

from typing import Literal

from zcp_actors import Context, FastZCP


def everything(**options) -> FastZCP:
    app = FastZCP("Everything", "2.0", "Ask for anything.", page_size=2, **options)

    @app.tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @app.tool
    async def mirror(given: dict, ctx: Context) -> dict:
        return {"given": given, "meta": dict(ctx.meta)}

    @app.tool
    async def report(values: list, ctx: Context) -> None:
        for value in values:
            await ctx.progress(value, 10, f"at {value}")

    @app.tool
    async def log(level: str, ctx: Context) -> None:
        await ctx.log(level, {"text": level}, logger="test")

    @app.resource("docs://readme")
    async def readme() -> str:
        """Read me."""
        return "read me"

    @app.resource("docs://license", subscribe=True)
    async def license() -> bytes:  # noqa: A001 - a resource's name
        return b"MIT"

    @app.resource("docs://third")
    async def third() -> str:
        return "3"

    @app.resource_template("docs://{section}/{page}", subscribe=True)
    async def page(section: str, page: str) -> str:
        return f"{section}/{page}"

    @app.prompt
    async def review(code: str, style: Literal["kind", "harsh"] = "kind") -> str:
        """Review code."""
        return f"Review {code} ({style})"

    @app.completion("review")
    async def complete_review(argument: str, value: str, arguments: dict) -> list:
        found = {"code": ["main.py", "make.py"], "style": [f"for {arguments.get('code')}"]}[argument]
        return [each for each in found if each.startswith(value)]

    return app
