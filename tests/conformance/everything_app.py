"""
The everything-server's app: all that the conformance suite expects a server to offer, under the names it prescribes.

Owns the resources, the prompts and the assembly. Refuses to serve: `everything_server` does that.
"""

from __future__ import annotations

from conformance import everything_content as content
from conformance import everything_questions as questions
from conformance.everything_tasks import TASK_TOOLS

from zcp_actors import FastZCP, File, Image

app = FastZCP("zcp_actors-everything", instructions="A server with one of everything, for the conformance suite.")

for each in (*content.CONTENT_TOOLS, *questions.QUESTION_TOOLS):
    app.add_tool(each)
app.add_tool(content.json_schema_2020_12_tool, input_schema=content.JSON_SCHEMA_2020_12)
app.add_tool(content.mirrored_argument, input_schema=content.MIRRORED)
for function, options in TASK_TOOLS:
    app.add_tool(function, **options)


@app.tool
async def test_trigger_tool_change() -> str:
    """Change the list of tools, for those who listen."""
    app.add_tool(content.test_simple_text, name="test_passing_tool")
    app.remove_tool("test_passing_tool")
    return "The list of tools was changed."


@app.tool
async def test_trigger_prompt_change() -> str:
    """Change the list of prompts, for those who listen."""
    app.add_prompt(test_simple_prompt, name="test_passing_prompt")
    app.remove_prompt("test_passing_prompt")
    return "The list of prompts was changed."


@app.resource("test://static-text", mime_type="text/plain")
async def static_text() -> str:
    """A text that never changes."""
    return "This is the content of the static text resource."


@app.resource("test://static-binary", mime_type="image/png")
async def static_binary() -> bytes:
    """A picture that never changes."""
    return content.RED_DOT


@app.resource("test://watched-resource", mime_type="text/plain", subscribe=True)
async def watched_resource() -> str:
    """A text that can be subscribed to."""
    return "This is the content of the watched resource."


@app.resource("test://template/{id}/data", mime_type="application/json")
async def template_data(id: str) -> dict[str, object]:
    """Data of one of many things."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


@app.prompt
async def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@app.prompt
async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@app.completion("test_prompt_with_arguments")
async def complete_argument(value: str) -> list[str]:
    """Suggest places."""
    return [place for place in ("paris", "park", "party") if place.startswith(value)]


@app.prompt
async def test_prompt_with_embedded_resource(resourceUri: str) -> list[object]:  # noqa: N803 - the suite's name
    """A prompt that carries a resource."""
    carried = File("Embedded resource content for testing.", uri=resourceUri, mime_type="text/plain")
    return [carried, "Please process the embedded resource above."]


@app.prompt
async def test_prompt_with_image() -> list[object]:
    """A prompt that carries a picture."""
    return [Image(content.RED_DOT, format="png"), "Please analyse the image above."]


app.add_prompt(questions.test_input_required_result_prompt)
