import { afterEach, expect, test } from "bun:test";

import { giveable } from "../../../src/agents/acp/servers.ts";
import { definitionsFor, type McpServerConfig } from "../../../src/agents/mcp/definition.ts";
import type { AgentEnvironment, ToolPolicy } from "../../../src/ports.ts";
import { acpAgents, acpEnvironment, faithful, stopAgents } from "./acp-kit.ts";
import { listen, turnOf } from "./kit.ts";

afterEach(stopAgents);

type Servers = Readonly<Record<string, McpServerConfig>>;

const FILES: Servers = { files: { command: "files", args: ["-x"], env: { FILES_KEY: "key-of-files" } } };
const HOUSE: Servers = {
  house: { url: "http://127.0.0.1:1/mcp", headers: { Authorization: "Bearer house" } },
};

function definitions(servers: Servers, environment: AgentEnvironment) {
  return definitionsFor({ mcp: { servers } }, environment, { PATH: "/bin", OPENAI_API_KEY: "ours" });
}

/** What the agent was given of these servers. */
async function givenTo(flags: readonly string[], servers: () => Servers, tools: ToolPolicy = {}) {
  const environment = acpEnvironment({ tools });
  const kit = acpAgents({ toolServers: async (wanted) => definitions(servers(), wanted) });
  const hear = async (): Promise<unknown> => {
    const runtime = await kit.agents.open("agent/default", faithful(...flags), environment);
    const { text, error } = await listen(runtime, turnOf("servers"));
    expect(error).toBeUndefined();
    return JSON.parse(text);
  };
  return { ...kit, hear };
}

test("a program is given the agent's servers of tools; one over HTTP if it can, and nothing of ours", async () => {
  const all = (): Servers => ({ ...FILES, ...HOUSE });
  const files = {
    name: "files",
    command: "files",
    args: ["-x"],
    env: [
      { name: "PATH", value: "/bin" },
      { name: "FILES_KEY", value: "key-of-files" },
    ],
  };
  const house = {
    type: "http",
    name: "house",
    url: "http://127.0.0.1:1/mcp",
    headers: [{ name: "Authorization", value: "Bearer house" }],
  };
  expect(await (await givenTo([], all)).hear()).toEqual([files]);
  expect(await (await givenTo(["--http"], all)).hear()).toEqual([files, house]);
});

test("what is restricted is not given, and the log says so", async () => {
  const { hear, log } = await givenTo([], () => FILES, { approve: ["files__write_*"] });
  expect(await hear()).toEqual([]);
  expect(log.lines).toContainEqual(
    expect.objectContaining({
      message: "servers of tools not given to agent",
      fields: expect.objectContaining({ servers: "files" }),
    }),
  );
});

test("other servers are another program", async () => {
  let servers = FILES;
  const { hear, programs } = await givenTo([], () => servers);
  expect(await hear()).toHaveLength(1);
  expect(await hear()).toHaveLength(1);
  expect(programs).toHaveLength(1);
  servers = {};
  expect(await hear()).toEqual([]);
  expect(programs).toHaveLength(2);
});

test("an agent that does not begin with its servers begins without", async () => {
  const { hear, log } = await givenTo(["--refuses-servers"], () => FILES);
  expect(await hear()).toEqual([]);
  expect(log.lines).toContainEqual(
    expect.objectContaining({ level: "warn", message: "agent does not begin with its servers of tools" }),
  );
});

const NAME: Servers = { "my files": { command: "files" } };

test.each<readonly [ToolPolicy, boolean]>([
  [{}, true],
  [{ deny: [], approve: [] }, true],
  [{ deny: ["other__*", "files__*", "my_filesystem__*", "my_files"], approve: ["read"] }, true],
  [{ deny: ["my_files__read"] }, false],
  [{ deny: ["my_*"] }, false],
  [{ deny: ["*_read"] }, false],
  [{ approve: ["my_files__w*e"] }, false],
  [{ approve: ["*"] }, false],
  [{ allow: [] }, false],
  [{ allow: ["my_files__read"] }, false],
  [{ allow: ["my_files__r*"] }, false],
  [{ allow: ["*__*"] }, false],
  [{ allow: ["other", "my_files__*"] }, true],
  [{ allow: ["*"] }, true],
  [{ allow: ["*"], deny: ["my_files__x"] }, false],
])("under %j all tools of a server may be used unasked: %p", (policy, isGiven) => {
  const { given, kept } = giveable(definitions(NAME, acpEnvironment()), policy);
  expect([given.length, kept]).toEqual(isGiven ? [1, []] : [0, ["my files"]]);
});

test.each<McpServerConfig>([
  { command: "files", cwd: "/srv" },
  { command: "files", deny: ["x"] },
  { command: "files", allow: ["*"] },
])("a server with lists or a place of its own is not given: %j", (config) => {
  expect(giveable(definitions({ files: config }, acpEnvironment()), {}).given).toEqual([]);
});

test("nor one whose tools have no names that begin with its own", () => {
  expect(giveable(definitions({ ["n".repeat(70)]: { command: "x" } }, acpEnvironment()), {}).given).toEqual(
    [],
  );
});
