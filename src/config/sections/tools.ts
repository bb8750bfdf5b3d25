import { z } from "zod";
import { isObject, quote } from "../leaves.ts";
import {
  MCP_TRANSPORTS,
  UNUSED_MCP,
  UNUSED_MCP_SERVER,
  UNUSED_TOOL_NOTES,
  UNUSED_TOOLS,
} from "../original.ts";
import { Flag, isHttpUrl, Text, Variable, whole } from "./common.ts";

const Names = z.array(z.string().max(200)).max(1_000).optional();

export const toolPolicy = {
  allow: Names.meta({ description: "Tools that may be used, * for any text; absent: all", reload: "live" }),
  deny: Names.meta({ description: "Tools that may not be used, whatever is allowed", reload: "live" }),
  approve: Names.meta({ description: "Tools a person is asked about each time", reload: "live" }),
};

const McpServer = z.lazy(() =>
  z
    .strictObject({
      command: Text.max(4_096)
        .optional()
        .meta({ description: "Its program, talked to over its standard input" }),
      args: z
        .array(z.string().max(16_384))
        .max(256)
        .optional()
        .meta({ description: "That program's arguments" }),
      env: z.record(Text, Variable).optional().meta({ description: "Variables for that program" }),
      cwd: Text.max(4_096)
        .optional()
        .meta({ description: "Where it runs; the agent's workspace when absent" }),
      url: z
        .string()
        .refine(isHttpUrl, { error: "wanted an http or https address without user name and password" })
        .optional()
        .meta({ description: "Its address, where it is a server" }),
      headers: z.record(Text, Variable).optional().meta({ description: "Headers for it" }),
      enabled: Flag.optional().meta({ description: "false: as if it were not there" }),
      allow: Names.meta({ description: "Tools of it that may be used, * for any text; absent: all" }),
      deny: Names.meta({ description: "Tools of it that may not be used, whatever is allowed" }),
      timeoutSeconds: whole(1, 3_600).optional().meta({ description: "Time one call may take" }),
    })
    .meta({ unused: UNUSED_MCP_SERVER, tolerant: true, skip: unreachable }),
);

/** Entries come from instructions for other programs, with words of their own: no reason not to start. */
function unreachable(server: unknown): string | undefined {
  // One that is off needs nothing: an agent switches a common one off by its name alone.
  if (!isObject(server) || server["enabled"] === false) return undefined;
  if (server["disabled"] === true) return "it is disabled";
  const { command, url } = server;
  if (command === undefined && url === undefined) return "it has neither a command nor a url";
  if (command !== undefined && url !== undefined) return "it has both a command and a url";
  const transport = server["transport"] ?? server["type"];
  if (typeof transport !== "string" || MCP_TRANSPORTS.includes(transport)) return undefined;
  return `its transport is ${quote(transport)}, and only stdio and streamable HTTP are supported`;
}

export const mcpServers = z.record(Text.max(100), McpServer).optional().meta({
  description: "Servers of tools (Model Context Protocol), by name",
  reload: "live",
});

/** Which tools agents may use. */
export const toolsSection = z
  .strictObject(toolPolicy)
  .prefault({})
  .meta({ unused: UNUSED_TOOLS, unusedNotes: UNUSED_TOOL_NOTES });

/** Where tools come from. */
export const mcpSection = z.strictObject({ servers: mcpServers }).prefault({}).meta({ unused: UNUSED_MCP });
