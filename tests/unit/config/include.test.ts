import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatIssue } from "../../../src/config/issues.ts";
import { valueOf } from "../../../src/config/tree/tree.ts";
import { type Home, homeWith } from "./home.ts";

async function valueIn(home: Home): Promise<unknown> {
  const { source } = await home.store.readConfigFileSnapshot();
  return source?.tree && valueOf(source.tree);
}

async function errorsIn(home: Home): Promise<string[]> {
  const snapshot = await home.store.readConfigFileSnapshot();
  const errors = snapshot.valid ? [] : snapshot.errors;
  return errors.map((error) => formatIssue(error).replaceAll(`${home.dir}/`, ""));
}

const main = (names: string | string[], beside = ""): string =>
  `{ "gateway": { "$include": ${JSON.stringify(names)}${beside} } }`;

describe("what files say together", () => {
  test("keys beside an include win over it, key by key; a later file over an earlier one", async () => {
    const home = homeWith({
      "moltbot.json": main(["a.json", "b.json"], `, "log": { "level": "warn" }`),
      "a.json": `{ "port": 1, "log": { "level": "debug", "format": "json" } }`,
      "b.json": `{ "port": 2 }`,
    });
    expect(await valueIn(home)).toEqual({ gateway: { log: { level: "warn", format: "json" }, port: 2 } });
  });

  test("lists are put one after the other", async () => {
    const home = homeWith({
      "moltbot.json": main("a.json", `, "allowedHosts": ["own"]`),
      "a.json": `{ "allowedHosts": ["included"] }`,
    });
    expect(await valueIn(home)).toEqual({ gateway: { allowedHosts: ["included", "own"] } });
  });

  test("a file may be a list, or include others beside itself", async () => {
    const home = homeWith({
      "moltbot.json": `{ "agents": { "list": { "$include": "people/all.json" } } }`,
      "people/all.json": `[{ "id": "a" }, { "$include": "./b.json" }]`,
      "people/b.json": `// it\n{ "id": "b" }`,
    });
    expect(await valueIn(home)).toEqual({ agents: { list: [{ id: "a" }, { id: "b" }] } });
    expect(await errorsIn(home)).toEqual([]);
  });

  test("the same file at two places is itself at both", async () => {
    const home = homeWith({
      "moltbot.json": `{ "agents": { "defaults": { "$include": "m.json" }, "list": [{ "id": "a", "$include": "m.json" }] } }`,
      "m.json": `{ "model": "echo/echo" }`,
    });
    expect(await valueIn(home)).toEqual({
      agents: { defaults: { model: "echo/echo" }, list: [{ id: "a", model: "echo/echo" }] },
    });
  });

  test("a file with the byte order mark, and one in JSON5", async () => {
    const home = homeWith({
      "moltbot.json": `\uFEFF${main(["a.json", "b.json"])}`,
      "a.json": `\uFEFF{ "port": 1 }`,
      "b.json": `{ bind: 'lan' }`,
    });
    expect(await valueIn(home)).toEqual({ gateway: { port: 1, bind: "lan" } });
  });
});

