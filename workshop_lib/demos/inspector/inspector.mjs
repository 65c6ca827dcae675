// The MCP Inspector's command line, with the arguments that this program gets: the server first, then the options.

import { fileURLToPath } from "node:url";

const build = new URL("./node_modules/@modelcontextprotocol/inspector-cli/build/", import.meta.url);
process.chdir(fileURLToPath(build)); // where it looks for its own version
const token = process.env.INSPECTOR_TOKEN; // not among the arguments: other users of the machine can see those
delete process.env.INSPECTOR_TOKEN;
if (token) process.argv.splice(3, 0, "--header", `Authorization: Bearer ${token}`);
await import(new URL("index.js", build));
