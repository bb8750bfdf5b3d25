import { describe, expect, test } from "bun:test";
import { readDocument, readJsonc } from "../../../src/config/text/document.ts";
import { EditError } from "../../../src/config/text/edit.ts";
import { type Intent, rewrite, type Rewritten } from "../../../src/config/write/rewrite.ts";
import type { SourceFile } from "../../../src/config/tree/tree.ts";

type Texts = Readonly<Record<string, string>>;

function fileOf(path: string, text: string): SourceFile {
  const reading = path === "/c/main.json" ? readDocument(text) : readJsonc(text);
  if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
  return { path, text, document: reading.document };
}

/** Rewrites files below `/c`, the first one being the main one. */
function apply(texts: Texts, intent: Intent): Rewritten {
  const [main, ...included] = Object.entries(texts).map(([name, text]) => fileOf(`/c/${name}`, text));
  if (!main) throw new Error("no main file");
  return rewrite([main, ...included], intent);
}

/** Only what is not what it was. */
function written(texts: Texts, intent: Intent): Texts {
  const { texts: after } = apply(texts, intent);
  return Object.fromEntries([...after].map(([path, text]) => [path.slice(3), text]));
}

function refused(texts: Texts, intent: Intent): string {
  try {
    return JSON.stringify(written(texts, intent));
  } catch (error) {
    if (error instanceof EditError) return error.message;
    throw error;
  }
}

const set = (key: string, value: unknown, drop: string[] = []): Intent => ({
  kind: "set",
  path: key.split("."),
  value,
  drop: drop.map((one) => one.split(".")),
});
const unset = (...path: (string | number)[]): Intent => ({ kind: "unset", path });
const patch = (value: unknown): Intent => ({ kind: "patch", patch: value });
const replace = (text: string, drop: string[] = []): Intent => ({
  kind: "replace",
  text,
  drop: drop.map((one) => one.split(".")),
});

/** A list and an object put together from two files, with words about everything. */
const SPLIT: Texts = {
  "main.json": `{
  // the gateway
  "gateway": {
    "$include": "gw.json", // the rest of it
    "allowedHosts": ["own"], // mine
    "log": { "level": "warn" },
  },
}
`,
  "gw.json": `{
  "port": 1, // here
  "allowedHosts": ["a", /* b */ "b"],
  "log": { "level": "debug", "format": "json" } // all of it
}
`,
};

const swap = (name: "main.json" | "gw.json", from: string, to: string): Texts => {
  const text = SPLIT[name] ?? "";
  if (!text.includes(from)) throw new Error(`no ${from}`);
  return { [name]: text.replace(from, to) };
};

