// The echo server of the TypeScript SDK over stdio.
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { echoServer } from "./servers.mjs";

serveStdio(echoServer);
