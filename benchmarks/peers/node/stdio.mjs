// The TypeScript SDK to itself over stdio. Words: legacy, or the revision to speak.
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { work, manyAtOnce, oneAfterAnother } from "./worker.mjs";

const era = process.argv[2];
const mode = era === "legacy" ? "legacy" : { pin: era };
const client = new Client({ name: "bench", version: "1" }, { versionNegotiation: { mode } });
const server = fileURLToPath(new URL("./stdio_server.mjs", import.meta.url));
await client.connect(new StdioClientTransport({ command: process.execPath, args: [server] }));
const call = async () => {
  const result = await client.callTool({ name: "echo", arguments: { text: "hello", n: 1 } });
  if (result.content[0].text !== "hello") throw new Error(JSON.stringify(result));
};
await work({ one: oneAfterAnother(call), hundred: manyAtOnce(call) });