describe("a write lands where the thing is written, and nowhere else", () => {
  const cases: [string, Intent, Texts][] = [
    ["a value of the included file", set("gateway.port", 2), swap("gw.json", `"port": 1`, `"port": 2`)],
    [
      "a value that is in both: the one that counts",
      set("gateway.log.level", "info"),
      swap("main.json", `"warn"`, `"info"`),
    ],
    [
      "a value only the included file has, in an object of both",
      set("gateway.log.format", "text"),
      swap("gw.json", `"json"`, `"text"`),
    ],
    [
      "a new key: beside the include",
      set("gateway.bind", "lan"),
      swap(
        "main.json",
        `    "log": { "level": "warn" },\n`,
        `    "log": { "level": "warn" },\n    "bind": "lan",\n`,
      ),
    ],
    [
      "an element of the included part of a list",
      set("gateway.allowedHosts", ["a", "x", "own"]),
      swap("gw.json", `"b"]`, `"x"]`),
    ],
    [
      "an element of the own part of a list",
      set("gateway.allowedHosts", ["a", "b", "x"]),
      swap("main.json", `["own"]`, `["x"]`),
    ],
    [
      "one more at the end of a list",
      set("gateway.allowedHosts", ["a", "b", "own", "x"]),
      swap("main.json", `["own"]`, `["own", "x"]`),
    ],
    [
      "one more at the beginning",
      set("gateway.allowedHosts", ["x", "a", "b", "own"]),
      swap("gw.json", `["a"`, `["x", "a"`),
    ],
    [
      "one less in the middle",
      set("gateway.allowedHosts", ["a", "own"]),
      swap("gw.json", `["a", /* b */ "b"]`, `["a" /* b */]`),
    ],
    ["one less by its place", unset("gateway", "allowedHosts", 2), swap("main.json", `["own"]`, `[]`)],
    [
      "a patch over an object with an include",
      patch({ gateway: { port: 3, log: { format: null } } }),
      {
        "gw.json": (SPLIT["gw.json"] ?? "")
          .replace(`"port": 1`, `"port": 3`)
          .replace(`"level": "debug", "format": "json"`, `"level": "debug"`),
      },
    ],
  ];
  test.each(cases)("%s", (_, intent, expected) => {
    expect(written(SPLIT, intent)).toEqual(expected);
  });

  test("a key goes from every file that says it, or it would come out again", () => {
    const { "main.json": main = "", "gw.json": gw = "" } = written(SPLIT, unset("gateway", "log"));
    expect(main).not.toContain("log");
    expect(gw).not.toContain(`"log"`);
    expect([main, gw].every((text) => text.includes("//"))).toBe(true);
  });

  test("an include goes with the object it is in, its file stays", () => {
    expect(written(SPLIT, unset("gateway"))).toEqual({ "main.json": "{\n  // the gateway\n}\n" });
  });

  test("nothing wanted, nothing written", () => {
    for (const intent of [
      patch({}),
      patch({ gateway: { port: 1 } }),
      set("gateway.port", 1),
      unset("models"),
    ]) {
      expect(written(SPLIT, intent)).toEqual({});
    }
  });

  test("into a file that is a list itself", () => {
    const texts: Texts = {
      "main.json": `{ "agents": { "list": { "$include": "people.json" } } }`,
      "people.json": `// all of them\n[\n  // the first\n  { "id": "a" },\n  { "id": "b" } // the last\n]\n// end`,
    };
    const people = texts["people.json"] ?? "";
    const list = (...ids: string[]) =>
      set(
        "agents.list",
        ids.map((id) => ({ id })),
        ["agents.list"],
      );
    expect(written(texts, list("a", "b", "c"))).toEqual({
      "people.json": people.replace(
        `{ "id": "b" } // the last`,
        `{ "id": "b" }, // the last\n  { "id": "c" }`,
      ),
    });
    expect(written(texts, list("b"))).toEqual({
      "people.json": people.replace(`  { "id": "a" },\n`, ""),
    });
    expect(written(texts, patch({ agents: { list: [{ id: "a", systemPrompt: "x" }] } }))).toEqual({
      "people.json": people.replace(`{ "id": "a" }`, `{ "id": "a", "systemPrompt": "x" }`),
    });
    expect(refused(texts, unset("agents", "list"))).toBe(
      `Cannot remove "agents.list": it is all of "/c/people.json"`,
    );
  });

  test("one file at two places: what would change both is refused", () => {
    const texts: Texts = {
      "main.json": `{ "a": { "$include": "m.json" }, "b": { "$include": "m.json" } }`,
      "m.json": `{ "x": 1 }`,
    };
    expect(refused(texts, set("a.x", 2))).toBe(
      "Cannot change the configuration: it is put together from files in a way that forbids it",
    );
    expect(written(texts, patch({ a: { x: 2 }, b: { x: 2 } }))).toEqual({ "m.json": `{ "x": 2 }` });
  });

  test("a value that an included object would shine through is refused", () => {
    const texts: Texts = {
      "main.json": `{ "a": { "$include": "m.json", "x": 1 } }`,
      "m.json": `{ "x": { "y": 1 } }`,
    };
    expect(refused(texts, set("a.x", { z: 1 }))).toStartWith("Cannot change the configuration: ");
  });
});

