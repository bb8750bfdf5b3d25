// A server of tools that speaks nothing but the newest version of the protocol, made with the library for
// servers, whose folder is the first argument; the second is `stdio` or `http`.
import { join } from "node:path";
import { z } from "zod";

const [folder = "", way] = process.argv.slice(2);
const { McpServer, createMcpHandler } = await import(join(folder, "index.mjs"));
const names = ["grow"];
let changed = (): void => {};

function make() {
  const server = new McpServer({ name: "new", version: "1" });
  const text = (said: string) => ({ content: [{ type: "text", text: said }] });
  const said = z.object({ said: z.string() });
  server.registerTool("echo", { inputSchema: said }, (args: z.output<typeof said>) => text(args.said));
  for (const name of names) {
    server.registerTool(name, { inputSchema: z.object({}) }, () => {
      names.push("fresh");
      changed();
      return text("grown");
    });
  }
  return server;
}

if (way === "http") {
  const handler = createMcpHandler(make, { legacy: "reject" });
  changed = () => handler.notify.toolsChanged();
  const { port } = Bun.serve({
    hostname: "127.0.0.1",
    port: Number(process.env["PORT"]),
    fetch: handler.fetch,
  });
  console.error(`listening on port ${port}`);
} else {
  const { serveStdio } = await import(join(folder, "stdio.mjs"));
  serveStdio(make, { legacy: "reject" });
}