describe("what cannot be included", () => {
  const outside = `is outside the directory of the configuration`;
  const cases: [string, Record<string, string>, string[]][] = [
    [
      "a file that is not there",
      { "moltbot.json": main("a.json") },
      [`moltbot.json:1:28: Cannot use "gateway.$include": "a.json" cannot be read: there is no such file`],
    ],
    [
      "a broken file is told at its own place",
      { "moltbot.json": main("a.json"), "a.json": `{\n  "port": 1,,\n}` },
      [`a.json:2:13: Cannot read configuration: a key in double quotes is missing here`],
    ],
    [
      "upwards",
      { "moltbot.json": main("../a.json") },
      [`moltbot.json:1:28: Cannot use "gateway.$include": "../a.json" ${outside}`],
    ],
    [
      "upwards further in",
      { "moltbot.json": main("sub/../../a.json") },
      [`moltbot.json:1:28: Cannot use "gateway.$include": "sub/../../a.json" ${outside}`],
    ],
    [
      "an absolute place",
      { "moltbot.json": main("/etc/passwd") },
      [`moltbot.json:1:28: Cannot use "gateway.$include": "/etc/passwd" ${outside}`],
    ],
    [
      "itself",
      { "moltbot.json": main("moltbot.json") },
      [
        `moltbot.json:1:28: Cannot use "gateway.$include": "moltbot.json" includes itself, directly or through others`,
      ],
    ],
    [
      "a circle",
      {
        "moltbot.json": main("a.json"),
        "a.json": `{ "$include": "b.json" }`,
        "b.json": `{ "$include": "a.json" }`,
      },
      [`b.json:1:15: Cannot use "$include": "a.json" includes itself, directly or through others`],
    ],
    [
      "what is no name",
      { "moltbot.json": `{ "gateway": { "$include": 5 } }` },
      [`moltbot.json:1:28: Cannot use "gateway.$include": wanted the name of a file or a list of them`],
    ],
    [
      "a list beside keys",
      { "moltbot.json": main("a.json", `, "port": 1`), "a.json": "[1]" },
      [
        `moltbot.json:1:28: Cannot use "gateway.$include": the included file is no object, and there are keys beside it`,
      ],
    ],
    [
      "a key that would reach a prototype",
      { "moltbot.json": main("a.json"), "a.json": `{ "__proto__": { "port": 1 } }` },
      [`a.json:1:3: Cannot read configuration: the key "__proto__" is not allowed`],
    ],
  ];
  test.each(cases)("%s", async (_, texts, errors) => {
    expect(await errorsIn(homeWith(texts))).toEqual(errors);
  });

  test("a link that leads outside, but one that stays inside is followed", async () => {
    const home = homeWith({ "moltbot.json": main(["in.json"]), "real/in.json": `{ "port": 7 }` });
    const elsewhere = homeWith({ "out.json": `{ "port": 8 }` });
    symlinkSync(join(home.dir, "real/in.json"), join(home.dir, "in.json"));
    expect(await valueIn(home)).toEqual({ gateway: { port: 7 } });
    symlinkSync(join(elsewhere.dir, "out.json"), join(home.dir, "out.json"));
    home.put({ "moltbot.json": main("out.json") });
    expect(await errorsIn(home)).toEqual([
      `moltbot.json:1:28: Cannot use "gateway.$include": "out.json" cannot be read: it leads out of the directory of the configuration`,
    ]);
  });

  test("a directory that leads outside", async () => {
    const home = homeWith({ "moltbot.json": main("sub/out.json") });
    const elsewhere = homeWith({ "out.json": `{ "port": 8 }` });
    symlinkSync(elsewhere.dir, join(home.dir, "sub"));
    expect((await errorsIn(home))[0]).toEndWith(`it leads out of the directory of the configuration`);
  });

  test("beside what the main file is a link to", async () => {
    const real = homeWith({ "moltbot.json": main("a.json"), "a.json": `{ "port": 9 }` });
    const home = homeWith();
    mkdirSync(home.dir, { recursive: true });
    symlinkSync(real.path, home.path);
    expect((await errorsIn(home))[0]).toContain("there is no such file");
    symlinkSync(join(real.dir, "a.json"), join(home.dir, "a.json"));
    expect(await valueIn(home)).toEqual({ gateway: { port: 9 } });
  });

  test("not UTF-8, or a directory", async () => {
    const home = homeWith({ "moltbot.json": main("a.json"), "a.json": new Uint8Array([0x7b, 0xff, 0x7d]) });
    expect((await errorsIn(home))[0]).toEndWith(`"a.json" cannot be read: it is not UTF-8 text`);
    mkdirSync(join(home.dir, "b.json"));
    home.put({ "moltbot.json": main("b.json") });
    expect((await errorsIn(home))[0]).toContain(`"b.json" cannot be read: `);
  });

  test("ten files deep are enough", async () => {
    const chain = (count: number): Record<string, string> =>
      Object.fromEntries(
        Array.from({ length: count }, (_, n) => [
          `${n}.json`,
          n + 1 < count ? `{ "$include": "${n + 1}.json" }` : `{ "port": 5 }`,
        ]),
      );
    const deep = homeWith({ "moltbot.json": main("0.json"), ...chain(10) });
    expect(await valueIn(deep)).toEqual({ gateway: { port: 5 } });
    const deeper = homeWith({ "moltbot.json": main("0.json"), ...chain(11) });
    expect(await errorsIn(deeper)).toEqual([
      `9.json:1:15: Cannot use "$include": "10.json" is more than 10 files deep`,
    ]);
  });

  test("what names thousands is told once, and nothing of it is watched without end", async () => {
    const names = Array.from({ length: 5_000 }, (_, n) => `${n}.json`);
    const found = Object.fromEntries(names.slice(0, 64).map((name) => [name, "{}"]));
    const home = homeWith({ "moltbot.json": main(names), ...found });
    const snapshot = await home.store.readConfigFileSnapshot();
    const told = snapshot.valid
      ? []
      : snapshot.errors.filter(({ message }) => message.includes("one file more"));
    expect(told).toHaveLength(1);
    expect(snapshot.watched.length).toBeLessThan(70);
  });

  test("files that include each other twice do not multiply without end", async () => {
    const texts = Object.fromEntries(
      Array.from({ length: 9 }, (_, n) => [
        `${n}.json`,
        `{ "$include": ${JSON.stringify(Array<string>(8).fill(`${n + 1}.json`))} }`,
      ]),
    );
    const home = homeWith({ "moltbot.json": main("0.json"), ...texts, "9.json": `{ "port": 1 }` });
    expect((await errorsIn(home)).join("\n")).toContain("one file more than the 64 that may be included");
  });

  test("a relative main file", async () => {
    const home = homeWith({ "moltbot.json": main("a.json"), "a.json": `{ "port": 3 }` });
    writeFileSync(join(home.dir, "b.json"), "");
    const { relative } = await import("node:path");
    const configPath = relative(process.cwd(), home.path);
    const named = homeWith({}, { configPath });
    const { source } = await named.store.readConfigFileSnapshot();
    expect(source?.tree && valueOf(source.tree)).toEqual({ gateway: { port: 3 } });
  });
});