describe("what would be lost without a word is refused", () => {
  const text = `{ "gateway": { "port": 1, "bind": "lan" }, "agents": { "list": [{ "id": "a" }, { "id": "b" }] } }`;
  const texts: Texts = { "main.json": text };
  const cases: [string, Intent, string][] = [
    [
      "an object in place of a larger one",
      set("gateway", { port: 2 }),
      `Cannot write configuration: it would drop "gateway.bind", which nobody named`,
    ],
    [
      "an element with an id",
      replace(`{ "gateway": { "port": 1, "bind": "lan" }, "agents": { "list": [{ "id": "b" }] } }`),
      `Cannot write configuration: it would drop "agents.list.0", which nobody named`,
    ],
    [
      "the same with comments",
      replace(`{ "gateway": { "port": 1, "bind": "lan" }, "agents": {} } // mine`),
      `Cannot write configuration: it would drop "agents.list", which nobody named`,
    ],
    [
      "all of it",
      replace("{}"),
      `Cannot write configuration: it would drop "gateway", "agents", which nobody named`,
    ],
    [
      "a patch that puts a value where an object is",
      patch({ gateway: 5 }),
      `Cannot write configuration: it would drop "gateway.port", "gateway.bind", which nobody named`,
    ],
    [
      "a hidden secret that is not there",
      patch({ gateway: { auth: { token: "***" } } }),
      `Cannot write "gateway.auth.token": *** stands for a hidden secret, and there is none to keep`,
    ],
    [
      "text that is no object",
      replace("[]"),
      "Cannot read the new configuration: line 1, column 1: it must be an object, { … }",
    ],
    [
      "a key that would reach a prototype",
      patch(JSON.parse(`{ "gateway": { "__proto__": { "port": 1 } } }`)),
      `Cannot merge "gateway.__proto__": the key "__proto__" is not allowed`,
    ],
    ["an element that is not there", set("agents.list.7", 1), `Cannot change element "7": the list has 2`],
  ];
  test.each(cases)("%s", (_, intent, message) => {
    expect(refused(texts, intent)).toBe(message);
  });

  test("what is named may go", () => {
    expect(written(texts, set("gateway", { port: 2 }, ["gateway.bind"]))).toEqual({
      "main.json": text.replace(`"port": 1, "bind": "lan"`, `"port": 2`),
    });
    expect(written(texts, unset("agents", "list", 0))).toEqual({
      "main.json": text.replace(`{ "id": "a" }, `, ""),
    });
    expect(written(texts, patch({ gateway: null }))).toEqual({
      "main.json": text.replace(`"gateway": { "port": 1, "bind": "lan" }, `, ""),
    });
  });
});

describe("a whole text", () => {
  const text = `{\n  // why\n  "gateway": { "port": 1, "auth": { "token": "geheim-1" } }, // end\n}\n`;

  test("with comments it is written as it is, hidden secrets put back", () => {
    const next = `{\n  // why not\n  "gateway": { "auth": { "token": "***" }, "port": 2 }\n}`;
    expect(written({ "main.json": text }, replace(next))).toEqual({
      "main.json": next.replace("***", "geheim-1"),
    });
  });

  test("without any, the old comments stay", () => {
    const next = `{"gateway":{"auth":{"token":"***"},"port":2}}`;
    expect(written({ "main.json": text }, replace(next))).toEqual({
      "main.json": text.replace(`"port": 1`, `"port": 2`),
    });
  });

  const OLD = `{\n  // old\n  "gateway": { "token": "geheim-1" }, // who\n  "routing": { "queue": { "mode": "x" } }\n}`;

  test("of an old file, edited and sent back: its old keys are the same as the new ones", () => {
    const edited = OLD.replace("geheim-1", "***").replace("// who", "// whom");
    expect(written({ "main.json": OLD }, replace(edited))).toEqual({
      "main.json": OLD.replace("// who", "// whom"),
    });
    const plain = `{ "gateway": { "token": "***" }, "routing": { "queue": { "mode": "y" } } }`;
    const { "main.json": main = "" } = written({ "main.json": OLD }, replace(plain));
    expect(readDocument(main)).toMatchObject({
      ok: true,
      document: { value: { gateway: { auth: { token: "geheim-1" } }, messages: { queue: { mode: "y" } } } },
    });
    expect(main).toContain("// old");
  });

  test("leaves included files as they are, old keys in them too", () => {
    const texts: Texts = {
      "main.json": `{ "$include": "old.json" } // mine`,
      "old.json": `{ "routing": { "bindings": [{ "agentId": "a" }] } }`,
    };
    const next = `{ "$include": "old.json", "gateway": { "port": 2 } } // mine`;
    expect(apply(texts, replace(next))).toEqual({ texts: new Map([["/c/main.json", next]]), changes: [] });
  });

  test("takes the place of nothing as it is", () => {
    const empty: SourceFile = { ...fileOf("/c/main.json", "{\n}\n"), text: "" };
    const { texts } = rewrite([empty], replace(`{"gateway":{"port":1}}`));
    expect([...texts.values()]).toEqual([`{"gateway":{"port":1}}`]);
  });
});

