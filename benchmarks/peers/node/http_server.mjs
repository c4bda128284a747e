// The echo server of the TypeScript SDK over HTTP, on node's own server.
import { createServer } from "node:http";
import { createMcpHandler } from "@modelcontextprotocol/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { echoServer } from "./servers.mjs";

const server = createServer(toNodeHandler(createMcpHandler(echoServer)));
server.keepAliveTimeout = 60000;
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/mcp`));
