// The TypeScript SDK to itself over HTTP. Words: legacy, or the revision to speak.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { work, manyAtOnce, oneAfterAnother } from "./worker.mjs";

const era = process.argv[2];
const mode = era === "legacy" ? "legacy" : { pin: era };
const program = fileURLToPath(new URL("./http_server.mjs", import.meta.url));
const server = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => server.kill());
const url = await new Promise((resolve) => server.stdout.once("data", (data) => resolve(`${data}`.trim())));
const client = new Client({ name: "bench", version: "1" }, { versionNegotiation: { mode } });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const call = async () => {
  const result = await client.callTool({ name: "echo", arguments: { text: "hello", n: 1 } });
  if (result.content[0].text !== "hello") throw new Error(JSON.stringify(result));
};
await work({ one: oneAfterAnother(call), hundred: manyAtOnce(call) });