describe("an old name in what is wanted", () => {
  const AUTH: Texts = { "main.json": `{ "gateway": { "auth": { "token": "geheim-1" } } } // mine` };
  const cases: [Texts, Intent, string][] = [
    [
      AUTH,
      set("gateway.token", "geheim-2"),
      '"gateway.token": it is an old name, removed "gateway.token": "gateway.auth.token" is set, and is the one',
    ],
    [
      { "main.json": "{}" },
      set("gateway.token", "geheim-2"),
      '"gateway.token": it is an old name, moved "gateway.token" to "gateway.auth.token"',
    ],
    [
      { "main.json": "{}" },
      set("gateway", { token: "geheim-2", port: 1 }),
      '"gateway.token": it is an old name, moved "gateway.token" to "gateway.auth.token"',
    ],
    [
      { "main.json": "{}" },
      set("agent.timeoutSeconds", 9),
      '"agent.timeoutSeconds": it is an old name, moved "agent',
    ],
    [
      { "main.json": "{}" },
      set("whatsapp.allowFrom", ["+1"]),
      '"whatsapp.allowFrom": it is an old name, moved "whatsapp" to "channels.whatsapp"',
    ],
    [
      AUTH,
      patch({ gateway: { port: 2, token: "geheim-2" } }),
      '"gateway.token": it is an old name, removed "gateway.token"',
    ],
  ];
  for (const [texts, intent, said] of cases) {
    test(`${JSON.stringify(intent)} is refused`, () =>
      expect(refused(texts, intent)).toStartWith(`Cannot set ${said}`));
  }

  test("is moved where it is in a whole new configuration", () => {
    const after = written(AUTH, replace(`{ "gateway": { "token": "geheim-2" } }`, ["gateway"]));
    expect(after["main.json"]).toContain(`"auth": { "token": "geheim-2"`);
  });

  test("is none where only the value is said otherwise today", () => {
    for (const [key, value] of [
      ["gateway.bind", "localhost"],
      ["agents.defaults.model", ""],
      ["agents.list", [{ id: "My agent" }]],
    ] as const) {
      expect(apply({ "main.json": "{}" }, set(key, value)).texts.size).toBe(1);
    }
  });

  test("does not stand in the way of the new name beside it", () => {
    // Both are set, to something else: the old one stays, and goes when they say the same.
    const texts = { "main.json": `{ "routing": { "bindings": [1] }, "bindings": [2] }` };
    expect(written(texts, set("bindings", [1]))["main.json"]).toContain(`"bindings": [1]`);
  });
});

describe("old keys on the way", () => {
  test("move with the words around them, and are told", () => {
    const texts: Texts = {
      "main.json": `{\n  "gateway": {\n    "token": "geheim-1", // from the wizard\n    "port": 1\n  }\n}\n`,
    };
    const { texts: after, changes } = apply(texts, set("gateway.port", 2));
    expect(changes[0]).toBe(`moved "gateway.token" to "gateway.auth.token"`);
    const text = after.get("/c/main.json") ?? "";
    expect(readDocument(text)).toMatchObject({
      document: { value: { gateway: { port: 2, auth: { token: "geheim-1" } } } },
    });
    expect(text).toContain("// from the wizard");
  });

  test("agents keep the comments inside them on their way into a list", () => {
    const texts: Texts = {
      "main.json": `{
  "routing": {
    "agents": {
      "a": { "workspace": "~/a" /* home of a */ },
      "b": {
        // home of b
        "workspace": "~/b"
      }
    }
  }
}
`,
    };
    const text = apply(texts, set("gateway.port", 2)).texts.get("/c/main.json") ?? "";
    for (const comment of ["/* home of a */", "// home of b"]) expect(text).toContain(comment);
    expect(readDocument(text)).toMatchObject({
      document: {
        value: {
          agents: {
            list: [
              { id: "a", workspace: "~/a" },
              { id: "b", workspace: "~/b" },
            ],
          },
        },
      },
    });
  });

  test("in an included file they stay in that file", () => {
    const texts: Texts = {
      "main.json": `{ "gateway": { "$include": "gw.json" } } // main`,
      "gw.json": `{ "token": "geheim-1", /* here */ "port": 1 }`,
    };
    const after = written(texts, set("gateway.port", 2));
    expect(Object.keys(after)).toEqual(["gw.json"]);
    expect(JSON.parse((after["gw.json"] ?? "").replace("/* here */", ""))).toEqual({
      port: 2,
      auth: { token: "geheim-1", mode: "token" },
    });
  });

  test("a list whose parts are in two files moves whole", () => {
    const texts: Texts = {
      "main.json": `{ "$include": "old.json", "routing": { "bindings": [{ "agentId": "x" }] } }`,
      "old.json": `{ "routing": { "bindings": [{ "agentId": "y" }] } }`,
    };
    const { texts: after } = apply(texts, set("gateway.port", 2));
    const files = Object.keys(texts).map((name) =>
      fileOf(`/c/${name}`, after.get(`/c/${name}`) ?? texts[name] ?? ""),
    );
    const [main, old] = files;
    if (!main || !old) throw new Error("no files");
    // What is read again says the same.
    const again = rewrite([main, old], patch({ bindings: [{ agentId: "y" }, { agentId: "x" }] }));
    expect(again).toEqual({ texts: new Map(), changes: [] });
  });
});
