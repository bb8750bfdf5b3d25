// What needs no server: names, answers, lists, definitions.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { toAnswer } from "../../../src/agents/mcp/content.ts";
import { definitionsFor, isConfigured } from "../../../src/agents/mcp/definition.ts";
import { readListing } from "../../../src/agents/mcp/listing.ts";
import { modelNames } from "../../../src/agents/mcp/names.ts";
import { stateOf } from "../../../src/agents/mcp/words.ts";

const SEED = 20_261_123;

const named = fc.record({
  server: fc.constantFrom("a", "a__b", "Ünïcode", "s".repeat(60), "."),
  tool: fc.oneof(
    fc.constantFrom("b__c", "c", "x.y", "x/y", "x_y", "t".repeat(80)),
    fc.string({ maxLength: 20 }),
  ),
});

test("names are ones that models take, each of one tool, and the same in any order", () => {
  const tools = fc.uniqueArray(named, {
    selector: ({ server, tool }) => `${server}\0${tool}`,
    maxLength: 40,
  });
  fc.assert(
    fc.property(tools, (all) => {
      const names = modelNames(all);
      const given = names.filter((name) => name !== undefined);
      expect(given.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
      expect(new Set(given).size).toBe(given.length);
      const reversed = modelNames([...all].reverse()).reverse();
      expect(reversed).toEqual(names);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("a name that is one already stays, and what looks like it gets another", () => {
  const names = modelNames([
    { server: "s", tool: "a.b" },
    { server: "s", tool: "a_b" },
    { server: "s", tool: "plain" },
  ]);
  expect(names).toEqual([expect.stringMatching(/^s__a_b_[0-9a-f]{8}$/), "s__a_b", "s__plain"]);
});

test.each([
  [
    "text",
    [
      { type: "text", text: "one" },
      { type: "text", text: "two" },
    ],
    "one\ntwo",
  ],
  [
    "an image",
    [{ type: "image", mimeType: "image/png", data: "A".repeat(16_384) }],
    "[image image/png, 12 KB]",
  ],
  ["a sound", [{ type: "audio", mimeType: "audio/wav", data: "AAAA" }], "[audio audio/wav, 3 B]"],
  ["a text resource", [{ type: "resource", resource: { uri: "a://b", text: "inside" } }], "inside"],
  [
    "a binary resource",
    [{ type: "resource", resource: { uri: "a://b", mimeType: "application/zip", blob: "AAAA" } }],
    "[resource a://b, application/zip, 3 B]",
  ],
  ["a link", [{ type: "resource_link", name: "notes", uri: "file:///notes" }], "notes: file:///notes"],
  ["something new", [{ type: "hologram" }, { type: "text", text: "and text" }], "[hologram]\nand text"],
  ["a hostile type", [{ type: "image", mimeType: "a\u001b[2J\n", data: 7 }], "[image a[2J, 0 B]"],
  ["no parts", [], "(no output)"],
  ["parts that are none", [null, 7, "x", { type: "resource" }], "(no output)"],
  ["no list", "text", "(no output)"],
])("an answer of %s in words", (_, content, text) => {
  expect(toAnswer({ content })).toEqual({ text, isError: false });
});

test("structured content stands in for missing text alone, and errors stay errors", () => {
  const structuredContent = { a: [1, 2] };
  expect(toAnswer({ content: [], structuredContent }).text).toBe('{"a":[1,2]}');
  const both = { content: [{ type: "text", text: "said" }], structuredContent };
  expect(toAnswer(both).text).toBe("said");
  expect(toAnswer({ content: [{ type: "text", text: "no" }], isError: true })).toEqual({
    text: "no",
    isError: true,
  });
  expect(toAnswer({ content: [], isError: "yes" }).isError).toBe(false);
  expect(toAnswer("nothing").isError).toBe(true);
});

test("an answer is cut where it would fill a model's context", () => {
  const { text } = toAnswer({ content: [{ type: "text", text: "x".repeat(200_050) }] });
  expect(text).toBe(`${"x".repeat(200_000)}\n[50 more characters are left out]`);
});

test("an answer is words whatever a server sends", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (result, content) => {
      for (const answer of [toAnswer(result), toAnswer({ content }), toAnswer({ content: [content] })]) {
        expect(answer.text.isWellFormed() && answer.text !== "").toBe(true);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("a list is read whatever a server sends", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (listed) => {
      const { tools, left } = readListing(listed);
      expect(tools.length + left.length).toBe(listed.length);
    }),
    { seed: SEED, numRuns: 300 },
  );
  const deep = JSON.parse(`${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`);
  expect(readListing([{ name: "deep", inputSchema: deep }]).tools).toEqual([]);
});

test("a description is there without one, where there is a title", () => {
  const inputSchema = { type: "object" };
  const { tools } = readListing([
    { name: "a", title: "Its title", inputSchema },
    { name: "b", description: "d", title: "t", inputSchema },
    { name: "c", description: 7, inputSchema },
  ]);
  expect(tools.map(({ description }) => description)).toEqual(["Its title", "d", ""]);
});

const AGENT = { agentId: "main", workspace: "/home/me/clawd", env: {} };

test("an agent's own server takes the place of the common one of that name, or takes it away", () => {
  const config = {
    mcp: { servers: { a: { command: "a" }, b: { command: "b" }, c: { url: "http://c/" } } },
    agents: {
      list: [
        { id: "main", mcp: { servers: { a: { command: "own" }, b: { command: "b", enabled: false } } } },
      ],
    },
  };
  const found = definitionsFor(config, AGENT, {});
  expect(
    found.map(({ name, reach }) => [name, reach.kind === "program" ? reach.command : reach.url]),
  ).toEqual([
    ["a", ["own"]],
    ["c", "http://c/"],
  ]);
  expect(definitionsFor(config, { ...AGENT, agentId: "other" }, {})).toHaveLength(3);
  // Keys of sessions have ids in small letters.
  const list = [{ id: "House", mcp: { servers: { own: { command: "own" } } } }];
  expect(definitionsFor({ agents: { list } }, { ...AGENT, agentId: "house" }, {})).toHaveLength(1);
});

test("what decides whether a server is shared is how it is reached, not who may use what of it", () => {
  const keys = (server: object, agent = AGENT): string[] =>
    definitionsFor({ mcp: { servers: { a: server } } }, agent, {}).map(({ key }) => key);
  const program = { command: "a", args: ["x"], env: { B: "1", A: "2" } };
  const [key] = keys(program);
  expect(keys({ ...program, env: { A: "2", B: "1" }, allow: ["t"], timeoutSeconds: 5 })).toEqual([key ?? ""]);
  expect(keys({ ...program, args: ["y"] })).not.toEqual([key ?? ""]);
  expect(keys(program, { ...AGENT, workspace: "/other" })).not.toEqual([key ?? ""]);
  const web = { url: "http://a/" };
  expect(keys(web)).toEqual(keys(web, { ...AGENT, workspace: "/other" }));
  expect(keys(web)).not.toEqual(keys({ ...web, headers: { a: "1" } }));
});

test("a server is still configured while any agent has it, enabled and reached the same way", () => {
  const server = { command: "a" };
  const [definition] = definitionsFor({ mcp: { servers: { a: server } } }, AGENT, {});
  if (!definition) throw new Error("no definition");
  expect(isConfigured({ mcp: { servers: { a: { ...server, deny: ["x"] } } } }, definition)).toBe(true);
  expect(isConfigured({ agents: { list: [{ id: "x", mcp: { servers: { a: server } } }] } }, definition)).toBe(
    true,
  );
  expect(isConfigured({ mcp: { servers: { b: server } } }, definition)).toBe(false);
  expect(isConfigured({ mcp: { servers: { a: { ...server, enabled: false } } } }, definition)).toBe(false);
  expect(isConfigured({ mcp: { servers: { a: { command: "b" } } } }, definition)).toBe(false);
  expect(isConfigured({}, definition)).toBe(false);
});

test("what a server says of itself is told as it is, what a runtime says of a connection in our words", () => {
  const numbered = Object.assign(new Error("fetch failed"), { code: -32_000 });
  expect(stateOf(numbered)).toBe("fetch failed");
  expect(stateOf(Object.assign(new Error("Unable to connect."), { code: "ConnectionRefused" }))).toBe(
    "it cannot be reached",
  );
  expect(stateOf(Object.assign(new Error("secret body"), { status: 503 }))).toBe("it answered HTTP 503");
  expect(stateOf(new Error("two\nlines. "))).toBe("two lines");
  expect(stateOf(new Error(""))).toBe("it failed without a word");
});
