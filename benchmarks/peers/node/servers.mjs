// The servers of the TypeScript SDK that are measured.
import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

export function echoServer() {
  const server = new McpServer({ name: "Echo", version: "1" });
  server.registerTool(
    "echo",
    {
      description: "Echo.",
      inputSchema: z.object({ text: z.string(), n: z.number().int() }),
      outputSchema: z.object({ result: z.string() }),
    },
    async ({ text }) => ({ content: [{ type: "text", text }], structuredContent: { result: text } }),
  );
  return server;
}
