// A tool of the TypeScript SDK that asks its client back, in process. Words: legacy, or the revision to speak.
import { McpServer, acceptedContent, inputRequired } from "@modelcontextprotocol/server";
import { z } from "zod";
import { joined } from "./call.mjs";
import { work, manyAtOnce, oneAfterAnother } from "./worker.mjs";

const era = process.argv[2];
const Approval = z.object({ agreed: z.boolean() });
const requestedSchema = { type: "object", properties: { agreed: { type: "boolean" } }, required: ["agreed"] };
const content = (text) => ({ content: [{ type: "text", text }], structuredContent: { result: text } });
const say = (text) => ({ messages: [{ role: "user", content: { type: "text", text: `Summarise ${text}` } }], maxTokens: 20 });

function make() {
  const server = new McpServer({ name: "Asking", version: "1" });
  const shape = { inputSchema: z.object({ text: z.string() }), outputSchema: z.object({ result: z.string() }) };
  server.registerTool("approve", { description: "a", ...shape }, async ({ text }, ctx) => {
    const question = { mode: "form", message: `Publish ${text}?`, requestedSchema };
    if (era === "legacy") {
      const answer = await ctx.mcpReq.elicitInput(question);
      return content(answer.action === "accept" && answer.content.agreed ? "yes" : "no");
    }
    const answer = acceptedContent(ctx.mcpReq.inputResponses, "ok", Approval);
    if (answer === undefined) return inputRequired({ inputRequests: { ok: inputRequired.elicit(question) } });
    return content(answer.agreed ? "yes" : "no");
  });
  server.registerTool("draft", { description: "d", ...shape }, async ({ text }, ctx) => {
    if (era === "legacy") return content((await ctx.mcpReq.requestSampling(say(text))).content.text);
    const answer = ctx.mcpReq.inputResponses?.text;
    if (answer === undefined) return inputRequired({ inputRequests: { text: inputRequired.createMessage(say(text)) } });
    return content(answer.content.text);
  });
  return server;
}

const client = await joined(make, era, {
  "elicitation/create": async () => ({ action: "accept", content: { agreed: true } }),
  "sampling/createMessage": async () => ({ role: "assistant", model: "m", content: { type: "text", text: "short" } }),
});
const calling = (name, expected) => async () => {
  const result = await client.callTool({ name, arguments: { text: "it" } });
  if (result.structuredContent?.result !== expected) throw new Error(JSON.stringify(result));
};
await work({
  elicit: oneAfterAnother(calling("approve", "yes")),
  sample: oneAfterAnother(calling("draft", "short")),
  hundred: manyAtOnce(calling("approve", "yes")),
});
