// The TypeScript SDK in process: its in-memory transport, which passes objects. Words: legacy, or the revision to speak.
import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { work, manyAtOnce, oneAfterAnother } from "./worker.mjs";
import { echoServer } from "./servers.mjs";

export async function joined(make, era, handlers = {}) {
  const [near, far] = InMemoryTransport.createLinkedPair();
  serveStdio(make, { transport: far });
  const mode = era === "legacy" ? "legacy" : { pin: era };
  const capabilities = Object.keys(handlers).length ? { elicitation: {}, sampling: {} } : {};
  const client = new Client({ name: "bench", version: "1" }, { versionNegotiation: { mode }, capabilities });
  for (const [method, handler] of Object.entries(handlers)) client.setRequestHandler(method, handler);
  await client.connect(near);
  return client;
}

if (process.argv[1].endsWith("call.mjs")) {
  const client = await joined(echoServer, process.argv[2]);
  const call = async () => {
    const result = await client.callTool({ name: "echo", arguments: { text: "hello", n: 1 } });
    if (result.content[0].text !== "hello") throw new Error(JSON.stringify(result));
  };
  await work({ one: oneAfterAnother(call), hundred: manyAtOnce(call) });
}
